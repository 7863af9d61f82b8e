package pool

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"moln.dev/moln/engine/clock"
	"moln.dev/moln/engine/sandbox/crew"
	"moln.dev/moln/engine/sandbox/nssandbox"
	"moln.dev/moln/runtimes"
)

func TestMain(m *testing.M) {
	nssandbox.Main()
	crew.Main()
	extensionMain()
	os.Exit(m.Run())
}

// host is what all tests here stand on.
type host struct {
	pool  *Pool
	clock *clock.Fake
	mu    sync.Mutex
	lines []LogRecord
}

func newHost(t testing.TB, change func(*Config)) *host {
	t.Helper()
	driver, err := nssandbox.New()
	if err != nil {
		t.Fatal(err)
	}
	report := driver.Probe(context.Background())
	if !report.Usable {
		c, _ := report.Get("sandbox")
		t.Skip(c.Detail)
	}
	h := &host{clock: clock.NewFake(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))}
	cfg := Config{Driver: driver, Clock: h.clock, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)), Prewarm: -1}
	if change != nil {
		change(&cfg)
	}
	h.pool = New(cfg)
	t.Cleanup(func() {
		h.pool.Close()
		if s := h.pool.Stats(); s.Environments != 0 || s.MemoryBytes != 0 {
			t.Errorf("after Close: %+v", s)
		}
		if err := driver.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

func (h *host) log(r LogRecord) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lines = append(h.lines, r)
}

func (h *host) logged() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var b strings.Builder
	for _, r := range h.lines {
		fmt.Fprintf(&b, "%s: %s\n", r.RequestID, r.Line)
	}
	return b.String()
}

var interpreters = sync.OnceValue(func() runtimes.Resolver {
	return runtimes.Resolver{Interpreters: runtimes.Discover(context.Background(), "/usr/bin:/usr/local/bin", nil)}
})

// template is a function of one file.
func (h *host) template(t testing.TB, runtime, code string) *Template {
	t.Helper()
	choice, err := interpreters().Resolve(runtime)
	if err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	name := map[byte]string{'n': "index.js", 'p': "index.py"}[runtime[0]]
	if strings.HasPrefix(runtime, "provided") {
		name = "bootstrap"
	}
	if err := os.WriteFile(filepath.Join(dir, name), []byte(code), 0o755); err != nil {
		t.Fatal(err)
	}
	return &Template{
		Key: t.Name() + dir, Launch: choice.Launch, CodeDir: dir, Handler: "index.handler",
		MemoryBytes: 128 << 20, TmpBytes: 32 << 20, Log: h.log,
		Env: map[string]string{
			"AWS_EXECUTION_ENV": "AWS_Lambda_" + runtime, "AWS_LAMBDA_FUNCTION_NAME": "fn",
			"AWS_LAMBDA_FUNCTION_VERSION": "$LATEST", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128", "TABLE": "things",
		},
	}
}

