package lambda

import (
	"context"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	api "moln.dev/moln/api/lambda"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/services/lambda/fn"
)

// heard is a response stream, as it came.
type heard struct {
	chunks  []string
	end     *api.InvokeWithResponseStreamCompleteEvent
	version string
}

func (w *world) stream(name, payload string, with ...func(*api.InvokeWithResponseStreamInput)) (h heard) {
	w.t.Helper()
	in := &api.InvokeWithResponseStreamInput{FunctionName: &name, Payload: []byte(payload)}
	for _, f := range with {
		f(in)
	}
	out := must(w, api.InvokeWithResponseStream, in)
	for e, err := range out.EventStream {
		switch {
		case err != nil:
			w.t.Fatal(err)
		case e.PayloadChunk != nil && h.end == nil:
			h.chunks = append(h.chunks, string(e.PayloadChunk.Payload))
		case e.InvokeComplete != nil && h.end == nil:
			h.end = e.InvokeComplete
		default:
			w.t.Errorf("an event out of place: %+v", e)
		}
	}
	if h.end == nil {
		w.t.Fatal("the stream ends without a word")
	}
	h.version = *out.ExecutedVersion
	return h
}

const streamer = `exports.handler = awslambda.streamifyResponse(async (event, out, context) => {
	const wait = (ms) => new Promise((r) => setTimeout(r, ms));
	if (event.how === "early") throw new TypeError("early");
	out.write("one ");
	await wait(30);
	out.write("two");
	if (event.how === "late") { await wait(30); throw new Error("late"); }
	if (event.how === "hang") await wait(60000);
	if (event.how === "exit") { await wait(30); process.exit(3); }
	console.log("ends");
	out.end();
});`

func TestInvokeStream(t *testing.T) {
	w := newWorld(t, Options{})
	w.node("s", streamer, func(in *api.CreateFunctionInput) { in.Timeout = new(int32(2)) })
	h := w.stream("s", `{}`, func(in *api.InvokeWithResponseStreamInput) { in.LogType = new(api.LogTypeTail) })
	if strings.Join(h.chunks, "|") != "one |two" || h.end.ErrorCode != nil || h.end.ErrorDetails != nil || h.version != "$LATEST" {
		t.Errorf("%+v", h)
	}
	tail, err := base64.StdEncoding.DecodeString(*h.end.LogResult)
	if err != nil || !strings.Contains(string(tail), "\tINFO\tends\n") || !strings.Contains(string(tail), "REPORT RequestId") {
		t.Errorf("log %q %v", tail, err)
	}
	for how, want := range map[string]struct{ body, details string }{
		"early": {"", `{"errorType":"TypeError","errorMessage":"early"`},
		"late":  {"one two", `{"errorType":"Error","errorMessage":"late"`},
		"hang":  {"one two", `{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: `},
		"exit":  {"one two", `Error: Runtime exited with error: exit status 3"}`},
	} {
		h := w.stream("s", `{"how":"`+how+`"}`)
		if strings.Join(h.chunks, "") != want.body || h.end.ErrorCode == nil || *h.end.ErrorCode != "Unhandled" || !strings.Contains(*h.end.ErrorDetails, want.details) || h.end.LogResult != nil {
			t.Errorf("%s: %q %+v", how, h.chunks, h.end)
		}
	}
	// A buffered invocation collects it.
	out, err := do(w, api.Invoke, &api.InvokeInput{FunctionName: new("s")})
	if err != nil || string(out.Payload) != "one two" || out.FunctionError != nil {
		t.Errorf("collected %s %v", out.Payload, err)
	}
}

