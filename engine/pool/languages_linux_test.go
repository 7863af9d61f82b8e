package pool

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"moln.dev/moln/runtimes"
)

// languageCase is one handler of a language and what becomes of a call.
type languageCase struct {
	name, handler, code, payload string
	outcome                      Outcome
	want                         string // a part of the payload
	log                          string // a part of the log
}

// finder keeps the bootstrap that it compiles for the next run.
var finder = sync.OnceValue(func() *runtimes.Finder {
	return runtimes.NewFinder(os.Getenv("PATH"), []string{"/usr/bin", "/usr/local/bin"}, runtimes.UserCacheDir())
})

// resolved skips the test where the host lacks the language.
func resolved(t *testing.T, identifier string) runtimes.Choice {
	t.Helper()
	choice, err := finder().Resolve(identifier)
	if err != nil {
		t.Skip(err)
	}
	return choice
}

var rubyCases = []languageCase{
	{"hello", "index.handler", `def handler(event:, context:) = { event: event, id: context.aws_request_id, table: ENV["TABLE"], trace: ENV["_X_AMZN_TRACE_ID"] }`, `{"ö":1}`, Succeeded, `{"event":{"ö":1},"id":"req-1","table":"things","trace":"Root=1-2-3"}`, ""},
	{"class", "index.Fn::Deep.go", "module Fn\n class Deep\n  def self.go(event:, context:) = event['a'] + 1\n end\nend", `{"a":1}`, Succeeded, `2`, ""},
	{"nil", "index.handler", `def handler(event:, context:) = nil`, `{}`, Succeeded, `null`, ""},
	{"puts", "index.handler", "def handler(event:, context:)\n puts 'one', ['two']\n 1\nend", `{}`, Succeeded, `1`, "req-1: one\ntwo"},
	{"logger", "index.handler", "require 'logger'\ndef handler(event:, context:)\n Logger.new($stdout).info('told')\n 1\nend", `{}`, Succeeded, `1`, "INFO -- : told"},
	{"remaining", "index.handler", `def handler(event:, context:) = context.get_remaining_time_in_millis.between?(1, 1500)`, `{}`, Succeeded, `true`, ""},
	{"error", "index.handler", "class Bad < StandardError; end\ndef handler(event:, context:)\n raise Bad, 'no'\nend", `{}`, Failed, `{"errorMessage":"no","errorType":"Function<Bad>","stackTrace":["/var/task/index.rb:3:in `, "Error raised from handler method"},
	{"argument error", "index.handler", "def handler(event:, context:) = raise(ArgumentError, 'arg')", `{}`, Failed, `"errorType":"Function<ArgumentError>"`, ""},
	{"no keywords", "index.handler", "def handler(a, b) = 1", `{}`, Failed, `"errorType":"Function<ArgumentError>"`, ""},
	{"not JSON", "index.handler", "def handler(event:, context:) = 1", `{`, Failed, `Function<JSON::ParserError>`, ""},
	{"no method", "index.other", "def handler(event:, context:) = 1", `{}`, Failed, `"errorType":"Function<NoMethodError>"`, ""},
	{"no file", "nothere.handler", "1", `{}`, InitFailed, `{"errorMessage":"cannot load such file -- nothere","errorType":"Init<LoadError>"`, ""},
	{"syntax", "index.handler", "def handler(", `{}`, InitFailed, `Init<SyntaxError>`, ""},
	{"malformed", "handler", "1", `{}`, InitFailed, `Init<ArgumentError>`, ""},
	{"exit", "index.handler", "def handler(event:, context:) = exit!(3)", `{}`, Exited, ``, ""},
	{"exit tells", "index.handler", "def handler(event:, context:) = exit(2)", `{}`, Failed, `Function<SystemExit>`, ""},
	{"hang", "index.handler", "def handler(event:, context:) = sleep", `{}`, TimedOut, ``, ""},
	{"memory", "index.handler", "def handler(event:, context:)\n a = []\n loop { a << ('x' * (8 << 20)); sleep 0.005 }\nend", `{}`, OutOfMemory, ``, ""},
	{"large", "index.handler", "def handler(event:, context:) = 'x' * (7 << 20)", `{}`, ResponseTooLarge, ``, ""},
	{"json of the standard library", "index.handler", "require 'json'; require 'set'; require 'time'\ndef handler(event:, context:) = { t: Time.at(0).utc.iso8601 }", `{}`, Succeeded, `{"t":"1970-01-01T00:00:00Z"}`, ""},
}

