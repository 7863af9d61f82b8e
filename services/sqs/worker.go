package sqs

import (
	"context"
	"time"

	"moln.dev/moln/engine/clock"
	"moln.dev/moln/services/sqs/queue"
)

// tendEvery is how often what is too old is removed. Nobody receives it before.
const tendEvery = time.Minute

// tend removes what queues keep no longer, until ctx is done.
func (s *Service) tend(ctx context.Context) error {
	for {
		if err := clock.Sleep(ctx, s.deps.Clock, tendEvery); err != nil {
			return nil
		}
		if err := s.tendOnce(ctx); err != nil && ctx.Err() == nil {
			s.deps.Log.Error("remove old messages", "error", err)
		}
	}
}

func (s *Service) tendOnce(ctx context.Context) error {
	now := s.deps.Clock.Now()
	return s.store.Everywhere(ctx, now.Add(-nameRests), func(q *queue.Queue) error { return s.store.Expire(ctx, q, now) })
}
