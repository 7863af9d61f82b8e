package observe

import (
	"bufio"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// ContentType is that of what WritePrometheus writes.
const ContentType = "text/plain; version=0.0.4; charset=utf-8"

// WritePrometheus writes all metrics in the Prometheus text format, in the
// order of their names and label values. Numbers of one histogram may be of
// slightly different moments; its buckets never descend and its count is that
// of the last bucket.
func (r *Registry) WritePrometheus(w io.Writer) error {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	families := slices.SortedFunc(maps.Values(r.metrics), func(a, b *family) int { return strings.Compare(a.name, b.name) })
	r.mu.Unlock()
	out := bufio.NewWriter(w)
	for _, f := range families {
		f.write(out)
	}
	return out.Flush()
}

func (f *family) write(w *bufio.Writer) {
	all := slices.SortedFunc(maps.Values(*f.series.Load()), func(a, b *series) int { return slices.Compare(a.values, b.values) })
	f.mu.Lock()
	if f.spill != nil {
		all = append(all, f.spill)
	}
	f.mu.Unlock()
	if len(all) == 0 {
		return
	}
	// bufio.Writer keeps the first error for Flush.
	_, _ = w.WriteString("# HELP " + f.name + " " + helpEscaper.Replace(f.help) + "\n# TYPE " + f.name + " " + string(f.typ) + "\n")
	for _, s := range all {
		f.writeSeries(w, s)
	}
}

func (f *family) writeSeries(w *bufio.Writer, s *series) {
	labels := f.labelText(s.values)
	switch f.typ {
	case typeCounter:
		writeSample(w, f.name, labels, strconv.FormatUint(s.count.Load(), 10))
	case typeGauge:
		writeSample(w, f.name, labels, formatFloat(math.Float64frombits(s.sum.Load())))
	case typeHistogram:
		below := uint64(0)
		for i := range s.buckets {
			below += s.buckets[i].Load()
			bound := "+Inf"
			if i < len(s.bounds) {
				bound = formatFloat(s.bounds[i])
			}
			writeSample(w, f.name+"_bucket", joinLabels(labels, `le="`+bound+`"`), strconv.FormatUint(below, 10))
		}
		writeSample(w, f.name+"_sum", labels, formatFloat(math.Float64frombits(s.sum.Load())))
		writeSample(w, f.name+"_count", labels, strconv.FormatUint(below, 10))
	}
}

func (f *family) labelText(values []string) string {
	var b strings.Builder
	for i, l := range f.labels {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(l)
		b.WriteString(`="`)
		b.WriteString(labelEscaper.Replace(strings.ToValidUTF8(values[i], "\uFFFD")))
		b.WriteByte('"')
	}
	return b.String()
}

func joinLabels(a, b string) string {
	if a == "" {
		return b
	}
	return a + "," + b
}

func writeSample(w *bufio.Writer, name, labels, value string) {
	_, _ = w.WriteString(name)
	if labels != "" {
		_, _ = w.WriteString("{" + labels + "}")
	}
	_, _ = w.WriteString(" " + value + "\n")
}

func formatFloat(v float64) string {
	switch {
	case math.IsInf(v, 1):
		return "+Inf"
	case math.IsInf(v, -1):
		return "-Inf"
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

var (
	helpEscaper  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	labelEscaper = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
)
