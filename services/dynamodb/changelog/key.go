package changelog

import (
	"encoding/binary"
	"errors"
	"time"

	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/tuple"
)

// Log names a log.
type Log struct {
	// Prefix is what the log's keys, and no others, begin with.
	Prefix []byte
	// Lanes is how many orders the log has, at least one. It never changes.
	Lanes int
}

// Entry is one change in its place.
type Entry struct {
	Number  uint64
	At      time.Time // of the change, in milliseconds
	Payload []byte
}

// errDamaged is what is stored and was never written.
var errDamaged = errors.New("changelog: stored entry is damaged")

func (l Log) headKey(lane int) []byte { return tuple.Append(clip(l.Prefix), "h", lane) }

func (l Log) waitingPrefix(lane int) []byte { return tuple.Append(clip(l.Prefix), "w", lane) }

func (l Log) waitingKey(lane int, digest []byte) []byte {
	return tuple.AppendBytes(l.waitingPrefix(lane), digest)
}

func (l Log) entriesPrefix(lane int) []byte { return tuple.Append(clip(l.Prefix), "e", lane) }

// numberBytes is the size of a number at the end of a key.
const numberBytes = 8

func (l Log) segmentPrefix(lane int, segment uint64) []byte {
	return binary.BigEndian.AppendUint64(l.entriesPrefix(lane), segment)
}

func (l Log) entryKey(lane int, segment, number uint64) []byte {
	return binary.BigEndian.AppendUint64(l.segmentPrefix(lane, segment), number)
}

// numbers takes segment and number off a key of an entry.
func numbers(key []byte) (segment, number uint64) {
	tail := key[len(key)-2*numberBytes:]
	return binary.BigEndian.Uint64(tail), binary.BigEndian.Uint64(tail[numberBytes:])
}

func clip(p []byte) []byte { return p[:len(p):len(p)] }

const (
	timeBytes  = 8
	stampBytes = 8
)

// waitingEntry is an entry that waits: its stamp, and what will be stored.
type waitingEntry struct {
	stamp  uint64
	stored []byte
}

// newEntry is an entry as it is stored: its time and payload.
func newEntry(at time.Time, payload []byte) []byte {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, timeBytes+len(payload)), uint64(at.UnixMilli()))
	return append(b, payload...)
}

// appendWaiting appends an entry to those that wait: its length, stamp and
// itself.
func appendWaiting(dst []byte, e waitingEntry) []byte {
	dst = binary.AppendUvarint(dst, uint64(stampBytes+len(e.stored)))
	dst = binary.BigEndian.AppendUint64(dst, e.stamp)
	return append(dst, e.stored...)
}

// splitWaiting takes entries that wait apart.
func splitWaiting(b []byte) ([]waitingEntry, error) {
	var out []waitingEntry
	for len(b) > 0 {
		n, size := binary.Uvarint(b)
		if size <= 0 || n < stampBytes+timeBytes || n > uint64(len(b)-size) {
			return nil, errDamaged
		}
		b = b[size:]
		out = append(out, waitingEntry{binary.BigEndian.Uint64(b), b[stampBytes:n:n]})
		b = b[n:]
	}
	return out, nil
}

// entry reads a stored entry.
func entry(it kv.Item) (Entry, error) {
	if len(it.Value) < timeBytes {
		return Entry{}, errDamaged
	}
	_, n := numbers(it.Key)
	at := time.UnixMilli(int64(binary.BigEndian.Uint64(it.Value)))
	return Entry{Number: n, At: at.UTC(), Payload: it.Value[timeBytes:]}, nil
}
