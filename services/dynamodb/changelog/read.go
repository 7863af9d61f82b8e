package changelog

import (
	"context"
	"time"

	"moln.dev/moln/engine/kv"
)

// Read gives up to limit entries of a segment, from a number on. There may be
// fewer than there are; none means that there are none.
func (s *Logs) Read(ctx context.Context, l Log, lane int, segment, from uint64, limit int) ([]Entry, error) {
	r := kv.Prefix(l.segmentPrefix(lane, segment))
	r.Start, r.Limit = l.entryKey(lane, segment, from), limit
	items, err := s.db.Scan(ctx, r)
	if err != nil {
		return nil, err
	}
	out := make([]Entry, len(items))
	for i, it := range items {
		if out[i], err = entry(it); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Since finds the number of the first entry of a segment that is not older than
// at. Times ascend, but for milliseconds between things.
func (s *Logs) Since(ctx context.Context, l Log, lane int, seg Segment, h *Head, at time.Time) (uint64, error) {
	low, high := max(seg.First, h.Trimmed), h.Next
	if !seg.Open() {
		high = seg.End
	}
	for low < high {
		mid := low + (high-low)/2
		found, err := s.Read(ctx, l, lane, seg.First, mid, 1)
		if err != nil {
			return 0, err
		}
		if len(found) == 0 || !found[0].At.Before(at) {
			high = mid
		} else {
			low = found[0].Number + 1
		}
	}
	return low, nil
}

// Trim deletes up to page entries of a lane that are older than before, and
// reports whether there may be more.
func (s *Logs) Trim(ctx context.Context, l Log, lane int, before time.Time, page int) (more bool, err error) {
	r := kv.Prefix(l.entriesPrefix(lane))
	r.Limit = page
	h, err := s.Head(ctx, l, lane)
	if err != nil {
		return false, err
	}
	if len(h.Segments) > 0 { // begin behind what was deleted before
		r.Start = l.segmentPrefix(lane, h.Segments[0].First)
	}
	items, err := s.db.Scan(ctx, r)
	if err != nil {
		return false, err
	}
	trimmed, n := uint64(0), 0
	for ; n < len(items); n++ {
		e, err := entry(items[n])
		if err != nil {
			return false, err
		}
		if !e.At.Before(before) {
			break
		}
		trimmed = e.Number + 1
	}
	if n == 0 {
		return false, nil
	}
	err = s.changeHead(ctx, l, lane, func(tx *kv.Tx, h *Head) (bool, error) {
		for _, it := range items[:n] {
			if err := tx.Delete(it.Key); err != nil {
				return false, err
			}
		}
		h.Trimmed = max(h.Trimmed, trimmed)
		return true, nil
	})
	return n == len(items) && r.More(items), err
}

// Roll closes the open segment of a lane if it is of that age, opens the next,
// and forgets segments that were closed before keep. It is given no numbers that
// wait: they belong to the new segment.
func (s *Logs) Roll(ctx context.Context, l Log, lane int, now time.Time, age time.Duration, keep time.Time) error {
	h, err := s.Head(ctx, l, lane)
	if err != nil || !h.roll(now, age, keep) {
		return err
	}
	return s.changeHead(ctx, l, lane, func(_ *kv.Tx, h *Head) (bool, error) { return h.roll(now, age, keep), nil })
}

// changeHead stores what fn makes of a head, if there is one and fn says so.
func (s *Logs) changeHead(ctx context.Context, l Log, lane int, fn func(*kv.Tx, *Head) (bool, error)) error {
	key := l.headKey(lane)
	return s.db.Update(ctx, func(tx *kv.Tx) error {
		h, err := decodeHead(tx.Get(key))
		if err != nil || len(h.Segments) == 0 {
			return err
		}
		changed, err := fn(tx, h)
		if err != nil || !changed {
			return err
		}
		return l.putHead(tx, lane, h)
	}, key)
}

// Remove deletes a log that has ended.
func (s *Logs) Remove(ctx context.Context, l Log) error {
	s.mu.Lock()
	for key, ln := range s.lanes {
		if string(ln.log.Prefix) == string(l.Prefix) {
			delete(s.lanes, key)
		}
	}
	s.mu.Unlock()
	var b kv.Batch
	r := kv.Prefix(l.Prefix)
	b.DeleteRange(r.Start, r.End)
	return s.db.Apply(ctx, &b)
}
