package provisioned

import (
	"context"
	"errors"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	api "moln.dev/moln/api/lambda"
	"moln.dev/moln/engine/clock"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/lambda/fn"
	"moln.dev/moln/services/lambda/run"
)

const (
	// lookEvery is how often the environments are compared with what is wanted,
	// in real time: they can end by themselves, and credentials run out.
	lookEvery = 5 * time.Second
	// retryAfter is how long a version whose init failed is left alone.
	retryAfter = time.Minute
	// versionsAtOnce bounds the versions being made ready at one time.
	versionsAtOnce = 4
)

// reasonInit is the status reason of a function whose init fails.
const reasonInit = "FUNCTION_ERROR_INIT_FAILURE"

// Keeper has environments ready. Safe for concurrent use.
type Keeper struct {
	deps   service.Deps
	store  fn.Store
	engine *run.Engine
	wake   chan struct{}

	mu       sync.Mutex
	versions map[fn.Ref]state    // by version
	shares   map[fn.Ref][]fn.Ref // by what was configured: the versions it stands for
}

// state is what is known of a version.
type state struct {
	wanted, ready int
	failed        bool
	tried         time.Time
}

// New makes a keeper; its worker does the work.
func New(d service.Deps, st fn.Store, e *run.Engine) *Keeper {
	return &Keeper{deps: d, store: st, engine: e, wake: make(chan struct{}, 1), versions: map[fn.Ref]state{}, shares: map[fn.Ref][]fn.Ref{}}
}

// poke has the worker look at once.
func (k *Keeper) poke() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// status is how far a configuration is.
type status struct {
	ready  int32
	name   string
	reason *string
}

func (k *Keeper) status(r fn.Ref, p fn.Provision) status {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := status{name: api.ProvisionedConcurrencyStatusEnumInProgress}
	for _, version := range k.shares[r] {
		v := k.versions[version]
		s.ready += int32(v.ready)
		if v.failed {
			s.name, s.reason = api.ProvisionedConcurrencyStatusEnumFailed, new(reasonInit)
		}
	}
	if s.ready = min(s.ready, p.Executions); s.ready == p.Executions {
		s.name, s.reason = api.ProvisionedConcurrencyStatusEnumReady, nil
	}
	return s
}

// Run keeps the environments until ctx is done.
func (k *Keeper) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := k.look(ctx); err != nil && ctx.Err() == nil {
			k.deps.Log.Error("look at provisioned concurrency", "error", err)
		}
		timer := clock.System().NewTimer(lookEvery)
		select {
		case <-ctx.Done():
		case <-k.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
	return nil
}

// look compares what there is with what is wanted, and sees to the difference.
func (k *Keeper) look(ctx context.Context) error {
	wanted, err := k.wanted(ctx)
	if err != nil {
		return err
	}
	k.mu.Lock()
	now := clock.System().Now()
	todo := map[fn.Ref]int{}
	for version, s := range k.versions {
		if s.wanted > 0 && wanted[version] == 0 {
			todo[version] = 0
		}
	}
	for version, n := range wanted {
		if s := k.versions[version]; !s.failed || s.wanted != n || now.Sub(s.tried) > retryAfter {
			todo[version] = n
		}
	}
	k.mu.Unlock()
	var all sync.WaitGroup
	slots := make(chan struct{}, versionsAtOnce)
	for version, n := range todo {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			k.see(ctx, version, n)
		})
	}
	all.Wait()
	return nil
}

// wanted is how many environments each version is to have.
func (k *Keeper) wanted(ctx context.Context) (map[fn.Ref]int, error) {
	list, err := k.store.ProvisionedFunctions(ctx)
	if err != nil {
		return nil, err
	}
	wanted, shares := map[fn.Ref]int{}, map[fn.Ref][]fn.Ref{}
	for _, r := range list {
		f, err := k.store.Function(ctx, r)
		if fn.IsFault(err) {
			continue // gone in the meantime
		}
		if err != nil {
			return nil, err
		}
		for q, p := range f.Provisioned {
			of := fn.At(r.Place, r.Name, q)
			split, err := k.split(ctx, of, p)
			if err != nil {
				return nil, err
			}
			for version, n := range split {
				at := fn.At(r.Place, r.Name, version)
				wanted[at] += n
				shares[of] = append(shares[of], at)
			}
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.shares = shares
	return wanted, nil
}

// split divides a configuration among the versions that its qualifier stands for.
func (k *Keeper) split(ctx context.Context, r fn.Ref, p fn.Provision) (map[string]int, error) {
	n := int(p.Executions)
	if fn.NumberPattern.MatchString(r.Qualifier) {
		return map[string]int{r.Qualifier: n}, nil
	}
	a, ok, err := k.store.Alias(ctx, r, r.Qualifier)
	if err != nil || !ok {
		return nil, err
	}
	return byWeight(a, n), nil
}

// byWeight divides n environments as an alias divides its requests.
func byWeight(a *fn.Alias, n int) map[string]int {
	out, left := map[string]int{}, n
	for _, version := range slices.Sorted(maps.Keys(a.Weights)) {
		share := min(int(math.Round(a.Weights[version]*float64(n))), left)
		if share > 0 {
			out[version] = share
			left -= share
		}
	}
	if left > 0 {
		out[a.Version] += left
	}
	return out
}

// see makes a version have n environments, as far as that goes now.
func (k *Keeper) see(ctx context.Context, version fn.Ref, n int) {
	s := state{wanted: n, tried: clock.System().Now()}
	ready, err := k.provision(ctx, version, n)
	s.ready, s.failed = ready, errors.Is(err, run.ErrInit)
	if err != nil && ctx.Err() == nil {
		k.deps.Log.Warn("provisioned concurrency is not all there", "function", version.ARN(), "wanted", n, "ready", ready, "error", err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if n == 0 {
		delete(k.versions, version)
		return
	}
	k.versions[version] = s
}

func (k *Keeper) provision(ctx context.Context, version fn.Ref, n int) (int, error) {
	_, v, err := k.engine.Target(ctx, version)
	if fn.IsFault(err) && n == 0 {
		return 0, nil // its environments went with it
	}
	if err != nil {
		return 0, err
	}
	return k.engine.Provision(ctx, k.deps.System(version.Account, version.Region), version, v, n)
}
