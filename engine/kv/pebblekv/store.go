package pebblekv

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/cockroachdb/pebble/v2"

	"moln.dev/moln/engine/kv/driver"
	"moln.dev/moln/engine/kv/internal/serial"
	"moln.dev/moln/engine/space"
)

// store implements serial.Store.
type store struct {
	db   *pebble.DB
	lock *os.File
	room *space.Guard
}

// reader is what a Pebble database and its snapshots have in common.
type reader interface {
	Get(key []byte) ([]byte, io.Closer, error)
	NewIter(o *pebble.IterOptions) (*pebble.Iterator, error)
}

func (s *store) Get(key []byte) ([]byte, error) { return get(s.db, key) }

func (s *store) Scan(r driver.Range) ([]driver.Item, error) { return scan(s.db, r) }

func (s *store) Snapshot() (serial.Snapshot, error) { return &snapshot{s.db.NewSnapshot()}, nil }

// Apply makes b visible and starts its fsync.
func (s *store) Apply(b *driver.Batch) (func() error, error) {
	if b.Empty() {
		return nil, nil
	}
	batch, err := s.encode(b)
	if err != nil {
		return nil, errors.Join(err, batch.Close())
	}
	if err := s.db.ApplyNoSyncWait(batch, pebble.Sync); err != nil {
		return nil, errors.Join(err, batch.Close())
	}
	return func() error {
		if err := batch.SyncWait(); err != nil {
			return err
		}
		return batch.Close()
	}, nil
}

// Room implements serial.Limited.
func (s *store) Room(b *driver.Batch) error {
	if err := s.room.Room(levelOf(b)); err != nil {
		return fmt.Errorf("%w: %w", driver.ErrFull, err)
	}
	return nil
}

// smallBatchBytes is up to where a batch is what keeps a server going: times,
// leases, what is due.
const smallBatchBytes = 4 << 10

// levelOf says how much a batch matters when the disk is nearly full. Pebble
// ends the process when its log cannot be written, so that must not come.
func levelOf(b *driver.Batch) space.Level {
	deletes, bytes := len(b.Ranges), 0
	for _, w := range b.Points {
		if w.Delete {
			deletes++
		}
		bytes += len(w.Key) + len(w.Value)
	}
	switch {
	case b.Empty():
		return space.Vital // nothing is written
	case bytes > smallBatchBytes && deletes <= len(b.Points)/2:
		return space.Record
	case deletes == 0:
		return space.Small
	}
	return space.Vital
}

func (s *store) encode(b *driver.Batch) (*pebble.Batch, error) {
	batch := s.db.NewBatch()
	for _, r := range b.Ranges {
		end := r.End
		if end == nil {
			end = afterAll()
		}
		if err := batch.DeleteRange(bound(r.Start), end, nil); err != nil {
			return batch, err
		}
	}
	for _, w := range b.Points {
		var err error
		if w.Delete {
			err = batch.Delete(w.Key, nil)
		} else {
			err = batch.Set(w.Key, w.Value, nil)
		}
		if err != nil {
			return batch, err
		}
	}
	return batch, nil
}

// bound returns start, or what is as good: Pebble is not made for empty keys.
func bound(start []byte) []byte {
	if len(start) == 0 {
		return []byte{0}
	}
	return start
}

// afterAll returns a key after every key there can be.
func afterAll() []byte { return bytes.Repeat([]byte{0xff}, driver.MaxKey+1) }

// Close closes the database before it gives up the directory.
func (s *store) Close() error {
	// What is flushed now need not be replayed when the store is opened.
	err := s.db.Flush()
	return errors.Join(err, s.db.Close(), s.lock.Close())
}

type snapshot struct{ snap *pebble.Snapshot }

func (s *snapshot) Get(key []byte) ([]byte, error)             { return get(s.snap, key) }
func (s *snapshot) Scan(r driver.Range) ([]driver.Item, error) { return scan(s.snap, r) }
func (s *snapshot) Close() error                               { return s.snap.Close() }

func get(from reader, key []byte) ([]byte, error) {
	value, closer, err := from.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, driver.ErrNotFound
	}
	if err != nil {
		return nil, readError(err)
	}
	out := append(make([]byte, 0, len(value)), value...)
	return out, closer.Close()
}

func scan(from reader, r driver.Range) (items []driver.Item, err error) {
	if r.End != nil && bytes.Compare(r.Start, r.End) >= 0 {
		return nil, nil
	}
	it, err := from.NewIter(&pebble.IterOptions{LowerBound: bound(r.Start), UpperBound: r.End})
	if err != nil {
		return nil, readError(err)
	}
	defer func() {
		if cerr := it.Close(); err == nil && cerr != nil {
			items, err = nil, readError(cerr)
		}
	}()
	first, next := it.First, it.Next
	if r.Reverse {
		first, next = it.Last, it.Prev
	}
	total := 0
	var room copies
	for ok := first(); ok; ok = next() {
		value, err := it.ValueAndErr()
		if err != nil {
			return nil, readError(err)
		}
		items = append(items, driver.Item{Key: room.of(it.Key()), Value: room.of(value)})
		if total += len(value); len(items) >= r.Limit || total >= driver.MaxScanBytes {
			break
		}
	}
	return items, nil
}

// copies makes copies of many small things with few allocations. They share
// memory, so that one which is kept keeps a few others.
type copies struct {
	free []byte
	next int // size of the next allocation
}

const (
	copiesFirst = 1 << 10
	copiesMost  = 16 << 10
)

func (c *copies) of(p []byte) []byte {
	if len(p) == 0 || len(p) > copiesMost/4 {
		return append(make([]byte, 0, len(p)), p...)
	}
	if len(p) > len(c.free) {
		c.next = min(max(2*c.next, copiesFirst, len(p)), copiesMost)
		c.free = make([]byte, c.next)
	}
	n := copy(c.free, p)
	out := c.free[:n:n] // so that appending to it copies it
	c.free = c.free[n:]
	return out
}

func readError(err error) error {
	if pebble.IsCorruptionError(err) {
		return fmt.Errorf("%w: reading: %w; restore a backup into an empty directory", driver.ErrCorrupt, err)
	}
	return fmt.Errorf("pebblekv: reading: %w", err)
}
