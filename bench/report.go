package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"text/tabwriter"
	"time"

	"moln.dev/moln/bench/load"
)

// row is one line of the report. Figures that a case does not have are zero.
type row struct {
	Part      string  `json:"part"`
	Case      string  `json:"case"`
	Workers   int     `json:"workers,omitempty"`
	PerSecond float64 `json:"perSecond,omitempty"`
	P50Micros float64 `json:"p50Micros,omitempty"`
	P99Micros float64 `json:"p99Micros,omitempty"`
	CPUMicros float64 `json:"cpuMicros,omitempty"` // of the server, for one operation
	// Value has a Unit where the case is no rate.
	Value float64 `json:"value,omitempty"`
	Unit  string  `json:"unit,omitempty"`
	Note  string  `json:"note,omitempty"`
}

// report is everything that one run of the program found.
type report struct {
	Time    string   `json:"time"`
	Machine string   `json:"machine"`
	Load    string   `json:"load"` // of the machine, before
	Runs    int      `json:"runs"`
	Period  string   `json:"period"`
	Rows    []row    `json:"rows"`
	Failed  []string `json:"failed,omitempty"`
}

func (r *report) describe(b *bench) {
	r.Time = time.Now().UTC().Format(time.RFC3339)
	r.Machine = fmt.Sprintf("%d cores, %s/%s, %s", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version())
	if avg, err := os.ReadFile("/proc/loadavg"); err == nil {
		r.Load = strings.Join(strings.Fields(string(avg))[:3], " ")
	}
	r.Runs, r.Period = b.runs, b.period.String()
}

func (r *report) add(part, name string, workers int, m load.Result) {
	micros := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }
	r.Rows = append(r.Rows, row{
		Part: part, Case: name, Workers: workers, PerSecond: m.PerSecond, P50Micros: micros(m.P50), P99Micros: micros(m.P99), CPUMicros: micros(m.CPU),
	})
}

func (r *report) value(part, name string, v float64, unit, note string) {
	r.Rows = append(r.Rows, row{Part: part, Case: name, Value: v, Unit: unit, Note: note})
}

func (r *report) json(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}

func (r *report) print(w io.Writer) {
	fmt.Fprintf(w, "%s; %s; load before %s; medians of %d runs of %s\n", r.Time, r.Machine, r.Load, r.Runs, r.Period)
	part := ""
	var t *tabwriter.Writer
	for _, row := range r.Rows {
		if row.Part != part {
			if t != nil {
				t.Flush()
			}
			part = row.Part
			fmt.Fprintf(w, "\n%s\n", part)
			t = tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		}
		fmt.Fprintln(t, "  "+row.text())
	}
	if t != nil {
		t.Flush()
	}
	for _, f := range r.Failed {
		fmt.Fprintf(w, "\nFAILED %s\n", f)
	}
}

func (r row) text() string {
	if r.Unit != "" {
		return fmt.Sprintf("%s\t%s %s\t%s", r.Case, figure(r.Value), r.Unit, r.Note)
	}
	cpu := ""
	if r.CPUMicros > 0 {
		cpu = "cpu " + figure(r.CPUMicros) + " µs"
	}
	return fmt.Sprintf("%s\tx%d\t%s/s\tp50 %s µs\tp99 %s µs\t%s\t%s", r.Case, r.Workers, figure(r.PerSecond), figure(r.P50Micros), figure(r.P99Micros), cpu, r.Note)
}

// figure shows three digits or more.
func figure(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}