// call acquires, invokes and releases.
func (h *host) call(t testing.TB, tmpl *Template, payload string, timeout time.Duration) Result {
	t.Helper()
	r, err := h.try(tmpl, payload, timeout)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (h *host) try(tmpl *Template, payload string, timeout time.Duration) (Result, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	env, _, err := h.pool.Acquire(ctx, tmpl)
	if err != nil {
		return Result{}, err
	}
	r, err := env.Invoke(ctx, Invocation{
		RequestID: "req-1", Payload: []byte(payload), Deadline: time.Now().Add(timeout),
		FunctionARN: "arn:aws:lambda:eu-north-1:1:function:fn", TraceID: "Root=1-2-3",
	})
	h.pool.Release(env, true)
	return r, err
}

const (
	helloNode   = `exports.handler = async (event, context) => ({event, id: context.awsRequestId, table: process.env.TABLE, trace: process.env._X_AMZN_TRACE_ID});`
	helloPython = `
import os
def handler(event, context):
    return {"event": event, "id": context.aws_request_id, "table": os.environ["TABLE"], "trace": os.environ["_X_AMZN_TRACE_ID"]}`
)

func TestHello(t *testing.T) {
	for _, tc := range []struct{ runtime, code string }{{"nodejs20.x", helloNode}, {"python3.11", helloPython}} {
		for _, pooled := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s pooled=%v", tc.runtime, pooled), func(t *testing.T) {
				h := newHost(t, nil)
				tmpl := h.template(t, tc.runtime, tc.code)
				if !pooled {
					tmpl.Env["NODE_OPTIONS"], tmpl.Env["PYTHONHASHSEED"] = "", "1"
				}
				for i := range 3 {
					r := h.call(t, tmpl, `{"ö":1}`, 5*time.Second)
					var got map[string]any
					if err := json.Unmarshal(r.Payload, &got); err != nil {
						t.Fatalf("%v in %+v\n%s", err, r, h.logged())
					}
					want := `map[event:map[ö:1] id:req-1 table:things trace:Root=1-2-3]`
					if r.Outcome != Succeeded || fmt.Sprint(got) != want || r.Cold != (i == 0) {
						t.Errorf("call %d: %+v\n%v\n%s", i, r, got, h.logged())
					}
				}
				if s := h.pool.Stats(); s.Environments != 1 || s.Idle != 1 {
					t.Errorf("stats %+v", s)
				}
			})
		}
	}
}

