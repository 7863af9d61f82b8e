package runtimeapi

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

const base = "/2018-06-01/runtime/"

type fixture struct {
	server *Server
	addr   string
	events chan string
	answer chan Answer
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{addr: l.Addr().String(), events: make(chan string, 10), answer: make(chan Answer, 10)}
	f.server = New(Events{
		Ready:     func() { f.events <- "ready" },
		Answered:  func(a Answer) { f.events <- "answered"; f.answer <- a },
		InitError: func(a Answer) { f.events <- "init error"; f.answer <- a },
	})
	go f.server.Serve(l)
	t.Cleanup(func() { _ = l.Close(); f.server.Close() })
	return f
}

func (f *fixture) want(t *testing.T, event string) {
	t.Helper()
	select {
	case got := <-f.events:
		if got != event {
			t.Fatalf("event %q, want %q", got, event)
		}
	case <-time.After(5 * time.Second):
		t.Fatalf("no event, want %q", event)
	}
}

func (f *fixture) do(t *testing.T, method, path string, body io.Reader, header ...string) (int, string, http.Header) {
	t.Helper()
	r, err := http.NewRequest(method, "http://"+f.addr+path, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(data), resp.Header
}

// run brings the server to running with request id "r1".
func (f *fixture) run(t *testing.T) {
	t.Helper()
	done := make(chan http.Header, 1)
	go func() {
		resp, err := http.Get("http://" + f.addr + base + "invocation/next")
		if err != nil {
			done <- nil
			return
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		done <- resp.Header
	}()
	f.want(t, "ready")
	if err := f.server.Deliver(&Invocation{RequestID: "r1", Payload: []byte("{}"), DeadlineMs: 5, FunctionARN: "arn"}); err != nil {
		t.Fatal(err)
	}
	h := <-done
	for name, want := range map[string]string{
		"Lambda-Runtime-Aws-Request-Id": "r1", "Lambda-Runtime-Deadline-Ms": "5",
		"Lambda-Runtime-Invoked-Function-Arn": "arn", "Lambda-Runtime-Trace-Id": "", "Content-Type": "application/json",
	} {
		if got := h.Get(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
}

// Standard clients must work as they are.
func TestStandardClient(t *testing.T) {
	for _, tc := range []struct {
		name, verb, body string
		header           []string
		chunked          bool
		want             Answer
	}{
		{"response", "response", `"ok"`, nil, false, Answer{Body: []byte(`"ok"`)}},
		{"chunked", "response", `"ok"`, nil, true, Answer{Body: []byte(`"ok"`)}},
		{"expect", "response", `"ok"`, []string{"Expect", "100-continue"}, false, Answer{Body: []byte(`"ok"`)}},
		{"error", "error", `{}`, []string{"Lambda-Runtime-Function-Error-Type", "Runtime.Oops"}, false, Answer{Failed: true, Body: []byte(`{}`), ErrorType: "Runtime.Oops"}},
		{"foreign error", "error", `{}`, []string{"Lambda-Runtime-Function-Error-Type", "TypeError"}, false, Answer{Failed: true, Body: []byte(`{}`), ErrorType: "Function.Unknown"}},
		{"streaming", "response", `abc`, []string{"Lambda-Runtime-Function-Response-Mode", "streaming"}, true, Answer{Body: []byte(`abc`), Streamed: true}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := newFixture(t)
			f.run(t)
			var body io.Reader = strings.NewReader(tc.body)
			if tc.chunked {
				body = io.MultiReader(body) // hides the length
			}
			status, text, _ := f.do(t, "POST", base+"invocation/r1/"+tc.verb, body, tc.header...)
			if status != 202 || text != "{\"status\":\"OK\"}\n" {
				t.Errorf("%d %q", status, text)
			}
			f.want(t, "answered")
			got := <-f.answer
			tc.want.RequestID = "r1"
			got.ContentType = ""
			if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", tc.want) {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	post := func(path, body string, header ...string) func(*testing.T, *fixture) (int, string) {
		return func(t *testing.T, f *fixture) (int, string) {
			status, text, _ := f.do(t, "POST", path, strings.NewReader(body), header...)
			return status, text
		}
	}
	large := strings.Repeat("x", PayloadMax+1)
	for _, tc := range []struct {
		name   string
		run    bool
		twice  bool
		act    func(*testing.T, *fixture) (int, string)
		status int
		text   string
	}{
		{"foreign id", true, false, post(base+"invocation/r2/response", "1"), 400, "InvalidRequestID"},
		{"before any", false, false, post(base+"invocation/r1/response", "1"), 400, "InvalidRequestID"},
		{"second answer", true, true, post(base+"invocation/r1/response", "1"), 403, "InvalidStateTransition"},
		{"init error late", true, false, post(base+"init/error", "{}"), 403, "InvalidStateTransition"},
		{"too large", true, false, post(base+"invocation/r1/response", large), 413, "Exceeded maximum allowed payload size (6291556 bytes)."},
		{"mode", true, false, post(base+"invocation/r1/response", "1", "Lambda-Runtime-Function-Response-Mode", "x"), 400, "InvalidFunctionResponseMode"},
		{"unknown path", false, false, post("/2018-06-01/else", ""), 404, "NotFound"},
		{"next while running", true, false, func(t *testing.T, f *fixture) (int, string) {
			status, text, _ := f.do(t, "GET", base+"invocation/next", nil)
			return status, text
		}, 403, "InvalidStateTransition"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := newFixture(t)
			if tc.run {
				f.run(t)
			}
			if tc.twice {
				tc.act(t, f)
			}
			if status, text := tc.act(t, f); status != tc.status || !strings.Contains(text, tc.text) {
				t.Errorf("%d %q", status, text)
			}
		})
	}
}

func TestLargestPayloadIsAccepted(t *testing.T) {
	f := newFixture(t)
	f.run(t)
	status, _, _ := f.do(t, "POST", base+"invocation/r1/response", bytes.NewReader(make([]byte, PayloadMax)))
	f.want(t, "answered")
	if a := <-f.answer; status != 202 || len(a.Body) != PayloadMax || a.OversizeBytes != 0 {
		t.Errorf("%d, %d bytes, oversize %d", status, len(a.Body), a.OversizeBytes)
	}
}

// A runtime that dies while it waits must not swallow the next invocation.
func TestBrokenConnectionLosesNothing(t *testing.T) {
	f := newFixture(t)
	dead, err := net.Dial("tcp", f.addr)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(dead, "GET %sinvocation/next HTTP/1.1\r\nHost: x\r\n\r\n", base)
	f.want(t, "ready")
	_ = dead.Close()
	for deadline := time.Now().Add(5 * time.Second); ; {
		f.server.mu.Lock()
		gone := f.server.parked == nil
		f.server.mu.Unlock()
		if gone {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the break was not noticed")
		}
		time.Sleep(time.Millisecond)
	}
	if err := f.server.Deliver(&Invocation{RequestID: "r1"}); err != nil {
		t.Fatal(err)
	}
	_, _, h := f.do(t, "GET", base+"invocation/next", nil)
	if got := h.Get("Lambda-Runtime-Aws-Request-Id"); got != "r1" {
		t.Errorf("request id %q", got)
	}
}

// wire is a runtime that writes what it likes.
type wire struct {
	net.Conn
	br *bufio.Reader
}

func (f *fixture) dial(t *testing.T) wire {
	t.Helper()
	c, err := net.Dial("tcp", f.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return wire{c, bufio.NewReader(c)}
}

// reads reads one response, of an invocation or, where id is "", an acceptance.
func (c wire) reads(t *testing.T, id string) {
	t.Helper()
	status := 202
	if id != "" {
		status = 200
	}
	resp, err := http.ReadResponse(c.br, nil)
	if err != nil || resp.StatusCode != status || resp.Header.Get("Lambda-Runtime-Aws-Request-Id") != id {
		t.Fatal(resp, err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
}

const askNext = "GET " + base + "invocation/next HTTP/1.1\r\nHost: x\r\n\r\n"

// The bootstraps send the answer and the next request in one write, and get what
// they have asked for in one.
func TestPipelined(t *testing.T) {
	f := newFixture(t)
	c := f.dial(t)
	fmt.Fprint(c, askNext)
	f.want(t, "ready")
	for i := range 3 {
		id := fmt.Sprint("r", i)
		if err := f.server.Deliver(&Invocation{RequestID: id, Payload: bytes.Repeat([]byte("1\r\nX: y"), 1+i*copied/4)}); err != nil {
			t.Fatal(err)
		}
		if i > 0 {
			c.reads(t, "")
		}
		c.reads(t, id)
		fmt.Fprintf(c, "POST %sinvocation/%s/response HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n7%s", base, id, askNext)
		f.want(t, "answered")
		if a := <-f.answer; !a.Parked || a.RequestID != id || string(a.Body) != "7" {
			t.Errorf("%+v", a)
		}
	}
}

// Who has not asked for the next invocation may wait for the acceptance first.
func TestAcceptance(t *testing.T) {
	for name, behind := range map[string]string{
		"nothing": "", "half a request": askNext[:len(askNext)-2], "a line": "\r\n", "another request": "GET /ping HTTP/1.1\r\nHost: x\r\n\r\n",
		"a request with a body": strings.Replace(askNext, "Host: x\r\n", "Host: x\r\nContent-Length: 1\r\n", 1),
		"two requests":          askNext + askNext, "more": askNext + "G",
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			c := f.dial(t)
			fmt.Fprint(c, askNext)
			f.want(t, "ready")
			if err := f.server.Deliver(&Invocation{RequestID: "r1"}); err != nil {
				t.Fatal(err)
			}
			c.reads(t, "r1")
			fmt.Fprintf(c, "POST %sinvocation/r1/response HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n7%s", base, behind)
			c.reads(t, "")
			f.want(t, "answered")
			if a := <-f.answer; a.Parked {
				t.Errorf("%+v", a)
			}
		})
	}
}

func TestAssign(t *testing.T) {
	for _, first := range []bool{true, false} {
		f := newFixture(t)
		if first {
			if err := f.server.Assign([]byte(`{"handler":"h"}`)); err != nil {
				t.Fatal(err)
			}
		} else {
			go func() { <-f.events; _ = f.server.Assign([]byte(`{"handler":"h"}`)) }()
		}
		if status, text, _ := f.do(t, "GET", "/moln/assign", nil); status != 200 || text != `{"handler":"h"}` {
			t.Errorf("%d %q", status, text)
		}
		if err := f.server.Assign(nil); err == nil {
			t.Error("assigned twice")
		}
	}
}

func FuzzReadRequest(f *testing.F) {
	for _, seed := range []string{
		"GET /x HTTP/1.1\r\n\r\n", "POST /x HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc",
		"POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\nT: v\r\n\r\n",
		"POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n", "GET\r\n", "POST /x HTTP/1.1\r\nContent-Length: 99\r\n\r\nab",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		br := bufio.NewReader(bytes.NewReader(data))
		r, err := readHead(br, func() error { return nil })
		if err != nil || r.readBody(br) != nil {
			return
		}
		if len(r.body) > len(data) || int64(len(r.body)) != r.size {
			t.Errorf("%d bytes of body, size %d, of %d sent", len(r.body), r.size, len(data))
		}
	})
}
