// Package driver is what a store of large bytes implements to be used through
// package blob. Code that stores things never imports it: blob.Store adds ids,
// checksums, ranges and garbage collection, once, over every driver. What a
// driver must do is defined by the suite in blobtest.
package driver

import (
	"context"
	"errors"
	"io"
	"time"
)

// Errors that drivers return, bare or wrapped.
var (
	ErrNotFound = errors.New("blob: not found")
	ErrTooLarge = errors.New("blob: too large")
	ErrLocked   = errors.New("blob: store is in use")
	ErrClosed   = errors.New("blob: store is closed")
	ErrFull     = errors.New("blob: store is full")
)

// Key names a blob. Scope is of lower-case letters, digits and '-'; ID is of
// 26 upper-case letters and digits, whose last ones differ most.
type Key struct{ Scope, ID string }

// Info is what List tells of a blob. Modified is real time, not that of an
// account's clock, and not before the blob's Create was called.
type Info struct {
	Key
	StoredBytes int64
	Modified    time.Time
}

// Driver is a store. Its methods are safe for concurrent use.
type Driver interface {
	// Create begins a blob. It cannot be opened or listed before Commit. ctx
	// bounds the writes up to Commit.
	Create(ctx context.Context, key Key) (Writer, error)
	// Open reads length stored bytes from offset, fewer if they end before, or
	// fails with ErrNotFound at once.
	Open(ctx context.Context, key Key, offset, length int64) (io.ReadCloser, error)
	// Delete deletes a blob, which need not exist. Who reads it may go on or
	// fail, but not read other bytes.
	Delete(ctx context.Context, key Key) error
	// List calls fn with the blobs of a scope, in no order, until it fails.
	// Those created or deleted meanwhile may be missing. fn may call Delete.
	List(ctx context.Context, scope string, fn func(Info) error) error
	Close() error
}

// Writer takes the bytes of one blob. It belongs to one goroutine. Either
// Commit or Abort ends it.
type Writer interface {
	io.Writer
	// Commit returns once the blob is durable: file and directory synced.
	Commit(ctx context.Context) error
	// Abort drops what was written.
	Abort() error
}
