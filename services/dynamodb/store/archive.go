package store

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"time"

	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/tuple"
	"moln.dev/moln/services/dynamodb/changelog"
	"moln.dev/moln/services/dynamodb/item"
	"moln.dev/moln/services/dynamodb/record"
	"moln.dev/moln/services/dynamodb/table"
)

const (
	// captureLanes is how many orders a capture's log has.
	captureLanes = 4
	// copyPage is how many items are copied at once, below what a scan gives.
	copyPage = 500
	// replayPage is how many changes are applied at once: their images are to
	// fit into a batch.
	replayPage = 32
	// disorder is by how much the times of a log may not ascend.
	disorder = time.Minute
)

// CaptureLog is where a capture of a table with that id records changes.
func (p Place) CaptureLog(tableID, capture string) changelog.Log {
	return changelog.Log{Prefix: tuple.Key(p.Account, p.Region, "g", tableID, capture), Lanes: captureLanes}
}

// changeCaptures begins and ends the logs that a change of a table asks for.
func (s *Store) changeCaptures(tx *kv.Tx, p Place, tableID string, before, after []string) error {
	now := s.clock.Now()
	for _, id := range after {
		if !slices.Contains(before, id) {
			if err := p.CaptureLog(tableID, id).Open(tx, 1, now); err != nil {
				return err
			}
		}
	}
	for _, id := range before {
		if !slices.Contains(after, id) {
			if err := p.CaptureLog(tableID, id).Close(tx, now); err != nil {
				return err
			}
		}
	}
	return nil
}

// Amend changes of a table what no writer looks at, in a transaction that changes
// other things.
func (s *Store) Amend(tx *kv.Tx, p Place, name string, missing error, fn func(*table.Table) error) error {
	key := p.tableKey(name)
	raw, err := tx.Get(key)
	if errors.Is(err, kv.ErrNotFound) {
		return missing
	}
	if err != nil {
		return err
	}
	var m table.Table
	if err := json.Unmarshal(raw, &m); err != nil {
		return err
	}
	if err := fn(&m); err != nil {
		return err
	}
	if raw, err = json.Marshal(m); err != nil {
		return err
	}
	return tx.Put(key, raw)
}

// Copy is a place that items lie in, by their keys: a table's rows, or what was
// copied of them.
type Copy struct{ prefix, cursor []byte }

func (p Place) copyAt(prefix []byte, id string) Copy {
	return Copy{prefix, tuple.Key(p.Account, p.Region, "q", id)}
}

// CopyOf is a place for copied items.
func (p Place) CopyOf(id string) Copy {
	return p.copyAt(tuple.Key(p.Account, p.Region, "o", id), id)
}

// RowsOf is where the items of a table with that id are, or were when it was
// deleted and they were kept.
func (p Place) RowsOf(tableID string) Copy {
	return p.copyAt(tuple.Key(p.Account, p.Region, "d", tableID), tableID)
}

func (c Copy) key(tail []byte) []byte { return append(slices.Clip(c.prefix), tail...) }

// row is where the item with the given key attributes is.
func (c Copy) row(keys table.Keys, m item.Map) ([]byte, error) {
	k, err := (&table.Table{Keys: keys}).KeyOf(m)
	if err != nil {
		return nil, err
	}
	t := &Table{rows: c.prefix}
	return t.RowKey(k), nil
}

// Progress of a copy: how far it came, and whether that is all.
type progress struct {
	done bool
	tail []byte
}

func (s *Store) progress(ctx context.Context, key []byte) (p progress, err error) {
	raw, err := s.db.Get(ctx, key)
	if errors.Is(err, kv.ErrNotFound) || err == nil && len(raw) == 0 {
		return p, nil
	}
	if err != nil {
		return p, err
	}
	return progress{raw[0] == 1, raw[1:]}, nil
}

// CopyItems copies items page by page while they may be written to. It goes on
// where it was left, whoever had begun. Where it must be of one moment, changes
// are captured meanwhile and applied after it by Rewind or Replay.
func (s *Store) CopyItems(ctx context.Context, from, to Copy) error {
	at, err := s.progress(ctx, to.cursor)
	if err != nil {
		return err
	}
	r := kv.Prefix(from.prefix)
	r.Limit = copyPage
	if len(at.tail) > 0 {
		r = r.After(from.key(at.tail))
	}
	for !at.done {
		items, err := s.db.Scan(ctx, r)
		if err != nil {
			return err
		}
		var b kv.Batch
		for _, it := range items {
			at.tail = it.Key[len(from.prefix):]
			b.Put(to.key(at.tail), it.Value)
		}
		state := byte(0)
		if at.done = !r.More(items); at.done {
			state = 1
		} else {
			r = r.After(items[len(items)-1].Key)
		}
		b.Put(to.cursor, append([]byte{state}, at.tail...))
		if err := s.db.Apply(ctx, &b); err != nil {
			return err
		}
	}
	return nil
}

