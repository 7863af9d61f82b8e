package esm

import (
	"context"
	"time"

	"moln.dev/moln/engine/clock"
	"moln.dev/moln/services/lambda/run"
)

const (
	// retryFirst and retryMost bound the pause before a batch is tried again.
	retryFirst = 200 * time.Millisecond
	retryMost  = time.Minute
	// retention is how long streams keep records; nothing is tried for longer.
	retention = 24 * time.Hour
)

// process gives entries to the function until each is done or given up.
func (l *lane) process(ctx context.Context, entries []*entry) error {
	records := make([]Record, len(entries))
	for i, e := range entries {
		records[i] = e.Record
	}
	todo, last := []piece{{records: records}}, (*attempt)(nil)
	for len(todo) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		p := todo[0]
		if old := l.expired(p.records); old > 0 {
			if err := l.giveUp(ctx, p.records[:old], conditionAge, p.invokes, last); err != nil {
				return err
			}
			l.finish(take(&entries, old), l.window)
			if p.records = p.records[old:]; len(p.records) == 0 {
				todo = todo[1:]
				continue
			}
		}
		a, err := l.try(ctx, p, l.event(p.records, false, false))
		if err != nil {
			return err
		}
		if a == nil { // too old by now
			todo[0] = p
			continue
		}
		last, p.invokes = a, p.invokes+1
		if todo, err = l.settle(ctx, p, a, todo[1:], &entries); err != nil {
			return err
		}
	}
	return nil
}

// settle does what comes after an attempt, and returns what is to be tried.
func (l *lane) settle(ctx context.Context, p piece, a *attempt, rest []piece, entries *[]*entry) ([]piece, error) {
	said := l.m.read(a.result, p.records)
	l.judged(a, said, len(p.records))
	if said.failedAt > 0 {
		if l.window != nil && said.state != nil {
			l.window = &window{l.window.Start, l.window.End, said.state}
		}
		l.meters.fate(fateDone, said.failedAt)
		l.finish(take(entries, said.failedAt), l.window)
	}
	if said.failedAt > 0 && said.tooLarge {
		if err := l.closeWindow(ctx, true); err != nil {
			return nil, err
		}
		if said.failedAt < len(p.records) {
			l.window = windowOf(p.records[said.failedAt].At, l.m.TumblingS)
		}
	}
	next, lost := l.m.after(p, said)
	if len(lost) > 0 {
		if err := l.giveUp(ctx, lost, conditionRetries, p.invokes, a); err != nil {
			return nil, err
		}
		l.finish(take(entries, len(lost)), l.window)
	}
	if len(next) == 1 {
		if err := clock.Sleep(ctx, l.deps.Clock, l.backOff(next[0].failures)); err != nil {
			return nil, err
		}
	}
	return append(next, rest...), nil
}

// take removes the first n entries.
func take(entries *[]*entry, n int) []*entry {
	head := (*entries)[:n]
	*entries = (*entries)[n:]
	return head
}

// judged tells what came of an attempt.
func (l *lane) judged(a *attempt, said answer, records int) {
	switch {
	case said.failedAt == records:
		l.meters.batch(outcomeDone)
		l.report(resultOK)
	case said.failedAt > 0:
		l.meters.batch(outcomePartial)
		l.report(resultOK)
	default:
		l.meters.batch(outcomeFailed)
		l.report(problem + "Function call failed")
	}
	l.count(countInvoked, records)
	l.count(countFailed, records-said.failedAt)
	l.meters.age.With().Observe(a.age.Seconds())
}

// expired is how many records at the front are older than the mapping allows,
// or than the stream keeps them.
func (l *lane) expired(records []Record) int {
	oldest := l.now().Add(-l.m.maxAge())
	n := 0
	for n < len(records) && records[n].At.Before(oldest) {
		n++
	}
	return n
}

func (s *Settings) maxAge() time.Duration {
	if s.AgeMaxS == noLimit {
		return retention
	}
	return min(time.Duration(s.AgeMaxS)*time.Second, retention)
}

// backOff is how long to wait before a retry, somewhere in the upper half of
// twice the time before.
func (p *poller) backOff(failures int) time.Duration {
	d := retryMost
	if failures < 10 {
		d = min(retryFirst<<max(failures-1, 0), retryMost)
	}
	return d/2 + time.Duration(p.deps.Ident.IntN(int(d/2)))
}

// attempt is one invocation that reached the function.
type attempt struct {
	id     string
	result run.Result
	age    time.Duration
}

// try invokes the function until it was reached, which counts as one attempt
// however often it was throttled. It is nil where records became too old.
func (l *lane) try(ctx context.Context, p piece, event []byte) (*attempt, error) {
	for n := 1; ; n++ {
		a := &attempt{id: l.deps.Ident.UUID()}
		if len(p.records) > 0 {
			a.age = l.now().Sub(p.records[0].At)
		}
		var err error
		a.result, err = l.invoke(ctx, a.id, event, "")
		if err == nil {
			return a, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		l.refused(err)
		if err := clock.Sleep(ctx, l.deps.Clock, l.backOff(n)); err != nil {
			return nil, err
		}
		if l.expired(p.records) > 0 {
			return nil, nil
		}
	}
}

// closeWindow gives the function the end of the tumbling window, with the
// retries that batches have.
func (l *lane) closeWindow(ctx context.Context, early bool) error {
	defer func() { l.window = nil }()
	p := piece{}
	for p.failures <= int(l.m.RetriesMax) || l.m.RetriesMax < 0 {
		if l.now().Sub(l.window.End) > l.m.maxAge() {
			break
		}
		a, err := l.try(ctx, p, l.event(nil, true, early))
		if err != nil {
			return err
		}
		if a.result.FunctionError == "" {
			l.meters.batch(outcomeDone)
			l.report(resultOK)
			l.finish(nil, nil)
			return nil
		}
		l.meters.batch(outcomeFailed)
		l.report(problem + "Function call failed")
		p.failures++
		if err := clock.Sleep(ctx, l.deps.Clock, l.backOff(p.failures)); err != nil {
			return err
		}
	}
	l.deps.Log.Warn("the end of a tumbling window was given up", "mapping", l.m.UUID, "shard", l.shard, "window", l.window.End)
	l.finish(nil, nil)
	return nil
}
