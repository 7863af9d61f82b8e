package nssandbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"sort"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"moln.dev/moln/engine/sandbox"
	"moln.dev/moln/engine/sandbox/cgroup"
	"moln.dev/moln/engine/sandbox/nssandbox/inside"
	"moln.dev/moln/engine/sandbox/oci"
)

const (
	tmpDefaultBytes = 512 << 20
	// userFirst and userCount are the host users of root's sandboxes (N3).
	userFirst = 2_000_000
	userCount = 60_000
	// memorySlack is what a guest may use above its limit: the helper, page
	// tables, the interpreter's own start.
	memorySlackBytes   = 16 << 20
	memorySlackPercent = 10
	// dataSlackBytes is added to RLIMIT_DATA, the fence behind the watchdog
	// on hosts without control groups; interpreters reserve more than they use.
	dataSlackBytes = 1 << 30
	startTimeout   = 10 * time.Second
)

// Driver starts sandboxes in namespaces.
type Driver struct {
	root     bool
	groups   *cgroup.Manager
	binds    []inside.Bind
	devices  []inside.Bind // those of binds
	links    []inside.Link
	filter   []uint64 // of the guests' system calls
	helper   string   // the name that the helper starts under
	stock    stock
	hostNS   uint64
	nextUser atomic.Int64
	runtime  *oci.Runtime // nil: the helper itself starts guests
}

var _ sandbox.Driver = (*Driver)(nil)

// New looks at the host and returns a driver. Close it to remove its control
// groups.
func New() (*Driver, error) {
	ns, err := inode("/proc/self/ns/mnt")
	if err != nil {
		return nil, fmt.Errorf("nssandbox: %w", err)
	}
	d := &Driver{root: os.Geteuid() == 0, groups: cgroup.Open(), hostNS: ns, helper: inside.HelperName}
	d.stock.quit = make(chan struct{})
	if d.filter, err = assemble(runtime.GOARCH); err != nil {
		return nil, fmt.Errorf("nssandbox: %w", err)
	}
	var links map[string]string
	d.binds, links = baseBinds()
	d.links = sortedLinks(links)
	d.devices = slices.DeleteFunc(slices.Clone(d.binds), func(b inside.Bind) bool { return !b.Device })
	return d, nil
}

// Close frees what the driver holds on the host. All sandboxes must be killed.
func (d *Driver) Close() error {
	d.stock.end()
	return d.groups.Close()
}

// Name is "ns", or the runtime's.
func (d *Driver) Name() string {
	if d.runtime != nil {
		return string(d.runtime.Kind)
	}
	return "ns"
}

// Start makes a sandbox and runs the command in it.
func (d *Driver) Start(ctx context.Context, spec sandbox.Spec) (sandbox.Sandbox, error) {
	if err := spec.Check(); err != nil {
		return nil, err
	}
	withDefaults(&spec)
	sb := &box{spec: spec, guarded: d.guarded(), done: make(chan struct{}), replies: make(chan reply), listeners: map[string]net.Listener{}}
	if err := sb.start(ctx, d); err != nil {
		sb.abandon()
		return nil, fmt.Errorf("nssandbox: %w", err)
	}
	go sb.attend()
	go sb.watch()
	return sb, nil
}

func withDefaults(spec *sandbox.Spec) {
	if spec.TmpBytes == 0 {
		spec.TmpBytes = tmpDefaultBytes
	}
	if spec.Processes == 0 {
		spec.Processes = sandbox.DefaultProcesses
	}
	if spec.OpenFiles == 0 {
		spec.OpenFiles = sandbox.DefaultFiles
	}
	if spec.Dir == "" {
		spec.Dir = "/"
	}
}

// memoryFence is where a guest is ended: its limit and the slack.
func memoryFence(limit int64) int64 {
	return limit + limit*memorySlackPercent/100 + memorySlackBytes
}

