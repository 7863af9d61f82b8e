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
}

// Result is what became of it.
type Result struct {
	Payload       []byte
	FunctionError string
	Version       string
	Tail          string // base64
	contentType   string
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
	leave, err := e.enter(ctx, fn.At(inv.Ref.Place, inv.Ref.Name, v.Version), f.Reserved)
	if err != nil {
		return Result{}, err
	}
	defer leave()
	return e.run(ctx, c, v, inv)
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
func (e *Engine) run(ctx context.Context, c *service.Call, v *fn.Config, inv Invocation) (Result, error) {
	g, err := e.Guard()
	if err != nil {
		return Result{}, err
	}
	l, err := e.prepare(ctx, c, g, inv.Ref, v)
	if err != nil {
		return Result{}, err
	}
	out, outcome, err := e.once(ctx, g, l, v, inv, initTimeout)
	if err == nil && outcome == pool.InitTimedOut {
		out, _, err = e.once(ctx, g, l, v, inv, v.Timeout())
	}
	return out, err
}

// once is one try in one environment.
func (e *Engine) once(ctx context.Context, g *host.Guard, l *live, v *fn.Config, inv Invocation, init time.Duration) (Result, pool.Outcome, error) {
	env, st, cold, err := e.acquire(ctx, g, inv.Ref, v, l, init)
	if err != nil {
		return Result{}, 0, err
	}
	m := measure{requestID: inv.RequestID, version: v.Version, memoryMB: v.MemoryMB}
	if cold {
		m.runtimeTag = v.Runtime
	}
	open := opening(v, m, e.deps.Clock.Now())
	addAll(st, e.deps.Clock.Now(), open)
	// An invocation that was begun is ended, whoever waits for it or not.
	r, err := env.Invoke(context.WithoutCancel(ctx), pool.Invocation{
		RequestID: inv.RequestID, Payload: inv.Payload, Timeout: v.Timeout(), FunctionARN: inv.Ref.ARN(),
		TraceID: e.traceID(), ClientContext: inv.clientContext, CognitoIdentity: inv.Cognito, Sink: inv.sink,
	})
	g.Pool.Release(env, err == nil && r.Outcome.Healthy())
	if err != nil {
		if errors.Is(err, pool.ErrClosed) {
			err = errClosed
		}
		return Result{}, 0, err
	}
	e.meters.ended(r)
	now := e.deps.Clock.Now()
	said := judge(r, v, inv.RequestID, now)
	m.duration, m.init, m.peakBytes, m.status, m.errorType = r.Duration, r.InitDuration, r.PeakMemoryBytes, said.status, said.errorType
	body := r.LogTail
	if said.logLine != "" {
		st.Add(now, said.logLine)
		body += said.logLine
	}
	shut := closing(v, m, now)
	addAll(st, now, shut)
	return Result{
		Payload: said.payload, FunctionError: said.functionError, Version: v.Version, Tail: logResult(open, body, shut),
		contentType: r.ContentType,
	}, r.Outcome, nil
}

func addAll(st *logship.Stream, at time.Time, lines []string) {
	for _, text := range lines {
		st.Add(at, text)
	}
}

// traceID is a new root for X-Ray headers; nothing is sampled.
func (e *Engine) traceID() string {
	id := e.deps.Ident
	stamp := hexSeconds(e.deps.Clock.Now())
	return "Root=1-" + stamp + "-" + id.Hex(12) + ";Parent=" + id.Hex(8) + ";Sampled=0"
}
