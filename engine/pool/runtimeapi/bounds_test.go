package runtimeapi

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

func dial(t *testing.T, f *fixture) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", f.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(what)
		}
	}
}

// Bodies that are announced and never sent must not make room for themselves
// without bound, and leave room for other requests.
func TestAnnouncedBodies(t *testing.T) {
	f := newFixture(t)
	for range largeMax + 3 {
		fmt.Fprintf(dial(t, f), "POST %sinvocation/x/response HTTP/1.1\r\nContent-Length: %d\r\n\r\n", base, PayloadMax)
	}
	until(t, "no leave was asked for", func() bool { return len(f.server.large) == largeMax })
	if status, body, _ := f.do(t, "GET", "/ping", nil); status != 200 || body != "pong" {
		t.Error(status, body)
	}
	if status, _, _ := f.do(t, "POST", base+"invocation/x/response", strings.NewReader(strings.Repeat("x", smallBytes))); status != 400 {
		t.Error("a small body:", status)
	}
	f.server.Close()
	until(t, "leave was not given back", func() bool { return len(f.server.large) == 0 && len(f.server.slots) == 0 })
}

func TestLargeBodiesGiveWay(t *testing.T) {
	f := newFixture(t)
	for range 2 * largeMax {
		if status, _, _ := f.do(t, "POST", base+"invocation/x/response", strings.NewReader(strings.Repeat("x", 2*smallBytes))); status != 400 {
			t.Fatal(status)
		}
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	f := newFixture(t)
	var all []net.Conn
	for range connectionsMax {
		all = append(all, dial(t, f))
	}
	until(t, "they are not all served", func() bool { return len(f.server.slots) == connectionsMax })
	late := dial(t, f)
	fmt.Fprint(late, "GET /ping HTTP/1.1\r\n\r\n")
	_ = late.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if n, err := late.Read(make([]byte, 1)); err == nil {
		t.Error("one too many was answered", n)
	}
	_ = all[0].Close()
	_ = late.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := late.Read(make([]byte, 1)); err != nil {
		t.Error("a place that is free again is not taken:", err)
	}
}

func TestHeadersAreBounded(t *testing.T) {
	head := func(lines int) error {
		text := "GET /ping HTTP/1.1\r\n" + strings.Repeat("X-Long: "+strings.Repeat("x", headBytesMax/4)+"\r\n", lines) + "\r\n"
		_, err := readHead(bufio.NewReader(strings.NewReader(text)), nil)
		return err
	}
	if err := head(4); !errors.Is(err, errMalformed) {
		t.Error("more headers than there is room for:", err)
	}
	if err := head(3); err != nil {
		t.Error("fewer:", err)
	}
}
