package gateway

import (
	"context"
	"strings"
	"testing"

	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
)

// TestInvalid is a service that words its own violations, from outside and from
// inside; it cannot let a request through.
func TestInvalid(t *testing.T) {
	h := newHarness(t)
	words := error(fault.New("Wrong", 400, "in its own words"))
	var seen []smithy.Violation
	target := h.g.byTarget["Json_2020"]
	target.def.Invalid = func(_ *smithy.Operation, _ any, v []smithy.Violation) error {
		seen = v
		return words
	}
	long := strings.Repeat("x", 65)
	echoJSON := smithy.Op[echo, echo]{Service: target.def.Schema}
	c := service.NewCall(h.g, service.Call{Caller: root, Account: account, Region: "eu-west-1", Now: h.clk.Now()})
	for _, want := range []string{"Wrong", "ValidationException"} {
		seen = nil
		if got := readFault(h.serve(h.sign(request("json", "Echo", long), "ROOT", "json"))); got.code != want {
			t.Errorf("%+v, want %s", got, want)
		}
		if len(seen) != 1 || seen[0].Path != "message" {
			t.Errorf("violations %+v", seen)
		}
		if _, err := service.Invoke(context.Background(), c, echoJSON, &echo{&long}); !fault.Is(err, want) {
			t.Errorf("from inside: %v, want %s", err, want)
		}
		words = nil
	}
	if len(h.f.calls) != 0 {
		t.Error("a handler ran")
	}
}
