// Package memblob keeps blobs in memory: the model for tests, and the store of
// a moln that is to leave nothing behind. Nothing survives the process, and
// nothing bounds it but memory.
package memblob

import (
	"bytes"
	"context"
	"io"
	"sync"
	"time"

	"moln.dev/moln/engine/blob/driver"
)

type store struct {
	mu     sync.RWMutex
	blobs  map[driver.Key]stored
	closed bool
}

type stored struct {
	data     []byte // never changed
	modified time.Time
}

var _ driver.Driver = (*store)(nil)

// New returns an empty store.
func New() driver.Driver { return &store{blobs: make(map[driver.Key]stored)} }

func (s *store) Create(_ context.Context, key driver.Key) (driver.Writer, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil, driver.ErrClosed
	}
	return &writer{store: s, key: key}, nil
}

func (s *store) Open(_ context.Context, key driver.Key, offset, length int64) (io.ReadCloser, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil, driver.ErrClosed
	}
	b, ok := s.blobs[key]
	if !ok {
		return nil, driver.ErrNotFound
	}
	size := int64(len(b.data))
	from := min(offset, size)
	return io.NopCloser(bytes.NewReader(b.data[from:min(from+length, size)])), nil
}

func (s *store) Delete(_ context.Context, key driver.Key) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return driver.ErrClosed
	}
	delete(s.blobs, key)
	return nil
}

func (s *store) List(_ context.Context, scope string, fn func(driver.Info) error) error {
	s.mu.RLock()
	closed := s.closed
	var infos []driver.Info
	for key, b := range s.blobs {
		if key.Scope == scope {
			infos = append(infos, driver.Info{Key: key, StoredBytes: int64(len(b.data)), Modified: b.modified})
		}
	}
	s.mu.RUnlock() // fn may call Delete
	if closed {
		return driver.ErrClosed
	}
	for _, i := range infos {
		if err := fn(i); err != nil {
			return err
		}
	}
	return nil
}

func (s *store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.blobs = nil
	return nil
}

type writer struct {
	store *store
	key   driver.Key
	data  []byte
}

func (w *writer) Write(p []byte) (int, error) {
	w.data = append(w.data, p...)
	return len(p), nil
}

func (w *writer) Commit(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	if w.store.closed {
		return driver.ErrClosed
	}
	w.store.blobs[w.key] = stored{w.data, time.Now()}
	return nil
}

func (w *writer) Abort() error {
	w.data = nil
	return nil
}
