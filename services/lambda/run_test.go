package lambda

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	api "moln.dev/moln/api/lambda"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/engine/sched"
	"moln.dev/moln/platform/functions"
	"moln.dev/moln/platform/identity"
	"moln.dev/moln/services/lambda/async"
	"moln.dev/moln/services/lambda/fn"
)

func tailOf(t *testing.T, out *api.InvokeOutput) string {
	t.Helper()
	raw, err := base64.StdEncoding.DecodeString(*out.LogResult)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestInvokeNode(t *testing.T) {
	w := newWorld(t, Options{})
	w.node("hello", `exports.handler = async (event, context) => {
		console.log("got", event.name);
		return {hello: event.name, fn: context.functionName, arn: context.invokedFunctionArn, key: process.env.AWS_ACCESS_KEY_ID,
			own: process.env.OWN, region: process.env.AWS_REGION, keys: Object.keys(process.env).filter(k => /MOLN_POOL|HOME|GOFLAGS/.test(k)), left: context.getRemainingTimeInMillis()};
	}`, func(in *api.CreateFunctionInput) {
		in.Environment = &api.Environment{Variables: map[string]string{"OWN": "mine"}}
	})
	out, v := w.invoke("hello", `{"name":"moln"}`)
	if out.FunctionError != nil {
		t.Fatalf("failed: %s", out.Payload)
	}
	if v["hello"] != "moln" || v["fn"] != "hello" || v["own"] != "mine" || v["region"] != region || v["arn"] != "arn:aws:lambda:eu-west-1:123456789012:function:hello" || v["key"] == nil {
		t.Errorf("answer %s", out.Payload)
	}
	if *out.ExecutedVersion != "$LATEST" {
		t.Errorf("version %s", *out.ExecutedVersion)
	}
	form := regexp.MustCompile(`(?s)^START RequestId: \S+ Version: \$LATEST\n.*\tINFO\tgot moln\nEND RequestId: \S+\nREPORT RequestId: \S+\tDuration: [\d.]+ ms\tBilled Duration: \d+ ms\tMemory Size: 128 MB\tMax Memory Used: \d+ MB\tInit Duration: [\d.]+ ms\t\n$`)
	if tail := tailOf(t, out); !form.MatchString(tail) {
		t.Errorf("log %q", tail)
	}
	w.await("the log", func() bool { return strings.Contains(w.written("/aws/lambda/hello"), "REPORT RequestId") })
	if text := w.written("/aws/lambda/hello"); !strings.HasPrefix(text, "INIT_START Runtime Version: nodejs20.x\nSTART RequestId: ") || !strings.Contains(text, "\tINFO\tgot moln\n") {
		t.Errorf("log group has %q", text)
	}
	out, _ = w.invoke("hello", `{"name":"again"}`)
	if tail := tailOf(t, out); strings.Contains(tail, "Init Duration") {
		t.Errorf("the second invocation was cold: %q", tail)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.streams) != 1 {
		t.Errorf("%d streams for one environment", len(w.streams))
	}
}

func TestInvokePython(t *testing.T) {
	w := newWorld(t, Options{})
	must(w, api.CreateFunction, &api.CreateFunctionInput{
		FunctionName: new("py"), Runtime: new("python3.12"), Role: new(goodRole), Handler: new("app.main"),
		Code: &api.FunctionCode{ZipFile: zipOf(t, "app.py", "def main(event, context):\n    return {'sum': event['a'] + event['b'], 'v': context.function_version}\n")},
	})
	out, v := w.invoke("py", `{"a":1,"b":2}`)
	if v["sum"] != 3.0 || v["v"] != "$LATEST" {
		t.Errorf("answer %s", out.Payload)
	}
}

func TestFunctionErrors(t *testing.T) {
	w := newWorld(t, Options{})
	w.node("bad", `exports.handler = async (event) => {
		if (event.how === "throw") throw new TypeError("thrown");
		if (event.how === "exit") process.exit(3);
		if (event.how === "hang") { console.log("hanging"); await new Promise(() => setInterval(() => {}, 1000)); }
		if (event.how === "big") return "x".repeat(7 * 1024 * 1024);
		if (event.how === "eat") { const all = []; for (;;) all.push(Buffer.alloc(16 << 20, 1)); }
		return {fine: true};
	}`, func(in *api.CreateFunctionInput) { in.Timeout = new(int32(3)) })
	w.invoke("bad", `{}`)
	for _, c := range []struct{ how, errorType, message, log string }{
		{"throw", "TypeError", "^thrown$", "TypeError"},
		{"exit", "Runtime.ExitError", "^RequestId: [0-9a-f-]{36} Error: Runtime exited with error: exit status 3$", "Status: error\tError Type: Runtime.ExitError"},
		{"hang", "Sandbox.Timedout", `^RequestId: [0-9a-f-]{36} Error: Task timed out after 3.00 seconds$`, "Task timed out after 3.00 seconds"},
		{"big", "Function.ResponseSizeTooLarge", `^Response payload size \(73400\d\d bytes\) exceeded maximum allowed payload size \(6291556 bytes\).$`, "REPORT"},
		{"eat", "Runtime.OutOfMemory", `^RequestId: [0-9a-f-]{36} Error: Runtime exited with error: signal: killed$`, "Runtime.OutOfMemory"},
	} {
		if c.how == "eat" && !w.limitsMemory() {
			continue
		}
		w.invoke("bad", `{}`) // an environment that is warm: init is not measured here
		out, v := w.invoke("bad", `{"how":"`+c.how+`"}`)
		if out.FunctionError == nil || *out.FunctionError != "Unhandled" || *out.StatusCode != 200 {
			t.Errorf("%s: no function error: %.200s", c.how, out.Payload)
			continue
		}
		message, _ := v["errorMessage"].(string)
		if v["errorType"] != c.errorType || !regexp.MustCompile(c.message).MatchString(message) {
			t.Errorf("%s: %.300s", c.how, out.Payload)
		}
		if tail := tailOf(t, out); !strings.Contains(tail, c.log) {
			t.Errorf("%s: log %q has no %q", c.how, tail, c.log)
		}
	}
}

func (w *world) limitsMemory() bool {
	g, err := w.s.engine.Guard()
	if err != nil {
		return false
	}
	memory, ok := g.Driver.Probe(w.t.Context()).Get("memory")
	return ok && memory.OK
}

func TestInitErrors(t *testing.T) {
	w := newWorld(t, Options{})
	w.node("syntax", `exports.handler = async ( => 1`)
	w.node("missing", `exports.other = 1`)
	w.node("dies", `process.exit(2)`)
	must(w, api.CreateFunction, &api.CreateFunctionInput{
		FunctionName: new("empty"), Runtime: new("provided.al2023"), Role: new(goodRole), Handler: new("x"),
		Code: &api.FunctionCode{ZipFile: zipOf(t, "readme", "nothing to run")},
	})
	for name, want := range map[string]string{
		"syntax": "Runtime.UserCodeSyntaxError", "missing": "Runtime.HandlerNotFound", "dies": "Runtime.ExitError", "empty": "Runtime.InvalidEntrypoint",
	} {
		out, v := w.invoke(name, `{}`)
		if out.FunctionError == nil || v["errorType"] != want {
			t.Errorf("%s: %s", name, out.Payload)
		}
	}
}

// A function with no way out reaches moln: by the endpoint in its environment.
func TestReachesMoln(t *testing.T) {
	w := newWorld(t, Options{})
	w.site.HandleFunc("/ping", func(rw http.ResponseWriter, _ *http.Request) { fmt.Fprint(rw, `{"pong":true}`) })
	w.node("caller", `exports.handler = async () => {
		const out = {};
		out.moln = await (await fetch(process.env.AWS_ENDPOINT_URL + "/ping")).json();
		try { await fetch("http://1.1.1.1/", {signal: AbortSignal.timeout(500)}); out.internet = true; } catch (e) { out.internet = false; }
		return out;
	}`)
	if g, err := w.s.engine.Guard(); err != nil || !g.Private() {
		t.Skip("the sandbox has no network of its own here")
	}
	out, v := w.invoke("caller", `{}`)
	moln, _ := v["moln"].(map[string]any)
	if moln["pong"] != true || v["internet"] != false {
		t.Errorf("answer %s", out.Payload)
	}
}

func TestConcurrency(t *testing.T) {
	w := newWorld(t, Options{})
	w.node("one", `exports.handler = async (e) => { await new Promise(r => setTimeout(r, e.ms)); return {}; }`)
	w.invoke("one", `{"ms":1}`)
	must(w, api.PutFunctionConcurrency, &api.PutFunctionConcurrencyInput{FunctionName: new("one"), ReservedConcurrentExecutions: new(int32(1))})
	done := make(chan error)
	go func() {
		_, err := do(w, api.Invoke, &api.InvokeInput{FunctionName: new("one"), Payload: []byte(`{"ms":700}`)})
		done <- err
	}()
	w.await("the first invocation", func() bool {
		return w.s.engine.RunningOf(fn.At(fn.Place{Account: account, Region: region}, "one", "")) == 1
	})
	_, err := do(w, api.Invoke, &api.InvokeInput{FunctionName: new("one"), Payload: []byte(`{"ms":1}`)})
	f := fault.As(err)
	if f == nil || f.Code != "TooManyRequestsException" || f.Status != 429 {
		t.Fatalf("second at once: %v", err)
	}
	if reason := *f.Body.(*api.TooManyRequestsException).Reason; reason != "ReservedFunctionConcurrentInvocationLimitExceeded" {
		t.Errorf("reason %s", reason)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestVersionsAndWeights(t *testing.T) {
	w := newWorld(t, Options{})
	w.node("v", `exports.handler = async (e, c) => ({says: "one", version: c.functionVersion})`)
	must(w, api.PublishVersion, &api.PublishVersionInput{FunctionName: new("v")})
	if again := must(w, api.PublishVersion, &api.PublishVersionInput{FunctionName: new("v")}); *again.Version != "1" {
		t.Errorf("unchanged, and published as %s", *again.Version)
	}
	must(w, api.UpdateFunctionCode, &api.UpdateFunctionCodeInput{
		FunctionName: new("v"), Publish: new(true), ZipFile: zipOf(t, "index.js", `exports.handler = async (e, c) => ({says: "two", version: c.functionVersion})`),
	})
	must(w, api.CreateAlias, &api.CreateAliasInput{FunctionName: new("v"), Name: new("live"), FunctionVersion: new("1"),
		RoutingConfig: &api.AliasRoutingConfiguration{AdditionalVersionWeights: map[string]float64{"2": 1}}})
	for name, want := range map[string]string{"v:1": "one", "v:2": "two", "v": "two", "v:live": "two"} {
		if _, v := w.invoke(name, `{}`); v["says"] != want {
			t.Errorf("%s says %v", name, v["says"])
		}
	}
	must(w, api.UpdateAlias, &api.UpdateAliasInput{FunctionName: new("v"), Name: new("live"), RoutingConfig: &api.AliasRoutingConfiguration{AdditionalVersionWeights: map[string]float64{}}})
	out, v := w.invoke("v:live", `{}`)
	if v["says"] != "one" || *out.ExecutedVersion != "1" || v["version"] != "1" {
		t.Errorf("the alias runs %v of version %s", v["says"], *out.ExecutedVersion)
	}
	if _, err := do(w, api.DeleteFunction, &api.DeleteFunctionInput{FunctionName: new("v"), Qualifier: new("1")}); !fault.Is(err, "ResourceConflictException") {
		t.Errorf("a version that an alias names was deleted: %v", err)
	}
}

func TestAsync(t *testing.T) {
	w := newWorld(t, Options{})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- w.sched.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	var mu sync.Mutex
	var seen []string
	w.site.HandleFunc("/seen", func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, r.URL.Query().Get("id"))
	})
	count := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(seen)
	}
	w.node("later", `exports.handler = async (e, c) => { await fetch(process.env.AWS_ENDPOINT_URL + "/seen?id=" + c.awsRequestId); if (e.fail) throw new Error("no"); return {}; }`)
	if g, err := w.s.engine.Guard(); err != nil || !g.Private() {
		t.Skip("the sandbox has no network of its own here")
	}
	out := must(w, api.Invoke, &api.InvokeInput{FunctionName: new("later"), InvocationType: new("Event"), Payload: []byte(`{}`)})
	if *out.StatusCode != 202 || len(out.Payload) > 0 {
		t.Errorf("answer %d %s", *out.StatusCode, out.Payload)
	}
	w.await("the event", func() bool { return count() == 1 })
	must(w, api.Invoke, &api.InvokeInput{FunctionName: new("later"), InvocationType: new("Event"), Payload: []byte(`{"fail":true}`)})
	waits := func() bool {
		jobs, err := w.sched.Jobs(ctx, async.EventKind, 10)
		return err == nil && len(jobs) == 1 && !jobs[0].Leased
	}
	w.await("the first failure", func() bool { return count() == 2 && waits() })
	w.clock.Advance(61 * time.Second)
	w.await("the second failure", func() bool { return count() == 3 && waits() })
	w.clock.Advance(61 * time.Second)
	time.Sleep(50 * time.Millisecond) // nothing to wait for: nothing may happen
	if count() != 3 {
		t.Fatalf("the third try came too early")
	}
	w.clock.Advance(60 * time.Second)
	w.await("the third failure and the end", func() bool {
		jobs, err := w.sched.Jobs(ctx, async.EventKind, 10)
		return count() == 4 && err == nil && len(jobs) == 0
	})
	if seen[1] != seen[2] || seen[2] != seen[3] || seen[0] == seen[1] {
		t.Errorf("request ids %v", seen)
	}
}

