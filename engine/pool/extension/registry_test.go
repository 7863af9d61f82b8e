package extension

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"moln.dev/moln/engine/pool/runtimeapi"
)

// ids counts up, so that tests can name identifiers.
func ids() func() string {
	var n atomic.Int64
	return func() string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", n.Add(1)) }
}

type client struct {
	t *testing.T
	r *Registry
}

func newClient(t *testing.T, external ...string) client {
	r := NewRegistry(ids())
	r.Assign(Function{Name: "fn", Version: "$LATEST", Handler: "index.handler", Account: "123456789012"})
	for _, name := range external {
		r.Expect(name)
	}
	return client{t, r}
}

func (c client) call(method, verb, body string, headers ...string) (int, string) {
	c.t.Helper()
	response := c.ask(c.t.Context(), method, verb, body, headers...)
	return response.Status, strings.TrimSpace(string(response.Body))
}

func (c client) ask(ctx context.Context, method, verb, body string, headers ...string) runtimeapi.Response {
	c.t.Helper()
	q := runtimeapi.Request{Method: method, Path: basePath + verb, Body: []byte(body), Header: map[string]string{}}
	for i := 0; i < len(headers); i += 2 {
		q.Header[strings.ToLower(headers[i])] = headers[i+1]
	}
	response, ok := c.r.Serve(ctx, q)
	if !ok {
		c.t.Fatalf("%s is not answered", verb)
	}
	return response
}

// register returns the identifier.
func (c client) register(name, events string) string {
	c.t.Helper()
	response := c.ask(c.t.Context(), "POST", "register", `{"events":[`+events+`]}`, nameHeader, name)
	if response.Status != 200 {
		c.t.Fatalf("register %s: %s", name, response.Body)
	}
	return response.Header[1]
}

// next asks in the background and waits until it is parked.
func (c client) next(id string) chan runtimeapi.Response {
	answer := make(chan runtimeapi.Response, 1)
	go func() { answer <- c.ask(c.t.Context(), "GET", "event/next", "", idHeader, id) }()
	for {
		c.r.mu.Lock()
		a := c.r.byID(id)
		parked := a != nil && a.waiter != nil
		c.r.mu.Unlock()
		if parked || len(answer) > 0 {
			return answer
		}
		time.Sleep(time.Millisecond)
	}
}

func TestRefusals(t *testing.T) {
	c := newClient(t, "outer")
	outer := c.register("outer", `"INVOKE","SHUTDOWN"`)
	c.next(outer)
	inner := c.register("inner", `"INVOKE"`)
	const unknown = "00000000-0000-4000-8000-999999999999"
	for _, tc := range []struct {
		name, method, verb, body string
		headers                  []string
		status                   int
		kind, message            string
	}{
		{"no name", "POST", "register", `{}`, nil, 403, typeName, "Empty extension name"},
		{"no JSON", "POST", "register", ``, []string{nameHeader, "x"}, 403, typeFormat, "unexpected end of JSON input"},
		{"configuration keys", "POST", "register", `{"configurationKeys":["a"]}`, []string{nameHeader, "x"}, 403, typeFormat, keysRetired},
		{"unknown event", "POST", "register", `{"events":["PARTY"]}`, []string{nameHeader, "x"}, 403, typeEvent, "PARTY: ErrorInvalidEventType"},
		{"SHUTDOWN inside", "POST", "register", `{"events":["SHUTDOWN"]}`, []string{nameHeader, "x"}, 403, typeEvent, "SHUTDOWN: ShutdownEventNotSupportedForInternalExtension"},
		{"twice outside", "POST", "register", `{}`, []string{nameHeader, "outer"}, 403, typeState, "State transition from Ready to Registered failed for extension outer. Error: State transition is not allowed"},
		{"twice inside", "POST", "register", `{}`, []string{nameHeader, "inner"}, 403, typeState, "Extension with this name already registered"},
		{"no identifier", "GET", "event/next", ``, nil, 403, typeNoID, "Missing Lambda-Extension-Identifier header"},
		{"bad identifier", "GET", "event/next", ``, []string{idHeader, "7"}, 403, typeBadID, "Invalid Lambda-Extension-Identifier"},
		{"unknown identifier", "GET", "event/next", ``, []string{idHeader, unknown}, 403, typeUnknown, "Unknown extension " + unknown},
		{"next while parked", "GET", "event/next", ``, []string{idHeader, outer}, 403, typeState, "State transition from Ready to Ready failed for extension " + outer + ". Error: State transition is not allowed"},
		{"init error too late", "POST", "init/error", ``, []string{idHeader, outer, errorHeader, "A.B"}, 403, typeState, "State transition from Ready to InitError failed for extension " + outer + ". Error: State transition is not allowed"},
		{"init error without type", "POST", "init/error", ``, []string{idHeader, inner}, 403, typeHeader, "Lambda-Extension-Function-Error-Type not found"},
		{"wrong method", "GET", "register", ``, nil, 405, "MethodNotAllowed", "only POST is allowed"},
		{"nothing there", "GET", "party", ``, nil, 404, "NotFound", "no such resource: GET /2020-01-01/extension/party"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			status, body := c.call(tc.method, tc.verb, tc.body, tc.headers...)
			var got struct{ ErrorType, ErrorMessage string }
			if err := json.Unmarshal([]byte(body), &got); err != nil {
				t.Fatal(err)
			}
			if status != tc.status || got.ErrorType != tc.kind || got.ErrorMessage != tc.message {
				t.Errorf("%d %+v", status, got)
			}
		})
	}
}

