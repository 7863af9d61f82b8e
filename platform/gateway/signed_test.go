package gateway

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/sigv4"
	"moln.dev/moln/platform/service"
)

// A data plane learns who signed a request to it, over its whole body, and
// nothing else of the call changes.
func TestAuthenticateRequest(t *testing.T) {
	h := newHarness(t, service.Endpoint{
		Name: "plane", Match: func(_ *http.Request, host string) bool { return host == "plane.localhost" },
		Serve: func(w http.ResponseWriter, r *http.Request, c *service.Call) {
			body, _ := io.ReadAll(r.Body)
			before := c.Region
			p, err := c.AuthenticateRequest(r.Context(), service.SignedRequest{Service: "restjson", Region: "eu-west-1", Body: body})
			if c.Region != before || c.Caller.ARN != "" {
				t.Errorf("the call is now %s in %s", c.Caller.ARN, c.Region)
			}
			if f := fault.As(err); f != nil {
				http.Error(w, f.Code, f.Status)
				return
			}
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			_, _ = io.WriteString(w, p.ARN+" "+p.AccessKeyID)
		},
	})
	ask := func(change func(r *http.Request)) *httptest.ResponseRecorder {
		r := httptest.NewRequest("POST", "http://plane.localhost:4566/a/b?c=d", strings.NewReader("body"))
		change(r)
		return h.serve(r)
	}
	sign := func(key, svc string) func(*http.Request) { return func(r *http.Request) { h.sign(r, key, svc) } }
	for _, tc := range []struct {
		name   string
		change func(*http.Request)
		status int
		text   string
	}{
		{"signed", sign("ANN", "restjson"), 200, ann.ARN + " ANN"},
		{"not signed", func(*http.Request) {}, 403, "MissingAuthenticationTokenException"},
		{"for another service", sign("ANN", "json"), 403, "InvalidSignatureException"},
		{"no such key", sign("NOBODY", "restjson"), 403, "UnrecognizedClientException"},
		{"inactive key", sign("INACTIVE", "restjson"), 403, "UnrecognizedClientException"},
		{"expired token", sign("ASIAEXPIRED", "restjson"), 403, "ExpiredTokenException"},
		{"directory down", sign("DOWN", "restjson"), 500, errDown.Error()},
		{"another region", func(r *http.Request) {
			sigv4.Sign(r, sigv4.Credentials{AccessKeyID: "ANN", SecretAccessKey: "secret"}, "us-east-1", "restjson", hashOf(r), h.clk.Now())
		}, 403, "InvalidSignatureException"},
		{"wrong secret", func(r *http.Request) {
			h.signAt(r, sigv4.Credentials{AccessKeyID: "ANN", SecretAccessKey: "other"}, "restjson", h.clk.Now())
		}, 403, "InvalidSignatureException"},
		{"another body", func(r *http.Request) {
			h.sign(r, "ANN", "restjson")
			r.Body = io.NopCloser(strings.NewReader("evil"))
		}, 403, "InvalidSignatureException"},
		{"unsigned body", func(r *http.Request) {
			r.Header.Set("X-Amz-Content-Sha256", sigv4.UnsignedPayload)
			sigv4.Sign(r, sigv4.Credentials{AccessKeyID: "ANN", SecretAccessKey: "secret"}, "eu-west-1", "restjson", sigv4.UnsignedPayload, h.clk.Now())
		}, 403, "InvalidSignatureException"},
		{"another path", func(r *http.Request) {
			h.sign(r, "ANN", "restjson")
			r.URL.Path = "/a/c"
			r.RequestURI = "/a/c?c=d"
		}, 403, "InvalidSignatureException"},
		{"too old", func(r *http.Request) {
			h.signAt(r, sigv4.Credentials{AccessKeyID: "ANN", SecretAccessKey: "secret"}, "restjson", h.clk.Now().Add(-time.Hour))
		}, 403, "InvalidSignatureException"},
	} {
		if got := ask(tc.change); got.Code != tc.status || strings.TrimSpace(got.Body.String()) != tc.text {
			t.Errorf("%s: %d %s", tc.name, got.Code, got.Body)
		}
	}
}
