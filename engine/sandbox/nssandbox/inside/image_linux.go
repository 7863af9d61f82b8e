package inside

import (
	"bytes"
	"fmt"
	"os"
	"path"
	"syscall"
)

// Directories of the staging file system while a root is covered.
const (
	imageDir   = "image" // the guest's own root
	overDir    = "over"  // what lies over it
	coveredDir = "root"  // both
)

const mayExecute = 1 // of access(2)

// cover makes the new root of the guest's own, the first of the binds, with our
// directories and files over it: an overlay of two layers, neither of them
// written. What we mount is mounted on directories of ours, so that no link in
// the image can lead a mount or a file elsewhere. The working directory is the
// empty staging file system, and the new root at the end.
func cover(s *Setup, blob []byte, trees []int) error {
	for _, dir := range []string{imageDir, overDir, coveredDir} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
	}
	if err := Attach(trees[0], imageDir); err != nil {
		return err
	}
	if err := within(overDir, func() error { return outline(s, blob) }); err != nil {
		return err
	}
	err := syscall.Mount("overlay", coveredDir, "overlay", syscall.MS_RDONLY|syscall.MS_NOSUID|syscall.MS_NODEV, "lowerdir="+overDir+":"+imageDir)
	if err != nil {
		return fmt.Errorf("lay the root over the image: %w", err)
	}
	if err := syscall.Chdir(coveredDir); err != nil {
		return err
	}
	for i, b := range s.Binds[1:] {
		if err := Attach(trees[1+i], inRoot(b.Target)); err != nil {
			return err
		}
	}
	return mountOwn(s)
}

// within runs f in a directory below the working directory.
func within(dir string, f func() error) error {
	if err := syscall.Chdir(dir); err != nil {
		return err
	}
	if err := f(); err != nil {
		return err
	}
	return syscall.Chdir("..")
}

// outline makes the directories and empty files on which there will be mounts,
// the links and the files.
func outline(s *Setup, blob []byte) error {
	for _, dir := range []string{"proc", "tmp", "dev", "etc"} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
	}
	for _, b := range s.Binds[1:] {
		target := inRoot(b.Target)
		if !b.File {
			if err := os.MkdirAll(target, 0o755); err != nil {
				return err
			}
			continue
		}
		if err := os.MkdirAll(path.Dir(target), 0o755); err != nil {
			return err
		}
		if err := touch(target); err != nil {
			return err
		}
	}
	return addOwn(s, blob)
}

// FindProgram is the program's path in the guest's root, which this thread is
// in, and whether it and the working directory can be used.
func FindProgram(s *Setup) (string, error) {
	if err := syscall.Access(s.Dir, mayExecute); err != nil {
		return "", &Refusal{Path: s.Dir, Directory: true, Reason: err.Error()}
	}
	name := []byte(s.Command[0])
	if !s.Root || bytes.IndexByte(name, '/') >= 0 {
		return s.Command[0], nil
	}
	for _, variable := range s.Env {
		list, ok := bytes.CutPrefix([]byte(variable), []byte("PATH="))
		if !ok {
			continue
		}
		for _, dir := range bytes.Split(list, []byte{':'}) {
			full := path.Join(string(dir), s.Command[0])
			st, err := os.Stat(full)
			if path.IsAbs(string(dir)) && err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0 {
				return full, nil
			}
		}
	}
	return "", &Refusal{Path: s.Command[0], Reason: "executable file not found in $PATH"}
}
