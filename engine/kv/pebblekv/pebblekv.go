// Package pebblekv is the kv driver for one process on one machine: Pebble, in
// a data directory.
//
// A commit returns once the write-ahead log is on disk (fsync); commits that
// wait at the same moment share one fsync. The directory holds
//
//	LOCK     locked by the process that uses it, whose id it names
//	FORMAT   the version of this layout
//	store/   Pebble's files
//
// Every block and log record carries a checksum. What is found damaged fails
// with kv.ErrCorrupt, at Open or when it is read; nothing is ever repaired by
// dropping it. The end of the log that a crash left unfinished is no damage:
// nothing in it was acknowledged.
package pebblekv

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"

	"moln.dev/moln/engine/kv/driver"
	"moln.dev/moln/engine/kv/internal/serial"
	"moln.dev/moln/engine/space"
)

const (
	storeDir = "store"

	// The memory an idle store may keep: memtables grow as they are written
	// to, and the cache as it is read through.
	cacheBytes    = 48 << 20
	memTableBytes = 8 << 20
	maxOpenFiles  = 512

	// blockBytes is what a read of one key takes from the disk and unpacks, and
	// what a scan reads at a time. Twice Pebble's own size halves the index, so
	// that most of the index of ten million items of 1 KB stays in the cache, and
	// makes a scan of a hundred of them a fifth cheaper, for a few microseconds more
	// of a read that misses the cache.
	blockBytes = 8 << 10

	bloomBitsPerKey = 10

	// pebbleFormat is raised together with formatVersion.
	pebbleFormat = pebble.FormatTableFormatV6
)

// Open opens the store in dir, making it if there is none. It fails with
// driver.ErrLocked, ErrNewerFormat or ErrCorrupt. What Pebble has to say goes
// to log, from warnings up; nil discards it.
func Open(dir string, log *slog.Logger) (driver.DB, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("pebblekv: %w", err)
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	db, err := openLocked(dir, log)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	s := &store{db: db, lock: lock, room: space.New(dir)}
	return &DB{serial.New(s), s}, nil
}

// DB is a driver.DB and a driver.Checkpointer.
type DB struct {
	*serial.DB
	store *store
}

func openLocked(dir string, log *slog.Logger) (*pebble.DB, error) {
	existing, err := readFormat(dir)
	if err != nil {
		return nil, err
	}
	opts := options(log)
	// A store that has lost its manifest must not be taken for a new one.
	opts.ErrorIfNotExists = existing
	db, err := pebble.Open(filepath.Join(dir, storeDir), opts)
	if err != nil {
		return nil, openError(dir, existing, err)
	}
	if !existing {
		if err := writeFormat(dir); err != nil {
			return nil, errors.Join(err, db.Close())
		}
	}
	return db, nil
}

func options(log *slog.Logger) *pebble.Options {
	opts := &pebble.Options{
		CacheSize:                   cacheBytes,
		MemTableSize:                memTableBytes,
		MemTableStopWritesThreshold: 4,
		MaxOpenFiles:                maxOpenFiles,
		L0CompactionThreshold:       4,
		L0StopWritesThreshold:       24,
		FormatMajorVersion:          pebbleFormat,
		Logger:                      logger{log},
		EventListener: &pebble.EventListener{
			BackgroundError: func(err error) { log.Warn("store: background work failed", "err", err) },
			DataCorruption: func(i pebble.DataCorruptionInfo) {
				log.Error("store: corrupt file", "path", i.Path, "err", i.Details)
			},
		},
	}
	for i := range opts.Levels {
		opts.Levels[i].BlockSize = blockBytes
		opts.Levels[i].FilterPolicy = bloom.FilterPolicy(bloomBitsPerKey)
	}
	// Reads do not ask the last level's filters: they would be nine tenths of
	// all filters, made anew by each compaction for nothing.
	opts.Levels[len(opts.Levels)-1].FilterPolicy = pebble.NoFilterPolicy
	return opts
}

// openError says what to do about a store that does not open.
func openError(dir string, existing bool, err error) error {
	for _, cause := range []error{fs.ErrPermission, syscall.ENOSPC, syscall.EMFILE, syscall.ENFILE, syscall.EROFS, syscall.EIO} {
		if errors.Is(err, cause) {
			return fmt.Errorf("pebblekv: opening %s: %w", dir, err)
		}
	}
	if !existing && !pebble.IsCorruptionError(err) {
		return fmt.Errorf("pebblekv: opening %s: %w", dir, err)
	}
	return fmt.Errorf("%w: %s does not open: %w; nothing was changed: keep a copy of the directory, then restore a backup into an empty one", driver.ErrCorrupt, dir, err)
}

// Checkpoint implements driver.Checkpointer. Files are linked, not copied,
// where dir is on the same file system.
func (db *DB) Checkpoint(ctx context.Context, dir string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("pebblekv: checkpoint: %s exists already", dir)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("pebblekv: checkpoint: %w", err)
	}
	if err := db.store.db.Checkpoint(filepath.Join(dir, storeDir), pebble.WithFlushedWAL()); err != nil {
		return fmt.Errorf("pebblekv: checkpoint: %w", err)
	}
	if err := writeFormat(dir); err != nil {
		return err
	}
	return syncDir(filepath.Dir(dir))
}

// logger passes on Pebble's errors.
type logger struct{ log *slog.Logger }

func (logger) Infof(string, ...any) {}

func (l logger) Errorf(format string, args ...any) {
	l.log.Error("store: " + fmt.Sprintf(format, args...))
}

// Fatalf is called when Pebble cannot go on without losing what it has
// promised to keep, such as after a failed fsync of its manifest. It must not
// return: the process dies, and what is on disk decides.
func (l logger) Fatalf(format string, args ...any) {
	panic("pebblekv: " + fmt.Sprintf(format, args...))
}
