package kv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"moln.dev/moln/engine/kv/driver"
)

// Limits of every store. What exceeds them fails with ErrTooLarge.
const (
	MaxKey        = driver.MaxKey        // bytes of a key, its scope included; at least one
	MaxValue      = driver.MaxValue      // bytes of a value
	MaxBatchItems = driver.MaxBatchItems // operations of one Batch or Tx
	MaxBatchBytes = driver.MaxBatchBytes // bytes of keys and values of one Batch or Tx
	MaxScanItems  = driver.MaxScanItems  // items of one Scan
	MaxScanBytes  = driver.MaxScanBytes  // bytes of values after which a Scan stops
)

// Errors. They may come wrapped; use errors.Is.
var (
	ErrNotFound    = driver.ErrNotFound    // no such key
	ErrConflict    = driver.ErrConflict    // Update gave up after many attempts
	ErrTooLarge    = driver.ErrTooLarge    // beyond a limit above
	ErrClosed      = driver.ErrClosed      // used after Close
	ErrLocked      = driver.ErrLocked      // the data directory is in use by another process
	ErrNewerFormat = driver.ErrNewerFormat // written by a newer version of this program
	ErrCorrupt     = driver.ErrCorrupt     // what is stored is damaged
	ErrFull        = driver.ErrFull        // there is no room for the write; deleting makes some
)

// DB is a store, or the part of one below a prefix.
type DB struct {
	drv    driver.DB
	prefix []byte
	end    []byte // the first key after the prefix; nil if there is none
	locks  *keyLocks
}

// New returns a DB over d, which it owns from now on.
func New(d driver.DB) *DB { return &DB{drv: d, locks: newKeyLocks()} }

// Scope returns the part of db whose keys begin with prefix. Its methods take
// and return keys without the prefix. Only the whole store is to be closed.
func (db *DB) Scope(prefix []byte) *DB {
	s := *db
	s.prefix = slices.Concat(db.prefix, prefix)
	s.end = successor(s.prefix)
	return &s
}

// whole returns the store without a scope, whose keys are full keys.
func (db *DB) whole() *DB { return &DB{drv: db.drv, locks: db.locks} }

// Driver returns the driver below, for what only some can do, such as
// driver.Checkpointer.
func (db *DB) Driver() driver.DB { return db.drv }

// Close closes the store. Calls under way may fail with ErrClosed.
func (db *DB) Close() error { return db.drv.Close() }

// Get returns the value of key, or ErrNotFound. A value may be empty.
func (db *DB) Get(ctx context.Context, key []byte) ([]byte, error) {
	full, err := db.full(key)
	if err != nil {
		return nil, err
	}
	return db.drv.Get(ctx, full)
}

// GetMany returns the values of keys, nil for those there are not: as Get of each,
// not of one moment, but on some stores in one round trip.
func (db *DB) GetMany(ctx context.Context, keys ...[]byte) ([][]byte, error) {
	full := make([][]byte, len(keys))
	for i, k := range keys {
		var err error
		if full[i], err = db.full(k); err != nil {
			return nil, err
		}
	}
	if many, ok := db.drv.(driver.ManyGetter); ok {
		return many.GetMany(ctx, full)
	}
	values := make([][]byte, len(keys))
	for i, k := range full {
		v, err := db.drv.Get(ctx, k)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return nil, err
		}
		values[i] = v
	}
	return values, nil
}

// Scan returns items of a range, in its order, as of one moment: at most
// r.Limit, or MaxScanItems if that is 0 or more. It stops early after the item
// by which the values reach MaxScanBytes. Use r.More to tell whether the range
// may go on, r.After to go on, and Each to read all of it.
func (db *DB) Scan(ctx context.Context, r Range) ([]Item, error) {
	return db.scan(ctx, db.drv, r)
}

// Each calls fn with the items of a range until it returns false or an error.
// All items are of one moment (a snapshot is taken if they are more than one
// page), and no more than a page is held in memory. r.Limit, if not 0, is how
// many items there are in all. fn may use db.
func (db *DB) Each(ctx context.Context, r Range, fn func(Item) (bool, error)) error {
	first := r
	first.Limit = pageLimit(r.Limit)
	items, err := db.Scan(ctx, first)
	if err != nil {
		return err
	}
	if !first.More(items) || len(items) == r.Limit {
		_, err := forEach(items, fn)
		return err
	}
	// What was read so far is of another moment: begin again on a snapshot.
	snap, err := db.Snapshot(ctx)
	if err != nil {
		return err
	}
	defer snap.Close()
	return snap.Each(ctx, r, fn)
}

// Put sets the value of key. It is durable when Put returns.
func (db *DB) Put(ctx context.Context, key, value []byte) error {
	full, err := db.full(key)
	if err != nil {
		return err
	}
	if len(value) > MaxValue {
		return fmt.Errorf("%w: value of %d bytes", ErrTooLarge, len(value))
	}
	return db.drv.Apply(ctx, &driver.Batch{Points: []driver.Write{{Key: full, Value: value}}})
}

