package sns

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"moln.dev/moln/aws/fault"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/sched"
)

// Kinds of jobs.
const (
	fanOutKind  = "sns/fanout"  // a message to all its subscriptions
	pushKind    = "sns/push"    // one delivery to a web server or a mailbox
	retryKind   = "sns/retry"   // one delivery to a queue or a function that failed before
	lineKind    = "sns/line"    // one message group of a FIFO topic
	wakeKind    = "sns/wake"    // a line in which something is to be tried again
	deadKind    = "sns/dead"    // what could not be delivered, to its dead-letter queue
	expiryKind  = "sns/expiry"  // a subscription that was not confirmed
	sealPurpose = "sns/message" // of what waits
)

// Limits of the work that goes on at once. Web servers have their own share, so
// that slow ones keep nothing else waiting.
const (
	fanOutsMax       = 64
	deliveriesMax    = 16 // of one message, to queues and functions
	pushesMax        = 64
	retriesMax       = 32
	linesMax         = 64
	deadAttemptsMax  = 60 // a dead-letter queue that does not take a letter for hours loses it
	jobLease         = 20 * time.Second
	handOverMax      = 64 // deliveries that one transaction queues
	handOverBytesMax = 8 << 20
	lineMessagesPage = 32
)

func (s *Service) register() {
	r := s.deps.Sched
	r.Register(fanOutKind, s.runFanOut, sched.Options{Concurrency: fanOutsMax, Lease: jobLease})
	r.Register(pushKind, s.runDelivery, sched.Options{Concurrency: pushesMax, Lease: jobLease})
	r.Register(retryKind, s.runDelivery, sched.Options{Concurrency: retriesMax, Lease: jobLease})
	r.Register(lineKind, s.runLine, sched.Options{Concurrency: linesMax, Lease: jobLease})
	r.Register(wakeKind, s.runWake, sched.Options{Concurrency: linesMax, Lease: jobLease})
	r.Register(deadKind, s.runDead, sched.Options{Concurrency: retriesMax, Lease: jobLease, MaxAttempts: deadAttemptsMax})
	r.Register(expiryKind, func(ctx context.Context, r sched.Run) error {
		var e expiry
		if err := json.Unmarshal(r.Payload, &e); err != nil {
			return sched.Permanent(err)
		}
		return s.expire(ctx, e)
	}, sched.Options{Lease: jobLease})
}

// fanOut is the payload of a message that goes to several subscriptions.
type fanOut struct {
	Message *message
	To      []string // ids of subscriptions
}

// delivery is the payload of one delivery.
type delivery struct {
	Message *message
	// To is the subscription's id. Subscription is itself, for messages about
	// subscriptions, which may be gone.
	To           string        `json:",omitempty"`
	Subscription *subscription `json:",omitempty"`
	// Attempts is how many failed.
	Attempts int    `json:",omitempty"`
	Cause    string `json:",omitempty"` // why the last one did
}

// seal makes a payload that only moln reads: messages are never at rest in the
// clear (N4).
func (s *Service) seal(v any) []byte { return s.deps.Seal.Seal(sealPurpose, encode(v)) }

func (s *Service) open(sealed []byte, into any) error {
	raw, err := s.deps.Seal.Open(sealPurpose, sealed)
	if err == nil {
		err = json.Unmarshal(raw, into)
	}
	if err != nil {
		return sched.Permanent(err)
	}
	return nil
}

// kind is which workers make a delivery.
func (s *subscription) kind() string {
	if s.local() {
		return retryKind
	}
	return pushKind
}

// queue queues a delivery.
func (s *Service) queue(tx *kv.Tx, d delivery) error {
	return s.deps.Sched.EnqueueTx(tx, sched.Job{Kind: d.Subscription.kind(), Payload: s.seal(d)})
}

// runFanOut delivers a message to its queues and functions, and hands over what
// takes longer: other protocols, and what has to be tried again. It may run again
// after a crash; subscribers then get the message once more.
func (s *Service) runFanOut(ctx context.Context, r sched.Run) error {
	var f fanOut
	if err := s.open(r.Payload, &f); err != nil {
		return err
	}
	t, subs, err := s.targets(ctx, f.Message.Topic, f.To)
	if err != nil || t == nil {
		return err
	}
	var mu sync.Mutex
	var later []sched.Job
	hand := func(sub *subscription, d delivery, after time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		j := sched.Job{Kind: sub.kind(), Key: f.Message.ID + "/" + sub.ID, Payload: s.seal(d)}
		if after > 0 {
			j.RunAt = s.deps.Clock.Now().Add(after)
		}
		later = append(later, j)
	}
	var all sync.WaitGroup
	slots := make(chan struct{}, deliveriesMax)
	for _, sub := range subs {
		if !sub.local() {
			hand(sub, delivery{Message: f.Message, To: sub.ID}, 0)
			continue
		}
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			d := delivery{Message: f.Message, To: sub.ID}
			switch v := s.attempt(ctx, t, sub, &d); v.fate {
			case again:
				hand(sub, d, v.after)
			case dead:
				if j, ok := s.deadJob(sub, &d); ok {
					mu.Lock()
					later = append(later, j)
					mu.Unlock()
				}
			}
		})
	}
	all.Wait()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	return s.handOver(ctx, later)
}

