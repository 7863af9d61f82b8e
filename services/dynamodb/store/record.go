package store

import (
	"context"
	"encoding/binary"
	"errors"

	"moln.dev/moln/engine/clock"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/services/dynamodb/changelog"
	"moln.dev/moln/services/dynamodb/item"
	"moln.dev/moln/services/dynamodb/record"
)

// announced is a change's place in the log of its table, from before the
// transaction until after it.
type announced struct {
	*changelog.Ticket
	clock clock.Clock
}

// recorded runs fn, which makes changes in a transaction that also locks the keys
// it is given. Before, each change of a table with a stream announces itself.
// Whatever has to see every change of a table, as streams do, gets its record
// here and in record: there is no other way to an item.
func (s *Store) recorded(ctx context.Context, changes []*Change, fn func(locks [][]byte) error) error {
	for {
		err := s.attempt(changes, fn)
		if !errors.Is(err, changelog.ErrBacklog) {
			return err
		}
		for _, ch := range changes {
			if ch.Table.Stream == nil {
				continue
			}
			if err := s.logs.Drain(ctx, ch.Table.log, ch.lane()); err != nil {
				return err
			}
		}
	}
}

func (s *Store) attempt(changes []*Change, fn func(locks [][]byte) error) error {
	var locks [][]byte
	for _, ch := range changes {
		if ch.Table.Stream == nil {
			continue
		}
		digest := item.Hash(ch.Key.Hash)
		if ch.Key.Range.Kind != 0 {
			digest = item.Hash(ch.Key.Hash, ch.Key.Range)
		}
		t := s.logs.Begin(ch.Table.log, ch.lane(), digest[:], s.clock.Now())
		defer t.End()
		ch.place = &announced{t, s.clock}
		locks = append(locks, t.Key())
	}
	return fn(locks)
}

// lane is the part of the log that a change belongs to: all items of a partition
// are in one, so that their records have one order.
func (ch *Change) lane() int {
	digest := item.Hash(ch.Key.Hash)
	return int(uint64(binary.BigEndian.Uint32(digest[:])) * uint64(ch.Table.log.Lanes) >> 32)
}

// record writes what the change did into the log, in its transaction.
func (ch *Change) record(tx *kv.Tx, out *Outcome) error {
	if ch.Table.Stream == nil {
		return nil
	}
	r, changed := record.Of(ch.Table.Names(), record.ViewOf(ch.Table.Stream.View), out.Old, out.New)
	if !changed {
		return nil
	}
	r.Expired = ch.expired
	return ch.place.Append(tx, ch.place.clock.Now(), r.Append(make([]byte, 0, r.Size()+128)))
}
