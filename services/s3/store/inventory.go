package store

import (
	"context"
	"errors"

	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/tuple"
)

func keyInventory(b *Bucket, id string) []byte { return tuple.Key("in", b.ID, id) }

// Inventoried is the day (2006-01-02) of the last report of an inventory; empty:
// there is none.
func (s *Store) Inventoried(ctx context.Context, b *Bucket, id string) (string, error) {
	raw, err := s.kv.Get(ctx, keyInventory(b, id))
	if errors.Is(err, kv.ErrNotFound) {
		return "", nil
	}
	return string(raw), err
}

// SetInventoried keeps the day of the last report of an inventory.
func (s *Store) SetInventoried(ctx context.Context, b *Bucket, id, day string) error {
	return s.kv.Update(ctx, func(tx *kv.Tx) error {
		if _, err := s.again(tx, b); err != nil {
			return err
		}
		return tx.Put(keyInventory(b, id), []byte(day))
	}, keyInventory(b, id))
}

// dropInventories forgets them with their bucket.
func dropInventories(tx *kv.Tx, b *Bucket) error {
	r := kv.Prefix(tuple.Key("in", b.ID))
	return tx.DeleteRange(r.Start, r.End)
}
