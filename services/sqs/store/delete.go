package store

import (
	"context"
	"errors"
	"time"

	"moln.dev/moln/engine/kv"
	"moln.dev/moln/services/sqs/message"
	"moln.dev/moln/services/sqs/queue"
)

// Errors of receipts.
var (
	// ErrStale: the message is there no more, or somebody has received it since.
	ErrStale = errors.New("store: the receipt is not the message's any more")
	// ErrExpired: of FIFO queues, the message is visible again.
	ErrExpired = errors.New("store: the receipt has expired")
	// ErrLonger: the message would be in flight for longer than it may be.
	ErrLonger = errors.New("store: the message may not be in flight for so long")
)

// Remove deletes messages by their receipts. Receipts that are stale delete
// nothing, which is no error; but those of FIFO queues must not have expired. errs are of each receipt, in order.
func (s *Store) Remove(ctx context.Context, q *queue.Queue, receipts []message.Handle) (errs []error, err error) {
	if q.Fifo() {
		return s.removeAllFifo(ctx, q, receipts)
	}
	errs = make([]error, len(receipts))
	k := keysOf(q)
	locks := make([][]byte, len(receipts))
	for i, r := range receipts {
		locks[i] = k.state(r.Place)
	}
	n := 0
	err = s.db.Update(ctx, func(tx *kv.Tx) error {
		n = 0
		for i, r := range receipts {
			raw, err := tx.Get(locks[i])
			if errors.Is(err, kv.ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			st, err := decodeState(raw)
			if err != nil {
				return err
			}
			if st.Token != r.Token {
				continue
			}
			n++
			if err := k.drop(tx, r.Place, &st); err != nil {
				return err
			}
		}
		return nil
	}, locks...)
	if err == nil {
		h, leave := s.enter(q)
		defer leave()
		h.flew(-n)
	}
	return errs, err
}

// Hide makes a received message visible after a time. Its
// errors are ErrStale and ErrLonger.
func (s *Store) Hide(ctx context.Context, q *queue.Queue, r message.Handle, visibility time.Duration) error {
	if q.Fifo() {
		return s.hideFifo(ctx, q, r, visibility)
	}
	h, leave := s.enter(q)
	defer leave()
	k := keysOf(q)
	var dues []uint64
	err := s.db.Update(ctx, func(tx *kv.Tx) error {
		raw, err := tx.Get(k.state(r.Place))
		if errors.Is(err, kv.ErrNotFound) {
			return ErrStale
		}
		if err != nil {
			return err
		}
		st, err := decodeState(raw)
		if err != nil {
			return err
		}
		now := s.clk.Now()
		if st.Token != r.Token || expired(q, r.Place, now) {
			return ErrStale
		}
		due := now.Add(visibility)
		if tooLong(&st, due) {
			return ErrLonger
		}
		if err := tx.Delete(k.visible(st.Due, r.Place)); err != nil {
			return err
		}
		st.Due = message.Nanos(due)
		dues = append(dues, st.Due)
		return put(tx, kv.Item{Key: k.state(r.Place), Value: encodeState(&st)}, k.seen(r.Place, &st))
	}, k.state(r.Place))
	for _, due := range dues {
		h.floors[kindVisible].wrote(due)
	}
	if err == nil {
		h.arrived(dues[len(dues)-1:])
	}
	return err
}

// tooLong says that a message would be in flight beyond the limit, counted from
// when it was received.
func tooLong(st *state, due time.Time) bool {
	return due.After(time.UnixMilli(st.Last).Add(queue.VisibilitySecondsMax*time.Second + time.Millisecond))
}
