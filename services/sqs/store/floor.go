package store

import (
	"math"
	"sync"
)

// floor remembers from where on an index by time has entries, so that a scan
// does not walk over what was deleted. Everything that this process writes to the
// index is told to it; it is of no use where others write as well.
type floor struct {
	mu    sync.Mutex
	low   uint64 // no entry is below
	scans map[*look]struct{}
}

// look is one scan that goes on.
type look struct{ least uint64 }

// wrote is told after an entry may have been written, well or not.
func (f *floor) wrote(at uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.low = min(f.low, at)
	for l := range f.scans {
		l.least = min(l.least, at)
	}
}

// begin gives where a scan may begin.
func (f *floor) begin() (uint64, *look) {
	f.mu.Lock()
	defer f.mu.Unlock()
	l := &look{least: math.MaxUint64}
	if f.scans == nil {
		f.scans = map[*look]struct{}{}
	}
	f.scans[l] = struct{}{}
	return f.low, l
}

// end takes what a scan has found: there was nothing from its begin to first.
func (f *floor) end(l *look, first uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.scans, l)
	if first = min(first, l.least); first > f.low {
		f.low = first
	}
}

// drop ends a scan that found nothing out.
func (f *floor) drop(l *look) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.scans, l)
}
