package nssandbox

import (
	"fmt"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Offsets in struct seccomp_data, and what x/sys does not name.
const (
	dataNumber = 0
	dataArch   = 4
	dataArg0   = 16 // low half, little endian

	x32Bit = 0x40000000

	filterAllow = 0x7fff0000
	filterKill  = 0x80000000
	filterErrno = 0x00050000

	namespaceFlags = unix.CLONE_NEWNS | unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET |
		unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWTIME
)

// denied answer EPERM: ways to change mounts, namespaces and the kernel, to look
// into other processes, and interfaces with a long record of kernel bugs that
// no interpreter needs.
var denied = []uint32{
	unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT, unix.SYS_CHROOT,
	unix.SYS_OPEN_TREE, unix.SYS_MOVE_MOUNT, unix.SYS_FSOPEN, unix.SYS_FSCONFIG, unix.SYS_FSMOUNT,
	unix.SYS_FSPICK, unix.SYS_MOUNT_SETATTR, unix.SYS_SWAPON, unix.SYS_SWAPOFF, unix.SYS_QUOTACTL,
	unix.SYS_UNSHARE, unix.SYS_SETNS, unix.SYS_SETHOSTNAME, unix.SYS_SETDOMAINNAME,
	unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV, unix.SYS_KCMP,
	unix.SYS_PIDFD_GETFD, unix.SYS_PROCESS_MADVISE,
	unix.SYS_REBOOT, unix.SYS_KEXEC_LOAD, unix.SYS_KEXEC_FILE_LOAD, unix.SYS_INIT_MODULE,
	unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE, unix.SYS_ACCT, unix.SYS_SYSLOG,
	unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_USERFAULTFD, unix.SYS_FANOTIFY_INIT,
	unix.SYS_LOOKUP_DCOOKIE, unix.SYS_NFSSERVCTL, unix.SYS_VHANGUP,
	unix.SYS_KEYCTL, unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY,
	unix.SYS_OPEN_BY_HANDLE_AT, unix.SYS_NAME_TO_HANDLE_AT,
	unix.SYS_MBIND, unix.SYS_MOVE_PAGES, unix.SYS_MIGRATE_PAGES, unix.SYS_SET_MEMPOLICY,
	unix.SYS_CLOCK_SETTIME, unix.SYS_SETTIMEOFDAY, unix.SYS_CLOCK_ADJTIME, unix.SYS_ADJTIMEX,
	unix.SYS_PERSONALITY,
}

// absent answer ENOSYS, so that libraries fall back to what is filtered:
// clone3 hides its flags in memory, io_uring bypasses the filter.
var absent = []uint32{
	unix.SYS_CLONE3, unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER,
}

// families are the sockets a guest may make.
var families = []uint32{unix.AF_UNIX, unix.AF_INET, unix.AF_INET6, unix.AF_NETLINK}

func auditArch(goarch string) (uint32, error) {
	switch goarch {
	case "amd64":
		return unix.AUDIT_ARCH_X86_64, nil
	case "arm64":
		return unix.AUDIT_ARCH_AARCH64, nil
	}
	return 0, fmt.Errorf("nssandbox: no seccomp filter for %s", goarch)
}

// filter assembles the program for an architecture. It is a list of small
// blocks, each of which falls through to the next when it does not match.
func filter(goarch string) ([]bpf.Instruction, error) {
	arch, err := auditArch(goarch)
	if err != nil {
		return nil, err
	}
	program := []bpf.Instruction{
		bpf.LoadAbsolute{Off: dataArch, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: arch, SkipTrue: 1},
		bpf.RetConstant{Val: filterKill},
		bpf.LoadAbsolute{Off: dataNumber, Size: 4},
	}
	if goarch == "amd64" {
		program = append(program,
			bpf.JumpIf{Cond: bpf.JumpLessThan, Val: x32Bit, SkipTrue: 1},
			bpf.RetConstant{Val: filterKill})
	}
	for _, number := range append(append([]uint32{}, denied...), deniedHere...) {
		program = answer(program, number, uint32(unix.EPERM))
	}
	for _, number := range absent {
		program = answer(program, number, uint32(unix.ENOSYS))
	}
	program = append(program,
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.SYS_CLONE, SkipTrue: 4},
		bpf.LoadAbsolute{Off: dataArg0, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpBitsNotSet, Val: namespaceFlags, SkipTrue: 1},
		bpf.RetConstant{Val: filterErrno | uint32(unix.EPERM)},
		bpf.RetConstant{Val: filterAllow},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.SYS_IOCTL, SkipTrue: 4},
		bpf.LoadAbsolute{Off: dataArg0 + 8, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.TIOCSTI, SkipTrue: 1},
		bpf.RetConstant{Val: filterErrno | uint32(unix.EPERM)},
		bpf.RetConstant{Val: filterAllow},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.SYS_SOCKET, SkipTrue: uint8(2*len(families) + 2)},
		bpf.LoadAbsolute{Off: dataArg0, Size: 4},
	)
	for _, family := range families {
		program = append(program,
			bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: family, SkipTrue: 1},
			bpf.RetConstant{Val: filterAllow})
	}
	return append(program,
		bpf.RetConstant{Val: filterErrno | uint32(unix.EAFNOSUPPORT)},
		bpf.RetConstant{Val: filterAllow}), nil
}

func answer(program []bpf.Instruction, number, errno uint32) []bpf.Instruction {
	return append(program,
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: number, SkipTrue: 1},
		bpf.RetConstant{Val: filterErrno | errno})
}

// assemble makes the filter what the kernel takes: an instruction in each word.
func assemble(goarch string) ([]uint64, error) {
	program, err := filter(goarch)
	if err != nil {
		return nil, err
	}
	raw, err := bpf.Assemble(program)
	if err != nil {
		return nil, fmt.Errorf("assemble the seccomp filter: %w", err)
	}
	words := make([]uint64, len(raw))
	for i, r := range raw { // struct sock_filter, little endian as both architectures
		words[i] = uint64(r.Op) | uint64(r.Jt)<<16 | uint64(r.Jf)<<24 | uint64(r.K)<<32
	}
	return words, nil
}
