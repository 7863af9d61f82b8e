package nssandbox

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"moln.dev/moln/engine/sandbox"
	"moln.dev/moln/engine/sandbox/nssandbox/inside"
)

// Dial connects to a port of the guest's loopback: the helper, which lives in
// the guest's network namespace, makes the socket and passes it out.
func (sb *box) Dial(ctx context.Context, port int) (net.Conn, error) {
	switch {
	case sb.spec.Network == sandbox.NetworkHost:
		var d net.Dialer
		return d.DialContext(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	case sb.spec.Network != sandbox.NetworkLoopback:
		return nil, errors.New("nssandbox: the sandbox has no network")
	case port <= 0 || port > 1<<16-1:
		return nil, fmt.Errorf("nssandbox: %d is no port", port)
	case sb.frozen.Load():
		return nil, errors.New("nssandbox: the sandbox is frozen")
	}
	answer, err := sb.askFor(inside.Order{Dial: port}, nil)
	if err != nil {
		return nil, err
	}
	fds := answer.fds
	defer inside.CloseAll(fds)
	if len(fds) != 1 {
		return nil, fmt.Errorf("nssandbox: the helper sent %d sockets", len(fds))
	}
	return established(ctx, fds[0])
}

// established waits until the connection that was begun on a copy of fd stands.
func established(ctx context.Context, fd int) (net.Conn, error) {
	own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(own), "dialled")
	conn, err := net.FileConn(f)
	_ = f.Close()
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetWriteDeadline(time.Unix(1, 0)) })
	if err := connected(conn.(syscall.Conn)); err != nil {
		stop()
		_ = conn.Close()
		return nil, fmt.Errorf("nssandbox: %w", err)
	}
	if !stop() {
		_ = conn.Close()
		return nil, ctx.Err()
	}
	return conn, nil
}

// connected blocks until the socket can be written, which is when its connection
// stands or has failed.
func connected(c syscall.Conn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Write(func(fd uintptr) bool {
		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
		if n, err := unix.Poll(poll, 0); err == unix.EINTR || (err == nil && n == 0) {
			return false
		}
		code, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
		if failed = err; err == nil && code != 0 {
			failed = syscall.Errno(code)
		}
		return true
	})
	if err != nil {
		return err
	}
	return failed
}
