package store

import (
	"bytes"
	"context"
	"errors"

	"moln.dev/moln/aws/fault"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/services/dynamodb/expr"
	"moln.dev/moln/services/dynamodb/item"
	"moln.dev/moln/services/dynamodb/table"
	"moln.dev/moln/services/dynamodb/words"
)

// Change is one item to be written.
type Change struct {
	Table     *Table
	Key       table.Key
	Condition *expr.Condition
	// ShowOld puts the item into the fault of a failed condition.
	ShowOld bool
	// Refusal replaces the fault of a failed condition.
	Refusal *fault.Fault
	// Apply gives the new item; nil deletes. old is nil where there is none.
	// A nil Apply only checks the condition.
	Apply func(old item.Map) (item.Map, error)
	// Whole is the new item where it does not depend on the old one.
	Whole item.Map
	// admit, where there is one, may refuse the change when its cost is known.
	admit func(*Outcome) error
	// expired marks the deletion of an item whose time has come.
	expired bool
	// places are where the change is recorded, while it is made.
	places []announced
}

// Outcome is what a change did, and what it cost in write units; where it was
// made before, by a transaction of the same token, in read units.
type Outcome struct {
	Old, New item.Map
	Units    float64
	Indexes  map[string]float64
	Repeated bool
	// Refused is why a change of WriteEach was not made: for want of capacity.
	Refused error
}

// blind reports whether the change can be made without reading anything.
func (ch *Change) blind() bool {
	return ch.Whole != nil && ch.Condition == nil && len(ch.Table.Indexes) == 0 && len(ch.Table.captures) == 0
}

// Write makes one change. needOld is whether the old item is of interest.
func (s *Store) Write(ctx context.Context, ch *Change, needOld bool) (Outcome, error) {
	ch.Table.writing.RLock()
	defer ch.Table.writing.RUnlock()
	if err := s.refresh(ctx, ch); err != nil {
		return Outcome{}, err
	}
	key := ch.Table.RowKey(ch.Key)
	return s.spend(ch, func() (Outcome, error) { return s.make(ctx, ch, key, needOld) })
}

// make carries a change out, on the table as it is.
func (s *Store) make(ctx context.Context, ch *Change, key []byte, needOld bool) (Outcome, error) {
	if ch.blind() && !needOld {
		size := ch.Whole.Size()
		if err := table.CheckSize(size, false); err != nil {
			return Outcome{}, err
		}
		out := Outcome{New: ch.Whole, Units: WriteUnits(size)}
		if ch.admit != nil {
			if err := ch.admit(&out); err != nil {
				return out, err
			}
		}
		return out, s.db.Put(ctx, key, stored(ch.Whole, size))
	}
	var out Outcome
	apply := func(tx *kv.Tx) (err error) {
		out, err = applyChange(tx, ch)
		return err
	}
	if len(ch.Table.captures) == 0 {
		err := s.db.Update(ctx, apply, key)
		return out, err
	}
	err := s.recorded(ctx, []*Change{ch}, func(locks [][]byte) error {
		return s.db.Update(ctx, apply, append(locks, key)...)
	})
	return out, err
}

// refresh takes the table as it is once the writing lock is held (D3).
func (s *Store) refresh(ctx context.Context, ch *Change) error {
	key := ch.Table.tableKey(ch.Table.Name)
	if have, ok := s.tables.Load(string(key)); ok && have == ch.Table {
		return nil
	}
	current, err := s.Table(ctx, ch.Table.Place, ch.Table.Name, words.NoTable())
	if err != nil {
		return err
	}
	if current.ID != ch.Table.ID {
		return words.NoTable()
	}
	ch.Table = current
	return nil
}

