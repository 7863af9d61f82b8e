// Package filesblob keeps blobs as files in a directory of which it has the
// exclusive use. A blob is durable when Commit returns: its file was synced
// before it got its name, and the directories that hold the name after.
//
//	DIR/LOCK                    held by the process that uses DIR
//	DIR/writing/SCOPE.ID        blobs not committed; removed when DIR is opened
//	DIR/blobs/SCOPE/Z/Y/ID      blobs; Y and Z are the last two characters of ID
//
// Its streams hold no memory of their own.
package filesblob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"moln.dev/moln/engine/blob/driver"
	"moln.dev/moln/engine/space"
)

const (
	lockName    = "LOCK"
	writingName = "writing"
	blobsName   = "blobs"

	dirMode  = 0o700
	fileMode = 0o600

	// listPageNames is how many names of a directory are read at a time.
	listPageNames = 512
)

type store struct {
	dir    string
	lock   *os.File
	room   *space.Guard
	closed atomic.Bool
	// leaves are the directories of blobs whose names are known to be durable:
	// at most 32 times 32 a scope.
	leaves sync.Map
}

var _ driver.Driver = (*store)(nil)

// Open opens the directory, which it makes when it is missing. It fails with
// driver.ErrLocked while another process uses it.
func Open(dir string) (driver.Driver, error) {
	s := &store{dir: dir, room: space.New(dir)}
	for _, d := range []string{dir, s.writing(), s.blobs()} {
		if err := makeDir(d); err != nil {
			return nil, fmt.Errorf("filesblob: %w", err)
		}
	}
	lock, err := os.OpenFile(filepath.Join(dir, lockName), os.O_CREATE|os.O_RDWR, fileMode)
	if err != nil {
		return nil, fmt.Errorf("filesblob: %w", err)
	}
	s.lock = lock
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("%w: %s", driver.ErrLocked, dir)
		}
		return nil, fmt.Errorf("filesblob: lock %s: %w", dir, err)
	}
	if err := s.removeUnfinished(); err != nil {
		lock.Close()
		return nil, fmt.Errorf("filesblob: %w", err)
	}
	return s, nil
}

func (s *store) writing() string { return filepath.Join(s.dir, writingName) }
func (s *store) blobs() string   { return filepath.Join(s.dir, blobsName) }

// path returns where a blob lies. The last characters of an id spread blobs of
// one moment evenly over 32 times 32 directories.
func (s *store) path(key driver.Key) string {
	n := len(key.ID)
	return filepath.Join(s.blobs(), key.Scope, key.ID[n-1:], key.ID[n-2:n-1], key.ID)
}

// removeUnfinished removes what a crash left of blobs never committed.
func (s *store) removeUnfinished() error {
	entries, err := os.ReadDir(s.writing())
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := os.Remove(filepath.Join(s.writing(), e.Name())); err != nil {
			return err
		}
	}
	return nil
}

func (s *store) Create(_ context.Context, key driver.Key) (driver.Writer, error) {
	if s.closed.Load() {
		return nil, driver.ErrClosed
	}
	if err := s.room.Room(space.Bulk); err != nil {
		return nil, full(err)
	}
	temporary := filepath.Join(s.writing(), key.Scope+"."+key.ID)
	f, err := os.OpenFile(temporary, os.O_CREATE|os.O_EXCL|os.O_WRONLY, fileMode)
	if err != nil {
		return nil, full(err)
	}
	return &writer{File: f, store: s, final: s.path(key)}, nil
}

// writer writes a file in DIR/writing.
type writer struct {
	*os.File
	store *store
	final string
}

// Write implements io.Writer.
func (w *writer) Write(p []byte) (int, error) {
	if err := w.store.room.Room(space.Bulk); err != nil {
		return 0, full(err)
	}
	n, err := w.File.Write(p)
	return n, full(err)
}

// full gives an error that says that there is no room its name in the contract.
func full(err error) error {
	if err = space.Of(err); errors.Is(err, space.ErrFull) {
		return fmt.Errorf("%w: %w", driver.ErrFull, err)
	}
	return err
}

