package gateway

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"moln.dev/moln/aws/sigv4"
	"moln.dev/moln/platform/service"
)

// TestRegionsCannotReachIntoARNs: the region of a credential scope becomes part
// of the ARNs that policies are matched with.
func TestRegionsCannotReachIntoARNs(t *testing.T) {
	h := newHarness(t)
	for _, region := range []string{"us-east-1:000000000000:function:allowed", "*", "us-east-1\u2028", "US-EAST-1", strings.Repeat("a", regionMax+1)} {
		r := request("json", "Echo", "x")
		sigv4.Sign(r, sigv4.Credentials{AccessKeyID: "ROOT", SecretAccessKey: "secret"}, region, "json", hashOf(r), h.clk.Now())
		h.wants("region "+region, r, answer{400, "InvalidSignatureException", "Credential should be scoped to a valid region. "})
	}
	if len(h.f.calls) != 0 {
		t.Error("a handler ran")
	}
}

// endless is a body without end; it counts what was taken of it.
type endless struct{ taken int }

func (e *endless) Read(p []byte) (int, error) {
	e.taken += len(p)
	return len(p), nil
}

func TestUnsignedBodiesAreSmall(t *testing.T) {
	h := newHarness(t)
	r := request("json", "Open", "x")
	body := &endless{}
	r.Body, r.ContentLength = io.NopCloser(body), -1
	if w := h.serve(r); w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("endless body: %d %s", w.Code, w.Body)
	}
	if body.taken > 2*anonymousBodyMax {
		t.Errorf("took %d bytes from a stranger", body.taken)
	}
}

// TestBodiesInFlightAreBounded: many large bodies at once are refused, not
// taken until the machine has no memory, and what was held is given back.
func TestBodiesInFlightAreBounded(t *testing.T) {
	h := newHarness(t)
	if !h.g.memory.take(heldMax - 10) {
		t.Fatal("the bound is lower than it says")
	}
	w := h.serve(h.sign(request("json", "Echo", "something longer than ten bytes"), "ROOT", "json"))
	if w.Code != http.StatusServiceUnavailable {
		t.Errorf("beyond the bound: %d %s", w.Code, w.Body)
	}
	h.g.memory.held.Add(-(heldMax - 10))
	if w := h.serve(h.sign(request("json", "Echo", "x"), "ROOT", "json")); w.Code != http.StatusOK {
		t.Errorf("below it: %d %s", w.Code, w.Body)
	}
	if held := h.g.memory.held.Load(); held != 0 {
		t.Errorf("%d bytes are still held", held)
	}
}

// TestStreamsAreNotHeld: a data plane that keeps no bodies is not bounded by what
// others keep, and takes nothing from them.
func TestStreamsAreNotHeld(t *testing.T) {
	for _, streams := range []bool{true, false} {
		var got int64
		var err error
		h := newHarness(t, service.Endpoint{
			Name: "sink", Streams: streams, Match: func(_ *http.Request, host string) bool { return host == "sink.localhost" },
			Serve: func(_ http.ResponseWriter, r *http.Request, _ *service.Call) { got, err = io.Copy(io.Discard, r.Body) },
		})
		if !h.g.memory.take(heldMax - 10) {
			t.Fatal("the bound is lower than it says")
		}
		h.serve(httptest.NewRequest("POST", "http://sink.localhost/", strings.NewReader("something longer than ten bytes")))
		if (err == nil) != streams || streams && got != 31 {
			t.Errorf("streams %t: %d bytes, %v", streams, got, err)
		}
		if held := h.g.memory.held.Load(); held != heldMax-10 {
			t.Errorf("streams %t: %d bytes are held", streams, held-(heldMax-10))
		}
	}
}
