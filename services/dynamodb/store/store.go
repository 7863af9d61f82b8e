// Package store keeps tables, items and index rows: the only place that knows
// keys and encodings. It makes changes (alone, or several at one moment), reads
// pages, fills new indexes and deletes what has expired.
//
// It does not know requests: callers parse, check and word them. The layout of
// keys and the invariants D1 to D4 are in the service's documentation.
package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"

	"moln.dev/moln/aws/policy"
	"moln.dev/moln/engine/bell"
	"moln.dev/moln/engine/clock"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/tuple"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/dynamodb/changelog"
	"moln.dev/moln/services/dynamodb/item"
	"moln.dev/moln/services/dynamodb/record"
	"moln.dev/moln/services/dynamodb/table"
	"moln.dev/moln/services/dynamodb/throttle"
)

// Store is the only place that knows keys and encodings.
type Store struct {
	db    *kv.DB
	clock clock.Clock
	logs  *changelog.Logs
	// bell is rung for the readers of streams.
	bell *bell.Bell
	// limits count the capacity that requests use.
	limits throttle.Buckets
	// tables are decoded tables by key. They are checked against what is stored
	// at each use.
	tables sync.Map // string -> *Table
	fresh  fresh
}

// New makes the store of the service, over keys of its own.
func New(db *kv.DB, c clock.Clock, b *bell.Bell) *Store {
	return &Store{db: db, clock: c, bell: b, logs: changelog.New(db)}
}

// Place is the account and region that keys begin with.
type Place struct{ Account, Region string }

// PlaceOf is where a call acts.
func PlaceOf(c *service.Call) Place { return Place{c.Account, c.Region} }

func (p Place) tableKey(name string) []byte { return tuple.Key(p.Account, p.Region, "t", name) }

// Table is a table with what its keys begin with. What it points at is not
// changed.
type Table struct {
	*table.Table
	Place
	// Compiled is Policy; nil where there is none.
	Compiled *policy.Policy

	raw  []byte
	rows []byte        // prefix of items
	log  changelog.Log // of the stream, where there is one
	// captures are all logs that changes are recorded in.
	captures []capture
	// writing is held shared by writes and exclusively while an index is
	// added (D3). All refs of one table share it.
	writing *sync.RWMutex
}

// hold decodes a table and keeps it for the next use.
func (s *Store) hold(p Place, key, raw []byte) (*Table, error) {
	m := new(table.Table)
	if err := json.Unmarshal(raw, m); err != nil {
		return nil, err
	}
	compiled, err := compile(m.Policy)
	if err != nil {
		return nil, err
	}
	r := &Table{Table: m, Place: p, Compiled: compiled, raw: raw, rows: tuple.Key(p.Account, p.Region, "d", m.ID), writing: new(sync.RWMutex)}
	if st := m.Stream; st != nil {
		r.log = streamLog(p, st.ID, st.Shards)
		r.captures = append(r.captures, capture{r.log, record.ViewOf(st.View)})
	}
	for _, id := range m.Captures {
		r.captures = append(r.captures, capture{p.CaptureLog(m.ID, id), record.View{Old: true, New: true}})
	}
	for {
		old, loaded := s.tables.LoadOrStore(string(key), r)
		if !loaded {
			return r, nil
		}
		if o := old.(*Table); o.ID == m.ID {
			r.writing = o.writing
		}
		if s.tables.CompareAndSwap(string(key), old, r) {
			return r, nil
		}
	}
}

func compile(p *table.Policy) (*policy.Policy, error) {
	if p == nil {
		return nil, nil
	}
	return policy.Parse([]byte(p.Document), policy.Resource) // it was checked when it was stored
}

// Table loads a table; missing is the fault where there is none, or none whose
// items can be reached yet.
func (s *Store) Table(ctx context.Context, p Place, name string, missing error) (*Table, error) {
	t, err := s.Look(ctx, p, name, missing)
	if err == nil && t.Hidden() {
		return nil, missing
	}
	return t, err
}

// Look loads a table, even one that is still being filled.
func (s *Store) Look(ctx context.Context, p Place, name string, missing error) (*Table, error) {
	if t := s.fresh.get(p, name); t != nil {
		return t, nil
	}
	key := p.tableKey(name)
	mark := s.db.Mark(key)
	raw, err := s.db.Get(ctx, key)
	if errors.Is(err, kv.ErrNotFound) {
		s.tables.Delete(string(key))
		s.fresh.drop(p, name)
		return nil, missing
	}
	if err != nil {
		return nil, err
	}
	t, err := s.known(p, key, raw)
	if err == nil && !t.Hidden() { // whoever guesses takes only what can be reached
		s.fresh.put(p, name, t, mark)
	}
	return t, err
}

