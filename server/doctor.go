package server

import (
	"context"
	"os"
	"time"

	"moln.dev/moln/engine/sandbox"
	"moln.dev/moln/engine/sandbox/nssandbox"
	"moln.dev/moln/engine/sandbox/procsandbox"
	"moln.dev/moln/runtimes"
)

// examineTimeout bounds what asking the host takes.
const examineTimeout = 20 * time.Second

// Finding is one thing that the host offers or lacks.
type Finding struct {
	Subject string `json:"subject"`
	OK      bool   `json:"ok"`
	Detail  string `json:"detail"`
}

// Report is what `moln doctor` says.
type Report struct {
	Findings []Finding `json:"findings"`
	// CanRun: there is a sandbox and an interpreter for at least one runtime.
	CanRun bool `json:"canRunFunctions"`
}

// Examine asks the host which runtimes and sandboxes it offers.
func Examine(runtimesDir string) Report {
	ctx, cancel := context.WithTimeout(context.Background(), examineTimeout)
	defer cancel()
	var r Report
	sandboxed := r.sandboxes(ctx)
	found := interpreters(ctx, runtimesDir)
	for _, language := range []runtimes.Language{runtimes.Node, runtimes.Python} {
		seen := false
		for _, i := range found {
			if i.Language == language {
				seen = true
				r.add(string(language), true, i.Version+" at "+i.Path)
			}
		}
		if !seen {
			r.add(string(language), false, "no interpreter found on PATH; functions of its runtimes cannot be created until one is installed or named with --runtimes")
		}
	}
	r.add("provided", true, "programs of one's own (Go, Rust) need no interpreter")
	r.CanRun = sandboxed && len(found) > 0
	return r
}

func interpreters(ctx context.Context, dir string) []runtimes.Interpreter {
	home, _ := os.UserHomeDir()
	dirs := runtimes.UsualDirs(home)
	if dir != "" {
		dirs = append([]string{dir}, dirs...)
	}
	return runtimes.Discover(ctx, os.Getenv("PATH"), dirs)
}

func (r *Report) add(subject string, ok bool, detail string) {
	r.Findings = append(r.Findings, Finding{subject, ok, detail})
}

func (r *Report) sandboxes(ctx context.Context) bool {
	usable := false
	probe := func(d sandbox.Driver, err error) {
		if err != nil {
			r.add("sandbox", false, err.Error())
			return
		}
		c := d.Probe(ctx)
		r.add("sandbox "+c.Driver, c.Usable, "")
		usable = usable || c.Usable
		for _, p := range c.List {
			r.add("  "+p.Name, p.OK, p.Detail)
		}
	}
	ns, err := nssandbox.New()
	probe(ns, err)
	if err == nil {
		defer ns.Close()
	}
	probe(procsandbox.Driver{}, nil)
	return usable
}
