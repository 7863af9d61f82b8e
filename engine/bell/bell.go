// Package bell wakes what waits in one process for something that happens
// elsewhere in it, where neither knows the other: whoever rings says a topic, and
// all who listen to it are woken.
//
// It is a hint and no message: it carries nothing, reaches no other process, and
// rings that come while a listener is awake are one. Who listens looks for itself,
// and looks now and then unasked.
package bell

import (
	"sync"
	"sync/atomic"
)

// Bell is ready as its zero value. A nil *Bell is valid, and silent. Safe for
// concurrent use.
type Bell struct {
	listening atomic.Int64

	mu     sync.RWMutex
	topics map[string]map[chan struct{}]struct{}
}

// Heard says that somebody listens to some topic, so that who rings often need
// not make up a topic for nobody.
func (b *Bell) Heard() bool { return b != nil && b.listening.Load() > 0 }

// Ring wakes who listens to topic. It waits for nobody.
func (b *Bell) Ring(topic string) {
	if !b.Heard() {
		return
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	for c := range b.topics[topic] {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// Listen returns a channel that receives a value after topic was rung, until
// stop. A nil Bell's never does.
func (b *Bell) Listen(topic string) (rung <-chan struct{}, stop func()) {
	if b == nil {
		return nil, func() {}
	}
	c := make(chan struct{}, 1)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.topics == nil {
		b.topics = map[string]map[chan struct{}]struct{}{}
	}
	if b.topics[topic] == nil {
		b.topics[topic] = map[chan struct{}]struct{}{}
	}
	b.topics[topic][c] = struct{}{}
	b.listening.Add(1)
	return c, sync.OnceFunc(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.listening.Add(-1)
		if delete(b.topics[topic], c); len(b.topics[topic]) == 0 {
			delete(b.topics, topic)
		}
	})
}
