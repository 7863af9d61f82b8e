package nssandbox

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"moln.dev/moln/engine/sandbox"
	"moln.dev/moln/engine/sandbox/cgroup"
	"moln.dev/moln/engine/sandbox/nssandbox/inside"
)

// watchInterval is how often a running guest's memory is looked at.
const watchInterval = 100 * time.Millisecond

// box is one sandbox.
type box struct {
	spec      sandbox.Spec
	guarded   bool // by a kernel of its own
	group     *cgroup.Group
	control   *net.UnixConn
	process   *os.Process // the helper
	pipes     []*os.File
	listeners map[string]net.Listener
	isolation sandbox.Isolation

	frozen  atomic.Bool
	killed  atomic.Bool
	starved atomic.Bool // the watchdog ended it for its memory
	peak    atomic.Int64

	orders  sync.Mutex // one order at a time is with the helper
	replies chan reply

	done chan struct{} // closed when exit is set
	exit sandbox.ExitState
	kill onceError
}

var (
	_ sandbox.Sandbox    = (*box)(nil)
	_ sandbox.Freezer    = (*box)(nil)
	_ sandbox.CPULimiter = (*box)(nil)
	_ sandbox.Sealer     = (*box)(nil)
	_ sandbox.Dialer     = (*box)(nil)
)

// reply is the helper's answer to an order. Whoever takes it owns the
// descriptors.
type reply struct {
	inside.Notice
	fds []int
}

// abandon undoes a start that failed.
func (sb *box) abandon() {
	if sb.process != nil {
		_ = sb.process.Kill()
		_, _ = sb.process.Wait()
	}
	sb.release()
	for _, p := range sb.pipes {
		_ = p.Close()
	}
}

func (sb *box) release() {
	if sb.control != nil {
		_ = sb.control.Close()
	}
	for _, l := range sb.listeners {
		_ = l.Close()
	}
	if sb.group != nil {
		_ = sb.group.Close()
	}
}

// attend reads the helper's notices until it is gone, then settles the exit.
func (sb *box) attend() {
	var last inside.Notice
	for {
		var n inside.Notice
		fds, err := receive(sb.control, &n)
		if err != nil {
			inside.CloseAll(fds)
			break
		}
		if n.Exited {
			inside.CloseAll(fds)
			last = n
			continue
		}
		select {
		case sb.replies <- reply{n, fds}:
		case <-time.After(startTimeout): // nobody asked; a helper gone wrong
			inside.CloseAll(fds)
		}
	}
	// A guest that ended by itself has a helper that is ending too; a control
	// connection that broke otherwise must not leave it running.
	if !last.Exited {
		_ = sb.process.Kill()
		sb.unstop()
	}
	state, _ := sb.process.Wait()
	sb.exit = sb.settle(last, state)
	sb.release()
	close(sb.done)
}

func (sb *box) settle(last inside.Notice, state *os.ProcessState) sandbox.ExitState {
	exit := sandbox.ExitState{Status: last.Status, Signal: syscall.Signal(last.Signal), Killed: sb.killed.Load()}
	if !last.Exited && state != nil {
		status, _ := state.Sys().(syscall.WaitStatus)
		exit.Status = status.ExitStatus()
		if status.Signaled() {
			exit.Status, exit.Signal = 0, status.Signal()
		}
	}
	exit.OutOfMemory = sb.starved.Load() || (sb.group != nil && sb.group.OOMKills() > 0)
	if exit.OutOfMemory {
		exit.Killed = false
	}
	return exit
}

// ask gives the helper an order and waits until it is done.
func (sb *box) ask(o inside.Order, fds []int) error {
	got, err := sb.askFor(o, fds)
	inside.CloseAll(got.fds)
	return err
}

// askFor is ask for an order that is answered with more than that it is done.
func (sb *box) askFor(o inside.Order, fds []int) (reply, error) {
	sb.orders.Lock()
	defer sb.orders.Unlock()
	if err := send(sb.control, &o, nil, fds); err != nil {
		return reply{}, fmt.Errorf("nssandbox: %w", err)
	}
	select {
	case r := <-sb.replies:
		if r.Error != "" {
			inside.CloseAll(r.fds)
			return reply{}, errors.New("nssandbox: " + r.Error)
		}
		return r, nil
	case <-sb.done:
		return reply{}, errors.New("nssandbox: the sandbox has ended")
	}
}

func (sb *box) Listener(addr string) net.Listener {
	l, ok := sb.listeners[addr]
	if !ok {
		return nil
	}
	return l
}

func (sb *box) Path(target string) string { return target }

func (sb *box) Pipes() []*os.File { return sb.pipes }

// Mount attaches m in the running guest. The guest may be frozen; the helper, in
// the same control group, must not be.
func (sb *box) Mount(m sandbox.Mount) error { return sb.attach([]sandbox.Mount{m}, false) }

func (sb *box) Seal(last ...sandbox.Mount) error { return sb.attach(last, true) }

// attach has the helper attach mounts and, after that, refuse more.
func (sb *box) attach(list []sandbox.Mount, seal bool) error {
	if !sb.spec.Late && len(list) > 0 {
		return errors.New("nssandbox: the sandbox was not started for late mounts")
	}
	order := inside.Order{Seal: seal}
	for _, m := range list {
		if err := m.Check(); err != nil {
			return err
		}
		b, err := bindOf(m)
		if err != nil {
			return err
		}
		order.Mounts = append(order.Mounts, b)
	}
	fds, err := openForHelper(os.Geteuid() == 0, order.Mounts)
	defer inside.CloseAll(fds)
	if err != nil {
		return err
	}
	return sb.ask(order, fds)
}

func (sb *box) Signal(sig syscall.Signal) error {
	return sb.ask(inside.Order{Signal: int(sig)}, nil)
}

func (sb *box) Freeze() error {
	if sb.frozen.Swap(true) {
		return nil
	}
	if sb.group != nil && sb.group.CanFreeze() {
		return sb.group.Freeze(true)
	}
	return sb.stop(syscall.SIGSTOP)
}

func (sb *box) Thaw() error {
	if !sb.frozen.Swap(false) {
		return nil
	}
	return sb.unstop()
}

func (sb *box) unstop() error {
	if sb.group != nil && sb.group.CanFreeze() {
		return sb.group.Freeze(false)
	}
	return sb.stop(syscall.SIGCONT)
}

// stop signals the guest's processes but not the helper, which guards them.
func (sb *box) stop(sig syscall.Signal) error {
	for _, pid := range descendants(sb.process.Pid) {
		if err := syscall.Kill(pid, sig); err != nil && err != syscall.ESRCH {
			return fmt.Errorf("nssandbox: %w", err)
		}
	}
	return nil
}

func (sb *box) SetCPU(milli int) error {
	if sb.group == nil {
		return nil
	}
	return sb.group.SetCPU(milli)
}

// Kill ends the helper, process 1 of the namespace, and with it all others.
func (sb *box) Kill() error {
	err := sb.kill.do(func() error {
		select {
		case <-sb.done:
			return nil
		default:
		}
		sb.killed.Store(true)
		err := sb.process.Kill()
		if errors.Is(err, os.ErrProcessDone) {
			err = nil
		}
		// A group frozen by the v1 freezer holds its dead until it is thawed.
		if sb.frozen.Load() {
			_ = sb.unstop()
		}
		return err
	})
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

func (sb *box) Isolation() sandbox.Isolation { return sb.isolation }
