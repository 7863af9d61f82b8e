package pool

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"moln.dev/moln/engine/sandbox/ocisandbox"
	"moln.dev/moln/engine/sandbox/procsandbox"
)

// ---- an extension in Go: this test's own program ---------------------------

const goExtension = "go-extension"

// extensionMain is the extension, where this program was started as one. What it
// does is said by EXT_* variables.
func extensionMain() {
	if filepath.Base(os.Args[0]) != goExtension {
		return
	}
	x := &goExt{base: "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API")}
	if os.Getenv("EXT_CRASH") == "start" {
		os.Exit(3)
	}
	signal.Ignore(syscall.SIGTERM)
	x.register()
	if os.Getenv("EXT_TELEMETRY") != "" {
		x.subscribe()
	}
	switch os.Getenv("EXT_CRASH") {
	case "registered":
		os.Exit(0)
	case "init":
		status, _ := x.call("POST", "/2020-01-01/extension/init/error", "{}", "Extension.NoConfig")
		fmt.Println("ext: init/error", status)
		os.Exit(4)
	}
	x.loop()
}

type goExt struct {
	base, id string
	seen     int
}

func (x *goExt) call(method, path, body, errorType string) (status int, text string) {
	q, _ := http.NewRequest(method, x.base+path, strings.NewReader(body))
	q.Header.Set("Lambda-Extension-Name", goExtension)
	q.Header.Set("Lambda-Extension-Accept-Feature", "accountId")
	if x.id != "" {
		q.Header.Set("Lambda-Extension-Identifier", x.id)
	}
	if errorType != "" {
		q.Header.Set("Lambda-Extension-Function-Error-Type", errorType)
	}
	response, err := http.DefaultClient.Do(q)
	if err != nil {
		fmt.Println("ext: call:", err)
		os.Exit(9)
	}
	defer response.Body.Close()
	data, _ := io.ReadAll(response.Body)
	if id := response.Header.Get("Lambda-Extension-Identifier"); id != "" {
		x.id = id
	}
	return response.StatusCode, strings.TrimSpace(string(data))
}

func (x *goExt) register() {
	events := os.Getenv("EXT_EVENTS")
	if events == "" {
		events = `{"events":["INVOKE","SHUTDOWN"]}`
	}
	status, text := x.call("POST", "/2020-01-01/extension/register", events, "")
	fmt.Println("ext: registered", status, text)
	for _, name := range []string{"_HANDLER", "AWS_EXECUTION_ENV", "LAMBDA_TASK_ROOT", "_LAMBDA_TELEMETRY_LOG_FD"} {
		if value, ok := os.LookupEnv(name); ok {
			fmt.Println("ext: has", name, value)
		}
	}
}

// subscribe listens for telemetry, and prints what comes.
func (x *goExt) subscribe() {
	l, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		fmt.Println("ext:", err)
		os.Exit(7)
	}
	go func() {
		_ = http.Serve(l, http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) {
			var events []json.RawMessage
			_ = json.NewDecoder(q.Body).Decode(&events)
			for _, e := range events {
				fmt.Fprintf(os.Stderr, "tele: %s\n", e)
			}
		}))
	}()
	port := fmt.Sprint(l.Addr().(*net.TCPAddr).Port)
	status, text := x.call("PUT", "/2022-07-01/telemetry", strings.ReplaceAll(os.Getenv("EXT_TELEMETRY"), "PORT", port), "")
	fmt.Println("ext: subscribed", status, text)
}

func (x *goExt) loop() {
	for {
		status, text := x.call("GET", "/2020-01-01/extension/event/next", "", "")
		if status != 200 {
			fmt.Println("ext: next", status, text)
			os.Exit(8)
		}
		var e struct {
			EventType, RequestID, InvokedFunctionArn, ShutdownReason string
			DeadlineMs                                               int64
		}
		_ = json.Unmarshal([]byte(text), &e)
		left := time.Until(time.UnixMilli(e.DeadlineMs))
		fmt.Println("ext:", e.EventType, e.RequestID, e.InvokedFunctionArn, e.ShutdownReason, left > 0 && left < time.Minute)
		if e.EventType == "SHUTDOWN" {
			if os.Getenv("EXT_HANG") == "" {
				os.Exit(0)
			}
			time.Sleep(time.Hour)
		}
		if x.seen++; os.Getenv("EXT_CRASH") == "invoke" {
			os.Exit(5)
		}
		if work, err := time.ParseDuration(os.Getenv("EXT_WORK")); err == nil {
			time.Sleep(work)
			fmt.Println("ext: worked")
		}
	}
}

