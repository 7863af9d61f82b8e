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
// What is always refused: link-local addresses and others of the metadata services
// of clouds, multicast, and the unspecified address. An IPv6 address that a gateway
// translates is judged as the IPv4 address in it.
package outbound

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
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
	a = translated(a.Unmap())
	switch {
	case !a.IsValid(), a.IsUnspecified(), a.IsLinkLocalUnicast(), a.IsMulticast(), a.IsInterfaceLocalMulticast():
		return false
	case broadcast == a, thisNetwork.Contains(a), slices.Contains(metadata, a):
		return false
	case a.IsLoopback():
		return r == Local
	case a.IsPrivate(), slices.ContainsFunc(private, func(p netip.Prefix) bool { return p.Contains(a) }):
		return r == Local || r == Private
	}
	return true
}

// Networks that netip does not name: this host on this network (RFC 1122), the
// limited broadcast, and what is not of the internet (RFC 6890): shared addresses
// of carriers, those of protocols, of benchmarks, reserved ones, site-local ones,
// and those that a gateway of one's own translates (RFC 8215).
var (
	thisNetwork = netip.MustParsePrefix("0.0.0.0/8")
	broadcast   = netip.AddrFrom4([4]byte{255, 255, 255, 255})
	private     = []netip.Prefix{
		netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"), netip.MustParsePrefix("198.18.0.0/15"),
		netip.MustParsePrefix("240.0.0.0/4"), netip.MustParsePrefix("fec0::/10"), netip.MustParsePrefix("64:ff9b:1::/48"),
	}
	// metadata are services of clouds that are not at link-local addresses: AWS's
	// by IPv6, Azure's, Oracle's, Alibaba's.
	metadata = []netip.Addr{
		netip.MustParseAddr("fd00:ec2::254"), netip.MustParseAddr("168.63.129.16"), netip.MustParseAddr("192.0.0.192"), netip.MustParseAddr("100.100.100.200"),
	}
	nat64      = netip.MustParsePrefix("64:ff9b::/96")
	sixToFour  = netip.MustParsePrefix("2002::/16")
	compatible = netip.MustParsePrefix("::/96")
)

// translated is the IPv4 address that an IPv6 address stands for (RFC 6052, RFC
// 3056, RFC 4291), or the address itself.
func translated(a netip.Addr) netip.Addr {
	b := a.As16()
	switch {
	case !a.Is6() || a.IsUnspecified() || a.IsLoopback():
	case nat64.Contains(a), compatible.Contains(a):
		return netip.AddrFrom4([4]byte(b[12:]))
	case sixToFour.Contains(a):
		return netip.AddrFrom4([4]byte(b[2:6]))
	}
	return a
}

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
