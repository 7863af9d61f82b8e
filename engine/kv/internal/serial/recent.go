package serial

import (
	"bytes"
	"hash/maphash"
	"sync/atomic"

	"moln.dev/moln/engine/kv/driver"
)

const (
	// slots is the size of the tables by hash of a key. Two keys of one slot
	// are taken for the same.
	slots = 1 << 14
	// logSize is how many writes the log of recent ones holds. A transaction
	// that reads a range conflicts when more than that are made meanwhile.
	logSize = 1 << 13
)

// recent knows what was written by the last commits. Its writer holds DB.mu.
type recent struct {
	seed  hashSeed
	slots [slots]atomic.Uint64 // number of the last commit to a key of the slot
	all   atomic.Uint64        // number of the last commit that deleted a range

	log  [logSize]logged
	next int // where in log the next write goes
}

// logged is one write of a commit: to a key, or to a range if wide.
type logged struct {
	number uint64
	wide   bool
	driver.KeyRange
}

// add notes what commit number writes.
func (c *recent) add(number uint64, b *driver.Batch) {
	for _, r := range b.Ranges {
		c.all.Store(number)
		c.push(logged{number, true, r})
	}
	for _, w := range b.Points {
		c.slots[c.seed.slot(w.Key)].Store(number)
		c.push(logged{number, false, driver.KeyRange{Start: w.Key}})
	}
}

func (c *recent) push(l logged) {
	c.log[c.next] = l
	c.next = (c.next + 1) % logSize
}

// pointStands reports whether key was not written after commit asOf.
func (c *recent) pointStands(key []byte, asOf uint64) bool {
	return c.hashStands(c.seed.hash(key), asOf)
}

// hashStands is pointStands of a key by its hash.
func (c *recent) hashStands(hash, asOf uint64) bool {
	return c.slots[hash%slots].Load() <= asOf && c.all.Load() <= asOf
}

// rangeStands reports whether no key in r was written after commit asOf.
// DB.mu is held.
func (c *recent) rangeStands(r driver.KeyRange, asOf uint64) bool {
	for i := range logSize {
		l := &c.log[(c.next-1-i+2*logSize)%logSize]
		if l.number <= asOf {
			return true
		}
		if l.wide && overlap(l.KeyRange, r) || !l.wide && contains(r, l.Start) {
			return false
		}
	}
	return false // the log does not reach back far enough
}

func contains(r driver.KeyRange, key []byte) bool {
	return bytes.Compare(key, r.Start) >= 0 && (r.End == nil || bytes.Compare(key, r.End) < 0)
}

func overlap(a, b driver.KeyRange) bool {
	return (a.End == nil || bytes.Compare(b.Start, a.End) < 0) &&
		(b.End == nil || bytes.Compare(a.Start, b.End) < 0)
}

// hashSeed hashes keys into slots, differently in every process, so that
// nobody can choose keys that collide. Its zero value is ready.
type hashSeed struct {
	seed atomic.Pointer[maphash.Seed]
}

func (h *hashSeed) slot(key []byte) uint64 { return h.hash(key) % slots }

func (h *hashSeed) hash(key []byte) uint64 {
	s := h.seed.Load()
	if s == nil {
		fresh := maphash.MakeSeed()
		h.seed.CompareAndSwap(nil, &fresh)
		s = h.seed.Load()
	}
	return maphash.Bytes(*s, key)
}
