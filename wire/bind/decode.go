// Package bind reads and writes the parts of an HTTP message that the REST
// protocols use beside the body: labels, query parameters, headers and the
// status. The body is the codecs' own.
package bind

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"strings"

	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/wire"
	"moln.dev/moln/wire/scalar"
)

// Error says that a member outside the body could not be read.
type Error struct {
	Name string // of the label, parameter or header
	Kind smithy.Kind
	err  error
}

// Error returns the name and what is wrong with its value.
func (e *Error) Error() string { return e.Name + ": " + e.err.Error() }

// Unwrap returns what is wrong with the value.
func (e *Error) Unwrap() error { return e.err }

// Decode fills the members of the struct v that travel outside the body. Errors
// say which member could not be read.
func Decode(svc *smithy.Service, sh *smithy.Shape, req *wire.Request, v reflect.Value) error {
	for i := range sh.Members {
		m := &sh.Members[i]
		if m.Location == smithy.InBody || m.Location == smithy.InPayload {
			continue
		}
		if err := decodeMember(svc, sh, m, req, v.Field(int(m.Field))); err != nil {
			return &Error{Name: m.WireName, Kind: svc.Shape(m.Shape).Kind, err: err}
		}
	}
	return nil
}

func decodeMember(svc *smithy.Service, sh *smithy.Shape, m *smithy.Member, req *wire.Request, v reflect.Value) error {
	switch m.Location {
	case smithy.InLabel:
		if s, ok := req.Labels[m.WireName]; ok {
			return parse(svc, m, smithy.TimestampISO8601, v, s)
		}
	case smithy.InQuery:
		return decodeQuery(svc, m, req.Query[m.WireName], v)
	case smithy.InQueryMap:
		return decodeQueryMap(svc, sh, m, req.Query, v)
	case smithy.InHeader:
		if req.HTTP != nil {
			return decodeHeader(svc, m, headerValues(req.HTTP.Header, m.WireName), v)
		}
	case smithy.InPrefixHeaders:
		if req.HTTP != nil {
			decodePrefix(m, req.HTTP.Header, v)
		}
	}
	return nil
}

// parse reads one value. An empty text is an empty string and, for what has no
// empty value, absent.
func parse(svc *smithy.Service, m *smithy.Member, def smithy.TimestampFormat, v reflect.Value, s string) error {
	sh := svc.Shape(m.Shape)
	if s == "" && sh.Kind != smithy.KindString {
		return nil
	}
	return scalar.Parse(sh.Kind, scalar.Format(m, sh, def), v, s)
}

func decodeQuery(svc *smithy.Service, m *smithy.Member, values []string, v reflect.Value) error {
	if len(values) == 0 {
		return nil
	}
	sh := svc.Shape(m.Shape)
	if sh.Kind != smithy.KindList {
		return parse(svc, m, smithy.TimestampISO8601, v, values[0])
	}
	return parseList(svc, &sh.Members[0], smithy.TimestampISO8601, v, values)
}

func parseList(svc *smithy.Service, m *smithy.Member, def smithy.TimestampFormat, v reflect.Value, values []string) error {
	out := reflect.MakeSlice(v.Type(), len(values), len(values))
	for i, s := range values {
		if err := parse(svc, m, def, out.Index(i), s); err != nil {
			return err
		}
	}
	v.Set(out)
	return nil
}

// decodeQueryMap collects the parameters that no other member names.
func decodeQueryMap(svc *smithy.Service, sh *smithy.Shape, m *smithy.Member, query url.Values, v reflect.Value) error {
	named := map[string]bool{}
	for i := range sh.Members {
		if sh.Members[i].Location == smithy.InQuery {
			named[sh.Members[i].WireName] = true
		}
	}
	value := &svc.Shape(m.Shape).Members[1]
	isList := svc.Shape(value.Shape).Kind == smithy.KindList
	for name, values := range query {
		if named[name] || len(values) == 0 {
			continue
		}
		if v.IsNil() {
			v.Set(reflect.MakeMap(v.Type()))
		}
		elem := reflect.New(v.Type().Elem()).Elem()
		var err error
		if isList {
			err = decodeQuery(svc, value, values, elem)
		} else {
			err = parse(svc, value, smithy.TimestampISO8601, elem, values[0])
		}
		if err != nil {
			return err
		}
		v.SetMapIndex(reflect.ValueOf(name), elem)
	}
	return nil
}

