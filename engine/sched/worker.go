package sched

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"runtime/debug"
	"sync"
	"time"

	"moln.dev/moln/engine/clock"
)

const (
	// claimMax is how many jobs are leased in one transaction.
	claimMax = 32
	// pollEvery is how long a worker sleeps at most: notices of other nodes'
	// commits can be lost.
	pollEvery = 10 * time.Second
	// troublePause is the sleep after the store failed.
	troublePause = time.Second
	// renewalsPerLease is how often a lease is renewed before it expires.
	renewalsPerLease = 3
	// settleTriesMax is how often the end of a run is stored before it is left
	// to the lease's expiry, which runs the job again.
	settleTriesMax = 5
)

// worker runs the jobs of one kind.
type worker struct {
	*Scheduler
	kind    string
	handler Handler
	options Options
	slots   chan struct{} // one element for each run going on
	// running are the jobs that this worker runs; Scheduler.mu guards it.
	running map[string]struct{}
}

func (w *worker) runningNow() map[string]struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.running)
}

func (w *worker) setRunning(id string, yes bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if yes {
		w.running[id] = struct{}{}
		return
	}
	delete(w.running, id)
}

// loop claims and starts jobs until ctx is done. Runs get runCtx, and are
// counted in runs.
func (w *worker) loop(ctx, runCtx context.Context, runs *sync.WaitGroup) {
	changed, stop := w.db.Watch(duePrefix(w.kind))
	defer stop()
	for {
		free := w.takeSlots(ctx)
		if free == 0 {
			return
		}
		// Not ctx: a lease taken at the last moment must be known to be taken.
		jobs, next, err := w.claim(runCtx, free)
		if err != nil {
			w.log.Error("sched: claim", "kind", w.kind, "err", err)
			jobs, next = nil, w.clk.Now().Add(troublePause)
		}
		w.freeSlots(free - len(jobs))
		for _, c := range jobs {
			w.setRunning(c.run.ID, true)
			runs.Go(func() { w.run(runCtx, c) })
		}
		if len(jobs) == 0 {
			w.sleep(ctx, changed, next)
		}
	}
}

// takeSlots waits for a free slot and takes up to claimMax of them; none when
// ctx is done.
func (w *worker) takeSlots(ctx context.Context) int {
	select {
	case <-ctx.Done():
		return 0
	case w.slots <- struct{}{}:
	}
	if ctx.Err() != nil { // both were ready
		w.freeSlots(1)
		return 0
	}
	for n := 1; n < claimMax; n++ {
		select {
		case w.slots <- struct{}{}:
		default:
			return n
		}
	}
	return claimMax
}

func (w *worker) freeSlots(n int) {
	for range n {
		<-w.slots
	}
}

// sleep waits until next, if it is not zero, or until something changed.
func (w *worker) sleep(ctx context.Context, changed <-chan struct{}, next time.Time) {
	until := w.clk.Now().Add(pollEvery)
	if !next.IsZero() && next.Before(until) {
		until = next
	}
	timer := w.clk.NewTimer(until.Sub(w.clk.Now()))
	defer timer.Stop()
	// The clock may have been moved before the timer was set.
	if !w.clk.Now().Before(until) {
		return
	}
	select {
	case <-ctx.Done():
	case <-changed:
	case <-timer.C:
	}
}

// run runs one job and stores how it ended.
func (w *worker) run(ctx context.Context, c claimed) {
	defer w.freeSlots(1)
	defer w.setRunning(c.run.ID, false)
	runCtx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stopped := make(chan struct{})
	timer := w.clk.NewTimer(w.options.Lease / renewalsPerLease)
	go func() {
		defer close(stopped)
		defer timer.Stop()
		w.keepLease(runCtx, c.run, timer, cancel)
	}()
	err := w.call(runCtx, c)
	if err != nil && errors.Is(context.Cause(runCtx), ErrStopping) {
		err = ErrStopping
	}
	cancel(nil)
	<-stopped // so that no renewal comes after the end
	w.settleSurely(context.WithoutCancel(ctx), c, err)
}

// call calls the handler and turns a panic into an error.
func (w *worker) call(ctx context.Context, c claimed) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("sched: handler of %s panicked: %v", w.kind, p)
			w.log.Error("sched: handler panicked", "kind", w.kind, "job", c.run.ID, "panic", p, "stack", string(debug.Stack()))
		}
	}()
	if !c.dying {
		return w.handler(ctx, c.run)
	}
	if w.options.DeadLetter == nil {
		return errNoHook
	}
	return w.options.DeadLetter(ctx, c.run, c.cause)
}

// errNoHook: a job became a dead letter by its lease's expiry, or under a
// program that had a hook.
var errNoHook = errors.New("sched: no dead-letter hook")

// keepLease renews the lease until ctx is done; when it is lost it cancels the
// run.
func (w *worker) keepLease(ctx context.Context, r Run, timer *clock.Timer, cancel context.CancelCauseFunc) {
	renewed := time.Now() // real: a clock that was moved is no loss by itself
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		err := w.renew(ctx, r.ID, r.lease, w.options.Lease)
		switch {
		case err == nil:
			renewed = time.Now()
		case ctx.Err() != nil:
			return
		case errors.Is(err, ErrLeaseLost), time.Since(renewed) > w.options.Lease:
			cancel(ErrLeaseLost)
			return
		default:
			w.log.Warn("sched: renew lease", "kind", w.kind, "job", r.ID, "err", err)
		}
		timer.Reset(w.options.Lease / renewalsPerLease)
	}
}

// settleSurely stores the end of a run. Should the store fail for long, the
// lease expires and the job runs again.
func (w *worker) settleSurely(ctx context.Context, c claimed, runErr error) {
	o := w.options
	for try := 1; ; try++ {
		v, err := w.settle(ctx, c.run, runErr, o)
		switch {
		case err == nil:
			w.report(c, v, runErr)
			return
		case errors.Is(err, ErrLeaseLost):
			// Also after FinishTx, which is the common case.
			w.log.Debug("sched: job was not this node's any more", "kind", w.kind, "job", c.run.ID)
			return
		case try >= settleTriesMax:
			w.log.Error("sched: end of a run not stored; it will be repeated", "kind", w.kind, "job", c.run.ID, "err", err)
			return
		}
		time.Sleep(time.Duration(try) * 20 * time.Millisecond) // real: the store's trouble knows no virtual clock
	}
}

// report logs runs that failed; a failure that is retried is no error of ours.
func (w *worker) report(c claimed, v verdict, runErr error) {
	if v.fate == fateDone || runErr == nil || errors.As(runErr, new(again)) {
		return
	}
	level, text := slog.LevelInfo, "sched: job will be run again"
	if v.fate == fateDead {
		level, text = slog.LevelWarn, "sched: job is a dead letter"
	}
	w.log.Log(context.Background(), level, text, "kind", w.kind, "job", c.run.ID, "attempt", c.run.Attempt, "err", runErr)
}