func (sb *box) start(ctx context.Context, d *Driver) error {
	spec := &sb.spec
	limits := cgroup.Limits{CPUMilli: spec.CPUMilli, CPUWeight: spec.CPUWeight, Processes: spec.Processes}
	if spec.MemoryBytes > 0 {
		// The kernel counts /tmp as memory, AWS does not: the hard limit has
		// room for both and the watchdog enforces the guest's own share.
		limits.MemoryBytes = memoryFence(spec.MemoryBytes) + spec.TmpBytes
	}
	d.addSlack(&limits.MemoryBytes, &limits.Processes)
	sb.hostNetwork(spec)
	message, blob, err := d.setup(sb)
	if err != nil {
		return err
	}
	fds, err := openForHelper(d.root, message.Binds)
	defer func() { inside.CloseAll(fds) }() // the trees', and the pipes' ends
	if err != nil {
		return err
	}
	f, err := d.takeFresh(spec.Network)
	if err != nil {
		return err
	}
	sb.group, sb.control, sb.process = f.group, f.control, f.process
	if sb.group != nil {
		if err := sb.group.Set(limits); err != nil {
			return err
		}
	}
	for range 2 + spec.Pipes {
		read, write, err := f.pipe(d.root)
		if err != nil {
			return err
		}
		sb.pipes = append(sb.pipes, read)
		message.Output = append(message.Output, len(fds))
		fds = append(fds, write)
	}
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(startTimeout)
	}
	_ = sb.control.SetDeadline(deadline)
	stop := context.AfterFunc(ctx, func() { _ = sb.control.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if err := send(sb.control, message, blob, fds); err != nil {
		// It may have said why before it went.
		return fmt.Errorf("set up the helper: %w (%w)", err, sb.awaitStart())
	}
	if err := sb.awaitStart(); err != nil {
		return err
	}
	sb.isolation = d.isolation(spec, sb.group)
	return sb.control.SetDeadline(time.Time{})
}

// awaitStart takes the helper's word that the guest runs, and its listeners.
func (sb *box) awaitStart() error {
	var n inside.Notice
	fds, err := receive(sb.control, &n)
	defer inside.CloseAll(fds)
	if err != nil {
		_ = sb.process.Kill() // it may be waiting for us, when it is we who gave up
		state, _ := sb.process.Wait()
		return fmt.Errorf("the helper ended before the guest began: %w (%v)", err, state)
	}
	if n.Refused != nil {
		return startError(n.Refused)
	}
	if n.Error != "" {
		return errors.New(n.Error)
	}
	if !n.Started || (len(fds) != len(sb.spec.Listen) && sb.spec.Network != sandbox.NetworkHost) {
		return fmt.Errorf("the helper sent %d listeners of %d", len(fds), len(sb.spec.Listen))
	}
	for i, fd := range fds {
		l, err := listenerOf(fd)
		if err != nil {
			return err
		}
		sb.listeners[sb.spec.Listen[i]] = l
	}
	return nil
}

// listenerOf wraps a copy of the descriptor.
func listenerOf(fd int) (net.Listener, error) {
	own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(own), "listener")
	defer f.Close()
	return net.FileListener(f)
}

// hostNetwork makes the listeners on the host where the guest shares its network.
func (sb *box) hostNetwork(spec *sandbox.Spec) {
	if spec.Network != sandbox.NetworkHost {
		return
	}
	for _, addr := range spec.Listen {
		if l, err := net.Listen("tcp", "127.0.0.1:0"); err == nil {
			sb.listeners[addr] = l
		}
	}
}

func (sb *box) listenAddr(addr string) string {
	if l := sb.listeners[addr]; l != nil {
		return l.Addr().String()
	}
	return addr
}

// setup is the message that tells the helper what to build.
func (d *Driver) setup(sb *box) (*inside.Setup, []byte, error) {
	spec := &sb.spec
	m := &inside.Setup{
		HostMountNS: d.hostNS,
		Command:     sandbox.ExpandAll(spec.Command, sb.listenAddr, sb.Path),
		Env:         sandbox.ExpandAll(spec.Env, sb.listenAddr, sb.Path),
		Dir:         spec.Dir,
		Binds:       append([]inside.Bind{}, d.binds...),
		Links:       d.links,
		Loopback:    spec.Network == sandbox.NetworkLoopback,
		TmpBytes:    spec.TmpBytes,
		OpenFiles:   spec.OpenFiles,
		Processes:   spec.Processes,
		Filter:      d.filter,
	}
	if spec.Network == sandbox.NetworkLoopback {
		var err error
		if m.Listen, err = addresses(spec.Listen); err != nil {
			return nil, nil, err
		}
	}
	if spec.Root != "" {
		if err := d.ownRoot(m, spec.Root); err != nil {
			return nil, nil, err
		}
	}
	if _, held := d.groups.Has("memory"); !held && spec.MemoryBytes > 0 && !d.guarded() {
		m.DataBytes = memoryFence(spec.MemoryBytes) + dataSlackBytes
	}
	for _, mount := range spec.Mounts {
		b, err := bindOf(mount)
		if err != nil {
			return nil, nil, err
		}
		m.Binds = append(m.Binds, b)
	}
	if d.runtime != nil {
		if err := d.addRuntime(m); err != nil {
			return nil, nil, err
		}
	}
	var blob []byte
	files := baseFiles(spec.Hosts, spec.Root != "")
	if spec.Network == sandbox.NetworkHost {
		resolver, _ := os.ReadFile("/etc/resolv.conf")
		files["/etc/resolv.conf"] = resolver
	}
	for name, data := range spec.Files {
		files[name] = data
	}
	for _, name := range sortedNames(files) {
		m.Files = append(m.Files, inside.File{Name: name, Size: len(files[name])})
		blob = append(blob, files[name]...)
	}
	return m, blob, nil
}

