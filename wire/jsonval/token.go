package jsonval

import (
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"moln.dev/moln/wire"
)

// number consumes a number of JSON's grammar.
func (d *decoder) number() ([]byte, error) {
	start := d.pos
	if d.at() == '-' {
		d.pos++
	}
	switch c := d.at(); {
	case c == '0':
		d.pos++
	case c >= '1' && c <= '9':
		d.digits()
	default:
		return nil, errToken
	}
	if d.at() == '.' {
		d.pos++
		if d.digits() == 0 {
			return nil, errToken
		}
	}
	if c := d.at(); c == 'e' || c == 'E' {
		d.pos++
		if c := d.at(); c == '+' || c == '-' {
			d.pos++
		}
		if d.digits() == 0 {
			return nil, errToken
		}
	}
	return d.data[start:d.pos], nil
}

// at is the byte at the position, or 0 at the end.
func (d *decoder) at() byte {
	if d.pos < len(d.data) {
		return d.data[d.pos]
	}
	return 0
}

func (d *decoder) digits() int {
	start := d.pos
	for d.pos < len(d.data) && d.data[d.pos] >= '0' && d.data[d.pos] <= '9' {
		d.pos++
	}
	return d.pos - start
}

// text consumes a string, the position being at its opening quote. The result
// is valid UTF-8 and, where nothing had to be changed, a part of the document.
func (d *decoder) text() ([]byte, error) {
	d.pos++
	start := d.pos
	d.pos += plainPrefix(d.data[start:])
	for d.pos < len(d.data) {
		switch c := d.data[d.pos]; {
		case c == '"':
			s := d.data[start:d.pos]
			d.pos++
			return s, nil
		case c == '\\' || c >= utf8.RuneSelf:
			return d.slowText(start)
		case c < ' ':
			return nil, errToken
		}
		d.pos++
	}
	return nil, errEnd
}

// slowText goes on where a string needs unescaping or checking.
func (d *decoder) slowText(start int) ([]byte, error) {
	out := append(make([]byte, 0, 2*(d.pos-start)+16), d.data[start:d.pos]...)
	for d.pos < len(d.data) {
		c := d.data[d.pos]
		switch {
		case c == '"':
			d.pos++
			return out, nil
		case c == '\\':
			var err error
			if out, err = d.escape(out); err != nil {
				return nil, err
			}
		case c < ' ':
			return nil, errToken
		case c < utf8.RuneSelf:
			out = append(out, c)
			d.pos++
		default:
			r, size := utf8.DecodeRune(d.data[d.pos:])
			out = utf8.AppendRune(out, r)
			d.pos += size
		}
	}
	return nil, errEnd
}

func (d *decoder) escape(out []byte) ([]byte, error) {
	if d.pos+1 >= len(d.data) {
		return nil, errEnd
	}
	c := d.data[d.pos+1]
	d.pos += 2
	switch c {
	case '"', '\\', '/':
		return append(out, c), nil
	case 'b':
		return append(out, '\b'), nil
	case 'f':
		return append(out, '\f'), nil
	case 'n':
		return append(out, '\n'), nil
	case 'r':
		return append(out, '\r'), nil
	case 't':
		return append(out, '\t'), nil
	case 'u':
		r, ok := d.hex4()
		if !ok {
			return nil, errToken
		}
		return utf8.AppendRune(out, d.pair(r)), nil
	}
	return nil, errToken
}

// pair completes a surrogate pair; a lone surrogate is U+FFFD.
func (d *decoder) pair(r rune) rune {
	if !utf16.IsSurrogate(r) {
		return r
	}
	if d.pos+1 >= len(d.data) || d.data[d.pos] != '\\' || d.data[d.pos+1] != 'u' {
		return utf8.RuneError
	}
	back := d.pos
	d.pos += 2
	low, ok := d.hex4()
	full := utf16.DecodeRune(r, low)
	if !ok || full == utf8.RuneError {
		d.pos = back
		return utf8.RuneError
	}
	return full
}

func (d *decoder) hex4() (rune, bool) {
	const width = 4
	if len(d.data)-d.pos < width {
		return 0, false
	}
	n, err := strconv.ParseUint(string(d.data[d.pos:d.pos+width]), 16, 16)
	if err != nil {
		return 0, false
	}
	d.pos += width
	return rune(n), true
}

// skip consumes a value of any type.
func (d *decoder) skip(depth int) error {
	if depth > wire.MaxDepth {
		return errDepth
	}
	switch c := d.next(); {
	case c == '{', c == '[':
		return d.skipCollection(c, depth)
	case c == '"':
		_, err := d.text()
		return err
	case c == 't':
		return d.literal("true")
	case c == 'f':
		return d.literal("false")
	case c == 'n':
		return d.literal("null")
	case numeric(c):
		_, err := d.number()
		return err
	case d.pos >= len(d.data):
		return errEnd
	}
	return errToken
}

func (d *decoder) skipCollection(open byte, depth int) error {
	d.pos++
	closing := byte('}')
	if open == '[' {
		closing = ']'
	}
	for first := true; ; first = false {
		more, err := d.more(closing, first)
		if !more || err != nil {
			return err
		}
		if open == '{' {
			if _, err := d.key(); err != nil {
				return err
			}
		}
		if err := d.skip(depth + 1); err != nil {
			return err
		}
	}
}

// document reads a value without a schema, in the forms of encoding/json.
func (d *decoder) document(depth int) (any, error) {
	if depth > wire.MaxDepth {
		return nil, errDepth
	}
	switch c := d.next(); {
	case c == '{':
		return d.object(depth)
	case c == '[':
		return d.array(depth)
	case c == '"':
		s, err := d.text()
		return string(s), err
	case c == 't':
		return true, d.literal("true")
	case c == 'f':
		return false, d.literal("false")
	case c == 'n':
		return nil, d.literal("null")
	case numeric(c):
		s, err := d.number()
		if err != nil {
			return nil, err
		}
		f, err := strconv.ParseFloat(string(s), 64)
		if err != nil {
			return nil, errToken
		}
		return f, nil
	case d.pos >= len(d.data):
		return nil, errEnd
	}
	return nil, errToken
}

func (d *decoder) object(depth int) (any, error) {
	d.pos++
	out := map[string]any{}
	for first := true; ; first = false {
		more, err := d.more('}', first)
		if err != nil {
			return nil, err
		}
		if !more {
			return out, nil
		}
		key, err := d.key()
		if err != nil {
			return nil, err
		}
		k := string(key)
		if out[k], err = d.document(depth + 1); err != nil {
			return nil, err
		}
	}
}

func (d *decoder) array(depth int) (any, error) {
	d.pos++
	out := []any{}
	for first := true; ; first = false {
		more, err := d.more(']', first)
		if err != nil {
			return nil, err
		}
		if !more {
			return out, nil
		}
		elem, err := d.document(depth + 1)
		if err != nil {
			return nil, err
		}
		out = append(out, elem)
	}
}
