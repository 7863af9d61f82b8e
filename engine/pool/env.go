package pool

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"moln.dev/moln/engine/pool/extension"
	"moln.dev/moln/engine/pool/runtimeapi"
	"moln.dev/moln/engine/pool/telemetry"
	"moln.dev/moln/engine/sandbox"
	"moln.dev/moln/engine/sandbox/crew"
	"moln.dev/moln/runtimes"
)

const (
	// eventsMax is room for what a runtime can report in one invocation; more
	// can only come from one that misbehaves, and is dropped.
	eventsMax    = 8
	statsMinimum = 500 * time.Millisecond
)

type eventKind int

const (
	eventReady eventKind = iota
	eventAnswered
	eventInitError
)

type event struct {
	kind   eventKind
	answer runtimeapi.Answer
}

// Env is one execution environment. Between Acquire and Release it belongs to
// the caller, who may call Invoke, one at a time.
type Env struct {
	pool     *Pool
	sb       sandbox.Sandbox
	api      *runtimeapi.Server
	logs     *collector
	events   chan event
	exited   chan struct{}
	exit     sandbox.ExitState // of the runtime; valid once exited is closed
	ended    sync.Once         // sets exit
	exts     *extension.Registry
	tele     *telemetry.Hub
	crew     *crew.Crew         // nil without external extensions
	leading  context.CancelFunc // ends what starts them; nil without
	launched atomic.Bool        // they registered, and the runtime was started
	template *Template          // nil while generic
	class    string
	memory   int64

	began    time.Time // when init began: the assignment, or the start
	initDone bool      // the first next has come
	// listening says that extensions are told of invocations. Set by awaitInit.
	listening bool
	broken    bool
	reason    string // why it will be let go: see shutdown
	peak      int64
	sampled   time.Time

	mu      sync.Mutex // guards what freezes and thaws
	frozen  bool
	restAt  time.Time   // when it is to be frozen; zero while it is in use
	timer   *time.Timer // calls rest; nil until it is needed
	ticking bool        // it will

	took     time.Duration // its last invocation, for Release
	deadline *time.Timer   // of each invocation; nil before the first

	// Guarded by Pool.mu.
	line         *line // that it is in use in; nil when it is not
	since        time.Time
	older, newer *Env // in use in the same line
	idleSince    time.Time
	released     bool   // its reservation was given back
	keptFor      string // the key that it is provisioned for, or ""
}

// boot starts a sandbox and returns when the process runs; a generic one, when
// it waits to be assigned.
func (p *Pool) boot(ctx context.Context, t *Template, generic bool) (*Env, error) {
	began := time.Now()
	spec := t.spec(generic)
	var runtime *crew.Program
	if !generic && len(t.extensions()) > 0 {
		var err error
		if runtime, err = makeRoom(&spec); err != nil {
			return nil, err
		}
	}
	sb, err := p.cfg.Driver.Start(ctx, spec)
	if err != nil {
		return nil, err
	}
	e := &Env{
		pool: p, sb: sb, class: t.class(), memory: t.MemoryBytes, began: began,
		events: make(chan event, eventsMax), exited: make(chan struct{}),
		exts: extension.NewRegistry(p.ids.UUID), reason: reasonSpindown,
	}
	e.tele = telemetry.New(p.cfg.Clock.Now, e.dialer())
	e.logs = newCollector(sb.Pipes(), p.cfg.Clock.Now)
	e.api = runtimeapi.New(runtimeapi.Events{
		Ready:     func() { e.push(event{kind: eventReady}) },
		Answered:  func(a runtimeapi.Answer) { e.push(event{eventAnswered, a}) },
		InitError: func(a runtimeapi.Answer) { e.push(event{eventInitError, a}) },
		Other:     e.serve,
	})
	go e.api.Serve(sb.Listener(runtimes.Address))
	go func() { e.settle(sb.Wait()) }()
	if generic {
		err = e.awaitGeneric(ctx)
	} else {
		e.become(t)
		if runtime != nil {
			err = e.muster(ctx, *runtime)
		}
	}
	if err != nil {
		e.kill()
		return nil, err
	}
	return e, nil
}

// settle notes how the runtime ended, which more than one may know.
func (e *Env) settle(state sandbox.ExitState) {
	e.ended.Do(func() {
		e.exit = state
		close(e.exited)
	})
}

func (e *Env) push(ev event) {
	select {
	case e.events <- ev:
	default:
	}
}

