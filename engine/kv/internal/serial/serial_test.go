package serial_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/driver"
	"moln.dev/moln/engine/kv/internal/serial"
)

// slowDisk is a store of a map whose writes are visible at once, and durable
// when the test says so.
type slowDisk struct {
	values  map[string]string
	visible chan struct{}
	durable chan error
}

func (s *slowDisk) Get(key []byte) ([]byte, error) {
	v, ok := s.values[string(key)]
	if !ok {
		return nil, driver.ErrNotFound
	}
	return []byte(v), nil
}

// Scan finds one key at most, which is enough here.
func (s *slowDisk) Scan(r driver.Range) ([]driver.Item, error) {
	v, err := s.Get(r.Start)
	if err != nil {
		return nil, nil
	}
	return []driver.Item{{Key: r.Start, Value: v}}, nil
}

func (s *slowDisk) Apply(b *driver.Batch) (func() error, error) {
	next := make(map[string]string)
	for k, v := range s.values {
		next[k] = v
	}
	for _, w := range b.Points {
		next[string(w.Key)] = string(w.Value)
	}
	s.values = next
	close(s.visible)
	return func() error { return <-s.durable }, nil
}

func (s *slowDisk) Snapshot() (serial.Snapshot, error) { return s, nil }
func (s *slowDisk) Close() error                       { return nil }

func newSlow() (*slowDisk, *kv.DB) {
	disk := &slowDisk{values: map[string]string{"old": "1"}, visible: make(chan struct{}), durable: make(chan error)}
	return disk, kv.New(serial.New(disk))
}

// start begins a Put and returns once it is visible.
func (s *slowDisk) start(db *kv.DB) (done chan error) {
	done = make(chan error, 1)
	go func() { done <- db.Put(context.Background(), []byte("new"), []byte("2")) }()
	<-s.visible
	return done
}

// readers are all ways to see the key new, or that it was not there.
func readers(db *kv.DB) map[string]func(ctx context.Context) (string, error) {
	key := []byte("new")
	text := func(v []byte, err error) (string, error) { return string(v), err }
	return map[string]func(ctx context.Context) (string, error){
		"Get": func(ctx context.Context) (string, error) { return text(db.Get(ctx, key)) },
		"Scan": func(ctx context.Context) (string, error) {
			items, err := db.Scan(ctx, kv.Range{Start: key, End: []byte("newer")})
			return fmt.Sprintf("%s", items), err
		},
		"Snapshot": func(ctx context.Context) (string, error) {
			s, err := db.Snapshot(ctx)
			if err != nil {
				return "", err
			}
			defer s.Close()
			return text(s.Get(ctx, key))
		},
		"read-only Update": func(ctx context.Context) (out string, err error) {
			err = db.Update(ctx, func(tx *kv.Tx) error { out, err = text(tx.Get(key)); return err })
			return out, err
		},
		"error of Update": func(ctx context.Context) (string, error) {
			mine := errors.New("it is there")
			err := db.Update(ctx, func(tx *kv.Tx) error {
				if _, err := tx.Get(key); err != nil {
					return err
				}
				return mine
			})
			if errors.Is(err, mine) {
				err = nil
			}
			return "there", err
		},
	}
}

func TestNothingReadBeforeItIsDurable(t *testing.T) {
	disk, db := newSlow()
	done := disk.start(db)
	for name, read := range readers(db) {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		if got, err := read(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s showed %q, %v before it was durable", name, got, err)
		}
		cancel()
	}
	// Other keys do not wait.
	if v, err := db.Get(context.Background(), []byte("old")); err != nil || string(v) != "1" {
		t.Errorf("Get of another key: %s, %v", v, err)
	}
	disk.durable <- nil
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	for name, read := range readers(db) {
		if got, err := read(context.Background()); err != nil || got == "" {
			t.Errorf("%s once durable: %q, %v", name, got, err)
		}
	}
}

// TestFailedWriteEndsService: after a failed fsync nobody knows what is on
// disk, so nothing that is visible may be served.
func TestFailedWriteEndsService(t *testing.T) {
	disk, db := newSlow()
	done := disk.start(db)
	broken := errors.New("disk is broken")
	waiting := make(chan error)
	go func() {
		_, err := db.Get(context.Background(), []byte("new"))
		waiting <- err
	}()
	disk.durable <- broken
	if err := <-done; !errors.Is(err, broken) {
		t.Errorf("Put: %v", err)
	}
	if err := <-waiting; !errors.Is(err, broken) {
		t.Errorf("Get that waited: %v", err)
	}
	for name, read := range readers(db) {
		if _, err := read(context.Background()); !errors.Is(err, broken) {
			t.Errorf("%s after a failed write: %v", name, err)
		}
	}
	if err := db.Put(context.Background(), []byte("k"), nil); !errors.Is(err, broken) {
		t.Errorf("Put after a failed write: %v", err)
	}
}
