package lambda

import "sync"

const cacheEntriesMax = 1024

// bounded is a small cache. When it is full it starts again: what it keeps is
// cheap to make, and most processes never fill it.
type bounded[K comparable, V any] struct {
	mu      sync.Mutex
	entries map[K]V
}

// Get returns what was added under key.
func (b *bounded[K, V]) Get(key K) (V, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	v, ok := b.entries[key]
	return v, ok
}

// Add keeps value under key.
func (b *bounded[K, V]) Add(key K, value V) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.entries == nil || len(b.entries) >= cacheEntriesMax {
		b.entries = make(map[K]V)
	}
	b.entries[key] = value
}
