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
	decode := DecodeEvent
	if p.dialect == Notification {
		decode = Decode
	}
	v, err := decode(event)
	return err == nil && p.MatchValue(v)
}

// MatchValue says whether an event that DecodeEvent has read matches, or Decode
// for notifications.
func (p *Pattern) MatchValue(event any) bool {
	return p.root.match(&subject{event: event}, event, true)
}

// subject is the event that a pattern is tried on, and what is known of it.
type subject struct {
	event any
	gone  map[*absent]bool
}

// lacks says whether nothing is at a path in the whole event. It is found out
// once: arrays of many elements ask for each.
func (s *subject) lacks(a *absent) bool {
	gone, known := s.gone[a]
	if known {
		return gone
	}
	if s.gone == nil {
		s.gone = map[*absent]bool{}
	}
	s.gone[a] = !hasValue(s.event, a.path)
	return s.gone[a]
}

// match is for a value that may be absent, in an event. An array matches where
// one of its elements does, by all that the pattern asks of it.
func (n *node) match(event *subject, v any, there bool) bool {
	if list, ok := v.([]any); ok {
		for _, e := range list {
			if n.match(event, e, true) {
				return true
			}
		}
		return len(list) == 0 && n.match(event, nil, false)
	}
	m, _ := v.(map[string]any) // nothing is below anything else
	for i := range n.fields {
		f := &n.fields[i]
		sub, ok := m[f.name]
		ok = ok && there
		if f.sub != nil {
			if !f.sub.match(event, sub, ok) {
				return false
			}
			continue
		}
		if !matchLeaf(event, f.leaf, sub, ok) {
			return false
		}
	}
	for _, one := range n.either {
		if !anyNode(one, event, v, there) {
			return false
		}
	}
	return true
}

func anyNode(nodes []*node, event *subject, v any, there bool) bool {
	for _, n := range nodes {
		if n.match(event, v, there) {
			return true
		}
	}
	return false
}

// matchLeaf tries the alternatives on a value or on each element of an array.
// Objects are no values: nothing is at that leaf.
func matchLeaf(event *subject, leaf []matcher, v any, there bool) bool {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			if matchLeaf(event, leaf, e, true) {
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
		if gone, ok := m.(*absent); ok {
			if event.lacks(gone) {
				return true
			}
			continue
		}
		if m.match(v, there) {
			return true
		}
	}
	return false
}

// hasValue says whether there is a value at a path, in any element of arrays on
// the way.
func hasValue(v any, path []string) bool {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			if hasValue(e, path) {
				return true
			}
		}
		return false
	case map[string]any:
		if len(path) == 0 {
			return false
		}
		sub, ok := v[path[0]]
		return ok && hasValue(sub, path[1:])
	}
	return len(path) == 0
}

// matcher is one alternative of a leaf. v is a string, a json.Number, a bool or
// nil; where there is false, it says nothing.
type matcher interface{ match(v any, there bool) bool }

// equals compares texts, true, false and null.
type equals struct{ want any }

func (m equals) match(v any, there bool) bool { return there && v == m.want }

// same compares numbers, as they are written or by their value.
type same struct {
	want  json.Number
	value float64
}

func (m same) match(v any, there bool) bool {
	n, ok := v.(json.Number)
	if !ok || !there {
		return false
	}
	if n == m.want {
		return true
	}
	f, err := strconv.ParseFloat(n.String(), 64)
	return err == nil && f == m.value
}

// equalTo matches a value of JSON that is no array and no object.
func equalTo(v any) matcher {
	if n, ok := v.(json.Number); ok {
		if f, err := strconv.ParseFloat(n.String(), 64); err == nil {
			return same{n, f}
		}
	}
	return equals{v}
}

// exists is {"exists": true}.
type exists struct{}

func (exists) match(_ any, there bool) bool { return there }

// absent is {"exists": false}: nothing is at the path in the whole event, which
// only matchLeaf knows.
type absent struct{ path []string }

func (*absent) match(any, bool) bool { return false }

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
	if f == 0 && strings.ContainsAny(strings.ToLower(n.String())[:max(strings.IndexAny(n.String(), "eE"), 0)], "123456789") {
		return f, false // too small to be told from nothing
	}
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

// address reads an address as AWS's matcher does: IPv4 with zeros in front as
// well, and no other form of IPv6 than hexadecimal digits and colons.
func address(s string) (netip.Addr, bool) {
	if strings.ContainsRune(s, ':') {
		a, err := netip.ParseAddr(s)
		return a, err == nil && !strings.ContainsAny(s, ".%")
	}
	parts := strings.Split(s, ".")
	if len(parts) != 4 {
		return netip.Addr{}, false
	}
	var out [4]byte
	for i, part := range parts {
		n, err := strconv.ParseUint(part, 10, 8)
		if err != nil {
			return netip.Addr{}, false
		}
		out[i] = byte(n)
	}
	return netip.AddrFrom4(out), true
}

// sameAddress matches an address in any of its forms.
type sameAddress struct{ want netip.Addr }

func (m sameAddress) match(v any, there bool) bool {
	s, ok := v.(string)
	if !ok || !there {
		return false
	}
	a, ok := address(s)
	return ok && a == m.want
}

type block struct{ prefix netip.Prefix }

func (m block) match(v any, there bool) bool {
	s, ok := v.(string)
	if !ok || !there {
		return false
	}
	a, ok := address(s)
	return ok && m.prefix.Contains(a)
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