// TestDestinations gives events that succeed and events that fail to a function
// whose owner wants to be told of both.
func TestDestinations(t *testing.T) {
	w := newWorld(t, Options{})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- w.sched.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	told := make(chan []byte, 1)
	w.site.HandleFunc("/told", func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		told <- body
	})
	w.node("teller", `exports.handler = async (e) => { await fetch(process.env.AWS_ENDPOINT_URL + "/told", {method: "POST", body: JSON.stringify(e)}) }`)
	w.node("works", `exports.handler = async (e) => { if (e.fail) throw new Error("no"); return {sum: e.a + e.b} }`)
	if g, err := w.s.engine.Guard(); err != nil || !g.Private() {
		t.Skip("the sandbox has no network of its own here")
	}
	must(w, api.PutFunctionEventInvokeConfig, &api.PutFunctionEventInvokeConfigInput{
		FunctionName: new("works"), MaximumRetryAttempts: new(int32(0)), DestinationConfig: &api.DestinationConfig{
			OnSuccess: &api.OnSuccess{Destination: new("arn:aws:lambda:eu-west-1:123456789012:function:teller")},
			OnFailure: &api.OnFailure{Destination: new("arn:aws:s3:::lost")},
		},
	})
	must(w, api.Invoke, &api.InvokeInput{FunctionName: new("works"), InvocationType: new("Event"), Payload: []byte(`{"a":1,"b":2}`)})
	var rec map[string]any
	select {
	case body := <-told:
		if err := json.Unmarshal(body, &rec); err != nil {
			t.Fatal(err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("nobody was told of the success")
	}
	request := rec["requestContext"].(map[string]any)
	if request["condition"] != "Success" || request["functionArn"] != "arn:aws:lambda:eu-west-1:123456789012:function:works:$LATEST" ||
		rec["responsePayload"].(map[string]any)["sum"] != 3.0 || rec["requestPayload"].(map[string]any)["b"] != 2.0 {
		t.Errorf("told of the success: %v", rec)
	}
	must(w, api.Invoke, &api.InvokeInput{FunctionName: new("works"), InvocationType: new("Event"), Payload: []byte(`{"fail":true}`)})
	var key string
	w.await("the record in the bucket", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		for k, data := range w.objects {
			if strings.HasPrefix(k, "lost/") {
				key = k
				return json.Unmarshal(data, &rec) == nil
			}
		}
		return false
	})
	request = rec["requestContext"].(map[string]any)
	if !regexp.MustCompile(`^lost/aws/lambda/async/works/\d{4}/\d\d/\d\d/\d{4}-\d\d-\d\dT\d\d\.\d\d\.\d\d-[0-9a-f-]{36}$`).MatchString(key) {
		t.Errorf("key %s", key)
	}
	if request["condition"] != "RetriesExhausted" || request["approximateInvokeCount"] != 1.0 || rec["responseContext"].(map[string]any)["functionError"] != "Unhandled" {
		t.Errorf("told of the failure: %v", rec)
	}
}

