package store

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"moln.dev/moln/engine/kv"
	"moln.dev/moln/services/sqs/message"
	"moln.dev/moln/services/sqs/queue"
)

// dedupTime is how long a deduplication id is remembered
// (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html).
const dedupTime = 5 * time.Minute

// sent is what is remembered of a deduplication id.
type sent struct {
	Place []byte `json:"p"`
	Until uint64 `json:"u"`
}

// sendFifo puts messages into a FIFO queue, in order, but for those that were
// sent before by their deduplication ids: those get the place of the first. All
// are durable when it returns.
func (s *Store) sendFifo(ctx context.Context, q *queue.Queue, now time.Time, all []Outgoing) error {
	h, leave := s.enter(q)
	defer leave()
	k := keysOf(q)
	var locks [][]byte
	for i := range all {
		locks = append(locks, k.group(all[i].Group), k.dedup(scope(q, all[i].Group), all[i].Dedup))
	}
	var t tracks
	places := make([]message.Place, len(all))
	for i := range all {
		places[i] = all[i].Place
	}
	err := s.db.Update(ctx, func(tx *kv.Tx) error {
		for i := range all {
			all[i].Place = places[i]
			if err := s.sendOne(tx, k, q, &all[i].Message, now, &t); err != nil {
				return err
			}
		}
		return nil
	}, locks...)
	t.tell(h)
	if err == nil {
		h.wake(len(all))
		if q.Delay > 0 {
			h.wakeBy(now.Add(q.Delay))
		}
	}
	return err
}

// scope is the group that deduplication ids are unique in; empty: all of them.
func scope(q *queue.Queue, group string) string {
	if q.PerGroup {
		return group
	}
	return ""
}

func (s *Store) sendOne(tx *kv.Tx, k keys, q *queue.Queue, m *Message, now time.Time, t *tracks) error {
	at, in := message.Nanos(now), scope(q, m.Group)
	raw, err := tx.Get(k.dedup(in, m.Dedup))
	if err == nil {
		var before sent
		if err := json.Unmarshal(raw, &before); err != nil {
			return err
		}
		if before.Until > at {
			m.Place, err = message.ParsePlace(before.Place)
			return err
		}
		if err := tx.Delete(k.dedupBy(before.Until, in, m.Dedup)); err != nil {
			return err
		}
	} else if !errors.Is(err, kv.ErrNotFound) {
		return err
	}
	if err := s.join(tx, k, m, state{}, t); err != nil {
		return err
	}
	until := message.Nanos(now.Add(dedupTime))
	if raw, err = json.Marshal(sent{m.Place.Append(nil), until}); err != nil {
		return err
	}
	return put(tx, kv.Item{Key: k.dedup(in, m.Dedup), Value: raw}, kv.Item{Key: k.dedupBy(until, in, m.Dedup)})
}

// join puts a message at the end of its group.
func (s *Store) join(tx *kv.Tx, k keys, m *Message, st state, t *tracks) error {
	g, err := readGroup(tx, k, m.Group)
	if err != nil {
		return err
	}
	first := g == nil
	if first {
		g = new(group)
	}
	m.Place.Nanos = max(m.Place.Nanos, g.Last+1)
	if g.Last = m.Place.Nanos; first {
		g.Turn = g.Last // another than of a group that was before
	}
	g.Count++
	st.Group = m.Group
	writes, err := k.message(m, &st)
	if err != nil {
		return err
	}
	if err := put(tx, append(writes, kv.Item{Key: k.order(m.Group, m.Place)})...); err != nil {
		return err
	}
	rest := g.Rest
	if first {
		rest = m.Place.Nanos
	}
	return g.write(tx, k, m.Group, rest, t)
}
