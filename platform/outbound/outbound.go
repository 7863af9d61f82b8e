// Package outbound is the one way by which moln makes HTTP requests that its
// users ask for: notifications to an endpoint, integrations, destinations of
// events. Where such a request may go is the operator's choice and not the
// user's: without a policy, whoever may subscribe an address to a topic can make
// the server talk to what only the server can reach.
//
// It judges the address that is dialed, whatever name or redirect led to it, so a
// name that changes its mind between a check and the connection gains nothing. It
// follows no redirects, uses no proxy of the environment, and is not for moln's own
// connections (mail, stores), whose addresses the operator has given.
//
// What is always refused: link-local addresses (the metadata services of clouds),
// multicast, and the unspecified address.
package outbound

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

// Reach is how near the addresses may be that requests go to.
type Reach string

// Reaches. Each includes the one before.
const (
	// Public is the addresses of the internet: the default of listeners that
	// others can reach.
	Public Reach = "public"
	// Private is the addresses of private networks as well (RFC 1918, RFC 6598,
	// RFC 4193).
	Private Reach = "private"
	// Local is this machine as well: the default of loopback listeners, whose
	// users sit at the machine and have their receivers on it.
	Local Reach = "local"
)

// ErrRefused: the address is nearer than the policy lets requests go. Use
// errors.Is.
var ErrRefused = errors.New("outbound: the address may not be reached")

const (
	dialTimeout      = 5 * time.Second
	handshakeTimeout = 5 * time.Second
	idleTimeout      = 30 * time.Second
	// idlePerHostMax is how many connections to one host wait for further use.
	idlePerHostMax = 8
	headerBytesMax = 64 << 10
	// via is what requests carry where they may come back to this machine: moln's
	// own pages trust it, and trust nobody who speaks for others.
	via = "1.1 moln"
)

// Parse reads the name of a reach.
func Parse(name string) (Reach, error) {
	switch r := Reach(name); r {
	case Public, Private, Local:
		return r, nil
	}
	return "", fmt.Errorf("outbound requests reach public, private or local addresses, not %q", name)
}

// Allows says whether requests may go to an address.
func (r Reach) Allows(a netip.Addr) bool {
	a = a.Unmap()
	switch {
	case !a.IsValid(), a.IsUnspecified(), a.IsLinkLocalUnicast(), a.IsMulticast(), a.IsInterfaceLocalMulticast():
		return false
	case broadcast == a, thisNetwork.Contains(a):
		return false
	case a.IsLoopback():
		return r == Local
	case a.IsPrivate(), shared.Contains(a):
		return r == Local || r == Private
	}
	return true
}

// Networks that netip does not name: this host on this network (RFC 1122), shared
// addresses of carriers (RFC 6598), the limited broadcast.
var (
	thisNetwork = netip.MustParsePrefix("0.0.0.0/8")
	shared      = netip.MustParsePrefix("100.64.0.0/10")
	broadcast   = netip.AddrFrom4([4]byte{255, 255, 255, 255})
)

// Client returns a client for requests within reach. Its requests have no timeout
// of their own but the context's. A refused address fails with ErrRefused.
func Client(r Reach) *http.Client {
	dialer := &net.Dialer{Timeout: dialTimeout, Control: func(_, address string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err != nil || !r.Allows(at.Addr()) {
			return fmt.Errorf("%w: %s (requests go to %s addresses)", ErrRefused, address, r)
		}
		return nil
	}}
	var rt http.RoundTripper = &http.Transport{
		Proxy: nil, DialContext: dialer.DialContext, ForceAttemptHTTP2: true,
		TLSHandshakeTimeout: handshakeTimeout, IdleConnTimeout: idleTimeout, MaxIdleConnsPerHost: idlePerHostMax,
		MaxResponseHeaderBytes: headerBytesMax,
	}
	if r == Local {
		rt = marked{rt}
	}
	return &http.Client{
		Transport:     rt,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// marked says of each request that it is made for somebody else.
type marked struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (m marked) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Via", via)
	return m.next.RoundTrip(r)
}
