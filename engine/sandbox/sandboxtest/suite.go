// Package sandboxtest is the suite that defines what a sandbox driver promises.
// Each driver runs Run; drivers that isolate run Escapes as well.
package sandboxtest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"moln.dev/moln/engine/sandbox"
)

const patience = 20 * time.Second

// Options tells the suite what it may expect of the driver on this host.
type Options struct {
	Driver sandbox.Driver
	// MemoryLimit and ProcessLimit say that these limits are enforced.
	MemoryLimit  bool
	ProcessLimit bool
	CPULimit     bool
	// SetsHome says that a guest whose environment has no HOME is given one.
	SetsHome bool
}

// Result is what a guest wrote and how it ended.
type Result struct {
	Stdout, Stderr string
	Exit           sandbox.ExitState
}

// start begins a guest that is killed when the test ends.
func start(t *testing.T, d sandbox.Driver, spec sandbox.Spec) sandbox.Sandbox {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	sb, err := d.Start(ctx, spec)
	if err != nil {
		t.Fatalf("start: %v", err)
	}
	t.Cleanup(func() {
		if err := sb.Kill(); err != nil {
			t.Errorf("kill: %v", err)
		}
		for _, p := range sb.Pipes() {
			_ = p.Close()
		}
	})
	return sb
}

// shell runs a script to its end.
func shell(t *testing.T, d sandbox.Driver, spec sandbox.Spec, script string) Result {
	t.Helper()
	spec.Command = []string{"/bin/sh", "-c", script}
	sb := start(t, d, spec)
	return finish(t, sb)
}

func finish(t *testing.T, sb sandbox.Sandbox) Result {
	t.Helper()
	timer := time.AfterFunc(patience, func() { _ = sb.Kill() })
	defer timer.Stop()
	texts := make(chan string)
	go func() { text, _ := io.ReadAll(sb.Pipes()[1]); texts <- string(text) }()
	out, err := io.ReadAll(sb.Pipes()[0])
	if err != nil {
		t.Errorf("read output: %v", err)
	}
	return Result{Stdout: string(out), Stderr: <-texts, Exit: sb.Wait()}
}

