// Package pgtest starts a PostgreSQL server for a test or a benchmark: a private
// one, in a temporary directory, on a port of 127.0.0.1. It is for those only.
package pgtest

import (
	"bytes"
	"errors"
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
	s, err := Run()
	if errors.Is(err, ErrNone) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s.DSN()
}

// ErrNone is what Run returns where there is no PostgreSQL to start.
var ErrNone = errors.New("no PostgreSQL")

// Run starts a server that is to be stopped.
func Run() (*Server, error) {
	initdb, pgctl := find("initdb"), find("pg_ctl")
	if initdb == "" || pgctl == "" {
		return nil, fmt.Errorf("%w: no initdb and pg_ctl on PATH or under /usr/lib/postgresql, and %s is not set", ErrNone, Env)
	}
	s := &Server{pgctl: pgctl}
	if os.Geteuid() == 0 { // initdb refuses to run as root
		if s.as = unprivileged(); s.as == nil {
			return nil, fmt.Errorf("%w: running as root and there is no user postgres or nobody to run it as", ErrNone)
		}
	}
	if err := s.start(initdb); err != nil {
		return nil, errors.Join(err, os.RemoveAll(s.dir))
	}
	return s, nil
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

// Server is a private PostgreSQL server.
type Server struct {
	pgctl string
	as    *syscall.Credential
	dir   string
	port  int
}

// DSN is where the server is.
func (s *Server) DSN() string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres?sslmode=disable", s.port)
}

// Pid is the process whose children serve.
func (s *Server) Pid() (int, error) {
	raw, err := os.ReadFile(filepath.Join(s.data(), "postmaster.pid"))
	if err != nil {
		return 0, err
	}
	first, _, _ := bytes.Cut(raw, []byte("\n"))
	return strconv.Atoi(string(first))
}

// Stop ends the server and removes its data.
func (s *Server) Stop() error {
	return errors.Join(s.run(s.pgctl, "-D", s.data(), "-m", "immediate", "-w", "stop"), os.RemoveAll(s.dir))
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

func (s *Server) start(initdb string) (err error) {
	// Not a test's directory: what is above that belongs to root alone.
	if s.dir, err = os.MkdirTemp("", "pgtest"); err != nil {
		return err
	}
	if s.as != nil {
		if err := os.Chown(s.dir, int(s.as.Uid), int(s.as.Gid)); err != nil {
			return err
		}
	}
	if s.port, err = freePort(); err != nil {
		return err
	}
	if err := s.run(initdb, "-D", s.data(), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"); err != nil {
		return err
	}
	options := fmt.Sprintf("-c listen_addresses=127.0.0.1 -c port=%d -c unix_socket_directories=%s -c max_connections=200", s.port, s.dir)
	return s.run(s.pgctl, "-D", s.data(), "-w", "-t", "60", "-l", filepath.Join(s.dir, "log"), "-o", options, "start")
}

func (s *Server) run(program string, args ...string) error {
	cmd := exec.Command(program, args...)
	cmd.Dir = s.dir
	if s.as != nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.as}
	}
	// A file, not a pipe: the server keeps it open and Wait would wait for it.
	out, err := os.CreateTemp(s.dir, "out")
	if err != nil {
		return err
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Run(); err != nil {
		said, _ := os.ReadFile(out.Name())
		log, _ := os.ReadFile(filepath.Join(s.dir, "log"))
		return fmt.Errorf("%s: %w\n%s%s", filepath.Base(program), err, said, bytes.TrimSpace(log))
	}
	return nil
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
