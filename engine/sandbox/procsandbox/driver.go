//go:build unix

package procsandbox

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"

	"moln.dev/moln/engine/sandbox"
)

// Name is the driver's.
const Name = "process"

// Driver starts plain processes. The zero value is ready.
type Driver struct{}

var _ sandbox.Driver = Driver{}

// Name is the constant of that name.
func (Driver) Name() string { return Name }

// Probe reports that this driver always works and never isolates.
func (Driver) Probe(context.Context) sandbox.Capabilities {
	return sandbox.Capabilities{Driver: "process", Usable: true, List: []sandbox.Capability{
		{Name: "sandbox", OK: false, Detail: "a plain process: nothing is isolated"},
		{Name: "memory", OK: false, Detail: "not enforced"},
		{Name: "cpu", OK: false, Detail: "not enforced"},
		{Name: "pids", OK: false, Detail: "not enforced"},
		{Name: "freezer", OK: true, Detail: "SIGSTOP to the process group"},
	}}
}

// Start runs the command.
func (Driver) Start(ctx context.Context, spec sandbox.Spec) (sandbox.Sandbox, error) {
	if err := spec.Check(); err != nil {
		return nil, err
	}
	if spec.Root != "" {
		return nil, fmt.Errorf("procsandbox: %w", sandbox.ErrNoRoot)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	sb := &box{spec: spec, done: make(chan struct{}), listeners: map[string]net.Listener{}}
	if err := sb.start(); err != nil {
		sb.release()
		for _, p := range sb.pipes {
			_ = p.Close()
		}
		return nil, fmt.Errorf("procsandbox: %w", err)
	}
	go sb.attend()
	return sb, nil
}

type box struct {
	spec      sandbox.Spec
	root      string
	cmd       *exec.Cmd
	pipes     []*os.File
	listeners map[string]net.Listener
	killed    atomic.Bool

	mu   sync.Mutex // held while mounting
	done chan struct{}
	exit sandbox.ExitState
}

var (
	_ sandbox.Sandbox = (*box)(nil)
	_ sandbox.Freezer = (*box)(nil)
	_ sandbox.Dialer  = (*box)(nil)
)

func (sb *box) start() error {
	var err error
	if sb.root, err = os.MkdirTemp("", "moln-process-"); err != nil {
		return err
	}
	for _, dir := range []string{"/tmp", "/var", "/var/runtime"} {
		if err := os.MkdirAll(sb.Path(dir), 0o755); err != nil {
			return err
		}
	}
	for name, data := range sb.spec.Files {
		if err := os.MkdirAll(filepath.Dir(sb.Path(name)), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(sb.Path(name), data, 0o444); err != nil {
			return err
		}
	}
	for _, m := range sb.spec.Mounts {
		if err := sb.link(m); err != nil {
			return err
		}
	}
	for _, addr := range sb.spec.Listen {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		sb.listeners[addr] = l
	}
	return sb.run()
}

func (sb *box) run() error {
	listen := func(addr string) string {
		if l := sb.listeners[addr]; l != nil {
			return l.Addr().String()
		}
		return addr
	}
	args := sandbox.ExpandAll(sb.spec.Command, listen, sb.Path)
	sb.cmd = &exec.Cmd{
		Path: args[0], Args: args, Dir: sb.Path("/tmp"),
		Env:         sandbox.ExpandAll(sb.spec.Env, listen, sb.Path),
		SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}
	if sb.cmd.Env == nil {
		sb.cmd.Env = []string{}
	}
	for i := range 2 + sb.spec.Pipes {
		read, write, err := os.Pipe()
		if err != nil {
			return err
		}
		defer write.Close()
		sb.pipes = append(sb.pipes, read)
		switch i {
		case 0:
			sb.cmd.Stdout = write
		case 1:
			sb.cmd.Stderr = write
		default:
			sb.cmd.ExtraFiles = append(sb.cmd.ExtraFiles, write)
		}
	}
	return sb.cmd.Start()
}

// link stands in for a mount: the guest's path is a link to the source.
func (sb *box) link(m sandbox.Mount) error {
	if filepath.Clean(m.Source) == m.Target {
		return nil // an interpreter's own prefix: the guest sees the host's anyway
	}
	if err := os.MkdirAll(filepath.Dir(sb.Path(m.Target)), 0o755); err != nil {
		return err
	}
	return os.Symlink(m.Source, sb.Path(m.Target))
}

func (sb *box) attend() {
	_ = sb.cmd.Wait()
	status, _ := sb.cmd.ProcessState.Sys().(syscall.WaitStatus)
	exit := sandbox.ExitState{Status: status.ExitStatus(), Killed: sb.killed.Load()}
	if status.Signaled() {
		exit.Status, exit.Signal = 0, status.Signal()
	}
	sb.exit = exit
	_ = syscall.Kill(-sb.cmd.Process.Pid, syscall.SIGKILL) // what it left behind
	sb.release()
	close(sb.done)
}

func (sb *box) release() {
	for _, l := range sb.listeners {
		_ = l.Close()
	}
	if sb.root != "" {
		_ = os.RemoveAll(sb.root)
	}
}

func (sb *box) Listener(addr string) net.Listener {
	if l, ok := sb.listeners[addr]; ok {
		return l
	}
	return nil
}

func (sb *box) Path(target string) string { return filepath.Join(sb.root, target) }

func (sb *box) Pipes() []*os.File { return sb.pipes }

func (sb *box) Mount(m sandbox.Mount) error {
	if !sb.spec.Late {
		return errors.New("procsandbox: the sandbox was not started for late mounts")
	}
	if err := m.Check(); err != nil {
		return err
	}
	sb.mu.Lock()
	defer sb.mu.Unlock()
	return sb.link(m)
}

// Dial connects to a port of the host's loopback, which is the guest's.
func (sb *box) Dial(ctx context.Context, port int) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
}

func (sb *box) Stats() (sandbox.Stats, error) { return readStats(sb.cmd.Process.Pid) }

func (sb *box) Signal(sig syscall.Signal) error { return sb.cmd.Process.Signal(sig) }

func (sb *box) Freeze() error { return sb.signalAll(syscall.SIGSTOP) }

func (sb *box) Thaw() error { return sb.signalAll(syscall.SIGCONT) }

func (sb *box) signalAll(sig syscall.Signal) error {
	select {
	case <-sb.done:
		return nil // the group's number may belong to others by now
	default:
	}
	if err := syscall.Kill(-sb.cmd.Process.Pid, sig); err != nil && err != syscall.ESRCH {
		return fmt.Errorf("procsandbox: %w", err)
	}
	return nil
}

func (sb *box) Kill() error {
	select {
	case <-sb.done:
		return nil
	default:
	}
	sb.killed.Store(true)
	err := sb.signalAll(syscall.SIGKILL)
	if err != nil {
		return err
	}
	<-sb.done
	return nil
}

func (sb *box) Wait() sandbox.ExitState {
	<-sb.done
	return sb.exit
}

func (sb *box) Isolation() sandbox.Isolation {
	is := sandbox.Isolation{Driver: "process"}
	if sb.spec.MemoryBytes > 0 {
		is.Missing = append(is.Missing, "memory")
	}
	if sb.spec.CPUMilli > 0 || sb.spec.CPUWeight > 0 {
		is.Missing = append(is.Missing, "cpu")
	}
	is.Missing = append(is.Missing, "files", "processes", "network")
	return is
}
