package archive

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Merge puts unpacked packages over each other into dir, which is empty. What
// comes later replaces what was there; only directories become one. Files are
// linked, not copied, where the file system can: nobody writes to them.
func Merge(packages []string, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	m := merger{root: root, dir: dir}
	for _, p := range packages {
		if err := m.add(p); err != nil {
			return err
		}
	}
	return m.checkLinks()
}

type merger struct {
	root *os.Root
	dir  string
}

// add walks one package without following its links.
func (m merger) add(from string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == from {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if err := m.clear(name, d.IsDir()); err != nil {
			return err
		}
		switch {
		case d.IsDir():
			if err := m.root.Mkdir(name, 0o755); !errors.Is(err, fs.ErrExist) {
				return err
			}
			return nil
		case d.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			return m.root.Symlink(target, name)
		}
		return m.link(path, name)
	})
}

// clear removes what is in the way. A directory over a directory is not. As
// links are removed and never written through, a name below the root is one of
// this package's own directories.
func (m merger) clear(name string, dir bool) error {
	st, err := m.root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil || (dir && st.IsDir()) {
		return err
	}
	return m.root.RemoveAll(name)
}

// link gives a file a second name, or copies it: another file system, or too
// many names already.
func (m merger) link(path, name string) error {
	err := os.Link(path, filepath.Join(m.dir, name))
	if !errors.Is(err, syscall.EXDEV) && !errors.Is(err, syscall.EMLINK) && !errors.Is(err, syscall.EPERM) {
		return err
	}
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	st, err := in.Stat()
	if err != nil {
		return err
	}
	if runnable(st.Mode()) {
		syscall.ForkLock.RLock()
		defer syscall.ForkLock.RUnlock()
	}
	out, err := m.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	defer out.Close()
	if _, err := io.Copy(out, in); err != nil {
		return err
	}
	return out.Chmod(st.Mode().Perm())
}

// checkLinks removes links that lead out of the merged directory, which each
// package's own check cannot foresee.
func (m merger) checkLinks() error {
	return filepath.WalkDir(m.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Type()&fs.ModeSymlink == 0 {
			return err
		}
		name, err := filepath.Rel(m.dir, path)
		if err != nil {
			return err
		}
		if _, err := m.root.Stat(name); escapes(err) || errors.Is(err, syscall.ELOOP) {
			return m.root.Remove(name)
		}
		return nil
	})
}
