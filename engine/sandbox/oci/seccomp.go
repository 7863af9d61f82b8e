package oci

import (
	"fmt"
	"strconv"
)

type (
	seccomp struct {
		Default       string   `json:"defaultAction"`
		Architectures []string `json:"architectures"`
		Rules         []rule   `json:"syscalls"`
	}
	rule struct {
		Names  []string   `json:"names"`
		Action string     `json:"action"`
		Errno  int        `json:"errnoRet"`
		Args   []argument `json:"args,omitempty"`
	}
	argument struct {
		Index    int    `json:"index"`
		Value    uint64 `json:"value"`
		ValueTwo uint64 `json:"valueTwo,omitempty"`
		Op       string `json:"op"`
	}
)

// Errors of the kernel, and numbers the filter compares with; they are the same
// on every architecture that Go's linux ports of 64 bits have.
const (
	errPermission = 1  // EPERM
	errNoCall     = 38 // ENOSYS
	errFamily     = 97 // EAFNOSUPPORT

	requestTTYInput = 0x5412 // TIOCSTI
	familyNetlink   = 16     // AF_NETLINK, the highest of those allowed
)

// denied answer EPERM: ways to change mounts, namespaces and the kernel, to look
// into other processes, and interfaces with a long record of kernel bugs that
// no interpreter needs. They are those of nssandbox.
var denied = []string{
	"mount", "umount2", "pivot_root", "chroot",
	"open_tree", "move_mount", "fsopen", "fsconfig", "fsmount",
	"fspick", "mount_setattr", "swapon", "swapoff", "quotactl",
	"unshare", "setns", "sethostname", "setdomainname",
	"ptrace", "process_vm_readv", "process_vm_writev", "kcmp",
	"pidfd_getfd", "process_madvise",
	"reboot", "kexec_load", "kexec_file_load", "init_module",
	"finit_module", "delete_module", "acct", "syslog",
	"bpf", "perf_event_open", "userfaultfd", "fanotify_init",
	"lookup_dcookie", "nfsservctl", "vhangup",
	"keyctl", "add_key", "request_key",
	"open_by_handle_at", "name_to_handle_at",
	"mbind", "move_pages", "migrate_pages", "set_mempolicy",
	"clock_settime", "settimeofday", "clock_adjtime", "adjtimex",
	"personality",
}

var deniedAMD64 = []string{
	"iopl", "ioperm", "modify_ldt", "uselib", "ustat",
	"sysfs", "_sysctl", "create_module", "get_kernel_syms",
	"query_module",
}

// absent answer ENOSYS, so that libraries fall back to what is filtered: clone3
// hides its flags in memory, io_uring bypasses the filter.
var absent = []string{"clone3", "io_uring_setup", "io_uring_enter", "io_uring_register"}

// namespaceFlags are clone's: mount, cgroup, uts, ipc, user, pid, net, time.
var namespaceFlags = []uint64{0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000, 0x00000080}

// allowedFamilies are the sockets a guest may make: unix, inet, inet6, netlink.
var allowedFamilies = map[uint64]bool{1: true, 2: true, 10: true, familyNetlink: true}

// filter is the guest's.
func (r Runtime) filter(arch string) (*seccomp, error) {
	f := &seccomp{Default: "SCMP_ACT_ALLOW"}
	calls := denied
	switch arch {
	case "amd64":
		f.Architectures = []string{"SCMP_ARCH_X86_64"}
		calls = append(append([]string{}, denied...), deniedAMD64...)
	case "arm64":
		f.Architectures = []string{"SCMP_ARCH_AARCH64"}
	default:
		return nil, fmt.Errorf("oci: no seccomp filter for %s", arch)
	}
	f.refuse(errPermission, calls)
	if !r.Guarded() {
		// gVisor answers EPERM whatever it is told to, which sends nobody back
		// to clone; its namespaces are its own, and io_uring it has not.
		f.refuse(errNoCall, absent)
	}
	for _, flag := range namespaceFlags {
		f.refuse(errPermission, []string{"clone"}, argument{0, flag, flag, "SCMP_CMP_MASKED_EQ"})
	}
	f.refuse(errPermission, []string{"ioctl"}, argument{1, requestTTYInput, 0, "SCMP_CMP_EQ"})
	for family := range uint64(familyNetlink) {
		if !allowedFamilies[family] {
			f.refuse(errFamily, []string{"socket"}, argument{0, family, 0, "SCMP_CMP_EQ"})
		}
	}
	f.refuse(errFamily, []string{"socket"}, argument{0, familyNetlink, 0, "SCMP_CMP_GT"})
	return f, nil
}

func (f *seccomp) refuse(errno int, names []string, args ...argument) {
	f.Rules = append(f.Rules, rule{names, "SCMP_ACT_ERRNO", errno, args})
}

func number(n int64) string { return strconv.FormatInt(n, 10) }