func decodeHeader(svc *smithy.Service, m *smithy.Member, values []string, v reflect.Value) error {
	if len(values) == 0 {
		return nil
	}
	sh := svc.Shape(m.Shape)
	if m.Has(smithy.JSONValue) {
		b, err := base64.StdEncoding.DecodeString(values[0])
		if err != nil {
			return fmt.Errorf("not base64-encoded JSON")
		}
		return parse(svc, m, smithy.TimestampRFC822, v, string(b))
	}
	if sh.Kind != smithy.KindList {
		return parse(svc, m, smithy.TimestampRFC822, v, strings.TrimSpace(values[0]))
	}
	elem := svc.Shape(sh.Members[0].Shape)
	dated := elem.Kind == smithy.KindTimestamp && scalar.Format(&sh.Members[0], elem, smithy.TimestampRFC822) == smithy.TimestampRFC822
	items := SplitHeader(strings.Join(values, ","), dated)
	if len(items) == 0 {
		return nil
	}
	return parseList(svc, &sh.Members[0], smithy.TimestampRFC822, v, items)
}

// SplitHeader splits the value of a header that is a list at its commas. Items
// may be quoted; HTTP dates have a comma of their own.
func SplitHeader(s string, dates bool) []string {
	var items []string
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimSpace(s) {
		if s[0] == '"' {
			var item string
			item, s = unquote(s)
			items = append(items, item)
			_, s, _ = strings.Cut(s, ",")
			continue
		}
		end := strings.IndexByte(s, ',')
		if dates && end >= 0 {
			if next := strings.IndexByte(s[end+1:], ','); next >= 0 {
				end += 1 + next
			} else {
				end = -1
			}
		}
		if end < 0 {
			return append(items, strings.TrimSpace(s))
		}
		items = append(items, strings.TrimSpace(s[:end]))
		s = s[end+1:]
	}
	return items
}

// unquote reads a quoted item and returns what follows it.
func unquote(s string) (item, rest string) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return b.String(), s[i+1:]
		case c == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), ""
}

// decodePrefix collects the headers with a prefix, under their names in lower
// case without it.
func decodePrefix(m *smithy.Member, header http.Header, v reflect.Value) {
	prefix := strings.ToLower(m.WireName)
	for name, values := range header {
		lower := strings.ToLower(name)
		if !strings.HasPrefix(lower, prefix) || len(values) == 0 {
			continue
		}
		if v.IsNil() {
			v.Set(reflect.MakeMap(v.Type()))
		}
		elem := reflect.New(v.Type().Elem()).Elem()
		elem.SetString(strings.Join(values, ","))
		v.SetMapIndex(reflect.ValueOf(lower[len(prefix):]), elem)
	}
}

// PayloadMember returns the member that is the whole body, or nil.
func PayloadMember(sh *smithy.Shape) *smithy.Member {
	if sh.Payload < 0 || int(sh.Payload) >= len(sh.Members) || sh.Members[sh.Payload].Location != smithy.InPayload {
		return nil
	}
	return &sh.Members[sh.Payload]
}

// HasBody reports whether a structure has members that travel in the body.
func HasBody(sh *smithy.Shape) bool {
	for i := range sh.Members {
		if sh.Members[i].Location == smithy.InBody {
			return true
		}
	}
	return false
}

// DecodeRaw fills a payload that is bytes, text or a stream, and reports whether
// it is one of these. An empty body leaves bytes and text absent.
func DecodeRaw(svc *smithy.Service, m *smithy.Member, req *wire.Request, v reflect.Value) bool {
	kind := svc.Shape(m.Shape).Kind
	switch {
	case v.Kind() == reflect.Interface && kind == smithy.KindBlob:
		stream := req.Stream
		if stream == nil {
			stream = bytes.NewReader(req.Body)
		}
		v.Set(reflect.ValueOf(stream))
	case kind == smithy.KindBlob:
		if len(req.Body) > 0 {
			v.SetBytes(req.Body)
		}
	case kind == smithy.KindString:
		if len(req.Body) > 0 {
			scalar.Target(v).SetString(strings.ToValidUTF8(string(req.Body), "\uFFFD"))
		}
	default:
		return false
	}
	return true
}

// closer gives a plain reader the form of a response's stream.
func closer(r io.Reader) io.ReadCloser {
	if rc, ok := r.(io.ReadCloser); ok {
		return rc
	}
	return io.NopCloser(r)
}
