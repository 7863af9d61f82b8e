package item

import "moln.dev/moln/wire/jsonval"

// AppendJSON appends m as clients read it: what encoding ToWire(m) by the schema
// gives, without making that.
func AppendJSON(dst []byte, m Map) []byte {
	dst = append(dst, '{')
	for i := range m {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(jsonval.AppendString(dst, m[i].Name), ':')
		dst = appendJSONValue(dst, &m[i].Value)
	}
	return append(dst, '}')
}

func appendJSONValue(dst []byte, v *Value) []byte {
	dst = append(append(append(dst, '{', '"'), v.Kind.String()...), '"', ':')
	switch v.Kind {
	case String, Number:
		dst = jsonval.AppendString(dst, v.Text)
	case Binary:
		dst = appendBase64(dst, v.Text)
	case Bool:
		dst = appendBool(dst, v.Bool)
	case Null:
		dst = appendBool(dst, true)
	case MapKind:
		dst = AppendJSON(dst, v.Map)
	case List:
		dst = append(dst, '[')
		for i := range v.List {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendJSONValue(dst, &v.List[i])
		}
		dst = append(dst, ']')
	case StringSet, NumberSet, BinarySet:
		dst = appendJSONSet(dst, v)
	}
	return append(dst, '}')
}

func appendJSONSet(dst []byte, v *Value) []byte {
	dst = append(dst, '[')
	for i, e := range v.Set {
		if i > 0 {
			dst = append(dst, ',')
		}
		if v.Kind == BinarySet {
			dst = appendBase64(dst, e)
		} else {
			dst = jsonval.AppendString(dst, e)
		}
	}
	return append(dst, ']')
}

func appendBase64(dst []byte, s string) []byte { return appendBase64Bytes(dst, []byte(s)) }

func appendBool(dst []byte, b bool) []byte {
	if b {
		return append(dst, "true"...)
	}
	return append(dst, "false"...)
}
