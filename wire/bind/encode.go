package bind

import (
	"encoding/base64"
	"io"
	"reflect"
	"strings"

	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/wire"
	"moln.dev/moln/wire/scalar"
)

// Encode writes the members of the struct v that travel outside the body.
func Encode(svc *smithy.Service, sh *smithy.Shape, v reflect.Value, resp *wire.Response) {
	for i := range sh.Members {
		m := &sh.Members[i]
		field, ok := scalar.Source(v.Field(int(m.Field)))
		if !ok {
			continue
		}
		switch m.Location {
		case smithy.InStatusCode:
			if n := int(field.Int()); n != 0 {
				resp.Status = n
			}
		case smithy.InHeader:
			encodeHeader(svc, m, field, resp)
		case smithy.InPrefixHeaders:
			for it := field.MapRange(); it.Next(); {
				resp.SetHeader(m.WireName+it.Key().String(), it.Value().String())
			}
		}
	}
}

func encodeHeader(svc *smithy.Service, m *smithy.Member, v reflect.Value, resp *wire.Response) {
	sh := svc.Shape(m.Shape)
	switch {
	case m.Has(smithy.JSONValue):
		resp.SetHeader(m.WireName, base64.StdEncoding.EncodeToString([]byte(v.String())))
	case sh.Kind == smithy.KindList:
		if v.Len() > 0 {
			resp.SetHeader(m.WireName, joinHeader(svc, sh, v))
		}
	case scalar.IsSimple(sh.Kind):
		text := scalar.Append(nil, sh.Kind, scalar.Format(m, sh, smithy.TimestampRFC822), v)
		resp.SetHeader(m.WireName, string(text))
	}
}

func joinHeader(svc *smithy.Service, list *smithy.Shape, v reflect.Value) string {
	elem := &list.Members[0]
	sh := svc.Shape(elem.Shape)
	var dst []byte
	for i := range v.Len() {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		start := len(dst)
		dst = scalar.Append(dst, sh.Kind, scalar.Format(elem, sh, smithy.TimestampRFC822), v.Index(i))
		if sh.Kind == smithy.KindString {
			quoted := quote(string(dst[start:]))
			dst = append(dst[:start], quoted...)
		}
	}
	return string(dst)
}

// quote puts an item of a list in quotes where its text would be misread.
func quote(s string) string {
	if !strings.ContainsAny(s, `",`) {
		return s
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// EncodeRaw writes a payload that is bytes, text or a stream, and reports
// whether it is one of these.
func EncodeRaw(svc *smithy.Service, m *smithy.Member, v reflect.Value, resp *wire.Response) bool {
	field, ok := scalar.Source(v.Field(int(m.Field)))
	contentType := ""
	switch svc.Shape(m.Shape).Kind {
	case smithy.KindBlob:
		contentType = "application/octet-stream"
		if !ok {
			break
		}
		if r, isStream := field.Interface().(io.Reader); isStream {
			resp.Stream = closer(r)
			break
		}
		resp.Body = field.Bytes()
	case smithy.KindString:
		contentType = "text/plain"
		if ok {
			resp.Body = []byte(field.String())
		}
	default:
		return false
	}
	if ok && resp.Header.Get("Content-Type") == "" {
		resp.SetHeader("Content-Type", contentType)
	}
	return true
}
