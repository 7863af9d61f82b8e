package pool

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"moln.dev/moln/engine/sandbox"
	"moln.dev/moln/engine/sandbox/procsandbox"
)

const countPython = `
n = 0
def handler(e, c):
    global n
    n += 1
    if e.get("hang"):
        while True: pass
    if e.get("exit"):
        import os; os._exit(9)
    return n`

func payload(r Result) string { return fmt.Sprintf("%v %s", r.Outcome, r.Payload) }

// A function that hung or died must serve the next call, from a new environment.
func TestBrokenEnvironmentIsReplaced(t *testing.T) {
	h := newHost(t, nil)
	tmpl := h.template(t, "python3.11", countPython)
	for i, tc := range []struct{ event, want string }{
		{`{}`, "succeeded 1"}, {`{}`, "succeeded 2"}, {`{"hang":1}`, "timed out "}, {`{}`, "succeeded 1"},
		{`{"exit":1}`, "exited "}, {`{}`, "succeeded 1"}, {`{}`, "succeeded 2"},
	} {
		timeout := 10 * time.Second
		if strings.Contains(tc.event, "hang") {
			timeout = 500 * time.Millisecond
		}
		if got := payload(h.call(t, tmpl, tc.event, timeout)); got != tc.want {
			t.Errorf("call %d: %q, want %q", i, got, tc.want)
		}
	}
}

func TestKeysNeverShare(t *testing.T) {
	h := newHost(t, func(c *Config) { c.Prewarm = 2 })
	one, two := h.template(t, "python3.11", countPython), h.template(t, "python3.11", countPython)
	for i, tmpl := range []*Template{one, two, one, two} {
		if got, want := payload(h.call(t, tmpl, `{}`, time.Second)), fmt.Sprintf("succeeded %d", 1+i/2); got != want {
			t.Errorf("call %d: %q, want %q", i, got, want)
		}
	}
}

func TestFullPoolEvictsThenQueuesThenRefuses(t *testing.T) {
	h := newHost(t, func(c *Config) { c.MaxEnvironments = 1; c.MaxWaiters = 1 })
	one, two := h.template(t, "python3.11", countPython), h.template(t, "python3.11", countPython)
	h.call(t, one, `{}`, time.Second)
	h.call(t, two, `{}`, time.Second) // evicts the idle environment of one
	held, cold, err := h.pool.Acquire(t.Context(), one)
	if err != nil || !cold {
		t.Fatal(cold, err)
	}
	brief, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, _, err := h.pool.Acquire(brief, two); !errors.Is(err, ErrBusy) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("full pool: %v", err)
	}
	got := make(chan error, 1)
	go func() {
		e, cold, err := h.pool.Acquire(context.Background(), one)
		if err == nil {
			if cold || e != held {
				err = errors.New("not the environment that was released")
			}
			h.pool.Release(e, true)
		}
		got <- err
	}()
	for h.pool.Stats().Waiting == 0 {
		time.Sleep(time.Millisecond)
	}
	if _, _, err := h.pool.Acquire(t.Context(), two); !errors.Is(err, ErrBusy) {
		t.Errorf("full queue: %v", err)
	}
	h.pool.Release(held, true)
	if err := <-got; err != nil {
		t.Error(err)
	}
}

func TestIdleEnvironmentsEnd(t *testing.T) {
	h := newHost(t, func(c *Config) { c.IdleAfter = time.Minute; c.SpareAfter = time.Minute; c.Prewarm = 1 })
	tmpl := h.template(t, "python3.11", countPython)
	h.call(t, tmpl, `{}`, time.Second)
	h.awaitCounts(t, func(s Stats) bool { return s.Idle == 1 && s.Spares == 1 })
	h.pool.sweep(h.clock.Now().Add(59 * time.Second))
	if s := h.pool.Stats(); s.Environments != 2 {
		t.Errorf("too early: %+v", s)
	}
	h.pool.sweep(h.clock.Now().Add(time.Minute))
	h.awaitCounts(t, func(s Stats) bool { return s.Environments == 0 && s.MemoryBytes == 0 })
}

func (h *host) awaitCounts(t *testing.T, ok func(Stats) bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(h.pool.Stats()); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("stats %+v", h.pool.Stats())
		}
	}
}

