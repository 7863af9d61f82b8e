package run

import (
	"context"
	"errors"
	"time"

	"moln.dev/moln/engine/pool"
	"moln.dev/moln/engine/pool/runtimeapi"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/lambda/fn"
	"moln.dev/moln/services/lambda/host"
	"moln.dev/moln/services/lambda/logship"
)

// Invocation is one event for one function.
type Invocation struct {
	Ref           fn.Ref // as the caller named it
	RequestID     string
	Payload       []byte
	clientContext string // JSON
	Cognito       string // JSON
	sink          runtimeapi.Sink
	answered      func(Result) // told when the response in sink has ended
	// Trace is the X-Ray header that the event came with, Tenant whose it is; both
	// may be "".
	Trace, Tenant string
	// Tail says that the caller wants the end of the log with the answer, and so
	// waits until all is over.
	Tail bool
}

// Result is what became of it.
type Result struct {
	Payload       []byte
	FunctionError string
	Version       string
	Tail          string // base64; see Invocation.Tail
	ContentType   string // as the runtime said
}

// Invoke runs one event to its end.
func (e *Engine) Invoke(ctx context.Context, c *service.Call, inv Invocation) (Result, error) {
	f, v, err := e.Target(ctx, inv.Ref)
	if err != nil {
		return Result{}, err
	}
	return e.on(ctx, c, f, v, inv)
}

// on runs one event on a version of its function.
func (e *Engine) on(ctx context.Context, c *service.Call, f *fn.Function, v *fn.Config, inv Invocation) (Result, error) {
	if err := e.Admit(f, v, &inv); err != nil {
		return Result{}, err
	}
	leave, err := e.enter(ctx, fn.At(inv.Ref.Place, inv.Ref.Name, v.Version), f.Reserved)
	if err != nil {
		return Result{}, err
	}
	if !inv.Tail && inv.sink == nil && len(v.Layers) > 0 {
		return e.runAhead(leave, func(answered func(Result)) (Result, error) { return e.run(ctx, c, v, inv, answered) })
	}
	defer leave()
	return e.run(ctx, c, v, inv, inv.answered)
}

// runAhead returns the answer as soon as there is one, while extensions, which
// come in layers, still work on behind it. leave is called when all is over.
func (e *Engine) runAhead(leave func(), run func(answered func(Result)) (Result, error)) (Result, error) {
	type outcome struct {
		Result
		err error
	}
	answers := make(chan outcome, 2) // the early one, and the last word
	go func() {
		defer leave()
		out, err := run(func(r Result) { answers <- outcome{Result: r} })
		answers <- outcome{out, err}
	}()
	got := <-answers
	return got.Result, got.err
}

// Target loads the function and the version that serves this event.
func (e *Engine) Target(ctx context.Context, r fn.Ref) (*fn.Function, *fn.Config, error) {
	f, err := e.store.Function(ctx, r)
	if err != nil {
		return nil, nil, err
	}
	version := r.Qualifier
	if version != "" && version != fn.Latest && !fn.NumberPattern.MatchString(version) {
		a, ok, err := e.store.Alias(ctx, r, version)
		if err != nil {
			return nil, nil, err
		}
		if !ok {
			return nil, nil, fn.NotFound(r.ARN())
		}
		version = a.Version
		if len(a.Weights) > 0 {
			version = a.Pick(e.deps.Ident.IntN(fn.WeightScale))
		}
	}
	v, err := e.store.Numbered(ctx, f, r, version)
	return f, v, err
}

// enter counts the invocation in. The account's reservations are summed up only
// when enough runs for them to matter.
func (e *Engine) enter(ctx context.Context, version fn.Ref, reserved *int32) (leave func(), err error) {
	shared := ConcurrencyMax
	if reserved == nil && e.limits.unreserved(version.Place) >= UnreservedMin {
		u, _, err := e.store.Usage(ctx, version.Place, "")
		if err != nil {
			return nil, err
		}
		shared -= int(u.Reserved)
	}
	leave, reason := e.limits.enter(version, reserved, shared)
	if leave == nil {
		e.meters.throttled(reason)
		return nil, fn.Throttled(reason)
	}
	return leave, nil
}

