package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
)

// benchLine is one line of go test -bench.
var benchLine = regexp.MustCompile(`(?m)^(Benchmark\S+?)(?:-\d+)?\s+\d+\s+([0-9.]+) ns/op(.*)$`)

// codecs runs the benchmarks that lie beside the code: wire formats, signatures
// and policies, in this process's place and time.
func (b *bench) codecs() error {
	cmd := exec.CommandContext(b.ctx, "go", "test", "-run", "^$", "-bench", ".", "-benchmem", "-benchtime", "200ms",
		"moln.dev/moln/wire/...", "moln.dev/moln/aws/...")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("go test -bench: %w\n%s", err, out)
	}
	pkg := ""
	for line := range bytes.Lines(out) {
		if name, ok := bytes.CutPrefix(line, []byte("pkg: moln.dev/moln/")); ok {
			pkg = strings.TrimSpace(string(name))
		}
		m := benchLine.FindSubmatch(line)
		if m == nil {
			continue
		}
		ns, err := strconv.ParseFloat(string(m[2]), 64)
		if err != nil {
			return err
		}
		note := strings.Join(strings.Fields(string(m[3])), " ")
		b.report.value("codecs", pkg+" "+strings.TrimPrefix(string(m[1]), "Benchmark"), ns, "ns/op", note)
	}
	return nil
}
