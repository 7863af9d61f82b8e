// Package record is the change of an item as a stream keeps it: what it was
// called, the item's key and its images, in a stored form.
//
// It does not know streams, shards or sequence numbers.
package record

import (
	"encoding/binary"
	"errors"

	"moln.dev/moln/services/dynamodb/item"
)

// Record is one change.
type Record struct {
	Keys item.Map
	// Old and New are the images that the stream's view asks for; nil: none.
	Old, New item.Map
	Event    Event
	// Expired is whether the item was deleted because its time had come.
	Expired bool
}

// Event is what happened to an item. Numbers are stored.
type Event uint8

// Events.
const (
	Insert Event = iota + 1
	Modify
	Remove
)

var eventNames = [...]string{"", "INSERT", "MODIFY", "REMOVE"}

// String is the name on the wire.
func (e Event) String() string { return eventNames[e] }

// View says which images a stream keeps.
type View struct{ Old, New bool }

// ViewOf reads a StreamViewType.
func ViewOf(name string) View {
	switch name {
	case "NEW_IMAGE":
		return View{New: true}
	case "OLD_IMAGE":
		return View{Old: true}
	case "NEW_AND_OLD_IMAGES":
		return View{Old: true, New: true}
	}
	return View{}
}

// Of makes the record of a change from old to new, nil where there is no item;
// ok is false where nothing has changed. keys are the names of the key's
// attributes.
func Of(keys []string, view View, old, new item.Map) (r Record, ok bool) {
	whole := new
	switch {
	case old == nil && new == nil:
		return r, false
	case old == nil:
		r.Event = Insert
	case new == nil:
		r.Event, whole = Remove, old
	case item.EqualMaps(old, new):
		return r, false
	default:
		r.Event = Modify
	}
	for _, n := range keys {
		if v := whole.Get(n); v != nil {
			r.Keys = r.Keys.Set(n, *v)
		}
	}
	if view.Old {
		r.Old = old
	}
	if view.New {
		r.New = new
	}
	return r, true
}

// Size is how many bytes the record counts for.
func (r *Record) Size() int { return r.Keys.Size() + r.Old.Size() + r.New.Size() }

// The stored form is a version, flags, the event, and the length and bytes of
// keys and images. It never changes.
const (
	version  = 1
	hasOld   = 1 << 0
	hasNew   = 1 << 1
	expired  = 1 << 2
	allFlags = hasOld | hasNew | expired
	headSize = 3
)

// ErrCorrupt is returned for bytes that Append never makes.
var ErrCorrupt = errors.New("record: stored record is damaged")

// Append appends the stored form.
func (r *Record) Append(dst []byte) []byte {
	var flags byte
	if r.Old != nil {
		flags |= hasOld
	}
	if r.New != nil {
		flags |= hasNew
	}
	if r.Expired {
		flags |= expired
	}
	dst = append(dst, version, flags, byte(r.Event))
	dst = appendMap(dst, r.Keys)
	if r.Old != nil {
		dst = appendMap(dst, r.Old)
	}
	if r.New != nil {
		dst = appendMap(dst, r.New)
	}
	return dst
}

func appendMap(dst []byte, m item.Map) []byte {
	b := item.Append(make([]byte, 0, m.Size()+64), m)
	return append(binary.AppendUvarint(dst, uint64(len(b))), b...)
}

// Decode reads a stored record.
func Decode(b []byte) (Record, error) {
	if len(b) < headSize || b[0] != version || b[1]&^allFlags != 0 || b[2] < byte(Insert) || b[2] > byte(Remove) {
		return Record{}, ErrCorrupt
	}
	r := Record{Event: Event(b[2]), Expired: b[1]&expired != 0}
	flags, rest := b[1], b[headSize:]
	var err error
	if r.Keys, rest, err = takeMap(rest); err != nil {
		return Record{}, err
	}
	if flags&hasOld != 0 {
		if r.Old, rest, err = takeMap(rest); err != nil {
			return Record{}, err
		}
	}
	if flags&hasNew != 0 {
		if r.New, rest, err = takeMap(rest); err != nil {
			return Record{}, err
		}
	}
	if len(rest) > 0 {
		return Record{}, ErrCorrupt
	}
	return r, nil
}

func takeMap(b []byte) (item.Map, []byte, error) {
	n, size := binary.Uvarint(b)
	if size <= 0 || n > uint64(len(b)-size) {
		return nil, nil, ErrCorrupt
	}
	b = b[size:]
	m, err := item.Decode(b[:n])
	if err != nil {
		return nil, nil, ErrCorrupt
	}
	return m, b[n:], nil
}
