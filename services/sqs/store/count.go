package store

import (
	"context"
	"time"

	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/tuple"
	"moln.dev/moln/services/sqs/message"
	"moln.dev/moln/services/sqs/queue"
)

// Counts is how many messages a queue has: those to be received, those in flight,
// and those that are delayed.
type Counts struct{ Visible, Flight, Delayed int }

// countMany and countAgain say that what takes long to count is counted at most
// so often.
const (
	countMany  = 50_000
	countAgain = 5 * time.Second
)

// Count counts a queue's messages.
func (s *Store) Count(ctx context.Context, q *queue.Queue) (Counts, error) {
	h, leave := s.enter(q)
	defer leave()
	now := s.clk.Now()
	h.mu.Lock()
	old, at := h.counts, h.counted
	h.mu.Unlock()
	if old.Visible+old.Flight+old.Delayed > countMany && now.Sub(at) < countAgain {
		return old, nil
	}
	var c Counts
	k := keysOf(q)
	all := k.of(kindState)
	err := s.db.Each(ctx, kv.Range{Start: all, End: tuple.End(all)}, func(it kv.Item) (bool, error) {
		p, err := placeOf(all, it.Key)
		if err != nil {
			return false, err
		}
		st, err := decodeState(it.Value)
		if err != nil {
			return false, err
		}
		c.add(q, p, &st, now)
		return true, nil
	})
	if err != nil {
		return Counts{}, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.counts, h.counted, h.flight = c, now, c.Flight
	return c, nil
}

func (c *Counts) add(q *queue.Queue, p message.Place, st *state, now time.Time) {
	switch at := message.Nanos(now); {
	case expired(q, p, now):
	case st.flying(at):
		c.Flight++
	case st.Due > at || q.Fifo() && p.Nanos+uint64(q.Delay) > at+slack:
		c.Delayed++
	default:
		c.Visible++
	}
}

// flying says that a message is in flight.
func (s *state) flying(now uint64) bool { return s.Due > now && s.Last > 0 }

// flew counts about how many messages are in flight.
func (h *hall) flew(n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.flight >= 0 {
		h.flight = max(h.flight+n, 0)
	}
}

// flightMax is how many messages of a queue may be in flight
// (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-queues.html).
const flightMax = 120_000

// Full says that no more messages may be received before some are deleted.
func (s *Store) Full(ctx context.Context, q *queue.Queue) (bool, error) {
	h, leave := s.enter(q)
	defer leave()
	h.mu.Lock()
	flight := h.flight
	h.mu.Unlock()
	if flight >= 0 && flight < flightMax {
		return false, nil
	}
	c, err := s.Count(ctx, q)
	return c.Flight >= flightMax, err
}
