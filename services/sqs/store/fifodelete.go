package store

import (
	"context"
	"errors"
	"time"

	"moln.dev/moln/engine/kv"
	"moln.dev/moln/services/sqs/message"
	"moln.dev/moln/services/sqs/queue"
)

// removeAllFifo deletes messages of a FIFO queue by their receipts, which must not
// have expired. errs are of each receipt, in order.
func (s *Store) removeAllFifo(ctx context.Context, q *queue.Queue, receipts []message.Handle) (errs []error, err error) {
	h, leave := s.enter(q)
	defer leave()
	k := keysOf(q)
	locks, err := s.groupLocks(ctx, k, receipts)
	if err != nil {
		return nil, err
	}
	var t tracks
	errs = make([]error, len(receipts))
	err = s.db.Update(ctx, func(tx *kv.Tx) error {
		now := message.Nanos(s.clk.Now())
		for i, r := range receipts {
			errs[i] = nil
			err := removeFifo(tx, k, r, now, &t)
			if errors.Is(err, ErrExpired) {
				errs[i], err = err, nil
			}
			if err != nil {
				return err
			}
		}
		return nil
	}, locks...)
	t.tell(h)
	if err == nil {
		h.flew(-len(receipts))
		h.wake(len(receipts)) // their groups may go on
	}
	return errs, err
}

// groupLocks are the keys of the groups that receipts are about.
func (s *Store) groupLocks(ctx context.Context, k keys, receipts []message.Handle) ([][]byte, error) {
	wanted := make([][]byte, len(receipts))
	for i, r := range receipts {
		wanted[i] = k.state(r.Place)
	}
	values, err := s.db.GetMany(ctx, wanted...)
	if err != nil {
		return nil, err
	}
	var locks [][]byte
	for _, raw := range values {
		if raw == nil {
			continue
		}
		st, err := decodeState(raw)
		if err != nil {
			return nil, err
		}
		locks = append(locks, k.group(st.Group))
	}
	return locks, nil
}

func removeFifo(tx *kv.Tx, k keys, r message.Handle, now uint64, t *tracks) error {
	st, ok, err := stateOf(tx, k, r.Place)
	if err != nil || !ok {
		return err
	}
	g, err := readGroup(tx, k, st.Group)
	if err != nil {
		return err
	}
	if g == nil || g.flies(r, now) < 0 {
		return ErrExpired
	}
	g.forget(r.Place)
	g.land(now)
	if err := k.dropFifo(tx, st.Group, r.Place); err != nil {
		return err
	}
	g.Turn++
	return g.write(tx, k, st.Group, restOf(g, r.Place), t)
}

// restOf is the moment of a group among those at rest: as early as any of its
// messages can be, of which p was the first.
func restOf(g *group, p message.Place) uint64 {
	if g.Rest != 0 {
		return min(g.Rest, p.Nanos)
	}
	return p.Nanos
}

// hideFifo makes a received message of a FIFO queue visible after a time. Its
// errors are ErrStale and ErrLonger.
func (s *Store) hideFifo(ctx context.Context, q *queue.Queue, r message.Handle, visibility time.Duration) error {
	h, leave := s.enter(q)
	defer leave()
	k := keysOf(q)
	locks, err := s.groupLocks(ctx, k, []message.Handle{r})
	if err != nil {
		return err
	}
	var t tracks
	err = s.db.Update(ctx, func(tx *kv.Tx) error {
		st, ok, err := stateOf(tx, k, r.Place)
		if err != nil {
			return err
		}
		if !ok {
			return ErrStale
		}
		g, err := readGroup(tx, k, st.Group)
		if err != nil {
			return err
		}
		now := s.clk.Now()
		i := -1
		if g != nil {
			i = g.flies(r, message.Nanos(now))
		}
		if i < 0 {
			return ErrStale
		}
		due := now.Add(visibility)
		if tooLong(&st, due) {
			return ErrLonger
		}
		st.Due = message.Nanos(due)
		g.In[i].Due = st.Due
		g.land(message.Nanos(now))
		if err := tx.Put(k.state(r.Place), encodeState(&st)); err != nil {
			return err
		}
		g.Turn++
		return g.write(tx, k, st.Group, restOf(g, r.Place), &t)
	}, locks...)
	t.tell(h)
	if err == nil {
		h.wake(1)
		h.wakeBy(s.clk.Now().Add(visibility))
	}
	return err
}
