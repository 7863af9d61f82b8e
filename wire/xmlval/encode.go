package xmlval

import (
	"errors"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/wire"
	"moln.dev/moln/wire/jsonval"
	"moln.dev/moln/wire/scalar"
)

// Declaration opens every document.
const Declaration = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"

var (
	errTooDeep = errors.New("wire: value is nested too deeply to encode")
	errOrder   = errors.New("wire: the order of mixed lists does not name each of their elements once")
)

// Encoder holds what a protocol decides about its documents.
type Encoder struct {
	Service *smithy.Service
	// Millis writes times always with three digits of fraction, as S3 does.
	Millis bool
	// QueryNames prefers the members' names of the query protocol.
	QueryNames bool
	// Order is wire.Mixed's, of the outermost structure.
	Order []string
}

// Append writes the members of the struct v as elements, without an element
// around them. With body set, only the members that travel in the body are
// written.
func (e *Encoder) Append(dst []byte, sh *smithy.Shape, v reflect.Value, body bool) ([]byte, error) {
	return e.members(dst, sh, v, body, 0)
}

// AppendElement writes the struct v as an element with the given name and
// namespace; either of the structure's own where it has them.
func (e *Encoder) AppendElement(dst []byte, name, ns string, sh *smithy.Shape, v reflect.Value, body bool) ([]byte, error) {
	dst = e.open(dst, name, ns, "", sh, v)
	var err error
	if v.IsValid() {
		if dst, err = e.members(dst, sh, v, body, 0); err != nil {
			return nil, err
		}
	}
	return Close(dst, name), nil
}

// open writes a start tag: the namespace, then the attributes among the members
// of a structure.
func (e *Encoder) open(dst []byte, name, ns, prefix string, sh *smithy.Shape, v reflect.Value) []byte {
	dst = append(append(dst, '<'), name...)
	isStruct := sh != nil && (sh.Kind == smithy.KindStructure || sh.Kind == smithy.KindUnion)
	if ns == "" && sh != nil {
		ns = sh.XMLNS
	}
	if ns != "" && prefix == "" && isStruct {
		prefix = attributePrefix(sh)
	}
	if ns != "" {
		dst = append(dst, " xmlns"...)
		if prefix != "" {
			dst = append(append(dst, ':'), prefix...)
		}
		dst = append(dst, `="`...)
		dst = append(AppendText(dst, ns), '"')
	}
	if isStruct && v.IsValid() {
		dst = e.attributes(dst, sh, v)
	}
	return append(dst, '>')
}

// attributePrefix is the prefix of a structure's attributes, for which its
// namespace is declared: xsi in S3's grantees.
func attributePrefix(sh *smithy.Shape) string {
	for i := range sh.Members {
		if m := &sh.Members[i]; m.Has(smithy.XMLAttribute) {
			if prefix, _, ok := strings.Cut(m.WireName, ":"); ok {
				return prefix
			}
		}
	}
	return ""
}

func (e *Encoder) attributes(dst []byte, sh *smithy.Shape, v reflect.Value) []byte {
	for i := range sh.Members {
		m := &sh.Members[i]
		if !m.Has(smithy.XMLAttribute) {
			continue
		}
		field, ok := scalar.Source(v.Field(int(m.Field)))
		if !ok {
			continue
		}
		dst = append(append(append(dst, ' '), m.WireName...), `="`...)
		dst = append(e.simple(dst, m, e.Service.Shape(m.Shape), field), '"')
	}
	return dst
}

// Close writes an end tag.
func Close(dst []byte, name string) []byte {
	return append(append(append(dst, "</"...), name...), '>')
}

func (e *Encoder) members(dst []byte, sh *smithy.Shape, v reflect.Value, body bool, depth int) ([]byte, error) {
	if depth > wire.MaxDepth {
		return nil, errTooDeep
	}
	mixed := false
	for i := range sh.Members {
		m := &sh.Members[i]
		if m.Has(smithy.XMLAttribute) || (body && !e.Service.InBody(m)) {
			continue
		}
		field, ok := scalar.Source(v.Field(int(m.Field)))
		if !ok {
			continue
		}
		var err error
		target := e.Service.Shape(m.Shape)
		switch {
		case depth == 0 && slices.Contains(e.Order, m.Name):
			if !mixed {
				dst, err = e.mixed(dst, sh, v, depth+1)
			}
			mixed = true
		case IsFlat(m, target):
			dst, err = e.flat(dst, m, target, field, depth+1)
		default:
			dst, err = e.element(dst, e.name(m), m, field, depth+1)
		}
		if err != nil {
			return nil, err
		}
	}
	if depth == 0 && !mixed && len(e.Order) > 0 {
		return nil, errOrder
	}
	return dst, nil
}

// name is the element name of a member.
func (e *Encoder) name(m *smithy.Member) string {
	if e.QueryNames && m.QueryName != "" {
		return m.QueryName
	}
	return m.WireName
}

// flat writes the elements of a flattened collection, each under the
// collection's name.
func (e *Encoder) flat(dst []byte, m *smithy.Member, sh *smithy.Shape, v reflect.Value, depth int) ([]byte, error) {
	name := e.name(m)
	var err error
	if sh.Kind == smithy.KindMap {
		return e.entries(dst, name, m.XMLNS, m.XMLPrefix, sh, v, depth)
	}
	elem := elementOf(m, sh)
	for i := range v.Len() {
		item, _ := scalar.Source(v.Index(i))
		before := len(dst)
		if dst, err = e.element(dst, name, &elem, item, depth); err != nil {
			return nil, err
		}
		if i == 0 {
			// The others are about as long as the first.
			dst = slices.Grow(dst, min((len(dst)-before)*v.Len(), growBytesMax))
		}
	}
	return dst, nil
}

