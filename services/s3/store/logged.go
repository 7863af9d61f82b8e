package store

import (
	"context"

	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/tuple"
)

func keyLogged(name string) []byte { return tuple.Key("lg", name) }

// NoteLogged lists a bucket among those that may be logged, before it is.
func (s *Store) NoteLogged(ctx context.Context, name string) error {
	return s.kv.Update(ctx, func(tx *kv.Tx) error { return tx.Put(keyLogged(name), nil) }, keyLogged(name))
}

// Logged calls fn with the buckets that have a configuration of access logs,
// and takes others off the list.
func (s *Store) Logged(ctx context.Context, fn func(b *Bucket)) error {
	var stale []string
	err := s.kv.Each(ctx, kv.Prefix(tuple.Key("lg")), func(it kv.Item) (bool, error) {
		name, err := lastString(it.Key, 1)
		if err != nil {
			return false, err
		}
		b, err := s.Bucket(ctx, name)
		switch {
		case IsNoSuchBucket(err):
			stale = append(stale, name)
		case err != nil:
			return false, err
		case b.Logging != nil:
			fn(b)
		}
		return true, nil
	})
	if err != nil {
		return err
	}
	for _, name := range stale {
		if err := s.forgetLogged(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// forgetLogged takes a bucket that is gone off the list.
func (s *Store) forgetLogged(ctx context.Context, name string) error {
	return s.kv.Update(ctx, func(tx *kv.Tx) error {
		if _, err := s.bucketIn(tx, name); !IsNoSuchBucket(err) {
			return err
		}
		return tx.Delete(keyLogged(name))
	}, keyBucket(name), keyLogged(name))
}
