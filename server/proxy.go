package server

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Limits of the proxy.
const (
	tunnelDialTimeout   = 10 * time.Second
	headerTimeout       = 30 * time.Second
	idleTimeout         = 3 * time.Minute
	maxHeaderBytes      = 64 << 10
	tunnelsMax          = 256
	connectEstablished  = "HTTP/1.1 200 Connection Established\r\n\r\n"
	proxyRefusedMessage = "moln's proxy answers for AWS host names only; start it with --proxy-allow to let it reach this host\n"
)

// awsSuffixes are the domains that moln answers for instead of AWS.
var awsSuffixes = []string{".amazonaws.com", ".amazonaws.com.cn", ".amazoncognito.com", ".on.aws"}

func isAWSHost(host string) bool {
	host = strings.ToLower(host)
	for _, s := range awsSuffixes {
		if strings.HasSuffix(host, s) {
			return true
		}
	}
	return false
}

// proxy is the forward-proxy side of the port: CONNECT to AWS host names is
// answered by moln itself under its own authority, absolute-form requests are
// served as if they had been sent to moln, foreign hosts are refused unless
// they were allowed.
type proxy struct {
	ca      *authority
	handler http.Handler
	allow   []string
	port    string // moln's own
	tunnels chan struct{}
}

func newProxy(ca *authority, h http.Handler, allow []string, port string) *proxy {
	return &proxy{ca: ca, handler: h, allow: allow, port: port, tunnels: make(chan struct{}, tunnelsMax)}
}

// connect answers CONNECT host:port.
func (p *proxy) connect(w http.ResponseWriter, r *http.Request) {
	host, port, err := net.SplitHostPort(r.Host)
	if err != nil {
		http.Error(w, "CONNECT needs host:port", http.StatusBadRequest)
		return
	}
	switch {
	case isAWSHost(host):
		p.answer(w, host, port != "80")
	case isLoopback(host) && port == p.port:
		// Some tools tunnel even to the endpoint that they were given.
		p.answer(w, host, false)
	case p.allowed(host):
		p.tunnel(w, host, r.Host)
	default:
		http.Error(w, proxyRefusedMessage, http.StatusForbidden)
	}
}

func (p *proxy) allowed(host string) bool {
	return slices.ContainsFunc(p.allow, func(a string) bool {
		return a == "*" || strings.EqualFold(a, host) || (strings.HasPrefix(a, "*.") && strings.HasSuffix(strings.ToLower(host), strings.ToLower(a[1:])))
	})
}

// answer serves one client connection as the named host itself.
func (p *proxy) answer(w http.ResponseWriter, host string, secure bool) {
	conn, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, "CONNECT needs HTTP/1.1", http.StatusBadRequest)
		return
	}
	if _, err := io.WriteString(conn, connectEstablished); err != nil {
		conn.Close()
		return
	}
	c := &bufferedConn{Conn: conn, r: buf.Reader}
	l := newOneConnListener(c)
	if secure {
		l = newOneConnListener(tls.Server(c, p.ca.tlsConfig(host)))
	}
	srv := &http.Server{
		Handler: p.handler, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes,
		ConnState: func(_ net.Conn, s http.ConnState) {
			if s == http.StateClosed || s == http.StateHijacked {
				l.Close()
			}
		},
	}
	srv.Serve(l)
}

// tunnel connects the client with an allowed foreign host.
func (p *proxy) tunnel(w http.ResponseWriter, host, address string) {
	select {
	case p.tunnels <- struct{}{}:
		defer func() { <-p.tunnels }()
	default:
		http.Error(w, "too many tunnels", http.StatusServiceUnavailable)
		return
	}
	dialer := net.Dialer{Timeout: tunnelDialTimeout, Control: refuseInside}
	if slices.ContainsFunc(p.allow, func(a string) bool { return strings.EqualFold(a, host) }) {
		dialer.Control = nil // the operator named it
	}
	up, err := dialer.Dial("tcp", address)
	if errors.Is(err, errInside) {
		http.Error(w, proxyRefusedMessage, http.StatusForbidden)
		return
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer up.Close()
	conn, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, "CONNECT needs HTTP/1.1", http.StatusBadRequest)
		return
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, connectEstablished); err != nil {
		return
	}
	done := make(chan struct{}, 2)
	go func() { io.Copy(up, buf.Reader); done <- struct{}{} }()
	go func() { io.Copy(conn, up); done <- struct{}{} }()
	<-done
}

var errInside = errors.New("this address belongs to the machine itself or to its host")

// refuseInside keeps tunnels that a pattern allows away from this machine's own
// ports (moln's pages among them, which trust it) and from the metadata services
// of clouds. It judges the address that is dialed, whatever name led to it.
func refuseInside(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return errInside
	}
	if ip := at.Addr().Unmap(); ip.IsLoopback() || ip.IsUnspecified() || ip.IsLinkLocalUnicast() || ip.IsMulticast() {
		return errInside
	}
	return nil
}

// absolute serves a proxy request in absolute form (GET http://host/…).
func (p *proxy) absolute(w http.ResponseWriter, r *http.Request) {
	host := r.URL.Hostname()
	if !isAWSHost(host) && !isLoopback(host) && !accountPrefixed(host) {
		http.Error(w, proxyRefusedMessage, http.StatusForbidden)
		return
	}
	p.handler.ServeHTTP(w, r)
}

// accountPrefixed recognises hosts such as 000000000000.127.0.0.1, which S3
// Control clients make of a literal endpoint.
func accountPrefixed(host string) bool {
	_, rest, ok := strings.Cut(host, ".")
	return ok && isLoopback(rest)
}

// bufferedConn is a connection some of whose bytes were read ahead.
type bufferedConn struct {
	net.Conn
	r *bufio.Reader
}

// Read reads what was read ahead first.
func (c *bufferedConn) Read(p []byte) (int, error) { return c.r.Read(p) }

// oneConnListener hands out one connection and then waits until it is closed.
type oneConnListener struct {
	conn   net.Conn
	once   sync.Once
	given  chan net.Conn
	closed chan struct{}
}

func newOneConnListener(c net.Conn) *oneConnListener {
	l := &oneConnListener{conn: c, given: make(chan net.Conn, 1), closed: make(chan struct{})}
	l.given <- c
	return l
}

// Accept gives the connection once.
func (l *oneConnListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.given:
		return c, nil
	case <-l.closed:
		return nil, errors.New("listener closed")
	}
}

// Close ends Accept.
func (l *oneConnListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr is the connection's own address.
func (l *oneConnListener) Addr() net.Addr { return l.conn.LocalAddr() }
