package sns

import (
	"context"
	"encoding/json"
	"time"

	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/sched"
)

// waiting is a message of a FIFO topic in the line of its group.
type waiting struct {
	Message *message
	Pending []progress
}

// progress is how far a message has come with one subscription.
type progress struct {
	Subscription string
	Attempts     int       `json:",omitempty"`
	Next         time.Time `json:",omitzero"` // when to try again
}

// line is the payload of a group's job.
type line struct{ Account, Region, Topic, Group string }

// runLine delivers what waits in a group, in order: a subscription gets a message
// only after it got the one before, or that one was given up (N3). There is one
// job of a group, so nobody else does.
func (s *Service) runLine(ctx context.Context, r sched.Run) error {
	var l line
	if err := json.Unmarshal(r.Payload, &l); err != nil {
		return sched.Permanent(err)
	}
	id := topicID{place{l.Account, l.Region}, l.Topic}
	w := walk{s: s, id: id, held: map[string]bool{}}
	rest := kv.Prefix(id.waiting(l.Group))
	rest.Limit = lineMessagesPage
	for {
		items, err := s.store.db.Scan(ctx, rest)
		if err != nil {
			return err
		}
		for _, it := range items {
			if err := w.step(ctx, it); err != nil {
				return err
			}
			if w.stuck {
				return w.end(ctx, r)
			}
		}
		if len(items) < lineMessagesPage {
			return w.end(ctx, r)
		}
		rest = rest.After(items[len(items)-1].Key)
	}
}

// walk is one way along a line.
type walk struct {
	s  *Service
	id topicID
	// held are the subscriptions that a message of the line keeps waiting, next is
	// when the first of them is to be tried again.
	held map[string]bool
	next time.Time
	// stuck: all of the topic's subscriptions are held, so there is no use in
	// looking further.
	stuck bool
}

// end ends the run. It does not wait for what is to be tried again: what is
// published meanwhile is for others too. Another job wakes the line in time.
func (w *walk) end(ctx context.Context, r sched.Run) error {
	if w.next.IsZero() {
		return nil
	}
	return w.s.deps.Sched.Enqueue(ctx, sched.Job{Kind: wakeKind, Key: r.Key, Replace: true, Payload: r.Payload, RunAt: w.next})
}

// runWake has a line looked at.
func (s *Service) runWake(ctx context.Context, r sched.Run) error {
	return s.deps.Sched.Enqueue(ctx, sched.Job{Kind: lineKind, Key: r.Key, Payload: r.Payload})
}

// step tries to deliver one message to all who wait for it.
func (w *walk) step(ctx context.Context, it kv.Item) error {
	var m waiting
	if err := w.s.open(it.Value, &m); err != nil {
		return err
	}
	ids := make([]string, len(m.Pending))
	for i, p := range m.Pending {
		ids[i] = p.Subscription
	}
	t, subs, err := w.s.targets(ctx, m.Message.Topic, ids)
	if err != nil {
		return err
	}
	defer func() { w.stuck = t != nil && len(w.held) > 0 && len(w.held) >= t.Confirmed }()
	by := map[string]*subscription{}
	for _, sub := range subs {
		by[sub.ID] = sub
	}
	var left []progress
	var letters []sched.Job
	changed := false
	for _, p := range m.Pending {
		sub := by[p.Subscription]
		if sub == nil {
			changed = true // it is gone
			continue
		}
		keep, letter, tried := w.try(ctx, t, sub, m.Message, p)
		changed = changed || tried
		if keep != nil {
			left = append(left, *keep)
		}
		if letter != nil {
			letters = append(letters, *letter)
		}
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if !changed {
		return nil
	}
	return w.s.store.db.Update(ctx, func(tx *kv.Tx) error {
		for _, j := range letters {
			if err := w.s.deps.Sched.EnqueueTx(tx, j); err != nil {
				return err
			}
		}
		if len(left) == 0 {
			return tx.Delete(it.Key)
		}
		return tx.Put(it.Key, w.s.seal(waiting{Message: m.Message, Pending: left}))
	})
}

// try makes an attempt with one subscription if it is its turn; what it keeps has
// still to be delivered.
func (w *walk) try(ctx context.Context, t *topic, sub *subscription, m *message, p progress) (keep *progress, letter *sched.Job, tried bool) {
	now := w.s.deps.Clock.Now()
	if w.held[sub.ID] {
		return &p, nil, false
	}
	if p.Next.After(now) {
		w.hold(sub.ID, p.Next)
		return &p, nil, false
	}
	d := delivery{Message: m, To: sub.ID, Attempts: p.Attempts}
	switch v := w.s.attempt(ctx, t, sub, &d); v.fate {
	case again:
		p.Attempts, p.Next = d.Attempts, now.Add(v.after)
		w.hold(sub.ID, p.Next)
		return &p, nil, true
	case dead:
		if j, ok := w.s.deadJob(sub, &d); ok {
			return nil, &j, true
		}
	}
	return nil, nil, true
}

func (w *walk) hold(sub string, until time.Time) {
	w.held[sub] = true
	if w.next.IsZero() || until.Before(w.next) {
		w.next = until
	}
}
