package server

import (
	"bufio"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
)

// connectTo asks a proxy for a tunnel and gives the status of its answer.
func connectTo(t *testing.T, allow []string, target string) int {
	t.Helper()
	px := newProxy(nil, http.NotFoundHandler(), allow, "4566")
	srv := httptest.NewServer(http.HandlerFunc(px.connect))
	defer srv.Close()
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("CONNECT " + target + " HTTP/1.1\r\nHost: " + target + "\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: http.MethodConnect})
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode
}

// TestProxyPatternsDoNotOpenTheMachine: who lets the proxy reach everything
// means the world, not what listens on this machine for this machine.
func TestProxyPatternsDoNotOpenTheMachine(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	for _, target := range []string{
		"127.0.0.1:" + port, "localhost:" + port, "[::1]:" + port, "[::ffff:127.0.0.1]:" + port, "0.0.0.0:" + port,
		"169.254.169.254:80", "[fe80::1]:80",
	} {
		if got := connectTo(t, []string{"*"}, target); got != http.StatusForbidden && got != http.StatusBadGateway {
			t.Errorf("%s through *: %d", target, got)
		}
		if got := connectTo(t, nil, target); got != http.StatusForbidden {
			t.Errorf("%s through nothing: %d", target, got)
		}
	}
	if got := connectTo(t, []string{"127.0.0.1"}, "127.0.0.1:"+port); got != http.StatusOK {
		t.Errorf("a host that the operator named: %d", got)
	}
}
