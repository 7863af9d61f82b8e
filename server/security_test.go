package server

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
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

// rawRequest sends text as it stands and gives the answer.
func rawRequest(t *testing.T, address, text string) (status int, body string) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(raw)
}

// TestOwnPagesAreForThisMachineOnly: without a token, every way of asking that
// somebody else could be behind is refused.
func TestOwnPagesAreForThisMachineOnly(t *testing.T) {
	s, _ := serve(t, ephemeral())
	address := s.listener.Addr().String()
	const page = "/_moln/info"
	secret := `"dataDir"`
	if status, body := rawRequest(t, address, "GET "+page+" HTTP/1.1\r\nHost: "+address+"\r\nConnection: close\r\n\r\n"); status != 200 || !strings.Contains(body, secret) {
		t.Fatalf("from this machine: %d %s", status, body)
	}
	if status, body := rawRequest(t, address, "GET "+page+" HTTP/1.1\r\nHost: "+address+"\r\nSec-Fetch-Site: none\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\nConnection: close\r\n\r\n"); status != 200 || !strings.Contains(body, secret) {
		t.Errorf("looked at in a browser: %d %s", status, body)
	}
	for name, text := range map[string]string{
		"rebound name":      "GET " + page + " HTTP/1.1\r\nHost: evil.example\r\n",
		"below a bucket":    "GET " + page + " HTTP/1.1\r\nHost: b.s3.localhost\r\n",
		"absolute form":     "GET http://" + address + page + " HTTP/1.1\r\nHost: " + address + "\r\n",
		"absolute, AWS":     "GET http://s3.amazonaws.com" + page + " HTTP/1.1\r\nHost: " + address + "\r\n",
		"two slashes":       "GET /" + page + " HTTP/1.1\r\nHost: " + address + "\r\n",
		"dots":              "GET /x/.." + page + " HTTP/1.1\r\nHost: " + address + "\r\n",
		"through a proxy":   "GET " + page + " HTTP/1.1\r\nHost: " + address + "\r\nX-Forwarded-For: 203.0.113.9\r\n",
		"from a web page":   "POST /_moln/clock?advance=1h HTTP/1.1\r\nHost: " + address + "\r\nOrigin: http://evil.example\r\nContent-Length: 0\r\n",
		"by a script":       "GET " + page + " HTTP/1.1\r\nHost: " + address + "\r\nSec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Dest: empty\r\n",
		"in a frame":        "GET " + page + " HTTP/1.1\r\nHost: " + address + "\r\nSec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: iframe\r\n",
		"HTTP/1.0, no host": "GET " + page + " HTTP/1.0\r\n",
	} {
		status, body := rawRequest(t, address, text+"Connection: close\r\n\r\n")
		if status/100 == 2 || strings.Contains(body, secret) {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
}

// TestAmbiguousBodiesAreRefused: two lengths are two opinions of where the next
// request begins.
func TestAmbiguousBodiesAreRefused(t *testing.T) {
	s, _ := serve(t, ephemeral())
	address := s.listener.Addr().String()
	for name, headers := range map[string]string{
		"two lengths":      "Content-Length: 4\r\nContent-Length: 40\r\n",
		"two encodings":    "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
		"unknown encoding": "Transfer-Encoding: xchunked\r\n",
		"two hosts":        "Host: other\r\n",
	} {
		status, _ := rawRequest(t, address, "POST / HTTP/1.1\r\nHost: "+address+"\r\n"+headers+"Connection: close\r\n\r\nabcd")
		if status != http.StatusBadRequest && status != http.StatusNotImplemented {
			t.Errorf("%s: %d", name, status)
		}
	}
}

// TestAuthorityStandsForAWSOnly: a certificate that its key makes for anybody
// else is worth nothing.
func TestAuthorityStandsForAWSOnly(t *testing.T) {
	s := opened(t, ephemeral())
	defer s.Close()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(s.ca.cert)
	for host, want := range map[string]bool{
		"s3.amazonaws.com": true, "b.s3.eu-west-1.amazonaws.com": true, "x.auth.us-east-1.amazoncognito.com": true,
		"example.com": false, "amazonaws.com.example.com": false, "notamazonaws.com": false,
	} {
		der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
			SerialNumber: serial(), DNSNames: []string{host}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		}, s.ca.cert, &key.PublicKey, s.ca.key)
		if err != nil {
			t.Fatal(err)
		}
		leaf, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		_, err = leaf.Verify(x509.VerifyOptions{DNSName: host, Roots: pool, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
		if (err == nil) != want {
			t.Errorf("%s: %v", host, err)
		}
	}
}

// TestFunctionsReachNoPagesOfOurs: what functions are served has everything but
// moln's own pages, whatever address they ask by; answers of custom resources
// are no such page.
func TestFunctionsReachNoPagesOfOurs(t *testing.T) {
	s := opened(t, ephemeral())
	defer s.Close()
	for _, target := range []string{"/_moln/info", "http://127.0.0.1:4566/_moln/audit", "http://s3.amazonaws.com/_moln/mailbox.json", "/%5fmoln/info"} {
		w := httptest.NewRecorder()
		s.inner().ServeHTTP(w, httptest.NewRequest(http.MethodGet, target, nil))
		if w.Code != http.StatusNotFound {
			t.Errorf("%s: %d %s", target, w.Code, w.Body)
		}
	}
	w := httptest.NewRecorder()
	const box = "https://cloudformation-custom-resource-response-useast1.s3.us-east-1.amazonaws.com/_aws/cloudformation-response/guess"
	s.inner().ServeHTTP(w, httptest.NewRequest(http.MethodPut, box, strings.NewReader("{}")))
	if w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), "ResponseURL") {
		t.Errorf("a guessed answer: %d %s", w.Code, w.Body)
	}
}
