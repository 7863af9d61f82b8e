package logs

import (
	"context"
	"time"

	"moln.dev/moln/engine/clock"
)

// expireEvery is how often retention is carried out.
const expireEvery = time.Hour

// expire removes events older than their group's retention.
func (s *Service) expire(ctx context.Context) error {
	for {
		if err := clock.Sleep(ctx, s.deps.Clock, expireEvery); err != nil {
			return nil
		}
		if err := s.expireOnce(ctx); err != nil {
			s.deps.Log.Error("log retention", "error", err)
		}
	}
}

func (s *Service) expireOnce(ctx context.Context) error {
	now := s.deps.Clock.Now()
	return s.store.everyGroup(ctx, func(p place, g group) error {
		if g.Retention == 0 {
			return nil
		}
		before := now.AddDate(0, 0, -int(g.Retention)).UnixMilli()
		for after := ""; ; {
			streams, err := s.store.streams(ctx, p, g.Name, "", after, streamsPerOrder)
			if err != nil || len(streams) == 0 {
				return err
			}
			for _, st := range streams {
				after = st.Name
				if st.First == 0 || st.First >= before {
					continue
				}
				if err := s.store.dropBefore(ctx, p, g.Name, st.Name, before); err != nil {
					return err
				}
			}
		}
	})
}