func TestRunnerJudges(t *testing.T) {
	w := newWorld(t, Options{})
	w.node("hook", `exports.handler = async () => ({ok: true})`)
	arn := "arn:aws:lambda:eu-west-1:123456789012:function:hook"
	req := functions.Request{
		Caller:  identity.Service("apigateway.amazonaws.com", account, "arn:aws:execute-api:eu-west-1:123456789012:abc/dev/GET/x"),
		Account: account, Region: region, RequestID: "r", FunctionARN: arn, Payload: []byte(`{}`),
	}
	if _, err := w.s.InvokeFunction(t.Context(), req); !fault.Is(err, "AccessDeniedException") {
		t.Fatalf("without a policy: %v", err)
	}
	must(w, api.AddPermission, &api.AddPermissionInput{FunctionName: new("hook"), StatementId: new("api"), Action: new("lambda:InvokeFunction"),
		Principal: new("apigateway.amazonaws.com"), SourceArn: new("arn:aws:execute-api:eu-west-1:123456789012:abc/*")})
	res, err := w.s.InvokeFunction(t.Context(), req)
	if err != nil || string(res.Payload) != `{"ok":true}` || res.Version != "$LATEST" {
		t.Errorf("with the policy: %s %v", res.Payload, err)
	}
	req.Caller.SourceARN = "arn:aws:execute-api:eu-west-1:123456789012:other/dev/GET/x"
	if _, err := w.s.InvokeFunction(t.Context(), req); !fault.Is(err, "AccessDeniedException") {
		t.Errorf("from another API: %v", err)
	}
	req.FunctionARN = arn + "x"
	if _, err := w.s.InvokeFunction(t.Context(), req); !fault.Is(err, "AccessDeniedException") {
		t.Errorf("a function that is not there: %v", err)
	}
}