// run gives the event to an environment of the version. An init that takes too
// long is begun again, once, with the function's own timeout, as Lambda does.
func (e *Engine) run(ctx context.Context, c *service.Call, v *fn.Config, inv Invocation, answered func(Result)) (Result, error) {
	g, err := e.Guard()
	if err != nil {
		return Result{}, err
	}
	l, err := e.prepare(ctx, c, g, inv.Ref, v)
	if err != nil {
		return Result{}, err
	}
	try := attempt{engine: e, guard: g, live: l, v: v, inv: inv, answered: answered, init: initTimeout}
	out, outcome, err := try.once(ctx)
	if err == nil && outcome == pool.InitTimedOut {
		try.init, try.last = v.Timeout(), true
		out, _, err = try.once(ctx)
	}
	return out, err
}

// attempt is one try in one environment.
type attempt struct {
	engine   *Engine
	guard    *host.Guard
	live     *live
	v        *fn.Config
	inv      Invocation
	answered func(Result) // see Engine.runAhead; may be nil
	init     time.Duration
	last     bool
	bound    bool // it ends when its caller does
}

func (a *attempt) once(ctx context.Context) (Result, pool.Outcome, error) {
	e := a.engine
	env, st, err := e.acquire(ctx, a.guard, a.inv, a.live, a.init)
	if start := notStarted(err); start != nil && a.v.Image != nil {
		return e.refuse(a.live, a.v, a.inv, start), pool.InitExited, nil
	}
	if err != nil {
		return Result{}, 0, err
	}
	m := measure{requestID: a.inv.RequestID, version: a.v.Version, memoryMB: a.v.MemoryMB}
	var open []string
	begin := func() {
		now := e.deps.Clock.Now()
		open = opening(a.v, m, now)
		addAll(st, now, open)
	}
	// An invocation that was begun is ended, whoever waits for it or not.
	whole := context.WithoutCancel(ctx)
	if a.bound {
		whole = ctx
	}
	r, err := env.Invoke(whole, a.event(begin))
	a.guard.Pool.Release(env, err == nil && r.Outcome.Healthy())
	if err != nil {
		if errors.Is(err, pool.ErrClosed) {
			err = errClosed
		}
		return Result{}, 0, err
	}
	if r.Outcome == pool.InitTimedOut && !a.last {
		return Result{}, r.Outcome, nil
	}
	if open == nil { // init failed: the invocation fails with it
		begin()
	}
	e.meters.ended(r)
	return a.conclude(r, m, st, open), r.Outcome, nil
}

// event is what the environment gets.
func (a *attempt) event(begin func()) pool.Invocation {
	inv := pool.Invocation{
		RequestID: a.inv.RequestID, Payload: a.inv.Payload, Timeout: a.v.Timeout(), FunctionARN: a.inv.Ref.ARN(),
		TraceID: a.engine.traceOf(a.inv), TenantID: a.inv.Tenant, ClientContext: a.inv.clientContext, CognitoIdentity: a.inv.Cognito, Begun: begin, Sink: a.inv.sink,
	}
	if a.answered != nil {
		inv.Answered = func(r pool.Result) {
			said := judge(r, a.v, a.inv.RequestID, a.engine.deps.Clock.Now())
			a.answered(Result{Payload: said.payload, FunctionError: said.functionError, Version: a.v.Version, ContentType: r.ContentType})
		}
	}
	return inv
}

// conclude words the result and ends the invocation's part of the log.
func (a *attempt) conclude(r pool.Result, m measure, st *logship.Stream, open []string) Result {
	now := a.engine.deps.Clock.Now()
	said := judge(r, a.v, a.inv.RequestID, now)
	m.duration, m.init, m.peakBytes, m.status, m.errorType = r.Duration, r.InitDuration, r.PeakMemoryBytes, said.status, said.errorType
	if said.logLine != "" {
		st.Add(now, said.logLine)
	}
	shut := closing(a.v, m, now)
	addAll(st, now, shut)
	out := Result{Payload: said.payload, FunctionError: said.functionError, Version: a.v.Version, ContentType: r.ContentType}
	if a.inv.Tail {
		out.Tail = logResult(open, r.LogTail+said.logLine, shut)
	}
	return out
}

func addAll(st *logship.Stream, at time.Time, lines []string) {
	for _, text := range lines {
		st.Add(at, text)
	}
}