// The daemon serves its own handler inside the sandbox, which has no other way
// out.
func TestFurtherListenerReachesTheHost(t *testing.T) {
	h := newHost(t, nil)
	tmpl := h.template(t, "python3.11", `
import urllib.request
def handler(e, c):
    return urllib.request.urlopen("http://aws.test:4566/x").read().decode()`)
	var calls atomic.Int64
	tmpl.Listen = []string{"127.0.0.1:4566", "127.0.0.1:443"}
	tmpl.Hosts = map[string]string{"aws.test": "127.0.0.1"}
	tmpl.Serve = func(addr string, l net.Listener) {
		_ = http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			calls.Add(1)
			fmt.Fprint(w, addr, r.URL.Path)
		}))
	}
	if got := payload(h.call(t, tmpl, `{}`, 5*time.Second)); got != `succeeded "127.0.0.1:4566/x"` || calls.Load() != 1 {
		t.Errorf("%q, %d calls\n%s", got, calls.Load(), h.logged())
	}
}

func TestEnvironmentFreezes(t *testing.T) {
	h := newHost(t, func(c *Config) { c.FreezeAfter = time.Millisecond })
	tmpl := h.template(t, "python3.11", `
import threading, time
ticks = 0
def tick():
    global ticks
    while True:
        ticks += 1; time.sleep(0.005)
threading.Thread(target=tick, daemon=True).start()
def handler(e, c):
    return ticks`)
	before := h.call(t, tmpl, `{}`, time.Second)
	time.Sleep(300 * time.Millisecond) // time in which a running thread would tick sixty times
	after := h.call(t, tmpl, `{}`, time.Second)
	var a, b int
	_, _ = fmt.Sscan(string(before.Payload), &a)
	_, _ = fmt.Sscan(string(after.Payload), &b)
	if after.Cold || b-a > 20 {
		t.Errorf("%d ticks while idle", b-a)
	}
}

