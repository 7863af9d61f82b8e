package async

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"moln.dev/moln/services/lambda/run"
	"moln.dev/moln/services/lambda/target"
)

func TestLetter(t *testing.T) {
	e := Event{RequestID: "r", Payload: []byte(`{"a":1}`)}
	of := func(v verdict) []target.Attribute { return letterOf(e, v).attributes() }
	want := func(code, message string) []target.Attribute {
		out := []target.Attribute{{Name: "RequestID", Type: "String", Value: "r"}, {Name: "ErrorCode", Type: "Number", Value: code}}
		if message != "" {
			out = append(out, target.Attribute{Name: "ErrorMessage", Type: "String", Value: message})
		}
		return out
	}
	for _, c := range []struct {
		verdict verdict
		want    []target.Attribute
	}{
		{verdict{result: &run.Result{FunctionError: "Unhandled", Payload: []byte(`{"errorMessage":"no","errorType":"E"}`)}}, want("200", "no")},
		{verdict{result: &run.Result{FunctionError: "Unhandled", Payload: []byte(`{"errorMessage":""}`)}}, want("200", "")},
		{verdict{result: &run.Result{FunctionError: "Unhandled", Payload: []byte(`"odd"`)}}, want("200", `"odd"`)},
		{verdict{code: 429, why: "closed"}, want("429", "closed")},
		{verdict{code: 429, why: strings.Repeat("ä", 600)}, want("429", strings.Repeat("ä", 512))},
		{verdict{code: 429, why: "x" + strings.Repeat("ä", 600)}, want("429", "x"+strings.Repeat("ä", 511))},
	} {
		if d := cmp.Diff(c.want, of(c.verdict)); d != "" {
			t.Error(d)
		}
	}
}
