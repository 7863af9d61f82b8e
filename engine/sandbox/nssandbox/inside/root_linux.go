package inside

import (
	"fmt"
	"os"
	"path"
	"syscall"
)

const (
	rootBytes     = 32 << 20 // the root itself holds only Setup.Files and directories
	rootInodes    = 4096
	tmpInodeBytes = 4096 // one inode of /tmp per so many bytes
)

// OpenTree makes a detached copy of the mounts at a bind's source.
func OpenTree(b Bind) (int, error) {
	flags, setFlags := uint(openTreeClone|openTreeCloexec), uint(atEmptyPath)
	if !b.File {
		flags |= atRecursive
		setFlags |= atRecursive
	}
	fd, err := openTree(b.Source, flags)
	if err != nil {
		return -1, fmt.Errorf("open %s: %w", b.Source, err)
	}
	attr := mountAttr{set: mountAttrNoSUID, propagation: syscall.MS_PRIVATE}
	if !b.Writable {
		attr.set |= mountAttrReadOnly
	}
	if !b.Device {
		attr.set |= mountAttrNoDev
	}
	if err := mountSetattr(fd, "", setFlags, &attr); err != nil {
		_ = syscall.Close(fd)
		return -1, fmt.Errorf("restrict %s: %w", b.Source, err)
	}
	return fd, nil
}

// OpenTrees gives a detached tree per bind: the daemon's, or our own.
func OpenTrees(binds []Bind, fds []int) ([]int, error) {
	trees := make([]int, len(binds))
	for i, b := range binds {
		if b.FD >= 0 {
			if b.FD >= len(fds) {
				return nil, fmt.Errorf("mount %s names descriptor %d of %d", b.Target, b.FD, len(fds))
			}
			trees[i] = fds[b.FD]
			continue
		}
		fd, err := OpenTree(b)
		if err != nil {
			return nil, err
		}
		trees[i] = fd
	}
	return trees, nil
}

// Attach mounts a detached tree.
func Attach(tree int, target string) error {
	if err := moveMount(tree, target); err != nil {
		return fmt.Errorf("mount %s: %w", target, err)
	}
	return nil
}

// buildRoot makes the guest's root and pivots into it. The caller has checked
// that the thread is in a namespace of its own (N2).
func buildRoot(s *Setup, blob []byte, trees []int) error {
	if _, err := MountStage(); err != nil {
		return err
	}
	if err := Furnish(s, blob, trees); err != nil {
		return err
	}
	if err := syscall.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("pivot: %w", err)
	}
	if err := syscall.Unmount(".", syscall.MNT_DETACH); err != nil {
		return fmt.Errorf("leave the old root: %w", err)
	}
	if err := syscall.Chdir("/"); err != nil {
		return err
	}
	if err := mountSetattr(atFDCWD, "/", 0, &mountAttr{set: mountAttrReadOnly}); err != nil {
		return fmt.Errorf("read-only root: %w", err)
	}
	return nil
}

// MountStage mounts an empty file system of ours, which becomes the working
// directory. It is for a thread that SecondNamespace has moved.
func MountStage() (base string, err error) {
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return "", fmt.Errorf("make mounts private: %w", err)
	}
	if base, err = stagingPoint(); err != nil {
		return "", err
	}
	options := fmt.Sprintf("mode=755,size=%d,nr_inodes=%d", rootBytes, rootInodes)
	if err := syscall.Mount("tmpfs", base, "tmpfs", syscall.MS_NOSUID|syscall.MS_NODEV, options); err != nil {
		return "", fmt.Errorf("root: %w", err)
	}
	return base, syscall.Chdir(base)
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

// Furnish makes the new root in the working directory, which is an empty stage;
// where the root is the guest's own, the working directory changes to it.
func Furnish(s *Setup, blob []byte, trees []int) error {
	if s.Root {
		return cover(s, blob, trees)
	}
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
func addOwn(s *Setup, blob []byte) error {
	for _, l := range s.Links {
		if err := os.MkdirAll(inRoot(path.Dir(l.Name)), 0o755); err != nil {
			return err
		}
		if err := os.Symlink(l.Target, inRoot(l.Name)); err != nil && !os.IsExist(err) {
			return err
		}
	}
	for _, f := range s.Files {
		if f.Size < 0 || f.Size > len(blob) {
			return fmt.Errorf("file %s is cut short", f.Name)
		}
		if err := os.MkdirAll(inRoot(path.Dir(f.Name)), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(inRoot(f.Name), blob[:f.Size], 0o444); err != nil {
			return err
		}
		blob = blob[f.Size:]
	}
	return nil
}

// mountOwn gives the working directory its /proc and /tmp.
func mountOwn(s *Setup) error {
	if !s.NoProc {
		if err := syscall.Mount("proc", "proc", "proc", syscall.MS_NOSUID|syscall.MS_NODEV|syscall.MS_NOEXEC, s.ProcOptions); err != nil {
			return fmt.Errorf("mount /proc: %w", err)
		}
	}
	options := fmt.Sprintf("mode=1777,size=%d,nr_inodes=%d", s.TmpBytes, s.TmpBytes/tmpInodeBytes)
	if err := syscall.Mount("tmpfs", "tmp", "tmpfs", syscall.MS_NOSUID|syscall.MS_NODEV, options); err != nil {
		return fmt.Errorf("mount /tmp: %w", err)
	}
	return nil
}

// place makes the mount point and attaches the tree. Targets were checked to be
// clean absolute paths, and the root holds no links yet.
func place(b Bind, tree int) error {
	target := inRoot(b.Target)
	if err := os.MkdirAll(path.Dir(target), 0o755); err != nil {
		return err
	}
	if !b.File {
		if err := os.Mkdir(target, 0o755); err != nil && !os.IsExist(err) {
			return err
		}
		return Attach(tree, target)
	}
	if err := touch(target); err != nil {
		return err
	}
	return Attach(tree, target)
}

// touch makes an empty file.
func touch(name string) error {
	fd, err := syscall.Open(name, syscall.O_CREAT|syscall.O_NOFOLLOW|syscall.O_RDONLY|syscall.O_CLOEXEC, 0o444)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return syscall.Close(fd)
}

func inRoot(name string) string { return "." + name }
