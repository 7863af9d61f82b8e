package pipeline

import "testing"

// TestCacheKeysDoNotCollide: values come from queries, which may hold any byte.
func TestCacheKeysDoNotCollide(t *testing.T) {
	for _, pair := range [][2][]string{
		{{"a\x00b", "c"}, {"a", "b\x00c"}},
		{{"a", ""}, {"", "a"}},
		{{"1:a"}, {"", "a"}},
	} {
		if cacheKey(pair[0]) == cacheKey(pair[1]) {
			t.Errorf("%q and %q share %q", pair[0], pair[1], cacheKey(pair[0]))
		}
	}
}
