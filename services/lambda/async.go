package lambda

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"moln.dev/moln/aws/fault"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/sched"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/lambda/fn"
	"moln.dev/moln/services/lambda/run"
)

const (
	asyncKind        = "lambda/invoke"
	asyncConcurrency = 64
	asyncLease       = 15 * time.Second
)

// retryDelays come after the first and the second failure of a function.
var retryDelays = []time.Duration{time.Minute, 2 * time.Minute}

// job is an asynchronous event in the scheduler's store (L4).
type job struct {
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
}

func (j job) ref() fn.Ref {
	return fn.At(fn.Place{Account: j.Account, Region: j.Region}, j.Name, j.Qualifier)
}

func (s *Service) registerAsync() {
	if s.deps.Sched == nil {
		return
	}
	s.deps.Sched.Register(asyncKind, s.runJob, sched.Options{Concurrency: asyncConcurrency, Lease: asyncLease})
}

var errNoScheduler = errors.New("lambda: no scheduler for asynchronous invocations")

// enqueue makes an event durable before it is accepted.
func (s *Service) enqueue(ctx context.Context, c *service.Call, inv run.Invocation) error {
	if s.deps.Sched == nil {
		return errNoScheduler
	}
	return s.deps.Sched.Enqueue(ctx, sched.Job{Kind: asyncKind, Payload: encodeJob(job{
		Account: inv.Ref.Account, Region: inv.Ref.Region, Name: inv.Ref.Name, Qualifier: inv.Ref.Qualifier,
		RequestID: inv.RequestID, Payload: inv.Payload, Accepted: c.Now, Depth: c.Depth,
	})})
}

func encodeJob(j job) []byte {
	raw, _ := json.Marshal(j) // strings, times and numbers always encode
	return raw
}

// runJob carries out one event, and decides what comes after it.
func (s *Service) runJob(ctx context.Context, work sched.Run) error {
	var j job
	if err := json.Unmarshal(work.Payload, &j); err != nil {
		return sched.Permanent(err)
	}
	rules, err := s.eventRules(ctx, j.ref())
	if err != nil {
		return err
	}
	now := s.deps.Clock.Now()
	if now.Sub(j.Accepted) > rules.maxAge {
		return s.giveUp(j, "it is older than its maximum age")
	}
	c := s.deps.System(j.Account, j.Region)
	c.RequestID, c.Depth = j.RequestID, j.Depth
	res, err := s.engine.Invoke(ctx, c, run.Invocation{Ref: j.ref(), RequestID: j.RequestID, Payload: j.Payload})
	if err != nil {
		return s.afterRefusal(j, work, err)
	}
	if res.FunctionError == "" {
		return nil
	}
	return s.afterFailure(ctx, work, j, rules)
}

// eventRules are a function's limits for events.
type eventRules struct {
	retries int
	maxAge  time.Duration
}

func (s *Service) eventRules(ctx context.Context, r fn.Ref) (eventRules, error) {
	if r.Qualifier == fn.Latest {
		r.Qualifier = ""
	}
	rules := eventRules{retriesDefault, eventAgeDefaultS * time.Second}
	e, _, err := s.store.EventConfig(ctx, r)
	if e.Retries != nil {
		rules.retries = int(*e.Retries)
	}
	if e.MaxAgeS != nil {
		rules.maxAge = time.Duration(*e.MaxAgeS) * time.Second
	}
	return rules, err
}

// giveUp drops an event. There is no dead-letter queue to send it to.
func (s *Service) giveUp(j job, why string) error {
	s.deps.Log.Warn("an asynchronous event was dropped", "function", j.ref().ARN(), "request", j.RequestID, "why", why)
	return nil
}

// afterRefusal is for events that did not reach the function: throttled ones
// and failures of ours come again with the scheduler's back-off, from one second
// to five minutes, until they are too old.
func (s *Service) afterRefusal(j job, work sched.Run, err error) error {
	if fault.Is(err, "ResourceNotFoundException") {
		return s.giveUp(j, "the function is gone")
	}
	if f := fault.As(err); f != nil && f.Status < 500 && f.Status != 429 && f.Code != "InvalidParameterValueException" {
		return s.giveUp(j, f.Error())
	}
	return fmt.Errorf("attempt %d: %w", work.Attempt, err)
}

// afterFailure puts the event back with one failure more, in the transaction
// that ends this run, or drops it.
func (s *Service) afterFailure(ctx context.Context, work sched.Run, j job, rules eventRules) error {
	if j.Failures >= rules.retries || j.Failures >= len(retryDelays) {
		return s.giveUp(j, "the function failed on it too often")
	}
	delay := retryDelays[j.Failures]
	j.Failures++
	at := s.deps.Clock.Now().Add(delay)
	if at.Sub(j.Accepted) > rules.maxAge {
		return s.giveUp(j, "it would be older than its maximum age at the next try")
	}
	return s.deps.KV.Update(ctx, func(tx *kv.Tx) error {
		if err := work.FinishTx(tx); err != nil {
			return err
		}
		return s.deps.Sched.EnqueueTx(tx, sched.Job{Kind: asyncKind, Payload: encodeJob(j), RunAt: at})
	})
}
