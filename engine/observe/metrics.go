package observe

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// Limits of a registry. They keep a caller who chooses names (buckets, tables,
// paths) from growing memory and scrapes without bound.
const (
	// MetricsMax is how many metrics a registry takes.
	MetricsMax = 1000
	// LabelsMax is how many labels a metric has at most.
	LabelsMax = 6
	// SeriesMax is how many combinations of label values a metric keeps. What
	// comes after is counted together, under OverflowValue in every label.
	SeriesMax = 2000
	// LabelBytesMax is where a label value is cut.
	LabelBytesMax = 128
	// BucketsMax is how many buckets a histogram has at most.
	BucketsMax = 40
)

// OverflowValue stands in the labels of the series that takes what is beyond
// SeriesMax.
const OverflowValue = "_overflow"

// DefaultBuckets returns upper bounds, in seconds, for how long requests take.
func DefaultBuckets() []float64 {
	return []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 900}
}

type metricType string

const (
	typeCounter   metricType = "counter"
	typeGauge     metricType = "gauge"
	typeHistogram metricType = "histogram"
)

// Registry holds metrics. It is safe for concurrent use. A nil *Registry is
// valid: its metrics count and are written nowhere.
type Registry struct {
	mu      sync.Mutex
	metrics map[string]*family
}

// NewRegistry returns a registry without metrics.
func NewRegistry() *Registry { return &Registry{metrics: make(map[string]*family)} }

// family is one metric: a name and a series for each combination of values.
type family struct {
	name, help string
	typ        metricType
	labels     []string
	buckets    []float64

	// series is replaced, never changed, so that reading it takes no lock.
	series atomic.Pointer[map[string]*series]
	mu     sync.Mutex // held by who replaces series
	spill  *series    // takes what is beyond SeriesMax; nil before, guarded by mu
}

// series is the numbers of one combination of label values. A counter is in
// count; a gauge in sum, as the bits of a float64; a histogram in all three.
type series struct {
	values  []string
	count   atomic.Uint64
	sum     atomic.Uint64
	buckets []atomic.Uint64 // not cumulative; one more than bounds, for +Inf
	bounds  []float64
}

// CounterVec is a counter by labels.
type CounterVec struct{ f *family }

// GaugeVec is a gauge by labels.
type GaugeVec struct{ f *family }

// HistogramVec is a histogram by labels.
type HistogramVec struct{ f *family }

// Counter is a number that only grows.
type Counter struct{ s *series }

// Gauge is a number that rises and falls.
type Gauge struct{ s *series }

// Histogram is how many observations fell below each of its bounds.
type Histogram struct{ s *series }

// Counter registers a counter, or returns the one of that name. It panics when
// name or labels are not valid or the name is taken by a metric of another
// shape: those are mistakes of the program.
func (r *Registry) Counter(name, help string, labels ...string) *CounterVec {
	return &CounterVec{r.register(&family{name: name, help: help, typ: typeCounter, labels: labels})}
}

// Gauge is as Counter, for a gauge.
func (r *Registry) Gauge(name, help string, labels ...string) *GaugeVec {
	return &GaugeVec{r.register(&family{name: name, help: help, typ: typeGauge, labels: labels})}
}

// Histogram is as Counter, for a histogram with the ascending upper bounds
// given; nil stands for DefaultBuckets.
func (r *Registry) Histogram(name, help string, buckets []float64, labels ...string) *HistogramVec {
	if buckets == nil {
		buckets = DefaultBuckets()
	}
	return &HistogramVec{r.register(&family{name: name, help: help, typ: typeHistogram, labels: labels, buckets: slices.Clone(buckets)})}
}

// With returns the counter for label values, in the order of the labels. It
// panics when their number is not that of the labels. Who counts often in one
// place keeps what it returns.
func (v *CounterVec) With(values ...string) Counter { return Counter{v.f.with(values)} }

// With is as CounterVec.With.
func (v *GaugeVec) With(values ...string) Gauge { return Gauge{v.f.with(values)} }

// With is as CounterVec.With.
func (v *HistogramVec) With(values ...string) Histogram { return Histogram{v.f.with(values)} }

// Add adds n.
func (c Counter) Add(n uint64) { c.s.count.Add(n) }

// Inc adds one.
func (c Counter) Inc() { c.s.count.Add(1) }

// Value returns the count.
func (c Counter) Value() uint64 { return c.s.count.Load() }

