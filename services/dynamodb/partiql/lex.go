package partiql

import (
	"strings"
	"unicode/utf8"
)

type tokenKind uint8

const (
	tokEOF    tokenKind = iota
	tokWord             // keyword, function or attribute
	tokQuoted           // "identifier"; text is what it stands for
	tokString           // 'text'; likewise
	tokNumber           // digits, perhaps with point and exponent
	tokOp               // punctuation
	tokBad              // what no statement has, or a quote that does not end
)

type token struct {
	kind tokenKind
	text string
	at   int // where it begins
}

// lex cuts a statement into tokens; the last is tokEOF.
func lex(s string) []token {
	out := make([]token, 0, len(s)/4+2)
	for i := 0; i < len(s); {
		if n := blank(s[i:]); n > 0 {
			i += n
			continue
		}
		t, n := lexOne(s[i:])
		t.at = i
		out = append(out, t)
		i += n
	}
	return append(out, token{tokEOF, "", len(s)})
}

// blank is how much white space or comment a text begins with.
func blank(s string) int {
	switch {
	case strings.IndexByte(" \t\r\n", s[0]) >= 0:
		return 1
	case strings.HasPrefix(s, "--"):
		if n := strings.IndexByte(s, '\n'); n >= 0 {
			return n
		}
		return len(s)
	case strings.HasPrefix(s, "/*"):
		if n := strings.Index(s[2:], "*/"); n >= 0 {
			return n + 4
		}
	}
	return 0
}

func lexOne(s string) (token, int) {
	c := s[0]
	switch {
	case isLetter(c):
		n := run(s, func(c byte) bool { return isLetter(c) || isDigit(c) })
		return token{kind: tokWord, text: s[:n]}, n
	case c == '"':
		return quoted(s, tokQuoted)
	case c == '\'':
		return quoted(s, tokString)
	case isDigit(c) || c == '.' && len(s) > 1 && isDigit(s[1]):
		n := number(s)
		return token{kind: tokNumber, text: s[:n]}, n
	}
	for _, op := range []string{"<<", ">>", "<=", ">=", "<>", "!="} {
		if strings.HasPrefix(s, op) {
			return token{kind: tokOp, text: op}, 2
		}
	}
	if strings.IndexByte("()[]{},.*=<>?:+-", c) >= 0 {
		return token{kind: tokOp, text: s[:1]}, 1
	}
	_, n := utf8.DecodeRuneInString(s)
	return token{kind: tokBad, text: s[:n]}, n
}

// quoted reads up to the closing quote; a doubled quote stands for one.
func quoted(s string, kind tokenKind) (token, int) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		if s[i] != s[0] {
			b.WriteByte(s[i])
			continue
		}
		if i+1 < len(s) && s[i+1] == s[0] {
			i++
			b.WriteByte(s[0])
			continue
		}
		return token{kind: kind, text: b.String()}, i + 1
	}
	return token{kind: tokBad, text: s}, len(s)
}

// number is the length of digits[.digits][e[±]digits].
func number(s string) int {
	n := run(s, isDigit)
	if n < len(s) && s[n] == '.' {
		n += 1 + run(s[n+1:], isDigit)
	}
	if n < len(s) && s[n]|0x20 == 'e' {
		rest := s[n+1:]
		sign := 0
		if rest != "" && (rest[0] == '+' || rest[0] == '-') {
			sign = 1
		}
		if digits := run(rest[sign:], isDigit); digits > 0 {
			n += 1 + sign + digits
		}
	}
	return n
}

func run(s string, is func(byte) bool) int {
	n := 0
	for n < len(s) && is(s[n]) {
		n++
	}
	return n
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_' || c == '$' }
func isDigit(c byte) bool  { return c >= '0' && c <= '9' }
