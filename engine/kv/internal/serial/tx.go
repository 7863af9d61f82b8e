package serial

import (
	"bytes"
	"context"
	"errors"

	"moln.dev/moln/engine/kv/driver"
)

// tx is a transaction: what it has read, and as of which commit.
type tx struct {
	db     *DB
	asOf   uint64
	points [][]byte
	ranges []driver.KeyRange
}

// Get implements driver.Tx.
func (t *tx) Get(ctx context.Context, key []byte) ([]byte, error) {
	if err := t.db.use(ctx); err != nil {
		return nil, err
	}
	defer t.db.using.RUnlock()
	hash := t.db.recent.seed.hash(key)
	t.points = append(t.points, key)
	for {
		if v := t.db.hot.get(hash, key); v != nil && t.db.recent.hashStands(hash, min(v.asOf, t.asOf)) {
			return bytes.Clone(v.value), nil
		}
		value, err := t.db.store.Get(key)
		if err != nil && !errors.Is(err, driver.ErrNotFound) {
			return nil, err
		}
		if t.db.recent.hashStands(hash, t.asOf) {
			return value, err
		}
		t.points = t.points[:len(t.points)-1]
		if !t.extend() {
			return nil, driver.ErrConflict
		}
		t.points = append(t.points, key)
	}
}

// Scan implements driver.Tx.
func (t *tx) Scan(ctx context.Context, r driver.Range) ([]driver.Item, error) {
	if err := t.db.use(ctx); err != nil {
		return nil, err
	}
	defer t.db.using.RUnlock()
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		items, err := t.db.store.Scan(r)
		if err != nil {
			return nil, err
		}
		read := covered(r, items)
		t.db.mu.Lock()
		stands := t.db.recent.rangeStands(read, t.asOf)
		t.db.mu.Unlock()
		if stands {
			t.ranges = append(t.ranges, read)
			return items, nil
		}
		if !t.extend() {
			return nil, driver.ErrConflict
		}
	}
}

// extend moves the transaction to the present, if all it has read so far is
// the same there.
func (t *tx) extend() bool {
	t.db.mu.Lock()
	defer t.db.mu.Unlock()
	if !t.stands() {
		return false
	}
	t.asOf = t.db.last.Load()
	return true
}

// stands reports whether nothing read has been written since. db.mu is held.
func (t *tx) stands() bool {
	for _, k := range t.points {
		if !t.db.recent.pointStands(k, t.asOf) {
			return false
		}
	}
	for _, r := range t.ranges {
		if !t.db.recent.rangeStands(r, t.asOf) {
			return false
		}
	}
	return true
}

// Commit implements driver.Tx.
func (t *tx) Commit(ctx context.Context, b *driver.Batch) error {
	if !b.Empty() {
		return t.db.commit(ctx, t, b)
	}
	// What was read stood together as of asOf. It may not be durable yet.
	if err := t.db.use(ctx); err != nil {
		return err
	}
	defer t.db.using.RUnlock()
	for _, k := range t.points {
		if err := t.db.pending.waitPoint(ctx, k); err != nil {
			return err
		}
	}
	for _, r := range t.ranges {
		if err := t.db.pending.waitRange(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// covered returns the keys that a scan has looked at: those up to the last
// item if it was cut short there.
func covered(r driver.Range, items []driver.Item) driver.KeyRange {
	read := driver.KeyRange{Start: r.Start, End: r.End}
	total := 0
	for _, it := range items {
		total += len(it.Value)
	}
	if len(items) < r.Limit && total < driver.MaxScanBytes {
		return read
	}
	last := items[len(items)-1].Key
	if r.Reverse {
		read.Start = last
	} else {
		read.End = append(bytes.Clone(last), 0)
	}
	return read
}
