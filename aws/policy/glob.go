package policy

import (
	"strings"
	"unicode/utf8"
)

type elemKind uint8

const (
	elemLiteral  elemKind = iota
	elemOne               // ?  one character
	elemMany              // *  any run of characters
	elemVariable          // ${key}, replaced before matching
)

// elem is one piece of a pattern. A literal's text may contain * and ? that
// came from ${*}, ${?} or from a variable's value: those match themselves.
type elem struct {
	kind       elemKind
	text       string // literal text, or the variable's lower-cased key
	fallback   string // the variable's default
	hasDefault bool
}

// appendLiteral adds text, merging it with a literal before it so that matching
// compares long runs.
func appendLiteral(es []elem, text string) []elem {
	if text == "" {
		return es
	}
	if n := len(es); n > 0 && es[n-1].kind == elemLiteral {
		es[n-1].text += text
		return es
	}
	return append(es, elem{kind: elemLiteral, text: text})
}

// appendGlob adds text in which * and ? are wildcards. Runs of * are one.
func appendGlob(es []elem, text string) []elem {
	for text != "" {
		i := strings.IndexAny(text, "*?")
		if i < 0 {
			return appendLiteral(es, text)
		}
		es = appendLiteral(es, text[:i])
		switch {
		case text[i] == '?':
			es = append(es, elem{kind: elemOne})
		case len(es) == 0 || es[len(es)-1].kind != elemMany:
			es = append(es, elem{kind: elemMany})
		}
		text = text[i+1:]
	}
	return es
}

// globMatch matches the whole of s against es. It remembers only the last *,
// which is enough for globs, so the work is bounded by len(es) times len(s)
// and there is no exponential case.
func globMatch(es []elem, s string) bool {
	p, i := 0, 0
	starP, starI := -1, 0
	for {
		if p == len(es) {
			if i == len(s) {
				return true
			}
		} else if next, ok := step(es[p], s, i); ok {
			if es[p].kind == elemMany {
				if p == len(es)-1 {
					return true
				}
				starP, starI = p, i
			}
			p, i = p+1, next
			continue
		}
		if starP < 0 || starI >= len(s) {
			return false
		}
		starI = resume(es[starP+1], s, starI)
		if starI < 0 {
			return false
		}
		p, i = starP+1, starI
	}
}

// step tries one piece at s[i:] and gives the place after it.
func step(e elem, s string, i int) (next int, ok bool) {
	switch e.kind {
	case elemLiteral:
		if strings.HasPrefix(s[i:], e.text) {
			return i + len(e.text), true
		}
		return 0, false
	case elemOne:
		if i == len(s) {
			return 0, false
		}
		_, width := utf8.DecodeRuneInString(s[i:])
		return i + width, true
	case elemMany:
		return i, true
	}
	return 0, false // an unresolved variable matches nothing
}

// resume gives the next place after i where the piece that follows a * can
// begin, or -1.
func resume(after elem, s string, i int) int {
	_, width := utf8.DecodeRuneInString(s[i:])
	i += width
	if after.kind != elemLiteral {
		return i
	}
	at := strings.Index(s[i:], after.text)
	if at < 0 {
		return -1
	}
	return i + at
}

// splitColons cuts es at the colons of its literals into at most max fields,
// the last holding the rest: an ARN pattern in its fields.
func splitColons(es []elem, max int) [][]elem {
	fields := [][]elem{nil}
	for _, e := range es {
		for e.kind == elemLiteral && len(fields) < max {
			i := strings.IndexByte(e.text, ':')
			if i < 0 {
				break
			}
			last := len(fields) - 1
			fields[last] = appendLiteral(fields[last], e.text[:i])
			fields = append(fields, nil)
			e.text = e.text[i+1:]
		}
		last := len(fields) - 1
		if e.kind == elemLiteral {
			fields[last] = appendLiteral(fields[last], e.text)
			continue
		}
		fields[last] = append(fields[last], e)
	}
	return fields
}
