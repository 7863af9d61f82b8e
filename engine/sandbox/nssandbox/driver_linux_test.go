package nssandbox

import (
	"context"
	"os"
	"os/exec"
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

func BenchmarkStart(b *testing.B) {
	d := newDriver(b)
	for b.Loop() {
		sb, err := d.Start(context.Background(), sandbox.Spec{Command: []string{"/bin/true"}})
		if err != nil {
			b.Fatal(err)
		}
		sb.Wait()
		for _, p := range sb.Pipes() {
			_ = p.Close()
		}
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
