package events

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	api "moln.dev/moln/api/events"
	"moln.dev/moln/aws/eventpattern"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/sched"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/events/send"
	"moln.dev/moln/services/events/transform"
)

const (
	// deliverKind are the jobs that send an event to a target, letterKind those
	// that send what could not be delivered to its dead-letter queue.
	deliverKind  = "events/deliver"
	letterKind   = "events/letter"
	scheduleKind = "events/schedule"

	// How many of them one node works on at a time.
	deliveriesAtOnce = 64
	lettersAtOnce    = 8
	firingsAtOnce    = 8
	// letterAttemptsMax is how often a dead-letter queue is tried, over about an
	// hour and a half.
	letterAttemptsMax = 24
	// lease is how long another node waits for the one that delivers.
	lease = time.Minute

	// A delivery is tried again after a second, then twice as long each time up
	// to backoffMost, with which 185 tries take the 24 hours that are the
	// longest.
	backoffFirst = time.Second
	backoffMost  = 8 * time.Minute

	// What one transaction queues.
	jobsAtOnce  = 500
	bytesAtOnce = 8 << 20
)

func (s *Service) register() {
	s.deps.Sched.Register(deliverKind, s.deliver, sched.Options{Concurrency: deliveriesAtOnce, Lease: lease, Backoff: backoff})
	s.deps.Sched.Register(letterKind, s.deliverLetter, sched.Options{Concurrency: lettersAtOnce, Lease: lease, MaxAttempts: letterAttemptsMax})
	s.deps.Sched.Register(replayKind, s.carryOut, sched.Options{Concurrency: replaysAtOnce, Lease: lease})
	s.deps.Sched.Every("events/retention", retentionEvery, s.expire)
	s.deps.Sched.Register(scheduleKind, s.fire, sched.Options{Concurrency: firingsAtOnce, Lease: lease})
}

func backoff(attempt int) time.Duration {
	if attempt > 20 {
		return backoffMost
	}
	return min(backoffFirst<<max(attempt-1, 0), backoffMost)
}

// routed is an event that was taken, and its bus.
type routed struct {
	bus    busKey
	event  json.RawMessage
	replay *replay // that it is of, or nil
}

// work is what an event makes to do: a job, or an entry of an archive.
type work struct {
	job        sched.Job
	key, value []byte
}

func (w *work) size() int { return len(w.job.Payload) + len(w.value) }

// delivery is an event on its way to a target.
type delivery struct {
	Account   string          `json:"account"`
	Region    string          `json:"region"`
	Bus       string          `json:"bus"`
	Rule      string          `json:"rule"`
	Target    string          `json:"target"`
	Accepted  time.Time       `json:"accepted"`
	RequestID string          `json:"requestID"`
	Depth     int             `json:"depth,omitempty"`
	Event     json.RawMessage `json:"event"`
}

func (d *delivery) key() ruleKey { return ruleKey{busKey{place{d.Account, d.Region}, d.Bus}, d.Rule} }

func deliveryOf(k ruleKey, target string, c *service.Call, ev json.RawMessage) delivery {
	return delivery{
		Account: k.account, Region: k.region, Bus: k.name, Rule: k.rule, Target: target,
		Accepted: c.Now.UTC(), RequestID: c.RequestID, Depth: c.Depth + 1, Event: ev,
	}
}

func (d *delivery) job() (sched.Job, error) {
	raw, err := plain(d)
	return sched.Job{Kind: deliverKind, Payload: raw}, err
}

// route queues events for the targets of the rules that match them (E1), and puts
// them into the archives that want them.
func (s *Service) route(ctx context.Context, c *service.Call, list []routed) error {
	p := pile{s: s}
	for _, one := range list {
		if err := s.match(ctx, c, one, &p); err != nil {
			return err
		}
	}
	return p.store(ctx)
}

// pile is work that is not stored yet. It does not grow beyond what one
// transaction takes: a large event may match hundreds of rules.
type pile struct {
	s    *Service
	list []work
	size int
}

