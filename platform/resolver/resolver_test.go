package resolver

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"
)

func server() *Server {
	return &Server{Owns: func(host string) bool { return strings.HasSuffix(host, ".amazonaws.com") }, Address: [4]byte{127, 0, 0, 1}}
}

// TestResolves asks with the resolver of the standard library, as resolv.conf has
// it ask.
func TestResolves(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go server().Serve(l)
	r := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", l.Addr().String())
	}}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for host, want := range map[string]string{
		"bucket.s3.us-east-1.amazonaws.com": "127.0.0.1", "B.S3.AMAZONAWS.COM": "127.0.0.1", "example.com": "", "amazonaws.com": "",
	} {
		addrs, err := r.LookupHost(ctx, host)
		if got := strings.Join(addrs, ","); got != want {
			t.Errorf("%s: %q, %v", host, got, err)
		}
		var missing *net.DNSError
		if want == "" && (!asDNS(err, &missing) || !missing.IsNotFound) {
			t.Errorf("%s: %v", host, err)
		}
	}
}

func asDNS(err error, to **net.DNSError) bool {
	e, ok := err.(*net.DNSError)
	*to = e
	return ok
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte("\x00\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x02s3\x09amazonaws\x03com\x00\x00\x01\x00\x01"))
	f.Add([]byte("\x00\x01\x81\x00"))
	f.Fuzz(func(t *testing.T, query []byte) {
		answer, err := server().answer(query)
		if err == nil && len(answer) < 12 {
			t.Errorf("an answer of %d bytes", len(answer))
		}
	})
}
