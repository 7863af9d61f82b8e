// Package serial makes a driver.DB of an ordered store that lives in one
// process: it adds serializable transactions, reads that never show what is
// not durable, and watches.
//
// Commits are put in one order by a mutex under which they are validated and
// made visible; waiting for the disk happens outside, so that commits share
// it. A transaction remembers the number of the last commit when it began and
// fails as soon as anything it reads has been written by a later one, so all
// it sees is of one moment, without a snapshot. Points are validated in a
// table of the last writer per hash of a key, ranges in a log of the keys
// written most recently; both may report a conflict that is none.
//
// A commit may build on one that is visible but not durable yet: the store
// logs them in order, so the later is never durable without the earlier. All
// that only read wait for the writers of what they have seen.
package serial

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"moln.dev/moln/engine/kv/driver"
)

// Store is the ordered store below. Its methods are safe for concurrent use,
// except that Apply is called by one goroutine at a time.
type Store interface {
	Get(key []byte) ([]byte, error)
	Scan(r driver.Range) ([]driver.Item, error)
	// Apply makes b visible before it returns. The function returned waits
	// until it is durable; it is nil if it already is. What is applied later
	// is never durable earlier.
	Apply(b *driver.Batch) (wait func() error, err error)
	Snapshot() (Snapshot, error)
	Close() error
}

// Snapshot is a view of a Store.
type Snapshot interface {
	Get(key []byte) ([]byte, error)
	Scan(r driver.Range) ([]driver.Item, error)
	Close() error
}

// DB implements driver.DB over a Store.
type DB struct {
	store   Store
	pending pending
	watches Watches

	// using is held shared by every call, and exclusively to close.
	using  sync.RWMutex
	closed bool

	// mu orders commits.
	mu     sync.Mutex
	recent recent
	// hot are values that were read lately.
	hot hot
	// last is the number of the last commit that is visible.
	last atomic.Uint64
	// broken is set when the store failed to apply or sync: what is visible
	// may differ from what is durable, so nothing is served any more.
	broken atomic.Pointer[error]
}

// New returns a driver over store.
func New(store Store) *DB { return &DB{store: store} }

// use begins a call. If it returns nil, the caller must call using.RUnlock.
func (db *DB) use(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := db.broken.Load(); err != nil {
		return *err
	}
	db.using.RLock()
	if db.closed {
		db.using.RUnlock()
		return driver.ErrClosed
	}
	return nil
}

// Get implements driver.DB.
func (db *DB) Get(ctx context.Context, key []byte) ([]byte, error) {
	if err := db.use(ctx); err != nil {
		return nil, err
	}
	defer db.using.RUnlock()
	hash := db.recent.seed.hash(key)
	if v := db.hot.get(hash, key); v != nil && db.recent.hashStands(hash, v.asOf) {
		return bytes.Clone(v.value), nil // it was durable when it was kept
	}
	asOf := db.last.Load()
	value, err := db.store.Get(key)
	if err != nil && !errors.Is(err, driver.ErrNotFound) {
		return nil, err
	}
	if werr := db.pending.waitPoint(ctx, key); werr != nil {
		return nil, werr
	}
	if err == nil && db.recent.hashStands(hash, asOf) {
		db.hot.offer(hash, key, value, asOf)
	}
	return value, err
}

// Scan implements driver.DB.
func (db *DB) Scan(ctx context.Context, r driver.Range) ([]driver.Item, error) {
	if err := db.use(ctx); err != nil {
		return nil, err
	}
	defer db.using.RUnlock()
	items, err := db.store.Scan(r)
	if err != nil {
		return nil, err
	}
	if err := db.pending.waitRange(ctx, covered(r, items)); err != nil {
		return nil, err
	}
	return items, nil
}

// Apply implements driver.DB.
func (db *DB) Apply(ctx context.Context, b *driver.Batch) error {
	return db.commit(ctx, nil, b)
}

