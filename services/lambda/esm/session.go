package esm

import (
	"context"
	"sync"
	"time"

	"moln.dev/moln/platform/service"
)

// sessionSpare is how long before its end a session is made anew.
const sessionSpare = 5 * time.Minute

// roleCalls makes calls as a function's role, in one session for as long as that
// is good.
type roleCalls struct {
	// open makes a session, and says when it ends.
	open func(ctx context.Context) (*service.Call, time.Time, error)
	now  func() time.Time
	// life is how long a session is used at most, as the role may be another by
	// then; zero: for as long as it is good.
	life time.Duration

	mu      sync.Mutex
	session *service.Call
	until   time.Time
}

// roleCalls are calls as the role of the poller's function.
func (p *poller) roleCalls() *roleCalls {
	return &roleCalls{now: p.now, open: func(ctx context.Context) (*service.Call, time.Time, error) { return p.session(ctx, p.m) }}
}

// call is a call by the role.
func (r *roleCalls) call(ctx context.Context) (*service.Call, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	if r.session == nil || !now.Before(r.until) {
		c, end, err := r.open(ctx)
		if err != nil {
			return nil, err
		}
		r.session, r.until = c, end.Add(-sessionSpare)
		if most := now.Add(r.life); r.life > 0 && most.Before(r.until) {
			r.until = most
		}
	}
	c := *r.session
	c.Now, c.Routine, c.Trace = now, true, new(service.Trace)
	return &c, nil
}

// renew forgets the session: the role may be another by now.
func (r *roleCalls) renew() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.session = nil
}
