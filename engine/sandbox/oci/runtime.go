package oci

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// Kind is a family of runtimes with one command line.
type Kind string

const (
	// Crun is crun. It needs a view of control groups that is version 2 only.
	Crun Kind = "crun"
	// Runc is runc, and what takes its command line.
	Runc Kind = "runc"
	// Runsc is gVisor's. Its guests have a kernel of their own.
	Runsc Kind = "runsc"
)

// Runtime is a runtime of this host.
type Runtime struct {
	Kind    Kind
	Path    string
	Version string
}

// Identify reads what `<program> --version` printed.
func Identify(path, output string) (Runtime, error) {
	first, _, _ := strings.Cut(strings.TrimSpace(output), "\n")
	words := strings.Fields(first)
	if len(words) == 0 {
		return Runtime{}, fmt.Errorf("oci: %s printed no version", path)
	}
	r := Runtime{Kind: Runc, Path: path, Version: strings.TrimSuffix(words[0], ":")}
	switch r.Version {
	case "crun":
		r.Kind = Crun
	case "runsc":
		r.Kind = Runsc
	case "kata-runtime":
		return Runtime{}, fmt.Errorf("oci: %s is Kata's, which from version 2 on has no OCI command line, only a shim for containerd", path)
	}
	if last := words[len(words)-1]; last != words[0] && last != "VERSION_MISSING" {
		r.Version += " " + last
	}
	return r, nil
}

// Guarded says that guests do not meet the host's kernel.
func (r Runtime) Guarded() bool { return r.Kind == Runsc }

// Places are the files of one container, as the runtime is to find them.
type Places struct {
	Program string // the runtime
	State   string // directory
	Bundle  string // directory
	Log     string
	PIDFile string
}

// container is the name of every container: each has a state directory of its
// own.
const container = "guest"

// Run starts the container and leaves it. The first of the pipes is descriptor
// 3. The guest's first process is then the caller's to wait for, if the caller
// is the first process of its namespace: its number is in the PID file.
func (r Runtime) Run(p Places, pipes int) []string {
	args := append(r.global(p), "run", "--detach", "--bundle", p.Bundle, "--pid-file", p.PIDFile)
	if r.Kind == Runsc {
		for fd := 3; fd < 3+pipes; fd++ {
			args = append(args, "--pass-fd", fmt.Sprintf("%d:%d", fd, fd))
		}
	} else if pipes > 0 {
		args = append(args, "--preserve-fds", strconv.Itoa(pipes))
	}
	return append(args, container)
}

// Signal sends a signal to the guest's first process.
func (r Runtime) Signal(p Places, signal int) []string {
	return append(r.global(p), "kill", container, strconv.Itoa(signal))
}

func (r Runtime) global(p Places) []string {
	args := []string{p.Program, "--root", p.State, "--log", p.Log, "--log-format", "json"}
	switch r.Kind {
	case Crun:
		args = append(args, "--cgroup-manager", "disabled")
	case Runsc:
		// The network is the host's only in gVisor's words: it is that of the
		// namespace in which the runtime was started. Files are shared because
		// mounts are added later. The guest's control groups are the caller's.
		args = append(args, "--ignore-cgroups", "--network=host", "--file-access=shared", "--file-access-mounts=exclusive",
			"--overlay2=none", "--oci-seccomp", "--host-settings=ignore")
	}
	return args
}

// ExitStatus reads how a runtime's process told the guest's end: by its own end,
// or where the runtime stands between (gVisor), as a shell does.
func (r Runtime) ExitStatus(status int) (code, signal int) {
	const signalled, signalMax = 128, 64
	if r.Kind == Runsc && status > signalled && status <= signalled+signalMax {
		return 0, status - signalled
	}
	return status, 0
}

// Reason is what a runtime's log says last of why it failed.
func Reason(log []byte) string {
	reason := "no reason given"
	for line := range bytes.Lines(log) {
		var entry struct{ Level, Msg string }
		if json.Unmarshal(line, &entry) != nil || strings.TrimSpace(entry.Msg) == "" {
			continue
		}
		switch strings.ToLower(entry.Level) {
		case "error", "fatal", "panic":
			reason = strings.TrimSpace(entry.Msg)
		}
	}
	return reason
}
