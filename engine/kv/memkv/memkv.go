// Package memkv is a kv driver that keeps everything in memory: the model the
// other drivers are compared to, and the store of an ephemeral account.
//
// Nothing is durable. Snapshots are free: the tree below is persistent, every
// commit makes a new root that shares what it did not change.
package memkv

import (
	"bytes"
	"sync/atomic"

	"moln.dev/moln/engine/kv/driver"
	"moln.dev/moln/engine/kv/internal/serial"
)

// New returns an empty store.
func New() driver.DB { return serial.New(&store{}) }

// store implements serial.Store.
type store struct{ view }

// view is a tree that is replaced as a whole.
type view struct{ root atomic.Pointer[node] }

func (v *view) Get(key []byte) ([]byte, error) {
	n := v.root.Load().find(key)
	if n == nil {
		return nil, driver.ErrNotFound
	}
	return clone(n.value), nil
}

func (v *view) Scan(r driver.Range) ([]driver.Item, error) {
	var items []driver.Item
	total := 0
	v.root.Load().walk(r, func(n *node) bool {
		items = append(items, driver.Item{Key: clone(n.key), Value: clone(n.value)})
		total += len(n.value)
		return len(items) < r.Limit && total < driver.MaxScanBytes
	})
	return items, nil
}

func (v *view) Close() error { return nil }

func (s *store) Apply(b *driver.Batch) (func() error, error) {
	root := s.root.Load()
	for _, r := range b.Ranges {
		root = root.without(r)
	}
	for _, w := range b.Points {
		if w.Delete {
			root = root.delete(w.Key)
		} else {
			root = root.put(clone(w.Key), clone(w.Value))
		}
	}
	s.root.Store(root)
	return nil, nil
}

func (s *store) Snapshot() (serial.Snapshot, error) {
	v := &view{}
	v.root.Store(s.root.Load())
	return v, nil
}

// clone copies p into a slice that is not nil.
func clone(p []byte) []byte { return append(make([]byte, 0, len(p)), p...) }

func inRange(key []byte, r driver.Range) (fromStart, beforeEnd bool) {
	return bytes.Compare(key, r.Start) >= 0, r.End == nil || bytes.Compare(key, r.End) < 0
}