// ---- fixtures ----------------------------------------------------------------

// layer makes a directory for /opt with the extensions named: goExtension is this
// program, others are the scripts given.
func layer(t testing.TB, scripts map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "extensions", "data"), 0o755); err != nil { // a directory is none
		t.Fatal(err)
	}
	for name, text := range scripts {
		data := []byte(text)
		if name == goExtension {
			var err error
			if data, err = os.ReadFile("/proc/self/exe"); err != nil {
				t.Fatal(err)
			}
		}
		// A sandbox that is being made must not inherit the open file: it could
		// not be started then.
		syscall.ForkLock.RLock()
		err := os.WriteFile(filepath.Join(dir, "extensions", name), data, 0o755)
		syscall.ForkLock.RUnlock()
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// extended is a Node function with extensions.
func (h *host) extended(t testing.TB, code string, scripts map[string]string, env map[string]string) *Template {
	t.Helper()
	tmpl := h.template(t, "nodejs20.x", code)
	tmpl.LayerDir = layer(t, scripts)
	tmpl.MemoryBytes = 512 << 20
	tmpl.Identity = Identity{Name: "fn", Version: "7", Account: "123456789012", Runtime: "nodejs:20", Instance: "stream"}
	for name, value := range env {
		tmpl.Env[name] = value
	}
	return tmpl
}

const echo = `console.log('loading'); exports.handler = async (e) => { console.log('handling'); return e; };`

var onlyGo = map[string]string{goExtension: ""}

func (h *host) waitFor(t testing.TB, text string) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !strings.Contains(h.logged(), text); {
		if time.Now().After(end) {
			t.Fatalf("no %q in the log:\n%s", text, h.logged())
		}
		time.Sleep(time.Millisecond)
	}
}

// order fails unless the texts stand in the log in this order.
func (h *host) order(t testing.TB, texts ...string) {
	t.Helper()
	log := h.logged()
	rest := log
	for _, text := range texts {
		_, after, ok := strings.Cut(rest, text)
		if !ok {
			t.Fatalf("%q is missing, or comes too early, in:\n%s", text, log)
		}
		rest = after
	}
}

// ---- tests ---------------------------------------------------------------------

func TestExtensionLife(t *testing.T) {
	h := newHost(t, nil)
	tmpl := h.extended(t, echo, map[string]string{
		goExtension: "",
		"shell": `#!/bin/sh
exec /usr/bin/python3 -S - <<'PY'
import os, json, urllib.request
base = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2020-01-01/extension/"
def call(path, body, headers):
    return urllib.request.urlopen(urllib.request.Request(base + path, body, headers))
r = call("register", b'{"events":["INVOKE"]}', {"Lambda-Extension-Name": "shell"})
print("sh: registered", json.load(r), flush=True)
own = {"Lambda-Extension-Identifier": r.headers["Lambda-Extension-Identifier"]}
while True:
    r = call("event/next", None, own)
    print("sh:", json.load(r)["eventType"], flush=True)
PY
`}, nil)
	for i := range 2 {
		if r := h.call(t, tmpl, fmt.Sprint(i), 5*time.Second); r.Outcome != Succeeded || string(r.Payload) != fmt.Sprint(i) {
			t.Fatalf("%+v\n%s", r, h.logged())
		}
	}
	h.pool.Drop(tmpl.Key)
	h.waitFor(t, "ext: SHUTDOWN")
	h.order(t, `ext: registered 200 {"accountId":"123456789012","functionName":"fn","functionVersion":"7","handler":"index.handler"}`,
		"loading", "ext: INVOKE req-1", "ext: INVOKE req-1", "ext: SHUTDOWN   spindown true")
	h.order(t, "sh: registered {'functionName': 'fn'", "loading", "handling", "handling")
	if log := h.logged(); strings.Contains(log, "ext: has") || strings.Count(log, "sh: INVOKE") != 2 {
		t.Error(log)
	}
}