// Delete deletes key, which need not exist. It is durable when Delete returns.
func (db *DB) Delete(ctx context.Context, key []byte) error {
	full, err := db.full(key)
	if err != nil {
		return err
	}
	return db.drv.Apply(ctx, &driver.Batch{Points: []driver.Write{{Key: full, Delete: true}}})
}

// Apply does all of b or nothing. It is durable when Apply returns.
func (db *DB) Apply(ctx context.Context, b *Batch) error {
	if b.err != nil {
		return b.err
	}
	d, err := db.canonical(b)
	if err != nil || d.Empty() {
		return err
	}
	return db.drv.Apply(ctx, d)
}

// Watch returns a channel that receives a value after commits to keys with the
// prefix, and a function that ends the watch. Several commits may share one
// value and a value may come without a commit, so what changed is found by
// reading. Commits of other processes on the same store are seen a little
// later, and may be missed when a process or connection dies: who must see
// everything looks from time to time as well.
func (db *DB) Watch(prefix []byte) (<-chan struct{}, func()) {
	return db.drv.Watch(db.join(prefix))
}

// errEmptyKey is a mistake of the caller. Not every store can have that key.
var errEmptyKey = errors.New("kv: a key must have at least one byte, its scope included")

// full returns key as the driver knows it.
func (db *DB) full(key []byte) ([]byte, error) {
	n := len(db.prefix) + len(key)
	if n > MaxKey {
		return nil, fmt.Errorf("%w: key of %d bytes", ErrTooLarge, n)
	}
	if n == 0 {
		return nil, errEmptyKey
	}
	return db.join(key), nil
}

// join returns key after the scope's prefix, never nil.
func (db *DB) join(key []byte) []byte {
	full := make([]byte, 0, len(db.prefix)+len(key))
	return append(append(full, db.prefix...), key...)
}

// fullRange returns [start, end) as the driver knows it. Bounds may be longer
// than any key.
func (db *DB) fullRange(start, end []byte) driver.KeyRange {
	r := driver.KeyRange{Start: db.join(start), End: db.end}
	if end != nil {
		r.End = db.join(end)
	}
	return r
}

func (db *DB) scan(ctx context.Context, from driver.Reader, r Range) ([]Item, error) {
	full := db.fullRange(r.Start, r.End)
	items, err := from.Scan(ctx, driver.Range{
		Start: full.Start, End: full.End, Reverse: r.Reverse, Limit: pageLimit(r.Limit),
	})
	if err != nil {
		return nil, err
	}
	for i := range items {
		items[i].Key = items[i].Key[len(db.prefix):]
	}
	return items, nil
}

// forEach calls fn with items until it returns false, which it passes on.
func forEach(items []Item, fn func(Item) (bool, error)) (bool, error) {
	for _, it := range items {
		if more, err := fn(it); err != nil || !more {
			return false, err
		}
	}
	return true, nil
}

// Snapshot returns a view of the store as of one moment between call and
// return. It must be closed, and soon: it keeps old versions from being
// removed, and on PostgreSQL holds one of a few connections.
func (db *DB) Snapshot(ctx context.Context) (*Snapshot, error) {
	s, err := db.drv.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	return &Snapshot{db: db, snap: s}, nil
}

// Snapshot is a view of a store as of one moment. It is safe for concurrent
// use.
type Snapshot struct {
	db   *DB
	snap driver.Snapshot
}

// Get is as DB.Get.
func (s *Snapshot) Get(ctx context.Context, key []byte) ([]byte, error) {
	full, err := s.db.full(key)
	if err != nil {
		return nil, err
	}
	return s.snap.Get(ctx, full)
}

// Scan is as DB.Scan.
func (s *Snapshot) Scan(ctx context.Context, r Range) ([]Item, error) {
	return s.db.scan(ctx, s.snap, r)
}

// Each is as DB.Each.
func (s *Snapshot) Each(ctx context.Context, r Range, fn func(Item) (bool, error)) error {
	left := r.Limit
	for {
		page := r
		page.Limit = pageLimit(left)
		items, err := s.Scan(ctx, page)
		if err != nil {
			return err
		}
		if more, err := forEach(items, fn); err != nil || !more || !page.More(items) {
			return err
		}
		if left > 0 {
			if left -= len(items); left <= 0 {
				return nil
			}
		}
		r = r.After(items[len(items)-1].Key)
	}
}

// Close releases the snapshot.
func (s *Snapshot) Close() error { return s.snap.Close() }

// successor returns the first key after all those that begin with prefix, or
// nil if there is none.
func successor(prefix []byte) []byte {
	end := bytes.Clone(prefix)
	for i := len(end) - 1; i >= 0; i-- {
		end[i]++
		if end[i] != 0 {
			return end[:i+1]
		}
	}
	return nil
}
