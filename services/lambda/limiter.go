package lambda

import "sync"

// Reasons of a 429.
const (
	reasonConcurrent = "ConcurrentInvocationLimitExceeded"
	reasonReserved   = "ReservedFunctionConcurrentInvocationLimitExceeded"
)

// limiter counts invocations under way, by function (no qualifier) and, for
// those without a reservation, by place (no name).
type limiter struct {
	mu      sync.Mutex
	running map[ref]int
}

// enter counts an invocation in, or names the limit that forbids it. reserved
// is the function's own share; shared what the account's others leave.
func (l *limiter) enter(r ref, reserved *int32, shared int) (leave func(), reason string) {
	key, limit, reason := ref{place: r.place}, shared, reasonConcurrent
	if reserved != nil {
		key, limit, reason = r.unqualified(), int(*reserved), reasonReserved
	}
	l.mu.Lock()
	defer l.mu.Unlock()
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

// unreserved is how many invocations without a reservation are under way.
func (l *limiter) unreserved(p place) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.running[ref{place: p}]
}
