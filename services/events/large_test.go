package events

import (
	"context"
	"fmt"
	"strings"
	"testing"

	api "moln.dev/moln/api/events"
	"moln.dev/moln/engine/kv"
)

// A large event that matches many rules is not held in memory once for each.
func TestLargeEventsOfManyRules(t *testing.T) {
	w := newWorld(t)
	const rules = 30
	for i := range rules {
		w.rule("", fmt.Sprintf("r%d", i), `{"source":["mine"]}`, to("1", queueARN("a")), to("2", queueARN("b")))
	}
	p := pile{s: w.s}
	one := routed{bus: busKey{place{account, region}, defaultBus}, event: []byte(`{"source":"mine","detail":{"x":"` + strings.Repeat("x", 1<<19) + `"}}`)}
	ctx := context.Background()
	if err := w.s.match(ctx, w.root(), one, &p); err != nil {
		t.Fatal(err)
	}
	if p.size > bytesAtOnce {
		t.Errorf("%d bytes are held", p.size)
	}
	if err := p.store(ctx); err != nil {
		t.Fatal(err)
	}
	jobs := 0
	err := w.db.Each(ctx, kv.Prefix([]byte("sched/")), func(it kv.Item) (bool, error) {
		if len(it.Value) > 1<<19 {
			jobs++
		}
		return true, nil
	})
	if err != nil || jobs != 2*rules {
		t.Errorf("%d jobs, %v", jobs, err)
	}
}

// What control characters make of an event is within what jobs take, or refused.
func TestEventsOfControlCharacters(t *testing.T) {
	w := newWorld(t)
	w.rule("", "r", `{"source":["mine"]}`, to("1", queueARN("a")))
	e := entry("mine", "t", "{}")
	for range 500 {
		e.Resources = append(e.Resources, strings.Repeat("\x01", 2000))
	}
	fails(t, w.root(), api.PutEvents, &api.PutEventsInput{Entries: []api.PutEventsRequestEntry{e}}, "ValidationException", "Total size of the entries in the request is over the limit.")
}
