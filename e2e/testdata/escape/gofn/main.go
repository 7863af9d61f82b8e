// Program gofn is a hostile function that speaks to the kernel itself. Its event
// names a system call; the answer tells the kernel's.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"syscall"
	"unsafe"
)

type answer struct {
	Got     string `json:"got,omitempty"`
	Refused string `json:"refused,omitempty"`
}

func main() {
	base := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/invocation/"
	for {
		next, err := http.Get(base + "next")
		if err != nil {
			panic(err)
		}
		body, err := io.ReadAll(next.Body)
		next.Body.Close()
		if err != nil {
			panic(err)
		}
		var event struct{ Code string }
		if err := json.Unmarshal(body, &event); err != nil {
			panic(err)
		}
		out, _ := json.Marshal(try(event.Code))
		done, err := http.Post(base+next.Header.Get("Lambda-Runtime-Aws-Request-Id")+"/response", "application/json", bytes.NewReader(out))
		if err != nil {
			panic(err)
		}
		done.Body.Close()
	}
}

func text(s string) uintptr {
	p, _ := syscall.BytePtrFromString(s)
	return uintptr(unsafe.Pointer(p))
}

// Numbers that package syscall does not have; they are the same on every
// architecture that came after them.
const (
	sysOpenTree, sysIOUringSetup, sysPidfdOpen, sysPidfdGetfd = 428, 425, 434, 438
)

const (
	newUser, newMounts         = 0x10000000, 0x00020000
	rebootMagic1, rebootMagic2 = 0xfee1dead, 0x28121969
	rebootHarmless             = 0 // LINUX_REBOOT_CMD_CAD_OFF: says what ctrl-alt-del is to do
)

func try(name string) answer {
	var errno syscall.Errno
	do := func(number uintptr, args ...uintptr) {
		args = append(args, 0, 0, 0, 0, 0, 0)
		_, _, errno = syscall.Syscall6(number, args[0], args[1], args[2], args[3], args[4], args[5])
	}
	switch name {
	case "mount":
		do(syscall.SYS_MOUNT, text("none"), text("/tmp"), text("tmpfs"))
	case "bind mount":
		do(syscall.SYS_MOUNT, text("/proc"), text("/tmp"), 0, syscall.MS_BIND)
	case "remount":
		do(syscall.SYS_MOUNT, 0, text("/"), 0, syscall.MS_REMOUNT|syscall.MS_BIND)
	case "unmount":
		do(syscall.SYS_UMOUNT2, text("/var/task"), syscall.MNT_DETACH)
	case "pivot root":
		do(syscall.SYS_PIVOT_ROOT, text("/tmp"), text("/tmp"))
	case "chroot":
		do(syscall.SYS_CHROOT, text("/tmp"))
	case "open tree":
		do(sysOpenTree, 0, text("/"), 1)
	case "new user namespace":
		do(syscall.SYS_UNSHARE, newUser)
	case "new mount namespace":
		do(syscall.SYS_UNSHARE, newMounts)
	case "trace process 1":
		do(syscall.SYS_PTRACE, syscall.PTRACE_ATTACH, 1)
	case "become root":
		if os.Getuid() == 0 {
			return answer{Refused: "user 0 of a namespace"}
		}
		do(syscall.SYS_SETUID, 0)
	case "device":
		do(syscall.SYS_MKNODAT, ^uintptr(99), text("/tmp/disk"), syscall.S_IFBLK|0o600, 8<<8)
	case "io_uring":
		var params [512]byte
		do(sysIOUringSetup, 1, uintptr(unsafe.Pointer(&params)))
	case "descriptors of process 1":
		if os.Getpid() == 1 {
			return answer{Refused: "it is process 1"}
		}
		fd, _, failed := syscall.Syscall(sysPidfdOpen, 1, 0, 0)
		if errno = failed; errno == 0 {
			do(sysPidfdGetfd, fd, 3)
		}
	case "reboot":
		do(syscall.SYS_REBOOT, rebootMagic1, rebootMagic2, rebootHarmless)
	case "host name":
		do(syscall.SYS_SETHOSTNAME, text("x"), 1)
	case "clock":
		do(syscall.SYS_SETTIMEOFDAY, uintptr(unsafe.Pointer(&syscall.Timeval{Sec: 1})))
	case "priority":
		do(syscall.SYS_SETPRIORITY, 0, 0, ^uintptr(19))
	case "raw socket":
		do(syscall.SYS_SOCKET, syscall.AF_INET, syscall.SOCK_RAW, syscall.IPPROTO_ICMP)
	case "packet socket":
		do(syscall.SYS_SOCKET, syscall.AF_PACKET, syscall.SOCK_RAW, 0x300)
	default:
		return answer{Got: "no such attempt: " + name}
	}
	if errno != 0 {
		return answer{Refused: fmt.Sprintf("%d %s", int(errno), errno)}
	}
	return answer{Got: "the kernel did it"}
}
