package item

import (
	"encoding/json"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	api "moln.dev/moln/api/dynamodb"
	"moln.dev/moln/wire/jsonval"
)

// TestJSONIsThatOfTheSchema: what AppendJSON writes is, byte by byte, what the
// codec makes of the item's wire form.
func TestJSONIsThatOfTheSchema(t *testing.T) {
	_, op := api.GetItem.Of()
	rapid.Check(t, func(t *rapid.T) {
		m := genMap(3).Draw(t, "item")
		out := &api.GetItemOutput{Item: ToWire(m)}
		want, err := jsonval.Append(nil, &api.Schema, api.Schema.Shape(op.Output), reflect.ValueOf(out).Elem(), false)
		if err != nil {
			t.Fatal(err)
		}
		got := `{"Item":` + string(AppendJSON(nil, m)) + "}"
		if got != string(want) {
			t.Fatalf("\ngot  %s\nwant %s", got, want)
		}
		if !json.Valid([]byte(got)) {
			t.Fatalf("not JSON: %s", got)
		}
	})
}

// genMap makes items of all kinds, with maps and lists in each other.
func genMap(depth int) *rapid.Generator[Map] {
	return rapid.Custom(func(t *rapid.T) Map {
		var m Map
		for range rapid.IntRange(0, 4).Draw(t, "n") {
			m = m.Set(rapid.String().Draw(t, "name"), genValue(depth).Draw(t, "value"))
		}
		return m
	})
}

func genValue(depth int) *rapid.Generator[Value] {
	return rapid.Custom(func(t *rapid.T) Value {
		kinds := []Kind{String, Number, Binary, Bool, Null, StringSet, NumberSet, BinarySet}
		if depth > 0 {
			kinds = append(kinds, MapKind, List)
		}
		v := Value{Kind: rapid.SampledFrom(kinds).Draw(t, "kind")}
		switch v.Kind {
		case String, Binary:
			v.Text = string(rapid.SliceOf(rapid.Byte()).Draw(t, "text"))
		case Number:
			v.Text = "12.5"
		case Bool:
			v.Bool = rapid.Bool().Draw(t, "bool")
		case MapKind:
			v.Map = genMap(depth-1).Draw(t, "map")
		case List:
			v.List = rapid.SliceOfN(genValue(depth-1), 0, 3).Draw(t, "list")
		case NumberSet:
			v.Set = []string{"1", "2"}
		default:
			v = NewSet(v.Kind, rapid.SliceOfN(rapid.String(), 1, 3).Draw(t, "set"))
		}
		return v
	})
}
