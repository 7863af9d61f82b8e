package nssandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"moln.dev/moln/engine/sandbox"
	"moln.dev/moln/engine/sandbox/nssandbox/inside"
	"moln.dev/moln/engine/sandbox/oci"
)

const (
	// ociUserFirst begins the host users of root's sandboxes with a runtime:
	// ociUsersEach apiece, for the runtime, the guest, and nobody, as whom
	// gVisor runs.
	ociUserFirst = 2_100_000
	ociUsersEach = 3
	ociBoxes     = 20_000
	nobodyID     = 65534

	// ociProcessSlack is what a starting runtime needs besides the guest, and
	// guarded* what gVisor's kernel needs as long as it runs.
	ociProcessSlack     = 64
	guardedProcessSlack = 512
	guardedMemoryBytes  = 96 << 20
)

// runtimeSetup is the part of the set-up that a runtime needs. Its program is the
// last of the binds.
type runtimeSetup struct {
	oci.Runtime
	User int
	Root bool // the daemon is root, and there is more than one user
}

// NewOCI is New for a driver whose guests an OCI runtime starts. The helper
// stays what it is, except that it furnishes the root and lets the runtime
// enter it: in the sandbox's user namespace, so that the runtime has no rights
// on the host either.
func NewOCI(r oci.Runtime) (*Driver, error) {
	d, err := New()
	if err != nil {
		return nil, err
	}
	d.runtime, d.helper = &r, ociHelperName
	return d, nil
}

// guarded says that guests have a kernel of their own.
func (d *Driver) guarded() bool { return d.runtime != nil && d.runtime.Guarded() }

// guestUser is the guest's user in its namespace. An ordinary user can map but
// one, and runtimes want it to be 0, which has no rights without capabilities.
func (d *Driver) guestUser() int {
	if d.root || d.guarded() {
		return inside.UserID
	}
	return 0
}

// addRuntime adds to the set-up what the runtime needs.
func (d *Driver) addRuntime(m *inside.Setup) error {
	b, err := bindOf(sandbox.Mount{Source: d.runtime.Path, Target: "/runtime", ReadOnly: true})
	if err != nil {
		return err
	}
	m.Binds = append(m.Binds, b)
	own := runtimeSetup{Runtime: *d.runtime, User: d.guestUser(), Root: d.root}
	m.NoProc = d.guarded() // whose kernel has its own
	if own.User == 0 {
		m.ProcOptions = "hidepid=2" // the helper has the guest's user
	}
	m.Launch, err = json.Marshal(own)
	return err
}

// runtimeAttributes makes the helper user 0 of its namespace, as runtimes expect.
func (d *Driver) runtimeAttributes(attr *syscall.SysProcAttr) {
	first, count := os.Geteuid(), 1
	if d.root {
		first, count = ociUserFirst+int(d.nextUser.Add(1)%ociBoxes)*ociUsersEach, ociUsersEach
	}
	inside := []int{0, inside.UserID, nobodyID}[:count]
	group := first
	if !d.root {
		group = os.Getegid()
	}
	attr.UidMappings, attr.GidMappings = nil, nil
	for i, id := range inside {
		attr.UidMappings = append(attr.UidMappings, syscall.SysProcIDMap{ContainerID: id, HostID: first + i, Size: 1})
		attr.GidMappings = append(attr.GidMappings, syscall.SysProcIDMap{ContainerID: id, HostID: group + i, Size: 1})
	}
	attr.Credential.Uid, attr.Credential.Gid, attr.AmbientCaps = 0, 0, nil
	attr.Cloneflags |= syscall.CLONE_NEWCGROUP
}

// addSlack gives a runtime room beside its guest.
func (d *Driver) addSlack(memory *int64, processes *int) {
	if d.runtime == nil {
		return
	}
	*processes += ociProcessSlack
	if !d.guarded() {
		return
	}
	*processes += guardedProcessSlack
	if *memory > 0 {
		*memory += guardedMemoryBytes
	}
}

// stage is where a helper with a runtime has put things, in the second mount
// namespace.
type stage struct {
	runtimeSetup
	places oci.Places
	root   string // the guest's
	tmp    int    // descriptor of its /tmp, where that is ours
	proc   int    // descriptor of this namespace's /proc
	ns     int    // descriptor of the namespace
	late   int    // descriptor of the one that late mounts go into
}

var _ inside.Launcher = (*stage)(nil)