// What an extension does after the answer belongs to the invocation, but not to
// the caller's wait.
func TestExtensionWorksAfterTheAnswer(t *testing.T) {
	h := newHost(t, nil)
	tmpl := h.extended(t, echo, onlyGo, map[string]string{"EXT_WORK": "300ms"})
	env, _, err := h.pool.Acquire(t.Context(), tmpl)
	if err != nil {
		t.Fatal(err)
	}
	var early time.Time
	var answer Result
	r, err := env.Invoke(t.Context(), Invocation{
		RequestID: "one", Payload: []byte(`1`), Timeout: 5 * time.Second,
		Answered: func(r Result) { early, answer = time.Now(), r },
	})
	if err != nil || r.Outcome != Succeeded {
		t.Fatalf("%+v, %v\n%s", r, err, h.logged())
	}
	if late := time.Since(early); late < 200*time.Millisecond || string(answer.Payload) != "1" {
		t.Errorf("told %q only %v before the end", answer.Payload, late)
	}
	if after := r.Duration - r.RuntimeDuration; after < 200*time.Millisecond || r.RuntimeDuration == 0 {
		t.Errorf("duration %v, of the runtime %v", r.Duration, r.RuntimeDuration)
	}
	h.order(t, "handling", "ext: worked")
	h.pool.Release(env, true)
}

func TestExtensionFailures(t *testing.T) {
	for _, tc := range []struct {
		name     string
		scripts  map[string]string
		env      map[string]string
		kind     string
		text     string
		unloaded bool // the runtime was not started
	}{
		{"ends before it registers", onlyGo, map[string]string{"EXT_CRASH": "start"}, "Extension.Crash", "exit status 3", true},
		{"ends when registered", onlyGo, map[string]string{"EXT_CRASH": "registered"}, "Extension.Crash", "exit code 0", false},
		{"reports an error of init", onlyGo, map[string]string{"EXT_CRASH": "init"}, "Extension.InitError", "exit status 4", false},
		{"ends in an invocation", onlyGo, map[string]string{"EXT_CRASH": "invoke"}, "Extension.Crash", "exit status 5", false},
		{"is no program", map[string]string{"text": "\x00"}, nil, "Extension.LaunchError", "exec format error", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := newHost(t, nil)
			slow := `console.log('loading'); exports.handler = () => new Promise((r) => setTimeout(r, 3000));`
			r := h.call(t, h.extended(t, slow, tc.scripts, tc.env), "{}", 5*time.Second)
			if r.Outcome != ExtensionFailed || r.ErrorType != tc.kind || !strings.Contains(r.Reason, tc.text) {
				t.Errorf("%v %s %q\n%s", r.Outcome, r.ErrorType, r.Reason, h.logged())
			}
			if tc.unloaded && strings.Contains(h.logged(), "loading") {
				t.Error("the runtime was started")
			}
		})
	}
}

func TestTooManyExtensions(t *testing.T) {
	h := newHost(t, nil)
	scripts := map[string]string{}
	for i := range 11 {
		scripts[fmt.Sprintf("x%02d", i)] = "#!/bin/sh\nexec /bin/sleep 100\n"
	}
	r := h.call(t, h.extended(t, echo, scripts, nil), "{}", time.Second)
	if r.Outcome != ExtensionFailed || r.ErrorType != "Extension.LaunchError" {
		t.Errorf("%v %s %q", r.Outcome, r.ErrorType, r.Reason)
	}
}

// An extension that never asks for the next event uses the function's time up,
// and is told why the environment ends; one that will not end is killed.
func TestExtensionOutlastsTheDeadline(t *testing.T) {
	h := newHost(t, nil)
	tmpl := h.extended(t, `exports.handler = () => new Promise(() => setTimeout(() => {}, 1e6));`, onlyGo, map[string]string{"EXT_HANG": "1"})
	r := h.call(t, tmpl, "{}", 1500*time.Millisecond)
	if r.Outcome != TimedOut {
		t.Errorf("%v\n%s", r.Outcome, h.logged())
	}
	h.waitFor(t, "ext: SHUTDOWN   timeout true")
	began := time.Now()
	h.pool.Close()
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the end took %v", took)
	}
}