// ownRoot replaces the host's programs by the directory.
func (d *Driver) ownRoot(m *inside.Setup, dir string) error {
	b, err := bindOf(sandbox.Mount{Source: dir, Target: "/", ReadOnly: true})
	if err != nil {
		return err
	}
	if b.File {
		return fmt.Errorf("the root %s is not a directory", dir)
	}
	m.Root, m.Binds, m.Links = true, append([]inside.Bind{b}, d.devices...), sortedLinks(deviceLinks())
	return nil
}

func sortedNames(files map[string][]byte) []string {
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

func sortedLinks(targets map[string]string) []inside.Link {
	links := make([]inside.Link, 0, len(targets))
	for name, target := range targets {
		links = append(links, inside.Link{Name: name, Target: target})
	}
	slices.SortFunc(links, func(a, b inside.Link) int { return cmp.Compare(a.Name, b.Name) })
	return links
}

// addresses are those of Spec.Listen as the helper takes them.
func addresses(listen []string) ([]inside.Address, error) {
	var list []inside.Address
	for _, text := range listen {
		ap, err := netip.ParseAddrPort(text)
		if err == nil && !ap.Addr().Is4() {
			err = errors.New("not an IPv4 address")
		}
		if err != nil {
			return nil, fmt.Errorf("listen on %s: %w", text, err)
		}
		list = append(list, inside.Address{IP: ap.Addr().As4(), Port: int(ap.Port())})
	}
	return list, nil
}

func bindOf(m sandbox.Mount) (inside.Bind, error) {
	st, err := os.Stat(m.Source)
	if err != nil {
		return inside.Bind{}, err
	}
	return inside.Bind{Source: m.Source, FD: -1, Target: m.Target, File: !st.IsDir(), Writable: !m.ReadOnly}, nil
}

// openForHelper opens the trees as root, because the helper, an unprivileged
// user, could not pass through directories closed to it. Where the daemon is not
// root it has no right to, and the helper has its rights anyway.
func openForHelper(root bool, binds []inside.Bind) ([]int, error) {
	if !root {
		return nil, nil
	}
	var fds []int
	for i := range binds {
		fd, err := inside.OpenTree(binds[i])
		if err != nil {
			return fds, err
		}
		binds[i].FD = len(fds)
		fds = append(fds, fd)
	}
	return fds, nil
}

// guestHostID is what the guest's user or group is on the host.
func guestHostID(mappings []syscall.SysProcIDMap) int {
	for _, m := range mappings {
		if m.ContainerID == inside.UserID {
			return m.HostID
		}
	}
	return mappings[0].HostID
}

// attributes are the namespaces and the user of the helper.
func (d *Driver) attributes(network sandbox.Network) *syscall.SysProcAttr {
	uid, gid := os.Geteuid(), os.Getegid()
	if d.root {
		uid = userFirst + int(d.nextUser.Add(1)%userCount)
		gid = uid
	}
	attr := &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID |
			syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS,
		UidMappings:                []syscall.SysProcIDMap{{ContainerID: inside.UserID, HostID: uid, Size: 1}},
		GidMappings:                []syscall.SysProcIDMap{{ContainerID: inside.UserID, HostID: gid, Size: 1}},
		GidMappingsEnableSetgroups: d.root,
		Credential:                 &syscall.Credential{Uid: inside.UserID, Gid: inside.UserID, NoSetGroups: !d.root},
		AmbientCaps: []uintptr{
			unix.CAP_KILL, unix.CAP_SETPCAP, unix.CAP_NET_BIND_SERVICE, unix.CAP_NET_ADMIN,
			unix.CAP_SYS_CHROOT, unix.CAP_SYS_PTRACE, unix.CAP_SYS_ADMIN, unix.CAP_SYS_RESOURCE,
		},
		Pdeathsig: syscall.SIGKILL,
		Setsid:    true,
	}
	if d.runtime != nil {
		d.runtimeAttributes(attr)
	}
	if network != sandbox.NetworkHost {
		attr.Cloneflags |= syscall.CLONE_NEWNET
	}
	return attr
}

// onceError runs a function once and keeps its error.
type onceError struct {
	once sync.Once
	err  error
}

func (o *onceError) do(f func() error) error {
	o.once.Do(func() { o.err = f() })
	return o.err
}
