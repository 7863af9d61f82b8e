package item

import (
	"encoding/base64"
	"encoding/binary"

	"moln.dev/moln/wire/jsonval"
)

// Stored is an item in its stored form, which Check found sound. It can be sent
// to clients without its values ever being made.
type Stored []byte

// Check takes a stored item for what it is, without a copy, and gives its size as
// AWS counts it.
func Check(b []byte) (s Stored, size int, err error) {
	if len(b) == 0 || b[0] != version {
		return nil, 0, ErrCorrupt
	}
	w := walker{b: b[1:]}
	size = w.attributesSize(0)
	if w.bad || len(w.b) != 0 {
		return nil, 0, ErrCorrupt
	}
	return b, size, nil
}

// AppendJSON appends the item as clients read it, as AppendJSON of its values
// would.
func (s Stored) AppendJSON(dst []byte) []byte {
	w := walker{b: s[1:]}
	return w.appendAttributes(dst)
}

// walker takes values off bytes; once bad it gives zeros. It is reader without
// values.
type walker struct {
	b   []byte
	bad bool
}

func (w *walker) fail() {
	w.bad, w.b = true, nil
}

// count reads a length or count: each thing takes at least a byte.
func (w *walker) count() int {
	if len(w.b) > 0 && w.b[0] < 0x80 && int(w.b[0]) < len(w.b) {
		n := int(w.b[0])
		w.b = w.b[1:]
		return n
	}
	n, width := binary.Uvarint(w.b[:min(len(w.b), binary.MaxVarintLen32)])
	if width <= 0 || n > uint64(len(w.b)-width) {
		w.fail()
		return 0
	}
	w.b = w.b[width:]
	return int(n)
}

func (w *walker) text() []byte {
	n := w.count()
	t := w.b[:n]
	w.b = w.b[n:]
	return t
}

func (w *walker) kind() Kind {
	if len(w.b) == 0 {
		w.fail()
		return 0
	}
	k := Kind(w.b[0])
	w.b = w.b[1:]
	return k
}

// attributesSize walks over the attributes of an item or map, which are in order.
func (w *walker) attributesSize(depth int) int {
	size := 0
	var last []byte
	for i := range w.count() {
		name := w.text()
		if i > 0 && string(last) >= string(name) {
			w.fail()
		}
		last = name
		size += len(name) + w.valueSize(depth)
		if w.bad {
			return 0
		}
	}
	return size
}

func (w *walker) valueSize(depth int) int {
	if depth > maxDepth {
		w.fail()
	}
	switch k := w.kind(); k {
	case falseKind, Bool, Null:
		return 1
	case String, Binary:
		return len(w.text())
	case Number:
		return storedNumberSize(w.text())
	case MapKind:
		before := *w
		return documentOverhead + before.count()*elementOverhead + w.attributesSize(depth+1)
	case List:
		n := w.count()
		size := documentOverhead + n*elementOverhead
		for range n {
			if size += w.valueSize(depth + 1); w.bad {
				return 0
			}
		}
		return size
	case StringSet, NumberSet, BinarySet:
		return w.setSize(k)
	}
	w.fail()
	return 0
}

func (w *walker) setSize(k Kind) int {
	size := 0
	for range w.count() {
		if e := w.text(); k == NumberSet {
			size += storedNumberSize(e)
		} else {
			size += len(e)
		}
		if w.bad {
			return 0
		}
	}
	return size
}

// storedNumberSize is numberSize of a number, which in canonical form is counted
// where it lies.
func storedNumberSize(text []byte) int {
	first, last, n, sign, point := -1, -1, 0, 0, false
	for i, c := range text {
		switch {
		case '0' <= c && c <= '9':
			if n++; c != '0' {
				if first < 0 {
					first = n
				}
				last = n
			}
		case c == '-' && i == 0:
			sign = 1
		case c == '.' && !point:
			point = true
		default:
			return numberSize(string(text))
		}
	}
	switch {
	case n == 0 || len(text) > maxLiteral:
		return numberSize(string(text))
	case first < 0:
		return 1 // zero
	}
	return (last-first+1+1)/2 + 1 + sign
}

func (w *walker) appendAttributes(dst []byte) []byte {
	dst = append(dst, '{')
	for i := range w.count() {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(jsonval.AppendString(dst, w.text()), ':')
		dst = w.appendValue(dst)
	}
	return append(dst, '}')
}

func (w *walker) appendValue(dst []byte) []byte {
	k := w.kind()
	if k == falseKind {
		return append(dst, `{"BOOL":false}`...)
	}
	dst = append(append(append(dst, '{', '"'), k.String()...), '"', ':')
	switch k {
	case String, Number:
		dst = jsonval.AppendString(dst, w.text())
	case Binary:
		dst = appendBase64Bytes(dst, w.text())
	case Bool, Null:
		dst = append(dst, "true"...)
	case MapKind:
		dst = w.appendAttributes(dst)
	case List:
		dst = append(dst, '[')
		for i := range w.count() {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = w.appendValue(dst)
		}
		dst = append(dst, ']')
	case StringSet, NumberSet, BinarySet:
		dst = w.appendSet(dst, k)
	}
	return append(dst, '}')
}

func (w *walker) appendSet(dst []byte, k Kind) []byte {
	dst = append(dst, '[')
	for i := range w.count() {
		if i > 0 {
			dst = append(dst, ',')
		}
		if k == BinarySet {
			dst = appendBase64Bytes(dst, w.text())
		} else {
			dst = jsonval.AppendString(dst, w.text())
		}
	}
	return append(dst, ']')
}

func appendBase64Bytes(dst, b []byte) []byte {
	dst = base64.StdEncoding.AppendEncode(append(dst, '"'), b)
	return append(dst, '"')
}
