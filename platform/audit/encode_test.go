package audit

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// fill gives every field of a struct a value that no other has.
func fill(v reflect.Value, n *int) {
	for i := range v.NumField() {
		*n++
		switch f := v.Field(i); f.Interface().(type) {
		case string:
			f.SetString("quote \" line \n tag <é> " + string(rune('a'+*n)))
		case int, int64:
			f.SetInt(int64(*n))
		case bool:
			f.SetBool(true)
		case time.Time:
			f.Set(reflect.ValueOf(time.Date(2026, 1, 2, 3, 4, 5, 60708, time.UTC)))
		case []string:
			f.Set(reflect.ValueOf([]string{"one", "two\t"}))
		case []Decision:
			d := make([]Decision, 2)
			fill(reflect.ValueOf(&d[0]).Elem(), n)
			f.Set(reflect.ValueOf(d))
		default:
			panic("no value for " + f.Type().String())
		}
	}
}

func TestRecordIsWrittenAsItsTagsSay(t *testing.T) {
	full, n := Record{}, 0
	fill(reflect.ValueOf(&full).Elem(), &n)
	for _, r := range []Record{{}, full} {
		reference, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		var got, want map[string]any
		if err := json.Unmarshal(appendRecord(nil, &r), &got); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(reference, &want); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
	}
}
