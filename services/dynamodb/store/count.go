package store

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/tuple"
	"moln.dev/moln/services/dynamodb/item"
)

// Counts are how much a table and its indexes held when they were counted.
type Counts struct {
	At    time.Time
	Table Count
	// Indexes are by id.
	Indexes map[string]Count `json:",omitempty"`
}

// Count is a number of items and their size.
type Count struct{ Items, Bytes int64 }

const (
	// countPage is how many items are counted at once.
	countPage = 1000
	// Counts are good for a time that grows with the table, from countLeast
	// to countMost, which is AWS's.
	countLeast = 10 * time.Second
	countMost  = 6 * time.Hour
	// countPerItem is how long an item makes counts good for: of a second of
	// counting there are minutes of not counting.
	countPerItem = time.Millisecond
)

func (t *Table) countsKey() []byte { return tuple.Key(t.Account, t.Region, "n", t.ID) }

// Stale reports whether the counts are due to be taken anew.
func (c *Counts) Stale(now time.Time) bool {
	good := time.Duration(c.Table.Items) * countPerItem
	return now.Sub(c.At) >= min(max(good, countLeast), countMost)
}

// Counts reads what a table was last counted to hold; zero if never.
func (s *Store) Counts(ctx context.Context, t *Table) (*Counts, error) {
	c := new(Counts)
	raw, err := s.db.Get(ctx, t.countsKey())
	if errors.Is(err, kv.ErrNotFound) {
		return c, nil
	}
	if err != nil {
		return nil, err
	}
	return c, json.Unmarshal(raw, c)
}

// Count counts a table and its indexes, page by page while it may be written to,
// and stores the outcome if the table is still there.
func (s *Store) Count(ctx context.Context, t *Table) error {
	c := &Counts{At: s.clock.Now(), Indexes: map[string]Count{}}
	var err error
	if c.Table, err = s.countRows(ctx, t.rows); err != nil {
		return err
	}
	for i := range t.Indexes {
		if c.Indexes[t.Indexes[i].ID], err = s.countRows(ctx, t.indexRows(t.Indexes[i].ID)); err != nil {
			return err
		}
	}
	raw, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return s.db.Update(ctx, func(tx *kv.Tx) error {
		_, err := tx.Get(t.tableKey(t.Name))
		if errors.Is(err, kv.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		return tx.Put(t.countsKey(), raw)
	})
}

func (s *Store) countRows(ctx context.Context, prefix []byte) (c Count, err error) {
	r := kv.Prefix(prefix)
	r.Limit = countPage
	for {
		rows, err := s.db.Scan(ctx, r)
		if err != nil {
			return c, err
		}
		for _, row := range rows {
			m, err := item.Decode(row.Value)
			if err != nil {
				return c, err
			}
			c.Items++
			c.Bytes += int64(m.Size())
		}
		if !r.More(rows) {
			return c, nil
		}
		r = r.After(rows[len(rows)-1].Key)
	}
}
