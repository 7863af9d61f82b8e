package store

import (
	"sync"
	"time"

	"moln.dev/moln/engine/clock"
	"moln.dev/moln/services/sqs/message"
)

// hall is what this process knows of a queue that is in use: who waits for a
// message, what was found and not yet given out, what is just being received.
// Nothing of it is needed to be right, only to be fast.
type hall struct {
	clk    clock.Clock
	floors map[string]*floor // by the kind of index

	mu      sync.Mutex
	waiters []*Waiter
	wakeAt  time.Time // when the timer rings; zero: it is not set
	timer   *clock.Timer

	// look serialises looking for messages, so that many who receive do not
	// all find the same ones.
	look   sync.Mutex
	ready  []entry // found, visible, to be given out next
	taken  map[message.Place]struct{}
	groups map[string]struct{} // taken

	flight  int // about how many are in flight
	counted time.Time
	counts  Counts // when counting takes long, for a while
	refs    int    // guarded by the store's mutex
}

// entry is one of the index of visible messages.
type entry struct {
	due   uint64
	place message.Place
}

func newHall(clk clock.Clock) *hall {
	return &hall{
		clk: clk, floors: map[string]*floor{kindVisible: {}, kindRest: {}, kindFlight: {}},
		taken: map[message.Place]struct{}{}, groups: map[string]struct{}{}, flight: -1,
	}
}

// Waiter waits for a message to come.
type Waiter struct {
	// C receives a value when it is worth looking.
	C    chan struct{}
	hall *hall
}

// wait begins to wait. What comes from now on wakes.
func (h *hall) wait() *Waiter {
	w := &Waiter{make(chan struct{}, 1), h}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.waiters = append(h.waiters, w)
	return w
}

// again goes back to the end of those who wait, after w was woken for nothing.
func (w *Waiter) again() {
	w.hall.mu.Lock()
	defer w.hall.mu.Unlock()
	w.hall.waiters = append(w.hall.waiters, w)
}

// Stop ends waiting. A call that came too late goes to the next.
func (w *Waiter) Stop() {
	h := w.hall
	h.mu.Lock()
	for i, other := range h.waiters {
		if other == w {
			h.waiters = append(h.waiters[:i], h.waiters[i+1:]...)
			break
		}
	}
	h.mu.Unlock()
	select {
	case <-w.C:
		h.wake(1)
	default:
	}
}

// wake wakes up to n who wait, those who have waited longest first.
func (h *hall) wake(n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.wakeLocked(n)
}

func (h *hall) wakeLocked(n int) {
	for ; n > 0 && len(h.waiters) > 0; n-- {
		w := h.waiters[0]
		h.waiters = h.waiters[1:]
		w.C <- struct{}{} // there is room: it is woken once, and then not listed
	}
}

// wakeBy wakes one who waits at the time at, or sooner.
func (h *hall) wakeBy(at time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.waiters) == 0 || !h.wakeAt.IsZero() && !at.Before(h.wakeAt) {
		return
	}
	if h.timer != nil {
		h.timer.Stop()
	}
	h.wakeAt = at
	h.timer = h.clk.AfterFunc(max(at.Sub(h.clk.Now()), 0), func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.wakeAt.Equal(at) {
			h.wakeAt = time.Time{}
		}
		h.wakeLocked(1)
	})
}
