package inside

import (
	"syscall"
	"unsafe"
)

// What package syscall does not have. The numbers are the same on every
// architecture but those of number_linux_*.go.
const (
	sysOpenTree     = 428
	sysMoveMount    = 429
	sysMountSetattr = 442

	openTreeClone   = 0x1
	openTreeCloexec = syscall.O_CLOEXEC
	atRecursive     = 0x8000
	atEmptyPath     = 0x1000
	atFDCWD         = -100

	mountAttrReadOnly = 0x1
	mountAttrNoSUID   = 0x2
	mountAttrNoDev    = 0x4
	moveEmptyPath     = 0x4

	prSetDumpable     = 4
	prCapBSetDrop     = 24
	prSetNoNewPrivs   = 38
	prCapAmbient      = 47
	prCapAmbientClear = 4

	capabilityVersion3 = 0x20080522
	// capabilityLast is looked beyond for what newer kernels have.
	capabilityLast = 40

	rlimitNProc   = 6
	rlimitMemlock = 8

	seccompSetModeFilter   = 1
	seccompFilterSpecAllow = 4
)

func prctl(option, arg2, arg3 uintptr) error {
	_, _, errno := syscall.RawSyscall6(syscall.SYS_PRCTL, option, arg2, arg3, 0, 0, 0)
	return failure(errno)
}

func failure(errno syscall.Errno) error {
	if errno != 0 {
		return errno
	}
	return nil
}

// dropAllCapabilities empties the calling thread's sets.
func dropAllCapabilities() error {
	header := struct {
		version uint32
		pid     int32
	}{version: capabilityVersion3}
	var none [2]struct{ effective, permitted, inheritable uint32 }
	_, _, errno := syscall.RawSyscall(syscall.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&none)), 0)
	return failure(errno)
}

// mountAttr is the kernel's struct mount_attr.
type mountAttr struct{ set, clear, propagation, userns uint64 }

func openTree(path string, flags uint) (int, error) {
	name, err := syscall.BytePtrFromString(path)
	if err != nil {
		return -1, err
	}
	here := atFDCWD
	fd, _, errno := syscall.Syscall(sysOpenTree, uintptr(here), uintptr(unsafe.Pointer(name)), uintptr(flags))
	return int(fd), failure(errno)
}

func moveMount(tree int, target string) error {
	empty, err := syscall.BytePtrFromString("")
	if err != nil {
		return err
	}
	to, err := syscall.BytePtrFromString(target)
	if err != nil {
		return err
	}
	here := atFDCWD
	_, _, errno := syscall.Syscall6(sysMoveMount, uintptr(tree), uintptr(unsafe.Pointer(empty)),
		uintptr(here), uintptr(unsafe.Pointer(to)), moveEmptyPath, 0)
	return failure(errno)
}

func mountSetattr(dir int, path string, flags uint, attr *mountAttr) error {
	name, err := syscall.BytePtrFromString(path)
	if err != nil {
		return err
	}
	_, _, errno := syscall.Syscall6(sysMountSetattr, uintptr(dir), uintptr(unsafe.Pointer(name)), uintptr(flags),
		uintptr(unsafe.Pointer(attr)), unsafe.Sizeof(*attr), 0)
	return failure(errno)
}

func setns(fd, kind int) error {
	_, _, errno := syscall.Syscall(sysSetns, uintptr(fd), uintptr(kind), 0)
	return failure(errno)
}

// limitProcess sets a resource limit of another process.
func limitProcess(pid, resource int, value uint64) error {
	limit := syscall.Rlimit{Cur: value, Max: value}
	_, _, errno := syscall.RawSyscall6(syscall.SYS_PRLIMIT64, uintptr(pid), uintptr(resource), uintptr(unsafe.Pointer(&limit)), 0, 0, 0)
	return failure(errno)
}

// seccomp puts a filter on the calling thread and what it will start.
func seccomp(program []uint64) error {
	prog := struct {
		size   uint16
		filter *uint64
	}{uint16(len(program)), unsafe.SliceData(program)}
	// SPEC_ALLOW: the filter is for the kernel's surface; without it older
	// kernels slow every guest down with speculation barriers.
	_, _, errno := syscall.RawSyscall(sysSeccomp, seccompSetModeFilter, seccompFilterSpecAllow, uintptr(unsafe.Pointer(&prog)))
	return failure(errno)
}
