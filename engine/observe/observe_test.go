package observe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"moln.dev/moln/engine/clock"
	"moln.dev/moln/engine/ident"
)

func TestExposition(t *testing.T) {
	r := NewRegistry()
	c := r.Counter("moln_calls_total", "calls\nby \\ service", "service", "code")
	c.With("sqs", "200").Add(3)
	c.With("s3", "a\"b\\c\nd\xff").Inc()
	r.Gauge("moln_temperature", "may be anything").With().Set(-1.5)
	r.Gauge("moln_unused", "has no series")
	h := r.Histogram("moln_wait_seconds", "waits", []float64{.1, 1}, "q")
	for _, v := range []float64{.05, .1, .5, 7, math.NaN()} {
		h.With("a").Observe(v)
	}
	var out bytes.Buffer
	if err := r.WritePrometheus(&out); err != nil {
		t.Fatal(err)
	}
	want := `# HELP moln_calls_total calls\nby \\ service
# TYPE moln_calls_total counter
moln_calls_total{service="s3",code="a\"b\\c\nd` + "\uFFFD" + `"} 1
moln_calls_total{service="sqs",code="200"} 3
# HELP moln_temperature may be anything
# TYPE moln_temperature gauge
moln_temperature -1.5
# HELP moln_wait_seconds waits
# TYPE moln_wait_seconds histogram
moln_wait_seconds_bucket{q="a",le="0.1"} 2
moln_wait_seconds_bucket{q="a",le="1"} 3
moln_wait_seconds_bucket{q="a",le="+Inf"} 4
moln_wait_seconds_sum{q="a"} 7.65
moln_wait_seconds_count{q="a"} 4
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestSeriesAreBounded(t *testing.T) {
	r := NewRegistry()
	c := r.Counter("c", "", "bucket")
	for i := range SeriesMax + 500 {
		c.With(fmt.Sprint(i)).Inc()
	}
	c.With("0").Inc() // one that was there still counts on its own
	var out bytes.Buffer
	if err := r.WritePrometheus(&out); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), "\nc{"); n != SeriesMax+1 {
		t.Errorf("%d series, want %d", n, SeriesMax+1)
	}
	for _, want := range []string{`c{bucket="_overflow"} 500`, `c{bucket="0"} 2`} {
		if !strings.Contains(out.String(), want+"\n") {
			t.Errorf("missing %s", want)
		}
	}
	long := strings.Repeat("x", 10*LabelBytesMax)
	d := r.Counter("d", "", "l")
	d.With(long).Inc()
	if d.With(long[:LabelBytesMax]).Value() != 1 {
		t.Error("a long value is not cut")
	}
}

func TestLabelValuesDoNotRunTogether(t *testing.T) {
	c := NewRegistry().Counter("c", "", "a", "b")
	c.With("x", "yz").Inc()
	if c.With("xy", "z").Value() != 0 {
		t.Error("(x, yz) and (xy, z) are one series")
	}
}

func TestRegisterTwice(t *testing.T) {
	r := NewRegistry()
	r.Counter("c", "help", "a").With("v").Inc()
	if r.Counter("c", "other help", "a").With("v").Value() != 1 {
		t.Error("the second registration is another counter")
	}
	for name, register := range map[string]func(){
		"other type":      func() { r.Gauge("c", "", "a") },
		"other labels":    func() { r.Counter("c", "", "b") },
		"bad name":        func() { r.Counter("a-b", "") },
		"no name":         func() { r.Counter("", "") },
		"label le":        func() { r.Counter("d", "", "le") },
		"label twice":     func() { r.Counter("d", "", "a", "a") },
		"too many labels": func() { r.Counter("d", "", "a", "b", "c", "d", "e", "f", "g") },
		"buckets":         func() { r.Histogram("d", "", []float64{2, 1}) },
		"values":          func() { r.Counter("c", "", "a").With() },
	} {
		if !panics(register) {
			t.Errorf("%s: no panic", name)
		}
	}
}

func panics(f func()) (yes bool) {
	defer func() { yes = recover() != nil }()
	f()
	return false
}

func TestNilRegistryCounts(t *testing.T) {
	var r *Registry
	c := r.Counter("c", "").With()
	c.Inc()
	if c.Value() != 1 {
		t.Error("counter of a nil registry does not count")
	}
	if err := r.WritePrometheus(&bytes.Buffer{}); err != nil {
		t.Error(err)
	}
}

func TestConcurrentCounting(t *testing.T) {
	r := NewRegistry()
	c, g, h := r.Counter("c", "", "l"), r.Gauge("g", ""), r.Histogram("h", "", nil)
	const goroutines, each = 8, 1000
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for i := range each {
				c.With(fmt.Sprint(i % 50)).Inc()
				g.With().Add(1)
				h.With().Observe(1)
			}
		})
	}
	wg.Wait()
	var sum uint64
	for i := range 50 {
		sum += c.With(fmt.Sprint(i)).Value()
	}
	if sum != goroutines*each || g.With().Value() != goroutines*each {
		t.Errorf("counted %d and %v, want %d", sum, g.With().Value(), goroutines*each)
	}
	var out bytes.Buffer
	if err := r.WritePrometheus(&out); err != nil || !strings.Contains(out.String(), "h_sum 8000\n") {
		t.Errorf("%v in %s", err, out.String())
	}
}

func newObserver(out *bytes.Buffer) (*Observer, *clock.Fake) {
	clk := clock.NewFake(time.Unix(1_700_000_000, 0))
	return New(Options{Log: slog.NewJSONHandler(out, nil), Clock: clk, Ident: ident.NewSeeded(1, clk)}), clk
}

func TestSpansAndLogs(t *testing.T) {
	var out bytes.Buffer
	o, clk := newObserver(&out)
	ctx, outer := o.Traces.Start(context.Background(), "request")
	inCtx, inner := o.Traces.Start(ctx, "call")
	inner.Set("service", "sqs")
	clk.Advance(time.Second)
	o.Log.With("k", "v").InfoContext(inCtx, "hello")
	o.Log.DebugContext(inCtx, "too quiet")
	inner.End(errors.New("broke"))
	inner.End(nil)
	outer.End(nil)
	spans := o.Traces.Recent()
	if len(spans) != 2 {
		t.Fatalf("%d spans, want 2", len(spans))
	}
	in, first := spans[0], spans[1]
	if in.Name != "call" || in.Err != "broke" || in.Duration != time.Second || in.Attributes[0] != (Attribute{"service", "sqs"}) {
		t.Errorf("inner span %+v", in)
	}
	if in.TraceID != first.TraceID || in.ParentID != first.SpanID || first.ParentID != (SpanID{}) {
		t.Errorf("spans do not hang together: %+v, %+v", in, first)
	}
	if line := out.String(); !strings.Contains(line, `"trace_id":"`+in.TraceID.String()) || !strings.Contains(line, `"k":"v"`) || strings.Contains(line, "quiet") {
		t.Errorf("log %s", line)
	}
}

