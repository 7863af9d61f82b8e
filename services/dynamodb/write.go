package dynamodb

import (
	"bytes"
	"context"
	"errors"

	"moln.dev/moln/aws/fault"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/services/dynamodb/expr"
	"moln.dev/moln/services/dynamodb/item"
)

// change is one item to be written.
type change struct {
	table     *tableRef
	key       primaryKey
	condition *expr.Condition
	// showOld puts the item into the fault of a failed condition.
	showOld bool
	// refusal replaces the fault of a failed condition.
	refusal *fault.Fault
	// apply gives the new item; nil deletes. old is nil where there is none.
	// A nil apply only checks the condition.
	apply func(old item.Map) (item.Map, error)
	// whole is the new item where it does not depend on the old one.
	whole item.Map
}

// outcome is what a change did, and what it cost in write units.
type outcome struct {
	old, new item.Map
	units    float64
	indexes  map[string]float64
}

// blind reports whether the change can be made without reading anything.
func (ch *change) blind() bool {
	return ch.whole != nil && ch.condition == nil && len(ch.table.Indexes) == 0
}

// write makes one change. needOld is whether the old item is of interest.
func (s *store) write(ctx context.Context, ch *change, needOld bool) (outcome, error) {
	ch.table.writing.RLock()
	defer ch.table.writing.RUnlock()
	if err := s.refresh(ctx, ch); err != nil {
		return outcome{}, err
	}
	key := ch.table.rowKey(ch.key)
	if ch.blind() && !needOld {
		size := ch.whole.Size()
		if err := checkSize(size, false); err != nil {
			return outcome{}, err
		}
		err := s.db.Put(ctx, key, item.Append(make([]byte, 0, size+len(ch.whole)*4+16), ch.whole))
		return outcome{new: ch.whole, units: writeUnits(size)}, err
	}
	var out outcome
	err := s.db.Update(ctx, func(tx *kv.Tx) (err error) {
		out, err = applyChange(tx, ch)
		return err
	}, key)
	return out, err
}

// refresh takes the table as it is once the writing lock is held (D3).
func (s *store) refresh(ctx context.Context, ch *change) error {
	key := ch.table.tableKey(ch.table.Name)
	if have, ok := s.tables.Load(string(key)); ok && have == ch.table {
		return nil
	}
	current, err := s.table(ctx, ch.table.place, ch.table.Name, noTable())
	if err != nil {
		return err
	}
	if current.ID != ch.table.ID {
		return noTable()
	}
	ch.table = current
	return nil
}

// applyChange makes a change in a transaction, with its index rows (D1).
func applyChange(tx *kv.Tx, ch *change) (outcome, error) {
	t := ch.table
	key := t.rowKey(ch.key)
	old, err := decodeRow(tx.Get(key))
	if err != nil {
		return outcome{}, err
	}
	out := outcome{old: old}
	if !ch.condition.Match(old) {
		if ch.refusal != nil {
			return out, ch.refusal
		}
		return out, failedCondition(old, ch.showOld)
	}
	switch {
	case ch.whole != nil:
		out.new = ch.whole
	case ch.apply == nil:
		out.new, out.units = old, writeUnits(old.Size())
		return out, nil
	default:
		if out.new, err = ch.apply(old); err != nil {
			return out, err
		}
	}
	size := out.new.Size()
	if err := checkSize(size, ch.whole == nil); err != nil {
		return out, err
	}
	out.units = writeUnits(max(size, old.Size()))
	if out.new == nil {
		if old != nil {
			err = tx.Delete(key)
		}
	} else {
		err = tx.Put(key, item.Append(make([]byte, 0, size+64), out.new))
	}
	if err != nil {
		return out, err
	}
	return out, changeIndexes(tx, ch, &out)
}

func checkSize(size int, update bool) error {
	switch {
	case size <= maxItemBytes:
		return nil
	case update:
		return invalid("Item size to update has exceeded the maximum allowed size")
	}
	return invalid("Item size has exceeded the maximum allowed size")
}

func changeIndexes(tx *kv.Tx, ch *change, out *outcome) error {
	for i := range ch.table.Indexes {
		x := &ch.table.Indexes[i]
		units, err := changeIndex(tx, ch.table, x, ch.key, out.old, out.new)
		if err != nil {
			return err
		}
		if units > 0 && x.Kind != expiryIndex {
			if out.indexes == nil {
				out.indexes = map[string]float64{}
			}
			out.indexes[x.Name] = units
			out.units += units
		}
	}
	return nil
}

// changeIndex brings one index from the old item to the new one.
func changeIndex(tx *kv.Tx, t *tableRef, x *index, k primaryKey, old, new item.Map) (units float64, err error) {
	was, before := indexed(t, x, k, old)
	is, after := indexed(t, x, k, new)
	if bytes.Equal(was, is) && (was == nil || item.EqualMaps(before, after)) {
		return 0, nil
	}
	if was != nil && !bytes.Equal(was, is) {
		units += writeUnits(before.Size())
		if err := tx.Delete(was); err != nil {
			return 0, err
		}
	}
	if is == nil {
		return units, nil
	}
	size := after.Size()
	units += writeUnits(size)
	return units, tx.Put(is, item.Append(make([]byte, 0, size+64), after))
}

// indexed is an item's row in an index; nil where it has none.
func indexed(t *tableRef, x *index, k primaryKey, m item.Map) ([]byte, item.Map) {
	if m == nil {
		return nil, nil
	}
	ik, ok := x.indexKey(m)
	if !ok {
		return nil, nil
	}
	return t.indexRow(x, ik, k), x.project(t.tableMeta, m)
}

// Capacity, as AWS counts it.
const (
	writeUnitBytes = 1024
	readUnitBytes  = 4096
)

func writeUnits(size int) float64 {
	return float64(max(1, (size+writeUnitBytes-1)/writeUnitBytes))
}

func readUnits(size int, consistent bool) float64 {
	n := float64(max(1, (size+readUnitBytes-1)/readUnitBytes))
	if !consistent {
		n /= 2
	}
	return n
}

// fillPage is how many items an index is filled with at once.
const fillPage = 200

// fill adds all items to a new index (D2).
func (s *store) fill(ctx context.Context, t *tableRef, x *index) error {
	r := kv.Prefix(t.rows)
	r.Limit = fillPage
	for {
		rows, err := s.db.Scan(ctx, r)
		if err != nil {
			return err
		}
		locks := make([][]byte, len(rows))
		for i := range rows {
			locks[i] = rows[i].Key
		}
		err = s.db.Update(ctx, func(tx *kv.Tx) error { return fillRows(tx, t, x, locks) }, locks...)
		if err != nil {
			return err
		}
		if !r.More(rows) {
			return nil
		}
		r = r.After(rows[len(rows)-1].Key)
	}
}

func fillRows(tx *kv.Tx, t *tableRef, x *index, keys [][]byte) error {
	if _, err := tx.Get(t.tableKey(t.Name)); err != nil {
		if errors.Is(err, kv.ErrNotFound) {
			return noTable()
		}
		return err
	}
	for _, key := range keys {
		m, err := decodeRow(tx.Get(key))
		if err != nil {
			return err
		}
		if m == nil {
			continue
		}
		k, err := t.keyOf(m)
		if err != nil {
			return err
		}
		if row, part := indexed(t, x, k, m); row != nil {
			if err := tx.Put(row, item.Append(nil, part)); err != nil {
				return err
			}
		}
	}
	return nil
}
