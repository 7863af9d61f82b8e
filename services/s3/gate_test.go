package s3

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/sigv4"
	"moln.dev/moln/engine/ident"
	"moln.dev/moln/engine/observe"
	"moln.dev/moln/platform/audit"
	"moln.dev/moln/platform/gateway"
	"moln.dev/moln/platform/identity"
	"moln.dev/moln/platform/service"
)

const stranger = "222233334444"

// people are the callers of the tests, by access key; each key is its secret.
type people map[string]identity.Principal

func rootOf(account string) identity.Principal {
	return identity.Principal{Principal: policy.Principal{Kind: policy.Root, AccountID: account, ARN: "arn:aws:iam::" + account + ":root", UserID: account}}
}

func userOf(account, name string) identity.Principal {
	return identity.Principal{UserName: name, Principal: policy.Principal{Kind: policy.User, AccountID: account, ARN: "arn:aws:iam::" + account + ":user/" + name, UserID: "AIDA" + strings.ToUpper(name)}}
}

// everybody: owner and other are root users; ann has no permissions in the
// owner's account, bob all of them, and eve has them in the other account.
var everybody = people{
	"owner": rootOf(account), "ann": userOf(account, "ann"), "bob": userOf(account, "bob"),
	"other": rootOf(stranger), "eve": userOf(stranger, "eve"),
}

// Credential implements identity.Directory.
func (p people) Credential(_ context.Context, id, _ string) (identity.Credential, error) {
	who, ok := p[id]
	if !ok {
		return identity.Credential{}, identity.ErrUnknownKey
	}
	return identity.Credential{Secret: id, Principal: who}, nil
}

// Policies implements identity.Directory.
func (p people) Policies(_ context.Context, who identity.Principal) (identity.Policies, error) {
	if who.UserName != "bob" && who.UserName != "eve" {
		return identity.Policies{}, nil
	}
	all, err := policy.Parse([]byte(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}`), policy.Identity)
	return identity.Policies{Identity: []*policy.Policy{all}}, err
}

// gate is the service behind a real gateway.
type gate struct {
	t *testing.T
	w *world
	h http.Handler
}

func newGate(t *testing.T) *gate {
	w := newWorld(t)
	log, err := audit.New("")
	if err != nil {
		t.Fatal(err)
	}
	g, err := gateway.New(gateway.Config{
		Services: []service.Definition{w.s.ControlDefinition(), w.s.Definition()}, Directory: everybody, Clock: w.clock, Ident: ident.NewSeeded(2, w.clock),
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Metrics: observe.NewRegistry(), Audit: log, Account: account, Suffixes: []string{"localhost"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return &gate{t, w, g}
}

// request is one request and who makes it; "" is nobody.
type request struct {
	who, method, target, body string
	header                    []string // name, value, …
}

func (g *gate) http(q request) *http.Request {
	r := httptest.NewRequest(q.method, "http://s3.localhost"+q.target, strings.NewReader(q.body))
	if strings.HasPrefix(q.target, "http") {
		r = httptest.NewRequest(q.method, q.target, strings.NewReader(q.body))
	}
	for i := 0; i < len(q.header); i += 2 {
		r.Header.Set(q.header[i], q.header[i+1])
	}
	if q.who != "" {
		sigv4.Sign(r, sigv4.Credentials{AccessKeyID: q.who, SecretAccessKey: q.who}, "us-east-1", "s3", sigv4.UnsignedPayload, g.w.clock.Now())
	}
	return r
}

// do makes a request and gives the status and the error's code or the body.
func (g *gate) do(q request) (int, string) {
	rec := httptest.NewRecorder()
	g.h.ServeHTTP(rec, g.http(q))
	body := rec.Body.String()
	if _, rest, ok := strings.Cut(body, "<Code>"); ok && rec.Code >= 300 {
		body, _, _ = strings.Cut(rest, "</Code>")
	}
	return rec.Code, body
}

// want makes a request that must be answered so.
func (g *gate) want(status int, code string, q request) string {
	g.t.Helper()
	got, body := g.do(q)
	if got != status || (code != "" && body != code) {
		g.t.Errorf("%s %s %s %v: %d %s, want %d %s", q.who, q.method, q.target, q.header, got, body, status, code)
	}
	return body
}

// open makes a bucket whose access control lists count and that blocks nothing.
func (g *gate) open(name, ownership string) {
	g.t.Helper()
	g.want(200, "", request{who: "owner", method: "PUT", target: "/" + name, header: []string{"X-Amz-Object-Ownership", ownership}})
	g.want(204, "", request{who: "owner", method: "DELETE", target: "/" + name + "?publicAccessBlock"})
}

func (g *gate) now() time.Time { return g.w.clock.Now() }