// A function that does not stream answers in one piece.
func TestInvokeStreamOfBuffered(t *testing.T) {
	w := newWorld(t, Options{})
	w.node("b", `exports.handler = async (event) => { if (event.fail) throw new Error("no"); return {a: 1}; }`)
	if h := w.stream("b", `{}`); strings.Join(h.chunks, "|") != `{"a":1}` || h.end.ErrorCode != nil {
		t.Errorf("%+v", h)
	}
	if h := w.stream("b", `{"fail":1}`); len(h.chunks) != 0 || h.end.ErrorCode == nil || !strings.Contains(*h.end.ErrorDetails, `"errorMessage":"no"`) {
		t.Errorf("%+v", h)
	}
	dry := must(w, api.InvokeWithResponseStream, &api.InvokeWithResponseStreamInput{FunctionName: new("b"), InvocationType: new("DryRun")})
	if *dry.StatusCode != 204 || dry.EventStream != nil {
		t.Errorf("dry run %+v", dry)
	}
	for code, in := range map[string]*api.InvokeWithResponseStreamInput{
		"ResourceNotFoundException":       {FunctionName: new("none")},
		"InvalidRequestContentException":  {FunctionName: new("b"), Payload: []byte("{")},
		"RequestTooLargeException":        {FunctionName: new("b"), Payload: []byte(`"` + strings.Repeat("x", 6<<20) + `"`)},
		"InvalidParameterValueException":  {FunctionName: new("b"), TenantId: new("t")},
		"ResourceNotFoundException alias": {FunctionName: new("b"), Qualifier: new("gone")},
	} {
		code, _, _ = strings.Cut(code, " ")
		if _, err := do(w, api.InvokeWithResponseStream, in); !fault.Is(err, code) {
			t.Errorf("%s: %v", code, err)
		}
	}
}

// Whoever goes away leaves the function to its end, and its place is free again.
func TestInvokeStreamAbandoned(t *testing.T) {
	w := newWorld(t, Options{})
	w.node("s", `exports.handler = awslambda.streamifyResponse(async (event, out) => {
		for (let i = 0; i < 100; i++) if (!out.write(Buffer.alloc(100000))) await new Promise((r) => out.once("drain", r));
		out.end();
		console.log("through");
	});`)
	for _, first := range []bool{true, false} {
		ctx, cancel := context.WithCancel(t.Context())
		out, err := doContext(ctx, w, w.call(), api.InvokeWithResponseStream, &api.InvokeWithResponseStreamInput{FunctionName: new("s")})
		if err != nil {
			t.Fatal(err)
		}
		if first {
			for range out.EventStream {
				break
			}
		}
		cancel() // before anything was read, the second time
	}
	w.await("both to end", func() bool { return strings.Count(w.written("/aws/lambda/s"), "\tthrough\n") == 2 })
	for deadline := time.Now().Add(5 * time.Second); w.s.engine.RunningOf(fn.Ref{Place: fn.Place{Account: account, Region: region}}) != 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("invocations are still counted")
		}
	}
}

// The end of the response is not held up by what the function leaves behind it,
// unless the caller wants the end of the log.
func TestInvokeStreamWithLeftovers(t *testing.T) {
	w := newWorld(t, Options{})
	w.node("s", `exports.handler = awslambda.streamifyResponse(async (event, out) => { out.end("all"); setTimeout(() => console.log("after"), 700); });`)
	w.stream("s", `{}`, func(in *api.InvokeWithResponseStreamInput) { in.LogType = new(api.LogTypeTail) })
	began := time.Now()
	if h := w.stream("s", `{}`); strings.Join(h.chunks, "") != "all" || h.end.ErrorCode != nil {
		t.Errorf("%+v", h)
	}
	if took := time.Since(began); took > 500*time.Millisecond {
		t.Errorf("the end came after %v", took)
	}
	h := w.stream("s", `{}`, func(in *api.InvokeWithResponseStreamInput) { in.LogType = new(api.LogTypeTail) })
	if tail, _ := base64.StdEncoding.DecodeString(*h.end.LogResult); !strings.Contains(string(tail), "\tafter\n") {
		t.Errorf("log %q", tail)
	}
}
