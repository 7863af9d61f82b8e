package pool

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"
)

// quantiles reports p50 and p99 next to the mean.
func quantiles(b *testing.B, took []time.Duration) {
	slices.Sort(took)
	at := func(q float64) float64 { return float64(took[int(q*float64(len(took)-1))].Microseconds()) }
	b.ReportMetric(at(0.50), "p50-µs")
	b.ReportMetric(at(0.99), "p99-µs")
}

var benchRuntimes = []struct{ runtime, code string }{
	{"nodejs20.x", `exports.handler = async () => "hi"`}, {"python3.11", "def handler(e, c):\n    return 'hi'"},
}

func BenchmarkWarmInvoke(b *testing.B) {
	for _, r := range benchRuntimes {
		b.Run(r.runtime, func(b *testing.B) {
			h := newHost(b, nil)
			tmpl := h.template(b, r.runtime, r.code)
			h.call(b, tmpl, `{}`, 5*time.Second)
			var took []time.Duration
			for b.Loop() {
				start := time.Now()
				h.call(b, tmpl, `{}`, 5*time.Second)
				took = append(took, time.Since(start))
			}
			quantiles(b, took)
		})
	}
}

// BenchmarkFrozenInvoke lets each environment freeze before its next use.
func BenchmarkFrozenInvoke(b *testing.B) {
	for _, r := range benchRuntimes {
		b.Run(r.runtime, func(b *testing.B) {
			h := newHost(b, func(c *Config) { c.FreezeAfter = time.Microsecond })
			tmpl := h.template(b, r.runtime, r.code)
			h.call(b, tmpl, `{}`, 5*time.Second)
			var took []time.Duration
			for b.Loop() {
				time.Sleep(2 * time.Millisecond)
				start := time.Now()
				h.call(b, tmpl, `{}`, 5*time.Second)
				took = append(took, time.Since(start))
			}
			quantiles(b, took)
		})
	}
}

func benchmarkCold(b *testing.B, runtime, code string, pooled bool) {
	h := newHost(b, func(c *Config) {
		if pooled {
			c.Prewarm = 1
		}
	})
	tmpl := h.template(b, runtime, code)
	var took []time.Duration
	for i := 0; b.Loop(); i++ {
		tmpl.Key = fmt.Sprint("cold", i)
		if pooled {
			h.awaitSpare(b, tmpl)
		}
		start := time.Now()
		r := h.call(b, tmpl, `{}`, 5*time.Second)
		took = append(took, time.Since(start))
		if r.Outcome != Succeeded || !r.Cold {
			b.Fatalf("%+v", r)
		}
		h.pool.Drop(tmpl.Key)
	}
	quantiles(b, took)
}

// awaitSpare waits until a generic environment is ready and frozen.
func (h *host) awaitSpare(t testing.TB, tmpl *Template) {
	t.Helper()
	h.pool.Prewarm(tmpl)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for h.pool.Stats().Spares == 0 || h.pool.Stats().Environments > 1 {
		if ctx.Err() != nil {
			t.Fatal("no spare environment")
		}
		time.Sleep(time.Millisecond)
	}
	time.Sleep(15 * time.Millisecond)
}

func BenchmarkColdPooled(b *testing.B) {
	for _, r := range benchRuntimes {
		b.Run(r.runtime, func(b *testing.B) { benchmarkCold(b, r.runtime, r.code, true) })
	}
}

func BenchmarkColdUnpooled(b *testing.B) {
	for _, r := range benchRuntimes {
		b.Run(r.runtime, func(b *testing.B) { benchmarkCold(b, r.runtime, r.code, false) })
	}
}
