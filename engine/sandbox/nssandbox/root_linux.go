package nssandbox

import (
	"fmt"
	"net/netip"
	"os"
	"path"
	"sort"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	backlog       = 128
	rootBytes     = 32 << 20 // the root itself holds only Spec.Files and directories
	rootInodes    = 4096
	tmpInodeBytes = 4096 // one inode of /tmp per so many bytes
)

func listen(addr string) (int, error) {
	ap, err := netip.ParseAddrPort(addr)
	if err != nil {
		return -1, err
	}
	if !ap.Addr().Is4() {
		return -1, fmt.Errorf("not an IPv4 address")
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, err
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	if err := unix.Bind(fd, &unix.SockaddrInet4{Port: int(ap.Port()), Addr: ap.Addr().As4()}); err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, unix.Listen(fd, backlog)
}

// openTree makes a detached copy of the mounts at source.
func openTree(b bind) (int, error) {
	flags := uint(unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC)
	if !b.File {
		flags |= unix.AT_RECURSIVE
	}
	fd, err := unix.OpenTree(unix.AT_FDCWD, b.Source, flags)
	if err != nil {
		return -1, fmt.Errorf("open %s: %w", b.Source, err)
	}
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_NOSUID, Propagation: unix.MS_PRIVATE}
	if !b.Writable {
		attr.Attr_set |= unix.MOUNT_ATTR_RDONLY
	}
	if !b.Device {
		attr.Attr_set |= unix.MOUNT_ATTR_NODEV
	}
	setFlags := uint(unix.AT_EMPTY_PATH)
	if !b.File {
		setFlags |= unix.AT_RECURSIVE
	}
	if err := unix.MountSetattr(fd, "", setFlags, &attr); err != nil {
		_ = unix.Close(fd)
		return -1, fmt.Errorf("restrict %s: %w", b.Source, err)
	}
	return fd, nil
}

// openTrees gives a detached tree per bind: the daemon's, or our own.
func openTrees(binds []bind, fds []int) ([]int, error) {
	trees := make([]int, len(binds))
	for i, b := range binds {
		if b.FD >= 0 {
			if b.FD >= len(fds) {
				return nil, fmt.Errorf("mount %s names descriptor %d of %d", b.Target, b.FD, len(fds))
			}
			trees[i] = fds[b.FD]
			continue
		}
		fd, err := openTree(b)
		if err != nil {
			return nil, err
		}
		trees[i] = fd
	}
	return trees, nil
}

func attach(tree int, target string) error {
	if err := unix.MoveMount(tree, "", unix.AT_FDCWD, target, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return fmt.Errorf("mount %s: %w", target, err)
	}
	return nil
}

// buildRoot makes the guest's root and pivots into it. The caller has checked
// that the thread is in a namespace of its own (N2).
func buildRoot(s *setup, blob []byte, trees []int) error {
	if _, err := mountStage(); err != nil {
		return err
	}
	var err error
	if s.Root {
		err = cover(s, blob, trees)
	} else {
		err = furnish(s, blob, trees)
	}
	if err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("pivot: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("leave the old root: %w", err)
	}
	if err := unix.Chdir("/"); err != nil {
		return err
	}
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
	if err := unix.MountSetattr(unix.AT_FDCWD, "/", 0, &attr); err != nil {
		return fmt.Errorf("read-only root: %w", err)
	}
	return nil
}

// mountStage mounts an empty file system of ours, which becomes the working
// directory.
func mountStage() (base string, err error) {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return "", fmt.Errorf("make mounts private: %w", err)
	}
	if base, err = stagingPoint(); err != nil {
		return "", err
	}
	options := fmt.Sprintf("mode=755,size=%d,nr_inodes=%d", rootBytes, rootInodes)
	if err := unix.Mount("tmpfs", base, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, options); err != nil {
		return "", fmt.Errorf("root: %w", err)
	}
	return base, unix.Chdir(base)
}

// stagingPoint is a directory that exists on the host and may be covered.
func stagingPoint() (string, error) {
	for _, dir := range []string{"/tmp", "/mnt", "/run", "/var"} {
		if st, err := os.Lstat(dir); err == nil && st.IsDir() {
			return dir, nil
		}
	}
	return "", fmt.Errorf("no directory to build the root on")
}

// furnish fills the new root, which is the working directory.
func furnish(s *setup, blob []byte, trees []int) error {
	for _, dir := range []string{"proc", "tmp", "dev", "etc", "opt", "var/task", "var/runtime", "var/tmp", "run"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	for i, b := range s.Binds {
		if err := place(b, trees[i]); err != nil {
			return err
		}
	}
	if err := addOwn(s, blob); err != nil {
		return err
	}
	return mountOwn(s)
}

// addOwn writes the links and files that the working directory is to have.
func addOwn(s *setup, blob []byte) error {
	for name, target := range s.Links {
		if err := os.MkdirAll(inRoot(path.Dir(name)), 0o755); err != nil {
			return err
		}
		if err := os.Symlink(target, inRoot(name)); err != nil && !os.IsExist(err) {
			return err
		}
	}
	for _, f := range s.Files {
		if f.Size > len(blob) {
			return fmt.Errorf("file %s is cut short", f.Name)
		}
		if err := writeFile(f.Name, blob[:f.Size]); err != nil {
			return err
		}
		blob = blob[f.Size:]
	}
	return nil
}

// mountOwn gives the working directory its /proc and /tmp.
func mountOwn(s *setup) error {
	if s.Runtime == nil || !s.Runtime.Guarded() { // whose kernel has its own
		options := ""
		if s.Runtime != nil && s.Runtime.User == 0 {
			options = "hidepid=2" // the helper has the guest's user
		}
		if err := unix.Mount("proc", "proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, options); err != nil {
			return fmt.Errorf("mount /proc: %w", err)
		}
	}
	options := fmt.Sprintf("mode=1777,size=%d,nr_inodes=%d", s.TmpBytes, s.TmpBytes/tmpInodeBytes)
	if err := unix.Mount("tmpfs", "tmp", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, options); err != nil {
		return fmt.Errorf("mount /tmp: %w", err)
	}
	return nil
}

func writeFile(name string, data []byte) error {
	if err := os.MkdirAll(inRoot(path.Dir(name)), 0o755); err != nil {
		return err
	}
	return os.WriteFile(inRoot(name), data, 0o444)
}

// place makes the mount point and attaches the tree. Targets were checked to be
// clean absolute paths, and the root holds no links yet.
func place(b bind, tree int) error {
	target := inRoot(b.Target)
	if err := os.MkdirAll(path.Dir(target), 0o755); err != nil {
		return err
	}
	if !b.File {
		if err := os.Mkdir(target, 0o755); err != nil && !os.IsExist(err) {
			return err
		}
		return attach(tree, target)
	}
	f, err := os.OpenFile(target, os.O_CREATE|syscall.O_NOFOLLOW, 0o444)
	if err != nil {
		return err
	}
	_ = f.Close()
	return attach(tree, target)
}

func inRoot(name string) string { return "." + name }

// deviceLinks are the links that every /dev has.
func deviceLinks() map[string]string {
	return map[string]string{
		"/dev/fd": "/proc/self/fd", "/dev/stdin": "/proc/self/fd/0",
		"/dev/stdout": "/proc/self/fd/1", "/dev/stderr": "/proc/self/fd/2",
	}
}

// baseBinds are the host's parts every interpreter needs, and the links between
// them, as this host has them.
func baseBinds() (binds []bind, links map[string]string) {
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
		binds = append(binds, bind{
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
