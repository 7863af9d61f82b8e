package main

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"moln.dev/moln/bench/target"
)

const (
	startRuns = 10
	idleRuns  = 3
	idleAfter = 2 * time.Second
	kilobytes = 1024.0
	megabytes = 1 << 20
)

// start measures from exec to ready, what an idle server holds, and the binary.
func (b *bench) start() error {
	var first, again []float64
	for i := range startRuns {
		dir, err := b.dir(fmt.Sprint("start", i))
		if err != nil {
			return err
		}
		for _, list := range []*[]float64{&first, &again} {
			s, err := target.Start(b.ctx, b.launch(dir))
			if err != nil {
				return err
			}
			*list = append(*list, float64(s.Started.Microseconds())/1e3)
			s.Stop()
		}
	}
	spread := func(list []float64) string {
		return fmt.Sprintf("%s to %s, %d runs", figure(slices.Min(list)), figure(slices.Max(list)), len(list))
	}
	b.report.value("start", "exec to ready, new data directory", median(first), "ms", spread(first))
	b.report.value("start", "exec to ready, the same again", median(again), "ms", spread(again))
	if err := b.idle(); err != nil {
		return err
	}
	st, err := os.Stat(b.binary)
	if err != nil {
		return err
	}
	b.report.value("start", "binary", float64(st.Size())/megabytes, "MB", "")
	return nil
}

// idle reads what an idle server holds in memory: its own pages, and those of
// files (the binary, mostly), which the system can drop and read again.
func (b *bench) idle() error {
	var rss, own []float64
	for i := range idleRuns {
		s, err := b.moln(fmt.Sprint("idle", i))
		if err != nil {
			return err
		}
		time.Sleep(idleAfter)
		m, err := memory(s.Pid())
		s.Stop()
		if err != nil {
			return err
		}
		rss, own = append(rss, m["Rss"]), append(own, m["Anonymous"])
	}
	b.report.value("start", "idle resident memory", median(rss), "MB", fmt.Sprintf("%s MB of it anonymous, the rest pages of the binary", figure(median(own))))
	return nil
}

func median(list []float64) float64 {
	list = slices.Sorted(slices.Values(list))
	return list[len(list)/2]
}

// memory reads /proc/PID/smaps_rollup, in MB.
func memory(pid int) (map[string]float64, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return nil, err
	}
	out := map[string]float64{}
	for line := range strings.Lines(string(raw)) {
		f := strings.Fields(line)
		if len(f) == 3 && f[2] == "kB" {
			kb, err := strconv.ParseFloat(f[1], 64)
			if err != nil {
				return nil, err
			}
			out[strings.TrimSuffix(f[0], ":")] = kb / kilobytes
		}
	}
	return out, nil
}
