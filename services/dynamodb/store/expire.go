package store

import (
	"context"
	"strconv"
	"time"

	"moln.dev/moln/aws/fault"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/services/dynamodb/item"
	"moln.dev/moln/services/dynamodb/table"
)

const (
	// expirePage is how many items are deleted at once.
	expirePage = 500
	// expireOldest: what expired longer ago was no time, AWS says.
	expireOldest = 5 * 365 * 24 * time.Hour
)

// Expire deletes the items of a table whose time has come.
func (s *Store) Expire(ctx context.Context, t *Table, x *table.Index, now time.Time) error {
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
			k, err := t.KeyOf(m)
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
func (s *Store) expireItem(ctx context.Context, t *Table, x *table.Index, k table.Key, now time.Time) error {
	limit := seconds(now)
	_, err := s.Write(ctx, &Change{Table: t, Key: k, expired: true, Apply: func(old item.Map) (item.Map, error) {
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
