package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

const (
	sharesPart = "shares"
	// profileEnv names the file that a benchmark leaves its profile in.
	profileEnv = "MOLN_BENCH_PROFILE"
)

// shareOps is how many operations a profile is taken over.
const shareOps = 40_000

// layers are the parts of a request that the processor's time is told of, by the
// functions that hold all of it. Time below several counts for the first.
var layers = []struct {
	name      string
	functions []string
}{
	{"client of the benchmark", []string{"bench/load.Loop.func1"}},
	{"garbage collection, background", []string{"runtime.gcBgMarkWorker", "runtime.bgsweep", "runtime.bgscavenge"}},
	{"background of the store (flush, compaction, log)", []string{
		"pebble/v2.(*DB).flush", "pebble/v2.(*DB).compact", "pebble/v2/record.(*LogWriter).flushLoop"}},
	{"signature and caller", []string{"gateway.(*Gateway).authenticate", "gateway.(*Gateway).route"}},
	{"codec and constraints", []string{"awsjson.Codec.Decode", "awsquery.Codec.Decode", "awsjson.Codec.Encode", "awsquery.Codec.Encode", "gateway.(*Gateway).validate"}},
	{"authorization", []string{"gateway.(*Gateway).authorize"}},
	{"engine", []string{"engine/kv.(*DB)."}},
	{"service", []string{"platform/service.Table["}},
	{"record (audit, metrics)", []string{"gateway.(*Gateway).recordExchange", "audit.(*Log).write"}},
	{"rest of the gateway", []string{"gateway.(*Gateway).ServeHTTP"}},
	{"HTTP (net/http, sockets)", []string{"net/http."}},
}

// shares takes profiles of the server in the process of a benchmark and says
// which layers its processor time went to.
func (b *bench) shares() error {
	binary := filepath.Join(b.scratch, "bench.test")
	if out, err := exec.CommandContext(b.ctx, "go", "test", "-c", "-o", binary, "moln.dev/moln/bench").CombinedOutput(); err != nil {
		return fmt.Errorf("go test -c: %w\n%s", err, out)
	}
	for _, name := range []string{"Identity", "GetItem", "PutItem", "UpdateItem", "Query"} {
		if err := b.share(binary, name); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func (b *bench) share(binary, name string) error {
	profile := filepath.Join(b.scratch, name+".prof")
	ops := shareOps
	if name == "Query" {
		ops /= 10
	}
	run := exec.CommandContext(b.ctx, binary, "-test.run", "^$", "-test.bench", "^Benchmark"+name+"$", "-test.benchtime", fmt.Sprint(ops, "x"))
	run.Env = append(run.Environ(), profileEnv+"="+profile)
	if out, err := run.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	traces, err := exec.CommandContext(b.ctx, "go", "tool", "pprof", "-traces", "-unit", "us", binary, profile).Output()
	if err != nil {
		return fmt.Errorf("pprof: %w", err)
	}
	spent, total := divide(string(traces))
	for i, l := range layers {
		b.shareRow(name, l.name, spent[i], total, ops)
	}
	b.shareRow(name, "other (scheduler, timers)", spent[len(layers)], total, ops)
	return nil
}

func (b *bench) shareRow(name, layer string, micros, total float64, ops int) {
	b.report.value(sharesPart, name+": "+layer, micros/float64(ops), "µs", fmt.Sprintf("%.0f %%", 100*micros/total))
}

// sampleLine is the first line of a sample in what pprof -traces prints.
var sampleLine = regexp.MustCompile(`^\s*([0-9.]+)us\s+(\S.*)$`)

// divide adds up samples by layer; the last number is of no layer.
func divide(traces string) (spent []float64, total float64) {
	spent = make([]float64, len(layers)+1)
	for sample := range strings.SplitSeq(traces, "-----------+") {
		micros, stack := 0.0, ""
		for line := range strings.Lines(sample) {
			if m := sampleLine.FindStringSubmatch(strings.TrimSuffix(line, "\n")); m != nil {
				micros, _ = strconv.ParseFloat(m[1], 64)
				stack = m[2]
			}
			stack += line
		}
		spent[layerOf(stack)] += micros
		total += micros
	}
	return spent, total
}

func layerOf(stack string) int {
	for i, l := range layers {
		for _, f := range l.functions {
			if strings.Contains(stack, f) {
				return i
			}
		}
	}
	return len(layers)
}
