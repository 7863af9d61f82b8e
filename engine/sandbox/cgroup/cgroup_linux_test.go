package cgroup

import "testing"

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
	if err := g.SetCPU(0); err != nil {
		t.Error(err)
	}
	if err := g.Close(); err != nil {
		t.Error(err)
	}
}
