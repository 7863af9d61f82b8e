package bind

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

func TestHeaderValues(t *testing.T) {
	h := http.Header{}
	for _, name := range []string{"x-amz-server-side-encryption-aws-kms-key-id", "ETag", "Content-MD5", "range", "X-AMZ-Copy-Source", strings.Repeat("x-", headerNameMax)} {
		if got := headerValues(h, name); got != nil {
			t.Errorf("%s: %q before it is set", name, got)
		}
		h.Add(name, "a")
		h.Add(name, "b")
		if got := headerValues(h, name); !slices.Equal(got, h.Values(name)) || len(got) != 2 {
			t.Errorf("%s: %q", name, got)
		}
	}
	if n := testing.AllocsPerRun(100, func() { headerValues(h, "x-amz-not-there") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
