package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"moln.dev/moln/bench/load"
	"moln.dev/moln/bench/target"
)

// many measures a moln with many functions: what they weigh, and what a burst of
// cold requests does.
func (b *bench) many(role string) error {
	s, err := b.moln("many")
	if err != nil {
		return err
	}
	defer s.Stop()
	if role, err = b.makeRole(s); err != nil {
		return err
	}
	node := hellos()[0]
	before, err := memory(s.Pid())
	if err != nil {
		return err
	}
	began := time.Now()
	for i := range functionsDeployed {
		one := node
		one.source += fmt.Sprintf("// %d\n", i)
		if err := b.makeFunction(s, fmt.Sprintf("f%03d", i), role, one, nil); err != nil {
			return err
		}
	}
	took := time.Since(began)
	b.report.value(lambdaPart, "functions deployed, one after the other", functionsDeployed/took.Seconds(), "/s", fmt.Sprintf("%d functions", functionsDeployed))
	after, err := memory(s.Pid())
	if err != nil {
		return err
	}
	b.report.value(lambdaPart, "memory of moln for each function that does not run", (after["Rss"]-before["Rss"])*kilobytes/functionsDeployed, "kB", "none has run")
	if err := b.burst(s, role, node); err != nil {
		return err
	}
	return b.density(role, node)
}

// burst sends many cold requests for one function at the same moment.
func (b *bench) burst(s *target.Server, role string, h hello) error {
	h.source = "exports.handler = async () => { await new Promise((r) => setTimeout(r, 100)); return 'hi' }\n"
	if err := b.makeFunction(s, "burst", role, h, nil); err != nil {
		return err
	}
	took, began := make([]time.Duration, burstSize), time.Now()
	failed := make([]error, burstSize)
	var all sync.WaitGroup
	for i := range burstSize {
		all.Go(func() {
			failed[i] = s.Send(b.ctx, invocation("burst"), nil)
			took[i] = time.Since(began)
		})
	}
	all.Wait()
	answered := 0
	var why string
	for _, err := range failed {
		if err == nil {
			answered++
		} else {
			why = err.Error()
		}
	}
	b.report.add(lambdaPart, fmt.Sprintf("burst of %d cold requests, of 100 ms each: %d answered %s", burstSize, answered, why), burstSize, load.Summarize(took, time.Since(began)))
	return nil
}

// density reads what environments that wait hold in memory.
func (b *bench) density(role string, h hello) error {
	s, err := b.moln("density")
	if err != nil {
		return err
	}
	defer s.Stop()
	if role, err = b.makeRole(s); err != nil {
		return err
	}
	h.source = "exports.handler = async () => { await new Promise((r) => setTimeout(r, 1500)); return 'hi' }\n"
	if err := b.makeFunction(s, "idle", role, h, object{"Variables": object{h.startVariable: h.startValue}}); err != nil {
		return err
	}
	var all sync.WaitGroup
	for range idleEnvironments {
		all.Go(func() { err = s.Send(b.ctx, invocation("idle"), nil) })
	}
	all.Wait()
	if err != nil {
		return err
	}
	time.Sleep(frozenAfter)
	held, guests := 0.0, 0
	for _, pid := range descendants(s.Pid()) {
		share, err := memory(pid)
		if err != nil {
			return err
		}
		held += share["Pss"]
		if isNode(pid) {
			guests++
		}
	}
	if guests == 0 {
		return fmt.Errorf("density: no environment is there")
	}
	b.report.value(lambdaPart, "memory (PSS) of an idle Node environment, with what watches it", held/float64(guests), "MB", fmt.Sprintf("%d environments", guests))
	return nil
}

// isNode says that a process is an interpreter of the function.
func isNode(pid int) bool {
	name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	return strings.HasPrefix(string(name), "node")
}

// descendants are the processes that a process started, and those that they did.
func descendants(pid int) []int {
	children := map[int][]int{}
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
		children[parent] = append(children[parent], child)
	}
	var out []int
	for todo := []int{pid}; len(todo) > 0; todo = todo[1:] {
		out = append(out, children[todo[0]]...)
		todo = append(todo, children[todo[0]]...)
	}
	return out
}
