package lambda

import (
	"context"
	"time"

	"moln.dev/moln/engine/clock"
	"moln.dev/moln/services/lambda/run"
)

const (
	packagesEvery = time.Hour
	blobsAge      = 24 * time.Hour
)

// warmUp chooses the sandbox in the background, so that the first function does
// not wait for it. Interpreters are looked for when a function names them. Where
// isolation is demanded and cannot be had, it fails.
func (s *Service) warmUp(ctx context.Context) error {
	if _, err := s.engine.Guard(); err != nil {
		if s.strict {
			return err // the server ends with it
		}
		s.deps.Log.Warn("functions cannot run", "error", err)
	}
	<-ctx.Done()
	return nil
}

// sweepPackages removes now and then what no function names any more.
func (s *Service) sweepPackages(ctx context.Context) error {
	for {
		if err := clock.Sleep(ctx, s.deps.Clock, packagesEvery); err != nil {
			return nil
		}
		if err := s.sweepOnce(ctx); err != nil && ctx.Err() == nil {
			s.deps.Log.Error("sweep functions' packages", "error", err)
		}
	}
}

func (s *Service) sweepOnce(ctx context.Context) error {
	if _, err := s.deps.Blobs.Sweep(ctx, s.store.BlobAlive, blobsAge); err != nil {
		return err
	}
	if !s.packages.Unpacks() {
		return nil
	}
	alive, err := s.store.Packages(ctx)
	if err != nil {
		return err
	}
	if err := s.packages.Sweep(alive, run.RealNow()); err != nil {
		return err
	}
	if alive, err = s.store.Images(ctx); err != nil {
		return err
	}
	return s.engine.Images().Sweep(alive, run.RealNow())
}