// Run checks the promises of package sandbox.
func Run(t *testing.T, o Options) {
	d := o.Driver
	t.Run("start and end", func(t *testing.T) { startAndEnd(t, o) })
	t.Run("missing program is an error", func(t *testing.T) {
		sb, err := d.Start(t.Context(), sandbox.Spec{Command: []string{"/no/such/program"}})
		if err == nil {
			_ = sb.Kill()
			t.Fatal("started")
		}
	})
	t.Run("listener", func(t *testing.T) { listener(t, d) })
	t.Run("dial", func(t *testing.T) { dial(t, d) })
	t.Run("kill ends every process", func(t *testing.T) { killAll(t, d) })
	t.Run("freeze and thaw", func(t *testing.T) { freeze(t, d) })
	t.Run("late mount", func(t *testing.T) { lateMount(t, d) })
	t.Run("further pipe", func(t *testing.T) {
		sb := start(t, d, sandbox.Spec{Command: []string{"/bin/sh", "-c", "echo three >&3"}, Pipes: 1})
		got, err := bufio.NewReader(sb.Pipes()[2]).ReadString('\n')
		if err != nil || got != "three\n" {
			t.Errorf("got %q, %v", got, err)
		}
	})
	t.Run("files and mounts", func(t *testing.T) {
		dir := openDir(t)
		write(t, filepath.Join(dir, "code.txt"), "code")
		spec := sandbox.Spec{
			Files:  map[string][]byte{"/var/runtime/boot.txt": []byte("boot")},
			Mounts: []sandbox.Mount{{Source: dir, Target: "/var/task", ReadOnly: true}},
			Env:    []string{"BOOT=" + sandbox.PathRef("/var/runtime/boot.txt"), "TASK=" + sandbox.PathRef("/var/task")},
		}
		if got := shell(t, d, spec, `cat $BOOT $TASK/code.txt`); got.Stdout != "bootcode" {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("stats", func(t *testing.T) { stats(t, d) })
	if o.MemoryLimit {
		t.Run("memory limit", func(t *testing.T) { memoryLimit(t, d) })
		t.Run("what lies in /tmp is no memory", func(t *testing.T) {
			got := shell(t, d, sandbox.Spec{MemoryBytes: 64 << 20, TmpBytes: 256 << 20}, "dd if=/dev/zero of=/tmp/x bs=1M count=200 2>/dev/null; sleep 0.5; wc -c </tmp/x; rm /tmp/x")
			if got.Exit.OutOfMemory || got.Stdout != "209715200\n" {
				t.Errorf("got %+v", got)
			}
		})
	}
	if o.CPULimit {
		t.Run("cpu quota", func(t *testing.T) { cpuQuota(t, d) })
	}
	if o.ProcessLimit {
		t.Run("process limit", func(t *testing.T) {
			spec := sandbox.Spec{Processes: 20}
			got := shell(t, d, spec, `i=0; while [ $i -lt 60 ]; do sleep 5 & i=$((i+1)); done; echo all`)
			if strings.Contains(got.Stdout, "all") && !strings.Contains(got.Stderr, "fork") {
				t.Errorf("60 processes started: %+v", got)
			}
		})
	}
}

// startAndEnd checks what a guest is given and how its end is told.
func startAndEnd(t *testing.T, o Options) {
	d := o.Driver
	t.Run("output and status", func(t *testing.T) {
		got := shell(t, d, sandbox.Spec{}, "echo out; echo err >&2; exit 7")
		if got.Stdout != "out\n" || got.Stderr != "err\n" || got.Exit.Status != 7 {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("standard output by its name", func(t *testing.T) {
		got := shell(t, d, sandbox.Spec{}, "echo out >/dev/stdout; echo err >/dev/stderr; : >/dev/null")
		if got.Stdout != "out\n" || got.Stderr != "err\n" || got.Exit.Status != 0 {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("threads", func(t *testing.T) {
		sb := start(t, d, sandbox.Spec{Command: []string{"/usr/bin/python3", "-S", "-c", `
import threading
done = threading.Thread(target=lambda: print("thread"))
done.start(); done.join()`}})
		if got := finish(t, sb); got.Stdout != "thread\n" {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("signal is reported", func(t *testing.T) {
		got := shell(t, d, sandbox.Spec{}, "kill -9 $$")
		if got.Exit.Signal != syscall.SIGKILL || got.Exit.Killed {
			t.Errorf("got %+v", got.Exit)
		}
	})
	t.Run("environment is the spec's only", func(t *testing.T) {
		t.Setenv("MOLN_TEST_SECRET", "leak")
		sb := start(t, d, sandbox.Spec{Command: []string{"/usr/bin/env"}, Env: []string{"A=1", "B=2"}})
		got := finish(t, sb)
		if o.SetsHome {
			got.Stdout = regexp.MustCompile("(?m)^HOME=.*\n").ReplaceAllString(got.Stdout, "")
		}
		lines := strings.Fields(got.Stdout) // in any order
		slices.Sort(lines)
		if !slices.Equal(lines, []string{"A=1", "B=2"}) {
			t.Errorf("environment %q", got.Stdout)
		}
	})
}

func listener(t *testing.T, d sandbox.Driver) {
	const addr = "127.0.0.1:9001"
	spec := sandbox.Spec{
		Command: []string{"/usr/bin/python3", "-S", "-c", `
import socket, sys
host, port = sys.argv[1].split(":")
s = socket.create_connection((host, int(port)))
s.sendall(b"hello")
print(s.recv(10).decode())`, sandbox.ListenRef(addr)},
		Listen: []string{addr},
	}
	sb := start(t, d, spec)
	l := sb.Listener(addr)
	if l == nil {
		t.Fatal("no listener")
	}
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	buffer := make([]byte, 5)
	if _, err := io.ReadFull(conn, buffer); err != nil || string(buffer) != "hello" {
		t.Fatalf("read %q, %v", buffer, err)
	}
	fmt.Fprint(conn, "world")
	if got := finish(t, sb); got.Stdout != "world\n" {
		t.Errorf("got %+v", got)
	}
}

// dial connects to a port the guest chose, and to one where nobody listens.
func dial(t *testing.T, d sandbox.Driver) {
	sb := start(t, d, sandbox.Spec{Command: []string{"/usr/bin/python3", "-S", "-c", `
import socket, sys
s = socket.socket()
s.bind(("0.0.0.0", 0))
print(s.getsockname()[1], flush=True)
sys.stdin.readline()
s.listen(1)
print("listening", flush=True)
c, _ = s.accept()
c.sendall(c.recv(5)[::-1])`}})
	dialer, ok := sb.(sandbox.Dialer)
	if !ok {
		t.Skip("the driver cannot dial")
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	lines := bufio.NewReader(sb.Pipes()[0])
	text, err := lines.ReadString('\n')
	port, convErr := strconv.Atoi(strings.TrimSpace(text))
	if err != nil || convErr != nil {
		t.Fatalf("got %q, %v", text, err)
	}
	if _, err := lines.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	const unused = 1 // tcpmux: nobody's
	if conn, err := dialer.Dial(ctx, unused); err == nil {
		_ = conn.Close()
		t.Error("connected to a port where nobody listens")
	}
	conn, err := dialer.Dial(ctx, port)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "hello")
	if got, err := io.ReadAll(conn); err != nil || string(got) != "olleh" {
		t.Errorf("got %q, %v", got, err)
	}
}

func killAll(t *testing.T, d sandbox.Driver) {
	sb := start(t, d, sandbox.Spec{Command: []string{"/bin/sh", "-c", "sleep 1000 & sleep 1000 & echo up; wait"}})
	line, err := bufio.NewReader(sb.Pipes()[0]).ReadString('\n')
	if err != nil || line != "up\n" {
		t.Fatalf("got %q, %v", line, err)
	}
	if err := sb.Kill(); err != nil {
		t.Fatal(err)
	}
	if exit := sb.Wait(); !exit.Killed {
		t.Errorf("exit %+v", exit)
	}
	// The pipe ends only when its last writer is gone.
	_ = sb.Pipes()[1].SetReadDeadline(time.Now().Add(patience))
	if _, err := io.ReadAll(sb.Pipes()[1]); err != nil {
		t.Errorf("a process survived: %v", err)
	}
}

func freeze(t *testing.T, d sandbox.Driver) {
	sb := start(t, d, sandbox.Spec{Command: []string{"/bin/sh", "-c", "while :; do echo tick; sleep 0.005; done"}})
	f, ok := sb.(sandbox.Freezer)
	if !ok {
		t.Skip("the driver cannot freeze")
	}
	lines := bufio.NewReader(sb.Pipes()[0])
	if _, err := lines.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if err := f.Freeze(); err != nil {
		t.Fatal(err)
	}
	// What was written before the guest stood still comes first; then silence.
	_ = sb.Pipes()[0].SetReadDeadline(time.Now().Add(300 * time.Millisecond))
	ticks := 0
	for {
		if _, err := lines.ReadString('\n'); err != nil {
			break
		}
		ticks++
	}
	if ticks > 10 {
		t.Errorf("%d ticks while frozen", ticks)
	}
	_ = sb.Pipes()[0].SetReadDeadline(time.Now().Add(patience))
	if err := f.Thaw(); err != nil {
		t.Fatal(err)
	}
	if _, err := lines.ReadString('\n'); err != nil {
		t.Errorf("no tick after thaw: %v", err)
	}
	if err := f.Freeze(); err != nil {
		t.Fatal(err)
	}
	if err := sb.Kill(); err != nil {
		t.Errorf("kill while frozen: %v", err)
	}
}

func lateMount(t *testing.T, d sandbox.Driver) {
	dir := openDir(t)
	write(t, filepath.Join(dir, "late.txt"), "late\n")
	spec := sandbox.Spec{
		Command: []string{"/bin/sh", "-c", `ls $TASK; echo ready; while ! cat $TASK/late.txt 2>/dev/null; do sleep 0.01; done`},
		Env:     []string{"TASK=" + sandbox.PathRef("/var/task"), "PATH=/usr/bin:/bin"},
		Late:    true,
	}
	sb := start(t, d, spec)
	lines := bufio.NewReader(sb.Pipes()[0])
	if line, err := lines.ReadString('\n'); err != nil || line != "ready\n" {
		t.Fatalf("got %q, %v", line, err)
	}
	if err := sb.Mount(sandbox.Mount{Source: dir, Target: "/var/task", ReadOnly: true}); err != nil {
		t.Fatal(err)
	}
	if line, err := lines.ReadString('\n'); err != nil || line != "late\n" {
		t.Errorf("got %q, %v", line, err)
	}
	s, ok := sb.(sandbox.Sealer)
	if !ok {
		return
	}
	sb2 := start(t, d, sandbox.Spec{
		Command: []string{"/bin/sh", "-c", `while ! cat /opt/late.txt 2>/dev/null; do sleep 0.01; done; exec sleep 100`},
		Env:     []string{"PATH=/usr/bin:/bin"}, Late: true,
	})
	s = sb2.(sandbox.Sealer)
	if err := s.Seal(sandbox.Mount{Source: dir, Target: "/opt", ReadOnly: true}); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(sb2.Pipes()[0]).ReadString('\n'); err != nil || line != "late\n" {
		t.Errorf("mounted with the seal: got %q, %v", line, err)
	}
	if err := sb2.Mount(sandbox.Mount{Source: dir, Target: "/var/task", ReadOnly: true}); err == nil {
		t.Error("mounted into a sealed sandbox")
	}
}

func stats(t *testing.T, d sandbox.Driver) {
	sb := start(t, d, sandbox.Spec{Command: []string{"/bin/sh", "-c", "echo up; sleep 100"}})
	if _, err := bufio.NewReader(sb.Pipes()[0]).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	got, err := sb.Stats()
	if err != nil || got.MemoryPeakBytes == 0 || got.Processes == 0 {
		t.Errorf("stats %+v, %v", got, err)
	}
}

func memoryLimit(t *testing.T, d sandbox.Driver) {
	spec := sandbox.Spec{
		MemoryBytes: 64 << 20, TmpBytes: 16 << 20,
		Command: []string{"/usr/bin/python3", "-S", "-c", `
import time
held = []
while True:
    held.append(bytearray(8 << 20)); time.sleep(0.01)`},
	}
	got := finish(t, start(t, d, spec))
	if !got.Exit.OutOfMemory {
		t.Errorf("got %+v", got)
	}
}

// openDir is a directory that any user may read.
func openDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
