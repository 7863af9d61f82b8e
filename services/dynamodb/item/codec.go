package item

import (
	"encoding/binary"
	"errors"
	"math"
)

// The stored form of an item: a version, then attributes by name. A value is
// its kind (falseKind for a false boolean) and: length and bytes of a scalar,
// count and scalars of a set, count and values of a list, count and named values
// of a map. Lengths and counts are varints. The form is stored and never changes.
const (
	version   = 1
	falseKind = 11
	// maxDepth is what is followed when reading; items are never that deep.
	maxDepth = 64
)

// ErrCorrupt is returned for bytes that Append never makes.
var ErrCorrupt = errors.New("item: stored item is damaged")

// Append appends the stored form of m.
func Append(dst []byte, m Map) []byte { return appendMap(append(dst, version), m) }

func appendMap(dst []byte, m Map) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(m)))
	for i := range m {
		dst = appendText(dst, m[i].Name)
		dst = appendValue(dst, &m[i].Value)
	}
	return dst
}

func appendText(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

func appendValue(dst []byte, v *Value) []byte {
	if v.Kind == Bool && !v.Bool {
		return append(dst, falseKind)
	}
	dst = append(dst, byte(v.Kind))
	switch v.Kind {
	case String, Number, Binary:
		return appendText(dst, v.Text)
	case MapKind:
		return appendMap(dst, v.Map)
	case List:
		dst = binary.AppendUvarint(dst, uint64(len(v.List)))
		for i := range v.List {
			dst = appendValue(dst, &v.List[i])
		}
	case StringSet, NumberSet, BinarySet:
		dst = binary.AppendUvarint(dst, uint64(len(v.Set)))
		for _, e := range v.Set {
			dst = appendText(dst, e)
		}
	}
	return dst
}

// Decode reads a stored item. Its texts share one copy of b.
func Decode(b []byte) (Map, error) {
	r := reader{s: string(b)}
	if len(r.s) == 0 || r.s[0] != version {
		return nil, ErrCorrupt
	}
	r.s = r.s[1:]
	m := r.attributes(0)
	if r.bad || r.s != "" {
		return nil, ErrCorrupt
	}
	return m, nil
}

// reader takes values off a string; once bad it gives zeros.
type reader struct {
	s   string
	bad bool
}

func (r *reader) uvarint() int {
	var n uint64
	for i := 0; i < len(r.s) && i < binary.MaxVarintLen32; i++ {
		c := r.s[i]
		n |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			r.s = r.s[i+1:]
			if n > math.MaxInt32 {
				break
			}
			return int(n)
		}
	}
	r.bad, r.s = true, ""
	return 0
}

// count reads a count of things that take at least a byte each.
func (r *reader) count() int {
	n := r.uvarint()
	if n > len(r.s) {
		r.bad, r.s = true, ""
		return 0
	}
	return n
}

func (r *reader) text() string {
	n := r.count()
	t := r.s[:n]
	r.s = r.s[n:]
	return t
}

func (r *reader) attributes(depth int) Map {
	n := r.count()
	m := make(Map, 0, min(n, 1024))
	for range n {
		name := r.text()
		if len(m) > 0 && m[len(m)-1].Name >= name {
			r.bad = true
		}
		v := r.value(depth)
		if r.bad {
			return nil
		}
		m = append(m, Attr{name, v})
	}
	return m
}

func (r *reader) value(depth int) Value {
	if r.s == "" || depth > maxDepth {
		r.bad = true
		return Value{}
	}
	v := Value{Kind: Kind(r.s[0])}
	r.s = r.s[1:]
	switch v.Kind {
	case falseKind:
		v.Kind = Bool
	case Bool:
		v.Bool = true
	case Null:
	case String, Number, Binary:
		v.Text = r.text()
	case MapKind:
		v.Map = r.attributes(depth + 1)
	case List:
		v.List = make([]Value, 0, min(r.peekCount(), 1024))
		for range r.count() {
			if v.List = append(v.List, r.value(depth+1)); r.bad {
				break
			}
		}
	case StringSet, NumberSet, BinarySet:
		for range r.count() {
			if v.Set = append(v.Set, r.text()); r.bad {
				break
			}
		}
	default:
		r.bad = true
	}
	return v
}

// peekCount is count without taking it.
func (r *reader) peekCount() int {
	q := *r
	return q.count()
}
