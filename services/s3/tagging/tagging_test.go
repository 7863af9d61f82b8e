package tagging

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	tags, err := Parse(new("b=2&a=1%20x"))
	if err != nil || len(tags) != 2 || tags[0] != (Tag{"a", "1 x"}) {
		t.Errorf("%v, %v", tags, err)
	}
	if tags, err := Parse(new("a+b%3D-._%3A%2F%40=%C3%BC+1")); err != nil || len(tags) != 1 || tags[0] != (Tag{"a b=-._:/@", "ü 1"}) {
		t.Errorf("%v, %v", tags, err)
	}
	for _, bad := range []string{"a%21=1", "a=%2A", "a=x%2Cy", "a=%FF", "a=1&a=2", "=x", "aws:x=1", "a=%zz", strings.Repeat("k", 129) + "=1", "a=1&b=1&c=1&d=1&e=1&f=1&g=1&h=1&i=1&j=1&k=1"} {
		if tags, err := Parse(new(bad)); err == nil {
			t.Errorf("%q: %v", bad, tags)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("a=1&b=2")
	f.Fuzz(func(t *testing.T, s string) {
		if tags, err := Parse(&s); err == nil && len(tags) > ObjectMax {
			t.Errorf("%q: %d tags", s, len(tags))
		}
	})
}