func TestRuby(t *testing.T) {
	choice := resolved(t, "ruby3.4")
	h := newHost(t, nil)
	for _, tc := range rubyCases {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "index.rb"), []byte(tc.code), 0o644); err != nil {
				t.Fatal(err)
			}
			h.runLanguage(t, choice, dir, tc, "")
		})
	}
}

// A function that sets what Ruby reads when it starts gets a process of its own;
// the cases above are assigned to one that waits.
func TestRubyUnassigned(t *testing.T) {
	choice := resolved(t, "ruby3.4")
	choice.Launch.Assignable = false
	h := newHost(t, nil)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "index.rb"), []byte(rubyCases[0].code), 0o644); err != nil {
		t.Fatal(err)
	}
	h.runLanguage(t, choice, dir, rubyCases[0], "")
}

var javaCases = []languageCase{
	{"map", "example.Handler", "", `{"ö":[1,2.5,null,true]}`, Succeeded, `{"event":{"ö":[1,2.5,null,true]},"id":"req-1","table":"things","trace":"Root=1-2-3","calls":1}`, ""},
	{"named", "example.Handler::handleRequest", "", `{}`, Succeeded, `"id":"req-1"`, ""},
	{"beans", "example.Handler::pojo", "", `{"name":"n","items":[{"cents":5,"data":"AQI=","more":1}],"note":"x","stock":{"RED":2},"colour":"BLUE","open":true,"at":1.5,"day":86400000}`, Succeeded,
		`{"name":"n","items":[{"cents":5,"data":"AQI="}],"note":"x","stock":{"RED":2},"colour":"BLUE","open":true,"at":1.500000000,"day":86400000,"URL":"u/n"}`, ""},
	{"empty bean", "example.Handler::pojo", "", `{"colour":"GREEN"}`, Succeeded, `{"items":[],"note":null,"open":false}`, ""},
	{"list of beans", "example.Handler::items", "", `[{"cents":"7"}]`, Succeeded, `[{"cents":8}]`, ""},
	{"static", "example.Handler::sum", "", `41`, Succeeded, `42`, ""},
	{"string", "example.Handler::hello", "", `"ö\u20ac"`, Succeeded, `"hello ö€"`, ""},
	{"void", "example.Handler::nothing", "", `{}`, Succeeded, `null`, "req-1: printed"},
	{"logger", "example.Handler::logs", "", `""`, Succeeded, `null`, "req-1: two\nlines\nreq-1: [WARN] level"},
	{"fails", "example.Handler::fails", "", `"x"`, Failed, `{"errorMessage":"bad x","errorType":"java.lang.IllegalArgumentException","stackTrace":["example.Handler.fails(Handler.java:`, "Caused by: java.lang.RuntimeException: why"},
	{"checked", "example.Handler::checked", "", `"x"`, Failed, `{"errorMessage":"java.io.IOException","errorType":"java.io.IOException"`, ""},
	{"wrong event", "example.Handler::sum", "", `{"a":1}`, Failed, `{"errorMessage":"An error occurred during JSON parsing","errorType":"java.lang.RuntimeException","stackTrace":[]}`, "START_OBJECT"},
	{"not JSON", "example.Handler::hello", "", `{`, Failed, `An error occurred during JSON parsing`, ""},
	{"stream method", "example.Handler::stream", "", `12`, Succeeded, `23`, ""},
	{"stream class", "example.Handler$Bytes", "", `{}`, Succeeded, `"raw"`, ""},
	{"inherited types", "example.Handler$Derived", "", `{"cents":3}`, Succeeded, `{"cents":3}`, ""},
	{"remaining", "example.Handler::remaining", "", `{}`, Succeeded, `true`, ""},
	{"working directory", "example.Handler::here", "", `{}`, Succeeded, `true`, ""},
	{"no class", "example.Nothing", "", `{}`, Failed, `{"errorMessage":"Class not found: example.Nothing","errorType":"java.lang.ClassNotFoundException"}`, ""},
	{"no method", "example.Handler::nowhere", "", `{}`, Failed, `{"errorMessage":"No public method named nowhere with appropriate method signature found on class example.Handler"}`, ""},
	{"no handler", "example.Handler$Item", "", `{}`, Failed, `Class does not implement an appropriate handler interface: example.Handler$Item`, ""},
	{"no constructor", "example.Handler$Private::go", "", `{}`, Failed, `Class example.Handler$Private has no public zero-argument constructor`, ""},
	{"broken class", "example.Handler$Broken::go", "", `{}`, InitFailed, `Error loading class example.Handler$Broken`, ""},
	{"throwing constructor", "example.Handler$Throwing::go", "", `{}`, InitFailed, `{"errorMessage":"made","errorType":"java.lang.IllegalStateException"}`, ""},
	{"malformed", "example.Handler::", "", `{}`, Failed, "Invalid handler: `example.Handler::'", ""},
	{"exit", "example.Handler::exits", "", `"x"`, Exited, ``, ""},
	{"hang", "example.Handler::hangs", "", `"x"`, TimedOut, ``, ""},
	{"heap", "example.Handler::memory", "", `"x"`, Failed, `"errorType":"java.lang.OutOfMemoryError"`, ""},
	{"large", "example.Handler::big", "", `"x"`, ResponseTooLarge, ``, ""},
}

