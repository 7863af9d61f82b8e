package sandbox

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
)

// Limits of the contract.
const (
	// PipesMax bounds Spec.Pipes.
	PipesMax = 4
	// ListenersMax bounds Spec.Listen: the descriptors travel in one message.
	ListenersMax = 16
	// FilesBytesMax bounds the sum of Spec.Files; larger things are mounts.
	FilesBytesMax = 8 << 20
	// DefaultProcesses and DefaultFiles apply where Spec says 0.
	DefaultProcesses = 1024
	DefaultFiles     = 1024
	// SupervisorName is the process name of the program that watches over the
	// others of a guest (package crew). What it uses is not the guest's.
	SupervisorName = "moln-crew"
)

// Network says what the guest may reach.
type Network int

const (
	// NetworkLoopback gives the guest its own loopback, holding only
	// the listeners of Spec.Listen and the guest's own. It is the default.
	NetworkLoopback Network = iota
	// NetworkNone gives no interface at all. Spec.Listen must be empty.
	NetworkNone
	// NetworkHost shares the host's network: no isolation of traffic.
	NetworkHost
)

func (n Network) String() string {
	switch n {
	case NetworkNone:
		return "none"
	case NetworkHost:
		return "host"
	}
	return "loopback"
}

// Mount makes Source, a path of the host, appear at Target in the sandbox.
type Mount struct {
	Source   string
	Target   string
	ReadOnly bool
}

// Spec is everything a driver needs to start a guest.
type Spec struct {
	// Command is the absolute path of the program inside the sandbox and its
	// arguments. Command and Env may hold references, see ListenRef and PathRef.
	// With Root, a program without a slash is looked for along PATH of Env.
	Command []string
	// Env is the whole environment, as NAME=value.
	Env []string
	// Dir is the working directory inside the sandbox; "/" when empty.
	Dir string
	// Root is a directory of the host, as of an unpacked container image, that
	// becomes the guest's read-only root; "" makes one of the host's own
	// programs. It is never written: /proc, /tmp, /dev, the names of the network
	// in /etc, Mounts and Files lie over it, and their targets need not exist
	// in it. Files that not everybody may read are closed to the guest.
	Root   string
	Mounts []Mount
	// Files are small read-only files, by their absolute path in the sandbox.
	Files map[string][]byte
	// Hosts are further names for /etc/hosts, name to address.
	Hosts   map[string]string
	Network Network
	// Listen holds addresses in the sandbox's loopback, such as
	// "127.0.0.1:9001", on which the host wants to accept.
	Listen []string
	// Pipes is the number of further pipes, from descriptor 3 on, that the
	// guest writes and the host reads.
	Pipes int
	// Late keeps the sandbox ready for Sandbox.Mount until Sealer.Seal.
	Late bool

	MemoryBytes int64 // 0: no limit
	TmpBytes    int64 // 0: 512 MiB
	CPUMilli    int   // thousandths of one core; 0: no limit
	CPUWeight   int   // share of contended cores, in the same unit; 0: the system's default
	Processes   int   // 0: DefaultProcesses
	OpenFiles   int   // 0: DefaultFiles
}

// Driver starts sandboxes. It is safe for concurrent use.
type Driver interface {
	Name() string
	// Probe tests what this host allows, by trying it where that is harmless.
	Probe(ctx context.Context) Capabilities
	// Start returns when the guest's program runs, or says why it does not.
	Start(ctx context.Context, spec Spec) (Sandbox, error)
}

// Sandbox is one running guest. Its methods are safe for concurrent use.
type Sandbox interface {
	// Listener is the host's end of an address of Spec.Listen, nil if unknown.
	// Its Addr is what the guest dials, which differs from addr where the
	// driver has no network of its own.
	Listener(addr string) net.Listener
	// Path is where the guest finds the sandbox path target. It is target
	// itself where the driver has a root of its own.
	Path(target string) string
	// Pipes are the host's ends: standard output, standard error, then the
	// pipes of Spec.Pipes. The caller reads them; Kill does not close them.
	Pipes() []*os.File
	// Mount adds a mount to a sandbox started with Late.
	Mount(m Mount) error
	Stats() (Stats, error)
	Signal(sig syscall.Signal) error
	// Kill ends every process of the guest and frees what the host holds for
	// it. It may be called more than once.
	Kill() error
	// Wait blocks until the guest's program has ended.
	Wait() ExitState
	Isolation() Isolation
}

// Freezer is a Sandbox that can be stopped in its tracks.
type Freezer interface {
	Freeze() error
	Thaw() error
}

// CPULimiter is a Sandbox whose CPU quota can be changed; 0 lifts it.
type CPULimiter interface {
	SetCPU(milli int) error
}

// Sealer is a Sandbox whose door for late mounts can be shut for good.
type Sealer interface {
	// Seal attaches the last mounts, if any, and shuts the door, in one step: the
	// guest sees it shut as soon as it sees them.
	Seal(last ...Mount) error
}

// Dialer is a Sandbox whose own loopback the host can connect to, as programs do
// that want to be told things at a port of theirs. A driver without it gives
// such a program no way to be reached, and callers must say so.
type Dialer interface {
	// Dial connects to a TCP port of the guest's 127.0.0.1. The guest must not
	// be frozen.
	Dial(ctx context.Context, port int) (net.Conn, error)
}

// Stats is a reading of what a guest uses.
type Stats struct {
	MemoryBytes     int64
	MemoryPeakBytes int64
	CPUTime         time.Duration
	Processes       int
	OOMKills        int64
}

// ExitState says how a guest ended.
type ExitState struct {
	Status int            // exit status, when Signal is 0
	Signal syscall.Signal // the signal that ended it
	// OutOfMemory is set when the memory limit, and not the guest, ended it.
	OutOfMemory bool
	// Killed is set when the host ended it through Kill.
	Killed bool
}

func (e ExitState) String() string {
	if e.Signal != 0 {
		return "signal: " + e.Signal.String()
	}
	return fmt.Sprintf("exit status %d", e.Status)
}

// Isolation is what a sandbox really enforces.
type Isolation struct {
	Driver  string
	Active  []string // such as "user namespace", "seccomp", "memory (cgroup v1)"
	Missing []string // what was asked for and is not enforced, with the reason
}

func (i Isolation) String() string {
	s := i.Driver + ": "
	if len(i.Active) == 0 {
		s += "nothing is isolated"
	} else {
		s += strings.Join(i.Active, ", ")
	}
	if len(i.Missing) > 0 {
		s += "; not enforced: " + strings.Join(i.Missing, ", ")
	}
	return s
}

// Capability is one thing a host allows or does not.
type Capability struct {
	Name   string
	OK     bool
	Detail string // how it is done, or why it is missing and what helps
}

// Capabilities is a driver's report. Usable says whether Start can work at all.
type Capabilities struct {
	Driver string
	Usable bool
	List   []Capability
}

// Get returns the capability called name.
func (c Capabilities) Get(name string) (Capability, bool) {
	for _, one := range c.List {
		if one.Name == name {
			return one, true
		}
	}
	return Capability{}, false
}
