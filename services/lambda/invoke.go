package lambda

import (
	"context"
	"errors"
	"slices"
	"time"

	"moln.dev/moln/engine/pool"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/lambda/host"
	"moln.dev/moln/services/lambda/logship"
)

// weightScale is the precision of an alias's weights.
const weightScale = 1_000_000

// invocation is one event for one function.
type invocation struct {
	r             ref // as the caller named it
	requestID     string
	payload       []byte
	clientContext string // JSON
	cognito       string // JSON
}

// result is what became of it.
type result struct {
	payload       []byte
	functionError string
	version       string
	tail          string // base64
}

// invoke runs one event to its end.
func (s *Service) invoke(ctx context.Context, c *service.Call, inv invocation) (result, error) {
	f, v, err := s.target(ctx, inv.r)
	if err != nil {
		return result{}, err
	}
	leave, err := s.enter(ctx, inv.r, f.Reserved)
	if err != nil {
		return result{}, err
	}
	defer leave()
	return s.engine.run(ctx, c, v, inv)
}

// target loads the function and the version that serves this event.
func (s *Service) target(ctx context.Context, r ref) (*function, *config, error) {
	f, err := s.store.function(ctx, r)
	if err != nil {
		return nil, nil, err
	}
	version := r.qualifier
	if version != "" && version != latest && !numberPattern.MatchString(version) {
		a, ok, err := s.store.alias(ctx, r, version)
		if err != nil {
			return nil, nil, err
		}
		if !ok {
			return nil, nil, notFound(r.arn())
		}
		version = a.Version
		if len(a.Weights) > 0 {
			version = a.pick(s.deps.Ident.IntN(weightScale))
		}
	}
	v, err := s.store.numbered(ctx, f, r, version)
	return f, v, err
}

// pick chooses a version by weight; at is uniform in [0, weightScale).
func (a *alias) pick(at int) string {
	versions := make([]string, 0, len(a.Weights))
	for v := range a.Weights {
		versions = append(versions, v)
	}
	slices.Sort(versions)
	for _, v := range versions {
		share := int(a.Weights[v] * weightScale)
		if at < share {
			return v
		}
		at -= share
	}
	return a.Version
}

// enter counts the invocation in. The account's reservations are summed up only
// when enough runs for them to matter.
func (s *Service) enter(ctx context.Context, r ref, reserved *int32) (leave func(), err error) {
	shared := concurrencyMax
	if reserved == nil && s.engine.limits.unreserved(r.place) >= unreservedMin {
		u, _, err := s.usage(ctx, r.place, "")
		if err != nil {
			return nil, err
		}
		shared -= int(u.reserved)
	}
	leave, reason := s.engine.limits.enter(r, reserved, shared)
	if leave == nil {
		s.engine.meters.throttled(reason)
		return nil, throttled(reason)
	}
	return leave, nil
}

// run gives the event to an environment of the version. An init that takes too
// long is begun again, once, with the function's own timeout, as Lambda does.
func (e *engine) run(ctx context.Context, c *service.Call, v *config, inv invocation) (result, error) {
	g, err := e.guard()
	if err != nil {
		return result{}, err
	}
	l, err := e.prepare(ctx, c, g, inv.r, v)
	if err != nil {
		return result{}, err
	}
	out, outcome, err := e.once(ctx, g, l, v, inv, initTimeout)
	if err == nil && outcome == pool.InitTimedOut {
		out, _, err = e.once(ctx, g, l, v, inv, v.timeout())
	}
	return out, err
}

// once is one try in one environment.
func (e *engine) once(ctx context.Context, g *host.Guard, l *live, v *config, inv invocation, init time.Duration) (result, pool.Outcome, error) {
	env, st, cold, err := e.acquire(ctx, g, inv.r, v, l, init)
	if err != nil {
		return result{}, 0, err
	}
	m := measure{requestID: inv.requestID, version: v.Version, memoryMB: v.MemoryMB}
	if cold {
		m.runtimeTag = v.Runtime
	}
	open := opening(v, m, e.s.deps.Clock.Now())
	addAll(st, e.s.deps.Clock.Now(), open)
	// An invocation that was begun is ended, whoever waits for it or not.
	r, err := env.Invoke(context.WithoutCancel(ctx), pool.Invocation{
		RequestID: inv.requestID, Payload: inv.payload, Timeout: v.timeout(), FunctionARN: inv.r.arn(),
		TraceID: e.traceID(), ClientContext: inv.clientContext, CognitoIdentity: inv.cognito,
	})
	g.Pool.Release(env, err == nil && r.Outcome.Healthy())
	if err != nil {
		if errors.Is(err, pool.ErrClosed) {
			err = errClosed
		}
		return result{}, 0, err
	}
	e.meters.ended(r)
	now := e.s.deps.Clock.Now()
	said := judge(r, v, inv.requestID, now)
	m.duration, m.init, m.peakBytes, m.status, m.errorType = r.Duration, r.InitDuration, r.PeakMemoryBytes, said.status, said.errorType
	body := r.LogTail
	if said.logLine != "" {
		st.Add(now, said.logLine)
		body += said.logLine
	}
	shut := closing(v, m, now)
	addAll(st, now, shut)
	return result{
		payload: said.payload, functionError: said.functionError, version: v.Version, tail: logResult(open, body, shut),
	}, r.Outcome, nil
}

func addAll(st *logship.Stream, at time.Time, lines []string) {
	for _, text := range lines {
		st.Add(at, text)
	}
}

// traceID is a new root for X-Ray headers; nothing is sampled.
func (e *engine) traceID() string {
	id := e.s.deps.Ident
	stamp := hexSeconds(e.s.deps.Clock.Now())
	return "Root=1-" + stamp + "-" + id.Hex(12) + ";Parent=" + id.Hex(8) + ";Sampled=0"
}
