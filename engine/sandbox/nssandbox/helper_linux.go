package nssandbox

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"moln.dev/moln/engine/sandbox"
)

const (
	// helperName is argv[0] of the helper.
	helperName = "moln-sandbox-init"
	// namespaceVariable tells the helper the daemon's mount namespace.
	namespaceVariable = "MOLN_SANDBOX_HOST_MNT"
	// exitRefused is the helper's status when a safety check fails.
	exitRefused = 125

	controlFD    = 3 // in the helper
	firstPipeFD  = 4
	helperUserID = 1000 // user and group inside the user namespace
)

// Main runs the sandbox helper and does not return when this process was started
// as one; else it returns at once. Call it first thing in main and in TestMain.
func Main() {
	if len(os.Args) == 0 || os.Args[0] != helperName {
		return
	}
	runtime.LockOSThread()
	h := &helper{}
	if err := h.run(); err != nil {
		_ = sendRaw(controlFD, notice{Error: err.Error(), Refused: refusal(err)}, nil)
		os.Exit(exitRefused)
	}
	os.Exit(0)
}

// helper is process 1 of a sandbox. Its main thread stays in the first mount
// namespace of the sandbox, which still shows the host's files.
type helper struct {
	hostMountNS  uint64
	firstMountNS uint64
	guestNS      int // descriptor of the guest's mount namespace
	guestPID     int
	stage        *stage // with a runtime
}

func (h *helper) run() error {
	unix.CloseOnExec(controlFD)
	unix.Umask(0o022)
	if err := h.checkApart(); err != nil {
		return err
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("set undumpable: %w", err)
	}
	var s setup
	blob, fds, err := receiveRaw(controlFD, &s)
	if err != nil {
		return fmt.Errorf("read the set-up: %w", err)
	}
	if s.HostMountNS != h.hostMountNS {
		return fmt.Errorf("the daemon names mount namespace %d in the message and %d in the environment", s.HostMountNS, h.hostMountNS)
	}
	for i := range s.Pipes {
		unix.CloseOnExec(firstPipeFD + i)
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
	if err := setLimits(&s); err != nil {
		return err
	}
	started := make(chan error)
	go func() {
		if s.Runtime != nil {
			started <- h.launchRuntime(&s, blob, fds)
			return
		}
		started <- h.launch(&s, blob, fds)
	}()
	if err := <-started; err != nil {
		return err
	}
	closeAll(fds)
	if s.DataBytes > 0 && s.Runtime == nil {
		limit := unix.Rlimit{Cur: uint64(s.DataBytes), Max: uint64(s.DataBytes)}
		_ = unix.Prlimit(h.guestPID, unix.RLIMIT_DATA, &limit, nil)
	}
	if err := sendRaw(controlFD, notice{Started: true}, listeners); err != nil {
		return err
	}
	closeAll(listeners)
	// The kernel hides from process 1 the signals it has no handler for, but Go
	// has one for most. Taking them all keeps the guest from ending its helper;
	// unlike ignoring them, it does not pass on to the guest.
	signal.Notify(make(chan os.Signal, 1))
	go h.obey()
	return h.reap()
}

// checkApart refuses to go on unless this process is where it must be (N1).
func (h *helper) checkApart() error {
	host, err := strconv.ParseUint(os.Getenv(namespaceVariable), 10, 64)
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
func threadMountNS() (uint64, error) { return inode("/proc/thread-self/ns/mnt") }

func inode(name string) (uint64, error) {
	var st unix.Stat_t
	if err := unix.Stat(name, &st); err != nil {
		return 0, fmt.Errorf("%s: %w", name, err)
	}
	return st.Ino, nil
}

// launch makes the calling thread the guest's parent: it moves to the second
// namespace, builds the root, drops everything, and starts the guest. The thread
// is never unlocked: it ends with the goroutine, so that no other one runs in that
// state.
func (h *helper) launch(s *setup, blob []byte, fds []int) error {
	runtime.LockOSThread()
	trees, err := openTrees(s.Binds, fds)
	if err != nil {
		return err
	}
	h.guestNS, err = h.secondNamespace()
	if err != nil {
		return err
	}
	// A detached tree opened in the first namespace may be attached here.
	if err := buildRoot(s, blob, trees); err != nil {
		return err
	}
	if err := dropPrivileges(); err != nil {
		return err
	}
	h.guestPID, err = startGuest(s)
	if err != nil {
		return err
	}
	return nil
}

// secondNamespace moves the calling thread to a mount namespace of its own.
func (h *helper) secondNamespace() (fd int, err error) {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return -1, fmt.Errorf("second mount namespace: %w", err)
	}
	own, err := threadMountNS()
	if err != nil {
		return -1, err
	}
	if own == h.hostMountNS || own == h.firstMountNS {
		return -1, fmt.Errorf("refusing to pivot: not in a mount namespace of our own")
	}
	fd, err = unix.Open("/proc/thread-self/ns/mnt", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("guest's namespace: %w", err)
	}
	return fd, nil
}

func startGuest(s *setup) (int, error) {
	files := []uintptr{0, 1, 2}
	for i := range s.Pipes {
		files = append(files, uintptr(firstPipeFD+i))
	}
	program, err := findProgram(s)
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
		return 0, &sandbox.StartError{Path: program, Reason: err.Error()}
	}
	return pid, nil
}