// awaitGeneric waits until the process asks which function it is.
func (e *Env) awaitGeneric(ctx context.Context) error {
	timeout := time.NewTimer(initTimeoutDefault)
	defer timeout.Stop()
	select {
	case <-e.events:
		return nil
	case <-e.exited:
		e.logs.finish()
		return fmt.Errorf("pool: the runtime ended while starting (%v): %s", e.exit, e.logs.end())
	case <-timeout.C:
		return fmt.Errorf("pool: the runtime did not start in %v", initTimeoutDefault)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// assign turns a generic environment into the template's.
func (e *Env) assign(t *Template) error {
	e.thaw()
	e.began = time.Now()
	if err := e.furnish(t.mounts()); err != nil {
		return err
	}
	e.become(t)
	env := make(map[string]string, len(t.Env)+1)
	for name, value := range t.Env {
		env[name] = value
	}
	env[handlerVariable] = t.Handler
	order, err := json.Marshal(map[string]any{
		"env": env, "handler": t.Handler, "taskRoot": e.sb.Path(runtimes.TaskRoot),
	})
	if err != nil {
		return err
	}
	return e.api.Assign(order)
}

// furnish attaches the last mounts the environment will ever have.
func (e *Env) furnish(list []sandbox.Mount) error {
	if s, ok := e.sb.(sandbox.Sealer); ok {
		return s.Seal(list...)
	}
	for _, m := range list {
		if err := e.sb.Mount(m); err != nil {
			return err
		}
	}
	return nil
}

// become gives the environment its identity (P1).
func (e *Env) become(t *Template) {
	e.template = t
	e.introduce(t)
	if t.Log != nil {
		e.logs.assign(t.Log)
	}
	if t.Serve == nil {
		return
	}
	for _, addr := range t.Listen {
		go t.Serve(addr, e.sb.Listener(addr))
	}
}

// Owner is what the template of this environment has as its Owner.
func (e *Env) Owner() any { return e.template.Owner }

// Isolation is what holds this environment.
func (e *Env) Isolation() sandbox.Isolation { return e.sb.Isolation() }

// freezeLater freezes the environment unless it is used again soon; freezing and
// thawing at once would cost more than they save. One timer runs on through many
// invocations and looks, when it fires, how things stand: setting it for each would
// cost more than they do.
func (e *Env) freezeLater(after time.Duration) {
	if _, ok := e.sb.(sandbox.Freezer); !ok || after < 0 {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.restAt = time.Now().Add(after); !e.ticking {
		e.tick(after)
	}
}

// tick has rest called after a time. Called with mu held.
func (e *Env) tick(after time.Duration) {
	if e.ticking = true; e.timer == nil {
		e.timer = time.AfterFunc(after, e.rest)
		return
	}
	e.timer.Reset(after)
}

// rest freezes an environment that was not used for long enough.
func (e *Env) rest() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.ticking = false
	if e.restAt.IsZero() || e.frozen {
		return
	}
	switch left := time.Until(e.restAt); {
	case left > 0:
		e.tick(left)
	case !e.tele.Pause(): // in the middle of a word
		e.tick(pauseRetry)
	default:
		e.frozen = e.sb.(sandbox.Freezer).Freeze() == nil
	}
}

func (e *Env) thaw() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.restAt = time.Time{}
	if e.frozen {
		e.frozen = false
		if f, ok := e.sb.(sandbox.Freezer); ok {
			_ = f.Thaw()
		}
	}
	if !e.tele.Idle() {
		e.tele.Resume()
	}
}

// kill ends the environment and frees what it holds on the host.
func (e *Env) kill() {
	e.mu.Lock()
	e.restAt = time.Time{}
	if e.timer != nil {
		e.timer.Stop()
	}
	e.mu.Unlock()
	if e.leading != nil {
		e.leading()
	}
	if err := e.sb.Kill(); err != nil {
		e.pool.cfg.Logger.Error("kill an environment", "error", err)
	}
	e.api.Close()
	e.tele.End()
	if e.crew != nil {
		e.crew.Close()
	}
	e.logs.finish()
	for _, f := range e.sb.Pipes() {
		_ = f.Close()
	}
}

// Invoke runs one invocation, waiting for init where that is still under way.
// The error is not the function's: it is ours, or ctx's, and the environment is
// broken then.
func (e *Env) Invoke(ctx context.Context, inv Invocation) (Result, error) {
	e.thaw()
	e.logs.begin()
	r, err := e.invoke(ctx, inv)
	if err != nil || !r.Outcome.Healthy() {
		e.broken = true
	}
	if e.broken && err == nil {
		// Nothing runs on behind the caller's back, and the log is complete.
		e.stop(r.Outcome)
		r.Exit = e.exit
		e.logs.finish()
	}
	e.logs.drain()
	r.LogTail = e.logs.end()
	r.PeakMemoryBytes = e.peak
	e.tellReport(inv, r)
	return r, err
}

func (e *Env) invoke(ctx context.Context, inv Invocation) (Result, error) {
	var r Result
	if !e.initDone {
		if done, err := e.awaitInit(ctx, &r); done || err != nil {
			return r, err
		}
		e.logs.drain() // what init wrote is init's
	}
	e.logs.name(inv.RequestID)
	if inv.Begun != nil {
		inv.Begun()
	}
	start := time.Now()
	if inv.Timeout > 0 {
		inv.Deadline = start.Add(inv.Timeout)
	}
	e.tellStart(inv)
	err := e.api.Deliver(&runtimeapi.Invocation{
		RequestID: inv.RequestID, Payload: inv.Payload, DeadlineMs: inv.Deadline.UnixMilli(),
		FunctionARN: inv.FunctionARN, TraceID: inv.TraceID, ClientContext: inv.ClientContext,
		CognitoIdentity: inv.CognitoIdentity, TenantID: inv.TenantID, Sink: inv.Sink,
	})
	if err != nil {
		return r, fmt.Errorf("pool: deliver: %w", err)
	}
	err = e.awaitAnswer(ctx, inv, start, &r)
	r.Duration = time.Since(start)
	e.took = r.Duration
	e.sample()
	return r, err
}

// awaitInit waits until runtime and extensions have asked for work. done says that
// they will not.
func (e *Env) awaitInit(ctx context.Context, r *Result) (done bool, err error) {
	r.Cold = true
	limit := time.NewTimer(time.Until(e.began.Add(e.template.initTimeout())))
	defer limit.Stop()
	ready := false
	for done = true; done; {
		all, failure, changed := e.exts.Check(extension.AllReady)
		if failure != nil {
			r.failBy(failure)
			break
		}
		if ready && all {
			done = false
			break
		}
		var ev event
		select {
		case ev = <-e.events:
		case <-changed:
			continue
		case <-e.exited:
			select {
			case ev = <-e.events: // it spoke before it went
			default:
				r.Outcome = e.endedBy(InitExited)
			}
		case <-limit.C:
			r.Outcome = InitTimedOut
		case <-ctx.Done():
			return true, ctx.Err()
		}
		if ev.kind == eventInitError {
			r.Outcome, r.Payload, r.ErrorType = InitFailed, ev.answer.Body, ev.answer.ErrorType
		}
		if r.Outcome != Succeeded {
			break
		}
		ready = true
		e.exts.Close()
	}
	r.InitDuration = time.Since(e.began)
	e.tellInit(r)
	if done {
		return true, nil
	}
	e.initDone, e.listening = true, e.exts.Listening()
	if l, ok := e.sb.(sandbox.CPULimiter); ok && e.template.CPUMilli > 0 {
		return false, l.SetCPU(e.template.CPUMilli)
	}
	return false, nil
}

// awaitAnswer waits until the runtime has answered, and it and the extensions have
// asked for more.
func (e *Env) awaitAnswer(ctx context.Context, inv Invocation, start time.Time, r *Result) error {
	if left := time.Until(inv.Deadline); e.deadline == nil {
		e.deadline = time.NewTimer(left)
	} else {
		e.deadline.Reset(left)
	}
	defer e.deadline.Stop()
	answered, runtimeDone := false, false
	take := func(ev event) {
		if ev.kind == eventReady {
			runtimeDone = answered
			return
		}
		answered, runtimeDone = true, ev.answer.Parked
		r.fill(ev.answer)
		r.ResponseLatency = time.Since(start)
		if (e.listening || r.Streamed) && inv.Answered != nil && !r.Truncated() {
			inv.Answered(*r)
		}
	}
	for {
		done, failure, changed := e.invoked()
		if failure != nil {
			e.broken = true
			if !answered {
				r.failBy(failure)
			}
			return nil
		}
		if runtimeDone && done {
			return nil
		}
		select {
		case ev := <-e.events:
			take(ev)
			if runtimeDone && r.RuntimeDuration == 0 {
				r.RuntimeDuration = time.Since(start)
				e.tellRuntimeDone(inv, *r)
			}
		case <-changed:
		case <-e.exited:
			for len(e.events) > 0 {
				take(<-e.events)
			}
			e.broken = true
			if !answered || r.Truncated() {
				r.Outcome = e.endedBy(Exited)
			}
			return nil
		case <-e.deadline.C:
			e.broken, e.reason = true, reasonTimeout
			if !answered || r.Truncated() {
				r.Outcome = TimedOut
			}
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (r *Result) fill(a runtimeapi.Answer) {
	r.Payload, r.ContentType, r.ErrorType, r.Streamed = a.Body, a.ContentType, a.ErrorType, a.Streamed
	r.PayloadBytes = int64(len(a.Body))
	if a.SunkBytes > 0 {
		r.PayloadBytes = a.SunkBytes
	}
	switch {
	case a.Failed:
		r.Outcome = Failed
	case a.OversizeBytes > 0:
		r.Outcome, r.Payload, r.PayloadBytes = ResponseTooLarge, nil, a.OversizeBytes
	default:
		r.Outcome = Succeeded
	}
}

func (e *Env) endedBy(otherwise Outcome) Outcome {
	if e.exit.OutOfMemory {
		return OutOfMemory
	}
	return otherwise
}

// sample reads the peak memory, now and then: it is far dearer than a call.
func (e *Env) sample() {
	now := time.Now()
	if now.Sub(e.sampled) < statsMinimum {
		return
	}
	e.sampled = now
	if s, err := e.sb.Stats(); err == nil && s.MemoryPeakBytes > e.peak {
		e.peak = s.MemoryPeakBytes
	}
}
