package e2e

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	// soakClients invoke and deploy at the same time.
	soakClients = 8
	// soakLooks is how often the process is looked at while it works.
	soakLooks = 20
	// soakSettle is how long what is to end may take to end when the work is over.
	soakSettle = 60 * time.Second
	// What may be left over what there was before any function ran: connections
	// that are kept, caches.
	soakFilesMore, soakGoroutinesMore = 40, 60
	// soakMemoryGrowth is how much more memory, as a factor, the second half may
	// use than the first, and soakMemorySlack what does not count.
	soakMemoryGrowth, soakMemorySlack = 1.25, 32 << 20
)

// soakFunctions are what is invoked, by name; every one ends in the way that its
// name says.
var soakFunctions = map[string]struct{ runtime, source, outcome string }{
	"works":    {"nodejs20.x", `exports.handler = async (e) => ({got: e})`, ""},
	"works-py": {"python3.11", "def handler(event, context):\n    return event\n", ""},
	"throws":   {"nodejs20.x", `exports.handler = async () => { throw new Error("no") }`, "Unhandled"},
	"exits":    {"nodejs20.x", `exports.handler = async () => process.exit(3)`, "Unhandled"},
	"hangs":    {"python3.11", "import time\ndef handler(event, context):\n    time.sleep(60)\n", "Unhandled"},
	"eats":     {"nodejs20.x", `exports.handler = async () => { const all = []; for (;;) all.push(Buffer.alloc(8 << 20, 1)) }`, "Unhandled"},
	"no-init":  {"python3.11", "raise Exception('not today')\n", "Unhandled"},
	"forks":    {"python3.11", "import subprocess\ndef handler(event, context):\n    subprocess.Popen(['sleep', '1000'])\n", ""},
}

// TestSoak has functions that work, fail, hang, crash, eat memory and leave
// processes behind invoked and deployed again for a long time, and asserts that
// nothing of them is left: no process, mount, control group, file or goroutine; and
// that memory stays flat. MOLN_SOAK says how long; without it, it is skipped.
func TestSoak(t *testing.T) {
	text := os.Getenv("MOLN_SOAK")
	if text == "" {
		t.Skip("MOLN_SOAK is not set: make soak")
	}
	length, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	p := start(t, "--data-dir", t.TempDir())
	c := newClient(p.endpoint)
	c.makeSoakFunctions(t)
	before := p.settled(t)
	t.Logf("before: %v", before)
	ctx, cancel := context.WithTimeout(t.Context(), length)
	defer cancel()
	var count soakCount
	var all sync.WaitGroup
	for i := range soakClients {
		rng := rand.New(rand.NewPCG(uint64(i), 1))
		all.Go(func() { c.soak(ctx, t, rng, &count) })
	}
	var looks []resources
	for ctx.Err() == nil && !t.Failed() {
		select {
		case <-ctx.Done():
		case <-time.After(length / soakLooks):
			looks = append(looks, p.look(t))
			t.Logf("%v, %d invocations, %d deployments", looks[len(looks)-1], count.invoked.Load(), count.deployed.Load())
		}
	}
	all.Wait()
	if half := len(looks) / 2; half > 0 {
		first, second := mostMemory(looks[:half]), mostMemory(looks[half:])
		if float64(second) > float64(first)*soakMemoryGrowth+soakMemorySlack {
			t.Errorf("memory grew from %d to %d MiB", first>>20, second>>20)
		}
	}
	c.advance(t, time.Hour) // nobody uses the environments any more
	var after resources
	for deadline := time.Now().Add(soakSettle); ; time.Sleep(time.Second) {
		if after = p.look(t); after.within(before) == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Errorf("left behind: %v\nbefore: %v\nafter: %v", after.within(before), before, after)
			break
		}
	}
	t.Logf("after: %v; %d invocations, %d deployments", after, count.invoked.Load(), count.deployed.Load())
	if count.invoked.Load() == 0 || count.deployed.Load() == 0 {
		t.Error("nothing was done")
	}
}

// soakCount is what was done.
type soakCount struct{ invoked, deployed atomic.Int64 }

// soak invokes functions, and now and then deploys one again, until ctx is done.
func (c *client) soak(ctx context.Context, t *testing.T, rng *rand.Rand, count *soakCount) {
	names := make([]string, 0, len(soakFunctions))
	for name := range soakFunctions {
		names = append(names, name)
	}
	for ctx.Err() == nil && !t.Failed() {
		name := names[rng.IntN(len(names))]
		f := soakFunctions[name]
		if rng.IntN(40) == 0 {
			body, _ := json.Marshal(fields{"ZipFile": sourceZip(t, f.runtime, f.source+strings.Repeat("\n", rng.IntN(1000)))})
			a, err := c.do(context.WithoutCancel(ctx), "lambda", http.MethodPut, "/2015-03-31/functions/"+name+"/code", nil, body)
			if err != nil || a.status != http.StatusOK && a.status != http.StatusConflict {
				t.Errorf("deploy %s: %v %v", name, err, a.err())
			}
			count.deployed.Add(1)
			continue
		}
		header := http.Header{}
		if rng.IntN(5) == 0 {
			header.Set("X-Amz-Invocation-Type", "Event")
		}
		a, err := c.do(context.WithoutCancel(ctx), "lambda", http.MethodPost, "/2015-03-31/functions/"+name+"/invocations", header, []byte(`{"n":1}`))
		switch {
		case err != nil || a.err() != nil && a.status != http.StatusTooManyRequests:
			t.Errorf("invoke %s: %v %v", name, err, a.err())
		case a.status == http.StatusOK && a.header.Get("X-Amz-Function-Error") != f.outcome:
			t.Errorf("invoke %s: %q %s", name, a.header.Get("X-Amz-Function-Error"), a.body)
		}
		count.invoked.Add(1)
	}
}

