package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
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

// markdown prints a table for each part: where cases are "server: operation",
// with a row for each operation and a column for each server.
func (r *report) markdown(w io.Writer) {
	fmt.Fprintf(w, "%s; %s; load before %s; medians of %d runs of %s\n", r.Time, r.Machine, r.Load, r.Runs, r.Period)
	for _, part := range r.parts() {
		fmt.Fprintf(w, "\n%s\n\n", part)
		if part == dynamodbPart || part == s3Part {
			r.pivot(w, part)
			continue
		}
		fmt.Fprint(w, "| | | |\n|---|---|---|\n")
		for _, row := range r.Rows {
			if row.Part == part {
				fmt.Fprintf(w, "| %s |\n", strings.Join(strings.Split(row.text(), "\t"), " | "))
			}
		}
	}
	for _, f := range r.Failed {
		fmt.Fprintf(w, "\nFAILED %s\n", f)
	}
}

func (r *report) parts() []string {
	var out []string
	for _, row := range r.Rows {
		if !slices.Contains(out, row.Part) {
			out = append(out, row.Part)
		}
	}
	return out
}

func (r *report) pivot(w io.Writer, part string) {
	var servers, operations []string
	cells := map[string]string{}
	for _, row := range r.Rows {
		if row.Part != part {
			continue
		}
		server, operation, _ := strings.Cut(row.Case, ": ")
		operation = fmt.Sprintf("%s | %d", operation, row.Workers)
		if !slices.Contains(servers, server) {
			servers = append(servers, server)
		}
		if !slices.Contains(operations, operation) {
			operations = append(operations, operation)
		}
		cells[server+operation] = row.cell()
	}
	fmt.Fprintf(w, "| operations/s (µs of cpu) | connections | %s |\n|---|--:|%s\n", strings.Join(servers, " | "), strings.Repeat("--:|", len(servers)))
	for _, operation := range operations {
		fmt.Fprintf(w, "| %s |", operation)
		for _, server := range servers {
			fmt.Fprintf(w, " %s |", cells[server+operation])
		}
		fmt.Fprintln(w)
	}
}

func (r row) cell() string {
	switch {
	case r.PerSecond == 0:
		return "fails"
	case r.CPUMicros > 0:
		return fmt.Sprintf("%s (%s)", figure(r.PerSecond), figure(r.CPUMicros))
	}
	return figure(r.PerSecond)
}