// dropPrivileges takes everything from the calling thread that the guest must
// not have.
func dropPrivileges() error {
	for capability := uintptr(0); capability <= unix.CAP_LAST_CAP; capability++ {
		err := unix.Prctl(unix.PR_CAPBSET_DROP, capability, 0, 0, 0)
		if err != nil && err != unix.EINVAL {
			return fmt.Errorf("drop capability %d: %w", capability, err)
		}
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return fmt.Errorf("clear ambient capabilities: %w", err)
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := unix.Capset(&header, &none[0]); err != nil {
		return fmt.Errorf("drop capabilities: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no_new_privs: %w", err)
	}
	return installFilter()
}

// limit is a resource limit to set.
type limit struct {
	resource int
	value    uint64
}

// lockedBytes is what a guest may keep from being swapped.
const lockedBytes = 64 << 10

func setLimits(s *setup) error {
	limits := []limit{{unix.RLIMIT_CORE, 0}, {unix.RLIMIT_MEMLOCK, lockedBytes}}
	if s.Runtime == nil { // which sets the others itself, for the guest alone
		limits = append(limits, limit{unix.RLIMIT_NOFILE, uint64(s.OpenFiles)}, limit{unix.RLIMIT_NPROC, uint64(s.Processes)})
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
func (h *helper) reap() error {
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
		n := notice{Exited: true}
		if status.Signaled() {
			n.Signal = int(status.Signal())
		} else {
			n.Status = status.ExitStatus()
		}
		if h.stage != nil && n.Signal == 0 {
			n.Status, n.Signal = h.stage.ExitStatus(n.Status)
		}
		return sendRaw(controlFD, n, nil)
	}
}

// obey carries out the daemon's orders. It ends the sandbox when the daemon is
// gone.
func (h *helper) obey() {
	sealed := false
	for {
		var o order
		_, fds, err := receiveRaw(controlFD, &o)
		if err != nil {
			os.Exit(exitRefused)
		}
		answer := notice{Done: true}
		var dialled []int
		switch {
		case o.Dial != 0:
			dialled, err = dial(o.Dial)
		case o.Weigh:
			answer.Bytes, err = h.weigh()
		case o.Seal:
			sealed = true
		case o.Signal != 0:
			err = h.signal(o.Signal)
		case o.Mount != nil && sealed:
			err = fmt.Errorf("the sandbox is sealed")
		case o.Mount != nil:
			err = h.mountLate(*o.Mount, fds)
		}
		closeAll(fds)
		if err != nil {
			answer = notice{Error: err.Error()}
		}
		if err := sendRaw(controlFD, answer, dialled); err != nil {
			os.Exit(exitRefused)
		}
		closeAll(dialled)
	}
}

// dial begins a connection to a port of the guest's loopback. It does not wait
// for the guest, which could make it wait for ever; the daemon does.
func dial(port int) ([]int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	err = unix.Connect(fd, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}})
	if err != nil && err != unix.EINPROGRESS {
		_ = unix.Close(fd)
		return nil, err
	}
	return []int{fd}, nil
}

// mountLate opens the tree in the first namespace and attaches it in the
// guest's, on a thread that ends with the call.
func (h *helper) mountLate(b bind, fds []int) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with us
		done <- h.attachInGuest(b, fds)
	}()
	return <-done
}

func (h *helper) attachInGuest(b bind, fds []int) error {
	trees, err := openTrees([]bind{b}, fds)
	if err != nil {
		return err
	}
	defer closeAll(trees)
	if err := enter(h.guestNS); err != nil {
		return err
	}
	target := b.Target
	if h.stage != nil && h.guestNS == h.stage.ns {
		target = h.stage.root + target
	}
	return attach(trees[0], target)
}

// enter moves the calling thread, which must be locked, to a mount namespace.
func enter(ns int) error {
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return fmt.Errorf("unshare file system state: %w", err)
	}
	if err := unix.Setns(ns, unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("enter the guest's namespace: %w", err)
	}
	return nil
}

func closeAll(fds []int) {
	for _, fd := range fds {
		_ = unix.Close(fd)
	}
}

// raiseLoopback brings lo up in this process's network namespace.
func raiseLoopback() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("loopback: %w", err)
	}
	defer unix.Close(fd)
	var request struct {
		name  [unix.IFNAMSIZ]byte
		flags uint16
		_     [22]byte
	}
	copy(request.name[:], "lo")
	request.flags = unix.IFF_UP
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCSIFFLAGS, uintptr(unsafe.Pointer(&request)))
	if errno != 0 {
		return fmt.Errorf("loopback up: %w", errno)
	}
	return nil
}

func listenAll(addrs []string) ([]int, error) {
	var fds []int
	for _, addr := range addrs {
		fd, err := listen(addr)
		if err != nil {
			return nil, fmt.Errorf("listen on %s: %w", addr, err)
		}
		fds = append(fds, fd)
	}
	return fds, nil
}