// known gives the decoded table, from before where it has not changed.
func (s *Store) known(p Place, key, raw []byte) (*Table, error) {
	if have, ok := s.tables.Load(string(key)); ok && bytes.Equal(have.(*Table).raw, raw) {
		return have.(*Table), nil
	}
	return s.hold(p, key, raw)
}

// Change stores what fn makes of a table, under the table's lock when it adds
// an index (D3).
func (s *Store) Change(ctx context.Context, p Place, name string, missing error, fn func(*table.Table) error) (*Table, error) {
	return s.ChangeWith(ctx, p, name, missing, func(_ *kv.Tx, m *table.Table) error { return fn(m) })
}

// ChangeWith is Change where more than the table is changed, in one transaction.
func (s *Store) ChangeWith(ctx context.Context, p Place, name string, missing error, fn func(*kv.Tx, *table.Table) error) (*Table, error) {
	t, err := s.Look(ctx, p, name, missing)
	if err != nil {
		return nil, err
	}
	t.writing.Lock()
	defer t.writing.Unlock()
	if t, err = s.Look(ctx, p, name, missing); err != nil { // as it is now
		return nil, err
	}
	key := p.tableKey(name)
	var raw []byte
	err = s.ending(ctx, t, func(tx *kv.Tx) error {
		v, err := tx.Get(key)
		if errors.Is(err, kv.ErrNotFound) {
			return missing
		}
		if err != nil {
			return err
		}
		var m table.Table
		if err := json.Unmarshal(v, &m); err != nil {
			return err
		}
		stream, captures := m.Stream, slices.Clone(m.Captures)
		if err := fn(tx, &m); err != nil {
			return err
		}
		if err := s.changeCaptures(tx, p, m.ID, captures, m.Captures); err != nil {
			return err
		}
		switch {
		case stream != nil && m.Stream == nil:
			err = s.endStream(tx, p, m.Name, stream)
		case stream == nil && m.Stream != nil:
			err = s.startStream(tx, p, &m)
		}
		if err != nil {
			return err
		}
		if raw, err = json.Marshal(m); err != nil {
			return err
		}
		return tx.Put(key, raw)
	}, key)
	if err != nil {
		return nil, err
	}
	return s.hold(p, key, raw)
}

// CreateTable stores a new table, with what more does in the same transaction;
// exists is the fault where the name is taken.
func (s *Store) CreateTable(ctx context.Context, p Place, m *table.Table, exists error, more ...func(*kv.Tx) error) (*Table, error) {
	key := p.tableKey(m.Name)
	var raw []byte
	err := s.db.Update(ctx, func(tx *kv.Tx) (err error) {
		if err := s.Make(tx, p, m, exists, more...); err != nil {
			return err
		}
		raw, err = tx.Get(key)
		return err
	}, key)
	if err != nil {
		return nil, err
	}
	return s.hold(p, key, raw)
}

// Make is CreateTable in a transaction of the caller's.
func (s *Store) Make(tx *kv.Tx, p Place, m *table.Table, exists error, more ...func(*kv.Tx) error) error {
	key := p.tableKey(m.Name)
	_, err := tx.Get(key)
	if err == nil {
		return exists
	}
	if !errors.Is(err, kv.ErrNotFound) {
		return err
	}
	if m.Stream != nil {
		if err := s.startStream(tx, p, m); err != nil {
			return err
		}
	}
	for _, fn := range more {
		if err := fn(tx); err != nil {
			return err
		}
	}
	raw, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return tx.Put(key, raw)
}

// DeleteTable removes a table with all items; check may refuse. If it says that
// the items are kept they stay where they are, as a Copy.
func (s *Store) DeleteTable(ctx context.Context, p Place, name string, missing error, check func(*kv.Tx, *table.Table) (keep bool, err error)) (*table.Table, error) {
	t, err := s.Look(ctx, p, name, missing)
	if err != nil {
		return nil, err
	}
	t.writing.Lock() // no write under way is to leave an item behind
	defer t.writing.Unlock()
	if t, err = s.Look(ctx, p, name, missing); err != nil { // as it is now
		return nil, err
	}
	key := p.tableKey(name)
	var gone table.Table
	err = s.ending(ctx, t, func(tx *kv.Tx) error {
		v, err := tx.Get(key)
		if errors.Is(err, kv.ErrNotFound) {
			return missing
		}
		if err != nil {
			return err
		}
		gone = table.Table{}
		if err := json.Unmarshal(v, &gone); err != nil {
			return err
		}
		keep, err := check(tx, &gone)
		if err != nil {
			return err
		}
		if gone.Stream != nil {
			if err := s.endStream(tx, p, name, gone.Stream); err != nil {
				return err
			}
		}
		kinds := []string{"d", "i", "g"}
		if keep {
			kinds = kinds[1:]
		}
		for _, kind := range kinds {
			r := kv.Prefix(tuple.Key(p.Account, p.Region, kind, gone.ID))
			if err := tx.DeleteRange(r.Start, r.End); err != nil {
				return err
			}
		}
		if err := tx.Delete(t.countsKey()); err != nil {
			return err
		}
		return tx.Delete(key)
	}, key)
	s.tables.Delete(string(key))
	s.fresh.drop(p, name)
	return &gone, err
}

