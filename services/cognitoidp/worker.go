package cognitoidp

import (
	"context"
	"time"

	"moln.dev/moln/engine/clock"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/tuple"
)

// sweepInterval is how often what is over is looked for.
const sweepInterval = 10 * time.Minute

// sweep deletes answered sessions and ended sign-ins, for as long as ctx lasts.
func (s *Service) sweep(ctx context.Context) error {
	for {
		if err := s.sweepOnce(ctx, s.d.Clock.Now()); err != nil && ctx.Err() == nil {
			s.d.Log.Error("cognito sweep", "err", err)
		}
		if err := clock.Sleep(ctx, s.d.Clock, sweepInterval); err != nil {
			return nil
		}
	}
}

// sweepOnce deletes what ended before this hour.
func (s *Service) sweepOnce(ctx context.Context, now time.Time) error {
	hour := hourOf(now)
	old := kv.Range{Start: tuple.Key("!old"), End: tuple.Key("!old", hour)}
	err := s.d.KV.Each(ctx, old, func(it kv.Item) (bool, error) {
		var b kv.Batch
		b.Delete(it.Value)
		b.Delete(it.Key)
		return true, s.d.KV.Apply(ctx, &b)
	})
	if err != nil {
		return err
	}
	var b kv.Batch
	b.DeleteRange(tuple.Key("!used"), tuple.Key("!used", hour))
	return s.d.KV.Apply(ctx, &b)
}