// elementOf is the element of a flattened list.
func elementOf(m *smithy.Member, sh *smithy.Shape) smithy.Member {
	elem := sh.Members[0]
	if m.XMLNS != "" {
		elem.XMLNS, elem.XMLPrefix = m.XMLNS, m.XMLPrefix
	}
	return elem
}

// run is one of several flattened lists that are written as one.
type run struct {
	name string // of its elements
	elem smithy.Member
	v    reflect.Value
	next int
}

// mixed writes the elements of flattened lists of the struct v as e.Order says.
func (e *Encoder) mixed(dst []byte, sh *smithy.Shape, v reflect.Value, depth int) ([]byte, error) {
	runs := map[string]*run{}
	for i := range sh.Members {
		m := &sh.Members[i]
		if target := e.Service.Shape(m.Shape); target.Kind == smithy.KindList && IsFlat(m, target) {
			runs[m.Name] = &run{name: e.name(m), elem: elementOf(m, target), v: v.Field(int(m.Field))}
		}
	}
	var err error
	for _, name := range e.Order {
		r := runs[name]
		if r == nil || r.next == r.v.Len() {
			return nil, errOrder
		}
		item, _ := scalar.Source(r.v.Index(r.next))
		r.next++
		if dst, err = e.element(dst, r.name, &r.elem, item, depth); err != nil {
			return nil, err
		}
	}
	for _, r := range runs {
		if r.next != 0 && r.next != r.v.Len() {
			return nil, errOrder
		}
	}
	return dst, nil
}

// growBytesMax bounds what is allocated ahead for the elements of a list.
const growBytesMax = 512 << 10

// element writes one member's value in an element of its own.
func (e *Encoder) element(dst []byte, name string, m *smithy.Member, v reflect.Value, depth int) ([]byte, error) {
	if depth > wire.MaxDepth {
		return nil, errTooDeep
	}
	sh := e.Service.Shape(m.Shape)
	dst = e.open(dst, name, m.XMLNS, m.XMLPrefix, sh, v)
	var err error
	switch sh.Kind {
	case smithy.KindStructure, smithy.KindUnion:
		dst, err = e.members(dst, sh, v, false, depth)
	case smithy.KindList:
		for i := range v.Len() {
			item, _ := scalar.Source(v.Index(i))
			if dst, err = e.element(dst, e.name(&sh.Members[0]), &sh.Members[0], item, depth+1); err != nil {
				return nil, err
			}
		}
	case smithy.KindMap:
		dst, err = e.entries(dst, "entry", "", "", sh, v, depth+1)
	case smithy.KindDocument:
		err = errDocument
	default:
		dst = e.simple(dst, m, sh, v)
	}
	if err != nil {
		return nil, err
	}
	return Close(dst, name), nil
}

func (e *Encoder) entries(dst []byte, name, ns, prefix string, sh *smithy.Shape, v reflect.Value, depth int) ([]byte, error) {
	key, value := &sh.Members[0], &sh.Members[1]
	var err error
	for _, k := range jsonval.SortedKeys(v) {
		item, _ := scalar.Source(v.MapIndex(k))
		dst = e.open(dst, name, ns, prefix, nil, reflect.Value{})
		if dst, err = e.element(dst, e.name(key), key, k, depth+1); err != nil {
			return nil, err
		}
		if dst, err = e.element(dst, e.name(value), value, item, depth+1); err != nil {
			return nil, err
		}
		dst = Close(dst, name)
	}
	return dst, nil
}

func (e *Encoder) simple(dst []byte, m *smithy.Member, sh *smithy.Shape, v reflect.Value) []byte {
	switch sh.Kind {
	case smithy.KindString, smithy.KindBigNumber:
		return AppendText(dst, v.String())
	case smithy.KindTimestamp:
		format := scalar.Format(m, sh, smithy.TimestampISO8601)
		if e.Millis && format == smithy.TimestampISO8601 {
			return scalar.Time(v).UTC().AppendFormat(dst, "2006-01-02T15:04:05.000Z")
		}
		return scalar.AppendTime(dst, format, scalar.Time(v))
	}
	return scalar.Append(dst, sh.Kind, smithy.TimestampDefault, v)
}

// AppendTag writes <name>text</name>.
func AppendTag(dst []byte, name, text string) []byte {
	dst = append(append(append(dst, '<'), name...), '>')
	return Close(AppendText(dst, text), name)
}

// AppendText escapes text for content and attributes. Characters that XML 1.0
// has no place for are numeric references, as S3 sends them in keys; bytes that
// are not UTF-8 are U+FFFD.
func AppendText(dst []byte, s string) []byte {
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		size := 1
		esc := ""
		switch {
		case c >= utf8.RuneSelf:
			esc, size = escapeRune(s[i:])
		case c == '&':
			esc = "&amp;"
		case c == '<':
			esc = "&lt;"
		case c == '>':
			esc = "&gt;"
		case c == '"':
			esc = "&quot;"
		case c < ' ' && c != '\t' && c != '\n':
			esc = "&#x" + strconv.FormatUint(uint64(c), 16) + ";"
		}
		if esc != "" {
			dst = append(append(dst, s[start:i]...), esc...)
			start = i + size
		}
		i += size
	}
	return append(dst, s[start:]...)
}

// escapeRune returns how the first rune of s is written where it is not itself.
func escapeRune(s string) (string, int) {
	r, size := utf8.DecodeRuneInString(s)
	switch {
	case r == utf8.RuneError && size == 1:
		return "\uFFFD", size
	case r == 0xFFFE || r == 0xFFFF:
		return "&#x" + strconv.FormatInt(int64(r), 16) + ";", size
	}
	return "", size
}