func TestCredentialsAreRenewed(t *testing.T) {
	w := newWorld(t, Options{})
	w.node("key", `exports.handler = async () => ({key: process.env.AWS_ACCESS_KEY_ID})`)
	_, first := w.invoke("key", `{}`)
	_, same := w.invoke("key", `{}`)
	w.clock.Advance(58 * time.Minute)
	_, renewed := w.invoke("key", `{}`)
	if first["key"] != same["key"] || renewed["key"] == first["key"] {
		t.Errorf("keys %v, %v, then %v", first["key"], same["key"], renewed["key"])
	}
}

func TestLogsDenied(t *testing.T) {
	w := newWorld(t, Options{})
	w.denyLogs = true
	w.node("quiet", `exports.handler = async () => { console.log("x"); return {fine: true}; }`)
	if out, v := w.invoke("quiet", `{}`); v["fine"] != true {
		t.Errorf("answer %s", out.Payload)
	}
	w.await("the note", func() bool {
		return w.s.engine.RefusedLogs() == 1
	})
}

// Code that is not unpacked any more is unpacked again from its blob.
func TestCodeIsRebuilt(t *testing.T) {
	w := newWorld(t, Options{})
	w.node("again", `exports.handler = async () => ({ok: true})`)
	if err := os.RemoveAll(w.s.packages.Dir + "/code"); err != nil {
		t.Fatal(err)
	}
	if _, v := w.invoke("again", `{}`); v["ok"] != true {
		t.Errorf("answer %v", v)
	}
}

