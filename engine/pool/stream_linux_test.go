package pool

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"moln.dev/moln/engine/pool/runtimeapi"
)

// sink keeps what it is given.
type sink struct {
	mu          sync.Mutex
	contentType string
	buf         bytes.Buffer
	writes      int
	first       chan struct{} // closed at the first Write
	fail        error
}

func newSink() *sink { return &sink{first: make(chan struct{})} }

func (s *sink) Begin(contentType string) { s.contentType = contentType }

func (s *sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.writes == 0 {
		close(s.first)
	}
	s.writes++
	if s.fail != nil {
		return 0, s.fail
	}
	return s.buf.Write(p)
}

func (s *sink) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.String()
}

// stream invokes with to as the sink of the response.
func (h *host) stream(t *testing.T, tmpl *Template, to runtimeapi.Sink, timeout time.Duration) Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	e, _, err := h.pool.Acquire(ctx, tmpl)
	if err != nil {
		t.Fatal(err)
	}
	r, err := e.Invoke(ctx, Invocation{RequestID: "r1", Payload: []byte(`{}`), Timeout: timeout, FunctionARN: "arn", Sink: to})
	h.pool.Release(e, err == nil && r.Outcome.Healthy())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

const streaming = "exports.handler = awslambda.streamifyResponse(async (event, out, context) => {"

func TestStreamedResponses(t *testing.T) {
	h := newHost(t, nil)
	for _, tc := range []struct {
		name, code  string
		outcome     Outcome
		contentType string
		text        string // what came, exactly
		err         string // part of the error's body
	}{
		{"chunks", `out.setContentType('text/plain'); out.write('a'); out.write(Buffer.from('b')); out.write({c: 1}); out.end('d');`, Succeeded, "text/plain", `ab{"c":1}d`, ""},
		{"nothing", `out.end();`, Succeeded, "application/octet-stream", "", ""},
		{"pipeline", `const {pipeline} = require('stream/promises'); const {Readable} = require('stream'); await pipeline(Readable.from(['x', 'y', 'z']), out);`, Succeeded, "application/octet-stream", "xyz", ""},
		{"end later", `setTimeout(() => out.end('late'), 20);`, Succeeded, "application/octet-stream", "late", ""},
		{"metadata", `out = awslambda.HttpResponseStream.from(out, {statusCode: 201}); out.write('body'); out.end();`, Succeeded, "application/vnd.awslambda.http-integration-response", "{\"statusCode\":201}\x00\x00\x00\x00\x00\x00\x00\x00body", ""},
		{"metadata only", `out = awslambda.HttpResponseStream.from(out, {statusCode: 204}); out.end();`, Succeeded, "application/vnd.awslambda.http-integration-response", "{\"statusCode\":204}\x00\x00\x00\x00\x00\x00\x00\x00", ""},
		{"throws before", `throw new TypeError('early');`, Failed, "application/octet-stream", "", `"errorType":"TypeError","errorMessage":"early"`},
		{"throws after", `out.write('some'); await new Promise((r) => setTimeout(r, 20)); throw new Error('mid');`, Failed, "application/octet-stream", "some", `"errorMessage":"mid"`},
		{"type too late", `out.write('some'); out.setContentType('x');`, Failed, "application/octet-stream", "", `Cannot set content-type, too late.`},
		{"source fails", `const {pipeline} = require('stream/promises'); await pipeline(async function* () { yield 'one'; throw new Error('dry'); }, out);`, Failed, "application/octet-stream", "", `"errorMessage":"dry"`},
		{"uncaught", `out.write('some'); setTimeout(() => { throw new Error('loose'); }, 20); await new Promise(() => {});`, Failed, "application/octet-stream", "some", `"errorMessage":"loose"`},
		{"exits", `out.write('some'); setTimeout(() => process.exit(3), 50); await new Promise(() => {});`, Exited, "application/octet-stream", "some", ""},
		{"never ends", `out.write('some');`, TimedOut, "application/octet-stream", "some", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tmpl := h.template(t, "nodejs20.x", streaming+tc.code+"});")
			s := newSink()
			r := h.stream(t, tmpl, s, 700*time.Millisecond)
			if r.Outcome != tc.outcome || s.contentType != tc.contentType || !r.Streamed && tc.outcome == Succeeded {
				t.Errorf("outcome %v, content type %q, streamed %v\n%s", r.Outcome, s.contentType, r.Streamed, h.logged())
			}
			// What a failing handler wrote last may be lost with it.
			if got := s.text(); got != tc.text && !(tc.text == "" && tc.outcome == Failed) {
				t.Errorf("body %q", got)
			}
			if !strings.Contains(string(r.Payload), tc.err) {
				t.Errorf("error %s", r.Payload)
			}
		})
	}
}

