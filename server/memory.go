package server

import (
	"context"
	"net/http"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"
)

const (
	// heapFloorBytes is live heap that is only counted and never touched. The
	// collector starts when the heap has doubled: with the few megabytes that
	// moln holds it would run dozens of times a second under load.
	heapFloorBytes = 32 << 20
	// idleAfter without a request gives memory back to the system.
	idleAfter = 20 * time.Second
)

// memory keeps a busy server's collector quiet and an idle server small.
type memory struct {
	requests atomic.Uint64
	floor    []byte
}

// count wraps the handler of the port.
func (m *memory) count(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.requests.Add(1)
		h.ServeHTTP(w, r)
	})
}

// run holds the floor until ctx ends, and gives back what start-up needed, and
// later what a burst of requests needed.
func (m *memory) run(ctx context.Context) error {
	m.floor = make([]byte, heapFloorBytes)
	defer runtime.KeepAlive(m.floor)
	debug.FreeOSMemory()
	releaseProgram()
	tick := time.NewTicker(idleAfter)
	defer tick.Stop()
	last, released := m.requests.Load(), true
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		now := m.requests.Load()
		if now == last && !released {
			debug.FreeOSMemory()
			releaseProgram()
		}
		last, released = now, now == last
	}
}
