package crew

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"moln.dev/moln/engine/sandbox"
)

const (
	// programName is the supervisor's name in the sandbox: what Main looks at.
	programName = sandbox.SupervisorName
	programPath = "/var/rapid/" + programName
	// address is where the supervisor finds the host, once.
	address = "127.0.0.1:9002"
)

// Fit makes spec's sandbox one for a crew: its command becomes the supervisor.
// What spec had as command, environment and directory is the caller's to start.
func Fit(spec *sandbox.Spec) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("crew: %w", err)
	}
	spec.Command = []string{sandbox.PathRef(programPath), sandbox.ListenRef(address), strconv.Itoa(spec.Pipes)}
	spec.Env, spec.Dir = nil, ""
	spec.Mounts = append(spec.Mounts, sandbox.Mount{Source: self, Target: programPath, ReadOnly: true})
	spec.Listen = append(spec.Listen, address)
	return nil
}

// Program is one to start.
type Program struct {
	// Name is how the crew calls it; no two may share one.
	Name string
	// Command and Env may hold references of package sandbox.
	Command []string
	Env     []string
	Dir     string
	// Output is the sandbox's pipe, counted as in Sandbox.Pipes, for the
	// program's standard output; Errors the one for its standard error. Pipes
	// are the further ones it gets, from descriptor 3 on.
	Output, Errors int
	Pipes          []int
}

// LaunchError is a program that could not be started.
type LaunchError struct {
	Name   string
	Reason string
	Errno  syscall.Errno
}

func (e *LaunchError) Error() string { return e.Reason }

// Unwrap lets callers ask for the kind of error, as fs.ErrPermission.
func (e *LaunchError) Unwrap() error { return e.Errno }

// Crew is the host's end. It is safe for concurrent use.
type Crew struct {
	sb     sandbox.Sandbox
	conn   net.Conn
	exited func(name string, state sandbox.ExitState)

	mu     sync.Mutex
	asking map[string]chan notice // names being started
	gone   chan struct{}          // closed when the connection is
}

// Accept waits for the supervisor of sb, which was fitted. exited is called
// once for each program that was started and ended, one call at a time; none
// come after Gone is closed.
func Accept(ctx context.Context, sb sandbox.Sandbox, exited func(name string, state sandbox.ExitState)) (*Crew, error) {
	l := sb.Listener(address)
	if l == nil {
		return nil, errors.New("crew: the sandbox was not fitted")
	}
	// One connection, and no second: later ones would be the guests'.
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	conn, err := l.Accept()
	stop()
	_ = l.Close()
	if err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, fmt.Errorf("crew: the supervisor did not come: %w", err)
	}
	c := &Crew{sb: sb, conn: conn, exited: exited, asking: map[string]chan notice{}, gone: make(chan struct{})}
	go c.listen()
	return c, nil
}

// Gone is closed when the supervisor has ended, and with it the sandbox.
func (c *Crew) Gone() <-chan struct{} { return c.gone }

// Close lets go of the supervisor; the sandbox's Kill ends it.
func (c *Crew) Close() { _ = c.conn.Close() }

func (c *Crew) listen() {
	defer close(c.gone)
	defer c.conn.Close()
	r := newReader(c.conn)
	for {
		var n notice
		if err := decode(r, &n); err != nil {
			return
		}
		if n.Exited {
			c.exited(n.Name, sandbox.ExitState{Status: n.Status, Signal: syscall.Signal(n.Signal)})
			continue
		}
		c.mu.Lock()
		waiting := c.asking[n.Name]
		delete(c.asking, n.Name)
		c.mu.Unlock()
		if waiting != nil {
			waiting <- n
		}
	}
}

// Start starts a program and returns when it runs. An error that is a
// *LaunchError is the program's fault.
func (c *Crew) Start(ctx context.Context, p Program) error {
	listen := func(addr string) string {
		if l := c.sb.Listener(addr); l != nil {
			return l.Addr().String()
		}
		return addr
	}
	answer := make(chan notice, 1)
	c.mu.Lock()
	c.asking[p.Name] = answer
	c.mu.Unlock()
	files := []int{0, descriptor(p.Output), descriptor(p.Errors)}
	for _, pipe := range p.Pipes {
		files = append(files, descriptor(pipe))
	}
	err := c.send(order{
		Name: p.Name, Command: sandbox.ExpandAll(p.Command, listen, c.sb.Path),
		Env: sandbox.ExpandAll(p.Env, listen, c.sb.Path), Dir: p.Dir, Files: files,
	})
	if err != nil {
		return err
	}
	select {
	case n := <-answer:
		if n.Refused != "" {
			return &LaunchError{Name: p.Name, Reason: n.Refused, Errno: syscall.Errno(n.Errno)}
		}
		return nil
	case <-c.gone:
		return errors.New("crew: the sandbox has ended")
	case <-ctx.Done():
		return ctx.Err()
	}
}

// descriptor is the supervisor's own number of a pipe of the sandbox: standard
// output and error come first, then those from 3 on.
func descriptor(pipe int) int { return pipe + 1 }

// Signal passes a signal on to a program. One that has ended is no error.
func (c *Crew) Signal(name string, sig syscall.Signal) error {
	return c.send(order{Name: name, Signal: int(sig)})
}

// sendTimeout bounds the write to a supervisor that does not read.
const sendTimeout = 2 * time.Second

func (c *Crew) send(o order) error {
	line, err := encode(o)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.conn.SetWriteDeadline(time.Now().Add(sendTimeout))
	if _, err := c.conn.Write(line); err != nil {
		return fmt.Errorf("crew: %w", err)
	}
	return nil
}
