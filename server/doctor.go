package server

import (
	"context"
	"runtime"
	"time"

	"moln.dev/moln/engine/sandbox"
	"moln.dev/moln/engine/sandbox/nssandbox"
	"moln.dev/moln/engine/sandbox/ocisandbox"
	"moln.dev/moln/engine/sandbox/procsandbox"
	"moln.dev/moln/runtimes"
	"moln.dev/moln/services/lambda/host"
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
	finder := runtimes.HostFinder(runtimesDir, runtimes.UserCacheDir())
	usable := 0
	for _, language := range runtimes.Languages() {
		usable += r.language(finder, language)
	}
	r.add("provided", true, "programs of one's own (Go, Rust, .NET as native code) need no interpreter")
	r.CanRun = sandboxed && usable > 0
	return r
}

// Runtimes tells what runs each of AWS's runtime identifiers on this host.
func Runtimes(dir string) ([]runtimes.Identifier, error) {
	return runtimes.HostFinder(dir, runtimes.UserCacheDir()).Identifiers()
}

// language tells the interpreters of one, and how many will do.
func (r *Report) language(finder *runtimes.Finder, l runtimes.Language) int {
	usable := 0
	for _, i := range finder.Interpreters(l) {
		if err := finder.Ready(i); err != nil {
			r.add(string(l), false, i.Version+" at "+i.Path+": "+err.Error())
			continue
		}
		usable++
		r.add(string(l), true, i.Version+" at "+i.Path)
	}
	if len(finder.Interpreters(l)) == 0 {
		r.add(string(l), false, "functions of its runtimes cannot be created: "+runtimes.HowToAdd(l)+" (moln runtimes lists the identifiers)")
	}
	return usable
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
	for _, name := range []string{"crun", "runc", "runsc"} {
		d, err := ocisandbox.New(name)
		if err != nil {
			r.add("sandbox "+name, false, "not installed; --sandbox="+name+" would be "+runtimeWorth[name])
			continue
		}
		probe(d, nil)
		_ = d.Close()
	}
	isolated := usable
	probe(procsandbox.Driver{}, nil)
	return isolated || runtime.GOOS != "linux" // where it is not taken unasked
}

// runtimeWorth is what an OCI runtime would be good for.
var runtimeWorth = map[string]string{
	"crun":  "as strong as ns, by another maker's hand",
	"runc":  "as strong as ns, by another maker's hand, and slower to start",
	"runsc": "stronger than ns: gVisor gives each guest a kernel of its own, for some 100 ms and 65 MB apiece",
}

// KnownSandbox reports a name for --sandbox that cannot be meant.
func KnownSandbox(name string) error { return host.Known(name) }
