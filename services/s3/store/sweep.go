package store

import (
	"context"
	"errors"
	"time"

	"moln.dev/moln/engine/kv"
)

// SweepEvery is how often blobs that nothing names are looked for, and
// sweepAge how old they must be: longer than any upload takes from its blob's
// commit to its metadata.
const (
	SweepEvery = 6 * time.Hour
	sweepAge   = time.Hour
)

// Sweep removes what crashes left between writing a blob and naming it.
func (s *Store) Sweep(ctx context.Context) error {
	_, err := s.Collect(ctx, sweepAge)
	return err
}

// Collect removes blobs that nothing names and that are older than a time, and
// returns how many.
func (s *Store) Collect(ctx context.Context, olderThan time.Duration) (int, error) {
	return s.blobs.Sweep(ctx, s.inUse, olderThan)
}

// inUse reports whether metadata names a blob.
func (s *Store) inUse(ctx context.Context, blobID string) (bool, error) {
	_, err := s.kv.Get(ctx, keyInUse(blobID))
	if errors.Is(err, kv.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}
