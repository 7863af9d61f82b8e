package jsonval

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"unicode/utf8"

	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/wire"
	"moln.dev/moln/wire/scalar"
)

var errTooDeep = errors.New("wire: value is nested too deeply to encode")

// Append writes the struct v, whose shape is sh, as a JSON object. With body
// set, only the members that travel in the body are written. An invalid v is an
// empty object.
func Append(dst []byte, svc *smithy.Service, sh *smithy.Shape, v reflect.Value, body bool) ([]byte, error) {
	if !v.IsValid() {
		return append(dst, "{}"...), nil
	}
	e := encoder{svc: svc}
	return e.structure(dst, sh, v, body, 0)
}

// AppendMember writes one member's value, which scalar.Source has returned.
func AppendMember(dst []byte, svc *smithy.Service, m *smithy.Member, v reflect.Value) ([]byte, error) {
	e := encoder{svc: svc}
	return e.value(dst, m, v, 0)
}

// encoder is what all steps of one encoding share.
type encoder struct {
	svc *smithy.Service
}

func (e *encoder) structure(dst []byte, sh *smithy.Shape, v reflect.Value, body bool, depth int) ([]byte, error) {
	dst = append(dst, '{')
	empty := true
	for i := range sh.Members {
		m := &sh.Members[i]
		if body && !e.svc.InBody(m) {
			continue
		}
		field, ok := scalar.Source(v.Field(int(m.Field)))
		if !ok {
			continue
		}
		if !empty {
			dst = append(dst, ',')
		}
		empty = false
		dst = AppendString(dst, m.WireName)
		dst = append(dst, ':')
		var err error
		if dst, err = e.value(dst, m, field, depth+1); err != nil {
			return nil, err
		}
	}
	return append(dst, '}'), nil
}

func (e *encoder) value(dst []byte, m *smithy.Member, v reflect.Value, depth int) ([]byte, error) {
	if depth > wire.MaxDepth {
		return nil, errTooDeep
	}
	sh := e.svc.Shape(m.Shape)
	switch sh.Kind {
	case smithy.KindStructure, smithy.KindUnion:
		return e.structure(dst, sh, v, false, depth)
	case smithy.KindList:
		return e.list(dst, sh, v, depth)
	case smithy.KindMap:
		return e.mapping(dst, sh, v, depth)
	case smithy.KindDocument:
		return appendDocument(dst, v.Interface())
	case smithy.KindString:
		return AppendString(dst, v.String()), nil
	case smithy.KindBlob:
		dst = append(dst, '"')
		dst = base64.StdEncoding.AppendEncode(dst, v.Bytes())
		return append(dst, '"'), nil
	case smithy.KindTimestamp:
		format := scalar.Format(m, sh, smithy.TimestampEpoch)
		if format == smithy.TimestampEpoch {
			return scalar.AppendTime(dst, format, scalar.Time(v)), nil
		}
		dst = append(dst, '"')
		dst = scalar.AppendTime(dst, format, scalar.Time(v))
		return append(dst, '"'), nil
	case smithy.KindFloat, smithy.KindDouble:
		return appendFloat(dst, sh.Kind, v), nil
	case smithy.KindBigNumber:
		if !json.Valid([]byte(v.String())) {
			return AppendString(dst, v.String()), nil
		}
		return append(dst, v.String()...), nil
	default:
		return scalar.Append(dst, sh.Kind, smithy.TimestampDefault, v), nil
	}
}

// appendFloat writes a number, or one of the three strings that stand for what
// JSON has no number for.
func appendFloat(dst []byte, kind smithy.Kind, v reflect.Value) []byte {
	start := len(dst)
	dst = scalar.Append(dst, kind, smithy.TimestampDefault, v)
	if last := dst[len(dst)-1]; last >= '0' && last <= '9' {
		return dst
	}
	dst = slices.Insert(dst, start, '"')
	return append(dst, '"')
}

func (e *encoder) list(dst []byte, sh *smithy.Shape, v reflect.Value, depth int) ([]byte, error) {
	dst = append(dst, '[')
	m := &sh.Members[0]
	for i := range v.Len() {
		if i > 0 {
			dst = append(dst, ',')
		}
		elem, ok := scalar.Source(v.Index(i))
		if !ok && e.svc.Shape(m.Shape).Kind == smithy.KindDocument {
			dst = append(dst, "null"...)
			continue
		}
		var err error
		if dst, err = e.value(dst, m, elem, depth+1); err != nil {
			return nil, err
		}
	}
	return append(dst, ']'), nil
}

// mapping writes a map with its keys in order, so that equal answers are equal
// bytes.
func (e *encoder) mapping(dst []byte, sh *smithy.Shape, v reflect.Value, depth int) ([]byte, error) {
	dst = append(dst, '{')
	m := &sh.Members[1]
	for i, key := range SortedKeys(v) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendString(dst, key.String())
		dst = append(dst, ':')
		elem, ok := scalar.Source(v.MapIndex(key))
		if !ok && e.svc.Shape(m.Shape).Kind == smithy.KindDocument {
			dst = append(dst, "null"...)
			continue
		}
		var err error
		if dst, err = e.value(dst, m, elem, depth+1); err != nil {
			return nil, err
		}
	}
	return append(dst, '}'), nil
}

// SortedKeys returns the keys of a map with string keys, in order.
func SortedKeys(v reflect.Value) []reflect.Value {
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int {
		switch x, y := a.String(), b.String(); {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	})
	return keys
}

func appendDocument(dst []byte, doc any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(doc); err != nil {
		return nil, err
	}
	return append(dst, bytes.TrimRight(buf.Bytes(), "\n")...), nil
}

const hexDigits = "0123456789abcdef"

// AppendString writes a JSON string. Bytes that are not UTF-8 become U+FFFD.
func AppendString[T string | []byte](dst []byte, s T) []byte {
	dst = append(dst, '"')
	start := 0
	for i := plainPrefix(s); i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(string(s[i:min(i+utf8.UTFMax, len(s))]))
			if r == utf8.RuneError && size == 1 {
				dst = append(dst, s[start:i]...)
				dst = append(dst, "\uFFFD"...)
				start = i + 1
			}
			i += size
			continue
		}
		if c >= ' ' && c != '"' && c != '\\' {
			i++
			continue
		}
		dst = append(dst, s[start:i]...)
		dst = appendEscape(dst, c)
		i++
		start = i
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}

func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xf])
}
