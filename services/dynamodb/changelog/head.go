package changelog

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"moln.dev/moln/engine/kv"
)

// Head is the state of a lane.
type Head struct {
	// Next is the number of the next entry.
	Next uint64
	// Trimmed is the first number that has not been trimmed.
	Trimmed uint64
	// Segments are those that still count, oldest first. None is open in a
	// lane that has ended.
	Segments []Segment
}

// Segment is a part of a lane: the entries from First up to, not including, End.
type Segment struct {
	First  uint64
	Opened time.Time
	// Parent is the First of the segment before this one, 0 for none.
	Parent uint64 `json:",omitempty"`
	// End and Closed are zero while the segment is open. No entry ever has
	// the number End.
	End    uint64    `json:",omitempty"`
	Closed time.Time `json:",omitzero"`
}

// Open reports whether there may be more entries.
func (s Segment) Open() bool { return s.Closed.IsZero() }

// Segment finds a segment by its first number.
func (h *Head) Segment(first uint64) *Segment {
	i := slices.IndexFunc(h.Segments, func(s Segment) bool { return s.First == first })
	if i < 0 {
		return nil
	}
	return &h.Segments[i]
}

func (h *Head) current() *Segment {
	if n := len(h.Segments); n > 0 && h.Segments[n-1].Open() {
		return &h.Segments[n-1]
	}
	return nil
}

func (h *Head) close(now time.Time) {
	if s := h.current(); s != nil {
		s.End, s.Closed = h.Next, now
		h.Next++
	}
}

// roll closes a segment that has been open for age, opens the next, and forgets
// those closed before keep. It reports whether it did anything.
func (h *Head) roll(now time.Time, age time.Duration, keep time.Time) bool {
	n := len(h.Segments)
	h.Segments = slices.DeleteFunc(h.Segments, func(s Segment) bool { return !s.Open() && s.Closed.Before(keep) })
	done := len(h.Segments) < n
	if s := h.current(); s != nil && now.Sub(s.Opened) >= age {
		parent := s.First
		h.close(now)
		h.Segments = append(h.Segments, Segment{First: h.Next, Opened: now, Parent: parent})
		done = true
	}
	return done
}

// Open begins a log with the given number, in the transaction that needs it.
func (l Log) Open(tx *kv.Tx, first uint64, now time.Time) error {
	for lane := range l.Lanes {
		h := &Head{Next: first, Trimmed: first, Segments: []Segment{{First: first, Opened: now}}}
		if err := l.putHead(tx, lane, h); err != nil {
			return err
		}
	}
	return nil
}

// HeadKeys are the keys that Close reads and writes, for the transaction to lock.
func (l Log) HeadKeys() [][]byte {
	keys := make([][]byte, l.Lanes)
	for lane := range keys {
		keys[lane] = l.headKey(lane)
	}
	return keys
}

// Close ends a log, in the transaction after which nothing more is to be
// recorded. What still waits is given its number. If that is too much it fails
// with ErrBacklog: Drain is to be called before.
func (l Log) Close(tx *kv.Tx, now time.Time) error {
	for lane := range l.Lanes {
		h, err := decodeHead(tx.Get(l.headKey(lane)))
		if err != nil {
			return err
		}
		r := kv.Prefix(l.waitingPrefix(lane))
		r.Limit = closeThings
		waiting, err := tx.Scan(r)
		if err != nil {
			return err
		}
		if r.More(waiting) {
			return ErrBacklog
		}
		var entries []waitingEntry
		for _, it := range waiting {
			more, err := splitWaiting(it.Value)
			if err != nil {
				return err
			}
			entries = append(entries, more...)
			if err := tx.Delete(it.Key); err != nil {
				return err
			}
		}
		if err := l.number(tx, lane, h, entries); err != nil {
			return err
		}
		h.close(now)
		if err := l.putHead(tx, lane, h); err != nil {
			return err
		}
	}
	return nil
}

// closeThings is for how many things entries may wait when a lane ends.
const closeThings = 16

// number gives entries their numbers, in the order of their stamps.
func (l Log) number(tx *kv.Tx, lane int, h *Head, entries []waitingEntry) error {
	s := h.current()
	if s == nil {
		return nil // a writer did not know yet that the log had ended: nobody wants it
	}
	slices.SortStableFunc(entries, func(a, b waitingEntry) int { return cmp.Compare(a.stamp, b.stamp) })
	for _, e := range entries {
		if err := tx.Put(l.entryKey(lane, s.First, h.Next), e.stored); err != nil {
			return err
		}
		h.Next++
	}
	return nil
}

func (l Log) putHead(tx *kv.Tx, lane int, h *Head) error {
	raw, err := json.Marshal(h)
	if err != nil {
		return err
	}
	return tx.Put(l.headKey(lane), raw)
}

// decodeHead reads a head; none is one that has ended.
func decodeHead(raw []byte, err error) (*Head, error) {
	h := new(Head)
	if errors.Is(err, kv.ErrNotFound) {
		return h, nil
	}
	if err != nil {
		return nil, err
	}
	return h, json.Unmarshal(raw, h)
}

// Head reads the state of a lane.
func (s *Logs) Head(ctx context.Context, l Log, lane int) (*Head, error) {
	return decodeHead(s.db.Get(ctx, l.headKey(lane)))
}
