package pebblekv

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"moln.dev/moln/engine/kv/driver"
)

const (
	lockFile   = "LOCK"
	formatFile = "FORMAT"

	// formatVersion is the version of the layout this program writes, and the
	// newest it reads.
	formatVersion = 1
	formatPrefix  = "moln data directory, format "
)

// lockDir locks dir for this process until the file is closed. The lock is
// the kernel's, so it does not outlive the process.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("pebblekv: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer f.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("pebblekv: locking %s: %w", f.Name(), err)
		}
		owner, _ := io.ReadAll(io.LimitReader(f, 32)) // it is only for the message
		return nil, fmt.Errorf("%w: %s is used by process %s", driver.ErrLocked, dir, strings.TrimSpace(string(owner)))
	}
	if err := writePID(f); err != nil {
		return nil, errors.Join(fmt.Errorf("pebblekv: writing %s: %w", f.Name(), err), f.Close())
	}
	return f, nil
}

func writePID(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

// readFormat reports whether there is a store in dir, and fails if it is not
// one that this program reads.
func readFormat(dir string) (existing bool, err error) {
	text, err := os.ReadFile(filepath.Join(dir, formatFile))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("pebblekv: %w", err)
	}
	number, ok := strings.CutPrefix(strings.TrimSpace(string(text)), formatPrefix)
	version, err := strconv.Atoi(number)
	if !ok || err != nil || version < 1 {
		return false, fmt.Errorf("%w: %s in %s is not readable; restore a backup into an empty directory", driver.ErrCorrupt, formatFile, dir)
	}
	if version > formatVersion {
		return false, fmt.Errorf("%w: %s has format %d, this program reads up to %d; use the version that wrote it, or a newer one",
			driver.ErrNewerFormat, dir, version, formatVersion)
	}
	return true, nil
}

// writeFormat marks dir as a complete store. It is the last step of making one.
func writeFormat(dir string) error {
	path := filepath.Join(dir, formatFile)
	if err := writeSynced(path+".new", fmt.Sprintf("%s%d\n", formatPrefix, formatVersion)); err != nil {
		return fmt.Errorf("pebblekv: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("pebblekv: %w", err)
	}
	if err := syncDir(dir); err != nil {
		return err
	}
	return syncDir(filepath.Dir(dir))
}

func writeSynced(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Sync(), f.Close())
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("pebblekv: %w", err)
	}
	return errors.Join(d.Sync(), d.Close())
}
