package policy

import (
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestGlobMatch(t *testing.T) {
	tests := []struct {
		pattern, s string
		want       bool
	}{
		{"", "", true}, {"", "a", false}, {"*", "", true}, {"*", "anything", true}, {"**", "x", true},
		{"a", "a", true}, {"a", "A", false}, {"a", "ab", false}, {"?", "", false}, {"?", "é", true}, {"??", "é", false},
		{"a*", "a", true}, {"a*", "abc", true}, {"a*", "ba", false}, {"*a", "bca", true}, {"*a", "ab", false},
		{"a*c", "abc", true}, {"a*c", "ac", true}, {"a*c", "abcd", false}, {"a*c*e", "abcde", true}, {"a*c*e", "ace", true},
		{"a?c", "abc", true}, {"a?c", "ac", false}, {"*?", "", false}, {"*?", "x", true}, {"?*", "x", true},
		{"*ab*ab*", "abab", true}, {"*ab*ab*", "aab", false}, {"*aab", "aaab", true}, {"a*b*", "ab", true},
		{"s3:get*", "s3:getobject", true}, {"arn:aws:s3:::b/*", "arn:aws:s3:::b/a:b/c", true}, {"arn:aws:s3:::b/*", "arn:aws:s3:::b", false},
	}
	for _, tt := range tests {
		if got := globMatch(appendGlob(nil, tt.pattern), tt.s); got != tt.want {
			t.Errorf("%q matches %q = %v", tt.pattern, tt.s, got)
		}
	}
}

// A pattern that takes a backtracking matcher exponential time.
func TestGlobMatchIsNotExponential(t *testing.T) {
	start := time.Now()
	pattern := appendGlob(nil, strings.Repeat("a*", 200)+"b")
	if globMatch(pattern, strings.Repeat("a", 20000)) {
		t.Error("matched")
	}
	if spent := time.Since(start); spent > 2*time.Second {
		t.Errorf("took %v", spent)
	}
}

func FuzzGlobMatch(f *testing.F) {
	f.Add("a*b?c", "axxbyc")
	f.Add("*?*?", "ab")
	f.Add("*a*a*", "baab")
	f.Fuzz(func(t *testing.T, pattern, s string) {
		if len(pattern) > 64 || len(s) > 256 || !utf8.ValidString(pattern) || !utf8.ValidString(s) {
			return
		}
		quoted := strings.NewReplacer(`\*`, `.*`, `\?`, `.`).Replace(regexp.QuoteMeta(pattern))
		want := regexp.MustCompile(`(?s)\A` + quoted + `\z`).MatchString(s)
		if got := globMatch(appendGlob(nil, pattern), s); got != want {
			t.Fatalf("%q matches %q = %v", pattern, s, got)
		}
	})
}
