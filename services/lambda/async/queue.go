package async

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"moln.dev/moln/aws/fault"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/sched"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/lambda/fn"
	"moln.dev/moln/services/lambda/run"
)

const (
	// EventKind and recordKind are the jobs: an event for a function, a record
	// for a destination.
	EventKind  = "lambda/invoke"
	recordKind = "lambda/destination"

	// eventsAtOnce is how many events one node works on, functionAtOnce how
	// many of those may be one function's: a slow one must not hold up the
	// others. What is beyond comes again with the scheduler's back-off, as what
	// is throttled does.
	eventsAtOnce   = 256
	functionAtOnce = 64
	recordsAtOnce  = 16
	// recordAttemptsMax is how often a destination is tried, over some hours.
	recordAttemptsMax = 50
	lease             = 15 * time.Second
)

// Event is an asynchronous event in the scheduler's store (A1).
type Event struct {
	Account   string    `json:"account"`
	Region    string    `json:"region"`
	Name      string    `json:"name"`
	Qualifier string    `json:"qualifier,omitempty"`
	RequestID string    `json:"requestID"`
	Payload   []byte    `json:"payload"`
	Accepted  time.Time `json:"accepted"`
	// Failures is how often the function has failed on it.
	Failures int `json:"failures,omitempty"`
	Depth    int `json:"depth,omitempty"`
	// Trace and Tenant are the invocation's.
	Trace  string `json:"trace,omitempty"`
	Tenant string `json:"tenant,omitempty"`
}

func (e Event) ref() fn.Ref {
	return fn.At(fn.Place{Account: e.Account, Region: e.Region}, e.Name, e.Qualifier)
}

// Encode is the event as a job's payload.
func (e Event) Encode() []byte {
	raw, _ := json.Marshal(e) // strings, times and numbers always encode
	return raw
}

// Queue takes events and works them off. Safe for concurrent use.
type Queue struct {
	deps   service.Deps
	store  fn.Store
	engine *run.Engine

	mu      sync.Mutex
	working map[fn.Ref]int // events under way by function, without qualifier
}

// New makes a queue and registers its jobs; without a scheduler it takes
// nothing.
func New(d service.Deps, st fn.Store, e *run.Engine) *Queue {
	q := &Queue{deps: d, store: st, engine: e, working: map[fn.Ref]int{}}
	if d.Sched != nil {
		d.Sched.Register(EventKind, q.Run, sched.Options{Concurrency: eventsAtOnce, Lease: lease})
		d.Sched.Register(recordKind, q.deliver, sched.Options{Concurrency: recordsAtOnce, MaxAttempts: recordAttemptsMax, Lease: lease})
	}
	return q
}

var errNoScheduler = errors.New("lambda: no scheduler for asynchronous invocations")

// Enqueue makes an event durable before it is accepted (A1).
func (q *Queue) Enqueue(ctx context.Context, c *service.Call, inv run.Invocation) error {
	if q.deps.Sched == nil {
		return errNoScheduler
	}
	e := Event{
		Account: inv.Ref.Account, Region: inv.Ref.Region, Name: inv.Ref.Name, Qualifier: inv.Ref.Qualifier,
		RequestID: inv.RequestID, Payload: inv.Payload, Accepted: c.Now, Depth: c.Depth, Trace: inv.Trace, Tenant: inv.Tenant,
	}
	return q.deps.Sched.Enqueue(ctx, sched.Job{Kind: EventKind, Payload: e.Encode()})
}

var errBusy = errors.New("enough events of this function are under way")

// enter counts an event of a function in, unless enough are under way.
func (q *Queue) enter(r fn.Ref) (leave func(), ok bool) {
	r = r.Unqualified()
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.working[r] >= functionAtOnce {
		return nil, false
	}
	q.working[r]++
	return func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		if q.working[r]--; q.working[r] == 0 {
			delete(q.working, r)
		}
	}, true
}

// Run carries out one event, and stores what comes after it.
func (q *Queue) Run(ctx context.Context, work sched.Run) error {
	var e Event
	if err := json.Unmarshal(work.Payload, &e); err != nil {
		return sched.Permanent(err)
	}
	leave, ok := q.enter(e.ref())
	if !ok {
		return errBusy
	}
	defer leave()
	rules, err := q.rules(ctx, e.ref())
	if err != nil {
		return err
	}
	if q.deps.Clock.Now().Sub(e.Accepted) > rules.maxAge {
		return q.settle(ctx, work, e, rules, verdict{condition: eventAgeExceeded, why: "it is older than its maximum age", code: http.StatusTooManyRequests})
	}
	res, err := q.invoke(ctx, e)
	if err != nil && !refused(err) {
		// Throttled events and failures of ours come again until they are too old.
		return fmt.Errorf("attempt %d: %w", work.Attempt, err)
	}
	if err != nil {
		return q.settle(ctx, work, e, rules, verdict{condition: retriesExhausted, why: err.Error(), code: codeOf(err)})
	}
	return q.settle(ctx, work, e, rules, after(e, rules, res, q.deps.Clock.Now()))
}

// errClosed: a function with a reservation of nothing is switched off, and its
// events fail at once.
var errClosed = errors.New("the function's reserved concurrency is zero")

func (q *Queue) invoke(ctx context.Context, e Event) (run.Result, error) {
	f, err := q.store.Function(ctx, e.ref())
	if err == nil && f.Reserved != nil && *f.Reserved == 0 {
		err = errClosed
	}
	if err != nil {
		return run.Result{}, err
	}
	c := q.deps.System(e.Account, e.Region)
	c.RequestID, c.Depth = e.RequestID, e.Depth
	return q.engine.Invoke(ctx, c, run.Invocation{Ref: e.ref(), RequestID: e.RequestID, Payload: e.Payload, Trace: e.Trace, Tenant: e.Tenant})
}

// refused says that trying again would change nothing.
func refused(err error) bool {
	f := fault.As(err)
	return errors.Is(err, errClosed) || f != nil && f.Status < 500 && f.Status != 429 && f.Code != "InvalidParameterValueException"
}

// settle ends an event's run: its end, what comes after it and the record of it
// are one transaction (A2).
func (q *Queue) settle(ctx context.Context, work sched.Run, e Event, rules rules, v verdict) error {
	if v.why != "" {
		q.deps.Log.Warn("an asynchronous event was dropped", "function", e.ref().ARN(), "request", e.RequestID, "why", v.why)
	}
	deliveries, err := q.deliveries(ctx, e, rules, v)
	if err != nil {
		return err
	}
	if v.retryAt.IsZero() && len(deliveries) == 0 {
		return nil
	}
	again := e // the transaction may be run several times
	again.Failures++
	return q.deps.KV.Update(ctx, func(tx *kv.Tx) error {
		if err := work.FinishTx(tx); err != nil {
			return err
		}
		if !v.retryAt.IsZero() {
			return q.deps.Sched.EnqueueTx(tx, sched.Job{Kind: EventKind, Payload: again.Encode(), RunAt: v.retryAt})
		}
		for _, d := range deliveries {
			raw, err := json.Marshal(d)
			if err != nil {
				return err
			}
			if err := q.deps.Sched.EnqueueTx(tx, sched.Job{Kind: recordKind, Payload: raw}); err != nil {
				return err
			}
		}
		return nil
	})
}
