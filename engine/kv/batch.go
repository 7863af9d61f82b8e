package kv

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"

	"moln.dev/moln/engine/kv/driver"
)

// Batch is writes to be done at once by Apply; later ones overwrite earlier
// ones. The zero value is empty and ready. It keeps the values it is given,
// which must not change before Apply has returned.
type Batch struct {
	ops   []op
	bytes int
	err   error
}

type op struct {
	kind       opKind
	key, value []byte // value is the end of a range; nil is the end of the scope
}

type opKind uint8

const (
	opPut opKind = iota
	opDelete
	opDeleteRange
)

// Put sets the value of key.
func (b *Batch) Put(key, value []byte) {
	if len(value) > MaxValue {
		b.fail(fmt.Errorf("%w: value of %d bytes", ErrTooLarge, len(value)))
		return
	}
	b.add(op{opPut, bytes.Clone(key), value})
}

// Delete deletes key, which need not exist.
func (b *Batch) Delete(key []byte) { b.add(op{opDelete, bytes.Clone(key), nil}) }

// DeleteRange deletes the keys from start up to, not including, end; if that
// is nil, to the end of the scope.
func (b *Batch) DeleteRange(start, end []byte) {
	b.add(op{opDeleteRange, bytes.Clone(start), bytes.Clone(end)})
}

// Len returns the number of operations.
func (b *Batch) Len() int { return len(b.ops) }

// Bytes returns the size of keys and values, which MaxBatchBytes limits
// (without the scope's prefix, which counts as well).
func (b *Batch) Bytes() int { return b.bytes }

func (b *Batch) add(o op) {
	b.ops = append(b.ops, o)
	b.bytes += len(o.key) + len(o.value)
}

func (b *Batch) fail(err error) {
	if b.err == nil {
		b.err = err
	}
}

// canonical returns b in the form drivers take: full keys, ranges first, then
// the last write of each key in order.
func (db *DB) canonical(b *Batch) (*driver.Batch, error) {
	if len(b.ops) > MaxBatchItems {
		return nil, fmt.Errorf("%w: batch of %d operations", ErrTooLarge, len(b.ops))
	}
	if n := b.bytes + len(b.ops)*len(db.prefix); n > MaxBatchBytes {
		return nil, fmt.Errorf("%w: batch of %d bytes", ErrTooLarge, n)
	}
	d := &driver.Batch{Points: make([]driver.Write, 0, len(b.ops))}
	for _, o := range b.ops {
		if o.kind == opDeleteRange {
			r := db.fullRange(o.key, o.value)
			if r.End != nil && bytes.Compare(r.Start, r.End) >= 0 {
				continue
			}
			d.Ranges = append(d.Ranges, r)
			d.Points = slices.DeleteFunc(d.Points, func(w driver.Write) bool { return inRange(w.Key, r) })
			continue
		}
		full, err := db.full(o.key)
		if err != nil {
			return nil, err
		}
		d.Points = append(d.Points, driver.Write{Key: full, Value: o.value, Delete: o.kind == opDelete})
	}
	d.Points = sortedLast(d.Points)
	return d, nil
}

// sortedLast sorts writes by key and keeps the last one of each.
func sortedLast(writes []driver.Write) []driver.Write {
	if len(writes) < 2 {
		return writes
	}
	slices.SortStableFunc(writes, func(a, b driver.Write) int { return bytes.Compare(a.Key, b.Key) })
	kept := writes[:0]
	for i, w := range writes {
		if i+1 < len(writes) && bytes.Equal(w.Key, writes[i+1].Key) {
			continue
		}
		kept = append(kept, w)
	}
	return kept
}

func inRange(key []byte, r driver.KeyRange) bool {
	return bytes.Compare(key, r.Start) >= 0 && (r.End == nil || bytes.Compare(key, r.End) < 0)
}

// compareRange compares keys in the order of a range.
func compareRange(a, b []byte, reverse bool) int {
	if reverse {
		return cmp.Compare(0, bytes.Compare(a, b))
	}
	return bytes.Compare(a, b)
}
