package sandboxtest

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"moln.dev/moln/engine/sandbox"
)

// Roots checks what a guest sees that has a root of its own (Spec.Root), and
// that nothing in that root, a link to the host least of all, leads out of it.
func Roots(t *testing.T, d sandbox.Driver) {
	secret := filepath.Join(openDir(t), "secret.txt")
	write(t, secret, "secret")
	mounted := openDir(t)
	write(t, filepath.Join(mounted, "code.txt"), "code")
	root := makeRoot(t)
	spec := func(command ...string) sandbox.Spec {
		return sandbox.Spec{
			Command: command, Root: root, Env: []string{"PATH=/nowhere:/bin"}, Dir: "/app",
			Files:    map[string][]byte{"/var/runtime/ca.pem": []byte("ca")},
			Mounts:   []sandbox.Mount{{Source: mounted, Target: "/opt", ReadOnly: true}},
			Hosts:    map[string]string{"service.example": "127.0.0.1"},
			TmpBytes: 16 << 20,
		}
	}
	t.Run("what it sees", func(t *testing.T) {
		got := finish(t, start(t, d, spec("probe", "list", "/app", "read", "/app/own.txt", "read", "/var/runtime/ca.pem", "read", "/opt/code.txt",
			"read", "/etc/passwd", "read", "/etc/hosts", "list", "/usr", "write", "/tmp/x", "read", "/tmp/x", "read", "/proc/self/comm")))
		for _, want := range []string{
			"dir /app", "list /app host,own.txt", "read /app/own.txt own", "read /var/runtime/ca.pem ca", "read /opt/code.txt code",
			"read /etc/passwd guest:x:1000:1000::/:/bin/sh", "127.0.0.1\tservice.example", "list /usr refused", "write /tmp/x written",
			"read /tmp/x x", "read /proc/self/comm probe",
		} {
			if !strings.Contains(got.Stdout, want+"\n") {
				t.Errorf("missing %q in:\n%s%s", want, got.Stdout, got.Stderr)
			}
		}
	})
	t.Run("what it may not", func(t *testing.T) {
		got := finish(t, start(t, d, spec("/bin/probe", "write", "/x", "write", "/app/own.txt", "write", "/etc/hosts", "read", secret,
			"read", "/app/host"+secret, "list", "/../../../home", "write", "/var/runtime/ca.pem", "write", "/opt/x", "read", "/proc/1/environ")))
		if n := strings.Count(got.Stdout, " refused\n"); n != 9 {
			t.Errorf("%d refused of 9:\n%s%s", n, got.Stdout, got.Stderr)
		}
	})
	t.Run("the directory is as before", func(t *testing.T) {
		if _, err := os.Lstat(filepath.Join(root, "var")); !os.IsNotExist(err) {
			t.Errorf("/var in the root: %v", err)
		}
		if data, err := os.ReadFile(filepath.Join(root, "app/own.txt")); err != nil || string(data) != "own" {
			t.Errorf("%q, %v", data, err)
		}
	})
	for _, tt := range []struct {
		name, dir string
		command   string
		want      sandbox.StartError
	}{
		{"no such program", "/", "/bin/nothing", sandbox.StartError{Path: "/bin/nothing", Reason: "no such file or directory"}},
		{"not in PATH", "/", "nothing", sandbox.StartError{Path: "nothing", Reason: "executable file not found in $PATH"}},
		{"no program", "/", "/app/own.txt", sandbox.StartError{Path: "/app/own.txt", Reason: "permission denied"}},
		{"no such directory", "/gone", "probe", sandbox.StartError{Path: "/gone", Directory: true, Reason: "no such file or directory"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := spec(tt.command)
			s.Dir = tt.dir
			sb, err := d.Start(t.Context(), s)
			if err == nil {
				_ = sb.Kill()
				t.Fatal("started")
			}
			var got *sandbox.StartError
			if !errors.As(err, &got) || *got != tt.want {
				t.Errorf("got %v", err)
			}
		})
	}
}

// makeRoot is a root with one program, whose directories for our own things are
// missing or are links to the host's.
func makeRoot(t *testing.T) string {
	t.Helper()
	root := openDir(t)
	for _, dir := range []string{"bin", "app", "etc"} {
		if err := os.Mkdir(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.Command("go", "build", "-o", filepath.Join(root, "bin/probe"), "moln.dev/moln/engine/sandbox/sandboxtest/testdata/probe")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	write(t, filepath.Join(root, "app/own.txt"), "own")
	write(t, filepath.Join(root, "etc/passwd"), "guest:x:1000:1000::/:/bin/sh\n")
	for name, target := range map[string]string{
		"app/host": "../../../../../..", "tmp": "/", "opt": openDir(t), "etc/hosts": "/etc/passwd", "dev": "/", "proc": "../..",
	} {
		if err := os.Symlink(target, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	return root
}
