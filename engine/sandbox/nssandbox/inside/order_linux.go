package inside

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
)

// obey carries out the daemon's orders. It ends the sandbox when the daemon is
// gone.
func (h *Helper) obey() {
	sealed := false
	for {
		var o Order
		_, fds, err := Receive(controlFD, &o)
		if err != nil {
			os.Exit(ExitRefused)
		}
		answer := Notice{Done: true}
		var dialled []int
		switch {
		case o.Dial != 0:
			dialled, err = dial(o.Dial)
		case o.Weigh:
			if h.launcher != nil {
				answer.Bytes, err = h.launcher.Weigh(h.guestPID)
			}
		case o.Signal != 0:
			err = h.signal(o.Signal)
		case len(o.Mounts) > 0 && sealed:
			err = fmt.Errorf("the sandbox is sealed")
		case len(o.Mounts) > 0:
			err = h.mountLate(o.Mounts, fds)
		}
		sealed = sealed || o.Seal
		CloseAll(fds)
		if err != nil {
			answer = Notice{Error: err.Error()}
		}
		if err := Send(controlFD, &answer, dialled); err != nil {
			os.Exit(ExitRefused)
		}
		CloseAll(dialled)
	}
}

func (h *Helper) signal(number int) error {
	if h.launcher != nil {
		return h.launcher.Signal(h.guestPID, number)
	}
	return syscall.Kill(h.guestPID, syscall.Signal(number))
}

// dial begins a connection to a port of the guest's loopback. It does not wait
// for the guest, which could make it wait for ever; the daemon does.
func dial(port int) ([]int, error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	err = syscall.Connect(fd, &syscall.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}})
	if err != nil && err != syscall.EINPROGRESS {
		_ = syscall.Close(fd)
		return nil, err
	}
	return []int{fd}, nil
}

// mountLate opens the trees in the first namespace and attaches them in the
// guest's, on a thread that ends with the call.
func (h *Helper) mountLate(list []Bind, fds []int) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with us
		done <- h.attachInGuest(list, fds)
	}()
	return <-done
}

func (h *Helper) attachInGuest(list []Bind, fds []int) error {
	trees, err := OpenTrees(list, fds)
	if err != nil {
		return err
	}
	defer CloseAll(trees)
	if err := Enter(h.guestNS); err != nil {
		return err
	}
	for i, b := range list {
		target := b.Target
		if h.launcher != nil {
			target = h.launcher.Place(target)
		}
		if err := Attach(trees[i], target); err != nil {
			return err
		}
	}
	return nil
}

// Enter moves the calling thread, which must be locked, to a mount namespace.
func Enter(ns int) error {
	if err := syscall.Unshare(syscall.CLONE_FS); err != nil {
		return fmt.Errorf("unshare file system state: %w", err)
	}
	if err := setns(ns, syscall.CLONE_NEWNS); err != nil {
		return fmt.Errorf("enter the guest's namespace: %w", err)
	}
	return nil
}
