// Package load drives something in a closed loop: a fixed number of workers,
// each of which begins its next operation when the last one has ended, until
// the time or the number of operations is used up.
//
// Requests over HTTP are whole, signed byte strings made before the clock
// starts, sent over connections of its own (conn.go), so that the machine's
// time goes to the server and not to a client library. It is no general HTTP
// client, and it knows nothing of AWS.
package load

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// OpsMax bounds the operations of one run, whatever its limit says.
const OpsMax = 2_000_000

// Limit ends a run: at the first of the two. Zero Ops means OpsMax.
type Limit struct {
	Time time.Duration
	Ops  int
}

// Result is one run.
type Result struct {
	Ops       int
	Elapsed   time.Duration
	P50, P99  time.Duration
	PerSecond float64
	// CPU is what the server's process spent on one operation, where somebody
	// measured it. It says more than the rate when others use the machine.
	CPU time.Duration
}

// Loop calls op from workers goroutines; i counts the calls of one worker. The
// first error ends the run.
func Loop(workers int, limit Limit, op func(worker, i int) error) (Result, error) {
	if limit.Ops <= 0 || limit.Ops > OpsMax {
		limit.Ops = OpsMax
	}
	each := (limit.Ops + workers - 1) / workers
	took := make([][]time.Duration, workers)
	errs := make([]error, workers)
	var wg sync.WaitGroup
	start := time.Now()
	deadline := start.Add(limit.Time)
	for w := range workers {
		wg.Go(func() {
			mine := make([]time.Duration, 0, min(each, 1<<16))
			began := time.Now()
			for i := 0; i < each && began.Before(deadline); i++ {
				if err := op(w, i); err != nil {
					errs[w] = fmt.Errorf("operation %d: %w", i, err)
					break
				}
				now := time.Now()
				mine = append(mine, now.Sub(began))
				began = now
			}
			took[w] = mine
		})
	}
	wg.Wait()
	elapsed := time.Since(start)
	for _, err := range errs {
		if err != nil {
			return Result{}, err
		}
	}
	return Summarize(slices.Concat(took...), elapsed), nil
}

// Summarize makes a Result of single durations.
func Summarize(took []time.Duration, elapsed time.Duration) Result {
	if len(took) == 0 {
		return Result{Elapsed: elapsed}
	}
	slices.Sort(took)
	at := func(q float64) time.Duration { return took[int(q*float64(len(took)-1))] }
	return Result{
		Ops: len(took), Elapsed: elapsed, P50: at(.50), P99: at(.99),
		PerSecond: float64(len(took)) / elapsed.Seconds(),
	}
}

// Median takes the median of each figure over several runs.
func Median(runs []Result) Result {
	if len(runs) == 0 {
		return Result{}
	}
	m := Result{
		Elapsed: middle(runs, func(r Result) time.Duration { return r.Elapsed }),
		P50:     middle(runs, func(r Result) time.Duration { return r.P50 }),
		P99:     middle(runs, func(r Result) time.Duration { return r.P99 }),
		CPU:     middle(runs, func(r Result) time.Duration { return r.CPU }),
		Ops:     middle(runs, func(r Result) int { return r.Ops }),
	}
	m.PerSecond = middle(runs, func(r Result) float64 { return r.PerSecond })
	return m
}

func middle[T int | float64 | time.Duration](runs []Result, get func(Result) T) T {
	all := make([]T, len(runs))
	for i, r := range runs {
		all[i] = get(r)
	}
	slices.Sort(all)
	return all[len(all)/2]
}
