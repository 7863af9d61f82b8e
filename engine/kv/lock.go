package kv

import (
	"context"
	"slices"
	"sync"
)

// keyLocks makes transactions of this process that want the same keys wait
// for each other in turn, instead of failing at commit. Nothing depends on
// them for correctness: writers that do not take them are found by validation.
type keyLocks struct {
	mu   sync.Mutex
	held map[string]*keyQueue
}

// keyQueue is one held key: who waits for it, first come first.
type keyQueue struct{ waiting []chan struct{} }

func newKeyLocks() *keyLocks { return &keyLocks{held: make(map[string]*keyQueue)} }

// acquire locks keys, which it sorts, in ascending order, so that no two
// transactions wait for each other. release unlocks them.
func (l *keyLocks) acquire(ctx context.Context, keys []string) (release func(), err error) {
	slices.Sort(keys)
	keys = slices.Compact(keys)
	for i, k := range keys {
		if err := l.lock(ctx, k); err != nil {
			l.unlockAll(keys[:i])
			return nil, err
		}
	}
	return func() { l.unlockAll(keys) }, nil
}

func (l *keyLocks) lock(ctx context.Context, key string) error {
	l.mu.Lock()
	q, held := l.held[key]
	if !held {
		l.held[key] = &keyQueue{}
		l.mu.Unlock()
		return nil
	}
	turn := make(chan struct{})
	q.waiting = append(q.waiting, turn)
	l.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	l.mu.Lock()
	i := slices.Index(q.waiting, turn)
	if i >= 0 {
		q.waiting = slices.Delete(q.waiting, i, i+1)
	}
	l.mu.Unlock()
	if i < 0 { // it was just handed over
		l.unlockAll([]string{key})
	}
	return ctx.Err()
}

func (l *keyLocks) unlockAll(keys []string) {
	if len(keys) == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, k := range keys {
		q := l.held[k]
		if len(q.waiting) == 0 {
			delete(l.held, k)
			continue
		}
		close(q.waiting[0])
		q.waiting = q.waiting[1:]
	}
}
