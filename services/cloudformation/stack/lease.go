package stack

import (
	"context"
	"errors"
	"time"

	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/tuple"
)

// Lease is a stack whose operation is to be carried out, and by whom.
type Lease struct {
	Place   Place
	ID      string
	Holder  string    `json:",omitempty"`
	Expires time.Time `json:",omitzero"`
}

func workPrefix() []byte { return tuple.Key("work") }

// Work gives all stacks with an operation under way.
func (s *Store) Work(ctx context.Context) ([]Lease, error) {
	return list[Lease](ctx, s.db, kv.Prefix(workPrefix()))
}

// WatchWork rings when Work may have changed.
func (s *Store) WatchWork() (<-chan struct{}, func()) { return s.db.Watch(workPrefix()) }

// Take takes or renews the lease of a stack's work until expires. False:
// somebody else holds it, or the work is done.
func (s *Store) Take(ctx context.Context, l Lease, holder string, now, expires time.Time) (bool, error) {
	taken := false
	key := workKey(l.Place, l.ID)
	err := s.db.Update(ctx, func(tx *kv.Tx) error {
		taken = false
		raw, err := tx.Get(key)
		if errors.Is(err, kv.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		var held Lease
		if err := decode(raw, &held); err != nil {
			return err
		}
		if held.Holder != "" && held.Holder != holder && now.Before(held.Expires) {
			return nil
		}
		taken = true
		return tx.Put(key, encode(Lease{Place: l.Place, ID: l.ID, Holder: holder, Expires: expires}))
	}, key)
	return taken, err
}