// An environment that was frozen between its invocations is thawed for its end.
func TestExtensionIsFrozen(t *testing.T) {
	h := newHost(t, nil)
	tmpl := h.extended(t, echo, onlyGo, map[string]string{
		"EXT_TELEMETRY": `{"types":["platform"],"buffering":{"timeoutMs":30000},"destination":{"protocol":"HTTP","URI":"http://sandbox:PORT"}}`,
	})
	for range 2 {
		env, _, err := h.pool.Acquire(t.Context(), tmpl)
		if err != nil {
			t.Fatal(err)
		}
		r, err := env.Invoke(t.Context(), Invocation{RequestID: "req-1", Payload: []byte("1"), Timeout: 5 * time.Second})
		if err != nil || r.Outcome != Succeeded {
			t.Fatalf("%+v %v\n%s", r, err, h.logged())
		}
		h.pool.Release(env, true)
		for frozen := false; !frozen; time.Sleep(time.Millisecond) {
			env.mu.Lock()
			frozen = env.frozen
			env.mu.Unlock()
		}
	}
	h.pool.Drop(tmpl.Key)
	h.waitFor(t, "ext: SHUTDOWN   spindown true")
	// What was buffered came before the end.
	h.order(t, "ext: INVOKE", "ext: INVOKE", "platform.initStart", "platform.report", "platform.report", "ext: SHUTDOWN")
}

// An extension that does not register keeps the runtime from starting, until init
// has taken too long.
func TestExtensionNeverRegisters(t *testing.T) {
	h := newHost(t, nil)
	tmpl := h.extended(t, echo, map[string]string{"idle": "#!/bin/sh\nexec /bin/sleep 100\n"}, nil)
	tmpl.InitTimeout = 500 * time.Millisecond
	if r := h.call(t, tmpl, "{}", 5*time.Second); r.Outcome != InitTimedOut || strings.Contains(h.logged(), "loading") {
		t.Errorf("%v\n%s", r.Outcome, h.logged())
	}
}

// A runtime that uses up the memory beside an extension is told as such.
func TestExtensionOutOfMemory(t *testing.T) {
	h := newHost(t, nil)
	tmpl := h.extended(t, `exports.handler = async () => { const all = []; for (;;) { all.push(Buffer.alloc(1 << 24, 1)); await new Promise((r) => setTimeout(r, 5)); } };`, onlyGo, nil)
	tmpl.MemoryBytes = 192 << 20
	if r := h.call(t, tmpl, "{}", 20*time.Second); r.Outcome != OutOfMemory {
		t.Errorf("%v %v\n%s", r.Outcome, r.Exit, h.logged())
	}
}

func TestRuntimeCrashIsTold(t *testing.T) {
	h := newHost(t, nil)
	tmpl := h.extended(t, `exports.handler = async () => process.exit(3);`, onlyGo, nil)
	if r := h.call(t, tmpl, "{}", 5*time.Second); r.Outcome != Exited || r.Exit.Status != 3 {
		t.Errorf("%v %v\n%s", r.Outcome, r.Exit, h.logged())
	}
	h.waitFor(t, "ext: SHUTDOWN   failure true")
}

const internalCode = `
import http from 'http';
const call = (method, path, body, headers) => new Promise((done) => {
  const q = http.request('http://' + process.env.AWS_LAMBDA_RUNTIME_API + path, { method, headers }, (r) => {
    let text = '';
    r.on('data', (d) => { text += d; });
    r.on('end', () => done({ status: r.statusCode, text: text.trim(), id: r.headers['lambda-extension-identifier'] }));
  });
  q.on('error', () => {});
  q.end(body);
});
process.on('SIGTERM', () => { console.log('told to end'); process.exit(0); });
const register = (name, events) => call('POST', '/2020-01-01/extension/register', JSON.stringify({ events }), { 'Lambda-Extension-Name': name });
const refused = await register('inner', ['SHUTDOWN']);
console.log('refused', refused.status, refused.text);
const r = await register('inner', ['INVOKE']);
(async () => {
  for (;;) {
    const e = await call('GET', '/2020-01-01/extension/event/next', undefined, { 'Lambda-Extension-Identifier': r.id });
    console.log('inner', JSON.parse(e.text).eventType);
  }
})();
export const handler = async () => { const late = await register('late', []); return late.text; };`

func TestInternalExtension(t *testing.T) {
	h := newHost(t, nil)
	tmpl := h.template(t, "nodejs20.x", internalCode)
	if err := os.WriteFile(filepath.Join(tmpl.CodeDir, "package.json"), []byte(`{"type":"module"}`), 0o644); err != nil {
		t.Fatal(err)
	}
	r := h.call(t, tmpl, "{}", 5*time.Second)
	if want := `{\"errorMessage\":\"Extension registration closed already\",\"errorType\":\"Extension.RegistrationClosed\"}`; r.Outcome != Succeeded || !strings.Contains(string(r.Payload), want) {
		t.Errorf("%v %s\n%s", r.Outcome, r.Payload, h.logged())
	}
	h.pool.Drop(tmpl.Key)
	h.waitFor(t, "told to end")
	h.order(t, `refused 403 {"errorMessage":"SHUTDOWN: ShutdownEventNotSupportedForInternalExtension","errorType":"Extension.InvalidEventType"}`, "inner INVOKE", "told to end")
}

