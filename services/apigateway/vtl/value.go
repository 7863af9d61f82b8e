package vtl

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Values are nil, bool, int64, float64, string, *List, *Map and Objects.

// List is Java's ArrayList.
type List struct{ Items []any }

// Map is Java's LinkedHashMap with strings for keys: it keeps the order in
// which keys came.
type Map struct {
	keys   []string
	values map[string]any
}

// Object is a value with members of its own, such as $input.
type Object interface {
	// Member gives a property; nil where there is none.
	Member(name string) any
	// Call calls a method.
	Call(name string, args []any) (any, error)
}

// NewMap returns an empty map.
func NewMap() *Map { return &Map{values: map[string]any{}} }

// Get returns a key's value, or nil.
func (m *Map) Get(key string) any { return m.values[key] }

// Has reports whether the key is there.
func (m *Map) Has(key string) bool {
	_, ok := m.values[key]
	return ok
}

// Put sets a key and returns m.
func (m *Map) Put(key string, v any) *Map {
	if !m.Has(key) {
		m.keys = append(m.keys, key)
	}
	m.values[key] = v
	return m
}

// Remove deletes a key.
func (m *Map) Remove(key string) {
	if !m.Has(key) {
		return
	}
	delete(m.values, key)
	for i, k := range m.keys {
		if k == key {
			m.keys = append(m.keys[:i:i], m.keys[i+1:]...)
			return
		}
	}
}

// Keys are the keys in order; not to be changed.
func (m *Map) Keys() []string { return m.keys }

var errJSON = errors.New("vtl: not one JSON value")

// depthMax is how deep values may be nested: what is deeper is refused when it
// is read, and cut off when it is printed. Templates can put a map into itself.
const depthMax = 500

// ParseJSON reads one JSON value, keeping the order of members.
func ParseJSON(b []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	v, err := readJSON(d, depthMax)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errJSON
	}
	return v, nil
}

func readJSON(d *json.Decoder, depth int) (any, error) {
	if depth == 0 {
		return nil, errJSON
	}
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t := t.(type) {
	case json.Delim:
		if t == '{' {
			return readObject(d, depth)
		}
		if t != '[' {
			return nil, errJSON
		}
		list := &List{}
		for d.More() {
			v, err := readJSON(d, depth-1)
			if err != nil {
				return nil, err
			}
			list.Items = append(list.Items, v)
		}
		_, err := d.Token()
		return list, err
	case json.Number:
		if n, err := t.Int64(); err == nil {
			return n, nil
		}
		f, err := t.Float64()
		return f, err
	}
	return t, nil
}

func readObject(d *json.Decoder, depth int) (any, error) {
	m := NewMap()
	for d.More() {
		k, err := d.Token()
		if err != nil {
			return nil, err
		}
		v, err := readJSON(d, depth-1)
		if err != nil {
			return nil, err
		}
		m.Put(k.(string), v)
	}
	_, err := d.Token()
	return m, err
}

// JSON writes a value as JSON.
func JSON(v any) string {
	var b strings.Builder
	writeJSON(&b, v, depthMax)
	return b.String()
}

func writeJSON(b *strings.Builder, v any, depth int) {
	if depth == 0 || b.Len() > outputMax {
		b.WriteString("null")
		return
	}
	switch v := v.(type) {
	case *Map:
		b.WriteByte('{')
		for i, k := range v.keys {
			if i > 0 {
				b.WriteByte(',')
			}
			writeJSONString(b, k)
			b.WriteByte(':')
			writeJSON(b, v.values[k], depth-1)
		}
		b.WriteByte('}')
	case *List:
		b.WriteByte('[')
		for i, item := range v.Items {
			if i > 0 {
				b.WriteByte(',')
			}
			writeJSON(b, item, depth-1)
		}
		b.WriteByte(']')
	case nil:
		b.WriteString("null")
	case bool, int64, float64:
		b.WriteString(Text(v))
	default:
		writeJSONString(b, Text(v))
	}
}

func writeJSONString(b *strings.Builder, s string) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a string always encodes
	b.Write(bytes.TrimSuffix(buf.Bytes(), []byte("\n")))
}

// Text is a value as Java prints it: {a=1, b=[x, y]}.
func Text(v any) string {
	var b strings.Builder
	writeText(&b, v, depthMax)
	return b.String()
}

func writeText(b *strings.Builder, v any, depth int) {
	if depth == 0 || b.Len() > outputMax {
		b.WriteString("...")
		return
	}
	switch v := v.(type) {
	case nil:
		b.WriteString("null")
	case string:
		b.WriteString(v)
	case bool:
		b.WriteString(strconv.FormatBool(v))
	case int64:
		b.WriteString(strconv.FormatInt(v, 10))
	case float64:
		b.WriteString(floatText(v))
	case *List:
		b.WriteByte('[')
		for i, item := range v.Items {
			if i > 0 {
				b.WriteString(", ")
			}
			writeText(b, item, depth-1)
		}
		b.WriteByte(']')
	case *Map:
		b.WriteByte('{')
		for i, k := range v.keys {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(k)
			b.WriteByte('=')
			writeText(b, v.values[k], depth-1)
		}
		b.WriteByte('}')
	default:
		fmt.Fprint(b, v)
	}
}

// floatText prints a double with at least one digit after the point.
func floatText(f float64) string {
	s := strconv.FormatFloat(f, 'g', -1, 64)
	if a := f; a > -1e7 && a < 1e7 {
		s = strconv.FormatFloat(f, 'f', -1, 64)
	}
	if !strings.ContainsAny(s, ".eIN") {
		s += ".0"
	}
	return s
}