// Launch implements inside.Launcher: the runtime starts the guest.
func (st *stage) Launch(h *inside.Helper, s *inside.Setup, blob []byte, fds []int) (pid, ns int, err error) {
	if err := json.Unmarshal(s.Launch, &st.runtimeSetup); err != nil {
		return 0, 0, err
	}
	trees, err := inside.OpenTrees(s.Binds, fds)
	if err != nil {
		return 0, 0, err
	}
	s.Binds = s.Binds[:len(s.Binds)-1] // without the runtime's program
	if st.ns, err = h.SecondNamespace(); err != nil {
		return 0, 0, err
	}
	if err := st.build(s, blob, trees); err != nil {
		return 0, 0, err
	}
	if err := st.writeConfig(s); err != nil {
		return 0, 0, err
	}
	if pid, err = st.run(s, fds); err != nil {
		return 0, 0, err
	}
	st.late = st.ns
	if st.Guarded() {
		return pid, st.late, nil
	}
	// A guest that has ended already has no namespace, and needs none.
	guestNS, err := unix.Open(fmt.Sprintf("/proc/%d/ns/mnt", pid), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err == nil {
		st.late = guestNS
	}
	return pid, st.late, nil
}

// Place implements inside.Launcher.
func (st *stage) Place(target string) string {
	if st.late == st.ns {
		return st.root + target
	}
	return target
}

// build furnishes the root and lays the runtime's own things beside it. The
// caller has checked that the thread is in a namespace of its own (N2).
func (st *stage) build(s *inside.Setup, blob []byte, trees []int) error {
	base, err := inside.MountStage()
	if err != nil {
		return err
	}
	if st.Guarded() {
		// Late mounts reach the runtime's file server by propagation.
		if err := unix.Mount("", base, "", unix.MS_SHARED, ""); err != nil {
			return fmt.Errorf("share the root: %w", err)
		}
	}
	for _, dir := range []string{"rootfs", "state", "bin"} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
	}
	st.places = oci.Places{
		Program: filepath.Join(base, "bin", string(st.Kind)), State: filepath.Join(base, "state"),
		Bundle: base, Log: filepath.Join(base, "log"), PIDFile: filepath.Join(base, "pid"),
	}
	if err := os.WriteFile(st.places.Program, nil, 0o555); err != nil {
		return err
	}
	last := len(trees) - 1
	if err := inside.Attach(trees[last], st.places.Program); err != nil {
		return err
	}
	if err := st.hostViews(); err != nil {
		return err
	}
	if err := unix.Chdir("rootfs"); err != nil {
		return err
	}
	if err := inside.Furnish(s, blob, trees[:last]); err != nil {
		return err
	}
	if st.root, err = os.Getwd(); err != nil {
		return err
	}
	st.tmp, err = unix.Open("tmp", unix.O_PATH|unix.O_CLOEXEC, 0)
	return err
}

// hostViews makes /proc and the control groups of this namespace the sandbox's,
// for the runtime to look at.
func (st *stage) hostViews() error {
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount /proc for the runtime: %w", err)
	}
	var err error
	if st.proc, err = unix.Open("/proc", unix.O_PATH|unix.O_CLOEXEC, 0); err != nil {
		return err
	}
	if st.Kind == oci.Crun {
		// It refuses to run where both versions are; where this one cannot be
		// mounted, it says itself what it lacks.
		_ = unix.Mount("cgroup", "/sys/fs/cgroup", "cgroup2", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
	}
	return nil
}

func (st *stage) writeConfig(s *inside.Setup) error {
	program, err := st.findProgram(s)
	if err != nil {
		return err
	}
	guest := oci.Guest{
		Root: st.root, Args: append([]string{program}, s.Command[1:]...), Env: s.Env, Dir: s.Dir, User: st.User,
		OpenFiles: s.OpenFiles, Processes: s.Processes, DataBytes: s.DataBytes, LockedBytes: inside.LockedBytes,
		TmpBytes: s.TmpBytes, Arch: runtime.GOARCH,
	}
	if st.Guarded() {
		guest.Proc = true
		if st.Root {
			guest.Tmp = filepath.Join(st.root, "tmp")
		}
	} else {
		guest.Dev = filepath.Join(st.root, "dev")
	}
	config, err := st.Config(guest)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(st.places.Bundle, "config.json"), config, 0o600)
}

// findProgram looks for the guest's program from within its root.
func (st *stage) findProgram(s *inside.Setup) (string, error) {
	back, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", err
	}
	defer unix.Close(back)
	if err := unix.Chroot(st.root); err != nil {
		return "", fmt.Errorf("enter the root: %w", err)
	}
	program, found := inside.FindProgram(s)
	if found == nil {
		if err := unix.Access(program, unix.X_OK); err != nil {
			found = &inside.Refusal{Path: program, Reason: err.Error()}
		}
	}
	if err := unix.Fchdir(back); err != nil {
		return "", err
	}
	if err := unix.Chroot("."); err != nil {
		return "", fmt.Errorf("leave the root: %w", err)
	}
	return program, found
}

