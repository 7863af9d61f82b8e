package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/tuple"
	"moln.dev/moln/services/s3/usage"
)

// Walk is how far the daily walk over a bucket has come.
type Walk struct {
	// Round counts how often the rules have changed.
	Round int    `json:",omitempty"`
	Day   string // that the walk is for
	Done  bool   `json:",omitempty"`
	// Key and Version are the last that was looked at, Modified is when it was
	// written, and Newer are the noncurrent versions of Key up to it.
	Key, Version string    `json:",omitempty"`
	Modified     time.Time `json:",omitzero"`
	Newer        int       `json:",omitempty"`
	// Uploads: the versions are done; Upload is the last of Key's uploads.
	Uploads bool   `json:",omitempty"`
	Upload  string `json:",omitempty"`
	Tally   usage.Tally
}

func keyWalk(b *Bucket) []byte { return tuple.Key("w", b.ID) }

// Walk returns how far the walk over a bucket has come.
func (s *Store) Walk(ctx context.Context, b *Bucket) (Walk, error) {
	var w Walk
	raw, err := s.kv.Get(ctx, keyWalk(b))
	if errors.Is(err, kv.ErrNotFound) {
		return w, nil
	}
	if err == nil {
		err = json.Unmarshal(raw, &w)
	}
	return w, err
}

// SetWalk keeps how far the walk over a bucket has come, unless the walk was
// begun anew meanwhile: ok tells. It fails with NoSuchBucket if the bucket is
// gone.
func (s *Store) SetWalk(ctx context.Context, b *Bucket, w Walk) (ok bool, err error) {
	err = s.kv.Update(ctx, func(tx *kv.Tx) error {
		ok = false
		if _, err := s.again(tx, b); err != nil {
			return err
		}
		raw, err := tx.Get(keyWalk(b))
		var now Walk
		if err == nil {
			err = json.Unmarshal(raw, &now)
		}
		if err != nil && !errors.Is(err, kv.ErrNotFound) {
			return err
		}
		if ok = now.Round == w.Round; !ok {
			return nil
		}
		return putJSON(tx, keyWalk(b), w)
	}, keyWalk(b))
	return ok, err
}

// ResetWalk has a bucket walked from its beginning: its rules have changed.
func (s *Store) ResetWalk(ctx context.Context, b *Bucket) error {
	return s.kv.Update(ctx, func(tx *kv.Tx) error {
		raw, err := tx.Get(keyWalk(b))
		var now Walk
		if err == nil {
			err = json.Unmarshal(raw, &now)
		}
		if err != nil && !errors.Is(err, kv.ErrNotFound) {
			return err
		}
		return putJSON(tx, keyWalk(b), Walk{Round: now.Round + 1})
	}, keyWalk(b))
}

// Buckets calls fn with all buckets of all accounts.
func (s *Store) Buckets(ctx context.Context, fn func(b *Bucket) error) error {
	return s.kv.Each(ctx, kv.Prefix(tuple.Key("b")), func(it kv.Item) (bool, error) {
		name, err := lastString(it.Key, 1)
		if err != nil {
			return false, fmt.Errorf("s3: bucket key: %w", err)
		}
		b, err := s.buckets.Of(name, it.Value)
		if err != nil {
			return false, err
		}
		return true, fn(b)
	})
}

// Older tells whether the key has versions that are not current.
func (tx *Tx) Older() (bool, error) {
	items, err := tx.KV.Scan(older(tx.Bucket, tx.key))
	return len(items) > 0, err
}