func TestManyAtOnce(t *testing.T) {
	h := newHost(t, func(c *Config) { c.Prewarm = 1 })
	tmpl := h.template(t, "python3.11", countPython)
	const callers, each = 6, 20
	done := make(chan error, callers)
	for range callers {
		go func() {
			for range each {
				r, err := h.try(tmpl, `{}`, 10*time.Second)
				if err == nil && r.Outcome != Succeeded {
					err = fmt.Errorf("%+v", r)
				}
				if err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range callers {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if s := h.pool.Stats(); s.Idle > callers || s.Waiting != 0 {
		t.Errorf("stats %+v", s)
	}
}

func TestCloseEndsWaitersAndUsers(t *testing.T) {
	h := newHost(t, func(c *Config) { c.MaxEnvironments = 1 })
	tmpl := h.template(t, "python3.11", countPython)
	e, _, err := h.pool.Acquire(t.Context(), tmpl)
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan error, 1)
	go func() { _, _, err := h.pool.Acquire(context.Background(), tmpl); got <- err }()
	for h.pool.Stats().Waiting == 0 {
		time.Sleep(time.Millisecond)
	}
	h.pool.Close()
	if err := <-got; !errors.Is(err, ErrClosed) {
		t.Errorf("waiter: %v", err)
	}
	h.pool.Release(e, true)
}

// The bootstraps load handlers in all the ways the managed runtimes do.
func TestHandlerForms(t *testing.T) {
	h := newHost(t, nil)
	for _, tc := range []struct {
		name, runtime, handler string
		files                  map[string]string
		env                    map[string]string
		want                   string
	}{
		{"esm by suffix", "nodejs20.x", "app.handler", map[string]string{"app.mjs": `import fs from "fs"; await 0; export const handler = async () => typeof fs.statSync`}, nil, `"function"`},
		{"esm by package", "nodejs20.x", "src/app.handler", map[string]string{"src/app.js": `export const handler = async () => import.meta.url`, "package.json": `{"type":"module"}`}, nil, `"file:///var/task/src/app.js"`},
		{"default export", "nodejs20.x", "app.default.handler", map[string]string{"app.mjs": `export default { handler: async () => 1 }`}, nil, `1`},
		{"nested", "nodejs20.x", "app.a.b.run", map[string]string{"app.cjs": `exports.a = { b: { run: async () => 2 } }`}, nil, `2`},
		{"json log", "nodejs20.x", "app.handler", map[string]string{"app.js": `exports.handler = async () => { console.debug("no"); console.warn({a: 1}) }`},
			map[string]string{"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "INFO"}, `null`},
		{"python package", "python3.11", "pkg/app.run", map[string]string{"pkg/__init__.py": "", "pkg/app.py": "from . import other\ndef run(e, c): return other.x", "pkg/other.py": "x = 3"}, nil, `3`},
		{"python path", "python3.11", "app.run", map[string]string{"app.py": "import lib\ndef run(e, c): return lib.x", "sub/lib.py": "x = 4"},
			map[string]string{"PYTHONPATH": "/var/task/sub"}, `4`},
		{"node path", "nodejs20.x", "app.run", map[string]string{"app.js": `exports.run = async () => require("lib")`, "sub/lib.js": "module.exports = 5"},
			map[string]string{"NODE_PATH": "/var/task/sub"}, `5`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tmpl := h.template(t, tc.runtime, "")
			tmpl.Handler = tc.handler
			for name, text := range tc.files {
				file := filepath.Join(tmpl.CodeDir, name)
				if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			for name, value := range tc.env {
				tmpl.Env[name] = value
			}
			if got := payload(h.call(t, tmpl, `{}`, 5*time.Second)); got != "succeeded "+tc.want {
				t.Errorf("%s\n%s", got, h.logged())
			}
		})
	}
	if log := h.logged(); !strings.Contains(log, `"level":"WARN","requestId":"req-1","message":{"a":1}}`) || strings.Contains(log, `"no"`) {
		t.Errorf("log %s", log)
	}
}

// A certificate of the platform's own authority is good without a word from the
// function; another is not.
func TestNodeTrustsThePlatform(t *testing.T) {
	h := newHost(t, nil)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "secure") }))
	server.StartTLS()
	defer server.Close()
	pemText := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	for _, trusted := range []bool{true, false} {
		tmpl := h.template(t, "nodejs20.x", `exports.handler = async () => (await fetch("https://example.com/")).text()`)
		tmpl.Listen = []string{"127.0.0.1:443"}
		tmpl.Hosts = map[string]string{"example.com": "127.0.0.1"}
		tmpl.Files = map[string][]byte{"/var/runtime/ca.pem": pemText}
		if trusted {
			tmpl.Env["MOLN_CA_FILE"] = "/var/runtime/ca.pem"
		}
		tmpl.Serve = func(_ string, l net.Listener) {
			_ = http.Serve(tls.NewListener(l, server.TLS), server.Config.Handler)
		}
		r := h.call(t, tmpl, `{}`, 5*time.Second)
		if got := payload(r); (got == `succeeded "secure"`) != trusted {
			t.Errorf("trusted %v: %s", trusted, got)
		}
	}
}

// The pool works over a driver that isolates nothing, too.
func TestProcessDriver(t *testing.T) {
	h := newHost(t, func(c *Config) { c.Driver = procsandbox.Driver{} })
	for _, tc := range []struct{ runtime, code string }{{"nodejs20.x", helloNode}, {"python3.11", helloPython}} {
		tmpl := h.template(t, tc.runtime, tc.code)
		if got := payload(h.call(t, tmpl, `{}`, 5*time.Second)); !strings.Contains(got, "things") {
			t.Errorf("%s: %s\n%s", tc.runtime, got, h.logged())
		}
	}
}

func TestClassesAndStartVariables(t *testing.T) {
	a := Template{MemoryBytes: 1, Hosts: map[string]string{"x": "1", "y": "2"}}
	same := Template{MemoryBytes: 1, Hosts: map[string]string{"y": "2", "x": "1"}, Key: "other", Env: map[string]string{"A": "1"}}
	if a.class() != same.class() {
		t.Error("one class became two")
	}
	for _, other := range []Template{
		{MemoryBytes: 2, Hosts: a.Hosts}, {MemoryBytes: 1}, {MemoryBytes: 1, Hosts: a.Hosts, Network: sandbox.NetworkHost},
		{MemoryBytes: 1, Hosts: a.Hosts, Files: map[string][]byte{"/f": nil}}, {MemoryBytes: 1, Hosts: a.Hosts, Listen: []string{"127.0.0.1:1"}},
	} {
		if a.class() == other.class() {
			t.Errorf("%+v shares a class", other)
		}
	}
}