func (p *pile) add(ctx context.Context, w work) error {
	if len(p.list) > 0 && (len(p.list) >= jobsAtOnce || p.size+w.size() > bytesAtOnce) {
		if err := p.store(ctx); err != nil {
			return err
		}
	}
	p.list, p.size = append(p.list, w), p.size+w.size()
	return nil
}

// store stores what is there, in one transaction.
func (p *pile) store(ctx context.Context) error {
	if len(p.list) == 0 {
		return nil
	}
	err := p.s.deps.KV.Update(ctx, func(tx *kv.Tx) error {
		for _, w := range p.list {
			var err error
			if w.key != nil {
				err = tx.Put(w.key, w.value)
			} else {
				err = p.s.deps.Sched.EnqueueTx(tx, w.job)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	p.list, p.size = nil, 0
	return err
}

// match adds what an event makes to do. A bus that is not there has no rules.
func (s *Service) match(ctx context.Context, c *service.Call, one routed, to *pile) error {
	b, err := s.store.bus(ctx, one.bus)
	if isAbsent(err) {
		return nil
	}
	if err != nil {
		return err
	}
	now, err := s.rules.of(ctx, one.bus, b)
	if err != nil || len(now.rules)+len(now.archives) == 0 {
		return err
	}
	v, err := eventpattern.DecodeEvent(one.event)
	if err != nil {
		return err
	}
	if err := entries(ctx, c, one, v, now.archives, to); err != nil {
		return err
	}
	for i := range now.rules {
		r := &now.rules[i]
		if !one.replay.wants(r.key) || !r.pattern.MatchValue(v) {
			continue
		}
		for _, t := range r.Targets {
			d := deliveryOf(r.key, *t.Id, c, one.event)
			j, err := d.job()
			if err != nil {
				return err
			}
			if err := to.add(ctx, work{job: j}); err != nil {
				return err
			}
		}
	}
	return nil
}

// entries adds those of an event in archives, which replays do not come into.
func entries(ctx context.Context, c *service.Call, one routed, v any, archives []compiledArchive, to *pile) error {
	for _, a := range archives {
		if one.replay != nil || a.pattern != nil && !a.pattern.MatchValue(v) {
			continue
		}
		var e event
		if err := json.Unmarshal(one.event, &e); err != nil {
			return err
		}
		value, err := plain(archived{c.Now.UTC(), one.event})
		if err != nil {
			return err
		}
		if err := to.add(ctx, work{key: a.key.eventKey(&e), value: value}); err != nil {
			return err
		}
	}
	return nil
}

// deliver does a delivery.
func (s *Service) deliver(ctx context.Context, run sched.Run) error {
	var d delivery
	if err := json.Unmarshal(run.Payload, &d); err != nil {
		return sched.Permanent(err)
	}
	r, err := s.store.rule(ctx, d.key())
	if fault.As(err) != nil {
		return nil // the rule is gone
	}
	if err != nil {
		return err
	}
	t := r.target(d.Target)
	if t == nil {
		return nil // and so is the target
	}
	failure, err := s.try(ctx, &d, t)
	if err == nil || ctx.Err() != nil {
		return err
	}
	exhausted := exhausted(t.RetryPolicy, run.Attempt, d.Accepted, s.deps.Clock.Now())
	if !failure.Final && exhausted == "" {
		return err
	}
	if failure.Final {
		exhausted = ""
	}
	return s.giveUp(ctx, run, &d, t, letterOf(&d, t, failure, run.Attempt-1, exhausted))
}

// try sends once.
func (s *Service) try(ctx context.Context, d *delivery, t *api.Target) (send.Failure, error) {
	k := d.key()
	m := send.Message{
		Account: d.Account, Region: d.Region, Source: k.arn(), Target: *t.Arn, Role: smithy.Val(t.RoleArn), Event: d.Event,
		Stream: streamOf(k, d.Accepted), Time: d.Accepted, RequestID: d.RequestID, Depth: d.Depth,
	}
	if t.SqsParameters != nil {
		m.Group = smithy.Val(t.SqsParameters.MessageGroupId)
	}
	shape, err := shapeOf(t)
	if err == nil {
		m.Body, err = shape.Apply(d.Event, transform.Facts{RuleARN: k.arn(), RuleName: k.rule, Ingested: d.Accepted.Format(timeFormat)})
	}
	if errors.Is(err, transform.ErrTooLong) {
		return send.Failure{Code: send.CodeParameter, Final: true, Message: "The input of the target is too long."}, err
	}
	if err != nil {
		return send.Failure{Code: send.CodeJSON, Final: true, Message: "The input of the target is not valid JSON."}, err
	}
	if err := s.sender.Send(ctx, m); err != nil {
		return send.FailureOf(err), err
	}
	return send.Failure{}, nil
}

// streamOf is the stream of a log group that a rule writes into: one a day.
func streamOf(k ruleKey, at time.Time) string {
	return at.Format("2006/01/02") + "/" + k.name + "/" + k.rule
}

// Conditions under which EventBridge gives a delivery up.
const (
	retriesExhausted = "MaximumRetryAttempts"
	ageExhausted     = "MaximumEventAgeInSeconds"
)

// exhausted says which condition ends a delivery after an attempt, "" for none.
func exhausted(p *api.RetryPolicy, attempt int, accepted, now time.Time) string {
	retries, age := retriesMax, ageMaxS*time.Second
	if p != nil && p.MaximumRetryAttempts != nil {
		retries = int(*p.MaximumRetryAttempts)
	}
	if p != nil && p.MaximumEventAgeInSeconds != nil {
		age = time.Duration(*p.MaximumEventAgeInSeconds) * time.Second
	}
	switch {
	case attempt > retries:
		return retriesExhausted
	case now.Add(backoff(attempt)).Sub(accepted) > age:
		return ageExhausted
	}
	return ""
}

// letter is an event on its way to a dead-letter queue.
type letter struct {
	delivery
	Queue      string            `json:"queue"`
	Attributes map[string]string `json:"attributes"`
}

// letterOf is what a dead-letter queue is told.
//
// Source: EventBridge user guide, eb-rule-dlq.
func letterOf(d *delivery, t *api.Target, f send.Failure, retries int, exhausted string) letter {
	l := letter{delivery: *d, Attributes: map[string]string{
		"RULE_ARN": d.key().arn(), "TARGET_ARN": *t.Arn, "ERROR_CODE": f.Code, "ERROR_MESSAGE": f.Message, "RETRY_ATTEMPTS": strconv.Itoa(retries),
	}}
	if exhausted != "" {
		l.Attributes["EXHAUSTED_RETRY_CONDITION"] = exhausted
	}
	if t.DeadLetterConfig != nil {
		l.Queue = smithy.Val(t.DeadLetterConfig.Arn)
	}
	return l
}

// giveUp ends a delivery, and queues its letter in the same transaction.
func (s *Service) giveUp(ctx context.Context, run sched.Run, d *delivery, t *api.Target, l letter) error {
	s.deps.Log.Warn("an event was not delivered", "rule", d.key().arn(), "target", *t.Arn,
		"code", l.Attributes["ERROR_CODE"], "why", l.Attributes["ERROR_MESSAGE"], "queue", l.Queue)
	if l.Queue == "" {
		return nil
	}
	raw, err := plain(l)
	if err != nil {
		return err
	}
	return s.deps.KV.Update(ctx, func(tx *kv.Tx) error {
		if err := run.FinishTx(tx); err != nil {
			return err
		}
		return s.deps.Sched.EnqueueTx(tx, sched.Job{Kind: letterKind, Payload: raw})
	})
}

// deliverLetter sends an event to a dead-letter queue.
func (s *Service) deliverLetter(ctx context.Context, run sched.Run) error {
	var l letter
	if err := json.Unmarshal(run.Payload, &l); err != nil {
		return sched.Permanent(err)
	}
	err := s.sender.Send(ctx, send.Message{
		Account: l.Account, Region: l.Region, Source: l.key().arn(), Target: l.Queue, Body: l.Event, Attributes: l.Attributes,
		RequestID: l.RequestID, Depth: l.Depth,
	})
	if err != nil && send.FailureOf(err).Final {
		return sched.Permanent(err)
	}
	return err
}
