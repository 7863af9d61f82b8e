package lambda

import (
	"testing"

	api "moln.dev/moln/api/lambda"
)

// BenchmarkWarmInvoke shows what the service adds to the pool's benchmark of the
// same name.
func BenchmarkWarmInvoke(b *testing.B) {
	w := newWorld(b, Options{})
	w.node("hello", `exports.handler = async () => "hi"`)
	invoke := func() {
		if out := must(w, api.Invoke, &api.InvokeInput{FunctionName: new("hello"), Payload: []byte(`{}`)}); out.FunctionError != nil {
			b.Fatalf("failed: %s", out.Payload)
		}
	}
	invoke()
	b.ReportAllocs()
	for b.Loop() {
		invoke()
	}
}