// The environment serves on after every kind of stream that leaves it whole.
func TestStreamedAgain(t *testing.T) {
	h := newHost(t, nil)
	tmpl := h.template(t, "nodejs20.x", `let n = 0; `+streaming+`n++; out.write('n' + n); if (n === 2) throw new Error('second'); out.end(); });`)
	for i, want := range []string{"n1", "n2", "n3", "n4"} {
		s := newSink()
		if i == 3 { // nobody wants it in pieces
			if r := h.call(t, tmpl, `{}`, time.Second); string(r.Payload) != want || !r.Streamed {
				t.Errorf("collected %q", r.Payload)
			}
			continue
		}
		if r := h.stream(t, tmpl, s, time.Second); s.text() != want || r.Cold != (i == 0) || r.Outcome != map[bool]Outcome{true: Failed, false: Succeeded}[i == 1] {
			t.Errorf("%d: %q %+v", i, s.text(), r)
		}
	}
}

// The first byte comes while the function still runs.
func TestStreamedAtOnce(t *testing.T) {
	h := newHost(t, nil)
	tmpl := h.template(t, "nodejs20.x", streaming+`out.write('first'); await new Promise((r) => setTimeout(r, 600)); out.end('last'); });`)
	s := newSink()
	done := make(chan Result, 1)
	go func() { done <- h.stream(t, tmpl, s, 3*time.Second) }()
	select {
	case <-s.first:
	case <-done:
		t.Fatal("the first write came with the last")
	}
	if r := <-done; r.Outcome != Succeeded || s.text() != "firstlast" || r.PayloadBytes != 9 {
		t.Errorf("%+v %q", r, s.text())
	}
}

// A reader that is gone does not end the function.
func TestStreamedToNobody(t *testing.T) {
	h := newHost(t, nil)
	tmpl := h.template(t, "nodejs20.x", streaming+`for (let i = 0; i < 50; i++) { if (!out.write(Buffer.alloc(100000))) await new Promise((r) => out.once('drain', r)); } console.log('through'); out.end(); });`)
	s := newSink()
	s.fail = errors.New("gone")
	if r := h.stream(t, tmpl, s, 5*time.Second); r.Outcome != Succeeded || !strings.Contains(h.logged(), "through") {
		t.Errorf("%+v\n%s", r, h.logged())
	}
}

// A slow reader slows the function; a stopped one holds it until its deadline.
func TestStreamedBackPressure(t *testing.T) {
	h := newHost(t, nil)
	tmpl := h.template(t, "nodejs20.x", `let wrote = 0; `+streaming+`for (let i = 0; i < 1000; i++) { wrote += 100000; console.log('wrote', wrote); if (!out.write(Buffer.alloc(100000))) await new Promise((r) => out.once('drain', r)); } out.end(); });`)
	pr, pw := io.Pipe()
	go func() { // reads a little and then nothing
		_, _ = io.CopyN(io.Discard, pr, 1<<20)
	}()
	r := h.stream(t, tmpl, pipeSink{pw}, time.Second)
	_ = pr.CloseWithError(io.ErrClosedPipe)
	if r.Outcome != TimedOut {
		t.Errorf("%+v", r)
	}
	if n := strings.Count(h.logged(), "wrote "); n > 400 {
		t.Errorf("%d writes of 100 kB went into a pipe that took 1 MB", n)
	}
}

type pipeSink struct{ *io.PipeWriter }

func (pipeSink) Begin(string) {}

func TestStreamedTooLong(t *testing.T) {
	if testing.Short() {
		t.Skip("200 MB")
	}
	h := newHost(t, nil)
	tmpl := h.template(t, "nodejs20.x", `const b = Buffer.alloc(1 << 20); `+streaming+`for (;;) { if (!out.write(b)) await new Promise((r) => out.once('drain', r)); } });`)
	n := &counter{}
	r := h.stream(t, tmpl, n, 20*time.Second)
	if r.Outcome != ResponseTooLarge || n.n != runtimeapi.StreamMax {
		t.Errorf("%v after %d bytes", r.Outcome, n.n)
	}
}

type counter struct{ n int64 }

func (*counter) Begin(string) {}
func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}

// A handler that is streamed has neither callbacks nor a context that ends it.
func TestStreamingContext(t *testing.T) {
	h := newHost(t, nil)
	tmpl := h.template(t, "nodejs20.x", streaming+`out.end(JSON.stringify([typeof context.succeed, typeof context.getRemainingTimeInMillis, context.callbackWaitsForEmptyEventLoop])); return 7; });`)
	s := newSink()
	h.stream(t, tmpl, s, time.Second)
	var got []any
	if err := json.Unmarshal([]byte(s.text()), &got); err != nil || got[0] != "undefined" || got[1] != "function" || got[2] != true {
		t.Errorf("%v %v", got, err)
	}
	if !strings.Contains(h.logged(), "Streaming handlers ignore return values.") {
		t.Error(h.logged())
	}
}
