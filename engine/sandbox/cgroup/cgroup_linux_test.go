package cgroup

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestField(t *testing.T) {
	text := "low 0\noom 3\noom_kill 12\noom_group_kill 1\n"
	for _, tc := range []struct {
		key  string
		want int64
		ok   bool
	}{{"oom_kill", 12, true}, {"oom", 3, true}, {"max", 0, false}} {
		got, ok := field(text, tc.key)
		if got != tc.want || ok != tc.ok {
			t.Errorf("field(%q) = %d, %v; want %d, %v", tc.key, got, ok, tc.want, tc.ok)
		}
	}
}

func TestGroupIsRemovedAgain(t *testing.T) {
	m := Open()
	defer func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}()
	g, err := m.New(Limits{MemoryBytes: 64 << 20, CPUMilli: 100, Processes: 10})
	if err != nil {
		t.Fatal(err)
	}
	if g == nil {
		t.Skip("this host delegates no control group")
	}
	for milli, want := range map[int]string{72: "73 7", 1000: "1024 100", 5_000_000: "262144 10000", 1: "2 1"} {
		dir, isV2, ok := g.dir("cpu")
		if !ok {
			break
		}
		if err := g.setWeight(milli); err != nil {
			t.Fatal(err)
		}
		shares, weight, _ := strings.Cut(want, " ")
		file, want := "cpu.shares", shares
		if isV2 {
			file, want = "cpu.weight", weight
		}
		if got, err := os.ReadFile(filepath.Join(dir, file)); err != nil || strings.TrimSpace(string(got)) != want {
			t.Errorf("%d: %s is %q, %v", milli, file, got, err)
		}
	}
	if err := g.SetCPU(0); err != nil {
		t.Error(err)
	}
	if err := g.Close(); err != nil {
		t.Error(err)
	}
}