func TestRegistrationCloses(t *testing.T) {
	c := newClient(t)
	for i := range Max {
		c.register(fmt.Sprint("x", i), "")
	}
	if _, body := c.call("POST", "register", `{}`, nameHeader, "one more"); !strings.Contains(body, typeTooMany) {
		t.Error(body)
	}
	c = newClient(t)
	c.r.Close()
	if _, body := c.call("POST", "register", `{}`, nameHeader, "late"); !strings.Contains(body, typeClosed) {
		t.Error(body)
	}
}

func TestWelcome(t *testing.T) {
	c := newClient(t)
	response := c.ask(t.Context(), "POST", "register", `{"events":[]}`, nameHeader, "x", featureHeader, "other, accountId")
	if want := `{"accountId":"123456789012","functionName":"fn","functionVersion":"$LATEST","handler":"index.handler"}`; string(response.Body) != want {
		t.Errorf("%s", response.Body)
	}
}

func check(t *testing.T, r *Registry, c Condition, want bool) {
	t.Helper()
	if got, failure, _ := r.Check(c); got != want || failure != nil {
		t.Errorf("condition %d: %v, %v", c, got, failure)
	}
}

// An invocation is done when those who heard of it ask again.
func TestEvents(t *testing.T) {
	c := newClient(t, "both", "end")
	check(t, c.r, AllRegistered, false)
	both, end := c.register("both", `"INVOKE","SHUTDOWN"`), c.register("end", `"SHUTDOWN"`)
	check(t, c.r, AllRegistered, true)
	check(t, c.r, AllReady, false)
	first, last := c.next(both), c.next(end)
	check(t, c.r, AllReady, true)
	c.r.Deliver(Invoke, []byte(`"one"`))
	check(t, c.r, AllDone, false)
	if got := <-first; string(got.Body) != `"one"` {
		t.Errorf("%s", got.Body)
	}
	second := c.next(both)
	check(t, c.r, AllDone, true)
	told, untold := c.r.End()
	if diff := cmp.Diff([]string{"both", "end"}, told); diff != "" || len(untold) > 0 {
		t.Error(diff, untold)
	}
	c.r.Deliver(Shutdown, []byte(`"end"`))
	for _, answer := range []chan runtimeapi.Response{second, last} {
		if got := <-answer; string(got.Body) != `"end"` {
			t.Errorf("%s", got.Body)
		}
	}
	c.r.Exited("both", "exit code 0")
	if left, _ := c.r.Remaining(told); left != 1 {
		t.Errorf("%d are left", left)
	}
}

// An extension that was not asking gets the event when it does; one whose
// connection broke may ask again.
func TestEventWaits(t *testing.T) {
	c := newClient(t, "x")
	id := c.register("x", `"INVOKE"`)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c.ask(ctx, "GET", "event/next", "", idHeader, id)
	c.r.Deliver(Invoke, []byte(`"late"`))
	if got := <-c.next(id); string(got.Body) != `"late"` {
		t.Errorf("%s", got.Body)
	}
}

func TestFailures(t *testing.T) {
	for _, tc := range []struct {
		name string
		do   func(client)
		want Failure
	}{
		{"launch", func(c client) { c.r.LaunchError("x", PermissionDenied, "permission denied") }, Failure{TypeLaunch, "permission denied"}},
		{"crash", func(c client) { c.r.Exited("x", "exit status 1") }, Failure{TypeCrash, "exit status 1"}},
		{"init error", func(c client) {
			c.call("POST", "init/error", "", idHeader, c.register("x", ""), errorHeader, "A.B")
			c.r.Exited("x", "exit status 1")
		}, Failure{TypeInit, "exit status 1"}},
		{"exit error", func(c client) {
			c.call("POST", "exit/error", "", idHeader, c.register("x", ""), errorHeader, "A.B")
			c.r.Exited("x", "exit code 0")
		}, Failure{TypeExit, "exit code 0"}},
		{"init error inside", func(c client) {
			c.call("POST", "init/error", "", idHeader, c.register("inner", ""), errorHeader, "A.B")
		}, Failure{TypeInit, "A.B"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newClient(t, "x")
			tc.do(c)
			failure, err := c.r.Wait(t.Context(), AllReady)
			if err != nil || failure == nil || *failure != tc.want {
				t.Errorf("%+v, %v", failure, err)
			}
		})
	}
}

func FuzzParseEvents(f *testing.F) {
	f.Add([]byte(`{"events":["INVOKE","SHUTDOWN"]}`))
	f.Add([]byte(`{"events":null,"configurationKeys":[""]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		events, err := parseEvents(body)
		if err != nil && events != nil {
			t.Error("events and an error")
		}
		for _, internal := range []bool{true, false} {
			event, why := judgeEvents(events, internal)
			if (event == Invoke && why != "") || (event == Shutdown && !internal && why != "") {
				t.Errorf("%s is refused: %s", event, why)
			}
		}
	})
}
