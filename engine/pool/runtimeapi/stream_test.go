package runtimeapi

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// sink passes what it gets to its test.
type sink struct {
	contentType string
	pieces      chan string
	fail        error
}

func (s *sink) Begin(contentType string) { s.contentType = contentType }

func (s *sink) Write(p []byte) (int, error) {
	if s.fail != nil {
		return 0, s.fail
	}
	s.pieces <- string(p)
	return len(p), nil
}

// begin brings the server to running, with to as the sink.
func (f *fixture) begin(t *testing.T, to Sink) (net.Conn, *bufio.Reader) {
	t.Helper()
	c, err := net.Dial("tcp", f.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	fmt.Fprintf(c, "GET %sinvocation/next HTTP/1.1\r\nHost: x\r\n\r\n", base)
	f.want(t, "ready")
	if err := f.server.Deliver(&Invocation{RequestID: "r1", Sink: to}); err != nil {
		t.Fatal(err)
	}
	br := bufio.NewReader(c)
	f.status(t, br, 200)
	return c, br
}

func (f *fixture) status(t *testing.T, br *bufio.Reader, want int) string {
	t.Helper()
	resp, err := http.ReadResponse(br, nil)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != want {
		t.Fatalf("%d %s, want %d", resp.StatusCode, body, want)
	}
	return string(body)
}

const streamHead = "POST " + base + "invocation/r1/response HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n" +
	"Lambda-Runtime-Function-Response-Mode: streaming\r\nTransfer-Encoding: chunked\r\n\r\n"

func TestSink(t *testing.T) {
	f := newFixture(t)
	s := &sink{pieces: make(chan string)}
	c, br := f.begin(t, s)
	fmt.Fprint(c, streamHead+"3\r\nabc\r\n")
	if got := <-s.pieces; got != "abc" || s.contentType != "text/plain" {
		t.Errorf("%q, content type %q", got, s.contentType)
	}
	// While it is under way nothing else fits.
	for _, path := range []string{"POST " + base + "invocation/r1/response", "POST " + base + "invocation/r1/error", "GET " + base + "invocation/next"} {
		method, target, _ := strings.Cut(path, " ")
		if status, text, _ := f.do(t, method, target, strings.NewReader("{}"), "Lambda-Runtime-Function-Response-Mode", "streaming"); status != 403 || !strings.Contains(text, "InvalidStateTransition") {
			t.Errorf("%s: %d %s", path, status, text)
		}
	}
	fmt.Fprint(c, "2\r\nde\r\n")
	if got := <-s.pieces; got != "de" {
		t.Errorf("%q", got)
	}
	fmt.Fprintf(c, "0\r\nLambda-Runtime-Function-Error-Type: Function.Bad\r\nLambda-Runtime-Function-Error-Body: e30=\r\n\r\nGET %sinvocation/next HTTP/1.1\r\nHost: x\r\n\r\n", base)
	f.want(t, "answered")
	f.status(t, br, 202)
	f.want(t, "ready")
	if a := <-f.answer; !a.Streamed || !a.Failed || a.ErrorType != "Function.Bad" || string(a.Body) != "{}" || a.SunkBytes != 5 {
		t.Errorf("%+v", a)
	}
}

func TestSinkWithLength(t *testing.T) {
	f := newFixture(t)
	s := &sink{pieces: make(chan string, 1)}
	f.begin(t, s)
	status, _, _ := f.do(t, "POST", base+"invocation/r1/response", bytes.NewReader([]byte("abc")), "Lambda-Runtime-Function-Response-Mode", "streaming")
	if got := <-s.pieces; status != 202 || got != "abc" {
		t.Errorf("%d %q", status, got)
	}
}

func TestSinkThatFails(t *testing.T) {
	f := newFixture(t)
	c, br := f.begin(t, &sink{fail: errors.New("gone")})
	fmt.Fprint(c, streamHead+"3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n")
	f.status(t, br, 202)
	if a := <-f.answer; a.Failed || a.SunkBytes != 0 {
		t.Errorf("%+v", a)
	}
}

func TestBrokenStream(t *testing.T) {
	for name, rest := range map[string]string{"ends early": "5\r\nab", "no chunk": "5\r\nabcdeX\r\n", "no number": "zz\r\n"} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			s := &sink{pieces: make(chan string, 10)}
			c, br := f.begin(t, s)
			fmt.Fprint(c, streamHead+rest)
			_ = c.(*net.TCPConn).CloseWrite()
			f.want(t, "answered")
			f.status(t, br, 400)
			if a := <-f.answer; !a.Failed || a.ErrorType != TypeTruncated {
				t.Errorf("%+v", a)
			}
		})
	}
}

// A sink is for the invocation that it came with only.
func TestSinkOfAnother(t *testing.T) {
	f := newFixture(t)
	s := &sink{pieces: make(chan string, 10)}
	c, br := f.begin(t, s)
	fmt.Fprint(c, strings.Replace(streamHead, "r1", "r2", 1)+"1\r\na\r\n0\r\n\r\n")
	if text := f.status(t, br, 400); !strings.Contains(text, "InvalidRequestID") || len(s.pieces) != 0 {
		t.Errorf("%s, %d pieces", text, len(s.pieces))
	}
}

// A standard client streams with trailers, and without a word about it, as the
// runtimes of other languages do.
func TestSinkFromStandardClient(t *testing.T) {
	f := newFixture(t)
	s := &sink{pieces: make(chan string)}
	f.begin(t, s)
	pr, pw := io.Pipe()
	r, err := http.NewRequest("POST", "http://"+f.addr+base+"invocation/r1/response", pr)
	if err != nil {
		t.Fatal(err)
	}
	r.Trailer = http.Header{"Lambda-Runtime-Function-Error-Type": nil, "Lambda-Runtime-Function-Error-Body": nil}
	status := make(chan int, 1)
	go func() {
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			status <- 0
			return
		}
		_ = resp.Body.Close()
		status <- resp.StatusCode
	}()
	for _, piece := range []string{"one", "two"} {
		fmt.Fprint(pw, piece)
		if got := <-s.pieces; got != piece {
			t.Errorf("%q, want %q", got, piece)
		}
	}
	r.Trailer.Set("Lambda-Runtime-Function-Error-Type", "Function.Broken")
	r.Trailer.Set("Lambda-Runtime-Function-Error-Body", "e30=")
	_ = pw.Close()
	f.want(t, "answered")
	if a := <-f.answer; <-status != 202 || a.ErrorType != "Function.Broken" || string(a.Body) != "{}" || a.SunkBytes != 6 {
		t.Errorf("%+v", a)
	}
}
