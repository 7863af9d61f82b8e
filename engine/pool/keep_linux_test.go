package pool

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"
)

func TestKeep(t *testing.T) {
	h := newHost(t, func(c *Config) { c.MaxEnvironments = 3 })
	tmpl := h.template(t, "nodejs20.x", `exports.handler = async () => process.pid`)
	other := h.template(t, "nodejs20.x", `exports.handler = async () => "other"`)
	keep := func(n int) int {
		t.Helper()
		var made atomic.Int32
		counted := *tmpl
		counted.Each = func(*Template) { made.Add(1) }
		ready, err := h.pool.Keep(t.Context(), &counted, n)
		if err != nil {
			t.Fatal(err)
		}
		if ready != n {
			t.Errorf("%d of %d are ready", ready, n)
		}
		return int(made.Load())
	}
	if made := keep(2); made != 2 {
		t.Errorf("%d were made", made)
	}
	h.clock.Advance(time.Hour)
	h.pool.sweep(h.clock.Now())
	if s := h.pool.Stats(); s.Idle != 2 {
		t.Errorf("after an hour: %+v", s)
	}
	if r := h.call(t, tmpl, "{}", time.Second); r.Cold || r.Outcome != Succeeded {
		t.Errorf("the first invocation was cold %v, %v", r.Cold, r.Outcome)
	}
	// One place is left: others come and go in it.
	h.call(t, other, "{}", 5*time.Second)
	third := h.template(t, "nodejs20.x", `exports.handler = async () => "third"`)
	third.Key += "third"
	h.call(t, third, "{}", 5*time.Second)
	if made := keep(2); made != 0 {
		t.Errorf("%d had to be made again", made)
	}
	keep(1)
	h.clock.Advance(time.Hour)
	h.pool.sweep(h.clock.Now())
	if s := h.pool.Stats(); s.Idle != 1 {
		t.Errorf("of which one is kept: %+v", s)
	}
	if _, err := h.pool.Keep(t.Context(), tmpl, 4); !errors.Is(err, ErrBusy) {
		t.Errorf("more than there is room for: %v", err)
	}
	h.pool.Drop(tmpl.Key)
	h.awaitCounts(t, func(s Stats) bool { return s.Environments == 0 })
	if made := keep(1); made != 1 {
		t.Errorf("%d were made after the drop", made)
	}
}

func TestKeepFailingInit(t *testing.T) {
	h := newHost(t, nil)
	tmpl := h.template(t, "nodejs20.x", `throw new Error("not today")`)
	ready, err := h.pool.Keep(t.Context(), tmpl, 2)
	if ready != 0 || !errors.Is(err, ErrInit) {
		t.Errorf("%d ready, %v", ready, err)
	}
}
