package deploy

import (
	"context"
	"maps"
	"slices"

	"moln.dev/moln/services/cloudformation/template"
)

// walk calls fn for every node of g once all that it waits for is through, up
// to maxParallel at a time. After a failure nothing new is begun, or, if
// keepGoing, only what does not wait for it. stop is asked before each node. It
// returns when all calls have, with the errors by node.
func walk(ctx context.Context, g template.Graph, keepGoing bool, stop func() bool, fn func(ctx context.Context, id string) error) map[string]error {
	type result struct {
		id  string
		err error
	}
	failed := map[string]error{}
	done := map[string]bool{}
	begun := map[string]bool{}
	results := make(chan result)
	running := 0
	ready := func() string {
		for _, id := range slices.Sorted(maps.Keys(g)) {
			if begun[id] {
				continue
			}
			waits := slices.ContainsFunc(g[id], func(d string) bool {
				_, in := g[d]
				return in && !done[d]
			})
			if !waits {
				return id
			}
		}
		return ""
	}
	for {
		for running < maxParallel && (keepGoing || len(failed) == 0) {
			id := ready()
			if id == "" || stop() {
				break
			}
			begun[id] = true
			running++
			go func() { results <- result{id, fn(ctx, id)} }()
		}
		if running == 0 {
			return failed
		}
		got := <-results
		running--
		if got.err != nil {
			failed[got.id] = got.err
			continue
		}
		done[got.id] = true
	}
}
