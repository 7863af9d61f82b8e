package bind_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"moln.dev/moln/wire/bind"
)

func TestSplitHeader(t *testing.T) {
	tests := []struct {
		text  string
		dates bool
		want  []string
	}{
		{"", false, nil},
		{" a ,b,  c", false, []string{"a", "b", "c"}},
		{`"b,c", "\"def\"", a`, false, []string{"b,c", `"def"`, "a"}},
		{`"open`, false, []string{"open"}},
		{"Mon, 16 Dec 2019 23:48:18 GMT, Mon, 16 Dec 2019 23:48:19 GMT", true, []string{"Mon, 16 Dec 2019 23:48:18 GMT", "Mon, 16 Dec 2019 23:48:19 GMT"}},
		{"Mon, 16 Dec 2019 23:48:18 GMT", true, []string{"Mon, 16 Dec 2019 23:48:18 GMT"}},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, bind.SplitHeader(tt.text, tt.dates)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.text, diff)
		}
	}
}

// FuzzSplitHeader wants an end, and no more items than there is text for.
func FuzzSplitHeader(f *testing.F) {
	f.Add(`a, "b\",", c`, false)
	f.Add("Mon, 16 Dec 2019, x", true)
	f.Fuzz(func(t *testing.T, text string, dates bool) {
		if got := bind.SplitHeader(text, dates); len(got) > len(text)+1 {
			t.Errorf("%d items in %q", len(got), text)
		}
	})
}
