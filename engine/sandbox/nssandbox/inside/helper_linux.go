package inside

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"syscall"
)

const (
	// HelperName is argv[0] of the helper.
	HelperName = "moln-sandbox-init"
	// NamespaceVariable tells the helper the daemon's mount namespace.
	NamespaceVariable = "MOLN_SANDBOX_HOST_MNT"
	// ExitRefused is the helper's status when a safety check fails.
	ExitRefused = 125

	// UserID is user and group inside the user namespace.
	UserID = 1000
	// LockedBytes is what a guest may keep from being swapped.
	LockedBytes = 64 << 10

	controlFD = 3 // in the helper
)

// init takes the process over where it was started as the helper; see the
// package's comment.
func init() {
	if len(os.Args) > 0 && os.Args[0] == HelperName {
		Run(nil)
	}
}

// Launcher starts the guest where the helper itself does not.
type Launcher interface {
	// Launch starts the guest, from a thread of its own, and returns it and the
	// mount namespace into which late mounts go.
	Launch(h *Helper, s *Setup, blob []byte, fds []int) (pid, ns int, err error)
	// Place is where in the namespace a path of the guest is.
	Place(target string) string
	// ExitStatus is what the guest's status means.
	ExitStatus(status int) (exit, signal int)
	Signal(pid, number int) error
	// Weigh is what only the helper can see of the guest's memory.
	Weigh(pid int) (int64, error)
}

// Helper is process 1 of a sandbox. Its main thread stays in the first mount
// namespace of the sandbox, which still shows the host's files.
type Helper struct {
	hostMountNS  uint64
	firstMountNS uint64
	guestNS      int // descriptor of the guest's mount namespace
	guestPID     int
	launcher     Launcher // nil: the helper itself starts the guest
}

// Run is the helper's life: it ends the process.
func Run(l Launcher) {
	runtime.LockOSThread()
	h := &Helper{launcher: l}
	if err := h.run(); err != nil {
		n := Notice{Error: err.Error()}
		var refused *Refusal
		if errors.As(err, &refused) {
			n.Refused = refused
		}
		_ = Send(controlFD, &n, nil)
		os.Exit(ExitRefused)
	}
	os.Exit(0)
}

func (h *Helper) run() error {
	syscall.CloseOnExec(controlFD)
	syscall.Umask(0o022)
	if err := h.checkApart(); err != nil {
		return err
	}
	if err := prctl(prSetDumpable, 0, 0); err != nil {
		return fmt.Errorf("set undumpable: %w", err)
	}
	var s Setup
	blob, fds, err := Receive(controlFD, &s)
	if err != nil {
		return fmt.Errorf("read the set-up: %w", err)
	}
	if s.HostMountNS != h.hostMountNS {
		return fmt.Errorf("the daemon names mount namespace %d in the message and %d in the environment", s.HostMountNS, h.hostMountNS)
	}
	if s.Loopback {
		if err := raiseLoopback(); err != nil {
			return err
		}
	}
	listeners, err := listenAll(s.Listen)
	if err != nil {
		return err
	}
	// Limits are inherited; the helper itself needs little.
	if err := h.setLimits(&s); err != nil {
		return err
	}
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		started <- h.launch(&s, blob, fds)
	}()
	if err := <-started; err != nil {
		return err
	}
	CloseAll(fds)
	if s.DataBytes > 0 && h.launcher == nil {
		_ = limitProcess(h.guestPID, syscall.RLIMIT_DATA, uint64(s.DataBytes))
	}
	if err := Send(controlFD, &Notice{Started: true}, listeners); err != nil {
		return err
	}
	CloseAll(listeners)
	// The kernel hides from process 1 the signals it has no handler for, but Go
	// has one for most. Taking them all keeps the guest from ending its helper;
	// unlike ignoring them, it does not pass on to the guest.
	signal.Notify(make(chan os.Signal, 1))
	go h.obey()
	return h.reap()
}

// checkApart refuses to go on unless this process is where it must be (N1).
func (h *Helper) checkApart() error {
	host, err := strconv.ParseUint(os.Getenv(NamespaceVariable), 10, 64)
	if err != nil || host == 0 {
		return fmt.Errorf("refusing to run: the daemon's mount namespace is unknown")
	}
	if os.Getpid() != 1 {
		return fmt.Errorf("refusing to run: not the first process of a namespace")
	}
	own, err := threadMountNS()
	if err != nil {
		return fmt.Errorf("refusing to run: %w", err)
	}
	if own == host {
		return fmt.Errorf("refusing to run: this is the daemon's mount namespace")
	}
	h.hostMountNS, h.firstMountNS = host, own
	return nil
}

// threadMountNS is the inode of the calling thread's mount namespace.
func threadMountNS() (uint64, error) {
	const name = "/proc/thread-self/ns/mnt"
	var st syscall.Stat_t
	if err := syscall.Stat(name, &st); err != nil {
		return 0, fmt.Errorf("%s: %w", name, err)
	}
	return st.Ino, nil
}

