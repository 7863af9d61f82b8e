package lambda

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	api "moln.dev/moln/api/lambda"
	"moln.dev/moln/aws/arn"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/functions"
	"moln.dev/moln/platform/service"
)

// Limits of an event.
const (
	syncBytesMax    = 6 << 20
	asyncBytesMax   = 1 << 20
	contextBytesMax = 3583
)

func hexSeconds(t time.Time) string { return fmt.Sprintf("%08x", uint32(t.Unix())) }

func (s *Service) invokeFunction(ctx context.Context, c *service.Call, in *api.InvokeInput) (*api.InvokeOutput, error) {
	r, err := refOf(c, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	if smithy.Val(in.TenantId) != "" {
		return nil, invalid("The invoked function is not enabled with tenancy configuration. Remove the tenant ID from your request and try again.")
	}
	if smithy.Val(in.DurableExecutionName) != "" {
		return nil, unsupported("durable executions")
	}
	inv := invocation{r: r, requestID: c.RequestID, payload: in.Payload, cognito: cognitoOf(c)}
	kind := smithy.Val(in.InvocationType)
	if err := inv.normalise(smithy.Val(in.ClientContext), kind == api.InvocationTypeEvent); err != nil {
		return nil, err
	}
	switch kind {
	case api.InvocationTypeDryRun:
		_, _, err := s.target(ctx, r)
		return &api.InvokeOutput{StatusCode: new(int32(http.StatusNoContent))}, err
	case api.InvocationTypeEvent:
		if _, _, err := s.target(ctx, r); err != nil {
			return nil, err
		}
		return &api.InvokeOutput{StatusCode: new(int32(http.StatusAccepted))}, s.enqueue(ctx, c, inv)
	}
	res, err := s.invoke(ctx, c, inv)
	if err != nil {
		return nil, err
	}
	out := &api.InvokeOutput{StatusCode: new(int32(http.StatusOK)), Payload: res.payload, ExecutedVersion: new(res.version)}
	if res.functionError != "" {
		out.FunctionError = new(res.functionError)
	}
	if smithy.Val(in.LogType) == api.LogTypeTail {
		out.LogResult = new(res.tail)
	}
	return out, nil
}

// normalise checks an event and its client context. No payload is an empty
// object.
func (inv *invocation) normalise(clientContext string, async bool) error {
	limit := syncBytesMax
	if async {
		limit = asyncBytesMax
	}
	if len(inv.payload) > limit {
		return api.ErrRequestTooLargeException("Request must be smaller than %d bytes for the InvokeFunction operation", limit)
	}
	if len(bytes.TrimSpace(inv.payload)) == 0 {
		inv.payload = []byte("{}")
	}
	if !json.Valid(inv.payload) {
		var v any
		return api.ErrInvalidRequestContentException("Could not parse request body into json: Could not parse payload into json: %v", json.Unmarshal(inv.payload, &v))
	}
	if clientContext == "" || async {
		return nil
	}
	if len(clientContext) > contextBytesMax {
		return api.ErrInvalidRequestContentException("Client context must be no more than %d bytes when base64-encoded.", contextBytesMax)
	}
	raw, err := base64.StdEncoding.DecodeString(clientContext)
	if err != nil || !json.Valid(raw) {
		return api.ErrInvalidRequestContentException("Client context must be a valid Base64-encoded JSON object.")
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, raw); err != nil {
		return err
	}
	inv.clientContext = compact.String()
	return nil
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
	if req.Depth >= service.MaxDepth {
		return functions.Response{}, api.ErrRecursiveInvocationException("The request has passed %d services and is taken for a loop.", req.Depth)
	}
	account, region := req.Account, req.Region
	if a, err := arn.Parse(req.FunctionARN); err == nil && strings.HasPrefix(a.Resource, functionARNPrefix) {
		account, region = a.Account, a.Region
	}
	r, err := parseRef(place{account, region}, req.FunctionARN, "")
	if err != nil {
		return functions.Response{}, err
	}
	c := s.deps.System(r.account, r.region).As(req.Caller)
	c.Depth = req.Depth + 1
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
	inv := invocation{r: r, requestID: s.deps.Ident.UUID(), payload: req.Payload}
	if err := inv.normalise(req.ClientContext, req.Kind == functions.Async); err != nil {
		return functions.Response{}, err
	}
	if req.Kind == functions.Async {
		if _, _, err := s.target(ctx, r); err != nil {
			return functions.Response{}, err
		}
		return functions.Response{RequestID: inv.requestID}, s.enqueue(ctx, c, inv)
	}
	res, err := s.invoke(ctx, c, inv)
	return functions.Response{Payload: res.payload, FunctionError: res.functionError, Version: res.version, RequestID: inv.requestID}, err
}
