package apigateway

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	api "moln.dev/moln/api/apigateway"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/clock"
	"moln.dev/moln/engine/ident"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/memkv"
	"moln.dev/moln/platform/functions"
	"moln.dev/moln/platform/identity"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/platform/tokens"
)

const (
	functionARN = "arn:aws:lambda:us-east-1:000000000000:function:notes"
	functionURI = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/" + functionARN + "/invocations"
	poolARN     = "arn:aws:cognito-idp:us-east-1:000000000000:userpool/us-east-1_abc"
)

// runner answers invocations and keeps them.
type runner struct {
	requests []functions.Request
	answer   func(ctx context.Context, req functions.Request) (functions.Response, error)
}

func (r *runner) InvokeFunction(ctx context.Context, req functions.Request) (functions.Response, error) {
	r.requests = append(r.requests, req)
	return r.answer(ctx, req)
}

// verifier knows tokens by their text.
type verifier map[string]tokens.Claims

func (v verifier) VerifyToken(_ context.Context, pool, token string, _ time.Time) (tokens.Claims, error) {
	c, ok := v[token]
	switch {
	case !ok || pool != poolARN:
		return c, tokens.ErrBadSignature
	case c.Subject == "expired":
		return c, tokens.ErrExpired
	}
	return c, nil
}

func (verifier) CheckSession(context.Context, string, tokens.Claims) error { return nil }

// backend calls operations as the gateway does. It judges only what handlers
// ask, and keeps it.
type backend struct {
	ops    map[string]service.Operation
	judged []service.Check
	judge  func(service.Check) error // nil: everything is allowed
}

func (b *backend) Dispatch(ctx context.Context, c *service.Call, op smithy.Descriptor, in any) (any, error) {
	_, o := op.Of()
	return b.ops[o.Name].Call(ctx, c, in)
}

func (b *backend) Judge(_ context.Context, _ *service.Call, check service.Check) error {
	b.judged = append(b.judged, check)
	if b.judge == nil {
		return nil
	}
	return b.judge(check)
}

func (*backend) Assume(_ context.Context, _ *service.Call, a service.Assume) (service.Session, error) {
	var p identity.Principal
	p.RoleARN = a.RoleARN
	return service.Session{Principal: p}, nil
}

type harness struct {
	t       *testing.T
	def     service.Definition
	clk     *clock.Fake
	lambda  *runner
	backend *backend
	id      *string
	root    *string
}

func newHarness(t *testing.T) *harness {
	t.Helper()
	clk := clock.NewFake(time.Date(2026, 11, 3, 4, 5, 6, 0, time.UTC))
	h := &harness{t: t, clk: clk, lambda: &runner{}, backend: &backend{ops: map[string]service.Operation{}}}
	h.lambda.answer = func(context.Context, functions.Request) (functions.Response, error) {
		return functions.Response{Payload: []byte(`{"statusCode":200,"body":"ok"}`)}, nil
	}
	d := service.Deps{KV: kv.New(memkv.New()), Clock: clk, Ident: ident.NewSeeded(1, clk), Log: slog.New(slog.DiscardHandler), Functions: new(functions.Broker)}
	d.Functions.Bind(h.lambda)
	broker := new(tokens.Broker)
	broker.Bind(verifier{
		"good":    {Use: tokens.UseID, ClientID: "client", All: map[string]any{"sub": "u1", "exp": json.Number("1762142706"), "cognito:groups": []any{"a", "b"}, "email_verified": true}},
		"access":  {Use: tokens.UseAccess, Scopes: []string{"notes/read"}, All: map[string]any{"sub": "u1"}},
		"expired": {Subject: "expired"},
	})
	h.def = New(d, broker).Definition()
	for _, op := range h.def.Operations {
		_, o := op.Of()
		h.backend.ops[o.Name] = op
	}
	return h
}

// withAPI makes an API.
func withAPI(t *testing.T, edit func(in *api.CreateRestApiInput)) *harness {
	t.Helper()
	h := newHarness(t)
	in := &api.CreateRestApiInput{Name: new("notes")}
	if edit != nil {
		edit(in)
	}
	out := must(h, api.CreateRestApi, in)
	h.id, h.root = out.Id, out.RootResourceId
	return h
}

func (h *harness) call() *service.Call {
	return service.NewCall(h.backend, service.Call{
		Caller: identity.Anonymous(), Account: "000000000000", Region: "us-east-1", RequestID: "req", Now: h.clk.Now(), Log: slog.New(slog.DiscardHandler),
	})
}

func do[In, Out any](h *harness, op smithy.Op[In, Out], in *In) (*Out, error) {
	h.t.Helper()
	return service.Invoke(context.Background(), h.call(), op, in)
}

func must[In, Out any](h *harness, op smithy.Op[In, Out], in *In) *Out {
	h.t.Helper()
	out, err := do(h, op, in)
	if err != nil {
		h.t.Fatal(err)
	}
	return out
}

func refused[In, Out any](h *harness, op smithy.Op[In, Out], in *In, code, message string) {
	h.t.Helper()
	_, err := do(h, op, in)
	if f := fault.As(err); f == nil || f.Code != code || !strings.Contains(f.Message, message) {
		h.t.Errorf("got %v, want %s: %s", err, code, message)
	}
}

// resource makes the resources of a path.
func (h *harness) resource(path string) *string {
	h.t.Helper()
	at := h.root
	for _, p := range strings.Split(strings.Trim(path, "/"), "/") {
		if p != "" {
			at = must(h, api.CreateResource, &api.CreateResourceInput{RestApiId: h.id, ParentId: at, PathPart: &p}).Id
		}
	}
	return at
}

// method makes a method with an integration.
func (h *harness) method(r *string, verb string, m api.PutMethodInput, i api.PutIntegrationInput) {
	h.t.Helper()
	m.RestApiId, m.ResourceId, m.HttpMethod, m.AuthorizationType = h.id, r, &verb, or(m.AuthorizationType, authNone)
	must(h, api.PutMethod, &m)
	i.RestApiId, i.ResourceId, i.HttpMethod = h.id, r, &verb
	if val(i.Type) == "" {
		i.Type, i.IntegrationHttpMethod, i.Uri = new("AWS_PROXY"), new("POST"), new(functionURI)
	}
	must(h, api.PutIntegration, &i)
}

func (h *harness) deploy() {
	h.t.Helper()
	must(h, api.CreateDeployment, &api.CreateDeploymentInput{RestApiId: h.id, StageName: new("dev")})
}

type answer struct {
	status int
	header http.Header
	body   string
}

// send calls the stage.
func (h *harness) send(verb, path, body string, headers ...string) answer {
	h.t.Helper()
	r := httptest.NewRequest(verb, "http://"+*h.id+".execute-api.us-east-1.amazonaws.com/dev"+path, strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return h.exchange(r)
}

func (h *harness) exchange(r *http.Request) answer {
	h.t.Helper()
	e := h.def.Endpoints[0]
	if !e.Match(r, hostOf(r)) {
		h.t.Fatalf("%s is not taken for a stage", r.URL)
	}
	w := httptest.NewRecorder()
	e.Serve(w, r, h.call())
	b, err := io.ReadAll(w.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return answer{w.Code, w.Header(), string(b)}
}

func (h *harness) wants(a answer, status int, body string) {
	h.t.Helper()
	if a.status != status || a.body != body {
		h.t.Errorf("got %d %s, want %d %s", a.status, a.body, status, body)
	}
}
