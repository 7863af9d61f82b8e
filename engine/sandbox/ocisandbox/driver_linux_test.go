package ocisandbox

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"

	"moln.dev/moln/engine/sandbox"
	"moln.dev/moln/engine/sandbox/nssandbox"
	"moln.dev/moln/engine/sandbox/oci"
	"moln.dev/moln/engine/sandbox/sandboxtest"
)

func TestMain(m *testing.M) {
	nssandbox.Main()
	os.Exit(m.Run())
}

// runtimes are tried where they are installed. MOLN_OCI_RUNTIME names another.
func runtimes() []string {
	list := []string{"crun", "runc", "runsc"}
	if name := os.Getenv("MOLN_OCI_RUNTIME"); name != "" {
		list = []string{name}
	}
	return list
}

// each runs a test with every runtime of this host.
func each(t *testing.T, test func(t *testing.T, d *Driver)) {
	for _, name := range runtimes() {
		t.Run(name, func(t *testing.T) {
			if _, err := exec.LookPath(name); err != nil {
				if os.Getenv("CI") == "true" && name != "runsc" {
					t.Fatalf("%s is not installed, and CI must have it", name)
				}
				t.Skipf("NOT TESTED: %v", err)
			}
			d, err := New(name)
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
				t.Fatal(c.Detail)
			}
			test(t, d)
		})
	}
}

func TestDriver(t *testing.T) {
	each(t, func(t *testing.T, d *Driver) {
		shared := !d.Runtime().Guarded()
		sandboxtest.Run(t, sandboxtest.Options{
			Driver: d, SetsHome: true, MemoryLimit: true, ProcessLimit: shared, CPULimit: has(d, "cpu"),
		})
	})
}

func has(d *Driver, name string) bool {
	c, _ := d.Probe(context.Background()).Get(name)
	return c.OK
}

func TestEscapes(t *testing.T) {
	each(t, func(t *testing.T, d *Driver) { sandboxtest.Escapes(t, d) })
}

func TestRoots(t *testing.T) {
	each(t, func(t *testing.T, d *Driver) { sandboxtest.Roots(t, d) })
}

func TestNoSuchRuntime(t *testing.T) {
	for _, name := range []string{"no-such-runtime", "/no/such/runtime", "/bin/false"} {
		if d, err := New(name); err == nil {
			_ = d.Close()
			t.Errorf("%s: found", name)
		}
	}
}

// A program that is no runtime is told by its first start.
func TestNotARuntime(t *testing.T) {
	d, err := nssandbox.NewOCI(oci.Runtime{Kind: oci.Runc, Path: "/bin/true", Version: "true"})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	report := d.Probe(t.Context())
	if c, _ := report.Get("sandbox"); report.Usable || !strings.Contains(c.Detail, "pid") {
		t.Errorf("%+v", report)
	}
}

// BenchmarkStart is the price of a guest that does nothing.
func BenchmarkStart(b *testing.B) {
	for _, name := range runtimes() {
		b.Run(name, func(b *testing.B) {
			d, err := New(name)
			if err != nil {
				b.Skip(err)
			}
			defer d.Close()
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
		})
	}
}
