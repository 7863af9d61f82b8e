package deploy

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"moln.dev/moln/engine/clock"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/cloudformation/stack"
	"moln.dev/moln/services/cloudformation/template"
)

// Engine works on stacks. It is safe for concurrent use.
type Engine struct {
	deps   service.Deps
	store  *stack.Store
	types  atomic.Pointer[map[string]service.ResourceType]
	holder string
	// wake rings when a worker ends: an operation may have been put onto its
	// stack after it last looked, while start passed the stack by as being
	// worked on.
	wake chan struct{}

	mu      sync.Mutex
	running map[string]bool // stack ids this process works on
	last    time.Time       // of the newest event, which no other shares
}

// New returns an engine over the store; it works once Run is called.
func New(d service.Deps, store *stack.Store) *Engine {
	e := &Engine{deps: d, store: store, holder: d.Ident.UUID(), running: map[string]bool{}, wake: make(chan struct{}, 1)}
	e.SetTypes(nil)
	return e
}

// SetTypes sets the resource types of other services.
func (e *Engine) SetTypes(types []service.ResourceType) {
	m := make(map[string]service.ResourceType, len(types))
	for _, t := range append(e.builtIn(), types...) {
		m[t.Name] = t
	}
	e.types.Store(&m)
}

// Types lists the known resource types.
func (e *Engine) Types() []string { return slices.Sorted(maps.Keys(*e.types.Load())) }

// Type finds a resource type.
func (e *Engine) Type(name string) (service.ResourceType, bool) {
	if strings.HasPrefix(name, "Custom::") {
		name = customType
	}
	t, ok := (*e.types.Load())[name]
	return t, ok
}

// Replaces says whether changing a property makes a new physical resource.
func (e *Engine) Replaces(resourceType, property string) bool {
	t, ok := e.Type(resourceType)
	return ok && (t.Update == nil || slices.Contains(t.Replace, property))
}

// Taggable says whether stack tags go onto resources of a type.
func (e *Engine) Taggable(resourceType string) bool {
	t, ok := e.Type(resourceType)
	return ok && template.HasProperty(t.New(), "Tags")
}

// Run works on stacks until ctx is done. Several processes may run on one
// store: leases keep each stack with one of them.
func (e *Engine) Run(ctx context.Context) error {
	var workers sync.WaitGroup
	defer workers.Wait()
	bell, stop := e.store.WatchWork()
	defer stop()
	for {
		if err := e.start(ctx, &workers); err != nil && ctx.Err() == nil {
			e.log().Error("look for stacks to work on", "err", err)
		}
		timer := e.deps.Clock.NewTimer(scanInterval)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-bell:
		case <-e.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

func (e *Engine) log() *slog.Logger {
	if e.deps.Log == nil {
		return slog.Default()
	}
	return e.deps.Log
}

func (e *Engine) start(ctx context.Context, workers *sync.WaitGroup) error {
	leases, err := e.store.Work(ctx)
	if err != nil {
		return err
	}
	for _, l := range leases {
		if !e.begin(l.ID) {
			continue
		}
		now := e.deps.Clock.Now()
		taken, err := e.store.Take(ctx, l, e.holder, now, now.Add(leaseTTL))
		if err != nil || !taken {
			e.release(l.ID)
			if err != nil {
				return err
			}
			continue
		}
		workers.Go(func() {
			defer e.end(l.ID)
			e.work(ctx, l)
		})
	}
	return nil
}

func (e *Engine) begin(id string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.running[id] {
		return false
	}
	e.running[id] = true
	return true
}

func (e *Engine) release(id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.running, id)
}

func (e *Engine) end(id string) {
	e.release(id)
	select {
	case e.wake <- struct{}{}:
	default: // it rings already
	}
}

// errSuperseded says that the stack's operation is not the one being worked on
// any more: a deletion took its place.
var errSuperseded = errors.New("deploy: the operation was superseded")

// work carries out a stack's operations until it has none.
func (e *Engine) work(ctx context.Context, l stack.Lease) {
	ctx, cancel := context.WithCancel(ctx)
	var renewing sync.WaitGroup
	renewing.Go(func() { e.renew(ctx, cancel, l) })
	defer func() {
		cancel()
		renewing.Wait()
	}()
	for ctx.Err() == nil {
		st, err := e.store.Get(ctx, l.Place, l.ID)
		if err == nil {
			if st.Op == nil {
				return
			}
			err = e.operate(ctx, st)
		}
		if errors.Is(err, stack.ErrNotFound) {
			return
		}
		if err != nil && ctx.Err() == nil && !errors.Is(err, errSuperseded) {
			e.log().Error("work on a stack", "stack", l.ID, "err", err)
			_ = clock.Sleep(ctx, e.deps.Clock, retryPause)
		}
	}
	// Shut down: the next process need not wait for the lease to run out.
	now := e.deps.Clock.Now()
	_, _ = e.store.Take(context.WithoutCancel(ctx), l, e.holder, now, now)
}

// renew keeps the lease, and cancels the work when it is lost.
func (e *Engine) renew(ctx context.Context, cancel func(), l stack.Lease) {
	for clock.Sleep(ctx, e.deps.Clock, leaseRenew) == nil {
		now := e.deps.Clock.Now()
		held, err := e.store.Take(ctx, l, e.holder, now, now.Add(leaseTTL))
		if err == nil && !held {
			cancel()
			return
		}
	}
}

// operate carries out the current phase of a stack's operation.
func (e *Engine) operate(ctx context.Context, st *stack.Stack) error {
	r, err := e.newRun(ctx, st)
	if err != nil {
		return err
	}
	switch st.Op.Phase {
	case stack.Forward:
		return r.forward(ctx)
	case stack.Rollback:
		return r.rollback(ctx)
	}
	if st.Op.Kind == stack.Delete {
		return r.deleteStack(ctx)
	}
	return r.cleanup(ctx)
}

// stamp gives a moment that no other event of this process has.
func (e *Engine) stamp() time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.deps.Clock.Now().UTC().Truncate(time.Millisecond)
	if !now.After(e.last) {
		now = e.last.Add(time.Millisecond)
	}
	e.last = now
	return now
}

// after makes all further stamps later than t: another process, whose clock may
// be ahead, wrote an event then.
func (e *Engine) after(t time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if t.After(e.last) {
		e.last = t
	}
}

// StackEvent makes the event that tells of a stack's own status.
func (e *Engine) StackEvent(st *stack.Stack) stack.Event {
	ev := stack.Event{
		ID: e.deps.Ident.UUID(), LogicalID: st.Name, PhysicalID: st.ARN, Type: StackType,
		Time: e.stamp(), Status: st.Status, StatusReason: st.StatusReason, Token: st.LastToken,
	}
	if st.Op != nil {
		ev.Operation = st.Op.ID
	}
	return ev
}
