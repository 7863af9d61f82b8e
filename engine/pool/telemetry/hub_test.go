package telemetry

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"moln.dev/moln/engine/pool/runtimeapi"
)

const telemetryPath = "/2022-07-01/telemetry"

var at = time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)

func now() time.Time { return at }

func subscribe(h *Hub, path, name, body string) (int, string) {
	response, ok := h.Serve(runtimeapi.Request{Method: "PUT", Path: path, Body: []byte(body)},
		func() (string, *runtimeapi.Response) { return name, nil })
	if !ok {
		return 0, ""
	}
	return response.Status, strings.TrimSpace(string(response.Body))
}

func body(types, destination, more string) string {
	return `{"schemaVersion":"2022-12-13","types":[` + types + `],"destination":` + destination + more + `}`
}

const toHTTP = `{"protocol":"HTTP","URI":"http://sandbox.localdomain:8080/in?a=b"}`

// consumer is an HTTP server that keeps what it is sent.
type consumer struct {
	h      *Hub
	got    chan []string // bodies' events
	paths  chan string
	status int
}

func newConsumer(t *testing.T) *consumer {
	t.Helper()
	c := &consumer{got: make(chan []string, 100), paths: make(chan string, 100), status: 200}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		var events []json.RawMessage
		if err := json.NewDecoder(q.Body).Decode(&events); err != nil {
			t.Error(err)
		}
		var list []string
		for _, e := range events {
			list = append(list, string(e))
		}
		w.WriteHeader(c.status)
		c.paths <- q.Method + " " + q.Host + q.RequestURI
		c.got <- list
	})}
	go func() { _ = srv.Serve(l) }()
	c.h = New(now, func(ctx context.Context, port int) (net.Conn, error) {
		if port != 8080 {
			return nil, fmt.Errorf("port %d", port)
		}
		var d net.Dialer
		return d.DialContext(ctx, "tcp", l.Addr().String())
	})
	t.Cleanup(func() { c.h.End(); _ = srv.Close() })
	return c
}

func (c *consumer) subscribe(t *testing.T, path, types, more string) {
	t.Helper()
	text := body(types, toHTTP, more)
	if strings.HasSuffix(path, "logs") {
		text = strings.Replace(text, "2022-12-13", "2020-08-15", 1)
	}
	if status, answer := subscribe(c.h, path, "ext", text); status != 200 || answer != `"OK"` {
		t.Fatalf("%d %s", status, answer)
	}
}

func TestRefusals(t *testing.T) {
	h := New(now, func(context.Context, int) (net.Conn, error) { return nil, io.EOF })
	for _, tc := range []struct{ name, body, message string }{
		{"AWS's own example", `{"schemaVersion":"2022-12-13","types":[],"destination":{"protocol":"HTTP","URI":"http://sandbox.localdomain"}}`, "URI port is not provided; types should not be empty"},
		{"no JSON", `{`, "request body is not valid JSON: unexpected end of JSON input"},
		{"schema", strings.Replace(body(`"function"`, toHTTP, ""), "2022-12-13", "1999-01-01", 1), "schemaVersion is not supported: 1999-01-01"},
		{"type", body(`"party"`, toHTTP, ""), "types contain an unknown value: party"},
		{"another host", body(`"function"`, `{"protocol":"HTTP","URI":"http://example.com:80"}`, ""), "URI host should be sandbox or sandbox.localdomain"},
		{"another scheme", body(`"function"`, `{"protocol":"HTTP","URI":"https://sandbox:80"}`, ""), "URI scheme should be http"},
		{"protocol", body(`"function"`, `{"protocol":"UDP"}`, ""), "destination protocol should be HTTP or TCP"},
		{"no port", body(`"function"`, `{"protocol":"TCP"}`, ""), "port is not provided"},
		{"no such port", body(`"function"`, `{"protocol":"TCP","port":65536}`, ""), "port should be between 1 and 65535"},
		{"reserved port", body(`"function"`, `{"protocol":"TCP","port":9001}`, ""), "port 9001 is reserved"},
		{"buffering", body(`"function"`, toHTTP, `,"buffering":{"maxItems":1,"maxBytes":1,"timeoutMs":24}`),
			"maxItems should be between 1000 and 10000; maxBytes should be between 262144 and 1048576; timeoutMs should be between 25 and 30000"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			status, answer := subscribe(h, telemetryPath, "ext", tc.body)
			var got struct{ ErrorType, ErrorMessage string }
			if err := json.Unmarshal([]byte(answer), &got); err != nil {
				t.Fatal(err)
			}
			if status != 400 || got.ErrorType != "ValidationError" || got.ErrorMessage != tc.message {
				t.Errorf("%d %+v", status, got)
			}
		})
	}
	h.Close()
	if status, answer := subscribe(h, telemetryPath, "ext", body(`"function"`, toHTTP, "")); status != 403 || !strings.Contains(answer, "Telemetry.SubscriptionClosed") {
		t.Errorf("%d %s", status, answer)
	}
	if status, answer := subscribe(New(now, nil), "/2020-08-15/logs", "ext", "{}"); status != 202 || !strings.Contains(answer, "Logs.NotSupported") {
		t.Errorf("%d %s", status, answer)
	}
	if status, _ := subscribe(h, "/2020-08-15/party", "ext", "{}"); status != 0 {
		t.Error("an unknown path is answered")
	}
}