// DropCopy deletes the items of a copy.
func (s *Store) DropCopy(ctx context.Context, c Copy) error {
	var b kv.Batch
	r := kv.Prefix(c.prefix)
	b.DeleteRange(r.Start, r.End)
	b.Delete(c.cursor)
	return s.db.Apply(ctx, &b)
}

// Drop deletes the items of a copy in a transaction.
func (c Copy) Drop(tx *kv.Tx) error {
	r := kv.Prefix(c.prefix)
	return errors.Join(tx.DeleteRange(r.Start, r.End), tx.Delete(c.cursor))
}

// CountCopy counts the items of a copy.
func (s *Store) CountCopy(ctx context.Context, c Copy) (Count, error) {
	return s.countRows(ctx, c.prefix)
}

// EachItem calls fn with the items of a copy, in the order of their keys. Pages
// are read on their own: nobody else may be writing to the copy.
func (s *Store) EachItem(ctx context.Context, c Copy, fn func(item.Map) error) error {
	r := kv.Prefix(c.prefix)
	r.Limit = copyPage
	for {
		items, err := s.db.Scan(ctx, r)
		if err != nil {
			return err
		}
		for _, it := range items {
			m, err := item.Decode(it.Value)
			if err != nil {
				return err
			}
			if err := fn(m); err != nil {
				return err
			}
		}
		if !r.More(items) {
			return nil
		}
		r = r.After(items[len(items)-1].Key)
	}
}

// History is a capture's log and whose items it is about.
type History struct {
	Log  changelog.Log
	Keys table.Keys
	// From are the numbers, by lane, to begin with; nil is the first.
	From []uint64
}

// Sweep gives all changes of a log that are committed their numbers.
func (s *Store) Sweep(ctx context.Context, l changelog.Log) error {
	for lane := range l.Lanes {
		if err := s.logs.Sweep(ctx, l, lane); err != nil {
			return err
		}
	}
	return nil
}

// Trim drops the changes of a log that were made before a moment.
func (s *Store) Trim(ctx context.Context, l changelog.Log, before time.Time) error {
	for lane := range l.Lanes {
		for more := true; more; {
			var err error
			if more, err = s.logs.Trim(ctx, l, lane, before.Add(-disorder), trimPage); err != nil {
				return err
			}
		}
	}
	return nil
}

// Next are the numbers, by lane, that no later change is below.
func (s *Store) Next(ctx context.Context, l changelog.Log) ([]uint64, error) {
	out := make([]uint64, l.Lanes)
	for lane := range out {
		h, err := s.logs.Head(ctx, l, lane)
		if err != nil {
			return nil, err
		}
		out[lane] = h.Next
	}
	return out, nil
}

// Rewind takes back all changes that a log holds which were made after a moment,
// the last one first, so that a copy is as its table was at that moment. The log
// holds all changes from before the moment until after the copy was made.
func (s *Store) Rewind(ctx context.Context, to Copy, h History, after time.Time) error {
	for lane := range h.Log.Lanes {
		head, err := s.logs.Head(ctx, h.Log, lane)
		if err != nil {
			return err
		}
		if len(head.Segments) == 0 {
			continue
		}
		first := max(h.from(lane), head.Trimmed)
		for end := head.Next; end > first; {
			begin := max(first, end-min(end, replayPage))
			entries, err := s.entries(ctx, h.Log, lane, head.Segments[0].First, begin, end)
			if err != nil {
				return err
			}
			slices.Reverse(entries)
			enough := len(entries) > 0 && entries[0].At.Before(after.Add(-disorder))
			err = s.apply(ctx, to, h.Keys, entries, func(e changelog.Entry, r record.Record) (item.Map, bool) {
				return r.Old, e.At.After(after)
			})
			if err != nil {
				return err
			}
			if end = begin; enough {
				break
			}
		}
	}
	return nil
}

// Replay makes the changes of a log up to a moment in a copy that was made after
// the log's first of them.
func (s *Store) Replay(ctx context.Context, to Copy, h History, until time.Time) error {
	return s.EachChange(ctx, h, until, func(entries []changelog.Entry) error {
		return s.apply(ctx, to, h.Keys, entries, func(e changelog.Entry, r record.Record) (item.Map, bool) {
			return r.New, !e.At.After(until)
		})
	})
}

// EachChange calls fn with a log's changes, page by page and lane by lane, until
// there are none left of that moment.
func (s *Store) EachChange(ctx context.Context, h History, until time.Time, fn func([]changelog.Entry) error) error {
	for lane := range h.Log.Lanes {
		head, err := s.logs.Head(ctx, h.Log, lane)
		if err != nil {
			return err
		}
		if len(head.Segments) == 0 {
			continue
		}
		for begin := max(h.from(lane), head.Trimmed); begin < head.Next; begin += replayPage {
			entries, err := s.entries(ctx, h.Log, lane, head.Segments[0].First, begin, min(begin+replayPage, head.Next))
			if err != nil {
				return err
			}
			if err := fn(entries); err != nil {
				return err
			}
			if n := len(entries); n > 0 && entries[n-1].At.After(until.Add(disorder)) {
				break
			}
		}
	}
	return nil
}

