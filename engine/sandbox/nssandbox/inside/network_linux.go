package inside

import (
	"fmt"
	"syscall"
	"unsafe"
)

const backlog = 128

// raiseLoopback brings lo up in this process's network namespace.
func raiseLoopback() error {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("loopback: %w", err)
	}
	defer syscall.Close(fd)
	var request struct {
		name  [syscall.IFNAMSIZ]byte
		flags uint16
		_     [22]byte
	}
	copy(request.name[:], "lo")
	request.flags = syscall.IFF_UP
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), syscall.SIOCSIFFLAGS, uintptr(unsafe.Pointer(&request)))
	if errno != 0 {
		return fmt.Errorf("loopback up: %w", errno)
	}
	return nil
}

func listenAll(addrs []Address) ([]int, error) {
	var fds []int
	for _, addr := range addrs {
		fd, err := listen(addr)
		if err != nil {
			return nil, fmt.Errorf("listen on %v port %d: %w", addr.IP, addr.Port, err)
		}
		fds = append(fds, fd)
	}
	return fds, nil
}

func listen(addr Address) (int, error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, err
	}
	_ = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1)
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Port: addr.Port, Addr: addr.IP}); err != nil {
		_ = syscall.Close(fd)
		return -1, err
	}
	return fd, syscall.Listen(fd, backlog)
}
