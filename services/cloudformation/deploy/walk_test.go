package deploy

import (
	"context"
	"errors"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"moln.dev/moln/services/cloudformation/template"
)

func TestWalk(t *testing.T) {
	g := template.Graph{"A": nil, "B": {"A"}, "C": {"A"}, "D": {"B", "C"}, "E": nil}
	tests := []struct {
		name      string
		fails     string
		keepGoing bool
		want      string // in order of names
	}{
		{"all", "", false, "A B C D E"},
		{"what does not wait goes on", "A", true, "A E"},
		{"a failure late", "D", false, "A B C D E"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var mu sync.Mutex
			done := map[string]bool{}
			failed := walk(context.Background(), g, tt.keepGoing, func() bool { return false }, func(_ context.Context, id string) error {
				mu.Lock()
				defer mu.Unlock()
				for _, d := range g[id] {
					if !done[d] {
						t.Errorf("%s before %s", id, d)
					}
				}
				done[id] = true
				if id == tt.fails {
					return errors.New("no")
				}
				return nil
			})
			if got := strings.Join(slices.Sorted(maps.Keys(done)), " "); got != tt.want {
				t.Errorf("did %s, want %s", got, tt.want)
			}
			if got := strings.Join(slices.Sorted(maps.Keys(failed)), " "); got != tt.fails {
				t.Errorf("failed %s, want %s", got, tt.fails)
			}
		})
	}
}

func TestWalkIsBounded(t *testing.T) {
	g := template.Graph{}
	for _, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZ" {
		g[string(c)] = nil
	}
	var now, most atomic.Int64
	release := make(chan struct{})
	go func() {
		for now.Load() < maxParallel {
			runtime.Gosched()
		}
		close(release)
	}()
	walk(context.Background(), g, false, func() bool { return false }, func(context.Context, string) error {
		most.Store(max(most.Load(), now.Add(1)))
		<-release
		now.Add(-1)
		return nil
	})
	if most.Load() > maxParallel {
		t.Errorf("%d at a time", most.Load())
	}
}
