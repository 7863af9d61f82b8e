// Package pgtest starts a PostgreSQL server for a test: a private one, in a
// temporary directory, on a port of 127.0.0.1. It is for tests only.
package pgtest

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// Env names the environment variable with the DSN of a server to use instead
// of a private one. The tests make and drop schemas there.
const Env = "MOLN_TEST_POSTGRES"

// Start starts a server that ends with the test, and returns its DSN. It skips
// the test, saying why, where there is no PostgreSQL to start.
func Start(t testing.TB) (dsn string) {
	t.Helper()
	if dsn := os.Getenv(Env); dsn != "" {
		return dsn
	}
	initdb, pgctl := find("initdb"), find("pg_ctl")
	if initdb == "" || pgctl == "" {
		t.Skipf("no initdb and pg_ctl on PATH or under /usr/lib/postgresql, and %s is not set", Env)
	}
	s := server{t: t, pgctl: pgctl}
	if os.Geteuid() == 0 { // initdb refuses to run as root
		if s.as = unprivileged(); s.as == nil {
			t.Skip("running as root and there is no user postgres or nobody to run PostgreSQL as")
		}
	}
	s.start(initdb)
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres?sslmode=disable", s.port)
}

func find(program string) string {
	if path, err := exec.LookPath(program); err == nil {
		return path
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + program)
	if len(found) == 0 {
		return ""
	}
	return found[len(found)-1]
}

// unprivileged returns whom to run as instead of root.
func unprivileged() *syscall.Credential {
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uerr := strconv.ParseUint(u.Uid, 10, 32)
		gid, gerr := strconv.ParseUint(u.Gid, 10, 32)
		if uerr == nil && gerr == nil {
			return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		}
	}
	return nil
}

type server struct {
	t     testing.TB
	pgctl string
	as    *syscall.Credential
	dir   string
	port  int
}

func (s *server) start(initdb string) {
	s.t.Helper()
	// Not t.TempDir: what is above that belongs to root alone.
	dir, err := os.MkdirTemp("", "pgtest")
	if err != nil {
		s.t.Fatal(err)
	}
	s.dir = dir
	s.t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if s.as != nil {
		if err := os.Chown(dir, int(s.as.Uid), int(s.as.Gid)); err != nil {
			s.t.Fatal(err)
		}
	}
	s.port = freePort(s.t)
	data := filepath.Join(dir, "data")
	s.run(initdb, "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	options := fmt.Sprintf("-c listen_addresses=127.0.0.1 -c port=%d -c unix_socket_directories=%s -c max_connections=200", s.port, dir)
	s.run(s.pgctl, "-D", data, "-w", "-t", "60", "-l", filepath.Join(dir, "log"), "-o", options, "start")
	s.t.Cleanup(func() { s.run(s.pgctl, "-D", data, "-m", "immediate", "-w", "stop") })
}

func (s *server) run(program string, args ...string) {
	s.t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Dir = s.dir
	if s.as != nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.as}
	}
	// A file, not a pipe: the server keeps it open and Wait would wait for it.
	out, err := os.CreateTemp(s.dir, "out")
	if err != nil {
		s.t.Fatal(err)
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Run(); err != nil {
		said, _ := os.ReadFile(out.Name())
		log, _ := os.ReadFile(filepath.Join(s.dir, "log"))
		s.t.Fatalf("%s: %v\n%s%s", filepath.Base(program), err, said, bytes.TrimSpace(log))
	}
}

func freePort(t testing.TB) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
