package nssandbox

import (
	"fmt"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"moln.dev/moln/engine/sandbox"
	"moln.dev/moln/engine/sandbox/cgroup"
	"moln.dev/moln/engine/sandbox/nssandbox/inside"
)

const (
	// stockSize is how many helpers wait for a guest. More would only help where
	// sandboxes start faster than helpers can be made.
	stockSize = 2
	// stockPause keeps the making of the next helper out of the way of the guest
	// that took the last one.
	stockPause = 50 * time.Millisecond
)

// fresh is a helper that waits for its set-up, in namespaces and a control group
// of its own. It has been nobody's, and becomes one sandbox's for life.
type fresh struct {
	group    *cgroup.Group // nil where the host has none
	control  *net.UnixConn
	process  *os.Process
	uid, gid int // of the guest, on the host
}

// stock holds helpers made in advance: to move a process into a control group the
// kernel waits for all processors to pass a quiet moment, about 10 ms, and its
// namespaces and its program take another three. Helpers of sandboxes that share
// the host's network are not kept.
type stock struct {
	mu     sync.Mutex
	ready  []*fresh
	making bool
	ended  bool
	quit   chan struct{} // closed with ended
	work   sync.WaitGroup
}

// takeFresh gives a helper of the stock, or makes one.
func (d *Driver) takeFresh(network sandbox.Network) (*fresh, error) {
	if network == sandbox.NetworkHost {
		return d.makeFresh(network)
	}
	for {
		d.stock.mu.Lock()
		if len(d.stock.ready) == 0 {
			d.fillStock()
			d.stock.mu.Unlock()
			return d.makeFresh(network)
		}
		f := d.stock.ready[0]
		d.stock.ready = slices.Delete(d.stock.ready, 0, 1)
		d.fillStock()
		d.stock.mu.Unlock()
		if f.waits() {
			return f, nil
		}
		f.discard()
	}
}

// fillStock begins to make what is missing. Called with the stock's lock held.
func (d *Driver) fillStock() {
	if d.stock.making || d.stock.ended {
		return
	}
	d.stock.making = true
	d.stock.work.Go(func() {
		select {
		case <-time.After(stockPause):
		case <-d.stock.quit:
		}
		for d.addFresh() {
		}
	})
}

// addFresh makes one helper for the stock. It says whether there is more to do.
func (d *Driver) addFresh() bool {
	d.stock.mu.Lock()
	wanted := len(d.stock.ready) < stockSize && !d.stock.ended
	d.stock.making = wanted
	d.stock.mu.Unlock()
	if !wanted {
		return false
	}
	f, err := d.makeFresh(sandbox.NetworkLoopback)
	d.stock.mu.Lock()
	defer d.stock.mu.Unlock()
	switch {
	case err != nil: // whoever needs one now is told why
		d.stock.making = false
		return false
	case d.stock.ended:
		f.discard()
		d.stock.making = false
		return false
	}
	d.stock.ready = append(d.stock.ready, f)
	return true
}

// end discards the stock for good.
func (s *stock) end() {
	s.mu.Lock()
	left := s.ready
	if s.ready = nil; !s.ended {
		s.ended = true
		close(s.quit)
	}
	s.mu.Unlock()
	s.work.Wait()
	for _, f := range left {
		f.discard()
	}
}

// makeFresh starts a helper.
func (d *Driver) makeFresh(network sandbox.Network) (*fresh, error) {
	attr := d.attributes(network)
	f := &fresh{uid: guestHostID(attr.UidMappings), gid: guestHostID(attr.GidMappings)}
	var err error
	if f.group, err = d.groups.New(cgroup.Limits{}); err != nil {
		return nil, err
	}
	if err = f.spawn(d, &os.ProcAttr{Dir: "/", Sys: attr}); err == nil && f.group != nil {
		err = f.group.Add(f.process.Pid)
	}
	if err != nil {
		f.discard()
		return nil, err
	}
	return f, nil
}

// spawn starts the process, in the namespaces that attr says.
func (f *fresh) spawn(d *Driver, attr *os.ProcAttr) error {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	theirs := os.NewFile(uintptr(pair[1]), "helper")
	defer theirs.Close()
	ours := os.NewFile(uintptr(pair[0]), "control")
	conn, err := net.FileConn(ours)
	_ = ours.Close()
	if err != nil {
		return err
	}
	f.control = conn.(*net.UnixConn)
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	attr.Files = []*os.File{null, null, null, theirs}
	attr.Env = []string{fmt.Sprintf("%s=%d", inside.NamespaceVariable, d.hostNS), "GOMAXPROCS=2", "GOGC=off"}
	f.process, err = os.StartProcess("/proc/self/exe", []string{d.helper}, attr)
	if err != nil {
		return fmt.Errorf("start the helper: %w", err)
	}
	return nil
}

// waits says whether the helper is still there and has said nothing, as it must.
func (f *fresh) waits() bool {
	raw, err := f.control.SyscallConn()
	if err != nil {
		return false
	}
	silent := false
	err = raw.Control(func(fd uintptr) {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
		silent = err == nil && n == 0
	})
	return err == nil && silent
}

// pipe makes a pipe for the guest's output. The read end suits the poller and the
// write end blocks, as programs expect.
func (f *fresh) pipe(root bool) (read *os.File, write int, err error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return nil, -1, err
	}
	err = unix.SetNonblock(fds[0], true)
	if err == nil && root {
		// So that the guest can open its /dev/stdout, which is the pipe.
		err = unix.Fchown(fds[1], f.uid, f.gid)
	}
	if err != nil {
		inside.CloseAll(fds[:])
		return nil, -1, err
	}
	return os.NewFile(uintptr(fds[0]), "guest"), fds[1], nil
}

// discard ends a helper that nobody has taken.
func (f *fresh) discard() {
	if f.process != nil {
		_ = f.process.Kill()
		_, _ = f.process.Wait()
	}
	if f.control != nil {
		_ = f.control.Close()
	}
	if f.group != nil {
		_ = f.group.Close()
	}
}
