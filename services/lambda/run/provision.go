package run

import (
	"context"
	"errors"
	"maps"
	"time"

	"moln.dev/moln/engine/pool"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/lambda/fn"
)

// renewBefore is how long before a version's credentials end its provisioned
// environments are replaced, so that new ones are ready in time.
const renewBefore = 5 * time.Minute

// initProvisioned is what a provisioned environment finds in
// AWS_LAMBDA_INITIALIZATION_TYPE.
const initProvisioned = "provisioned-concurrency"

// ErrInit: environments could not be provisioned, since the function's init fails.
var ErrInit = pool.ErrInit

// Provision makes n environments of a version ready before they are asked for,
// and keeps them; 0 lets them go. It returns how many are ready, with an error
// where those are too few. It must not be called for one version at two times at
// once.
func (e *Engine) Provision(ctx context.Context, c *service.Call, r fn.Ref, v *fn.Config, n int) (ready int, err error) {
	version := fn.At(r.Place, r.Name, v.Version)
	defer func() { e.limits.provision(version, ready) }()
	if n == 0 {
		return 0, e.letGo(ctx, version)
	}
	g, err := e.Guard()
	if err != nil {
		return 0, err
	}
	l, err := e.prepare(ctx, c, g, r, v)
	if err != nil {
		return 0, err
	}
	keep := func(l *live) (int, error) {
		t := l.template
		t.Env = maps.Clone(t.Env)
		t.Env["AWS_LAMBDA_INITIALIZATION_TYPE"], t.Identity.InitType = initProvisioned, initProvisioned
		return g.Pool.Keep(ctx, &t, n)
	}
	if l.until.Sub(c.Now) > renewBefore {
		if ready, err = keep(l); !e.replace(version, l, l) {
			g.Pool.Drop(l.key)
			return 0, errForgotten
		}
		return ready, err
	}
	// New ones are made beside the old, which serve until then.
	fresh, err := e.build(ctx, c, g, r, v)
	if err != nil {
		return 0, err
	}
	ready, err = keep(fresh)
	if err != nil && !errors.Is(err, pool.ErrBusy) {
		g.Pool.Drop(fresh.key)
		return ready, err
	}
	if !e.replace(version, l, fresh) {
		g.Pool.Drop(fresh.key)
		return 0, errForgotten
	}
	g.Pool.Drop(l.key)
	return ready, err
}

// errForgotten: what was to be kept is not what the version runs as any more.
// Whoever said so looked for environments before these were kept, so that they
// are dropped here.
var errForgotten = errors.New("lambda: the version has changed while its environments were made")

// letGo keeps no environments of a version any more. It needs nothing of the
// version, whose role may be gone.
func (e *Engine) letGo(ctx context.Context, version fn.Ref) error {
	e.mu.Lock()
	sl := e.slots[version]
	e.mu.Unlock()
	if sl == nil {
		return nil
	}
	sl.mu.Lock()
	l := sl.live
	sl.mu.Unlock()
	if l == nil {
		return nil
	}
	g, err := e.Guard()
	if err == nil {
		_, err = g.Pool.Keep(ctx, &l.template, 0)
	}
	return err
}

// replace makes fresh what a version runs as, unless that is not old any more.
func (e *Engine) replace(version fn.Ref, old, fresh *live) bool {
	e.mu.Lock()
	sl := e.slots[version]
	e.mu.Unlock()
	if sl == nil {
		return false
	}
	sl.mu.Lock()
	defer sl.mu.Unlock()
	if sl.live != old {
		return false
	}
	// Forget takes a slot away before it drops what is in it.
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.slots[version] != sl {
		return false
	}
	sl.live = fresh
	return true
}
