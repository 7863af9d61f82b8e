package streams

import (
	api "moln.dev/moln/api/dynamodbstreams"
	"moln.dev/moln/services/dynamodb/item"
)

// toWire writes attributes as clients of streams read them, whose types are not
// those of tables.
func toWire(m item.Map) map[string]api.AttributeValue {
	out := make(map[string]api.AttributeValue, len(m))
	for i := range m {
		out[m[i].Name] = valueToWire(&m[i].Value)
	}
	return out
}

func valueToWire(v *item.Value) (av api.AttributeValue) {
	switch v.Kind {
	case item.String:
		av.S = &v.Text
	case item.Number:
		av.N = &v.Text
	case item.Binary:
		av.B = []byte(v.Text)
	case item.Bool:
		av.BOOL = new(v.Bool)
	case item.Null:
		av.NULL = new(true)
	case item.MapKind:
		av.M = toWire(v.Map)
	case item.List:
		av.L = make([]api.AttributeValue, len(v.List))
		for i := range v.List {
			av.L[i] = valueToWire(&v.List[i])
		}
	case item.StringSet:
		av.SS = v.Set
	case item.NumberSet:
		av.NS = v.Set
	case item.BinarySet:
		av.BS = make([][]byte, len(v.Set))
		for i, e := range v.Set {
			av.BS[i] = []byte(e)
		}
	}
	return av
}
