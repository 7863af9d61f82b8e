package gateway

import (
	"crypto/tls"
	"net/http"
	"net/netip"
	"testing"
)

func TestSecure(t *testing.T) {
	g := &Gateway{cfg: Config{TrustProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}}
	for _, tt := range []struct {
		peer string
		tls  bool
		head []string
		want bool
	}{
		{"192.0.2.1:1", true, nil, true},
		{"192.0.2.1:1", false, nil, false},
		{"192.0.2.1:1", false, []string{"X-Forwarded-Proto", "https"}, false},
		{"10.1.2.3:1", false, []string{"X-Forwarded-Proto", "https"}, true},
		{"[::ffff:10.1.2.3]:1", false, []string{"Forwarded", "for=192.0.2.1;Proto=https"}, true},
		{"10.1.2.3:1", false, []string{"X-Forwarded-Proto", "http"}, false},
		{"10.1.2.3:1", false, nil, false},
		{"127.0.0.1:1", false, nil, true},
		{"[::1]:1", false, nil, true},
		{"127.0.0.1:1", false, []string{"X-Forwarded-For", "192.0.2.1"}, false},
		{"127.0.0.1:1", false, []string{"X-Forwarded-For", "192.0.2.1", "X-Forwarded-Proto", "https"}, true},
		{"127.0.0.1:1", false, []string{"X-Forwarded-Proto", "http"}, false},
		{"somewhere", false, nil, false},
	} {
		r := &http.Request{RemoteAddr: tt.peer, Header: http.Header{}}
		if tt.tls {
			r.TLS = new(tls.ConnectionState)
		}
		for i := 0; i < len(tt.head); i += 2 {
			r.Header.Set(tt.head[i], tt.head[i+1])
		}
		if got := g.secure(r); got != tt.want {
			t.Errorf("%s %v: %v", tt.peer, tt.head, got)
		}
	}
}
