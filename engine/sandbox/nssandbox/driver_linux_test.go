package nssandbox

import (
	"context"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/bpf"

	"moln.dev/moln/engine/sandbox"
	"moln.dev/moln/engine/sandbox/nssandbox/inside"
	"moln.dev/moln/engine/sandbox/sandboxtest"
)

func TestMain(m *testing.M) {
	Main()
	os.Exit(m.Run())
}

func newDriver(t testing.TB) *Driver {
	t.Helper()
	d, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	report := d.Probe(context.Background())
	if !report.Usable {
		c, _ := report.Get("sandbox")
		t.Skip(c.Detail)
	}
	return d
}

func TestDriver(t *testing.T) {
	d := newDriver(t)
	cpu, _ := d.Probe(t.Context()).Get("cpu")
	sandboxtest.Run(t, sandboxtest.Options{Driver: d, MemoryLimit: true, ProcessLimit: true, CPULimit: cpu.OK})
}

func TestEscapes(t *testing.T) { sandboxtest.Escapes(t, newDriver(t)) }

func TestRoots(t *testing.T) { sandboxtest.Roots(t, newDriver(t)) }

// The helper must refuse to work outside a sandbox's namespaces, whatever it is
// told: a pivot in the host's would take the machine away.
func TestHelperRefusesOutsideItsNamespaces(t *testing.T) {
	self, err := inode("/proc/self/ns/mnt")
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name  string
		env   []string
		flags uintptr
	}{
		{"no namespace named", nil, 0},
		{"not process 1", []string{inside.NamespaceVariable + "=1"}, 0},
		{"not process 1, own namespace", []string{inside.NamespaceVariable + "=" + itoa(self)}, 0},
		{"process 1 in the daemon's mount namespace", []string{inside.NamespaceVariable + "=" + itoa(self)}, syscall.CLONE_NEWUSER | syscall.CLONE_NEWPID},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cmd := exec.Command("/proc/self/exe")
			cmd.Args = []string{inside.HelperName}
			cmd.Env = tc.env
			cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: tc.flags}
			read, write, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer read.Close()
			cmd.ExtraFiles = []*os.File{write}
			err = cmd.Run()
			_ = write.Close()
			if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != inside.ExitRefused {
				t.Errorf("ended with %v", err)
			}
		})
	}
}

func itoa(n uint64) string {
	var digits []byte
	for ; n > 0; n /= 10 {
		digits = append([]byte{byte('0' + n%10)}, digits...)
	}
	return string(digits)
}

func TestFilterAssembles(t *testing.T) {
	for _, arch := range []string{"amd64", "arm64"} {
		program, err := filter(arch)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := bpf.Assemble(program); err != nil {
			t.Errorf("%s: %v", arch, err)
		}
	}
	if _, err := filter("mips"); err == nil {
		t.Error("a filter for an unknown architecture")
	}
}

func TestIsolationNamesWhatIsMissing(t *testing.T) {
	d := newDriver(t)
	sb, err := d.Start(t.Context(), sandbox.Spec{Command: []string{"/bin/true"}, Network: sandbox.NetworkHost})
	if err != nil {
		t.Fatal(err)
	}
	sb.Wait()
	_ = sb.Kill()
	if got := sb.Isolation().String(); !strings.Contains(got, "network (shared with the host") {
		t.Error(got)
	}
}

// BenchmarkStart starts one guest after the other, with pauses: moves into control
// groups that follow each other closely are cheaper than they are in life.
func BenchmarkStart(b *testing.B) {
	for _, kept := range []bool{true, false} {
		b.Run(map[bool]string{true: "stock", false: "fresh"}[kept], func(b *testing.B) {
			d := newDriver(b)
			if !kept {
				d.stock.end()
			}
			var took []time.Duration
			for b.Loop() {
				for kept && d.stock.held() < stockSize {
					time.Sleep(time.Millisecond)
				}
				time.Sleep(100 * time.Millisecond)
				began := time.Now()
				sb, err := d.Start(context.Background(), sandbox.Spec{Command: []string{"/bin/true"}, MemoryBytes: 256 << 20})
				if err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(began))
				sb.Wait()
				for _, p := range sb.Pipes() {
					_ = p.Close()
				}
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
		})
	}
}

func (s *stock) held() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.ready)
}

// A helper of the stock is one sandbox's, and one that died is nobody's; none is
// left when the driver is closed.
func TestStock(t *testing.T) {
	d := newDriver(t) // whose probe has begun to fill it
	full := func() {
		t.Helper()
		for deadline := time.Now().Add(5 * time.Second); d.stock.held() < stockSize; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%d helpers in stock", d.stock.held())
			}
		}
	}
	full()
	d.stock.mu.Lock()
	dead, next := d.stock.ready[0], d.stock.ready[1]
	d.stock.mu.Unlock()
	if err := dead.process.Kill(); err != nil {
		t.Fatal(err)
	}
	for dead.waits() {
		time.Sleep(time.Millisecond)
	}
	sb, err := d.Start(t.Context(), sandbox.Spec{Command: []string{"/bin/sleep", "100"}})
	if err != nil {
		t.Fatal(err)
	}
	if got := sb.(*box).process.Pid; got != next.process.Pid {
		t.Errorf("process %d serves, of %d (dead) and %d", got, dead.process.Pid, next.process.Pid)
	}
	full()
	d.stock.mu.Lock()
	waiting := slices.Clone(d.stock.ready)
	d.stock.mu.Unlock()
	for _, f := range waiting {
		if f == next || f == dead {
			t.Error("a helper is in stock again")
		}
	}
	if err := sb.Kill(); err != nil {
		t.Error(err)
	}
	for _, p := range sb.Pipes() {
		_ = p.Close()
	}
	d.stock.end()
	for _, f := range append(waiting, dead, next) {
		if err := syscall.Kill(f.process.Pid, 0); err != syscall.ESRCH {
			t.Errorf("process %d is left: %v", f.process.Pid, err)
		}
	}
	if d.stock.held() > 0 {
		t.Error("helpers in a stock that has ended")
	}
}

// A start that is called off must return, and leave nothing behind.
func TestStartCalledOff(t *testing.T) {
	d := newDriver(t)
	for delay := range 12 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(delay)*500*time.Microsecond)
		sb, err := d.Start(ctx, sandbox.Spec{Command: []string{"/bin/sleep", "100"}})
		cancel()
		if err != nil {
			continue
		}
		if err := sb.Kill(); err != nil {
			t.Error(err)
		}
		for _, p := range sb.Pipes() {
			_ = p.Close()
		}
	}
}