// Begin implements driver.DB.
func (db *DB) Begin(ctx context.Context) (driver.Tx, error) {
	if err := db.use(ctx); err != nil {
		return nil, err
	}
	defer db.using.RUnlock()
	return &tx{db: db, asOf: db.last.Load()}, nil
}

// Snapshot implements driver.DB.
func (db *DB) Snapshot(ctx context.Context) (driver.Snapshot, error) {
	if err := db.use(ctx); err != nil {
		return nil, err
	}
	defer db.using.RUnlock()
	s, err := db.store.Snapshot()
	if err != nil {
		return nil, err
	}
	if err := db.pending.waitRange(ctx, driver.KeyRange{}); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return &snapshot{db: db, snap: s}, nil
}

// Watch implements driver.DB.
func (db *DB) Watch(prefix []byte) (<-chan struct{}, func()) { return db.watches.Add(prefix) }

// Mark implements driver.Marker.
func (db *DB) Mark() uint64 { return db.last.Load() }

// Stands implements driver.Marker. Who has read a later value than the one that
// stands has waited until it was durable, which is after it was noted here.
func (db *DB) Stands(key []byte, mark uint64) bool {
	return db.recent.pointStands(key, mark) && db.broken.Load() == nil
}

// Close implements driver.DB. It waits for the calls under way. Snapshots
// must have been closed.
func (db *DB) Close() error {
	db.using.Lock()
	defer db.using.Unlock()
	if db.closed {
		return nil
	}
	db.closed = true
	return db.store.Close()
}

// commit validates what t has read, if it is not nil, and applies b.
func (db *DB) commit(ctx context.Context, t *tx, b *driver.Batch) error {
	if err := db.use(ctx); err != nil {
		return err
	}
	defer db.using.RUnlock()
	entry := newEntry(b)
	wait, err := db.order(t, b, entry)
	if err != nil {
		return err
	}
	if wait != nil {
		err = wait()
	}
	if err != nil {
		err = db.breakWith(err)
	}
	db.pending.done(entry, err)
	if err == nil {
		db.watches.Wake(b)
	}
	return err
}

// order validates and makes visible, one commit after the other.
func (db *DB) order(t *tx, b *driver.Batch, entry *entry) (wait func() error, err error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	if err := db.broken.Load(); err != nil {
		return nil, *err
	}
	if t != nil && !t.stands() {
		return nil, driver.ErrConflict
	}
	if limited, ok := db.store.(Limited); ok {
		if err := limited.Room(b); err != nil {
			return nil, err
		}
	}
	// Readers look at the store first and at these second, so they must say
	// so before the store shows anything.
	number := db.last.Load() + 1
	db.recent.add(number, b)
	db.pending.add(entry)
	wait, err = db.store.Apply(b)
	if err != nil {
		err = db.breakWith(err)
		db.pending.done(entry, err)
		return nil, err
	}
	db.last.Store(number)
	return wait, nil
}

// Limited is a Store that can be full. It says so before anything is written,
// for a write that fails puts the store out of service.
type Limited interface {
	Room(b *driver.Batch) error
}

func (db *DB) breakWith(err error) error {
	err = &brokenError{err}
	db.broken.CompareAndSwap(nil, &err)
	return *db.broken.Load()
}

// brokenError is what every call returns once a write has failed.
type brokenError struct{ cause error }

func (e *brokenError) Error() string {
	return "kv: store is out of service since a write failed: " + e.cause.Error()
}
func (e *brokenError) Unwrap() error { return e.cause }

type snapshot struct {
	db   *DB
	snap Snapshot
}

func (s *snapshot) Get(ctx context.Context, key []byte) ([]byte, error) {
	if err := s.db.use(ctx); err != nil {
		return nil, err
	}
	defer s.db.using.RUnlock()
	return s.snap.Get(key)
}

func (s *snapshot) Scan(ctx context.Context, r driver.Range) ([]driver.Item, error) {
	if err := s.db.use(ctx); err != nil {
		return nil, err
	}
	defer s.db.using.RUnlock()
	return s.snap.Scan(r)
}

func (s *snapshot) Close() error { return s.snap.Close() }
