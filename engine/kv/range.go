package kv

import (
	"slices"

	"moln.dev/moln/engine/kv/driver"
)

// Item is a key with its value.
type Item = driver.Item

// Range is the keys k with Start <= k < End, in ascending order or, if
// Reverse, in descending order. A nil End goes to the end of the scope; an
// empty End that is not nil is before every key. Limit bounds how many items
// are returned; 0 is no bound.
type Range struct {
	Start, End []byte
	Reverse    bool
	Limit      int
}

// Prefix returns the range of all keys that begin with p.
func Prefix(p []byte) Range { return Range{Start: p, End: successor(p)} }

// After returns what is left of r, in its order, after key.
func (r Range) After(key []byte) Range {
	if r.Reverse {
		r.End = append([]byte{}, key...) // not nil, even if key is empty
	} else {
		r.Start = append(slices.Clone(key), 0)
	}
	return r
}

// More reports whether items, the result of a Scan of r, may have been cut
// short by the limits, so that r.After the last of them may not be empty.
func (r Range) More(items []Item) bool {
	if len(items) >= pageLimit(r.Limit) {
		return true
	}
	total := 0
	for _, it := range items {
		total += len(it.Value)
	}
	return total >= MaxScanBytes
}

// pageLimit returns how many items one Scan is asked for.
func pageLimit(limit int) int {
	if limit <= 0 || limit > MaxScanItems {
		return MaxScanItems
	}
	return limit
}
