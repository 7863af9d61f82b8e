package pool

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"sort"
	"strings"
	"time"

	"moln.dev/moln/engine/sandbox"
	"moln.dev/moln/runtimes"
)

const (
	initTimeoutDefault = 10 * time.Second
	poolVariable       = "MOLN_POOL"
	apiVariable        = "AWS_LAMBDA_RUNTIME_API"
	logVariable        = "_LAMBDA_TELEMETRY_LOG_FD"
	handlerVariable    = "_HANDLER"
)

// Template says what environments of a key are like. It must not change while
// in use; a function that changes gets a new key.
type Template struct {
	// Key is the identity that environments are never shared across: function,
	// version, configuration, code and tenant.
	Key    string
	Launch runtimes.Launch
	// CodeDir and LayerDir appear at /var/task and /opt; "" for none.
	CodeDir, LayerDir string
	// Root is a directory that becomes the root of the environment, and Dir the
	// directory in it where the launch begins; "" for the host's programs.
	Root, Dir string
	// Env is the function's whole environment: the caller's variables and the
	// platform's. The launch's own are added where Env does not name them.
	Env         map[string]string
	Handler     string
	MemoryBytes int64
	TmpBytes    int64
	CPUMilli    int // enforced from the first invocation on; 0: no quota
	CPUWeight   int // share of contended cores, in the same unit; 0: all are equal
	InitTimeout time.Duration
	Network     sandbox.Network
	// Listen are further addresses in the sandbox's loopback; Serve is called
	// with each once the environment is assigned, in a goroutine of its own.
	// The listener closes with the environment.
	Listen []string
	Serve  func(addr string, l net.Listener)
	Hosts  map[string]string
	Files  map[string][]byte
	// Extensions are the programs in /opt/extensions that start before the
	// runtime; nil: those of LayerDir, which are then looked for at each start.
	Extensions []string
	// Identity is what extensions are told about the function, and telemetry
	// about its environment.
	Identity Identity
	// Event hears of the platform's events, as package telemetry has them, from
	// any goroutine; of those of invocations only with Identity.JSONLogs. It
	// must not call back.
	Event func(kind string, record any)
	// Log receives every log record of the environment, from one goroutine at
	// a time.
	Log func(LogRecord)
	// Each, if not nil, gives the copy that one new environment is made of what no
	// other has, such as its Log. It must leave Key, Launch and sizes alone, may
	// be called by many at once, and also where the environment then fails.
	Each func(own *Template)
	// Owner is the caller's, for Env.Owner.
	Owner any
}

// own is the template of one new environment.
func (t *Template) own() *Template {
	if t.Each == nil {
		return t
	}
	c := *t
	t.Each(&c)
	return &c
}

// Identity names a function and its environment.
type Identity struct {
	Name, Version, Account string
	Runtime, RuntimeARN    string // the version that runs
	Instance               string // the environment's own name
	InitType               string // such as "on-demand"
	JSONLogs               bool   // log lines that are objects are told as such
}

// assignable says whether a process started before can become this function.
func (t *Template) assignable() bool {
	if !t.Launch.Assignable || len(t.extensions()) > 0 {
		return false
	}
	for name, value := range t.Env {
		if runtimes.IsStartVariable(name) && t.Launch.Env[name] != value {
			return false
		}
	}
	return true
}

// class is what generic environments must share with the template.
func (t *Template) class() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s|%d|%d|%d|%s|%s", t.Launch.ID, t.MemoryBytes, t.TmpBytes, t.CPUWeight, t.Network, strings.Join(t.Listen, ","))
	names := make([]string, 0, len(t.Hosts)+len(t.Files))
	for name, addr := range t.Hosts {
		names = append(names, name+"="+addr)
	}
	for name, data := range t.Files {
		sum := sha256.Sum256(data)
		names = append(names, name+"="+hex.EncodeToString(sum[:]))
	}
	sort.Strings(names)
	return b.String() + "|" + strings.Join(names, "|")
}

// spec is the sandbox to start: generic, or the function's own from the start.
func (t *Template) spec(generic bool) sandbox.Spec {
	spec := sandbox.Spec{
		Command:     t.Launch.CommandFor(t.MemoryBytes),
		Mounts:      append([]sandbox.Mount{}, t.Launch.Mounts...),
		Files:       map[string][]byte{},
		Hosts:       t.Hosts,
		Network:     t.Network,
		Listen:      append([]string{runtimes.Address}, t.Listen...),
		Pipes:       runtimes.LogPipes,
		Late:        generic,
		Root:        t.Root,
		Dir:         t.Dir,
		MemoryBytes: t.MemoryBytes,
		TmpBytes:    t.TmpBytes,
		CPUWeight:   t.CPUWeight,
	}
	for name, data := range t.Launch.Files {
		spec.Files[name] = data
	}
	for name, data := range t.Files {
		spec.Files[name] = data
	}
	env := map[string]string{}
	for name, value := range t.Launch.Env {
		env[name] = value
	}
	if generic {
		env[poolVariable] = "1"
	} else {
		for name, value := range t.Env {
			env[name] = value
		}
		env[handlerVariable] = t.Handler
		spec.Command = t.Launch.Wrap(t.Env[runtimes.WrapperVariable], spec.Command)
		spec.Mounts = append(spec.Mounts, t.mounts()...)
	}
	env[apiVariable] = sandbox.ListenRef(runtimes.Address)
	env[logVariable] = fmt.Sprint(runtimes.LogFD)
	for name, value := range env {
		spec.Env = append(spec.Env, name+"="+value)
	}
	sort.Strings(spec.Env)
	return spec
}

// mounts are the function's own.
func (t *Template) mounts() []sandbox.Mount {
	var list []sandbox.Mount
	if t.CodeDir != "" {
		list = append(list, sandbox.Mount{Source: t.CodeDir, Target: runtimes.TaskRoot, ReadOnly: true})
	}
	if t.LayerDir != "" {
		list = append(list, sandbox.Mount{Source: t.LayerDir, Target: runtimes.LayerRoot, ReadOnly: true})
	}
	return list
}

func (t *Template) initTimeout() time.Duration {
	if t.InitTimeout > 0 {
		return t.InitTimeout
	}
	return initTimeoutDefault
}
