package kms

import (
	"context"
	"errors"
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
			return s.deleteDue(ctx, k, now)
		case k.expired(now):
			return s.expireOne(ctx, k, now)
		case k.due(now):
			return s.rotateDue(ctx, k, now)
		}
		return nil
	})
}

// expireOne drops imported material that has outlived its time.
func (s *Service) expireOne(ctx context.Context, k key, now time.Time) error {
	err := s.store.change(ctx, k.place(), k.ID, func(k *key) error {
		if k.expired(now) {
			k.forget()
		}
		return nil
	})
	if errors.Is(err, errAbsent) {
		return nil
	}
	return err
}

// deleteDue removes a key whose deletion is due.
func (s *Service) deleteDue(ctx context.Context, k key, now time.Time) error {
	err := s.store.deleteKey(ctx, k, now)
	if errors.Is(err, errAbsent) {
		return nil
	}
	return err
}
