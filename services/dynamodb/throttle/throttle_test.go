package throttle

import (
	"testing"
	"time"
)

func TestBuckets(t *testing.T) {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var b Buckets
	n, r := Name{Table: "t", Write: true}, Provisioned(2)
	steps := []struct {
		after  time.Duration
		rate   Rate
		units  float64
		allows bool
	}{
		{0, r, 599, true},
		{0, r, 1, true},
		{0, r, 1, false},
		{400 * time.Millisecond, r, 1, false},
		{500 * time.Millisecond, r, 1, true},
		{0, r, 0.9, false},
		{10 * time.Second, r, 20, true},
		{0, Provisioned(100), 1, false}, // more is provisioned, nothing is saved
		{time.Hour, Provisioned(100), 30_000, true},
		{time.Hour, Provisioned(1), 301, true}, // more than it holds: a debt
		{10 * time.Second, Provisioned(1), 1, true},
		{0, Maximum(5), 5, true},
		{0, Maximum(5), 1, false},
		{time.Hour, Maximum(5), 5, true},
		{0, Maximum(5), 1, false},
	}
	now := start
	for i, s := range steps {
		now = now.Add(s.after)
		got := b.Allows(n, s.rate, s.units, now)
		if got != s.allows {
			t.Errorf("step %d: allows %v, want %v (%+v)", i, got, s.allows, *b.buckets[n])
		}
		if got {
			b.Take(n, s.rate, s.units, now)
		}
	}
	if !b.Allows(Name{Table: "t"}, r, 1, now) || !b.Allows(Name{Table: "t", Index: "i", Write: true}, r, 1, now) {
		t.Error("buckets are not apart")
	}
}

func TestFullBucketsAreForgotten(t *testing.T) {
	var b Buckets
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	b.Take(Name{Table: "busy"}, Provisioned(1), 300, now)
	for i := range 2 * sweepAt {
		b.Allows(Name{Table: string(rune(i + 1000))}, Provisioned(1), 1, now)
	}
	if len(b.buckets) > sweepAt+1 {
		t.Errorf("there are %d buckets", len(b.buckets))
	}
	if b.Allows(Name{Table: "busy"}, Provisioned(1), 1, now) {
		t.Error("one that is not full was forgotten")
	}
}
