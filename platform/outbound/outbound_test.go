package outbound

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
)

func TestAllows(t *testing.T) {
	for _, c := range []struct {
		address                string
		public, private, local bool
	}{
		{"8.8.8.8", true, true, true},
		{"2606:4700::1111", true, true, true},
		{"10.0.0.1", false, true, true},
		{"172.16.3.4", false, true, true},
		{"192.168.1.1", false, true, true},
		{"100.64.0.1", false, true, true},
		{"fd00::1", false, true, true},
		{"::ffff:10.0.0.1", false, true, true},
		{"127.0.0.1", false, false, true},
		{"127.8.8.8", false, false, true},
		{"::1", false, false, true},
		{"::ffff:127.0.0.1", false, false, true},
		{"169.254.169.254", false, false, false},
		{"::ffff:169.254.169.254", false, false, false},
		{"fe80::1", false, false, false},
		{"0.0.0.0", false, false, false},
		{"0.1.2.3", false, false, false},
		{"::", false, false, false},
		{"224.0.0.1", false, false, false},
		{"ff02::1", false, false, false},
		{"255.255.255.255", false, false, false},
		// IPv4 in other clothes.
		{"64:ff9b::8.8.8.8", true, true, true},
		{"64:ff9b::169.254.169.254", false, false, false},
		{"64:ff9b::127.0.0.1", false, false, true},
		{"64:ff9b::10.0.0.1", false, true, true},
		{"64:ff9b:1::10.0.0.1", false, true, true},
		{"2002:a9fe:a9fe::1", false, false, false},
		{"2002:7f00:1::1", false, false, true},
		{"::127.0.0.1", false, false, true},
		// Metadata services elsewhere, and what is not of the internet.
		{"fd00:ec2::254", false, false, false},
		{"168.63.129.16", false, false, false},
		{"192.0.0.192", false, false, false},
		{"100.100.100.200", false, false, false},
		{"192.0.0.8", false, true, true},
		{"198.18.0.1", false, true, true},
		{"240.0.0.1", false, true, true},
		{"fec0::1", false, true, true},
	} {
		a := netip.MustParseAddr(c.address)
		for r, want := range map[Reach]bool{Public: c.public, Private: c.private, Local: c.local} {
			if got := r.Allows(a); got != want {
				t.Errorf("%s allows %s: %v", r, c.address, got)
			}
		}
	}
	if Local.Allows(netip.Addr{}) {
		t.Error("no address is allowed")
	}
}

func TestClient(t *testing.T) {
	var got http.Header
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Header
		http.Redirect(w, r, "http://169.254.169.254/", http.StatusFound)
	}))
	defer srv.Close()
	for _, r := range []Reach{Public, Private} {
		if _, err := Client(r).Get(srv.URL); !errors.Is(err, ErrRefused) {
			t.Errorf("%s: %v", r, err)
		}
	}
	res, err := Client(Local).Get(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusFound {
		t.Errorf("a redirect was followed: %s", res.Status)
	}
	if got.Get("Via") == "" {
		t.Error("the request does not say that it is made for somebody else")
	}
}

func TestParse(t *testing.T) {
	if r, err := Parse("private"); err != nil || r != Private {
		t.Error(r, err)
	}
	if _, err := Parse("everything"); err == nil {
		t.Error("an unknown reach")
	}
}