// launch makes the calling thread the guest's parent: it moves to the second
// namespace, builds the root, drops everything, and starts the guest. No other
// goroutine may run on the thread afterwards.
func (h *Helper) launch(s *Setup, blob []byte, fds []int) error {
	if h.launcher != nil {
		var err error
		h.guestPID, h.guestNS, err = h.launcher.Launch(h, s, blob, fds)
		return err
	}
	trees, err := OpenTrees(s.Binds, fds)
	if err != nil {
		return err
	}
	h.guestNS, err = h.SecondNamespace()
	if err != nil {
		return err
	}
	// A detached tree opened in the first namespace may be attached here.
	if err := buildRoot(s, blob, trees); err != nil {
		return err
	}
	if err := dropPrivileges(s.Filter); err != nil {
		return err
	}
	h.guestPID, err = startGuest(s, fds)
	return err
}

// SecondNamespace moves the calling thread to a mount namespace of its own (N2).
func (h *Helper) SecondNamespace() (fd int, err error) {
	if err := syscall.Unshare(syscall.CLONE_NEWNS); err != nil {
		return -1, fmt.Errorf("second mount namespace: %w", err)
	}
	own, err := threadMountNS()
	if err != nil {
		return -1, err
	}
	if own == h.hostMountNS || own == h.firstMountNS {
		return -1, fmt.Errorf("refusing to pivot: not in a mount namespace of our own")
	}
	fd, err = syscall.Open("/proc/thread-self/ns/mnt", syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("guest's namespace: %w", err)
	}
	return fd, nil
}

// GuestFiles are what becomes the guest's descriptors, from 0 on.
func GuestFiles(s *Setup, fds []int) ([]uintptr, error) {
	files := []uintptr{0}
	for _, i := range s.Output {
		if i < 0 || i >= len(fds) {
			return nil, fmt.Errorf("the guest's output is descriptor %d of %d", i, len(fds))
		}
		files = append(files, uintptr(fds[i]))
	}
	return files, nil
}

func startGuest(s *Setup, fds []int) (int, error) {
	files, err := GuestFiles(s, fds)
	if err != nil {
		return 0, err
	}
	program, err := FindProgram(s)
	if err != nil {
		return 0, err
	}
	pid, err := syscall.ForkExec(program, s.Command, &syscall.ProcAttr{
		Dir:   s.Dir,
		Env:   s.Env,
		Files: files,
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return 0, &Refusal{Path: program, Reason: err.Error()}
	}
	return pid, nil
}

// dropPrivileges takes everything from the calling thread that the guest must
// not have.
func dropPrivileges(filter []uint64) error {
	for capability := uintptr(0); capability <= capabilityLast; capability++ {
		err := prctl(prCapBSetDrop, capability, 0)
		if err != nil && err != syscall.EINVAL {
			return fmt.Errorf("drop capability %d: %w", capability, err)
		}
	}
	if err := prctl(prCapAmbient, prCapAmbientClear, 0); err != nil {
		return fmt.Errorf("clear ambient capabilities: %w", err)
	}
	if err := dropAllCapabilities(); err != nil {
		return fmt.Errorf("drop capabilities: %w", err)
	}
	if err := prctl(prSetNoNewPrivs, 1, 0); err != nil {
		return fmt.Errorf("no_new_privs: %w", err)
	}
	if len(filter) == 0 {
		return fmt.Errorf("refusing to start a guest without a filter of system calls")
	}
	if err := seccomp(filter); err != nil {
		return fmt.Errorf("seccomp: %w", err)
	}
	return nil
}

// limit is a resource limit to set.
type limit struct {
	resource int
	value    uint64
}

func (h *Helper) setLimits(s *Setup) error {
	limits := []limit{{syscall.RLIMIT_CORE, 0}, {rlimitMemlock, LockedBytes}}
	if h.launcher == nil { // which sets the others itself, for the guest alone
		limits = append(limits, limit{syscall.RLIMIT_NOFILE, uint64(s.OpenFiles)}, limit{rlimitNProc, uint64(s.Processes)})
	}
	for _, one := range limits {
		limit := syscall.Rlimit{Cur: one.value, Max: one.value}
		if err := syscall.Setrlimit(one.resource, &limit); err != nil {
			return fmt.Errorf("resource limit %d = %d: %w", one.resource, one.value, err)
		}
	}
	return nil
}

// reap collects every process of the sandbox until the guest itself ends.
func (h *Helper) reap() error {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return fmt.Errorf("wait: %w", err)
		}
		if pid != h.guestPID {
			continue
		}
		n := Notice{Exited: true}
		if status.Signaled() {
			n.Signal = int(status.Signal())
		} else {
			n.Status = status.ExitStatus()
		}
		if h.launcher != nil && n.Signal == 0 {
			n.Status, n.Signal = h.launcher.ExitStatus(n.Status)
		}
		return Send(controlFD, &n, nil)
	}
}