func TestProcessDriver(t *testing.T) {
	w := newWorld(t, Options{Sandbox: "process"})
	w.node("plain", `exports.handler = async () => ({url: process.env.AWS_ENDPOINT_URL})`)
	if _, v := w.invoke("plain", `{}`); v["url"] != "http://127.0.0.1:4566" {
		t.Errorf("answer %v", v)
	}
}

func TestNoDriver(t *testing.T) {
	w := newWorld(t, Options{Sandbox: "none"})
	w.node("idle", `exports.handler = async () => ({})`)
	if _, err := do(w, api.Invoke, &api.InvokeInput{FunctionName: new("idle")}); !fault.Is(err, "ServiceException") {
		t.Errorf("error %v", err)
	}
	strict := newWorld(t, Options{Sandbox: "process", Strict: true})
	strict.node("idle", `exports.handler = async () => ({})`)
	if _, err := do(strict, api.Invoke, &api.InvokeInput{FunctionName: new("idle")}); !fault.Is(err, "ServiceException") {
		t.Errorf("strict: %v", err)
	}
}

// Where isolation is demanded and cannot be had, the server must not come up.
func TestStrictFailsAtStart(t *testing.T) {
	w := newWorld(t, Options{Sandbox: "process", Strict: true})
	if err := w.s.warmUp(t.Context()); err == nil {
		t.Error("the worker goes on")
	}
}

