package oci

import "encoding/json"

// specVersion is the oldest version of the specification that has all we use.
const specVersion = "1.0.2"

// Guest is the process to start, in a root that is already furnished.
type Guest struct {
	Root     string // directory
	Dev      string // directory to show at /dev; "" for the runtime's own
	Proc     bool   // the runtime is to mount /proc
	Tmp      string // directory to show at /tmp; "" with Proc for the runtime's own
	Args     []string
	Env      []string
	Dir      string
	User     int // and group
	TmpBytes int64

	OpenFiles   int
	Processes   int
	DataBytes   int64 // 0: no limit
	LockedBytes int64
	Arch        string // Go's name
}

// The parts of config.json that we use. Names are the specification's.
type (
	config struct {
		Version  string  `json:"ociVersion"`
		Process  process `json:"process"`
		Root     root    `json:"root"`
		Hostname string  `json:"hostname"`
		Mounts   []mount `json:"mounts"`
		Linux    linux   `json:"linux"`
	}
	process struct {
		User          user                `json:"user"`
		Args          []string            `json:"args"`
		Env           []string            `json:"env"`
		Dir           string              `json:"cwd"`
		Capabilities  map[string][]string `json:"capabilities"`
		Limits        []limit             `json:"rlimits"`
		NoNewRights   bool                `json:"noNewPrivileges"`
		OOMScoreDelta int                 `json:"oomScoreAdj"`
	}
	user struct {
		UID int `json:"uid"`
		GID int `json:"gid"`
	}
	limit struct {
		Type string `json:"type"`
		Hard uint64 `json:"hard"`
		Soft uint64 `json:"soft"`
	}
	root struct {
		Path     string `json:"path"`
		ReadOnly bool   `json:"readonly"`
	}
	mount struct {
		Destination string   `json:"destination"`
		Type        string   `json:"type"`
		Source      string   `json:"source"`
		Options     []string `json:"options,omitempty"`
	}
	linux struct {
		Namespaces  []namespace `json:"namespaces"`
		Propagation string      `json:"rootfsPropagation,omitempty"`
		Masked      []string    `json:"maskedPaths"`
		ReadOnly    []string    `json:"readonlyPaths"`
		Seccomp     *seccomp    `json:"seccomp"`
	}
	namespace struct {
		Type string `json:"type"`
	}
)

// masked and readOnly are the parts of /proc that hold the host's affairs.
var (
	masked = []string{
		"/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
		"/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/proc/interrupts",
	}
	readOnly = []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}
)

// Config is the bundle's config.json for a guest with no capabilities, a
// read-only root and the filter.
func (r Runtime) Config(g Guest) ([]byte, error) {
	filter, err := r.filter(g.Arch)
	if err != nil {
		return nil, err
	}
	c := config{
		Version: specVersion,
		Process: process{
			User: user{g.User, g.User}, Args: g.Args, Env: g.Env, Dir: g.Dir, NoNewRights: true, Limits: g.limits(),
			Capabilities: map[string][]string{},
		},
		Root: root{g.Root, true}, Hostname: "sandbox", Mounts: g.mounts(),
		Linux: linux{
			Namespaces:  []namespace{{"mount"}, {"ipc"}, {"uts"}},
			Propagation: "rslave", Masked: masked, ReadOnly: readOnly, Seccomp: filter,
		},
	}
	for _, set := range []string{"bounding", "effective", "inheritable", "permitted", "ambient"} {
		c.Process.Capabilities[set] = []string{}
	}
	return json.Marshal(c)
}

func (g Guest) limits() []limit {
	var list []limit
	add := func(name string, value int64) { list = append(list, limit{name, uint64(value), uint64(value)}) }
	add("RLIMIT_NOFILE", int64(g.OpenFiles))
	add("RLIMIT_NPROC", int64(g.Processes))
	add("RLIMIT_CORE", 0)
	add("RLIMIT_MEMLOCK", g.LockedBytes)
	if g.DataBytes > 0 {
		add("RLIMIT_DATA", g.DataBytes)
	}
	return list
}

func (g Guest) mounts() []mount {
	list := []mount{}
	if g.Dev != "" {
		list = append(list, mount{"/dev", "bind", g.Dev, []string{"rbind", "nosuid", "noexec"}})
	}
	if g.Proc {
		list = append(list, mount{"/proc", "proc", "proc", []string{"nosuid", "nodev", "noexec"}})
	}
	switch options := []string{"nosuid", "nodev"}; {
	case g.Tmp != "":
		list = append(list, mount{"/tmp", "bind", g.Tmp, append(options, "rbind", "rw")})
	case g.Proc:
		list = append(list, mount{"/tmp", "tmpfs", "tmpfs", append(options, "mode=1777", "size="+number(g.TmpBytes))})
	}
	return list
}
