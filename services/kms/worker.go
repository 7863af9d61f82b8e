package kms

import (
	"context"
	"time"

	"moln.dev/moln/engine/clock"
)

// tendEvery is how often keys are rotated and removed.
const tendEvery = time.Hour

// tend rotates keys that are due and removes those whose deletion is.
func (s *Service) tend(ctx context.Context) error {
	for {
		if err := clock.Sleep(ctx, s.deps.Clock, tendEvery); err != nil {
			return nil
		}
		if err := s.tendOnce(ctx); err != nil {
			s.deps.Log.Error("keys", "error", err)
		}
	}
}

func (s *Service) tendOnce(ctx context.Context) error {
	now := s.deps.Clock.Now().UTC()
	return s.store.everyKey(ctx, func(k key) error {
		switch {
		case k.gone(now):
			return s.store.deleteKey(ctx, k.place(), k.ID, now)
		case k.due(now):
			return s.rotateDue(ctx, k, now)
		}
		return nil
	})
}