func TestEventAge(t *testing.T) {
	w := newWorld(t, Options{Sandbox: "none"})
	w.node("old", "1")
	must(w, api.PutFunctionEventInvokeConfig, &api.PutFunctionEventInvokeConfigInput{FunctionName: new("old"), MaximumEventAgeInSeconds: new(int32(60))})
	j := async.Event{Account: account, Region: region, Name: "old", RequestID: "r", Payload: []byte("{}"), Accepted: w.clock.Now()}
	if err := w.s.events.Run(t.Context(), sched.Run{Payload: j.Encode(), Attempt: 1}); err == nil {
		t.Error("an event that could not be delivered was dropped before its time")
	}
	w.clock.Advance(61 * time.Second)
	if err := w.s.events.Run(t.Context(), sched.Run{Payload: j.Encode(), Attempt: 2}); err != nil {
		t.Errorf("an event past its age is kept: %v", err)
	}
	j.Name = "gone"
	j.Accepted = w.clock.Now()
	if err := w.s.events.Run(t.Context(), sched.Run{Payload: j.Encode(), Attempt: 1}); err != nil {
		t.Errorf("an event of a function that is gone is kept: %v", err)
	}
}

// TestProvisioned has environments of a version ready, which the first invocation
// need not wait for.
func TestProvisioned(t *testing.T) {
	w := newWorld(t, Options{})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- w.s.keeper.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	w.node("ready", `exports.handler = async () => ({how: process.env.AWS_LAMBDA_INITIALIZATION_TYPE, key: process.env.AWS_ACCESS_KEY_ID})`)
	must(w, api.PublishVersion, &api.PublishVersionInput{FunctionName: new("ready")})
	must(w, api.CreateAlias, &api.CreateAliasInput{FunctionName: new("ready"), Name: new("live"), FunctionVersion: new("1")})
	put := func(qualifier string, n int32) error {
		_, err := do(w, api.PutProvisionedConcurrencyConfig, &api.PutProvisionedConcurrencyConfigInput{FunctionName: new("ready"), Qualifier: &qualifier, ProvisionedConcurrentExecutions: &n})
		return err
	}
	for _, c := range []struct {
		qualifier string
		n         int32
		want      string
	}{
		{"$LATEST", 1, "InvalidParameterValueException: Provisioned Concurrency Configs cannot be applied to unpublished function versions."},
		{"2", 1, "ResourceNotFoundException: Function not found: arn:aws:lambda:eu-west-1:123456789012:function:ready:2"},
		{"live", 901, "InvalidParameterValueException: Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [1000]."},
		{"live", 2, ""},
		{"1", 1, "ResourceConflictException: Version is pointed by a Provisioned Concurrency alias"},
	} {
		got := ""
		if err := put(c.qualifier, c.n); err != nil {
			got = fault.As(err).Code + ": " + fault.As(err).Message
		}
		if got != c.want {
			t.Errorf("%d of %s: %s", c.n, c.qualifier, got)
		}
	}
	w.await("the environments", func() bool {
		got := must(w, api.GetProvisionedConcurrencyConfig, &api.GetProvisionedConcurrencyConfigInput{FunctionName: new("ready"), Qualifier: new("live")})
		return *got.Status == api.ProvisionedConcurrencyStatusEnumReady && *got.AvailableProvisionedConcurrentExecutions == 2
	})
	key := func() string {
		out := must(w, api.Invoke, &api.InvokeInput{FunctionName: new("ready"), Qualifier: new("live"), LogType: new(api.LogTypeTail)})
		var got struct{ How, Key string }
		if err := json.Unmarshal(out.Payload, &got); err != nil || got.How != "provisioned-concurrency" || strings.Contains(tailOf(t, out), "Init Duration") {
			t.Errorf("an invocation: %s\n%s", out.Payload, tailOf(t, out))
		}
		return got.Key
	}
	first := key()
	// Its credentials come near their end: new environments are there before.
	w.clock.Advance(50 * time.Minute)
	if err := put("live", 2); err != nil {
		t.Error(err)
	}
	w.await("new credentials", func() bool { return key() != first })
	must(w, api.DeleteProvisionedConcurrencyConfig, &api.DeleteProvisionedConcurrencyConfigInput{FunctionName: new("ready"), Qualifier: new("live")})
	if _, err := do(w, api.GetProvisionedConcurrencyConfig, &api.GetProvisionedConcurrencyConfigInput{FunctionName: new("ready"), Qualifier: new("live")}); !fault.Is(err, "ProvisionedConcurrencyConfigNotFoundException") {
		t.Errorf("after its deletion: %v", err)
	}
	w.node("broken", `throw new Error("not today")`)
	must(w, api.PublishVersion, &api.PublishVersionInput{FunctionName: new("broken")})
	must(w, api.PutProvisionedConcurrencyConfig, &api.PutProvisionedConcurrencyConfigInput{FunctionName: new("broken"), Qualifier: new("1"), ProvisionedConcurrentExecutions: new(int32(1))})
	w.await("the failure", func() bool {
		got := must(w, api.GetProvisionedConcurrencyConfig, &api.GetProvisionedConcurrencyConfigInput{FunctionName: new("broken"), Qualifier: new("1")})
		return *got.Status == api.ProvisionedConcurrencyStatusEnumFailed && *got.StatusReason == "FUNCTION_ERROR_INIT_FAILURE"
	})
}

