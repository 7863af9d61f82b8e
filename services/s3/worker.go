package s3

import (
	"context"
	"time"
)

// sweepEvery is how often blobs that nothing names are looked for, and
// sweepAge how old they must be: longer than any upload takes from its blob's
// commit to its metadata.
const (
	sweepEvery = 6 * time.Hour
	sweepAge   = time.Hour
)

// sweep removes what crashes left between writing a blob and naming it.
func (s *Service) sweep(ctx context.Context) error {
	_, err := s.deps.Blobs.Sweep(ctx, s.store.inUse, sweepAge)
	return err
}
