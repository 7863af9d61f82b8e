package listing

import "testing"

func TestGroup(t *testing.T) {
	for _, tt := range []struct{ prefix, delimiter, key, want string }{
		{"", "/", "a/b/c", "a/"}, {"a/", "/", "a/b/c", "a/b/"}, {"a/b", "/", "a/b/c", "a/b/"}, {"", "", "a/b", ""}, {"", "/", "ab", ""}, {"", "//", "a//b", "a//"}, {"a/", "/", "a/b", ""},
	} {
		if got := (&Listing{Prefix: tt.prefix, Delimiter: tt.delimiter}).Group(tt.key); got != tt.want {
			t.Errorf("%+v: %q", tt, got)
		}
	}
}
