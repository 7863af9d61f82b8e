package store

import (
	"context"
	"errors"
	"time"

	"moln.dev/moln/engine/kv"
	"moln.dev/moln/services/sqs/message"
	"moln.dev/moln/services/sqs/queue"
)

// Want is what somebody wants to receive.
type Want struct {
	Max        int
	Visibility time.Duration
	// Attempt is a name for the request, which is answered again the same; of
	// FIFO queues.
	Attempt string
	// Keep: what was received too often is given out all the same.
	Keep bool
}

// Receive takes visible messages. Where there are none, next says when one may
// be, or is zero.
func (s *Store) Receive(ctx context.Context, q *queue.Queue, w Want) (got []Received, next time.Time, err error) {
	if q.Fifo() {
		return s.receiveFifo(ctx, q, w)
	}
	h, leave := s.enter(q)
	defer leave()
	letters, err := s.letters(ctx, q, w)
	if err != nil {
		return nil, next, err
	}
	for len(got) == 0 {
		if err := ctx.Err(); err != nil {
			return nil, next, err
		}
		var found []entry
		if found, next, err = s.find(ctx, h, q, w.Max); err != nil || len(found) == 0 {
			return nil, next, err
		}
		got, err = s.claim(ctx, h, q, letters, found, w.Visibility)
		h.release(found)
		if err != nil {
			return nil, next, err
		}
	}
	h.wake(1) // there may be more
	return got, time.Time{}, nil
}

// letters is the dead-letter queue of a queue; nil where there is none.
func (s *Store) letters(ctx context.Context, q *queue.Queue, w Want) (*queue.Queue, error) {
	if w.Keep || q.Redrive == nil || q.Redrive.Target == q.Key {
		return nil, nil
	}
	to, err := s.Queue(ctx, q.Redrive.Target)
	if errors.Is(err, ErrAbsent) {
		return nil, nil
	}
	if err == nil && !to.Allow.Allows(q.Key) {
		return nil, nil
	}
	return to, err
}

// find gives up to n visible messages that nobody else of this process is
// receiving; they are the caller's until release.
func (s *Store) find(ctx context.Context, h *hall, q *queue.Queue, n int) (found []entry, next time.Time, err error) {
	h.look.Lock()
	defer h.look.Unlock()
	if len(h.ready) < n {
		if next, err = s.refill(ctx, h, q); err != nil {
			return nil, next, err
		}
	}
	n = min(n, len(h.ready))
	found = append(found, h.ready[:n]...)
	h.ready = h.ready[n:]
	for _, e := range found {
		h.taken[e.place] = struct{}{}
	}
	return found, next, nil
}

func (h *hall) release(found []entry) {
	h.look.Lock()
	defer h.look.Unlock()
	for _, e := range found {
		delete(h.taken, e.place)
	}
}

// refill looks for what is visible now.
func (s *Store) refill(ctx context.Context, h *hall, q *queue.Queue) (next time.Time, err error) {
	k := keysOf(q)
	now := message.Nanos(s.clk.Now())
	items, err := s.scanFrom(ctx, h.floors[kindVisible], k, kindVisible, now, readyMax+len(h.taken))
	if err != nil {
		return next, err
	}
	h.ready = h.ready[:0:0]
	for _, it := range items {
		due, p, err := k.placeEntry(kindVisible, it.Key)
		if err != nil {
			return next, err
		}
		if _, taken := h.taken[p]; !taken {
			h.ready = append(h.ready, entry{due, p})
		}
	}
	if len(h.ready) > 0 {
		return next, nil
	}
	return s.first(ctx, k, kindVisible, now+1)
}

// scanFrom reads an index by time up to now.
func (s *Store) scanFrom(ctx context.Context, f *floor, k keys, kind string, now uint64, limit int) ([]kv.Item, error) {
	from, look := f.begin()
	if !s.alone {
		from = 0
	}
	items, err := s.db.Scan(ctx, k.between(kind, from, now, limit))
	if err != nil {
		f.drop(look)
		return nil, err
	}
	first := now + 1
	if len(items) > 0 {
		if first, _, err = k.dueOf(kind, items[0].Key); err != nil {
			f.drop(look)
			return nil, err
		}
	}
	f.end(look, first)
	return items, nil
}

