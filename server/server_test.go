package server

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"moln.dev/moln/aws/sigv4"
	"moln.dev/moln/engine/seal"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// ephemeral is the configuration of `moln up`, on a free port.
func ephemeral() Config {
	return Config{Listen: "127.0.0.1:0", Ephemeral: true, RootAccessKey: LocalAccessKey, RootSecretKey: LocalSecretKey, Sandbox: "none"}
}

func opened(t *testing.T, cfg Config) *Server {
	t.Helper()
	s, err := Open(context.Background(), cfg, quiet())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// serve runs a server until the test ends, or until stop is called.
func serve(t *testing.T, cfg Config) (s *Server, stop func()) {
	t.Helper()
	s = opened(t, cfg)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	}
	t.Cleanup(stop)
	return s, stop
}

// whoami is a signed GetCallerIdentity to host, to be sent to a server.
func whoami(t *testing.T, base, host string) *http.Request {
	t.Helper()
	body := "Action=GetCallerIdentity&Version=2011-06-15"
	r, err := http.NewRequest("POST", base+"/", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if host != "" {
		r.Host = host
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	const sum = "ab821ae955788b0e33ebd34c208442ccfc2d406e2edc5e7a39bd6458fbb4f843" // of body
	sigv4.Sign(r, sigv4.Credentials{AccessKeyID: LocalAccessKey, SecretAccessKey: LocalSecretKey}, "us-east-1", "sts", sum, time.Now())
	return r
}

func fetch(t *testing.T, c *http.Client, r *http.Request) (int, string) {
	t.Helper()
	c.Timeout = 10 * time.Second
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestConfigIsRefused(t *testing.T) {
	long := strings.Repeat("s", secretMin)
	for _, tt := range []struct {
		name string
		cfg  Config
		want string // part of the error; "": none
	}{
		{"local", ephemeral(), ""},
		{"localhost", Config{Listen: "localhost:0", Ephemeral: true}, ""},
		{"IPv6 loopback", Config{Listen: "[::1]:0", Ephemeral: true}, ""},
		{"no data directory", Config{}, "a data directory is needed"},
		{"no port", Config{Listen: "127.0.0.1", Ephemeral: true}, "listen address"},
		{"egress", Config{Ephemeral: true, Egress: "some"}, "neither none nor host"},
		{"exposed with the well-known secret", Config{Listen: "0.0.0.0:0", Ephemeral: true, RootAccessKey: "test", RootSecretKey: "test", AdminToken: "t"}, "fewer than 20 characters"},
		{"exposed everywhere by an empty host", Config{Listen: ":0", Ephemeral: true, RootAccessKey: "test", RootSecretKey: "test", AdminToken: "t"}, "fewer than 20 characters"},
		{"exposed without a token", Config{Listen: "0.0.0.0:0", Ephemeral: true, RootAccessKey: "a", RootSecretKey: long}, "needs an admin token"},
		{"exposed", Config{Listen: "0.0.0.0:0", Ephemeral: true, RootAccessKey: "a", RootSecretKey: long, AdminToken: "t"}, ""},
		{"exposed with an open proxy", Config{Listen: "0.0.0.0:0", Ephemeral: true, RootAccessKey: "a", RootSecretKey: long, AdminToken: "t", ProxyAllow: []string{"*"}}, "--proxy-allow"},
	} {
		err := tt.cfg.normalise()
		if (err == nil) != (tt.want == "") || (err != nil && !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

func TestPortIsTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	cfg := ephemeral()
	cfg.Listen = l.Addr().String()
	_, err = Open(context.Background(), cfg, quiet())
	if err == nil || !strings.Contains(err.Error(), cfg.Listen+" is taken") {
		t.Errorf("open: %v", err)
	}
}

// TestTwoServers: they live in one process, know nothing of each other, and
// leave nothing behind.
func TestTwoServers(t *testing.T) {
	a, stopA := serve(t, ephemeral())
	b, stopB := serve(t, ephemeral())
	if a.scratch == b.scratch || a.Endpoint() == b.Endpoint() {
		t.Fatalf("%s %s, %s %s", a.scratch, a.Endpoint(), b.scratch, b.Endpoint())
	}
	if err := a.advance(context.Background(), time.Hour); err != nil {
		t.Fatal(err)
	}
	if d := a.clock.Now().Sub(b.clock.Now()); d < 59*time.Minute {
		t.Errorf("the clocks are %s apart", d)
	}
	stopA()
	if _, err := os.Stat(a.scratch); !os.IsNotExist(err) {
		t.Errorf("scratch directory: %v", err)
	}
	if status, body := fetch(t, &http.Client{}, whoami(t, b.Endpoint(), "")); status != 200 || !strings.Contains(body, ":root") {
		t.Errorf("the other server: %d %s", status, body)
	}
	stopB()
}

func TestFailedOpenLeavesNothing(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	cfg := ephemeral()
	cfg.SMTP = "gopher://mail"
	if _, err := Open(context.Background(), cfg, quiet()); err == nil {
		t.Fatal("opened")
	}
	left, err := filepath.Glob(filepath.Join(os.Getenv("TMPDIR"), "moln-*"))
	if err != nil || len(left) != 0 {
		t.Errorf("left %v, %v", left, err)
	}
}

// TestDataDirectory: modes keep others out, the clock stays ahead over a
// restart, and a store is not opened with a new key.
func TestDataDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	cfg := ephemeral()
	cfg.Ephemeral, cfg.DataDir = false, dir
	s := opened(t, cfg)
	if err := s.advance(context.Background(), 36*time.Hour); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		secret := path == dir || strings.Contains(d.Name(), "key")
		if mode := info.Mode().Perm(); secret && mode&0o077 != 0 {
			t.Errorf("%s has mode %o", path, mode)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	s = opened(t, cfg)
	if ahead := time.Until(s.clock.Now()); ahead < 35*time.Hour || ahead > 37*time.Hour {
		t.Errorf("the clock is %s ahead", ahead)
	}
	if _, err := Open(context.Background(), cfg, quiet()); err == nil || !strings.Contains(err.Error(), "stop the moln that uses") {
		t.Errorf("opened twice: %v", err)
	}
	s.Close()
	key := filepath.Join(dir, "seal.key")
	kept, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	if s, err := Open(context.Background(), cfg, quiet()); err == nil || !strings.Contains(err.Error(), "seal.key") {
		if s != nil {
			s.Close()
		}
		t.Errorf("without its key: %v", err)
	}
	if _, err := os.Stat(key); err == nil {
		t.Error("a new key was made for an old store")
	}
	if err := os.WriteFile(key, kept, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := seal.Open(key); err != nil {
		t.Fatal(err)
	}
	opened(t, cfg).Close()
}

func TestAdminGuard(t *testing.T) {
	s := opened(t, ephemeral())
	defer s.Close()
	h := s.handler()
	for _, tt := range []struct {
		name, method, path, host, peer, origin string
		token, auth                            string
		want                                   int
	}{
		{name: "loopback", want: 200},
		{name: "localhost", host: "localhost:4566", want: 200},
		{name: "IPv6", host: "[::1]:4566", peer: "[::1]:9", want: 200},
		{name: "from elsewhere", peer: "192.0.2.1:9", want: 403},
		{name: "rebound name", host: "evil.example:4566", want: 403},
		{name: "rebound name below localhost", host: "evil.localhost:4566", want: 403},
		{name: "rebound to every address", host: "0.0.0.0:4566", want: 403},
		{name: "page that posts", method: "POST", path: "/_moln/clock?advance=1s", origin: "http://evil.example", want: 403},
		{name: "own page that posts", method: "POST", path: "/_moln/clock?advance=1s", origin: "http://127.0.0.1:4566", want: 403},
		{name: "command line that posts", method: "POST", path: "/_moln/clock?advance=1s", want: 200},
		{name: "not a duration", method: "POST", path: "/_moln/clock?advance=-1s", want: 400},
		{name: "clock by GET", path: "/_moln/clock?advance=1s", want: 405},
		{name: "health from elsewhere", path: "/_moln/health", peer: "192.0.2.1:9", want: 200},
		{name: "authority from elsewhere", path: "/_moln/ca.pem", peer: "192.0.2.1:9", want: 200},
		{name: "audit from elsewhere", path: "/_moln/audit", peer: "192.0.2.1:9", want: 403},
		{name: "metrics from elsewhere", path: "/_moln/metrics", peer: "192.0.2.1:9", want: 403},
		{name: "mailbox from elsewhere", path: "/_moln/mailbox.json", peer: "192.0.2.1:9", want: 403},
		{name: "not ready", path: "/_moln/ready", want: 503},
		{name: "no page", path: "/_moln/none", want: 404},
		{name: "token", token: "secret", auth: "Bearer secret", peer: "192.0.2.1:9", want: 200},
		{name: "wrong token", token: "secret", auth: "Bearer guess", want: 403},
		{name: "loopback without the token", token: "secret", want: 403},
	} {
		s.cfg.AdminToken = tt.token
		r := httptest.NewRequest(or(tt.method, "GET"), or(tt.path, "/_moln/info"), nil)
		r.Host, r.RemoteAddr = or(tt.host, "127.0.0.1:4566"), or(tt.peer, "127.0.0.1:9")
		if tt.origin != "" {
			r.Header.Set("Origin", tt.origin)
		}
		if tt.auth != "" {
			r.Header.Set("Authorization", tt.auth)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != tt.want {
			t.Errorf("%s: %d %s, want %d", tt.name, w.Code, w.Body, tt.want)
		}
	}
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// TestFunctionsSeeNoAdminPages: what sandboxes reach is AWS only.
func TestFunctionsSeeNoAdminPages(t *testing.T) {
	s := opened(t, ephemeral())
	defer s.Close()
	for _, path := range []string{"/_moln/info", "/_moln/ready", "/_moln/mailbox", "/_moln/ca.pem"} {
		r := httptest.NewRequest("GET", path, nil)
		r.Host, r.RemoteAddr = "127.0.0.1:4566", "127.0.0.1:9"
		w := httptest.NewRecorder()
		s.inner().ServeHTTP(w, r)
		if w.Code != 404 || strings.Contains(w.Body.String(), "version") {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	w := httptest.NewRecorder()
	s.inner().ServeHTTP(w, whoami(t, "http://127.0.0.1", ""))
	if w.Code != 200 {
		t.Errorf("whoami: %d %s", w.Code, w.Body)
	}
}

// trust is a client's pool with the server's authority.
func trust(t *testing.T, s *Server) *x509.CertPool {
	t.Helper()
	pem, err := FetchAuthority(s.Endpoint())
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		t.Fatal("no certificate")
	}
	return pool
}

func TestProxy(t *testing.T) {
	foreign := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "foreign") }))
	defer foreign.Close()
	plain := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a foreign host was reached") }))
	defer plain.Close()
	closed, _ := serve(t, ephemeral())
	cfg := ephemeral()
	cfg.ProxyAllow = []string{"127.0.0.1"}
	allowing, _ := serve(t, cfg)
	client := func(s *Server) *http.Client {
		proxy, err := url.Parse(s.Endpoint())
		if err != nil {
			t.Fatal(err)
		}
		pool := trust(t, s)
		pool.AddCert(foreign.Certificate())
		tr := &http.Transport{Proxy: http.ProxyURL(proxy), TLSClientConfig: &tls.Config{RootCAs: pool}}
		t.Cleanup(tr.CloseIdleConnections)
		return &http.Client{Transport: tr}
	}
	c := client(closed)
	for range 2 { // the second on the same connection
		if status, body := fetch(t, c, whoami(t, "https://sts.eu-west-1.amazonaws.com", "")); status != 200 || !strings.Contains(body, ":root") {
			t.Errorf("https: %d %s", status, body)
		}
	}
	if status, body := fetch(t, c, whoami(t, "http://sts.amazonaws.com", "")); status != 200 {
		t.Errorf("absolute form: %d %s", status, body)
	}
	c.Timeout = 10 * time.Second
	if _, err := c.Get(foreign.URL); err == nil || !strings.Contains(err.Error(), "Forbidden") {
		t.Errorf("CONNECT to a foreign host: %v", err)
	}
	r, _ := http.NewRequest("GET", "http://example.com/", nil)
	if status, body := fetch(t, c, r); status != 403 || !strings.Contains(body, "--proxy-allow") {
		t.Errorf("foreign host in absolute form: %d %s", status, body)
	}
	r, _ = http.NewRequest("GET", foreign.URL, nil)
	if status, body := fetch(t, client(allowing), r); status != 200 || body != "foreign" {
		t.Errorf("allowed host: %d %s", status, body)
	}
}

func TestProxyAllow(t *testing.T) {
	p := newProxy(nil, nil, []string{"hub.example.org", "*.Example.com"}, "4566")
	for host, want := range map[string]bool{
		"hub.example.org": true, "HUB.example.org": true, "x.hub.example.org": false, "a.example.com": true, "a.b.EXAMPLE.com": true,
		"example.com": false, "badexample.com": false, "hub.example.org.evil.com": false,
	} {
		if got := p.allowed(host); got != want {
			t.Errorf("%s: %v, want %v", host, got, want)
		}
	}
	if !newProxy(nil, nil, []string{"*"}, "4566").allowed("any.thing") {
		t.Error("* does not allow everything")
	}
	for host, want := range map[string]bool{
		"s3.amazonaws.com": true, "x.execute-api.eu-west-1.AMAZONAWS.com": true, "amazonaws.com.evil.com": false, "amazonaws.com": false, "x.lambda-url.us-east-1.on.aws": true,
	} {
		if got := isAWSHost(host); got != want {
			t.Errorf("%s is AWS: %v, want %v", host, got, want)
		}
	}
}

func TestConnectNeedsAPort(t *testing.T) {
	s, _ := serve(t, ephemeral())
	conn, err := net.Dial("tcp", s.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "CONNECT s3.amazonaws.com HTTP/1.1\r\nHost: s3.amazonaws.com\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || resp.StatusCode != 400 {
		t.Errorf("%v, %v", resp, err)
	}
}

// TestServeTLS is what functions reach over https: certificates for AWS's names
// only, and a refusal where a client names no host.
func TestServeTLS(t *testing.T) {
	s, _ := serve(t, ephemeral())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.serveTLS(l) }()
	pool := trust(t, s)
	dial := func(name string) (*tls.Conn, error) {
		cfg := &tls.Config{RootCAs: pool, ServerName: name}
		if name == "" {
			cfg.InsecureSkipVerify = true
		}
		return tls.DialWithDialer(&net.Dialer{Timeout: 10 * time.Second}, "tcp", l.Addr().String(), cfg)
	}
	conn, err := dial("sts.amazonaws.com")
	if err != nil {
		t.Fatal(err)
	}
	r := whoami(t, "https://sts.amazonaws.com", "")
	if err := r.Write(conn); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), r)
	if err != nil || resp.StatusCode != 200 {
		t.Errorf("%v, %v", resp, err)
	}
	conn.Close()
	for _, name := range []string{"", "example.com"} {
		if conn, err := dial(name); err == nil {
			conn.Close()
			t.Errorf("%q was answered", name)
		}
	}
	l.Close()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("serveTLS: %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("serveTLS goes on without its listener")
	}
}

// TestAuthority: it is kept, and its leaves are for AWS's names.
func TestAuthority(t *testing.T) {
	s := opened(t, ephemeral())
	defer s.Close()
	cert, err := s.ca.certificate("s3.amazonaws.com")
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(s.ca.pem)
	if _, err := cert.Leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: "s3.amazonaws.com"}); err != nil {
		t.Error(err)
	}
	again, err := s.ca.certificate("s3.amazonaws.com")
	if err != nil || !bytes.Equal(again.Certificate[0], cert.Certificate[0]) {
		t.Errorf("a leaf is made twice, %v", err)
	}
	if _, err := s.ca.certificate("bank.example"); err == nil {
		t.Error("a foreign name was certified")
	}
	for i := range leavesMax + 2 {
		if _, err := s.ca.certificate(strings.Repeat("x", i%60+1) + "." + strings.Repeat("y", i/60+1) + ".amazonaws.com"); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(s.ca.leaves); n > leavesMax {
		t.Errorf("%d leaves are kept", n)
	}
}

func TestEveryServiceIsListedOnce(t *testing.T) {
	s := opened(t, ephemeral())
	defer s.Close()
	seen := map[string]int{}
	for _, d := range s.Definitions() {
		seen[d.Schema.Name]++
	}
	for _, name := range []string{"s3", "iam", "sts", "logs", "ecr", "lambda", "cognitoidp", "cognitoidentity", "cloudformation", "sqs"} {
		if seen[name] != 1 {
			t.Errorf("%s is listed %d times", name, seen[name])
		}
	}
}
