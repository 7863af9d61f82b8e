package gateway

import (
	"context"
	"errors"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/clock"
	"moln.dev/moln/engine/ident"
	"moln.dev/moln/engine/observe"
	"moln.dev/moln/platform/audit"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/wire/eventstream"
)

type tick struct{ Text *string }

type ticks struct{ Tick *tick }

type watched struct {
	Events iter.Seq2[*ticks, error]
}

// watcher is a service of one operation, whose output is a stream of events.
func watcher(make func(ctx context.Context) iter.Seq2[*ticks, error]) service.Definition {
	s := &smithy.Service{
		Name: "watch", ID: "watch", SigningName: "watch", EndpointPrefix: "watch", IAMPrefix: "watch", Version: "2020-01-01", Protocols: []smithy.Protocol{smithy.RESTJSON1},
		Shapes: []smithy.Shape{
			{Name: "In", Kind: smithy.KindStructure, Payload: -1},
			{Name: "Out", Kind: smithy.KindStructure, Payload: 0, Members: []smithy.Member{{Name: "Events", WireName: "Events", Shape: 2, Location: smithy.InPayload}}},
			{Name: "Ticks", Kind: smithy.KindUnion, Payload: -1, EventStream: true, Members: []smithy.Member{{Name: "Tick", WireName: "Tick", Shape: 3}}},
			{Name: "Tick", Kind: smithy.KindStructure, Payload: -1, Members: []smithy.Member{{Name: "Text", WireName: "Text", Shape: 4}}},
			{Name: "String", Kind: smithy.KindString, Payload: -1},
		},
		Operations: []smithy.Operation{{Name: "Watch", Method: "POST", URI: "/watch", Status: 200, Input: 0, Output: 1, Auth: smithy.AuthNone, EventOut: true}},
	}
	handler := func(_ int, ctx context.Context, _ *service.Call, _ *struct{}) (*watched, error) {
		return &watched{make(ctx)}, nil
	}
	op := smithy.Op[struct{}, watched]{Service: s}
	return service.Definition{Schema: s, Operations: service.Table[int]{service.Full(op, handler)}.Bind(0)}
}

func serveEvents(t *testing.T, d service.Definition) (*httptest.Server, *lines) {
	t.Helper()
	log, err := audit.New("")
	if err != nil {
		t.Fatal(err)
	}
	text := new(lines)
	g, err := New(Config{
		Services: []service.Definition{d}, Directory: &keys{}, Clock: clock.System(), Ident: ident.NewSeeded(1, clock.System()),
		Log: slog.New(slog.NewTextHandler(text, nil)), Metrics: observe.NewRegistry(), Audit: log, Account: account, Suffixes: []string{"localhost"},
	})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(g)
	t.Cleanup(srv.Close)
	return srv, text
}

// lines is a log that several goroutines write.
type lines struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// Each event is sent when it comes, not when there are enough of them.
func TestEventsAreSentAtOnce(t *testing.T) {
	goOn := make(chan bool)
	srv, _ := serveEvents(t, watcher(func(context.Context) iter.Seq2[*ticks, error] {
		return func(yield func(*ticks, error) bool) {
			for _, text := range []string{"one", "two"} {
				if !yield(&ticks{&tick{&text}}, nil) {
					return
				}
				<-goOn
			}
		}
	}))
	resp, err := http.Post(srv.URL+"/watch", "application/json", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != eventstream.ContentType || resp.Header.Get("X-Amzn-Requestid") == "" {
		t.Errorf("%d %v", resp.StatusCode, resp.Header)
	}
	for _, want := range []string{`{"Text":"one"}`, `{"Text":"two"}`} {
		if m, err := eventstream.Read(resp.Body); err != nil || string(m.Payload) != want {
			t.Fatalf("%+v %v", m, err)
		}
		goOn <- true
	}
	if _, err := eventstream.Read(resp.Body); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
}

// A client that goes away ends what makes the events.
func TestEventsNobodyReads(t *testing.T) {
	ended := make(chan bool)
	srv, _ := serveEvents(t, watcher(func(context.Context) iter.Seq2[*ticks, error] {
		return func(yield func(*ticks, error) bool) {
			defer close(ended)
			text := strings.Repeat("x", 1<<16)
			for yield(&ticks{&tick{&text}}, nil) {
			}
		}
	}))
	resp, err := http.Post(srv.URL+"/watch", "application/json", nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Error("the events go on")
	}
}

func TestEventsThatBreak(t *testing.T) {
	srv, log := serveEvents(t, watcher(func(context.Context) iter.Seq2[*ticks, error] {
		return func(yield func(*ticks, error) bool) { yield(nil, errors.New("disk on fire at /var/secret")) }
	}))
	resp, err := http.Post(srv.URL+"/watch", "application/json", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	m, err := eventstream.Read(resp.Body)
	if err != nil || m.Text(":message-type") != "error" || m.Text(":error-code") != "InternalFailure" || strings.Contains(m.Text(":error-message"), "secret") {
		t.Errorf("%+v %v", m, err)
	}
	if _, err := eventstream.Read(resp.Body); err != io.EOF {
		t.Errorf("after the error: %v", err)
	}
	if !strings.Contains(log.String(), "disk on fire") {
		t.Errorf("log %q", log)
	}
}
