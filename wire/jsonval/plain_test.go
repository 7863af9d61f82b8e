package jsonval

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func slowPrefix(s string) int {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= 0x80 {
			return i
		}
	}
	return len(s)
}

func TestPlainPrefixIsExact(t *testing.T) {
	for n := range 20 { // every byte at every place of a word
		for c := range 256 {
			s := strings.Repeat("x", n) + string([]byte{byte(c)}) + "tail \x00\xff\"\\"
			if got, want := plainPrefix(s), slowPrefix(s); got != want {
				t.Fatalf("byte %#x at %d: %d, want %d", c, n, got, want)
			}
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.SliceOf(rapid.Byte()).Draw(t, "s")
		if got, want := plainPrefix(s), slowPrefix(string(s)); got != want {
			t.Fatalf("%q: %d, want %d", s, got, want)
		}
	})
}

func BenchmarkAppendString(b *testing.B) {
	s := strings.Repeat("moln ", 200)
	b.SetBytes(int64(len(s)))
	var room []byte
	for b.Loop() {
		room = AppendString(room[:0], s)
	}
}

func BenchmarkPlainPrefix(b *testing.B) {
	s := strings.Repeat("moln ", 200)
	b.SetBytes(int64(len(s)))
	for b.Loop() {
		plainPrefix(s)
	}
}
