package naming

import (
	"strings"
	"testing"
)

func TestBucketNames(t *testing.T) {
	for name, want := range map[string]bool{
		"abc": true, "a-b.c1": true, "ab": false, "Abc": false, "-abc": false, "abc-": false, "a..b": false, "192.168.1.1": false,
		"xn--abc": false, "abc-s3alias": false, strings.Repeat("a", 63): true, strings.Repeat("a", 64): false, "a_b": false,
	} {
		if got := ValidBucket(name); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
