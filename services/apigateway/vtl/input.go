package vtl

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"
)

// Input is $input: the body, and on the request side the parameters.
type Input struct {
	Body                      string
	Path, Querystring, Header *Map // nil where there are none

	parsed any
	done   bool
}

// Member implements Object.
func (in *Input) Member(name string) any {
	if name == "body" {
		return in.Body
	}
	return nil
}

// Call implements Object.
func (in *Input) Call(name string, args []any) (any, error) {
	switch {
	case name == "params" && len(args) == 0:
		return NewMap().Put("path", orEmpty(in.Path)).Put("querystring", orEmpty(in.Querystring)).Put("header", orEmpty(in.Header)), nil
	case name == "params" && len(args) == 1:
		return in.param(Text(args[0])), nil
	case name == "path" && len(args) == 1:
		v, _, err := in.find(Text(args[0]))
		return v, err
	case name == "json" && len(args) == 1:
		v, ok, err := in.find(Text(args[0]))
		if err != nil || !ok {
			return `""`, err
		}
		return JSON(v), nil
	}
	return nil, fmt.Errorf("vtl: no method $input.%s with %d arguments", name, len(args))
}

func orEmpty(m *Map) *Map {
	if m == nil {
		return NewMap()
	}
	return m
}

// param looks in path, query and headers, in that order.
func (in *Input) param(name string) any {
	for _, m := range []*Map{in.Path, in.Querystring, in.Header} {
		if m != nil && m.Has(name) {
			return m.Get(name)
		}
	}
	return ""
}

func (in *Input) find(path string) (any, bool, error) {
	p, err := ParsePath(path)
	if err != nil {
		return nil, false, err
	}
	if !in.done {
		in.done = true
		if strings.TrimSpace(in.Body) == "" {
			in.parsed = NewMap()
		} else if in.parsed, err = ParseJSON([]byte(in.Body)); err != nil {
			in.parsed = in.Body // not JSON: the text itself
		}
	}
	v, ok := p.Find(in.parsed)
	return v, ok, nil
}

// Util is $util.
type Util struct{}

// Member implements Object.
func (Util) Member(string) any { return nil }

// Call implements Object.
func (Util) Call(name string, args []any) (any, error) {
	if len(args) != 1 {
		return nil, fmt.Errorf("vtl: $util.%s wants one argument", name)
	}
	s := Text(args[0])
	if args[0] == nil {
		s = ""
	}
	switch name {
	case "escapeJavaScript":
		return escapeJavaScript(s), nil
	case "parseJson":
		return ParseJSON([]byte(s))
	case "urlEncode":
		return url.QueryEscape(s), nil
	case "urlDecode":
		return url.QueryUnescape(s)
	case "base64Encode":
		return base64.StdEncoding.EncodeToString([]byte(s)), nil
	case "base64Decode":
		b, err := base64.StdEncoding.DecodeString(s)
		return string(b), err
	}
	return nil, fmt.Errorf("vtl: no method $util.%s", name)
}

// escapeJavaScript escapes as Java's StringEscapeUtils does.
func escapeJavaScript(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch r {
		case '\'', '"', '\\', '/':
			b.WriteByte('\\')
			b.WriteRune(r)
		case '\n':
			b.WriteString(`\n`)
		case '\r':
			b.WriteString(`\r`)
		case '\t':
			b.WriteString(`\t`)
		case '\b':
			b.WriteString(`\b`)
		case '\f':
			b.WriteString(`\f`)
		default:
			if r < 0x20 || r > 0x7e && r <= 0xffff {
				fmt.Fprintf(&b, `\u%04X`, r)
			} else {
				b.WriteRune(r)
			}
		}
	}
	return b.String()
}
