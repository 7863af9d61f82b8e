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
	if n == 0 && !e.prepared(version) {
		return 0, nil
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
	if n == 0 || l.until.Sub(c.Now) > renewBefore {
		return keep(l)
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
	e.replace(version, fresh)
	g.Pool.Drop(l.key)
	return ready, err
}

// replace makes fresh what a version runs as.
func (e *Engine) replace(version fn.Ref, fresh *live) {
	e.mu.Lock()
	sl := e.slots[version]
	if sl == nil {
		sl = &slot{}
		e.slots[version] = sl
	}
	e.mu.Unlock()
	sl.mu.Lock()
	defer sl.mu.Unlock()
	sl.live = fresh
}

// prepared says that a version has been made ready to run.
func (e *Engine) prepared(version fn.Ref) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.slots[version] != nil
}