// What came before a subscription comes with it, in order, in the categories asked
// for.
func TestDelivery(t *testing.T) {
	c := newConsumer(t)
	c.h.Platform(InitStart, InitStartRecord{InitializationType: "on-demand", Phase: "init", FunctionName: "fn", FunctionVersion: "1"})
	c.h.Line(Function, at, "early", false)
	c.subscribe(t, telemetryPath, `"platform","function"`, `,"buffering":{"timeoutMs":25}`)
	c.h.Line(Extended, at, "not asked for", false)
	c.h.Line(Function, at, `{"level":"INFO"}`, true)
	c.h.Line(Function, at, `{not JSON`, true)
	want := []string{
		`{"time":"2026-01-02T03:04:05.678Z","type":"platform.initStart","record":{"initializationType":"on-demand","phase":"init","functionName":"fn","functionVersion":"1"}}`,
		`{"time":"2026-01-02T03:04:05.678Z","type":"function","record":"early"}`,
		`{"time":"2026-01-02T03:04:05.678Z","type":"platform.telemetrySubscription","record":{"name":"ext","state":"Subscribed","types":["platform","function"]}}`,
		`{"time":"2026-01-02T03:04:05.678Z","type":"function","record":{"level":"INFO"}}`,
		`{"time":"2026-01-02T03:04:05.678Z","type":"function","record":"{not JSON"}`,
	}
	if diff := cmp.Diff(want, <-c.got); diff != "" {
		t.Error(diff)
	}
	if path := <-c.paths; path != "POST sandbox.localdomain:8080/in?a=b" {
		t.Error(path)
	}
}

// Records of the elder API.
func TestLogsAPI(t *testing.T) {
	c := newConsumer(t)
	c.subscribe(t, "/2020-08-15/logs", `"platform"`, `,"buffering":{"timeoutMs":25}`)
	c.h.Platform(InitStart, InitStartRecord{})
	c.h.Platform(Start, StartRecord{RequestID: "r", Version: "1", Tracing: &Tracing{}})
	c.h.Platform(RuntimeDone, RuntimeDoneRecord{RequestID: "r"})
	c.h.Platform(Report, ReportRecord{RequestID: "r", Status: Success, Metrics: ReportMetrics{DurationMs: 1.5, BilledDurationMs: 2, MemorySizeMB: 128, MaxMemoryUsedMB: 9}})
	want := []string{
		`{"time":"2026-01-02T03:04:05.678Z","type":"platform.logsSubscription","record":{"name":"ext","state":"Subscribed","types":["platform"]}}`,
		`{"time":"2026-01-02T03:04:05.678Z","type":"platform.start","record":{"requestId":"r","version":"1"}}`,
		`{"time":"2026-01-02T03:04:05.678Z","type":"platform.end","record":{"requestId":"r"}}`,
		`{"time":"2026-01-02T03:04:05.678Z","type":"platform.report","record":{"requestId":"r","metrics":{"durationMs":1.5,"billedDurationMs":2,"memorySizeMB":128,"maxMemoryUsedMB":9}}}`,
	}
	if diff := cmp.Diff(want, <-c.got); diff != "" {
		t.Error(diff)
	}
}

// Nothing is sent while the environment stands still, and nothing is lost.
func TestPause(t *testing.T) {
	c := newConsumer(t)
	c.subscribe(t, telemetryPath, `"function"`, `,"buffering":{"timeoutMs":25}`)
	if !c.h.Pause() {
		t.Fatal("not paused")
	}
	c.h.Line(Function, at, "held", false)
	select {
	case got := <-c.got:
		t.Fatalf("sent %v while paused", got)
	case <-time.After(100 * time.Millisecond):
	}
	c.h.Resume()
	if got := <-c.got; len(got) != 1 || !strings.Contains(got[0], "held") {
		t.Error(got)
	}
}