// nodeCases and pythonCases are one line each of what the managed runtimes do.
var nodeCases = []struct {
	name, runtime, code string
	outcome             Outcome
	payload             string // a part of the payload
	log                 string // a part of the log
}{
	{"callback", "nodejs20.x", `exports.handler = (e, c, cb) => cb(null, 7)`, Succeeded, `7`, ""},
	{"callback waits for the loop", "nodejs20.x", `let n=0; exports.handler = (e, c, cb) => { setTimeout(() => { console.log("later") }, 50); cb(null, 8) }`, Succeeded, `8`, "later"},
	{"callback does not wait", "nodejs20.x", `exports.handler = (e, c, cb) => { c.callbackWaitsForEmptyEventLoop = false; setInterval(() => {}, 1000); cb(null, 9) }`, Succeeded, `9`, ""},
	{"succeed", "nodejs20.x", `exports.handler = (e, c) => { setInterval(() => {}, 1000); c.succeed("yes") }`, Succeeded, `"yes"`, ""},
	{"done with error", "nodejs20.x", `exports.handler = (e, c) => c.done(new TypeError("no"))`, Failed, `"errorType":"TypeError","errorMessage":"no"`, "Invoke Error"},
	{"never calls", "nodejs20.x", `exports.handler = () => 5`, Succeeded, `null`, ""},
	{"async never settles", "nodejs20.x", `exports.handler = async () => new Promise(() => {})`, Failed, `Runtime.NodeJsExit`, ""},
	{"async throws", "nodejs20.x", `exports.handler = async () => { throw new RangeError("far") }`, Failed, `"errorType":"RangeError"`, "\tERROR\tInvoke Error \t{"},
	{"throws a string", "nodejs20.x", `exports.handler = async () => { throw "text" }`, Failed, `{"errorType":"string","errorMessage":"text","trace":[]}`, ""},
	{"sync throw", "nodejs20.x", `exports.handler = () => { null.x }`, Failed, `"errorType":"TypeError"`, ""},
	{"uncaught exception", "nodejs20.x", `exports.handler = (e, c, cb) => { setTimeout(() => { throw new Error("late") }, 5) }`, Failed, `"errorMessage":"late"`, ""},
	{"unhandled rejection", "nodejs20.x", `exports.handler = (e, c, cb) => { Promise.reject(new Error("lost")); setTimeout(cb, 1000) }`, Failed, `Runtime.UnhandledPromiseRejection`, ""},
	{"undefined", "nodejs20.x", `exports.handler = async () => {}`, Succeeded, `null`, ""},
	{"multi-line log", "nodejs20.x", `exports.handler = async () => { console.log("a\nb", {x: 1}) }`, Succeeded, `null`, "\treq-1\tINFO\ta\nb { x: 1 }"},
	{"no module", "nodejs20.x", `require("nowhere")`, InitFailed, `Runtime.ImportModuleError`, "nowhere"},
	{"syntax", "nodejs20.x", `exports.handler = (`, InitFailed, `Runtime.UserCodeSyntaxError`, ""},
	{"no handler", "nodejs20.x", `exports.other = 1`, InitFailed, `{"errorType":"Runtime.HandlerNotFound","errorMessage":"index.handler is undefined or not exported"`, ""},
	{"throws at load", "nodejs20.x", `throw new Error("boot")`, InitFailed, `"errorMessage":"boot"`, "boot"},
	{"exit", "nodejs20.x", `exports.handler = async () => process.exit(3)`, Exited, ``, ""},
	{"exit at load", "nodejs20.x", `process.exit(4)`, InitExited, ``, ""},
	{"modern refuses callbacks", "nodejs24.x", `exports.handler = (e, c, cb) => cb(null, 1)`, InitFailed, `Runtime.CallbackHandlerDeprecated`, ""},
	{"modern takes values", "nodejs24.x", `exports.handler = () => 6`, Succeeded, `6`, ""},
	{"memory", "nodejs20.x", `exports.handler = async () => { const a = []; for (;;) { a.push(Buffer.alloc(8 << 20, 1)); await new Promise(r => setTimeout(r, 5)) } }`, OutOfMemory, ``, ""},
	{"too large", "nodejs20.x", `exports.handler = async () => "x".repeat(7 << 20)`, ResponseTooLarge, ``, ""},
	{"kill", "nodejs20.x", `exports.handler = async () => process.kill(process.pid, "SIGKILL")`, Exited, ``, ""},
	{"hang", "nodejs20.x", `exports.handler = async () => { console.log("before"); for (;;); }`, TimedOut, ``, "before"},
	{"stdout", "nodejs20.x", `exports.handler = async () => { process.stdout.write("raw line\n") }`, Succeeded, `null`, "raw line"},
	{"no root", "nodejs20.x", `exports.handler = async () => require("fs").writeFileSync("/x", "")`, Failed, `EROFS`, ""},
	{"streaming, collected", "nodejs20.x", `exports.handler = awslambda.streamifyResponse(async (e, out) => { out.write("a"); out.end("b") })`, Succeeded, `ab`, ""},
	{"streaming, collected error", "nodejs20.x", `exports.handler = awslambda.streamifyResponse(async (e, out) => { out.write("a"); throw new Error("x") })`, Failed, `"errorMessage":"x"`, "Invoke Error"},
	{"streaming, collected too large", "nodejs20.x", `exports.handler = awslambda.streamifyResponse(async (e, out) => { out.end("x".repeat(7 << 20)) })`, ResponseTooLarge, ``, ""},
	{"streaming, not async", "nodejs20.x", `exports.handler = awslambda.streamifyResponse((e, out) => { out.write("x") })`, Failed, `Streaming does not support non-async handlers.`, ""},
	{"streaming, malformed", "nodejs20.x", `exports.handler = () => {}; exports.handler[Symbol.for("aws.lambda.runtime.handler.streaming")] = "request"`, InitFailed, `Only response streaming is supported.`, ""},

	{"py error", "python3.11", "def handler(e, c):\n    raise ValueError('bad')", Failed, `{"errorMessage": "bad", "errorType": "ValueError", "requestId": "req-1", "stackTrace": ["  File \"/var/task/index.py\", line 2, in handler`, "[ERROR] ValueError: bad\nTraceback (most recent call last):"},
	{"py no module", "python3.11", "import nowhere", InitFailed, `"errorMessage": "Unable to import module 'index': No module named 'nowhere'", "errorType": "Runtime.ImportModuleError"`, ""},
	{"py no handler", "python3.11", "x = 1", InitFailed, `Handler 'handler' missing on module 'index'`, ""},
	{"py syntax", "python3.11", "def handler(", InitFailed, `Runtime.UserCodeSyntaxError`, ""},
	{"py not serializable", "python3.11", "def handler(e, c):\n    return object()", Failed, `Runtime.MarshalError`, ""},
	{"py logging", "python3.11", "import logging\ndef handler(e, c):\n    logging.warning('two\\nlines')", Succeeded, `null`, "\treq-1\ttwo\nlines"},
	{"py print", "python3.11", "def handler(e, c):\n    print('hello')", Succeeded, `null`, "req-1: hello"},
	{"py exit", "python3.11", "import sys\ndef handler(e, c):\n    sys.exit(2)", Exited, ``, ""},
	{"py hang", "python3.11", "def handler(e, c):\n    while True: pass", TimedOut, ``, ""},
	{"py memory", "python3.11", "import time\ndef handler(e, c):\n    a = []\n    while True:\n        a.append(bytearray(8 << 20)); time.sleep(0.005)", OutOfMemory, ``, ""},
	{"py remaining", "python3.11", "def handler(e, c):\n    return 0 < c.get_remaining_time_in_millis() <= 1500", Succeeded, `true`, ""},

	{"provided, missing", "provided", "", InitExited, ``, ""},
	{"provided, shell", "provided", "#!/bin/bash\nexec 5<>/dev/tcp/127.0.0.1/9001\nprintf 'GET /2018-06-01/runtime/invocation/next HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n' >&5\nread -r status <&5; while read -r l <&5; do l=${l%$'\\r'}; [ -z \"$l\" ] && break; case $l in Lambda-Runtime-Aws-Request-Id:*) id=${l#*: };; esac; done\nprintf 'POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\\r\\nHost: x\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n2\\r\\n42\\r\\n0\\r\\n\\r\\nGET /2018-06-01/runtime/invocation/next HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n' $id >&5\ncat <&5", Succeeded, `42`, ""},
}

