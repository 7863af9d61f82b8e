package gateway

import (
	"net/http"
	"net/netip"
	"strings"
)

// secure reports whether a request crossed no network in the clear: it came by
// TLS, from this machine, or through a proxy that is trusted and says that it
// came there by TLS. What other peers say in headers counts for nothing, nor
// that a proxy on this machine forwards a request without saying how it came.
func (g *Gateway) secure(r *http.Request) bool {
	if r.TLS != nil {
		return true
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return false
	}
	addr := peer.Addr().Unmap()
	trusted := addr.IsLoopback()
	for _, p := range g.cfg.TrustProxies {
		trusted = trusted || p.Contains(addr)
	}
	if !trusted {
		return false
	}
	h := r.Header
	switch forwarded := h.Get("Forwarded"); {
	case h.Get("X-Forwarded-Proto") != "":
		return strings.EqualFold(h.Get("X-Forwarded-Proto"), "https")
	case forwarded != "":
		return strings.Contains(strings.ToLower(forwarded), "proto=https")
	}
	return addr.IsLoopback() && h.Get("X-Forwarded-For") == "" && h.Get("X-Real-Ip") == "" && h.Get("Via") == ""
}