func TestFlush(t *testing.T) {
	c := newConsumer(t)
	c.subscribe(t, telemetryPath, `"function"`, `,"buffering":{"timeoutMs":30000}`)
	c.h.Line(Function, at, "now", false)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	c.h.Flush(ctx)
	if len(c.got) != 1 || ctx.Err() != nil {
		t.Errorf("%d deliveries, %v", len(c.got), ctx.Err())
	}
}

// What is too much is dropped and told; nobody waits.
func TestDropped(t *testing.T) {
	c := newConsumer(t)
	c.subscribe(t, telemetryPath, `"platform","function"`, `,"buffering":{"timeoutMs":25}`)
	<-c.got
	for !c.h.Pause() { // the answer to the first is on its way
		time.Sleep(time.Millisecond)
	}
	line := strings.Repeat("x", 100<<10)
	for range 20 { // 2 MB into four buffers of 256 KiB, and the batch on its way
		c.h.Line(Function, at, line, false)
	}
	c.h.Resume()
	var all []string
	for deadline := time.After(10 * time.Second); ; {
		select {
		case got := <-c.got:
			all = append(all, got...)
		case <-deadline:
			t.Fatal("not told")
		}
		if last := all[len(all)-1]; strings.Contains(last, LogsDropped) {
			var e struct{ Record DroppedRecord }
			if err := json.Unmarshal([]byte(last), &e); err != nil {
				t.Fatal(err)
			}
			if e.Record.DroppedRecords < 5 || e.Record.DroppedBytes < 5*len(line) || e.Record.Reason != fellBehind {
				t.Errorf("%+v", e.Record)
			}
			return
		}
	}
}

func TestTCP(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	h := New(now, func(ctx context.Context, _ int) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", l.Addr().String())
	})
	defer h.End()
	if status, answer := subscribe(h, telemetryPath, "ext", body(`"function"`, `{"protocol":"TCP","port":8080}`, `,"buffering":{"timeoutMs":25}`)); status != 200 {
		t.Fatalf("%d %s", status, answer)
	}
	h.Line(Function, at, "one", false)
	h.Line(Function, at, "two", false)
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	lines := bufio.NewReader(conn)
	for _, want := range []string{"one", "two"} {
		if line, err := lines.ReadString('\n'); err != nil || !strings.Contains(line, `"record":"`+want+`"`) {
			t.Errorf("%q, %v", line, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(body(`"function"`, toHTTP, `,"buffering":{"timeoutMs":25}`)))
	f.Add([]byte(`{"destination":{"protocol":"TCP","port":-1}}`))
	f.Add([]byte(`{"destination":{"protocol":"HTTP","URI":"http://sandbox:99999999999999999999"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		o, problems := dialects[telemetryPath].parse(data)
		if len(problems) > 0 {
			return
		}
		if o.port < 1 || o.port > portMax || o.items < itemsMin || o.items > itemsMax || o.bytes < bytesMin || o.bytes > bytesMax || len(o.types) == 0 {
			t.Errorf("%+v", o)
		}
	})
}

// Whoever subscribes again and again does not grow what is held for others.
func TestSubscribingAgain(t *testing.T) {
	h := New(now, func(context.Context, int) (net.Conn, error) { return nil, net.ErrClosed })
	defer h.End()
	for len(h.early) < earlyMax {
		h.Platform(Start, nil)
	}
	if status, text := subscribe(h, telemetryPath, "x", body(`"platform"`, toHTTP, "")); status != 200 || len(h.early) != earlyMax {
		t.Error(status, text, len(h.early))
	}
}

// What a function writes before anybody can have subscribed is held, but not
// without bound.
func TestEarlyIsBounded(t *testing.T) {
	h := New(now, nil)
	line := strings.Repeat("x", 256<<10)
	for range 1000 {
		h.Line(Function, at, line, false)
	}
	h.Platform(Start, nil)
	if h.held > earlyBytesMax || len(h.early) > earlyBytesMax/len(line)+1 {
		t.Errorf("%d bytes in %d events are held", h.held, len(h.early))
	}
	if last := h.early[len(h.early)-1]; last.kind != Start {
		t.Error("the platform's event is lost:", last.kind)
	}
}
