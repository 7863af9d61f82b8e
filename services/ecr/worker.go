package ecr

import (
	"context"
	"errors"
	"time"

	"moln.dev/moln/aws/fault"
	"moln.dev/moln/engine/blob"
	"moln.dev/moln/engine/clock"
)

const (
	tendEvery = time.Hour
	// layerAge is how long a layer may wait for its image, and an upload for
	// its next part.
	layerAge = 24 * time.Hour
	blobAge  = 24 * time.Hour
)

// tend carries out lifecycle policies and removes what nothing names any more.
func (s *Service) tend(ctx context.Context) error {
	for {
		if err := clock.Sleep(ctx, s.deps.Clock, tendEvery); err != nil {
			return nil
		}
		if err := s.tendOnce(ctx, s.deps.Clock.Now()); err != nil && ctx.Err() == nil {
			s.deps.Log.Error("tend the registry", "error", err)
		}
	}
}

// isGone says that what was to be changed is there no more.
func isGone(err error) bool {
	f := fault.As(err)
	return errors.Is(err, errAbsent) || errors.Is(err, errReferenced) || (f != nil && f.Code == "RepositoryNotFoundException")
}

func (s *Service) tendOnce(ctx context.Context, now time.Time) error {
	list, err := s.store.everyRepository(ctx)
	if err != nil {
		return err
	}
	for _, r := range list {
		if r.Lifecycle == "" {
			continue
		}
		if err := s.expire(ctx, &r, now); err != nil && !isGone(err) {
			return err
		}
	}
	if err := s.collect(ctx, now); err != nil {
		return err
	}
	return s.sweep(ctx)
}

// collect removes what is left of repositories that are gone, layers that no
// image has, and uploads that nobody goes on with.
func (s *Service) collect(ctx context.Context, now time.Time) error {
	found, err := s.store.garbage(ctx, now.Add(-layerAge))
	if err != nil {
		return err
	}
	for _, l := range found.repositories {
		if err := s.store.dropImages(ctx, l.place, l.repository); err != nil {
			return err
		}
	}
	var blobs []blob.Ref
	for _, l := range found.layers {
		refs, err := s.store.dropLayer(ctx, l.place, l.repository, l.name, l.used)
		if err != nil {
			return err
		}
		blobs = append(blobs, refs...)
	}
	for _, l := range found.uploads {
		refs, err := s.store.dropUpload(ctx, l.place, l.repository, l.name)
		if err != nil && !errors.Is(err, errAbsent) {
			return err
		}
		blobs = append(blobs, refs...)
	}
	for _, ref := range blobs {
		if err := s.deps.Blobs.Delete(ctx, ref); err != nil {
			return err
		}
	}
	return nil
}

// sweep removes blobs that a crash left without a name.
func (s *Service) sweep(ctx context.Context) error {
	alive := map[string]bool{}
	if err := s.store.blobs(ctx, func(ref blob.Ref) { alive[ref.ID] = true }); err != nil {
		return err
	}
	_, err := s.deps.Blobs.Sweep(ctx, func(_ context.Context, id string) (bool, error) { return alive[id], nil }, blobAge)
	return err
}
