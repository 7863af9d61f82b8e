package lambda

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// freeAddress is a loopback address that nothing listens on just now.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// debuggerOf asks Node's inspector for its target, until it answers.
func debuggerOf(t *testing.T, address string) string {
	t.Helper()
	client := &http.Client{Timeout: time.Second}
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		res, err := client.Get("http://" + address + "/json/list")
		if err != nil {
			continue
		}
		var targets []struct{ WebSocketDebuggerURL string }
		err = json.NewDecoder(res.Body).Decode(&targets)
		_ = res.Body.Close()
		if err == nil && len(targets) == 1 {
			return targets[0].WebSocketDebuggerURL
		}
	}
	t.Fatalf("no debugger at %s", address)
	return ""
}

// letRun attaches to a target and tells it not to wait any longer.
func letRun(t *testing.T, target string) net.Conn {
	t.Helper()
	address, path, _ := strings.Cut(strings.TrimPrefix(target, "ws://"), "/")
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = fmt.Fprintf(conn, "GET /%s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n", path, address)
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil || !strings.Contains(line, "101") {
		t.Fatalf("%q, %v", line, err)
	}
	// One text frame of fewer than 126 bytes, masked with zeros.
	text := `{"id":1,"method":"Runtime.runIfWaitingForDebugger"}`
	if _, err := conn.Write(append([]byte{0x81, 0x80 | byte(len(text)), 0, 0, 0, 0}, text...)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// TestInspect: the function waits for a debugger, which reaches it from outside
// its network, and runs when that says so.
func TestInspect(t *testing.T) {
	w := newWorld(t, Options{})
	w.node("f", `exports.handler = async (event) => ({sum: event.n + 1})`)
	address := freeAddress(t)
	type outcome struct {
		Inspected
		err error
	}
	done := make(chan outcome, 1)
	go func() {
		out, err := w.s.Inspect(context.Background(), Inspection{Account: account, Region: region, Function: "f", Payload: []byte(`{"n":1}`), Address: address})
		done <- outcome{out, err}
	}()
	target := debuggerOf(t, address)
	select {
	case out := <-done:
		t.Fatalf("it did not wait: %+v", out)
	default:
	}
	defer letRun(t, target).Close()
	out := <-done
	if out.err != nil || string(out.Payload) != `{"sum":2}` || out.FunctionError != "" || out.LogTail == "" {
		t.Errorf("%s %+v", out.Payload, out)
	}
	if conn, err := net.Dial("tcp", address); err == nil {
		_ = conn.Close()
		t.Error("the address is open when all is over")
	}
	if _, v := w.invoke("f", `{"n":5}`); v["sum"] != 6.0 {
		t.Errorf("a call without a debugger: %v", v)
	}
}

// TestInspectEndsWithItsCaller: nobody attached, and nobody waits any more.
func TestInspectEndsWithItsCaller(t *testing.T) {
	w := newWorld(t, Options{})
	w.node("f", `exports.handler = async () => 1`)
	address := freeAddress(t)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		_, err := w.s.Inspect(ctx, Inspection{Account: account, Region: region, Function: "f", Payload: []byte(`{}`), Address: address})
		done <- err
	}()
	debuggerOf(t, address)
	cancel()
	if err := <-done; err == nil {
		t.Error("it answered")
	}
}

func TestInspectRefuses(t *testing.T) {
	w := newWorld(t, Options{})
	w.node("f", `exports.handler = async () => 1`)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for address, want := range map[string]string{
		"0.0.0.0:9229": "is not a loopback address", "9229": "is not a loopback address", "127.0.0.1:0": "is not a loopback address",
		"localhost:9229": "is not a loopback address", taken.Addr().String(): "address already in use",
	} {
		_, err := w.s.Inspect(context.Background(), Inspection{Account: account, Region: region, Function: "f", Address: address})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", address, err)
		}
	}
}
