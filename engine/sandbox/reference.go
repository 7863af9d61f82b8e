package sandbox

import (
	"fmt"
	"path"
	"strings"
)

// References stand in Spec.Command and Spec.Env for values only the driver
// knows. They hold a NUL, which no real argument can.
const (
	listenOpen = "\x00listen:"
	pathOpen   = "\x00path:"
	refClose   = "\x00"
)

// ListenRef stands for the address at which the guest reaches the listener
// that was asked for as addr.
func ListenRef(addr string) string { return listenOpen + addr + refClose }

// PathRef stands for the place where the guest finds the sandbox path target.
func PathRef(target string) string { return pathOpen + target + refClose }

// Expand replaces the references in s.
func Expand(s string, listen, place func(string) string) string {
	if !strings.Contains(s, refClose) {
		return s
	}
	s = expandOne(s, listenOpen, listen)
	return expandOne(s, pathOpen, place)
}

func expandOne(s, open string, value func(string) string) string {
	for {
		before, rest, found := strings.Cut(s, open)
		if !found {
			return s
		}
		name, after, closed := strings.Cut(rest, refClose)
		if !closed {
			return s
		}
		s = before + value(name) + after
	}
}

// ExpandAll replaces the references in each string of list, in a new slice.
func ExpandAll(list []string, listen, place func(string) string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = Expand(s, listen, place)
	}
	return out
}

// Check reports the first thing in the spec no driver could honour.
func (s *Spec) Check() error {
	if len(s.Command) == 0 {
		return fmt.Errorf("sandbox: the command is empty")
	}
	if len(s.Listen) > ListenersMax {
		return fmt.Errorf("sandbox: %d listeners, at most %d", len(s.Listen), ListenersMax)
	}
	if s.Network == NetworkNone && len(s.Listen) > 0 {
		return fmt.Errorf("sandbox: listeners need a loopback, network is none")
	}
	if s.Pipes < 0 || s.Pipes > PipesMax {
		return fmt.Errorf("sandbox: %d pipes, at most %d", s.Pipes, PipesMax)
	}
	total := 0
	for name, data := range s.Files {
		if err := checkTarget(name); err != nil {
			return err
		}
		total += len(data)
	}
	if total > FilesBytesMax {
		return fmt.Errorf("sandbox: files of %d bytes, at most %d", total, FilesBytesMax)
	}
	for _, m := range s.Mounts {
		if err := m.Check(); err != nil {
			return err
		}
	}
	if s.Root != "" && (!path.IsAbs(s.Root) || path.Clean(s.Root) == "/") {
		return fmt.Errorf("sandbox: %q is no directory to make a root of", s.Root)
	}
	if s.Root != "" && s.Late {
		return fmt.Errorf("sandbox: a guest with a root of its own takes no late mounts")
	}
	return nil
}

// Check reports whether both ends of the mount are clean absolute paths.
func (m Mount) Check() error {
	if !path.IsAbs(m.Source) {
		return fmt.Errorf("sandbox: mount source %q is not absolute", m.Source)
	}
	return checkTarget(m.Target)
}

func checkTarget(name string) error {
	if !path.IsAbs(name) || path.Clean(name) != name || name == "/" {
		return fmt.Errorf("sandbox: %q is not a clean absolute path below the root", name)
	}
	return nil
}