// run lets the runtime start the guest. The runtime leaves, so that the guest
// becomes this process's child, the first of the namespace.
func (st *stage) run(s *inside.Setup, fds []int) (int, error) {
	files, err := inside.GuestFiles(s, fds)
	if err != nil {
		return 0, err
	}
	const standard = 3
	pid, err := st.command(st.Run(st.places, len(files)-standard), files)
	if err != nil {
		return 0, err
	}
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(pid, &status, 0, nil); err != nil {
		return 0, fmt.Errorf("wait for %s: %w", st.Kind, err)
	}
	if status != 0 {
		log, _ := os.ReadFile(st.places.Log)
		reason := oci.Reason(log)
		if system := startReason(reason); system != "" {
			return 0, &inside.Refusal{Path: s.Command[0], Reason: system}
		}
		return 0, fmt.Errorf("%s ended with status %d: %s", st.Version, status.ExitStatus(), reason)
	}
	text, err := os.ReadFile(st.places.PIDFile)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}

// startReason is the system's word on why a program that is there could not be
// started, "" where the text is about something else.
func startReason(text string) string {
	for _, errno := range []syscall.Errno{syscall.ENOEXEC, syscall.EACCES, syscall.ENOENT} {
		if strings.Contains(text, "exec") && strings.HasSuffix(strings.ToLower(strings.TrimRight(text, "\"")), errno.Error()) {
			return errno.Error()
		}
	}
	return ""
}

func (st *stage) command(args []string, files []uintptr) (int, error) {
	pid, err := syscall.ForkExec(args[0], args, &syscall.ProcAttr{
		Dir: st.places.Bundle, Files: files, Sys: &syscall.SysProcAttr{Setsid: true},
		Env: []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/", "XDG_RUNTIME_DIR=" + st.places.State},
	})
	if err != nil {
		return 0, fmt.Errorf("start %s: %w", st.Path, err)
	}
	return pid, nil
}

// memoryFile is the name of the file in memory that is a gVisor guest's memory.
const memoryFile = "runsc-memory"

// Weigh tells what only the helper can see of a gVisor guest's memory: for root,
// what lies in its /tmp, which is memory to the kernel but not to a memory limit;
// else, where no control group measures, all that the guest has.
func (st *stage) Weigh(pid int) (int64, error) {
	if !st.Guarded() {
		return 0, nil
	}
	if !st.Root {
		return st.memory(pid)
	}
	var fs unix.Statfs_t
	if err := unix.Fstatfs(st.tmp, &fs); err != nil {
		return 0, err
	}
	return int64(fs.Blocks-fs.Bfree) * fs.Bsize, nil
}

// memory is what the memory file of a gVisor process holds.
func (st *stage) memory(pid int) (int64, error) {
	fd, err := unix.Openat(st.proc, strconv.Itoa(pid)+"/fd", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	dir := os.NewFile(uintptr(fd), "fd")
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return 0, err
	}
	link := make([]byte, 64)
	for _, name := range names {
		n, err := unix.Readlinkat(fd, name, link)
		if err != nil || !strings.Contains(string(link[:n]), memoryFile) {
			continue
		}
		var file unix.Stat_t
		if err := unix.Fstatat(fd, name, &file, 0); err != nil {
			return 0, err
		}
		const blockBytes = 512
		return file.Blocks * blockBytes, nil
	}
	return 0, fmt.Errorf("process %d has no %s", pid, memoryFile)
}

// guardedMemory is what a guest and its own kernel hold, apart from its /tmp; as
// far as can be told.
func (sb *box) guardedMemory() int64 {
	fence := memoryFence(sb.spec.MemoryBytes)
	held, measured := int64(0), false
	if sb.group != nil {
		held, measured = sb.group.Held()
	}
	if measured && (held <= fence || os.Geteuid() != 0) {
		return min(held, fence) // the group's own limit is left, on all together
	}
	answer, err := sb.askFor(inside.Order{Weigh: true}, nil)
	switch {
	case err != nil:
		return 0
	case measured:
		return held - answer.Bytes - guardedMemoryBytes
	}
	return answer.Bytes - sb.spec.TmpBytes // which lies in the same memory
}

// Signal reaches the guest of a runtime with processes of its own.
func (st *stage) Signal(pid, number int) error {
	if !st.Guarded() {
		return syscall.Kill(pid, syscall.Signal(number))
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with us
		done <- st.signal(number)
	}()
	return <-done
}

func (st *stage) signal(number int) error {
	if err := inside.Enter(st.ns); err != nil {
		return err
	}
	pid, err := st.command(st.Runtime.Signal(st.places, number), []uintptr{0, 1, 2})
	if err != nil {
		return err
	}
	// The status is for reap, which collects every child.
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	for {
		_, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, -1)
		if err != unix.EINTR {
			return err
		}
	}
}
