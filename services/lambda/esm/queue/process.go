package queue

import (
	"context"
	"time"

	"moln.dev/moln/aws/fault"
	"moln.dev/moln/engine/clock"
	"moln.dev/moln/services/lambda/run"
)

// process gives a batch to the function, in as many parts as its size asks for,
// and deletes what it has processed (Q1).
func (p *Poller) process(ctx context.Context, g *gathering) {
	p.mu.Lock()
	until := g.began.Add(p.visible)
	p.mu.Unlock()
	for _, part := range pieces(g.messages) {
		if !p.give(ctx, part, until) && p.FIFO {
			return // Q3
		}
	}
}

// give gives one part; false where not all of it was processed.
func (p *Poller) give(ctx context.Context, part []message, until time.Time) bool {
	res, err := p.invoke(ctx, part, until)
	if fault.Is(err, "RecursiveInvocationException") {
		// Those that have come through too often are left, as what fails is.
		if rest := p.straight(part); len(rest) > 0 && len(rest) < len(part) && !p.FIFO {
			p.host.Tell.Refused(err)
			p.give(ctx, rest, until)
			return false
		}
	}
	if err != nil {
		p.refused(ctx, err)
		return false
	}
	failed := p.judge(res, part)
	p.host.Tell.Answered(len(part), len(failed), p.age(part))
	p.mu.Lock()
	p.refusals = 0
	if len(failed) == len(part) {
		p.scale.failed()
	}
	p.mu.Unlock()
	done := make([]message, 0, len(part))
	for i := range part {
		if !failed[i] {
			done = append(done, part[i])
		}
	}
	p.remove(ctx, done)
	return len(failed) == 0
}

// refused rests after a batch that the function cannot be given, so that a queue
// is not emptied into its dead letters for a function that is gone.
func (p *Poller) refused(ctx context.Context, err error) {
	p.host.Tell.Refused(err)
	p.mu.Lock()
	p.refusals++
	n := p.refusals
	p.scale.failed()
	p.mu.Unlock()
	if !fault.Is(err, "RecursiveInvocationException") {
		_ = clock.Sleep(ctx, p.host.Clock, p.host.BackOff(n))
	}
}

// judge says which messages of a batch the function has not processed.
func (p *Poller) judge(res run.Result, part []message) map[int]bool {
	switch {
	case res.FunctionError != "":
		return all(part)
	case p.ReportFailures:
		return failures(res.Payload, part)
	}
	return nil
}

// invoke invokes the function until it was reached. A batch that is throttled is
// tried again for as long as its messages are hidden, and then left.
//
// Source: services-sqs-errorhandling, "Backoff strategy for failed invocations".
func (p *Poller) invoke(ctx context.Context, part []message, until time.Time) (run.Result, error) {
	traces := make([]string, len(part))
	for i := range part {
		traces[i] = part[i].trace
	}
	body, trace := event(part), p.host.Join(traces)
	for n := 1; ; n++ {
		res, err := p.host.Invoke(ctx, body, trace)
		if err == nil || ctx.Err() != nil || !throttled(err) {
			return res, err
		}
		p.mu.Lock()
		p.scale.throttled()
		p.mu.Unlock()
		wait := p.host.BackOff(n)
		if !p.host.Clock.Now().Add(wait).Before(until) {
			return res, err
		}
		p.host.Tell.Refused(err)
		if clock.Sleep(ctx, p.host.Clock, wait) != nil {
			return res, err
		}
	}
}

// straight are the messages that are in no loop.
func (p *Poller) straight(part []message) []message {
	var out []message
	for i := range part {
		if !p.host.Loops(part[i].trace) {
			out = append(out, part[i])
		}
	}
	return out
}

// age is how old the oldest message is.
func (p *Poller) age(part []message) time.Duration {
	oldest := part[0].sent
	for i := range part {
		if part[i].sent.Before(oldest) {
			oldest = part[i].sent
		}
	}
	return max(0, p.host.Clock.Now().Sub(oldest))
}
