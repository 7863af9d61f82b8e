package message

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// Place is where a message stands among those of its queue: by when it was sent,
// in nanoseconds since 1970, and by its id, of 16 bytes.
type Place struct {
	Nanos uint64
	ID    [16]byte
}

// placeBytes is the length of a place's form.
const placeBytes = 8 + 16

// Append appends the form of a place, which sorts as places do.
func (p Place) Append(dst []byte) []byte {
	return append(binary.BigEndian.AppendUint64(dst, p.Nanos), p.ID[:]...)
}

var errPlace = errors.New("message: not a place")

// ParsePlace reads the form of a place.
func ParsePlace(b []byte) (Place, error) {
	if len(b) != placeBytes {
		return Place{}, errPlace
	}
	return Place{binary.BigEndian.Uint64(b), [16]byte(b[8:])}, nil
}

// MessageID is the message's id.
func (p Place) MessageID() string {
	b := p.ID
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// SequenceNumber is a message's number in a FIFO queue: 20 digits, which grow.
func (p Place) SequenceNumber() string { return fmt.Sprintf("1%019d", p.Nanos) }

// Nanos is a moment as places have it.
func Nanos(t time.Time) uint64 { return uint64(max(t.UnixNano(), 0)) }

// Handle is what a receipt handle says: which message, of which queue, and the
// receiving that it is the receipt of.
type Handle struct {
	Queue [8]byte
	Place Place
	Token [8]byte
}

// handleHead begins every handle.
const handleHead = "\x01\x01\x01"

const handleBytes = len(handleHead) + 8 + placeBytes + 8

// String is the handle as clients have it.
func (h Handle) String() string {
	raw := append(make([]byte, 0, handleBytes), handleHead...)
	raw = h.Place.Append(append(raw, h.Queue[:]...))
	return base64.StdEncoding.EncodeToString(append(raw, h.Token[:]...))
}

// ParseHandle reads a receipt handle.
func ParseHandle(s string) (Handle, bool) {
	if len(s) != base64.StdEncoding.EncodedLen(handleBytes) {
		return Handle{}, false
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil || len(raw) != handleBytes || string(raw[:len(handleHead)]) != handleHead {
		return Handle{}, false
	}
	raw = raw[len(handleHead):]
	var h Handle
	copy(h.Queue[:], raw)
	copy(h.Token[:], raw[8+placeBytes:])
	h.Place, err = ParsePlace(raw[8 : 8+placeBytes])
	return h, err == nil
}
