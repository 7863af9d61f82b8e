package serial

import (
	"bytes"
	"sync/atomic"
)

const (
	// hotSlots is how many values are kept at most.
	hotSlots = 1 << 14
	// hotValueMax is how long a value that is kept may be, and hotMax about what
	// all of them may be together with their keys.
	hotValueMax = 4 << 10
	hotMax      = 16 << 20
)

// hot keeps values that are read again and again, so that they are not looked
// for in the store each time. A value is good for as long as its key has not
// been written since the moment it is of.
//
// It is a table by hash of the key. What was looked for in a slot twice in a row
// takes it, so that reading everything once neither fills nor empties it.
type hot struct {
	slots [hotSlots]atomic.Pointer[hotValue]
	asked [hotSlots]atomic.Uint32 // of the last key that was not in the slot, a part of its hash
	bytes atomic.Int64
}

// hotValue never changes.
type hotValue struct {
	key, value []byte
	asOf       uint64 // a commit that had been made before it was read
}

// get returns what is kept for a key; nil: nothing.
func (h *hot) get(hash uint64, key []byte) *hotValue {
	v := h.slots[hash%hotSlots].Load()
	if v == nil || !bytes.Equal(v.key, key) {
		return nil
	}
	return v
}

// offer keeps a value that was read, if its key was asked for before and there
// is room.
func (h *hot) offer(hash uint64, key, value []byte, asOf uint64) {
	if len(value) > hotValueMax {
		return
	}
	slot, tag := hash%hotSlots, uint32(hash>>32)
	if h.asked[slot].Swap(tag) != tag {
		return
	}
	old := h.slots[slot].Load()
	more := int64(len(key)+len(value)) - old.size()
	if more > 0 && h.bytes.Load()+more > hotMax {
		return
	}
	if h.slots[slot].CompareAndSwap(old, &hotValue{bytes.Clone(key), bytes.Clone(value), asOf}) {
		h.bytes.Add(more)
	}
}

func (v *hotValue) size() int64 {
	if v == nil {
		return 0
	}
	return int64(len(v.key) + len(v.value))
}
