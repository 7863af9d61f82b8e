package nssandbox

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"moln.dev/moln/engine/sandbox"
)

// Directories of the staging file system while a root is covered.
const (
	imageDir   = "image" // Spec.Root
	overDir    = "over"  // what lies over it
	coveredDir = "root"  // both
)

// cover makes the new root of Spec.Root, the first of the binds, with our own
// directories and files over it: an overlay of two layers, neither of them
// written. What we mount is mounted on directories of ours, so that no link in
// the image can lead a mount or a file elsewhere. The working directory is the
// empty staging file system, and the new root at the end.
func cover(s *setup, blob []byte, trees []int) error {
	for _, dir := range []string{imageDir, overDir, coveredDir} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
	}
	if err := attach(trees[0], imageDir); err != nil {
		return err
	}
	if err := within(overDir, func() error { return outline(s, blob) }); err != nil {
		return err
	}
	err := unix.Mount("overlay", coveredDir, "overlay", unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV, "lowerdir="+overDir+":"+imageDir)
	if err != nil {
		return fmt.Errorf("lay the root over the image: %w", err)
	}
	if err := unix.Chdir(coveredDir); err != nil {
		return err
	}
	for i, b := range s.Binds[1:] {
		if err := attach(trees[1+i], inRoot(b.Target)); err != nil {
			return err
		}
	}
	return mountOwn(s)
}

// within runs f in a directory below the working directory.
func within(dir string, f func() error) error {
	if err := unix.Chdir(dir); err != nil {
		return err
	}
	if err := f(); err != nil {
		return err
	}
	return unix.Chdir("..")
}

// outline makes the directories and empty files on which there will be mounts,
// the links and the files.
func outline(s *setup, blob []byte) error {
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
		f, err := os.OpenFile(target, os.O_CREATE|syscall.O_NOFOLLOW, 0o444)
		if err != nil {
			return err
		}
		_ = f.Close()
	}
	return addOwn(s, blob)
}

// findProgram is the program's path in the guest's root, which this thread is
// in, and whether it and the working directory can be used.
func findProgram(s *setup) (string, error) {
	if err := unix.Access(s.Dir, unix.X_OK); err != nil {
		return "", &sandbox.StartError{Path: s.Dir, Directory: true, Reason: err.Error()}
	}
	name := s.Command[0]
	if !s.Root || strings.Contains(name, "/") {
		return name, nil
	}
	for _, variable := range s.Env {
		list, ok := strings.CutPrefix(variable, "PATH=")
		if !ok {
			continue
		}
		for _, dir := range strings.Split(list, ":") {
			full := path.Join(dir, name)
			st, err := os.Stat(full)
			if path.IsAbs(dir) && err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0 {
				return full, nil
			}
		}
	}
	return "", &sandbox.StartError{Path: name, Reason: "executable file not found in $PATH"}
}

// refusal is what a notice tells of a guest that did not start.
func refusal(err error) *sandbox.StartError {
	var start *sandbox.StartError
	if errors.As(err, &start) {
		return start
	}
	return nil
}
