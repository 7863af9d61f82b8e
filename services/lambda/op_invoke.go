package lambda

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	api "moln.dev/moln/api/lambda"
	"moln.dev/moln/aws/arn"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/functions"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/lambda/fn"
	"moln.dev/moln/services/lambda/run"
)

func (s *Service) invokeFunction(ctx context.Context, c *service.Call, in *api.InvokeInput) (*api.InvokeOutput, error) {
	r, err := fn.RefOf(c, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	if smithy.Val(in.DurableExecutionName) != "" {
		return nil, fn.Unsupported("durable executions")
	}
	inv := run.Invocation{
		Ref: r, RequestID: c.RequestID, Payload: in.Payload, Cognito: cognitoOf(c), Trace: traceOf(c),
		Tail: smithy.Val(in.LogType) == api.LogTypeTail, Tenant: smithy.Val(in.TenantId),
	}
	kind := smithy.Val(in.InvocationType)
	if err := inv.Normalise(smithy.Val(in.ClientContext), kind == api.InvocationTypeEvent); err != nil {
		return nil, err
	}
	switch kind {
	case api.InvocationTypeDryRun:
		return &api.InvokeOutput{StatusCode: new(int32(http.StatusNoContent))}, s.admit(ctx, &inv)
	case api.InvocationTypeEvent:
		if err := s.admit(ctx, &inv); err != nil && !fault.Is(err, "RecursiveInvocationException") {
			return nil, err
		}
		return &api.InvokeOutput{StatusCode: new(int32(http.StatusAccepted))}, s.events.Enqueue(ctx, c, inv)
	}
	res, err := s.engine.Invoke(ctx, c, inv)
	if err != nil {
		return nil, err
	}
	out := &api.InvokeOutput{StatusCode: new(int32(http.StatusOK)), Payload: res.Payload, ExecutedVersion: new(res.Version)}
	if res.FunctionError != "" {
		out.FunctionError = new(res.FunctionError)
	}
	if smithy.Val(in.LogType) == api.LogTypeTail {
		out.LogResult = new(res.Tail)
	}
	return out, nil
}

// admit says whether what is to run later, or never, could run. Loops are ended
// when it does, so that the event is not lost without a word.
func (s *Service) admit(ctx context.Context, inv *run.Invocation) error {
	f, v, err := s.engine.Target(ctx, inv.Ref)
	if err != nil {
		return err
	}
	return s.engine.Admit(f, v, inv)
}

// traceOf is the X-Ray header the caller sent.
func traceOf(c *service.Call) string {
	if c.HTTP == nil || c.HTTP.Request == nil {
		return ""
	}
	return c.HTTP.Request.Header.Get(run.TraceHeader)
}

const cognitoProvider = "cognito-identity.amazonaws.com"

// cognitoOf is the caller's Cognito identity, for context.identity.
func cognitoOf(c *service.Call) string {
	id, pool := c.Caller.WebKeys[cognitoProvider+":sub"], c.Caller.WebKeys[cognitoProvider+":aud"]
	if c.Caller.Federated != cognitoProvider || len(id) != 1 || len(pool) != 1 {
		return ""
	}
	raw, _ := json.Marshal(map[string]string{"cognitoIdentityId": id[0], "cognitoIdentityPoolId": pool[0]})
	return string(raw)
}

// InvokeFunction implements functions.Runner: an invocation on behalf of
// another service, judged as req.Caller against the function's policy.
func (s *Service) InvokeFunction(ctx context.Context, req functions.Request) (functions.Response, error) {
	account, region := req.Account, req.Region
	if a, err := arn.Parse(req.FunctionARN); err == nil && strings.HasPrefix(a.Resource, fn.FunctionARNPrefix) {
		account, region = a.Account, a.Region
	}
	r, err := fn.ParseRef(fn.Place{Account: account, Region: region}, req.FunctionARN, "")
	if err != nil {
		return functions.Response{}, err
	}
	c := s.deps.System(r.Account, r.Region).As(req.Caller)
	if c.Depth = req.Depth + 1; c.Depth > service.MaxDepth {
		if f, err := s.store.Function(ctx, r); err != nil || f.RecursiveLoop() != api.RecursiveLoopAllow {
			return functions.Response{}, run.Recursive()
		}
		c.Depth = 1
	}
	// Each event has an id of its own; the request that caused it is noted.
	c.Note("invoked for request " + req.RequestID)
	check, err := s.checkOn(ctx, r, nil)
	if err != nil {
		return functions.Response{}, err
	}
	check.Action = "lambda:InvokeFunction"
	if err := c.Judge(ctx, check); err != nil {
		return functions.Response{}, err
	}
	inv := run.Invocation{Ref: r, RequestID: s.deps.Ident.UUID(), Payload: req.Payload, Trace: req.Trace, Tenant: req.Tenant}
	if err := inv.Normalise(req.ClientContext, req.Kind == functions.Async); err != nil {
		return functions.Response{}, err
	}
	if req.Kind == functions.Async {
		if err := s.admit(ctx, &inv); err != nil && !fault.Is(err, "RecursiveInvocationException") {
			return functions.Response{}, err
		}
		return functions.Response{RequestID: inv.RequestID}, s.events.Enqueue(ctx, c, inv)
	}
	res, err := s.engine.Invoke(ctx, c, inv)
	return functions.Response{Payload: res.Payload, FunctionError: res.FunctionError, Version: res.Version, RequestID: inv.RequestID}, err
}