// Set sets the gauge.
func (g Gauge) Set(v float64) { g.s.sum.Store(math.Float64bits(v)) }

// Add adds v, which may be negative.
func (g Gauge) Add(v float64) { addFloat(&g.s.sum, v) }

// Value returns the gauge.
func (g Gauge) Value() float64 { return math.Float64frombits(g.s.sum.Load()) }

// Observe counts v. Not a number is not counted: it would spoil the sum.
func (h Histogram) Observe(v float64) {
	if math.IsNaN(v) {
		return
	}
	i, _ := slices.BinarySearch(h.s.bounds, v) // the first bound >= v
	h.s.buckets[i].Add(1)
	addFloat(&h.s.sum, v)
	h.s.count.Add(1)
}

func addFloat(bits *atomic.Uint64, v float64) {
	for {
		old := bits.Load()
		if bits.CompareAndSwap(old, math.Float64bits(math.Float64frombits(old)+v)) {
			return
		}
	}
}

func (r *Registry) register(f *family) *family {
	if err := f.check(); err != nil {
		panic("observe: " + err.Error())
	}
	empty := make(map[string]*series)
	f.series.Store(&empty)
	if r == nil {
		return f
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if old, ok := r.metrics[f.name]; ok {
		if old.typ != f.typ || !slices.Equal(old.labels, f.labels) || !slices.Equal(old.buckets, f.buckets) {
			panic(fmt.Sprintf("observe: metric %s registered twice with different shapes", f.name))
		}
		return old
	}
	if len(r.metrics) >= MetricsMax {
		panic(fmt.Sprintf("observe: more than %d metrics", MetricsMax))
	}
	r.metrics[f.name] = f
	return f
}

func (f *family) check() error {
	if !validName(f.name) {
		return fmt.Errorf("metric name %q", f.name)
	}
	if len(f.labels) > LabelsMax {
		return fmt.Errorf("metric %s: more than %d labels", f.name, LabelsMax)
	}
	for i, l := range f.labels {
		if !validName(l) || l == "le" || slices.Contains(f.labels[:i], l) {
			return fmt.Errorf("metric %s: label %q", f.name, l)
		}
	}
	if len(f.buckets) > BucketsMax {
		return fmt.Errorf("metric %s: more than %d buckets", f.name, BucketsMax)
	}
	for i, b := range f.buckets {
		if math.IsNaN(b) || math.IsInf(b, 0) || i > 0 && b <= f.buckets[i-1] {
			return fmt.Errorf("metric %s: buckets do not ascend at %v", f.name, b)
		}
	}
	return nil
}

func validName(s string) bool {
	if s == "" || s[0] >= '0' && s[0] <= '9' {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return !(r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9')
	})
}

// keyBufferBytes is the room on the stack for a series' key; longer ones work
// and allocate.
const keyBufferBytes = 256

// with returns the series for values, which it makes when it is new.
func (f *family) with(values []string) *series {
	if len(values) != len(f.labels) {
		panic(fmt.Sprintf("observe: metric %s has %d labels, got %d values", f.name, len(f.labels), len(values)))
	}
	var buffer [keyBufferBytes]byte
	key := buffer[:0]
	for _, v := range values {
		v = cut(v)
		key = binary.AppendUvarint(key, uint64(len(v)))
		key = append(key, v...)
	}
	if s, ok := (*f.series.Load())[string(key)]; ok {
		return s
	}
	return f.insert(string(key), values)
}

func (f *family) insert(key string, values []string) *series {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := *f.series.Load()
	if s, ok := all[key]; ok {
		return s
	}
	if len(all) >= SeriesMax {
		if f.spill == nil {
			f.spill = f.newSeries(slices.Repeat([]string{OverflowValue}, len(f.labels)))
		}
		return f.spill
	}
	kept := make([]string, len(values))
	for i, v := range values {
		kept[i] = strings.Clone(cut(v))
	}
	s := f.newSeries(kept)
	next := maps.Clone(all)
	next[key] = s
	f.series.Store(&next)
	return s
}

func (f *family) newSeries(values []string) *series {
	s := &series{values: values}
	if f.typ == typeHistogram {
		s.bounds = f.buckets
		s.buckets = make([]atomic.Uint64, len(f.buckets)+1)
	}
	return s
}

// cut bounds a label value.
func cut(v string) string {
	if len(v) > LabelBytesMax {
		return v[:LabelBytesMax]
	}
	return v
}