// first is the time of the first entry of an index from a moment on.
func (s *Store) first(ctx context.Context, k keys, kind string, from uint64) (time.Time, error) {
	all := k.of(kind)
	r := kv.Prefix(all)
	r.Start, r.Limit = k.of(kind, from), 1
	items, err := s.db.Scan(ctx, r)
	if err != nil || len(items) == 0 {
		return time.Time{}, err
	}
	due, _, err := k.dueOf(kind, items[0].Key)
	return timeOf(due), err
}

// claim receives what was found, as far as it is still there. What was received
// too often goes to letters instead, and what is too old goes away.
func (s *Store) claim(ctx context.Context, h *hall, q *queue.Queue, letters *queue.Queue, found []entry, visibility time.Duration) ([]Received, error) {
	k := keysOf(q)
	locks := make([][]byte, len(found))
	for i, e := range found {
		locks[i] = k.state(e.place)
	}
	var got []Received
	var wrote []uint64
	var moved int
	err := s.db.Update(ctx, func(tx *kv.Tx) error {
		got, moved = got[:0], 0
		now := s.clk.Now()
		due := message.Nanos(now.Add(visibility))
		wrote = append(wrote, due)
		for _, e := range found {
			st, ok, err := readState(tx, k, e)
			if err != nil {
				return err
			}
			switch {
			case !ok:
				continue
			case expired(q, e.place, now):
				err = k.drop(tx, e.place, &st)
			case letters != nil && q.Redrive.Exhausted(st.Received):
				moved++
				err = s.bury(tx, k, letters, e.place, st, now)
			default:
				before := k.seen(e.place, &st).Key
				st.take(now, due, [8]byte(s.ids.Bytes(8)))
				got = append(got, Received{Message: &Message{Place: e.place}, Token: st.Token, Count: st.Received, First: st.First})
				if err = tx.Delete(before); err == nil {
					err = put(tx, kv.Item{Key: k.state(e.place), Value: encodeState(&st)}, k.seen(e.place, &st))
				}
			}
			if err != nil {
				return err
			}
		}
		return nil
	}, locks...)
	for _, due := range wrote {
		h.floors[kindVisible].wrote(due)
	}
	if err != nil {
		return nil, err
	}
	if moved > 0 {
		s.buried(letters, moved)
	}
	if got, err = s.bodies(ctx, k, got); err != nil {
		return nil, err
	}
	h.flew(len(got))
	return got, nil
}

// readState reads the state of what was found, if it is still as it was found.
func readState(tx *kv.Tx, k keys, e entry) (state, bool, error) {
	raw, err := tx.Get(k.state(e.place))
	if errors.Is(err, kv.ErrNotFound) {
		return state{}, false, nil
	}
	if err != nil {
		return state{}, false, err
	}
	st, err := decodeState(raw)
	return st, err == nil && st.Due == e.due, err
}

// expired says that a message is kept no longer.
func expired(q *queue.Queue, p message.Place, now time.Time) bool {
	return p.Nanos+uint64(q.Retention) <= message.Nanos(now)+slack
}

// drop deletes a message of a standard queue.
func (k keys) drop(tx *kv.Tx, p message.Place, st *state) error {
	return remove(tx, k.body(p), k.state(p), k.visible(st.Due, p))
}

// bodies reads what the messages say. One that was deleted meanwhile is left out.
func (s *Store) bodies(ctx context.Context, k keys, got []Received) ([]Received, error) {
	wanted := make([][]byte, len(got))
	for i := range got {
		wanted[i] = k.body(got[i].Place)
	}
	values, err := s.db.GetMany(ctx, wanted...)
	if err != nil {
		return nil, err
	}
	out := got[:0]
	for i, raw := range values {
		if raw == nil {
			continue
		}
		m, err := decodeMessage(got[i].Place, raw)
		if err != nil {
			return nil, err
		}
		r := got[i]
		r.Message = m
		out = append(out, r)
	}
	return out, nil
}
