package serial

import (
	"bytes"
	"sync"
	"sync/atomic"

	"moln.dev/moln/engine/kv/driver"
)

// Watches is who wants to know of commits below a prefix. The zero value is
// ready. It is safe for concurrent use.
type Watches struct {
	count atomic.Int64
	mu    sync.Mutex
	all   map[*watch]struct{}
}

type watch struct {
	prefix []byte
	wake   chan struct{}
}

// Add begins a watch; the function returned ends it.
func (w *Watches) Add(prefix []byte) (<-chan struct{}, func()) {
	one := &watch{prefix: bytes.Clone(prefix), wake: make(chan struct{}, 1)}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.all == nil {
		w.all = make(map[*watch]struct{})
	}
	w.all[one] = struct{}{}
	w.count.Store(int64(len(w.all)))
	return one.wake, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.all, one)
		w.count.Store(int64(len(w.all)))
	}
}

// Wake wakes the watches of what b writes.
func (w *Watches) Wake(b *driver.Batch) {
	w.wake(func(prefix []byte) bool { return touchesPrefix(b, prefix) })
}

// WakeKey wakes the watches of a key of which only the beginning is known if
// cut is set.
func (w *Watches) WakeKey(key []byte, cut bool) {
	w.wake(func(prefix []byte) bool {
		return bytes.HasPrefix(key, prefix) || cut && bytes.HasPrefix(prefix, key)
	})
}

// WakeAll wakes all watches.
func (w *Watches) WakeAll() { w.wake(func([]byte) bool { return true }) }

func (w *Watches) wake(concerns func(prefix []byte) bool) {
	if w.count.Load() == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for one := range w.all {
		if !concerns(one.prefix) {
			continue
		}
		select {
		case one.wake <- struct{}{}:
		default:
		}
	}
}

func touchesPrefix(b *driver.Batch, prefix []byte) bool {
	for _, p := range b.Points {
		if bytes.HasPrefix(p.Key, prefix) {
			return true
		}
	}
	for _, r := range b.Ranges {
		// The range reaches into the prefix unless it ends before it or
		// begins after it.
		ends := r.End != nil && bytes.Compare(r.End, prefix) <= 0
		begins := bytes.Compare(r.Start, prefix) > 0 && !bytes.HasPrefix(r.Start, prefix)
		if !ends && !begins {
			return true
		}
	}
	return false
}