// DropIndex removes the rows of an index that no table has any more.
func (s *Store) DropIndex(ctx context.Context, t *Table, id string) error {
	var b kv.Batch
	r := kv.Prefix(t.indexRows(id))
	b.DeleteRange(r.Start, r.End)
	return s.db.Apply(ctx, &b)
}

// TableNames lists names after one, at most limit.
func (s *Store) TableNames(ctx context.Context, p Place, after string, limit int) ([]string, error) {
	base := tuple.Key(p.Account, p.Region, "t")
	r := kv.Prefix(base)
	r.Limit = limit
	if after != "" {
		r.Start = append(p.tableKey(after), 0)
	}
	items, err := s.db.Scan(ctx, r)
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(items))
	for _, it := range items {
		n, _, err := tuple.DecodeString(it.Key[len(base):])
		if err != nil {
			return nil, err
		}
		names = append(names, n)
	}
	return names, nil
}

// EveryTable calls fn with all tables of all accounts and regions.
func (s *Store) EveryTable(ctx context.Context, fn func(*Table) error) error {
	return s.everyPlace(ctx, func(p Place) error {
		return s.db.Each(ctx, kv.Prefix(tuple.Key(p.Account, p.Region, "t")), func(it kv.Item) (bool, error) {
			t, err := s.known(p, it.Key, it.Value)
			if err != nil {
				return false, err
			}
			return true, fn(t)
		})
	})
}

// EveryPlace calls fn with all accounts and regions that have anything.
func (s *Store) EveryPlace(ctx context.Context, fn func(Place) error) error {
	return s.everyPlace(ctx, fn)
}

// everyPlace calls fn with all accounts and regions that have anything. It skips
// from one to the next, past the items.
func (s *Store) everyPlace(ctx context.Context, fn func(Place) error) error {
	next := kv.Range{Limit: 1}
	for {
		first, err := s.db.Scan(ctx, next)
		if err != nil || len(first) == 0 {
			return err
		}
		account, rest, err := tuple.DecodeString(first[0].Key)
		if err != nil {
			return err
		}
		region, _, err := tuple.DecodeString(rest)
		if err != nil {
			return err
		}
		if err := fn(Place{account, region}); err != nil {
			return err
		}
		next.Start = kv.Prefix(tuple.Key(account, region)).End
	}
}

// RowKey is where an item lies.
func (t *Table) RowKey(k table.Key) []byte {
	key := make([]byte, 0, len(t.rows)+20+len(k.Range.Text)+8)
	key = appendDigest(append(key, t.rows...), item.Hash(k.Hash))
	if k.Range.Kind != 0 {
		key = item.AppendKey(key, k.Range)
	}
	return key
}

func appendDigest(dst []byte, d item.Digest) []byte { return tuple.AppendBytes(dst, d[:]) }

// indexRows is the prefix of an index.
func (t *Table) indexRows(id string) []byte {
	return tuple.Key(t.Account, t.Region, "i", t.ID, id)
}

// indexRow is where an index holds an item.
func (t *Table) indexRow(x *table.Index, ik table.IndexKey, k table.Key) []byte {
	key := appendDigest(t.indexRows(x.ID), hashAll(ik.Hash, ik.HashMore))
	if ik.Range.Kind != 0 {
		key = item.AppendKey(key, ik.Range)
	}
	for _, v := range ik.RangeMore {
		key = item.AppendKey(key, v)
	}
	if k.Range.Kind == 0 {
		return appendDigest(key, item.Hash(k.Hash))
	}
	return appendDigest(key, item.Hash(k.Hash, k.Range))
}

// hashAll is the digest of a partition key of one or several attributes.
func hashAll(first item.Value, more []item.Value) item.Digest {
	if len(more) == 0 {
		return item.Hash(first)
	}
	return item.Hash(append([]item.Value{first}, more...)...)
}

// Get reads an item; none is nil.
func (s *Store) Get(ctx context.Context, t *Table, k table.Key) (item.Map, error) {
	return decodeRow(s.db.Get(ctx, t.RowKey(k)))
}

// decodeRow reads a stored item; none is nil.
func decodeRow(v []byte, err error) (item.Map, error) {
	if errors.Is(err, kv.ErrNotFound) || err == nil && v == nil {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return item.Decode(v)
}
