package expr

import "strings"

type tokenKind uint8

const (
	tokEOF   tokenKind = iota
	tokIdent           // attribute, function, keyword
	tokName            // #placeholder
	tokValue           // :placeholder
	tokInt             // digits
	tokOp              // punctuation
	tokBad             // a character that no expression has
)

type token struct {
	kind       tokenKind
	text       string
	start, end int
}

// lex cuts an expression into tokens; the last is tokEOF.
func lex(s string) []token {
	out := make([]token, 0, len(s)/4+2)
	for i := 0; i < len(s); {
		if isSpace(s[i]) {
			i++
			continue
		}
		kind, n := lexOne(s[i:])
		out = append(out, token{kind, s[i : i+n], i, i + n})
		i += n
	}
	return append(out, token{tokEOF, "<EOF>", len(s), len(s)})
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

func lexOne(s string) (tokenKind, int) {
	c := s[0]
	switch {
	case isLetter(c) || c == '_':
		return tokIdent, 1 + run(s[1:], isWord)
	case c == '#' || c == ':':
		n := run(s[1:], isWord)
		if n == 0 {
			return tokBad, 1
		}
		if c == '#' {
			return tokName, n + 1
		}
		return tokValue, n + 1
	case isDigit(c):
		return tokInt, 1 + run(s[1:], isDigit)
	case c == '<' || c == '>':
		if len(s) > 1 && (s[1] == '=' || (c == '<' && s[1] == '>')) {
			return tokOp, 2
		}
		return tokOp, 1
	case strings.IndexByte("()[],.=+-", c) >= 0:
		return tokOp, 1
	}
	return tokBad, 1
}

func run(s string, is func(byte) bool) int {
	n := 0
	for n < len(s) && is(s[n]) {
		n++
	}
	return n
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
func isDigit(c byte) bool  { return c >= '0' && c <= '9' }
func isWord(c byte) bool   { return isLetter(c) || isDigit(c) || c == '_' }
