package wiretest

import (
	"encoding/json"
	"io"
	"math"
	"reflect"
	"strings"
	"time"

	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/wire/scalar"
)

// dump turns a Go value into the form in which vectors spell values: by the
// model's names, timestamps as seconds, blobs as text.
func dump(svc *smithy.Service, m *smithy.Member, id smithy.ShapeID, v reflect.Value) any {
	sh := svc.Shape(id)
	switch sh.Kind {
	case smithy.KindStructure, smithy.KindUnion:
		out := map[string]any{}
		for i := range sh.Members {
			m := &sh.Members[i]
			if f, ok := scalar.Source(v.Field(int(m.Field))); ok {
				out[m.Name] = dump(svc, m, m.Shape, f)
			}
		}
		return out
	case smithy.KindList:
		out := []any{}
		for i := range v.Len() {
			out = append(out, dump(svc, &sh.Members[0], sh.Members[0].Shape, v.Index(i)))
		}
		return out
	case smithy.KindMap:
		out := map[string]any{}
		for it := v.MapRange(); it.Next(); {
			out[it.Key().String()] = dump(svc, &sh.Members[1], sh.Members[1].Shape, it.Value())
		}
		return out
	case smithy.KindDocument:
		return v.Interface()
	case smithy.KindBlob:
		if r, ok := v.Interface().(io.Reader); ok {
			b, _ := io.ReadAll(r)
			return string(b)
		}
		return string(v.Bytes())
	case smithy.KindTimestamp:
		return float64(scalar.Time(v).UnixMilli()) / 1e3
	case smithy.KindBoolean:
		return v.Bool()
	case smithy.KindInteger, smithy.KindLong:
		return float64(v.Int())
	case smithy.KindFloat, smithy.KindDouble:
		s := string(scalar.AppendFloat(nil, v.Float(), v.Type().Bits()))
		if f, err := scalar.ParseFloat(s, 64); err == nil && !math.IsNaN(f) && !math.IsInf(f, 0) {
			return f
		}
		return s
	}
	return v.String()
}

// load sets v from the form of the vectors.
func load(svc *smithy.Service, m *smithy.Member, id smithy.ShapeID, v reflect.Value, x any) {
	if x == nil {
		return
	}
	sh := svc.Shape(id)
	if v.Kind() == reflect.Interface && sh.Kind == smithy.KindBlob {
		v.Set(reflect.ValueOf(io.NopCloser(strings.NewReader(x.(string)))))
		return
	}
	v = scalar.Target(v)
	switch sh.Kind {
	case smithy.KindStructure, smithy.KindUnion:
		for i := range sh.Members {
			m := &sh.Members[i]
			load(svc, m, m.Shape, v.Field(int(m.Field)), x.(map[string]any)[m.Name])
		}
	case smithy.KindList:
		list := x.([]any)
		v.Set(reflect.MakeSlice(v.Type(), 0, len(list)))
		for _, e := range list {
			if e == nil {
				panic(unsupported("sparse list: the Go types have no null elements"))
			}
			elem := reflect.New(v.Type().Elem()).Elem()
			load(svc, &sh.Members[0], sh.Members[0].Shape, elem, e)
			v.Set(reflect.Append(v, elem))
		}
	case smithy.KindMap:
		v.Set(reflect.MakeMap(v.Type()))
		for k, e := range x.(map[string]any) {
			if e == nil {
				panic(unsupported("sparse map: the Go types have no null values"))
			}
			elem := reflect.New(v.Type().Elem()).Elem()
			load(svc, &sh.Members[1], sh.Members[1].Shape, elem, e)
			v.SetMapIndex(reflect.ValueOf(k), elem)
		}
	case smithy.KindDocument:
		v.Set(reflect.ValueOf(x))
	default:
		loadSimple(sh, m, v, x)
	}
}

func loadSimple(sh *smithy.Shape, m *smithy.Member, v reflect.Value, x any) {
	switch sh.Kind {
	case smithy.KindBlob:
		v.SetBytes([]byte(x.(string)))
	case smithy.KindTimestamp:
		v.Set(reflect.ValueOf(time.UnixMilli(int64(math.Round(x.(float64) * 1e3)))))
	case smithy.KindBoolean:
		v.SetBool(x.(bool))
	case smithy.KindInteger, smithy.KindLong:
		v.SetInt(int64(x.(float64)))
	case smithy.KindFloat, smithy.KindDouble:
		if s, ok := x.(string); ok {
			x, _ = scalar.ParseFloat(s, 64)
		}
		v.SetFloat(x.(float64))
	default:
		if m != nil && m.Has(smithy.JSONValue) {
			if _, isText := x.(string); !isText {
				b, _ := json.Marshal(x)
				x = string(b)
			}
		}
		v.SetString(x.(string))
	}
}

// clean drops nulls from a vector's value: absent is absent.
func clean(x any) any {
	switch x := x.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, e := range x {
			if e != nil {
				out[k] = clean(e)
			}
		}
		return out
	case []any:
		out := []any{}
		for _, e := range x {
			if e != nil {
				out = append(out, clean(e))
			}
		}
		return out
	}
	return x
}