func TestFunctions(t *testing.T) {
	h := newHost(t, nil)
	for _, tc := range nodeCases {
		t.Run(tc.name, func(t *testing.T) {
			h.mu.Lock()
			h.lines = nil
			h.mu.Unlock()
			tmpl := h.template(t, tc.runtime, tc.code)
			if tc.code == "" {
				_ = os.Remove(filepath.Join(tmpl.CodeDir, "bootstrap"))
			}
			r := h.call(t, tmpl, `{}`, 1500*time.Millisecond)
			if r.Outcome != tc.outcome || !strings.Contains(string(r.Payload), tc.payload) {
				t.Errorf("outcome %v (exit %v) payload %s\nlog %s", r.Outcome, r.Exit, r.Payload, h.logged())
			}
			if !strings.Contains(h.logged(), tc.log) {
				t.Errorf("log %q", h.logged())
			}
		})
	}
}

// Every interpreter of this host runs the bootstrap, in a sandbox that holds
// nothing else of where it is installed.
func TestEveryInterpreter(t *testing.T) {
	home, _ := os.UserHomeDir()
	h := newHost(t, nil)
	for _, i := range runtimes.Discover(context.Background(), "", runtimes.UsualDirs(home)) {
		if i.Language != runtimes.Node && i.Language != runtimes.Python {
			continue // languages_linux_test.go has them
		}
		t.Run(string(i.Language)+i.Version, func(t *testing.T) {
			tmpl := h.template(t, map[runtimes.Language]string{runtimes.Node: "nodejs20.x", runtimes.Python: "python3.11"}[i.Language],
				map[runtimes.Language]string{runtimes.Node: helloNode, runtimes.Python: helloPython}[i.Language])
			tmpl.Launch = i.Launch()
			if r := h.call(t, tmpl, `{}`, 10*time.Second); r.Outcome != Succeeded {
				t.Errorf("%+v\n%s", r, h.logged())
			}
		})
	}
}
