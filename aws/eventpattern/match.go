package eventpattern

import (
	"encoding/json"
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Match says whether an event, as JSON, matches. What is not JSON does not.
func (p *Pattern) Match(event []byte) bool {
	v, err := Decode(event)
	return err == nil && p.MatchValue(v)
}

// MatchValue says whether an event that Decode has read matches.
func (p *Pattern) MatchValue(event any) bool { return p.root.match(event, true) }

// match is for a value that may be absent. An array matches where one of its
// elements does, by all that the pattern asks of it.
func (n *node) match(v any, there bool) bool {
	if list, ok := v.([]any); ok {
		for _, e := range list {
			if n.match(e, true) {
				return true
			}
		}
		return len(list) == 0 && n.match(nil, false)
	}
	m, _ := v.(map[string]any) // nothing is below anything else
	for i := range n.fields {
		f := &n.fields[i]
		sub, ok := m[f.name]
		ok = ok && there
		if f.sub != nil {
			if !f.sub.match(sub, ok) {
				return false
			}
			continue
		}
		if !matchLeaf(f.leaf, sub, ok) {
			return false
		}
	}
	for _, one := range n.either {
		if !anyNode(one, v, there) {
			return false
		}
	}
	return true
}

func anyNode(nodes []*node, v any, there bool) bool {
	for _, n := range nodes {
		if n.match(v, there) {
			return true
		}
	}
	return false
}

// matchLeaf tries the alternatives on a value or on each element of an array.
// Objects are no values: nothing is at that leaf.
func matchLeaf(leaf []matcher, v any, there bool) bool {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			if matchLeaf(leaf, e, true) {
				return true
			}
		}
		there = false
		if len(v) > 0 {
			return false
		}
	case map[string]any:
		there = false
	}
	for _, m := range leaf {
		if m.match(v, there) {
			return true
		}
	}
	return false
}

// matcher is one alternative of a leaf. v is a string, a json.Number, a bool or
// nil; where there is false, it says nothing.
type matcher interface{ match(v any, there bool) bool }

// equals compares as written: 300 is not 300.0.
type equals struct{ want any }

func (m equals) match(v any, there bool) bool { return there && v == m.want }

type exists struct{ want bool }

func (m exists) match(_ any, there bool) bool { return there == m.want }

type folded struct{ want string }

func (m folded) match(v any, there bool) bool {
	s, ok := v.(string)
	return there && ok && strings.EqualFold(s, m.want)
}

// end is a prefix or a suffix.
type end struct {
	want         string
	suffix, fold bool
}

func (m end) match(v any, there bool) bool {
	s, ok := v.(string)
	switch {
	case !ok || !there:
		return false
	case !m.fold && m.suffix:
		return strings.HasSuffix(s, m.want)
	case !m.fold:
		return strings.HasPrefix(s, m.want)
	}
	// Letters and their other case need not have the same length in bytes.
	runes, n := []rune(s), utf8.RuneCountInString(m.want)
	if len(runes) < n {
		return false
	}
	if m.suffix {
		return strings.EqualFold(string(runes[len(runes)-n:]), m.want)
	}
	return strings.EqualFold(string(runes[:n]), m.want)
}

// but is anything that there is and that is none of not.
type but struct{ not []matcher }

func (m but) match(v any, there bool) bool {
	if !there {
		return false
	}
	for _, n := range m.not {
		if n.match(v, true) {
			return false
		}
	}
	return true
}

type numeric struct {
	exact, hasLow, hasHigh, lowIn, highIn bool
	low, high                             float64
}

func number(n json.Number) (float64, bool) {
	f, err := strconv.ParseFloat(n.String(), 64)
	return f, err == nil && f >= -numberMax && f <= numberMax
}

func (m numeric) match(v any, there bool) bool {
	n, ok := v.(json.Number)
	if !ok || !there {
		return false
	}
	f, ok := number(n)
	switch {
	case !ok,
		m.hasLow && (f < m.low || f == m.low && !m.lowIn),
		m.hasHigh && (f > m.high || f == m.high && !m.highIn):
		return false
	}
	return true
}

type block struct{ prefix netip.Prefix }

func (m block) match(v any, there bool) bool {
	s, ok := v.(string)
	if !ok || !there {
		return false
	}
	a, err := netip.ParseAddr(s)
	return err == nil && m.prefix.Contains(a.Unmap())
}

// glob is text between wildcards: parts[0]*parts[1]*…
type glob struct{ parts []string }

func (m glob) match(v any, there bool) bool {
	s, ok := v.(string)
	if !ok || !there {
		return false
	}
	last := len(m.parts) - 1
	if last == 0 {
		return s == m.parts[0]
	}
	s, ok = strings.CutPrefix(s, m.parts[0])
	if !ok {
		return false
	}
	for _, part := range m.parts[1:last] {
		at := strings.Index(s, part)
		if at < 0 {
			return false
		}
		s = s[at+len(part):]
	}
	return strings.HasSuffix(s, m.parts[last])
}
