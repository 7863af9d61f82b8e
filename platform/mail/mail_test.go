package mail

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"moln.dev/moln/engine/clock"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/memkv"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func newMailer(t *testing.T, cfg Config) *Mailer {
	t.Helper()
	m, err := New(kv.New(memkv.New()), clock.NewFake(start), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func message(to, subject string) Message {
	return Message{From: "no-reply@example.com", To: to, Subject: subject, Text: "code 123456"}
}

func TestMailboxKeepsNewestFirstAndForgetsTheOldest(t *testing.T) {
	m := newMailer(t, Config{})
	ctx := context.Background()
	for i := range MailboxMessagesMax + 3 {
		if err := m.Send(ctx, message("a@example.com", fmt.Sprint("n", i))); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := m.List(ctx, "")
	if err != nil || len(kept) != MailboxMessagesMax {
		t.Fatalf("List: %d messages, %v", len(kept), err)
	}
	if first, last := kept[0].Subject, kept[len(kept)-1].Subject; first != fmt.Sprint("n", MailboxMessagesMax+2) || last != "n3" {
		t.Errorf("first %s, last %s", first, last)
	}
	if none, _ := m.List(ctx, "b@example.com"); len(none) != 0 {
		t.Errorf("other recipient has %d messages", len(none))
	}
	if err := m.Clear(ctx); err != nil {
		t.Fatal(err)
	}
	if err := m.Send(ctx, message("A@Example.com", "after")); err != nil {
		t.Fatal(err)
	}
	kept, _ = m.List(ctx, "a@example.com")
	if len(kept) != 1 || kept[0].Number != MailboxMessagesMax+4 || kept[0].State != StateKept || !kept[0].At.Equal(start) {
		t.Errorf("after clear: %+v", kept)
	}
}

func TestSendRefusesWhatNobodyCanSend(t *testing.T) {
	m := newMailer(t, Config{})
	for name, msg := range map[string]Message{
		"recipient": message("nobody", "s"),
		"subject":   message("a@example.com", "s\r\nBcc: x@example.com"),
		"empty":     {From: "a@example.com", To: "b@example.com", Subject: "s"},
		"huge":      {From: "a@example.com", To: "b@example.com", Text: strings.Repeat("x", BodyBytesMax+1)},
	} {
		if err := m.Send(context.Background(), msg); !errors.Is(err, ErrMessage) {
			t.Errorf("%s: %v, want ErrMessage", name, err)
		}
	}
}

// inbox is an SMTP server that keeps what it is given, or refuses all of it.
type inbox struct {
	mu     sync.Mutex
	got    []string
	refuse bool
}

func (b *inbox) NewSession(*smtp.Conn) (smtp.Session, error) { return session{b}, nil }

type session struct{ b *inbox }

func (s session) Mail(string, *smtp.MailOptions) error { return nil }
func (s session) Rcpt(string, *smtp.RcptOptions) error { return nil }
func (s session) Reset()                               {}
func (s session) Logout() error                        { return nil }
func (s session) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	s.b.mu.Lock()
	defer s.b.mu.Unlock()
	if s.b.refuse {
		return &smtp.SMTPError{Code: 550, Message: "no"}
	}
	s.b.got = append(s.b.got, string(text))
	return err
}

func TestSendDeliversBySMTPAndSaysHowItWent(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	box := &inbox{}
	srv := smtp.NewServer(box)
	go srv.Serve(l)
	defer srv.Close()
	m := newMailer(t, Config{SMTP: &SMTP{Host: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, TLS: TLSNone}})
	msg := message("a@example.com", "Grüße")
	msg.HTML = "<b>code 123456</b>"
	if err := m.Send(context.Background(), msg); err != nil {
		t.Fatal(err)
	}
	box.mu.Lock()
	if len(box.got) != 1 || !strings.Contains(box.got[0], "code 123456") || !strings.Contains(box.got[0], "multipart/alternative") {
		t.Errorf("server got %q", box.got)
	}
	box.refuse = true
	box.mu.Unlock()
	if err := m.Send(context.Background(), msg); err == nil {
		t.Error("refused message was reported as sent")
	}
	kept, _ := m.List(context.Background(), "")
	if len(kept) != 2 || kept[0].State != StateFailed || kept[0].Error == "" || kept[1].State != StateDelivered {
		t.Errorf("kept %+v", kept)
	}
}

func request(method, path string) *http.Request {
	r := httptest.NewRequest(method, "http://127.0.0.1:4566"+path, nil)
	r.RemoteAddr = "127.0.0.1:5000"
	return r
}

func TestHandler(t *testing.T) {
	m := newMailer(t, Config{})
	h := m.Handler()
	_ = m.Send(context.Background(), Message{From: "x@example.com", To: "a@example.com", Subject: "<script>", HTML: "<p>\"hi\"</p>"})
	_ = m.Send(context.Background(), message("b@example.com", "two"))

	w := httptest.NewRecorder()
	h.ServeHTTP(w, request("GET", MailboxPath+".json?to=a@example.com"))
	var list struct{ Messages []Kept }
	if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil || len(list.Messages) != 1 || list.Messages[0].Subject != "<script>" {
		t.Errorf("json: %v %s", err, w.Body)
	}
	w = httptest.NewRecorder()
	h.ServeHTTP(w, request("GET", MailboxPath))
	if body := w.Body.String(); strings.Contains(body, "<script>") || strings.Contains(body, "<p>\"hi\"") || !strings.Contains(body, "sandbox") {
		t.Errorf("page does not escape: %s", body)
	}
	w = httptest.NewRecorder()
	h.ServeHTTP(w, request("DELETE", MailboxPath))
	if kept, _ := m.List(context.Background(), ""); w.Code != http.StatusNoContent || len(kept) != 0 {
		t.Errorf("DELETE: %d, %d left", w.Code, len(kept))
	}
}

func TestHandlerIsForThisMachine(t *testing.T) {
	h := newMailer(t, Config{}).Handler()
	for name, edit := range map[string]func(*http.Request){
		"remote":    func(r *http.Request) { r.RemoteAddr = "192.0.2.1:5000" },
		"rebinding": func(r *http.Request) { r.Host = "evil.example:4566" },
		"proxied":   func(r *http.Request) { r.Header.Set("X-Forwarded-For", "192.0.2.1") },
	} {
		r := request("GET", MailboxPath+".json")
		edit(r)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != http.StatusForbidden {
			t.Errorf("%s: %d, want 403", name, w.Code)
		}
	}
	r := request("POST", MailboxPath+"/clear")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != http.StatusForbidden {
		t.Errorf("cross-site form: %d, want 403", w.Code)
	}
}
