package dynamodb

import (
	"encoding/base64"
	"fmt"
	"maps"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
)

// The mirror is what DynamoDB does, said a second time and as simply as it can
// be: items are maps of the wire's values, everything is read by walking all of
// them. It shares no code with the service.

// canon writes a value so that equal values have the same text.
func canon(v av) string {
	sorted := func(kind string, members []string) string {
		members = slices.Sorted(slices.Values(members))
		return kind + "(" + strings.Join(members, ",") + ")"
	}
	each := func(members []string, f func(string) string) []string {
		out := make([]string, len(members))
		for i, m := range members {
			out[i] = f(m)
		}
		return out
	}
	switch {
	case v.S != nil:
		return fmt.Sprintf("S%q", *v.S)
	case v.N != nil:
		return "N" + rat(*v.N).RatString()
	case v.B != nil:
		return "B" + base64.StdEncoding.EncodeToString(v.B)
	case v.BOOL != nil:
		return fmt.Sprintf("%t", *v.BOOL)
	case v.NULL != nil:
		return "null"
	case v.SS != nil:
		return sorted("SS", each(v.SS, func(s string) string { return fmt.Sprintf("%q", s) }))
	case v.NS != nil:
		return sorted("NS", each(v.NS, func(s string) string { return rat(s).RatString() }))
	case v.BS != nil:
		var members []string
		for _, b := range v.BS {
			members = append(members, base64.StdEncoding.EncodeToString(b))
		}
		return sorted("BS", members)
	case v.M != nil:
		return canonItem(v.M)
	}
	var parts []string
	for _, e := range v.L {
		parts = append(parts, canon(e))
	}
	return "[" + strings.Join(parts, ",") + "]"
}

func canonItem(m avs) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, k+":"+canon(m[k]))
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func canonItems(list []avs) []string {
	out := make([]string, len(list))
	for i, m := range list {
		out[i] = canonItem(m)
	}
	return out
}

func rat(s string) *big.Rat {
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		panic("not a number: " + s)
	}
	return r
}

// decimal writes a sum as DynamoDB does: no exponent is needed for what the
// generator makes.
func decimal(r *big.Rat) string {
	s := r.FloatString(6)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

// kindOf names the type as attribute_type does.
func kindOf(v av) string {
	switch {
	case v.S != nil:
		return "S"
	case v.N != nil:
		return "N"
	case v.B != nil:
		return "B"
	case v.BOOL != nil:
		return "BOOL"
	case v.NULL != nil:
		return "NULL"
	case v.SS != nil:
		return "SS"
	case v.NS != nil:
		return "NS"
	case v.BS != nil:
		return "BS"
	case v.M != nil:
		return "M"
	}
	return "L"
}

// orderOf compares two strings, numbers or binaries of one type.
func orderOf(a, b av) (order int, ok bool) {
	switch {
	case a.S != nil && b.S != nil:
		return strings.Compare(*a.S, *b.S), true
	case a.N != nil && b.N != nil:
		return rat(*a.N).Cmp(rat(*b.N)), true
	case a.B != nil && b.B != nil:
		return strings.Compare(string(a.B), string(b.B)), true
	}
	return 0, false
}

// hop is a step of a path: a name, or an index where the name is "".
type hop struct {
	name  string
	index int
}

type trail []hop

// find follows a path through an item.
func (p trail) find(m avs) (av, bool) {
	v := av{M: m}
	for _, h := range p {
		switch {
		case h.name != "" && v.M != nil:
			next, ok := v.M[h.name]
			if !ok {
				return av{}, false
			}
			v = next
		case h.name == "" && v.L != nil && h.index < len(v.L):
			v = v.L[h.index]
		default:
			return av{}, false
		}
	}
	return v, true
}

// with gives a copy of the value with something done at a path; f gets what is
// there, if anything, and says what shall be, or that it is to go. bad is for
// paths through what is not there.
func (p trail) with(v av, f func(old av, had bool) (av, bool)) (out av, bad bool) {
	h, rest := p[0], p[1:]
	if h.name != "" {
		if v.M == nil {
			return v, true
		}
		m := maps.Clone(v.M)
		old, had := m[h.name]
		if len(rest) > 0 {
			if !had {
				return v, true
			}
			m[h.name], bad = rest.with(old, f)
			return av{M: m}, bad
		}
		if now, keep := f(old, had); keep {
			m[h.name] = now
		} else {
			delete(m, h.name)
		}
		return av{M: m}, false
	}
	if v.L == nil {
		return v, true
	}
	list := slices.Clone(v.L)
	had := h.index < len(list)
	if len(rest) > 0 {
		if !had {
			return v, true
		}
		list[h.index], bad = rest.with(list[h.index], f)
		return av{L: list}, bad
	}
	var old av
	if had {
		old = list[h.index]
	}
	now, keep := f(old, had)
	switch {
	case keep && had:
		list[h.index] = now
	case keep:
		list = append(list, now)
	case had:
		list = slices.Delete(list, h.index, h.index+1)
	}
	return av{L: list}, false
}

// dice makes up requests.
type dice struct{ *rand.Rand }

func pick[T any](d dice, from ...T) T { return from[d.IntN(len(from))] }

func (d dice) chance(percent int) bool { return d.IntN(100) < percent }

func bin(s string) av { return av{B: []byte(s)} }

// scalarOf makes a value of a key's type, of few.
func (d dice) scalarOf(kind string) av {
	switch kind {
	case "S":
		return str(pick(d, "a", "b", "ab", "abc", "b\x00", "é", "zz"))
	case "N":
		return num(pick(d, "0", "1", "-1", "2.5", "10", "-100", "1e3", "0.001"))
	}
	return bin(pick(d, "\x00", "a", "ab", "\xff", "a\x00", "\xff\xff"))
}

// value makes any value.
func (d dice) value(depth int) av {
	kinds := 10
	if depth > 1 {
		kinds = 8
	}
	switch d.IntN(kinds) {
	case 0, 1:
		return d.scalarOf("S")
	case 2, 3:
		return d.scalarOf("N")
	case 4:
		return d.scalarOf("B")
	case 5:
		return pick(d, av{BOOL: new(true)}, av{BOOL: new(false)}, av{NULL: new(true)})
	case 6:
		return d.set("SS")
	case 7:
		return d.set(pick(d, "NS", "BS"))
	case 8:
		v := av{L: []av{}}
		for range d.IntN(4) {
			v.L = append(v.L, d.value(depth+1))
		}
		return v
	}
	v := av{M: avs{}}
	for range d.IntN(3) {
		v.M[pick(d, "x", "y")] = d.value(depth + 1)
	}
	return v
}

func (d dice) set(kind string) av {
	n := 1 + d.IntN(3)
	switch kind {
	case "SS":
		return av{SS: []string{"p", "q", "r"}[:n]}
	case "NS":
		return av{NS: []string{"1", "2", "3.5"}[:n]}
	}
	return av{BS: [][]byte{{1}, {2}, {0xff}}[:n]}
}

// plain are the attributes that are no keys of the table.
var plain = []string{"p", "q", "r", "g", "h"}

// path makes a path that may lead anywhere.
func (d dice) path() trail {
	p := trail{{name: pick(d, plain...)}}
	for d.chance(20) && len(p) < 3 {
		if d.chance(50) {
			p = append(p, hop{name: pick(d, "x", "y")})
		} else {
			p = append(p, hop{index: d.IntN(3)})
		}
	}
	return p
}