func (w *writer) Commit(ctx context.Context) error {
	err := ctx.Err()
	if err == nil && w.store.closed.Load() {
		err = driver.ErrClosed
	}
	if err == nil {
		err = w.publish()
	}
	if err != nil {
		_ = w.Abort() // after a rename there is nothing left to remove
	}
	return full(err)
}

// publish syncs the file, gives it its name, and syncs the directory.
func (w *writer) publish() error {
	// The time of the last write may be long ago: garbage collection goes by
	// that of the commit.
	now := time.Now()
	if err := os.Chtimes(w.Name(), now, now); err != nil {
		return err
	}
	if err := w.Sync(); err != nil {
		return err
	}
	dir := filepath.Dir(w.final)
	if err := w.store.makeLeaf(dir); err != nil {
		return err
	}
	if err := os.Rename(w.Name(), w.final); err != nil {
		return err
	}
	if err := syncDir(dir); err != nil {
		return err
	}
	return w.Close()
}

func (w *writer) Abort() error {
	_ = w.Close()
	err := os.Remove(w.Name())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (s *store) Open(_ context.Context, key driver.Key, offset, length int64) (io.ReadCloser, error) {
	if s.closed.Load() {
		return nil, driver.ErrClosed
	}
	f, err := os.Open(s.path(key))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, driver.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	return &section{io.NewSectionReader(f, offset, length), f}, nil
}

type section struct {
	*io.SectionReader
	file *os.File
}

func (s *section) Close() error { return s.file.Close() }

// Delete is not synced: a blob that comes back after a crash is garbage, which
// is swept.
func (s *store) Delete(_ context.Context, key driver.Key) error {
	if s.closed.Load() {
		return driver.ErrClosed
	}
	err := os.Remove(s.path(key))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (s *store) List(ctx context.Context, scope string, fn func(driver.Info) error) error {
	if s.closed.Load() {
		return driver.ErrClosed
	}
	top := filepath.Join(s.blobs(), scope)
	return eachEntry(top, func(z fs.DirEntry) error {
		return eachEntry(filepath.Join(top, z.Name()), func(y fs.DirEntry) error {
			return eachEntry(filepath.Join(top, z.Name(), y.Name()), func(e fs.DirEntry) error {
				if err := ctx.Err(); err != nil {
					return err
				}
				info, err := e.Info()
				if errors.Is(err, fs.ErrNotExist) {
					return nil // deleted since
				}
				if err != nil {
					return err
				}
				return fn(driver.Info{
					Key:         driver.Key{Scope: scope, ID: e.Name()},
					StoredBytes: info.Size(), Modified: info.ModTime(),
				})
			})
		})
	})
}

// eachEntry reads a directory page by page; a missing one is empty.
func eachEntry(dir string, fn func(fs.DirEntry) error) error {
	d, err := os.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer d.Close()
	for {
		entries, err := d.ReadDir(listPageNames)
		for _, e := range entries {
			if err := fn(e); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (s *store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	return s.lock.Close() // which unlocks
}

// makeLeaf makes the directory of a blob and those above it, up to DIR/blobs,
// and makes their names durable. That a directory exists does not mean that
// whoever made it has synced its name: only what this process has synced
// itself is trusted.
func (s *store) makeLeaf(leaf string) error {
	if _, ok := s.leaves.Load(leaf); ok {
		return nil
	}
	middle := filepath.Dir(leaf)
	scope := filepath.Dir(middle)
	for _, d := range []string{scope, middle, leaf} {
		if err := os.Mkdir(d, dirMode); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		if err := syncDir(filepath.Dir(d)); err != nil {
			return err
		}
	}
	s.leaves.Store(leaf, struct{}{})
	return nil
}

// makeDir makes dir with its parents and makes its name durable.
func makeDir(dir string) error {
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return err
	}
	return syncDir(filepath.Dir(dir))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
