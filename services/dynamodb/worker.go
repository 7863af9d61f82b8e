package dynamodb

import (
	"context"
	"time"

	"moln.dev/moln/aws/fault"
	"moln.dev/moln/engine/clock"
	"moln.dev/moln/services/dynamodb/store"
	"moln.dev/moln/services/dynamodb/table"
	"moln.dev/moln/services/dynamodb/words"
)

const (
	// expireEvery is how often items are looked at for their time.
	expireEvery = 5 * time.Second
	// fillEvery is how often a node looks for indexes that another left unfilled.
	fillEvery = 30 * time.Second
)

func (s *Service) wakeFilling() {
	select {
	case s.filling <- struct{}{}:
	default:
	}
}

// fillIndexes fills new indexes until ctx ends.
func (s *Service) fillIndexes(ctx context.Context) error {
	for {
		if err := s.fillOnce(ctx); err != nil && ctx.Err() == nil {
			s.deps.Log.Error("dynamodb: fill indexes", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.filling:
		case <-s.deps.Clock.After(fillEvery):
		}
	}
}

// fillOnce fills the indexes that are new now.
func (s *Service) fillOnce(ctx context.Context) error {
	return s.store.EveryTable(ctx, func(t *store.Table) error {
		for i := range t.Indexes {
			x := &t.Indexes[i]
			if !x.Filling {
				continue
			}
			err := s.store.Fill(ctx, t, x)
			if err == nil {
				err = s.filled(ctx, t, x.ID)
			}
			if fault.Is(err, "ResourceNotFoundException") {
				return nil // the table was deleted meanwhile
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// filled makes an index ready, and removes what filling wrote if the index has
// been removed meanwhile.
func (s *Service) filled(ctx context.Context, t *store.Table, id string) error {
	found := false
	_, err := s.store.Change(ctx, t.Place, t.Name, words.NoTable(), func(m *table.Table) error {
		found = false
		for i := range m.Indexes {
			if m.Indexes[i].ID == id && m.ID == t.ID {
				m.Indexes[i].Filling, found = false, true
			}
		}
		return nil
	})
	if err == nil && !found {
		return s.store.DropIndex(ctx, t, id)
	}
	return err
}

// expire deletes items whose time has come until ctx ends.
func (s *Service) expire(ctx context.Context) error {
	for {
		if err := clock.Sleep(ctx, s.deps.Clock, expireEvery); err != nil {
			return nil
		}
		if err := s.expireOnce(ctx); err != nil && ctx.Err() == nil {
			s.deps.Log.Error("dynamodb: expire items", "error", err)
		}
	}
}

func (s *Service) expireOnce(ctx context.Context) error {
	now := s.deps.Clock.Now()
	swept := map[store.Place]bool{}
	return s.store.EveryTable(ctx, func(t *store.Table) error {
		if !swept[t.Place] {
			swept[t.Place] = true
			if err := s.store.ForgetTokens(ctx, t.Place, now); err != nil {
				return err
			}
		}
		for i := range t.Indexes {
			if x := &t.Indexes[i]; x.Kind == table.Expiry {
				return s.store.Expire(ctx, t, x, now)
			}
		}
		return nil
	})
}
