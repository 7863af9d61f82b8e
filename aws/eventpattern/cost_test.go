package eventpattern

import (
	"strings"
	"testing"
	"time"
)

// costMax is far more than an event of the largest size takes, and far less than
// what grows with its square.
const costMax = 5 * time.Second

func within(t *testing.T, what string, do func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		do()
	}()
	select {
	case <-done:
	case <-time.After(costMax):
		t.Fatalf("%s took longer than %v", what, costMax)
	}
}

// What is absent is looked for in the whole event; for each element of an array
// it must not be looked for again.
func TestAbsentInLongArrays(t *testing.T) {
	p, err := Parse([]byte(`{"detail":{"a":{"b":[{"exists":false}]}}}`), EventBridge)
	if err != nil {
		t.Fatal(err)
	}
	list := strings.Repeat(`{},`, 300_000)
	within(t, "an array of 300,000 elements", func() {
		if p.Match([]byte(`{"detail":{"a":[` + list + `{"b":1}]}}`)) {
			t.Error("matched an event that has a value")
		}
		if !p.Match([]byte(`{"detail":{"a":[` + list + `{}]}}`)) {
			t.Error("did not match an event that has none")
		}
	})
}

// A name of many dots is no path of a million objects.
func TestNamesOfManyDots(t *testing.T) {
	name := strings.Repeat("a.", 500_000) + "a"
	v, err := DecodeEvent([]byte(`{"detail":{"` + name + `":1,"b.c":2}}`))
	if err != nil {
		t.Fatal(err)
	}
	detail := v.(map[string]any)["detail"].(map[string]any)
	if _, kept := detail[name]; !kept {
		t.Error("the name was taken apart")
	}
	if _, apart := detail["b"].(map[string]any); !apart {
		t.Errorf("b.c was not taken apart: %v", detail["b"])
	}
	if _, err := Parse([]byte(`{"`+name+`":[1]}`), EventBridge); err != nil {
		t.Errorf("a pattern of such a name: %v", err)
	}
}
