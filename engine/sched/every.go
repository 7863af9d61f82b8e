package sched

import (
	"context"
	"errors"
	"fmt"
	"time"

	"moln.dev/moln/engine/kv"
)

// everyKey is the key of the one job of a periodic kind.
const everyKey = "every"

type periodic struct {
	kind     string
	interval time.Duration
}

// Every runs fn once in each interval, on one node, from now on and across
// restarts. name is a kind of job. Times that were missed, because nothing ran
// or the clock was moved, are made up for by one run. When fn fails it is
// logged and runs again at its next time. It is called before Run
// and panics as Register does.
func (s *Scheduler) Every(name string, interval time.Duration, fn func(ctx context.Context) error) {
	s.mu.Lock()
	late := s.start != nil
	s.mu.Unlock()
	if interval <= 0 || late {
		panic(fmt.Sprintf("sched: %s every %v, while running: %t", name, interval, late))
	}
	s.Register(name, func(ctx context.Context, r Run) error {
		err := fn(ctx)
		if cause := context.Cause(ctx); cause != nil {
			return cause // stopping, or the lease is lost
		}
		if err != nil {
			s.log.Error("sched: periodic job", "kind", name, "err", err)
		}
		now := s.clk.Now()
		return Again(nextTime(r.RunAt, interval, now).Sub(now))
	}, Options{Concurrency: 1})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.every = append(s.every, periodic{name, interval})
}

// nextTime returns the first time after now that is a whole number of intervals
// after last.
func nextTime(last time.Time, interval time.Duration, now time.Time) time.Time {
	if last.After(now) {
		return now.Add(interval)
	}
	return now.Add(interval - now.Sub(last)%interval)
}

// arm stores the job of a periodic kind, unless it is stored and comes soon
// enough.
func (s *Scheduler) arm(ctx context.Context, p periodic) error {
	first := s.clk.Now().Add(p.interval)
	return s.db.Update(ctx, func(tx *kv.Tx) error {
		j := Job{Kind: p.kind, Key: everyKey, RunAt: first}
		id, err := tx.Get(nameKey(p.kind, everyKey))
		if err == nil {
			st, err := load(tx, string(id))
			if err != nil {
				return err
			}
			if st.Lease != "" || st.Due <= dueAfter(s.clk.Now(), p.interval) {
				return nil
			}
			j.Replace = true // the interval has become shorter
		} else if !errors.Is(err, kv.ErrNotFound) {
			return err
		}
		return s.EnqueueTx(tx, j)
	})
}