func TestJava(t *testing.T) {
	choice := resolved(t, "java17")
	javac, err := exec.LookPath("javac")
	if err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	out, err := exec.Command(javac, "-d", dir, "-cp", filepath.Join(choice.Interpreter.Support, "bootstrap.jar"), "testdata/Handler.java").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	h := newHost(t, nil)
	for _, tc := range javaCases {
		t.Run(tc.name, func(t *testing.T) { h.runLanguage(t, choice, dir, tc, "") })
	}
	t.Run("JSON log", func(t *testing.T) {
		h.runLanguage(t, choice, dir, languageCase{"", "example.Handler::logs", "", `""`, Succeeded, `null`, `"message":"level","level":"WARN","AWSRequestId":"req-1"}`}, "JSON")
	})
	for _, i := range finder().Interpreters(runtimes.Java) {
		t.Run(i.Version, func(t *testing.T) {
			i.Support = choice.Interpreter.Support
			h.runLanguage(t, runtimes.Choice{Launch: i.Launch()}, dir, javaCases[0], "")
		})
	}
}

// runLanguage calls a function twice where it stays healthy: cold, then warm.
func (h *host) runLanguage(t *testing.T, choice runtimes.Choice, dir string, tc languageCase, logFormat string) {
	t.Helper()
	h.mu.Lock()
	h.lines = nil
	h.mu.Unlock()
	tmpl := &Template{
		Key: t.Name() + dir, Launch: choice.Launch, CodeDir: dir, Handler: tc.handler, MemoryBytes: 128 << 20, TmpBytes: 32 << 20, Log: h.log,
		Env: map[string]string{"AWS_LAMBDA_FUNCTION_NAME": "fn", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128", "TABLE": "things", "AWS_LAMBDA_LOG_FORMAT": logFormat},
	}
	timeout := 5 * time.Second
	if tc.outcome == TimedOut || tc.name == "remaining" {
		timeout = 1500 * time.Millisecond
	}
	r, err := h.tryWith(tmpl, tc.payload, timeout)
	if err != nil {
		t.Fatal(err)
	}
	if r.Outcome != tc.outcome || !strings.Contains(string(r.Payload), tc.want) {
		t.Errorf("outcome %v (exit %v) payload %s\nlog %s", r.Outcome, r.Exit, r.Payload, h.logged())
	}
	if !strings.Contains(h.logged(), tc.log) {
		t.Errorf("log %q", h.logged())
	}
	if r.Outcome != Succeeded {
		return
	}
	t.Logf("init %v", r.InitDuration)
	again, err := h.tryWith(tmpl, tc.payload, timeout)
	if err != nil || again.Outcome != Succeeded || again.Cold || !json.Valid(again.Payload) {
		t.Errorf("again: %+v, %v", again, err)
	}
	t.Logf("warm %v, %s", again.Duration, fmt.Sprint(again.PeakMemoryBytes>>20, " MB"))
}

// tryWith is try with room for the start of any language.
func (h *host) tryWith(tmpl *Template, payload string, timeout time.Duration) (Result, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	env, _, err := h.pool.Acquire(ctx, tmpl)
	if err != nil {
		return Result{}, err
	}
	defer h.pool.Release(env, true)
	return env.Invoke(ctx, Invocation{RequestID: "req-1", Payload: []byte(payload), Timeout: timeout, FunctionARN: "arn:aws:lambda:eu-north-1:1:function:fn", TraceID: "Root=1-2-3"})
}
