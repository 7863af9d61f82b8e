//go:build unix

package crew

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// mainArgs are the supervisor's name, the host's address and the number of
// further pipes.
const mainArgs = 3

// exitAlone is the supervisor's status when the host cannot be reached.
const exitAlone = 125

// firstPipe is the first descriptor after the standard ones.
const firstPipe = 3

// Main runs the supervisor and does not return when this process was started as
// one; else it returns at once. Call it first thing in main and in TestMain.
func Main() {
	if len(os.Args) != mainArgs || filepath.Base(os.Args[0]) != programName {
		return
	}
	pipes, err := strconv.Atoi(os.Args[2])
	if err != nil {
		os.Exit(exitAlone)
	}
	for fd := firstPipe; fd < firstPipe+pipes; fd++ {
		syscall.CloseOnExec(fd)
	}
	conn, err := net.Dial("tcp", os.Args[1])
	if err != nil {
		os.Exit(exitAlone)
	}
	s := &supervisor{conn: conn, running: map[string]int{}}
	s.obey()
	// The host is gone or has let go: so are the programs, with this process
	// group or namespace.
	os.Exit(0)
}

// supervisor is the guest's side.
type supervisor struct {
	conn net.Conn

	mu      sync.Mutex
	running map[string]int // process ids
}

func (s *supervisor) obey() {
	r := newReader(s.conn)
	for {
		var o order
		if err := decode(r, &o); err != nil {
			return
		}
		if o.Signal != 0 {
			s.signal(o)
			continue
		}
		s.start(o)
	}
}

func (s *supervisor) signal(o order) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if pid := s.running[o.Name]; pid > 0 {
		_ = syscall.Kill(pid, syscall.Signal(o.Signal))
	}
}

// start runs a program in the supervisor's own process group, so that whoever
// ends the group or the namespace ends it as well.
func (s *supervisor) start(o order) {
	if len(o.Command) == 0 {
		s.say(notice{Name: o.Name, Refused: "no command"})
		return
	}
	files := make([]uintptr, len(o.Files))
	for i, fd := range o.Files {
		files[i] = uintptr(fd)
	}
	env := o.Env
	if env == nil {
		env = []string{}
	}
	pid, err := syscall.ForkExec(find(o.Command[0], env), o.Command, &syscall.ProcAttr{Dir: o.Dir, Env: env, Files: files})
	if err != nil {
		refused := notice{Name: o.Name, Refused: "fork/exec " + o.Command[0] + ": " + err.Error()}
		var errno syscall.Errno
		if errors.As(err, &errno) {
			refused.Errno = int(errno)
		}
		s.say(refused)
		return
	}
	s.mu.Lock()
	s.running[o.Name] = pid
	s.mu.Unlock()
	s.say(notice{Name: o.Name, Started: true})
	go s.await(o.Name, pid)
}

// find looks for a program without a slash along PATH of its own environment.
func find(program string, env []string) string {
	if strings.Contains(program, "/") {
		return program
	}
	for _, variable := range env {
		list, ok := strings.CutPrefix(variable, "PATH=")
		if !ok {
			continue
		}
		for _, dir := range filepath.SplitList(list) {
			name := filepath.Join(dir, program)
			if st, err := os.Stat(name); err == nil && !st.IsDir() && st.Mode()&0o111 != 0 {
				return name
			}
		}
	}
	return program
}

func (s *supervisor) await(name string, pid int) {
	var status syscall.WaitStatus
	for {
		_, err := syscall.Wait4(pid, &status, 0, nil)
		if err != syscall.EINTR {
			break
		}
	}
	s.mu.Lock()
	delete(s.running, name)
	s.mu.Unlock()
	n := notice{Name: name, Exited: true}
	if status.Signaled() {
		n.Signal = int(status.Signal())
	} else {
		n.Status = status.ExitStatus()
	}
	s.say(n)
}

func (s *supervisor) say(n notice) {
	line, err := encode(n)
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = s.conn.Write(line)
}
