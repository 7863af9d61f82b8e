package nssandbox

import (
	"context"
	"os"
	"strings"
	"time"

	"moln.dev/moln/engine/sandbox"
	"moln.dev/moln/engine/sandbox/cgroup"
)

const probeTimeout = 5 * time.Second

// Probe starts a sandbox that does nothing, which is the only honest test, and
// reads the rest.
func (d *Driver) Probe(ctx context.Context) sandbox.Capabilities {
	report := sandbox.Capabilities{Driver: d.Name()}
	add := func(name string, ok bool, detail string) {
		report.List = append(report.List, sandbox.Capability{Name: name, OK: ok, Detail: detail})
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	err := d.tryStart(ctx)
	report.Usable = err == nil
	detail := "user, pid, mount, network, ipc and uts namespaces, read-only root, seccomp"
	if d.runtime != nil {
		detail = d.runtime.Version + " at " + d.runtime.Path
	}
	if d.guarded() {
		detail += ", a kernel of its own for each guest"
	}
	if err != nil {
		detail = err.Error() + hint()
	}
	add("sandbox", err == nil, detail)
	if d.root {
		add("root", true, "a host user of its own per sandbox")
	} else {
		add("root", false, "guests run as the daemon's user: they cannot see its files, but share its limits"+d.shownUser())
	}
	for _, feature := range []string{"memory", "cpu", "pids", "freezer"} {
		how, ok := d.groups.Has(feature)
		if !ok {
			how += d.instead(feature)
		}
		add(feature, ok, how)
	}
	return report
}

func (d *Driver) tryStart(ctx context.Context) error {
	sb, err := d.Start(ctx, sandbox.Spec{Command: []string{"/bin/sh", "-c", "exit 0"}})
	if err != nil {
		return err
	}
	sb.Wait()
	for _, p := range sb.Pipes() {
		_ = p.Close()
	}
	return nil
}

// shownUser says what is odd about an ordinary user's guests.
func (d *Driver) shownUser() string {
	if d.guestUser() != 0 {
		return ""
	}
	return "; to themselves they are user 0, without capabilities"
}

// instead says what takes a missing control group's place.
func (d *Driver) instead(feature string) string {
	switch feature {
	case "memory":
		if d.guarded() {
			return "; a watchdog stands in, for memory and /tmp together"
		}
		return "; a watchdog and RLIMIT_DATA stand in"
	case "pids":
		if d.guarded() {
			return "; nothing stands in"
		}
		return "; RLIMIT_NPROC stands in"
	case "freezer":
		return "; SIGSTOP stands in"
	}
	return ""
}

// hint names the usual reasons why an ordinary host refuses namespaces.
func hint() string {
	for _, one := range []struct{ file, blocks, advice string }{
		{"/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1",
			"; AppArmor blocks user namespaces: run as root, or set kernel.apparmor_restrict_unprivileged_userns=0"},
		{"/proc/sys/kernel/unprivileged_userns_clone", "0",
			"; user namespaces are closed to users: set kernel.unprivileged_userns_clone=1"},
		{"/proc/sys/user/max_user_namespaces", "0",
			"; user namespaces are off: set user.max_user_namespaces"},
	} {
		data, err := os.ReadFile(one.file)
		if err == nil && strings.TrimSpace(string(data)) == one.blocks {
			return one.advice
		}
	}
	return ""
}

// isolation says what is in force for a sandbox that has started: the helper
// starts no guest unless all of the first list is in place.
func (d *Driver) isolation(spec *sandbox.Spec, group *cgroup.Group) sandbox.Isolation {
	is := sandbox.Isolation{Driver: d.Name(), Active: []string{
		"user, pid, mount, ipc and uts namespaces", "read-only root", "no capabilities", "no_new_privs", "seccomp", "rlimits",
	}}
	if d.guarded() {
		is.Active = append(is.Active, "kernel of its own")
		is.Missing = append(is.Missing, "processes to the last one (gVisor's own count too)")
		if !d.root {
			is.Missing = append(is.Missing, "memory apart from /tmp (the limit is on both together)")
		}
	}
	if spec.Network == sandbox.NetworkHost {
		is.Missing = append(is.Missing, "network (shared with the host, as asked)")
	} else {
		is.Active = append(is.Active, "network namespace")
	}
	if d.root {
		is.Active = append(is.Active, "own host user")
	}
	asked := map[string]bool{"memory": spec.MemoryBytes > 0, "cpu": spec.CPUMilli > 0 || spec.CPUWeight > 0, "pids": spec.Processes > 0}
	for _, feature := range []string{"memory", "cpu", "pids"} {
		if !asked[feature] {
			continue
		}
		how, ok := d.groups.Has(feature)
		if ok && group != nil {
			is.Active = append(is.Active, feature+" ("+how+")")
			continue
		}
		is.Missing = append(is.Missing, feature+" by control group ("+how+d.instead(feature)+")")
	}
	return is
}
