// Package space tells stores on local disks when to stop: before the file
// system is full, for a store whose log cannot be written must end, and one that
// has no room at all cannot even delete. It does not count what a store holds,
// and knows no quotas.
package space

import (
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"
)

// ErrFull: too little room is left on the disk. Deleting makes room.
var ErrFull = errors.New("the disk is full")

// The reserve is what bulk must leave free: a twentieth of the file system
// within these bounds, and never more than a quarter of it.
const (
	reserveBytesMin = 64 << 20
	reserveBytesMax = 512 << 20
	reserveShare    = 20
	reserveShareMax = 4
	// checkEvery is how often the file system is asked. A disk writes some tens
	// of megabytes in it, less than the reserve.
	checkEvery = 20 * time.Millisecond
)

// Level says how much a write matters.
type Level uint8

// Levels of writes, by how much of the reserve they may use.
const (
	Bulk   Level = iota // nothing of it: bodies of objects
	Record              // a third: records
	Small               // two thirds: what keeps the server going
	Vital               // all: deleting

	levels = uint64(Vital)
)

// Guard watches the file system of one directory. It is safe for concurrent
// use.
type Guard struct {
	dir string
	ask func(dir string) (free, total uint64, err error)

	mu      sync.Mutex
	checked time.Time
	free    uint64
	reserve uint64
}

// New returns a guard of the file system that dir is on.
func New(dir string) *Guard { return &Guard{dir: dir, ask: statfs} }

func statfs(dir string) (free, total uint64, err error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0, 0, err
	}
	size := uint64(st.Bsize)
	return st.Bavail * size, st.Blocks * size, nil
}

// Room fails with ErrFull if a write of this level must not be begun. Where the
// file system cannot be asked there is room.
func (g *Guard) Room(l Level) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if now := time.Now(); now.Sub(g.checked) > checkEvery {
		free, total, err := g.ask(g.dir)
		if err != nil {
			return nil
		}
		g.checked, g.free, g.reserve = now, free, reserveOf(total)
	}
	need := g.reserve / levels * uint64(Vital-min(l, Vital))
	if g.free >= need {
		return nil
	}
	return fmt.Errorf("%w: %d MiB are left of %s, of which %d MiB are kept free", ErrFull, g.free>>20, g.dir, need>>20)
}

func reserveOf(total uint64) uint64 {
	return min(max(total/reserveShare, reserveBytesMin), reserveBytesMax, total/reserveShareMax)
}

// Of makes ErrFull of an error that says that there is no room.
func Of(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return err
}
