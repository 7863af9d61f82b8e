package run

import (
	"sync"

	"moln.dev/moln/services/lambda/fn"
)

// Limits of an account in a region, those of a new one.
const (
	ConcurrencyMax = 1000
	// UnreservedMin is what reservations must leave to the other functions.
	UnreservedMin = 100
)

// Reasons of a 429.
const (
	reasonConcurrent = "ConcurrentInvocationLimitExceeded"
	reasonReserved   = "ReservedFunctionConcurrentInvocationLimitExceeded"
)

// limiter counts invocations under way, by function (no qualifier) and, for
// those without a reservation, by place (no name). Those that provisioned
// concurrency covers are counted by version.
type limiter struct {
	mu          sync.Mutex
	running     map[fn.Ref]int
	provisioned map[fn.Ref]int // by version; what is ready
}

// provision says how much of a version's concurrency is ready.
func (l *limiter) provision(version fn.Ref, ready int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if ready == 0 {
		delete(l.provisioned, version)
		return
	}
	l.provisioned[version] = ready
}

// enter counts an invocation of a version in, or names the limit that forbids it.
// reserved is the function's own share; shared what the account's others leave.
// What provisioned concurrency does not cover spills over into those.
func (l *limiter) enter(version fn.Ref, reserved *int32, shared int) (leave func(), reason string) {
	key, limit, reason := fn.Ref{Place: version.Place}, shared, reasonConcurrent
	if reserved != nil {
		key, limit, reason = version.Unqualified(), int(*reserved), reasonReserved
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := l.provisioned[version]; reserved == nil && l.running[version] < n {
		key, limit = version, n
	}
	if l.running[key] >= limit {
		return nil, reason
	}
	l.running[key]++
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.running[key]--; l.running[key] <= 0 {
			delete(l.running, key)
		}
	}, ""
}

// of is how many invocations are under way under a key of running.
func (l *limiter) of(r fn.Ref) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.running[r]
}

// unreserved is how many invocations without a reservation are under way.
func (l *limiter) unreserved(p fn.Place) int { return l.of(fn.Ref{Place: p}) }