// applyChange makes a change in a transaction, with its index rows (D1).
func applyChange(tx *kv.Tx, ch *Change) (Outcome, error) {
	t := ch.Table
	key := t.RowKey(ch.Key)
	old, err := decodeRow(tx.Get(key))
	if err != nil {
		return Outcome{}, err
	}
	out := Outcome{Old: old}
	if !ch.Condition.Match(old) {
		if ch.Refusal != nil {
			return out, ch.Refusal
		}
		return out, words.FailedCondition(old, ch.ShowOld)
	}
	switch {
	case ch.Whole != nil:
		out.New = ch.Whole
	case ch.Apply == nil:
		out.New, out.Units = old, WriteUnits(old.Size())
		return out, ch.admitted(&out)
	default:
		if out.New, err = ch.Apply(old); err != nil {
			return out, err
		}
	}
	size := out.New.Size()
	if err := table.CheckSize(size, ch.Whole == nil); err != nil {
		return out, err
	}
	out.Units = WriteUnits(max(size, old.Size()))
	if out.New == nil {
		if old != nil {
			err = tx.Delete(key)
		}
	} else {
		err = tx.Put(key, stored(out.New, size))
	}
	if err != nil {
		return out, err
	}
	if err := changeIndexes(tx, ch, &out); err != nil {
		return out, err
	}
	if err := ch.admitted(&out); err != nil {
		return out, err
	}
	return out, ch.record(tx, &out)
}

func (ch *Change) admitted(out *Outcome) error {
	if ch.admit == nil {
		return nil
	}
	return ch.admit(out)
}

func changeIndexes(tx *kv.Tx, ch *Change, out *Outcome) error {
	for i := range ch.Table.Indexes {
		x := &ch.Table.Indexes[i]
		units, err := changeIndex(tx, ch.Table, x, ch.Key, out.Old, out.New)
		if err != nil {
			return err
		}
		if units > 0 && x.Kind != table.Expiry {
			if out.Indexes == nil {
				out.Indexes = map[string]float64{}
			}
			out.Indexes[x.Name] = units
			out.Units += units
		}
	}
	return nil
}

// changeIndex brings one index from the old item to the new one.
func changeIndex(tx *kv.Tx, t *Table, x *table.Index, k table.Key, old, new item.Map) (units float64, err error) {
	was, before := indexed(t, x, k, old)
	is, after := indexed(t, x, k, new)
	if bytes.Equal(was, is) && (was == nil || item.EqualMaps(before, after)) {
		return 0, nil
	}
	if was != nil && !bytes.Equal(was, is) {
		units += WriteUnits(before.Size())
		if err := tx.Delete(was); err != nil {
			return 0, err
		}
	}
	if is == nil {
		return units, nil
	}
	size := after.Size()
	units += WriteUnits(size)
	return units, tx.Put(is, stored(after, size))
}

// indexed is an item's row in an index; nil where it has none.
func indexed(t *Table, x *table.Index, k table.Key, m item.Map) ([]byte, item.Map) {
	if m == nil {
		return nil, nil
	}
	ik, ok := x.KeyOf(m)
	if !ok {
		return nil, nil
	}
	return t.indexRow(x, ik, k), x.Project(t.Table, m)
}

// Capacity, as AWS counts it.
const (
	writeUnitBytes = 1024
	readUnitBytes  = 4096
)

// WriteUnits is what writing that many bytes costs.
func WriteUnits(size int) float64 {
	return float64(max(1, (size+writeUnitBytes-1)/writeUnitBytes))
}

// ReadUnits is what reading that many bytes costs.
func ReadUnits(size int, consistent bool) float64 {
	n := float64(max(1, (size+readUnitBytes-1)/readUnitBytes))
	if !consistent {
		n /= 2
	}
	return n
}

// fillPage is how many items an index is filled with at once.
const fillPage = 200

// Fill adds all items to a new index (D2).
func (s *Store) Fill(ctx context.Context, t *Table, x *table.Index) error {
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

func fillRows(tx *kv.Tx, t *Table, x *table.Index, keys [][]byte) error {
	if _, err := tx.Get(t.tableKey(t.Name)); err != nil {
		if errors.Is(err, kv.ErrNotFound) {
			return words.NoTable()
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
		k, err := t.KeyOf(m)
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