// handOver queues jobs, a few in each transaction: each carries its message.
func (s *Service) handOver(ctx context.Context, jobs []sched.Job) error {
	for len(jobs) > 0 {
		n, size := 0, 0
		for n < min(len(jobs), handOverMax) && (n == 0 || size+len(jobs[n].Payload) <= handOverBytesMax) {
			size += len(jobs[n].Payload)
			n++
		}
		some := jobs[:n]
		jobs = jobs[n:]
		err := s.store.db.Update(ctx, func(tx *kv.Tx) error {
			for _, j := range some {
				if err := s.deps.Sched.EnqueueTx(tx, j); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// targets gives a topic and those of some subscriptions that still are; without a
// topic there is none.
func (s *Service) targets(ctx context.Context, topicARN string, ids []string) (*topic, []*subscription, error) {
	id := topicOfARN(topicARN)
	t, err := s.store.topic(ctx, id)
	if fault.Is(err, "NotFound") {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	by, err := s.store.subscribersByID(ctx, t)
	if err != nil {
		return nil, nil, err
	}
	var out []*subscription
	for _, name := range ids {
		if sub := by[name]; sub != nil {
			out = append(out, sub)
		}
	}
	return t, out, nil
}

// runDelivery makes one attempt of a delivery.
func (s *Service) runDelivery(ctx context.Context, r sched.Run) error {
	var d delivery
	if err := s.open(r.Payload, &d); err != nil {
		return err
	}
	t, sub, err := s.target(ctx, &d)
	if err != nil || t == nil {
		return err
	}
	if wait := s.pace.wait(sub.arn(), sub.policy(t).PerSecond, s.deps.Clock.Now()); wait > 0 && sub.web() {
		return sched.Again(wait)
	}
	v := s.attempt(ctx, t, sub, &d)
	if err := context.Cause(ctx); err != nil && v.fate != done {
		return err // not the receiver's fault
	}
	switch v.fate {
	case again:
		j := sched.Job{Kind: sub.kind(), Payload: s.seal(d), RunAt: s.deps.Clock.Now().Add(v.after)}
		return s.replace(ctx, r, &j)
	case dead:
		if j, ok := s.deadJob(sub, &d); ok {
			return s.replace(ctx, r, &j)
		}
	}
	return nil
}

// target is the subscription of a delivery; without a topic there is none.
func (s *Service) target(ctx context.Context, d *delivery) (*topic, *subscription, error) {
	if d.Subscription == nil {
		t, subs, err := s.targets(ctx, d.Message.Topic, []string{d.To})
		if err != nil || len(subs) == 0 {
			return nil, nil, err
		}
		return t, subs[0], nil
	}
	t, err := s.store.topic(ctx, topicOfARN(d.Message.Topic))
	if fault.Is(err, "NotFound") {
		return nil, nil, nil
	}
	return t, d.Subscription, err
}

// replace ends a run and queues what follows it, at once.
func (s *Service) replace(ctx context.Context, r sched.Run, j *sched.Job) error {
	return s.store.db.Update(ctx, func(tx *kv.Tx) error {
		if err := r.FinishTx(tx); err != nil {
			return err
		}
		return s.deps.Sched.EnqueueTx(tx, *j)
	})
}

// deadJob is what takes a delivery to the subscription's dead-letter queue, where
// it has one.
func (s *Service) deadJob(sub *subscription, d *delivery) (sched.Job, bool) {
	level := s.deps.Log.Warn
	queue := sub.deadLetters()
	if queue == "" {
		level("sns: a message was not delivered", "subscription", sub.arn(), "message", d.Message.ID, "attempts", d.Attempts, "cause", d.Cause)
		return sched.Job{}, false
	}
	return sched.Job{Kind: deadKind, Payload: s.seal(letter{Message: d.Message, Subscription: sub, Queue: queue})}, true
}

// letter is the payload of a dead letter. The subscription is as it was.
type letter struct {
	Message      *message
	Subscription *subscription
	Queue        string
}

func (s *Service) runDead(ctx context.Context, r sched.Run) error {
	var l letter
	if err := s.open(r.Payload, &l); err != nil {
		return err
	}
	err := s.bury(ctx, &l)
	if fault.Final(err) {
		s.deps.Log.Warn("sns: the dead-letter queue did not take a message", "subscription", l.Subscription.arn(), "queue", l.Queue, "message", l.Message.ID, "cause", err)
		return sched.Permanent(err)
	}
	return err
}

// fates of a delivery after an attempt.
type fate uint8

const (
	done fate = iota
	again
	dead
)

type verdict struct {
	fate  fate
	after time.Duration // again: when
}

// attempt delivers, and decides what becomes of a failure. The delivery then tells
// of it.
func (s *Service) attempt(ctx context.Context, t *topic, sub *subscription, d *delivery) verdict {
	err := s.deliver(ctx, t, sub, d.Message)
	if err == nil {
		return verdict{fate: done}
	}
	d.Attempts++
	d.Cause = err.Error()
	return decide(sub.policy(t).Retry.Delay, d.Attempts, err)
}

// decide: what the receiver's owner has to change is not tried again
// (sns-message-delivery-retries).
func decide(delay func(int) (time.Duration, bool), attempts int, err error) verdict {
	var refused *refusal
	if fault.Final(err) || errors.As(err, &refused) {
		return verdict{fate: dead}
	}
	after, more := delay(attempts)
	if !more {
		return verdict{fate: dead}
	}
	return verdict{fate: again, after: after}
}

// refusal is an answer that will be the same next time.
type refusal struct{ error }

func (r *refusal) Unwrap() error { return r.error }