func (h History) from(lane int) uint64 {
	if lane < len(h.From) {
		return h.From[lane]
	}
	return 0
}

// entries reads those from begin up to, not including, end.
func (s *Store) entries(ctx context.Context, l changelog.Log, lane int, segment, begin, end uint64) ([]changelog.Entry, error) {
	var out []changelog.Entry
	for begin < end {
		page, err := s.logs.Read(ctx, l, lane, segment, begin, int(end-begin))
		if err != nil || len(page) == 0 {
			return out, err
		}
		for _, e := range page {
			if e.Number < end {
				out = append(out, e)
			}
		}
		begin = page[len(page)-1].Number + 1
	}
	return out, nil
}

// apply writes into a copy what image gives of each change, if it gives
// anything; a later one of an item overwrites an earlier one.
func (s *Store) apply(ctx context.Context, to Copy, keys table.Keys, entries []changelog.Entry, image func(changelog.Entry, record.Record) (item.Map, bool)) error {
	var b kv.Batch
	for _, e := range entries {
		r, err := record.Decode(e.Payload)
		if err != nil {
			return err
		}
		m, ok := image(e, r)
		if !ok {
			continue
		}
		key, err := to.row(keys, r.Keys)
		if err != nil {
			return err
		}
		if m == nil {
			b.Delete(key)
		} else {
			b.Put(key, stored(m, m.Size()))
		}
	}
	if b.Len() == 0 {
		return nil
	}
	return s.db.Apply(ctx, &b)
}

// ForgetCursor forgets how far a copy came that is complete.
func (s *Store) ForgetCursor(ctx context.Context, c Copy) error { return s.db.Delete(ctx, c.cursor) }

// FillAll fills all indexes of a table that nobody can reach yet.
func (s *Store) FillAll(ctx context.Context, t *Table) error {
	for i := range t.Indexes {
		if err := s.Fill(ctx, t, &t.Indexes[i]); err != nil {
			return err
		}
	}
	return nil
}

// Net is what became of an item in a time: nil images are none.
type Net struct {
	Keys, Old, New item.Map
	At             time.Time
}

// Names of what a Net is stored as.
const (
	netKeys, netOld, netNew, netAt = "k", "o", "n", "t"
)

// MergeChanges makes a copy of what became of each item that was changed after
// from and not after until. It may be done again.
func (s *Store) MergeChanges(ctx context.Context, to Copy, h History, from, until time.Time) error {
	return s.EachChange(ctx, h, until, func(entries []changelog.Entry) error {
		var b kv.Batch
		merged := map[string]item.Map{}
		for _, e := range entries {
			if !e.At.After(from) || e.At.After(until) {
				continue
			}
			r, err := record.Decode(e.Payload)
			if err != nil {
				return err
			}
			key, err := to.row(h.Keys, r.Keys)
			if err != nil {
				return err
			}
			have, ok := merged[string(key)]
			if !ok {
				if have, err = decodeRow(s.db.Get(ctx, key)); err != nil {
					return err
				}
			}
			merged[string(key)] = mergeNet(have, r, e.At)
		}
		for key, m := range merged {
			b.Put([]byte(key), item.Append(nil, m))
		}
		if b.Len() == 0 {
			return nil
		}
		return s.db.Apply(ctx, &b)
	})
}

// mergeNet adds a change to what became of an item before, nil for nothing.
func mergeNet(have item.Map, r record.Record, at time.Time) item.Map {
	m := item.Map{}.Set(netKeys, item.Value{Kind: item.MapKind, Map: r.Keys})
	m = m.Set(netAt, item.Value{Kind: item.Number, Text: strconv.FormatInt(at.UnixMilli(), 10)})
	if have == nil && r.Old != nil {
		m = m.Set(netOld, item.Value{Kind: item.MapKind, Map: r.Old})
	} else if old := have.Get(netOld); old != nil {
		m = m.Set(netOld, *old)
	}
	if r.New != nil {
		m = m.Set(netNew, item.Value{Kind: item.MapKind, Map: r.New})
	}
	return m
}

// ReadNet reads an item of a copy that MergeChanges has made.
func ReadNet(m item.Map) (n Net, err error) {
	for name, into := range map[string]*item.Map{netKeys: &n.Keys, netOld: &n.Old, netNew: &n.New} {
		if v := m.Get(name); v != nil {
			*into = v.Map
		}
	}
	v := m.Get(netAt)
	if v == nil {
		return n, item.ErrCorrupt
	}
	milli, err := strconv.ParseInt(v.Text, 10, 64)
	n.At = time.UnixMilli(milli).UTC()
	return n, err
}

// PutRows stores items in a table that nobody can reach yet, without its
// indexes. The items fit the table.
func (s *Store) PutRows(ctx context.Context, t *Table, items []item.Map) error {
	var b kv.Batch
	for _, m := range items {
		k, err := t.KeyOf(m)
		if err != nil {
			return err
		}
		b.Put(t.RowKey(k), stored(m, m.Size()))
	}
	return s.db.Apply(ctx, &b)
}
