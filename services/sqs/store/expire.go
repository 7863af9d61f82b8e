package store

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/tuple"
	"moln.dev/moln/services/sqs/message"
	"moln.dev/moln/services/sqs/queue"
)

// expirePage is how many messages are removed in one transaction.
const expirePage = 256

// Expire removes what a queue keeps no longer: messages, and what is remembered
// of deduplication and of attempts.
func (s *Store) Expire(ctx context.Context, q *queue.Queue, now time.Time) error {
	k := keysOf(q)
	all := k.of(kindState)
	r := kv.Range{Start: all, End: tuple.End(all), Limit: expirePage}
	for {
		items, err := s.db.Scan(ctx, r)
		if err != nil {
			return err
		}
		var old []message.Place
		for _, it := range items {
			p, err := placeOf(all, it.Key)
			if err != nil {
				return err
			}
			if !expired(q, p, now) {
				break
			}
			old = append(old, p)
		}
		if err := s.expireAll(ctx, q, old, now); err != nil {
			return err
		}
		if len(old) < expirePage {
			break
		}
		r = r.After(items[len(items)-1].Key)
	}
	at := message.Nanos(now)
	if err := s.forget(ctx, key(k.at, kindDedupBy, k.id), at, k.forgetDedup); err != nil {
		return err
	}
	return s.forget(ctx, key(k.at, kindTriedBy, k.id), at, k.forgetAttempt)
}

func (s *Store) expireAll(ctx context.Context, q *queue.Queue, old []message.Place, now time.Time) error {
	if len(old) == 0 {
		return nil
	}
	h, leave := s.enter(q)
	defer leave()
	k := keysOf(q)
	var t tracks
	err := s.db.Update(ctx, func(tx *kv.Tx) error {
		for _, p := range old {
			st, ok, err := stateOf(tx, k, p)
			if err != nil {
				return err
			}
			if !ok {
				continue
			}
			if !q.Fifo() {
				err = k.drop(tx, p, &st)
			} else {
				err = expireFifo(tx, k, st.Group, p, message.Nanos(now), &t)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	t.tell(h)
	return err
}

// expireFifo removes a message that is too old from its group.
func expireFifo(tx *kv.Tx, k keys, name string, p message.Place, now uint64, t *tracks) error {
	g, err := readGroup(tx, k, name)
	if err != nil {
		return err
	}
	if err := k.dropFifo(tx, name, p); err != nil || g == nil {
		return err
	}
	g.forget(p)
	g.land(now)
	g.Turn++
	return g.write(tx, k, name, restOf(g, p), t)
}

// forget removes the entries of an index by time up to now, and what they name.
func (s *Store) forget(ctx context.Context, prefix []byte, now uint64, drop func(tx *kv.Tx, due uint64, rest []byte) error) error {
	r := kv.Range{Start: prefix, End: tuple.End(tuple.AppendUint(prefix[:len(prefix):len(prefix)], now)), Limit: expirePage}
	for {
		items, err := s.db.Scan(ctx, r)
		if err != nil || len(items) == 0 {
			return err
		}
		err = s.db.Update(ctx, func(tx *kv.Tx) error {
			for _, it := range items {
				due, rest, err := tuple.DecodeUint(lastParts(prefix, it.Key))
				if err != nil {
					return err
				}
				if err := drop(tx, due, rest); err != nil {
					return err
				}
				if err := tx.Delete(it.Key); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil || !r.More(items) {
			return err
		}
		r = r.After(items[len(items)-1].Key)
	}
}

// forgetDedup removes what is remembered of a deduplication id, unless it has been
// used again since.
func (k keys) forgetDedup(tx *kv.Tx, due uint64, rest []byte) error {
	group, rest, err := tuple.DecodeString(rest)
	if err != nil {
		return err
	}
	id, _, err := tuple.DecodeString(rest)
	if err != nil {
		return err
	}
	raw, err := tx.Get(k.dedup(group, id))
	if err != nil {
		return unlessAbsent(err)
	}
	var before sent
	if err := json.Unmarshal(raw, &before); err != nil || before.Until != due {
		return err
	}
	return tx.Delete(k.dedup(group, id))
}

func (k keys) forgetAttempt(tx *kv.Tx, due uint64, rest []byte) error {
	name, _, err := tuple.DecodeString(rest)
	if err != nil {
		return err
	}
	a, err := readAttempt(tx, k, name)
	if err != nil || a == nil || a.Until != due {
		return err
	}
	return tx.Delete(k.attempt(name))
}

func unlessAbsent(err error) error {
	if errors.Is(err, kv.ErrNotFound) {
		return nil
	}
	return err
}

// freeNames forgets the names of queues in an account and region that were deleted
// before a time.
func (s *Store) freeNames(ctx context.Context, account, region string, before time.Time) error {
	all := key(queue.Key{Account: account, Region: region}, kindGone)
	return s.db.Each(ctx, kv.Range{Start: all, End: tuple.End(all)}, func(it kv.Item) (bool, error) {
		var g gone
		if err := json.Unmarshal(it.Value, &g); err != nil {
			return false, err
		}
		if g.Deleted.After(before) {
			return true, nil
		}
		return true, s.db.Update(ctx, func(tx *kv.Tx) error {
			raw, err := tx.Get(it.Key)
			if err != nil || string(raw) != string(it.Value) {
				return unlessAbsent(err)
			}
			return tx.Delete(it.Key)
		})
	})
}
