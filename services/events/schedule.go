package events

import (
	"context"
	"time"

	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/sched"
)

func checkSchedule(k busKey, expression *string) error {
	if expression != nil {
		return unsupported("schedules of rules yet")
	}
	return nil
}

func (s *Service) arm(tx *kv.Tx, k ruleKey, old, now *rule, at time.Time) error { return nil }

func (s *Service) fire(ctx context.Context, run sched.Run) error { return nil }
