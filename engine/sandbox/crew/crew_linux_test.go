package crew_test

import (
	"bufio"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"moln.dev/moln/engine/sandbox"
	"moln.dev/moln/engine/sandbox/crew"
	"moln.dev/moln/engine/sandbox/nssandbox"
	"moln.dev/moln/engine/sandbox/procsandbox"
)

func TestMain(m *testing.M) {
	nssandbox.Main()
	crew.Main()
	os.Exit(m.Run())
}

type ended struct {
	name  string
	state sandbox.ExitState
}

func TestCrew(t *testing.T) {
	t.Run("process", func(t *testing.T) { testCrew(t, procsandbox.Driver{}) })
	t.Run("ns", func(t *testing.T) {
		d, err := nssandbox.New()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = d.Close() })
		if c, _ := d.Probe(t.Context()).Get("sandbox"); !c.OK {
			t.Skip(c.Detail)
		}
		testCrew(t, d)
	})
}

func testCrew(t *testing.T, d sandbox.Driver) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "plain"), []byte("no program"), 0o644); err != nil {
		t.Fatal(err)
	}
	spec := sandbox.Spec{Pipes: 2, Mounts: []sandbox.Mount{{Source: dir, Target: "/opt", ReadOnly: true}}}
	if err := crew.Fit(&spec); err != nil {
		t.Fatal(err)
	}
	sb, err := d.Start(ctx, spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = sb.Kill()
		for _, p := range sb.Pipes() {
			_ = p.Close()
		}
	})
	exits := make(chan ended, 4)
	c, err := crew.Accept(ctx, sb, func(name string, state sandbox.ExitState) { exits <- ended{name, state} })
	if err != nil {
		t.Fatal(err)
	}
	start := func(p crew.Program) {
		t.Helper()
		if err := c.Start(ctx, p); err != nil {
			t.Fatal(err)
		}
	}
	// Each has the environment and the pipes that were named for it.
	start(crew.Program{
		Name: "one", Command: []string{"/bin/sh", "-c", `trap 'exit 7' TERM; echo out $WHO; echo own >&3; while :; do sleep 0.01; done`},
		Env: []string{"WHO=one", "PATH=/usr/bin:/bin"}, Output: 0, Errors: 1, Pipes: []int{2},
	})
	start(crew.Program{
		Name: "two", Command: []string{"/bin/sh", "-c", `echo out $WHO; echo err >&2; [ -e /proc/self/fd/3 ] && echo more; exec sleep 100`},
		Env: []string{"WHO=two", "PATH=/usr/bin:/bin"}, Output: 3, Errors: 3,
	})
	for i, want := range map[int]string{0: "out one\n", 2: "own\n", 3: "out two\n"} {
		if got, err := bufio.NewReader(sb.Pipes()[i]).ReadString('\n'); err != nil || got != want {
			t.Errorf("pipe %d: %q, %v; want %q", i, got, err, want)
		}
	}
	var launch *crew.LaunchError
	err = c.Start(ctx, crew.Program{Name: "three", Command: []string{sandbox.PathRef("/opt/plain")}})
	if !errors.As(err, &launch) || !errors.Is(err, fs.ErrPermission) {
		t.Errorf("started what is no program: %v", err)
	}
	if s, err := sb.Stats(); err != nil || s.Processes < 2 || s.MemoryPeakBytes > 32<<20 {
		t.Errorf("stats %+v, %v: two shells and not the supervisor", s, err)
	}
	if err := c.Signal("one", syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if got := <-exits; got.name != "one" || got.state.Status != 7 {
		t.Errorf("ended %+v", got)
	}
	if err := c.Signal("one", syscall.SIGKILL); err != nil {
		t.Errorf("a signal to who has ended: %v", err)
	}
	if err := c.Signal("two", syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if got := <-exits; got.name != "two" || got.state.Signal != syscall.SIGKILL {
		t.Errorf("ended %+v", got)
	}
	start(crew.Program{Name: "four", Command: []string{"/bin/sleep", "100"}})
	if err := sb.Kill(); err != nil {
		t.Fatal(err)
	}
	<-c.Gone()
	if err := c.Start(ctx, crew.Program{Name: "five", Command: []string{"/bin/true"}}); err == nil {
		t.Error("started a program in a dead sandbox")
	}
}
