package dynamodb

import (
	"context"
	"strconv"
	"time"

	"moln.dev/moln/aws/fault"
	"moln.dev/moln/engine/clock"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/services/dynamodb/item"
)

const (
	// expireEvery is how often items are looked at for their time.
	expireEvery = 5 * time.Second
	// expirePage is how many items are deleted at once.
	expirePage = 500
	// expireOldest: what expired longer ago was no time, AWS says.
	expireOldest = 5 * 365 * 24 * time.Hour
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
	return s.store.everyTable(ctx, func(t *tableRef) error {
		for i := range t.Indexes {
			x := &t.Indexes[i]
			if !x.Filling {
				continue
			}
			err := s.store.fill(ctx, t, x)
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
func (s *Service) filled(ctx context.Context, t *tableRef, id string) error {
	found := false
	_, err := s.store.change(ctx, t.place, t.Name, noTable(), func(m *tableMeta) error {
		found = false
		for i := range m.Indexes {
			if m.Indexes[i].ID == id && m.ID == t.ID {
				m.Indexes[i].Filling, found = false, true
			}
		}
		return nil
	})
	if err == nil && !found {
		return s.store.dropIndex(ctx, t, id)
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
	swept := map[place]bool{}
	return s.store.everyTable(ctx, func(t *tableRef) error {
		if !swept[t.place] {
			swept[t.place] = true
			if err := s.store.forgetTokens(ctx, t.place, now); err != nil {
				return err
			}
		}
		for i := range t.Indexes {
			if x := &t.Indexes[i]; x.Kind == expiryIndex {
				return s.store.expire(ctx, t, x, now)
			}
		}
		return nil
	})
}

// expire deletes the items of a table whose time has come.
func (s *store) expire(ctx context.Context, t *tableRef, x *index, now time.Time) error {
	hash := appendDigest(t.indexRows(x.ID), item.Hash(item.Value{Kind: item.String}))
	r := kv.Range{
		Start: appendTime(hash, now.Add(-expireOldest)),
		End:   appendTime(hash, now), Limit: expirePage,
	}
	for {
		rows, err := s.db.Scan(ctx, r)
		if err != nil {
			return err
		}
		for _, row := range rows {
			m, err := item.Decode(row.Value)
			if err != nil {
				return err
			}
			k, err := t.keyOf(m)
			if err != nil {
				return err
			}
			if err := s.expireItem(ctx, t, x, k, now); err != nil && !fault.Is(err, "ResourceNotFoundException") {
				return err
			}
		}
		if !r.More(rows) {
			return nil
		}
		r = r.After(rows[len(rows)-1].Key)
	}
}

func appendTime(key []byte, at time.Time) []byte {
	return item.AppendKey(key[:len(key):len(key)], seconds(at))
}

func seconds(at time.Time) item.Value {
	return item.Value{Kind: item.Number, Text: strconv.FormatInt(at.Unix(), 10)}
}

// expireItem deletes an item if its time has still come.
func (s *store) expireItem(ctx context.Context, t *tableRef, x *index, k primaryKey, now time.Time) error {
	limit := seconds(now)
	_, err := s.write(ctx, &change{table: t, key: k, apply: func(old item.Map) (item.Map, error) {
		v := old.Get(x.Range.Name)
		if v == nil {
			return old, nil
		}
		if order, ok := item.Compare(*v, limit); !ok || order >= 0 {
			return old, nil
		}
		return nil, nil
	}}, true)
	return err
}
