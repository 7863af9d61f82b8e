package nssandbox

import (
	"os"
	"sort"
	"strings"

	"golang.org/x/sys/unix"

	"moln.dev/moln/engine/sandbox/nssandbox/inside"
)

// inode is the number of a namespace's file.
func inode(name string) (uint64, error) {
	var st unix.Stat_t
	if err := unix.Stat(name, &st); err != nil {
		return 0, &os.PathError{Op: "stat", Path: name, Err: err}
	}
	return st.Ino, nil
}

// deviceLinks are the links that every /dev has.
func deviceLinks() map[string]string {
	return map[string]string{
		"/dev/fd": "/proc/self/fd", "/dev/stdin": "/proc/self/fd/0",
		"/dev/stdout": "/proc/self/fd/1", "/dev/stderr": "/proc/self/fd/2",
	}
}

// baseBinds are the host's parts every interpreter needs, and the links between
// them, as this host has them.
func baseBinds() (binds []inside.Bind, links map[string]string) {
	links = deviceLinks()
	for _, name := range []string{
		"/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin",
		"/etc/ssl", "/etc/pki", "/etc/ca-certificates", "/etc/alternatives", "/etc/ld.so.cache", "/etc/ld.so.conf",
		"/etc/ld.so.conf.d", "/etc/localtime", "/etc/mime.types", "/etc/protocols", "/etc/services",
		"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom",
	} {
		st, err := os.Lstat(name)
		if err != nil {
			continue
		}
		if st.Mode()&os.ModeSymlink != 0 {
			if target, err := os.Readlink(name); err == nil {
				links[name] = target
			}
			continue
		}
		binds = append(binds, inside.Bind{
			Source: name, FD: -1, Target: name, File: !st.IsDir(), Device: strings.HasPrefix(name, "/dev/"),
		})
	}
	return binds, links
}

// baseFiles are the parts of /etc we write ourselves: all, or for a root that
// has users of its own, what belongs to the network.
func baseFiles(hosts map[string]string, network bool) map[string][]byte {
	text := "127.0.0.1\tlocalhost sandbox sandbox.localdomain\n"
	names := make([]string, 0, len(hosts))
	for name := range hosts {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		text += hosts[name] + "\t" + name + "\n"
	}
	files := map[string][]byte{
		"/etc/hosts":       []byte(text),
		"/etc/hostname":    []byte("sandbox\n"),
		"/etc/resolv.conf": {},
	}
	if network {
		return files
	}
	files["/etc/nsswitch.conf"] = []byte("passwd: files\ngroup: files\nhosts: files dns\n")
	files["/etc/passwd"] = []byte("root:x:0:0:root:/:/usr/sbin/nologin\nsbx_user:x:1000:1000::/tmp:/usr/sbin/nologin\n")
	files["/etc/group"] = []byte("root:x:0:\nsbx_user:x:1000:\n")
	return files
}
