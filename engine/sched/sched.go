package sched

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"moln.dev/moln/engine/clock"
	"moln.dev/moln/engine/ident"
	"moln.dev/moln/engine/kv"
)

// Handler runs a job. ctx is cancelled when the lease is lost or the scheduler
// stops and its grace is over. It may run more than once for one job, and what
// it returns decides: see Permanent and Again.
type Handler func(ctx context.Context, r Run) error

// Options say how jobs of a kind are run. Zero values stand for the defaults.
type Options struct {
	// Concurrency is how many jobs of the kind this node runs at once.
	Concurrency int
	// MaxAttempts ends a job as a dead letter after that many runs; 0 is
	// without end.
	MaxAttempts int
	// Backoff is how long to wait after the attempt with that number, from 1.
	Backoff func(attempt int) time.Duration
	// Lease is how long a node that died keeps its jobs from the others.
	Lease time.Duration
	// DeadLetter, if set, is given jobs that failed for good, at least once and
	// under a lease like any run; what it returns nil for is not listed as a
	// dead letter.
	DeadLetter func(ctx context.Context, r Run, cause string) error
}

func (o Options) withDefaults() Options {
	if o.Concurrency == 0 {
		o.Concurrency = ConcurrencyDefault
	}
	if o.Backoff == nil {
		o.Backoff = Backoff
	}
	if o.Lease == 0 {
		o.Lease = LeaseDefault
	}
	return o
}

func (o Options) exhausted(attempt int) bool { return o.MaxAttempts > 0 && attempt >= o.MaxAttempts }

// Run is one run of a job.
type Run struct {
	ID   string
	Kind string
	Key  string
	// Payload belongs to the handler.
	Payload []byte
	// Attempt is 1 for the first run.
	Attempt    int
	RunAt      time.Time
	EnqueuedAt time.Time

	sched *Scheduler
	lease string
}

// FinishTx ends the job inside a transaction of the handler, so that its
// effects and the end of the job are one. It fails with ErrLeaseLost when this
// run no longer holds the job; the transaction must then not be committed. The
// handler returns nil after it.
func (r Run) FinishTx(tx *kv.Tx) error { return r.sched.finishTx(tx.On(r.sched.db), r.ID, r.lease) }

// Scheduler stores and runs jobs. It is safe for concurrent use.
type Scheduler struct {
	db  *kv.DB
	clk clock.Clock
	ids *ident.Source
	log *slog.Logger

	mu    sync.Mutex
	kinds map[string]*worker
	every []periodic
	start func(*worker) // set while Run goes on
}

// New returns a Scheduler whose jobs live in db, a scope of its own. It runs
// nothing before Run. Several Schedulers, on one node or many, may share db.
func New(db *kv.DB, clk clock.Clock, ids *ident.Source, log *slog.Logger) *Scheduler {
	return &Scheduler{db: db, clk: clk, ids: ids, log: log, kinds: make(map[string]*worker)}
}

// Register says how jobs of a kind are run; a kind is named "service/what". It
// may be called before or during Run. It panics when the kind is registered
// already or the options are beyond the limits: those are mistakes of the
// program.
func (s *Scheduler) Register(kind string, h Handler, o Options) {
	o = o.withDefaults()
	if err := (Job{Kind: kind}).check(); err != nil {
		panic(err.Error())
	}
	if o.Concurrency < 1 || o.Concurrency > ConcurrencyMax || o.MaxAttempts < 0 || o.Lease < 0 {
		panic(fmt.Sprintf("sched: options of %s are beyond the limits", kind))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.kinds[kind]; ok {
		panic(fmt.Sprintf("sched: %s is registered twice", kind))
	}
	w := &worker{
		Scheduler: s, kind: kind, handler: h, options: o,
		slots: make(chan struct{}, o.Concurrency), running: make(map[string]struct{}),
	}
	s.kinds[kind] = w
	if s.start != nil {
		s.start(w)
	}
}

func (s *Scheduler) known(kind string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.kinds[kind]
	return ok
}

// Enqueue stores a job; it is durable when Enqueue returns. Errors are
// ErrInvalid, ErrUnknownKind, and those of kv.
func (s *Scheduler) Enqueue(ctx context.Context, j Job) error {
	return s.db.Update(ctx, func(tx *kv.Tx) error { return s.EnqueueTx(tx, j) })
}

// EnqueueTx stores a job in a transaction of the caller: the job exists if and
// only if tx commits. tx may be of any scope of the store that the Scheduler is
// in.
func (s *Scheduler) EnqueueTx(tx *kv.Tx, j Job) error {
	if err := j.check(); err != nil {
		return err
	}
	if !s.known(j.Kind) {
		return fmt.Errorf("%w: %s", ErrUnknownKind, j.Kind)
	}
	return s.enqueue(tx.On(s.db), j)
}

// Cancel removes the job of a kind and key, if there is one. A run that goes
// on is not ended, but loses its lease and is not repeated.
func (s *Scheduler) Cancel(ctx context.Context, kind, key string) error {
	return s.db.Update(ctx, func(tx *kv.Tx) error { return s.CancelTx(tx, kind, key) })
}

// CancelTx is Cancel in a transaction of the caller.
func (s *Scheduler) CancelTx(tx *kv.Tx, kind, key string) error {
	return s.cancel(tx.On(s.db), kind, key)
}

// stopGrace is how long, in real time, handlers may go on after Run was told
// to stop before their contexts are cancelled.
const stopGrace = 10 * time.Second

// Run runs jobs until ctx is done. It returns, with nil, when no handler runs
// any more: they get stopGrace to finish, then their contexts are cancelled
// with ErrStopping, and their jobs are free for other nodes at once. It fails
// when the periodic jobs cannot be stored, or when it is called twice.
func (s *Scheduler) Run(ctx context.Context) error {
	var loops, runs sync.WaitGroup
	runCtx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(ErrStopping)
	start := func(w *worker) { loops.Go(func() { w.loop(ctx, runCtx, &runs) }) }
	if err := s.begin(ctx, start); err != nil {
		return err
	}
	<-ctx.Done()
	s.mu.Lock()
	s.start = nil
	s.mu.Unlock()
	loops.Wait()
	grace := time.AfterFunc(stopGrace, func() { cancel(ErrStopping) })
	defer grace.Stop()
	runs.Wait()
	return nil
}

var errRunning = errors.New("sched: Run is called twice")

func (s *Scheduler) begin(ctx context.Context, start func(*worker)) error {
	s.mu.Lock()
	every := s.every
	s.mu.Unlock()
	for _, p := range every {
		if err := s.arm(ctx, p); err != nil {
			return fmt.Errorf("sched: arm %s: %w", p.kind, err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.start != nil {
		return errRunning
	}
	s.start = start
	for _, w := range s.kinds {
		start(w)
	}
	return nil
}
