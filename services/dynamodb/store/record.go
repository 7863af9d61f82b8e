package store

import (
	"context"
	"encoding/binary"
	"errors"
	"time"

	"moln.dev/moln/engine/clock"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/services/dynamodb/changelog"
	"moln.dev/moln/services/dynamodb/item"
	"moln.dev/moln/services/dynamodb/record"
)

// capture is a log that holds a record of every change of a table, and what of
// it. Whatever has to see each change once and in order, as streams do, is one:
// there is no other way to an item than through recorded and record, but for
// changes that are blind, which need a table without captures.
type capture struct {
	log  changelog.Log
	view record.View
}

// announced is a change's place in a log, from before the transaction until
// after it.
type announced struct {
	*changelog.Ticket
	view record.View
	*moment
}

// moment is when a transaction was: its changes all have one time.
type moment struct {
	clock clock.Clock
	tx    *kv.Tx
	at    time.Time
}

func (m *moment) of(tx *kv.Tx) time.Time {
	if m.tx != tx { // a first attempt, or another
		m.tx, m.at = tx, m.clock.Now()
	}
	return m.at
}

// recorded runs fn, which makes changes in a transaction that also locks the keys
// it is given. Before, each change announces itself to the logs of its table.
func (s *Store) recorded(ctx context.Context, changes []*Change, fn func(locks [][]byte) error) error {
	for {
		err := s.attempt(changes, fn)
		if err == nil {
			s.tell(changes)
		}
		if !errors.Is(err, changelog.ErrBacklog) {
			return err
		}
		for _, ch := range changes {
			for _, c := range ch.Table.captures {
				if err := s.logs.Drain(ctx, c.log, ch.lane(c.log)); err != nil {
					return err
				}
			}
		}
	}
}

// tell wakes the readers of the streams that changes were recorded in.
func (s *Store) tell(changes []*Change) {
	if !s.bell.Heard() {
		return
	}
	for _, ch := range changes {
		if st := ch.Table.Stream; st != nil {
			s.bell.Ring(ch.Table.StreamARN(st.Label))
		}
	}
}

func (s *Store) attempt(changes []*Change, fn func(locks [][]byte) error) error {
	var locks [][]byte
	when := &moment{clock: s.clock}
	for _, ch := range changes {
		if len(ch.Table.captures) == 0 {
			continue
		}
		digest := item.Hash(ch.Key.Hash)
		if ch.Key.Range.Kind != 0 {
			digest = item.Hash(ch.Key.Hash, ch.Key.Range)
		}
		ch.places = nil
		for _, c := range ch.Table.captures {
			t := s.logs.Begin(c.log, ch.lane(c.log), digest[:], s.clock.Now())
			defer t.End()
			ch.places = append(ch.places, announced{t, c.view, when})
			locks = append(locks, t.Key())
		}
	}
	return fn(locks)
}

// lane is the part of a log that a change belongs to: all items of a partition
// are in one, so that their records have one order.
func (ch *Change) lane(l changelog.Log) int {
	digest := item.Hash(ch.Key.Hash)
	return int(uint64(binary.BigEndian.Uint32(digest[:])) * uint64(l.Lanes) >> 32)
}

// record writes what the change did into the logs, in its transaction.
func (ch *Change) record(tx *kv.Tx, out *Outcome) error {
	for _, p := range ch.places {
		r, changed := record.Of(ch.Table.Names(), p.view, out.Old, out.New)
		if !changed {
			return nil
		}
		r.Expired = ch.expired
		if err := p.Append(tx, p.of(tx), r.Append(make([]byte, 0, r.Size()+128))); err != nil {
			return err
		}
	}
	return nil
}