// A function that goes while its environments are being made leaves none behind.
func TestProvisionedAndGone(t *testing.T) {
	w := newWorld(t, Options{})
	ctx := context.Background()
	w.node("slow", `const end = Date.now() + 1000; while (Date.now() < end); exports.handler = async () => 1`)
	must(w, api.PublishVersion, &api.PublishVersionInput{FunctionName: new("slow")})
	place := fn.Place{Account: w.call().Account, Region: w.call().Region}
	ref := fn.At(place, "slow", "1")
	_, v, err := w.s.engine.Target(ctx, ref)
	if err != nil {
		t.Fatal(err)
	}
	guard, err := w.s.engine.Guard()
	if err != nil {
		t.Fatal(err)
	}
	provision := func() chan int {
		ready := make(chan int)
		go func() {
			n, _ := w.s.engine.Provision(ctx, w.s.deps.System(place.Account, place.Region), ref, v, 1)
			ready <- n
		}()
		return ready
	}
	for _, change := range []string{"is new", "is renewed"} {
		if change == "is renewed" {
			if n := <-provision(); n != 1 {
				t.Fatal("not provisioned:", n)
			}
			w.clock.Advance(50 * time.Minute)
		}
		before := guard.Pool.Stats().Environments
		ready := provision()
		w.await("the boot", func() bool { return guard.Pool.Stats().Environments > before })
		w.s.engine.Forget(ref)
		if n := <-ready; n != 0 {
			t.Errorf("%d are ready of a function that is gone, when it %s", n, change)
		}
		w.await("their end", func() bool { return guard.Pool.Stats().Idle == 0 })
	}
}

// TestPackagesForAll: what the operator has for all functions is found, and what a
// function brings itself comes before it.
func TestPackagesForAll(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"node_modules/sdk/index.js": `exports.from = "all"`, "python/sdk.py": `origin = "all"`,
	} {
		name = filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, Options{PackagesDir: dir})
	w.node("js", `exports.handler = async () => require("sdk").from`)
	if out := must(w, api.Invoke, &api.InvokeInput{FunctionName: new("js")}); string(out.Payload) != `"all"` {
		t.Errorf("Node: %s", out.Payload)
	}
	w.node("py", "", func(in *api.CreateFunctionInput) {
		in.Runtime, in.Code.ZipFile = new("python3.11"), zipOf(t, "index.py", "import sdk\ndef handler(event, context):\n    return sdk.origin\n")
	})
	if out := must(w, api.Invoke, &api.InvokeInput{FunctionName: new("py")}); string(out.Payload) != `"all"` {
		t.Errorf("Python: %s", out.Payload)
	}
}