func TestRecentSpansAreBounded(t *testing.T) {
	o, _ := newObserver(&bytes.Buffer{})
	for i := range SpansKept + 10 {
		_, a := o.Traces.Start(context.Background(), fmt.Sprint(i))
		a.End(nil)
	}
	spans := o.Traces.Recent()
	if len(spans) != SpansKept || spans[0].Name != "10" || spans[SpansKept-1].Name != fmt.Sprint(SpansKept+9) {
		t.Errorf("%d spans from %s", len(spans), spans[0].Name)
	}
}

func TestUnsampledSpansAreNotKept(t *testing.T) {
	o, _ := newObserver(&bytes.Buffer{})
	ctx := WithParent(context.Background(), Parent{TraceID: TraceID{1}, SpanID: SpanID{1}})
	_, a := o.Traces.Start(ctx, "s")
	a.End(nil)
	if n := len(o.Traces.Recent()); n != 0 {
		t.Errorf("%d spans kept", n)
	}
	var none *Tracer
	_, nothing := none.Start(ctx, "s")
	nothing.Set("k", "v")
	nothing.End(nil)
}

func TestParseTraceparent(t *testing.T) {
	const good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	tests := []struct {
		in string
		ok bool
	}{
		{good, true},
		{"01" + good[2:] + "-later", true},
		{"", false},
		{good + "-more", false},
		{good + "x", false},
		{"01" + good[2:] + "x", false},
		{"ff" + good[2:], false},
		{strings.ToUpper(good), false},
		{strings.Replace(good, "-b7", "_b7", 1), false},
		{"00-00000000000000000000000000000000-b7ad6b7169203331-01", false},
		{"00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", false},
	}
	for _, tt := range tests {
		p, err := ParseTraceparent(tt.in)
		if (err == nil) != tt.ok {
			t.Errorf("ParseTraceparent(%q) error %v", tt.in, err)
		}
		if tt.ok && p.Traceparent() != good {
			t.Errorf("ParseTraceparent(%q) = %s", tt.in, p.Traceparent())
		}
	}
}

func FuzzParseTraceparent(f *testing.F) {
	f.Add("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	f.Fuzz(func(t *testing.T, header string) {
		p, err := ParseTraceparent(header)
		if err != nil {
			return
		}
		if again, err := ParseTraceparent(p.Traceparent()); err != nil || again != p {
			t.Fatalf("%q does not survive: %v, %v", header, again, err)
		}
	})
}

func BenchmarkCounterAdd(b *testing.B) {
	c := NewRegistry().Counter("c", "", "l").With("v")
	for b.Loop() {
		c.Add(1)
	}
}

func BenchmarkCounterWithAdd(b *testing.B) {
	c := NewRegistry().Counter("c", "", "service", "operation", "status")
	b.ReportAllocs()
	for b.Loop() {
		c.With("dynamodb", "GetItem", "200").Add(1)
	}
}

func BenchmarkHistogramObserve(b *testing.B) {
	h := NewRegistry().Histogram("h", "", nil, "l").With("v")
	for b.Loop() {
		h.Observe(.02)
	}
}
