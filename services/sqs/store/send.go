package store

import (
	"context"
	"time"

	"moln.dev/moln/engine/kv"
	"moln.dev/moln/services/sqs/message"
	"moln.dev/moln/services/sqs/queue"
)

// Outgoing is a message that is to be sent.
type Outgoing struct {
	Message
	Delay time.Duration
}

// Send puts messages into a queue. They are durable when it returns. Those of a
// FIFO queue that were sent before get the place that they have.
func (s *Store) Send(ctx context.Context, q *queue.Queue, now time.Time, all []Outgoing) error {
	if q.Fifo() {
		return s.sendFifo(ctx, q, now, all)
	}
	h, leave := s.enter(q)
	defer leave()
	k := keysOf(q)
	b := new(kv.Batch)
	var dues []uint64
	for i := range all {
		m := &all[i]
		due := message.Nanos(now.Add(m.Delay))
		dues = append(dues, due)
		writes, err := k.message(&m.Message, &state{Due: due, Group: m.Group})
		if err != nil {
			return err
		}
		for _, w := range append(writes, k.seen(m.Place, &state{Due: due, Group: m.Group})) {
			b.Put(w.Key, w.Value)
		}
	}
	err := s.db.Apply(ctx, b)
	for _, due := range dues {
		h.floors[kindVisible].wrote(due)
	}
	if err == nil {
		h.arrived(dues)
	}
	return err
}

// message is what is stored of a message of any queue.
func (k keys) message(m *Message, st *state) ([]kv.Item, error) {
	raw, err := encodeMessage(m)
	if err != nil {
		return nil, err
	}
	return []kv.Item{{Key: k.body(m.Place), Value: raw}, {Key: k.state(m.Place), Value: encodeState(st)}}, nil
}

// seen is the entry of a message in the index by time.
func (k keys) seen(p message.Place, st *state) kv.Item {
	return kv.Item{Key: k.visible(st.Due, p), Value: []byte(st.Group)}
}

func put(tx *kv.Tx, all ...kv.Item) error {
	for _, it := range all {
		if err := tx.Put(it.Key, it.Value); err != nil {
			return err
		}
	}
	return nil
}

func remove(tx *kv.Tx, all ...[]byte) error {
	for _, k := range all {
		if err := tx.Delete(k); err != nil {
			return err
		}
	}
	return nil
}

// arrived wakes who waits for messages that are visible from dues on.
func (h *hall) arrived(dues []uint64) {
	now := message.Nanos(h.clk.Now())
	n := 0
	var next uint64
	for _, due := range dues {
		if due <= now {
			n++
		} else if next == 0 || due < next {
			next = due
		}
	}
	h.wake(n)
	if next != 0 {
		h.wakeBy(timeOf(next))
	}
}

func timeOf(nanos uint64) time.Time { return time.Unix(0, int64(nanos)) }
