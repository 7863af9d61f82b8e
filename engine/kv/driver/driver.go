// Package driver is what a store implements to be used through package kv.
//
// Code that stores things never imports it: it uses kv.DB, which adds scopes,
// limits, transactions that read their own writes, retries and paging, once,
// over every driver. What a driver must do is defined by the suite in kvtest.
package driver

import (
	"context"
	"errors"
)

// Limits of the contract, which every driver accepts and package kv enforces.
// They are set by the weakest driver.
const (
	MaxKey        = 4096     // bytes of a key, its scope included; at least one
	MaxValue      = 8 << 20  // bytes of a value
	MaxBatchItems = 25_000   // operations of one batch or transaction
	MaxBatchBytes = 32 << 20 // bytes of keys and values of one batch or transaction
	MaxScanItems  = 4096     // items of one Scan
	MaxScanBytes  = 4 << 20  // bytes of values after which a Scan stops
)

// Errors that drivers return, bare or wrapped.
var (
	ErrNotFound    = errors.New("kv: key not found")
	ErrConflict    = errors.New("kv: conflict with another transaction")
	ErrTooLarge    = errors.New("kv: too large")
	ErrClosed      = errors.New("kv: store is closed")
	ErrLocked      = errors.New("kv: store is in use")
	ErrNewerFormat = errors.New("kv: store was written by a newer version")
	ErrCorrupt     = errors.New("kv: store is corrupt")
	ErrFull        = errors.New("kv: store is full")
)

// Range is the keys from Start up to, not including, End; a nil End has no
// bound. Limit is between 1 and MaxScanItems.
type Range struct {
	Start, End []byte
	Reverse    bool // items come in descending order
	Limit      int
}

// Item is a key with its value. Both belong to who receives them.
type Item struct{ Key, Value []byte }

// Write sets the value of a key, or deletes it.
type Write struct {
	Key, Value []byte
	Delete     bool
}

// KeyRange is the keys from Start up to, not including, End (nil: no bound).
type KeyRange struct{ Start, End []byte }

// Batch is what is written at once: first the Ranges are deleted, then the
// Points are written, which are in ascending order without duplicates.
// The driver may keep no reference to it after Apply or Commit returns.
type Batch struct {
	Ranges []KeyRange
	Points []Write
}

// Empty reports whether b writes nothing.
func (b *Batch) Empty() bool { return len(b.Ranges) == 0 && len(b.Points) == 0 }

// Reader reads.
type Reader interface {
	// Get returns the value of key, or ErrNotFound.
	Get(ctx context.Context, key []byte) ([]byte, error)
	// Scan returns the first Limit items of a range as of one moment; it stops
	// early only after the item by which the values reach MaxScanBytes.
	Scan(ctx context.Context, r Range) ([]Item, error)
}

// DB is a store. All its methods are safe for concurrent use.
//
// Get and Scan are linearizable with Apply and Commit, and never show what is
// not durable yet.
type DB interface {
	Reader
	// Apply writes b atomically and returns once it is durable.
	Apply(ctx context.Context, b *Batch) error
	// Begin starts a transaction.
	Begin(ctx context.Context) (Tx, error)
	// Snapshot returns a view of one moment, which is not before the call.
	Snapshot(ctx context.Context) (Snapshot, error)
	// Watch returns a channel that receives a value, soon, after commits to
	// keys with the prefix, and a function that ends it. Commits may share a
	// value; a value may come without a commit.
	Watch(prefix []byte) (<-chan struct{}, func())
	Close() error
}

// Tx is one attempt at a transaction, used by one goroutine. It holds no
// resources until Commit, and is dropped by forgetting it.
type Tx interface {
	// Get and Scan may fail with ErrConflict as soon as it is known that
	// Commit would.
	Reader
	// Commit makes b durable if all that was read still stands, as if the
	// transaction had happened at one moment, or fails with ErrConflict and
	// has done nothing. With an empty batch it reports whether all that was
	// read stood at one moment, and waits until that is durable.
	Commit(ctx context.Context, b *Batch) error
}

// Snapshot is a view of one moment. It is safe for concurrent use.
type Snapshot interface {
	Reader
	Close() error
}

// Marker is implemented by drivers whose store no other process writes: they can
// tell without reading whether what was read is still what is stored.
type Marker interface {
	// Mark returns the present moment.
	Mark() uint64
	// Stands reports whether key has certainly not been written since the
	// moment that Mark returned.
	Stands(key []byte, mark uint64) bool
}

// ManyGetter is implemented by drivers that read several keys in one step.
type ManyGetter interface {
	// GetMany returns what Get would of each key; nil for those there are not.
	GetMany(ctx context.Context, keys [][]byte) ([][]byte, error)
}

// Checkpointer is implemented by drivers that can copy themselves, while in
// use, into a directory which does not exist yet and from which the same
// driver opens.
type Checkpointer interface {
	Checkpoint(ctx context.Context, dir string) error
}