func TestTelemetry(t *testing.T) {
	t.Run("ns", func(t *testing.T) { testTelemetry(t, newHost(t, nil)) })
	t.Run("process", func(t *testing.T) {
		testTelemetry(t, newHost(t, func(c *Config) { c.Driver = procsandbox.Driver{} }))
	})
	for _, name := range []string{"crun", "runc"} {
		t.Run(name, func(t *testing.T) {
			if _, err := exec.LookPath(name); err != nil {
				t.Skip(err)
			}
			d, err := ocisandbox.New(name)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = d.Close() })
			testTelemetry(t, newHost(t, func(c *Config) { c.Driver = d }))
		})
	}
}

func testTelemetry(t *testing.T, h *host) {
	tmpl := h.extended(t, echo, onlyGo, map[string]string{
		"EXT_TELEMETRY": `{"schemaVersion":"2022-12-13","types":["platform","function"],"buffering":{"timeoutMs":25},
			"destination":{"protocol":"HTTP","URI":"http://sandbox.localdomain:PORT/in"}}`,
	})
	if r := h.call(t, tmpl, `"hello"`, 5*time.Second); r.Outcome != Succeeded {
		t.Fatalf("%+v\n%s", r, h.logged())
	}
	h.pool.Drop(tmpl.Key)
	h.waitFor(t, "ext: SHUTDOWN")
	h.order(t, `ext: subscribed 200 "OK"`,
		`"type":"platform.initStart","record":{"initializationType":"on-demand","phase":"init","runtimeVersion":"nodejs:20","functionName":"fn","functionVersion":"7","instanceId":"stream","instanceMaxMemory":536870912}`,
		`"type":"platform.telemetrySubscription","record":{"name":"go-extension","state":"Subscribed","types":["platform","function"]}`,
		`"type":"function","record":"2`, `loading`,
		`"type":"platform.initRuntimeDone","record":{"initializationType":"on-demand","phase":"init","status":"success"}`,
		`"type":"platform.extension","record":{"name":"go-extension","state":"Ready","events":["INVOKE","SHUTDOWN"]}`,
		`"type":"platform.initReport","record":{"initializationType":"on-demand","phase":"init","status":"success","metrics":{"durationMs":`,
		`"type":"platform.start","record":{"requestId":"req-1","version":"7","tracing":{"type":"X-Amzn-Trace-Id","value":"Root=1-2-3"}}`,
		`handling`,
		`"type":"platform.runtimeDone","record":{"requestId":"req-1","status":"success","tracing":`, `"spans":[{"name":"responseLatency"`, `"producedBytes":7`,
		`"type":"platform.report","record":{"requestId":"req-1","status":"success","metrics":{"durationMs":`, `"memorySizeMB":512`, `"extensionOverhead"`)
	if bytes.Contains([]byte(h.logged()), []byte(`"type":"extension"`)) {
		t.Error("what was not subscribed to came")
	}
}

// Environments with extensions leave no goroutine and no process behind, however
// they end.
func TestExtensionsLeaveNothing(t *testing.T) {
	h := newHost(t, nil)
	h.call(t, h.template(t, "nodejs20.x", echo), "1", 5*time.Second)
	before := runtime.NumGoroutine()
	subscribed := map[string]string{
		"EXT_TELEMETRY": `{"types":["platform"],"destination":{"protocol":"HTTP","URI":"http://sandbox:PORT"}}`,
	}
	for range 3 {
		tmpl := h.extended(t, echo, onlyGo, subscribed)
		h.call(t, tmpl, "1", 5*time.Second)
		h.pool.Drop(tmpl.Key)
		h.call(t, h.extended(t, `exports.handler = async () => process.exit(1);`, onlyGo, subscribed), "1", 5*time.Second)
		h.call(t, h.extended(t, echo, onlyGo, map[string]string{"EXT_CRASH": "start"}), "1", 5*time.Second)
	}
	for end := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			stacks := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, %d before\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
		}
	}
	if s := h.pool.Stats(); s.Environments != 1 {
		t.Errorf("%+v", s)
	}
}