func (c *client) makeSoakFunctions(t *testing.T) {
	t.Helper()
	must := succeeded(t)
	c.lambdaRole(t, "soak")
	for name, f := range soakFunctions {
		body, err := json.Marshal(fields{
			"FunctionName": name, "Runtime": f.runtime, "Handler": "index.handler", "Role": "arn:aws:iam::" + accountID + ":role/soak",
			"Timeout": 2, "Code": fields{"ZipFile": sourceZip(t, f.runtime, f.source)},
		})
		if err != nil {
			t.Fatal(err)
		}
		must(c.do(t.Context(), "lambda", http.MethodPost, "/2015-03-31/functions", nil, body))
		retries, _ := json.Marshal(fields{"MaximumRetryAttempts": 0})
		must(c.do(t.Context(), "lambda", http.MethodPut, "/2019-09-25/functions/"+name+"/event-invoke-config", nil, retries))
	}
}

// sourceZip is the package of a function of one file.
func sourceZip(t *testing.T, runtime, source string) string {
	t.Helper()
	name := "index.js"
	if strings.HasPrefix(runtime, "python") {
		name = "index.py"
	}
	return base64.StdEncoding.EncodeToString(zipped(t, name, source))
}

// resources are what a process holds of the machine.
type resources struct {
	files, goroutines, processes, mounts, groups int
	memory                                       int64 // bytes resident
}

func (r resources) String() string {
	return fmt.Sprintf("%d files, %d goroutines, %d processes, %d mounts, %d control groups, %d MiB", r.files, r.goroutines, r.processes, r.mounts, r.groups, r.memory>>20)
}

// within says what r has more than it may over what there was.
func (r resources) within(before resources) error {
	switch {
	case r.files > before.files+soakFilesMore:
		return fmt.Errorf("%d files more", r.files-before.files)
	case r.goroutines > before.goroutines+soakGoroutinesMore:
		return fmt.Errorf("%d goroutines more", r.goroutines-before.goroutines)
	case r.processes > before.processes:
		return fmt.Errorf("%d processes more", r.processes-before.processes)
	case r.mounts > before.mounts:
		return fmt.Errorf("%d mounts more", r.mounts-before.mounts)
	case r.groups > before.groups:
		return fmt.Errorf("%d control groups more", r.groups-before.groups)
	}
	return nil
}

func mostMemory(looks []resources) (most int64) {
	for _, r := range looks {
		most = max(most, r.memory)
	}
	return most
}

// settled looks when the helpers that moln keeps in stock for its sandboxes, and
// the environments that it starts in advance, are there.
func (p *process) settled(t *testing.T) resources {
	t.Helper()
	last := p.look(t)
	for deadline := time.Now().Add(soakSettle); ; {
		time.Sleep(time.Second)
		now := p.look(t)
		if now.processes == last.processes && now.groups == last.groups || time.Now().After(deadline) {
			return now
		}
		last = now
	}
}

// look counts what a running moln holds.
func (p *process) look(t *testing.T) resources {
	t.Helper()
	pid := p.cmd.Process.Pid
	r := resources{goroutines: p.gauge(t, "go_goroutines"), files: p.gauge(t, "process_open_fds"), processes: len(descendants(pid))}
	mounts, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", pid))
	if err != nil {
		t.Fatal(err)
	}
	r.mounts = bytes.Count(mounts, []byte("\n"))
	for _, pattern := range []string{"/sys/fs/cgroup/*/moln-%d", "/sys/fs/cgroup/moln-%d", "/sys/fs/cgroup/*/*/moln-%d"} {
		bases, _ := filepath.Glob(fmt.Sprintf(pattern, pid))
		for _, base := range bases {
			below, _ := filepath.Glob(base + "/*/cgroup.procs")
			r.groups += len(below)
		}
	}
	statm, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if f := strings.Fields(string(statm)); err == nil && len(f) > 1 {
		pages, _ := strconv.ParseInt(f[1], 10, 64)
		r.memory = pages * int64(os.Getpagesize())
	}
	return r
}

// gauge reads one of moln's metrics.
func (p *process) gauge(t *testing.T, name string) int {
	t.Helper()
	resp, err := http.Get(p.endpoint + "/_moln/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var text bytes.Buffer
	if _, err := text.ReadFrom(resp.Body); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(text.String()) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			n, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				t.Fatal(err)
			}
			return int(n)
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

// descendants are the processes that a process started, and those that they did.
func descendants(pid int) []int {
	parents := map[int][]int{}
	all, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range all {
		stat, err := os.ReadFile(name)
		_, rest, ok := strings.Cut(string(stat), ") ")
		f := strings.Fields(rest)
		if err != nil || !ok || len(f) < 2 {
			continue
		}
		child, _ := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		parent, _ := strconv.Atoi(f[1])
		parents[parent] = append(parents[parent], child)
	}
	var out []int
	for todo := []int{pid}; len(todo) > 0; todo = todo[1:] {
		out = append(out, parents[todo[0]]...)
		todo = append(todo, parents[todo[0]]...)
	}
	return out
}
