package dynamodb

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"sync"

	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/tuple"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/dynamodb/item"
)

// store is the only place that knows keys and encodings.
type store struct {
	db *kv.DB
	// tables are decoded tables by key. They are checked against what is stored
	// at each use.
	tables sync.Map // string -> *tableRef
}

func newStore(db *kv.DB) *store { return &store{db: db} }

// place is the account and region that keys begin with.
type place struct{ account, region string }

func placeOf(c *service.Call) place { return place{c.Account, c.Region} }

func (p place) tableKey(name string) []byte { return tuple.Key(p.account, p.region, "t", name) }

// tableRef is a table with what its keys begin with. What it points at is not
// changed.
type tableRef struct {
	*tableMeta
	place
	raw  []byte
	rows []byte // prefix of items
	// writing is held shared by writes and exclusively while an index is
	// added (D3). All refs of one table share it.
	writing *sync.RWMutex
}

func (s *store) tableRef(p place, key, raw []byte) (*tableRef, error) {
	m := new(tableMeta)
	if err := json.Unmarshal(raw, m); err != nil {
		return nil, err
	}
	r := &tableRef{tableMeta: m, place: p, raw: raw, rows: tuple.Key(p.account, p.region, "d", m.ID), writing: new(sync.RWMutex)}
	for {
		old, loaded := s.tables.LoadOrStore(string(key), r)
		if !loaded {
			return r, nil
		}
		if o := old.(*tableRef); o.ID == m.ID {
			r.writing = o.writing
		}
		if s.tables.CompareAndSwap(string(key), old, r) {
			return r, nil
		}
	}
}

// table loads a table; missing is the fault where there is none.
func (s *store) table(ctx context.Context, p place, name string, missing error) (*tableRef, error) {
	key := p.tableKey(name)
	raw, err := s.db.Get(ctx, key)
	if errors.Is(err, kv.ErrNotFound) {
		s.tables.Delete(string(key))
		return nil, missing
	}
	if err != nil {
		return nil, err
	}
	return s.known(p, key, raw)
}

// known gives the decoded table, from before where it has not changed.
func (s *store) known(p place, key, raw []byte) (*tableRef, error) {
	if have, ok := s.tables.Load(string(key)); ok && bytes.Equal(have.(*tableRef).raw, raw) {
		return have.(*tableRef), nil
	}
	return s.tableRef(p, key, raw)
}

// change stores what fn makes of a table, under the table's lock when it adds
// an index (D3).
func (s *store) change(ctx context.Context, p place, name string, missing error, fn func(*tableMeta) error) (*tableRef, error) {
	t, err := s.table(ctx, p, name, missing)
	if err != nil {
		return nil, err
	}
	t.writing.Lock()
	defer t.writing.Unlock()
	key := p.tableKey(name)
	var raw []byte
	err = s.db.Update(ctx, func(tx *kv.Tx) error {
		v, err := tx.Get(key)
		if errors.Is(err, kv.ErrNotFound) {
			return missing
		}
		if err != nil {
			return err
		}
		var m tableMeta
		if err := json.Unmarshal(v, &m); err != nil {
			return err
		}
		if err := fn(&m); err != nil {
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
	return s.tableRef(p, key, raw)
}

func (s *store) createTable(ctx context.Context, p place, m *tableMeta, exists error) (*tableRef, error) {
	key := p.tableKey(m.Name)
	raw, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	err = s.db.Update(ctx, func(tx *kv.Tx) error {
		_, err := tx.Get(key)
		if err == nil {
			return exists
		}
		if !errors.Is(err, kv.ErrNotFound) {
			return err
		}
		return tx.Put(key, raw)
	}, key)
	if err != nil {
		return nil, err
	}
	return s.tableRef(p, key, raw)
}

// deleteTable removes a table with all items; check may refuse.
func (s *store) deleteTable(ctx context.Context, p place, name string, missing error, check func(*tableMeta) error) (*tableMeta, error) {
	t, err := s.table(ctx, p, name, missing)
	if err != nil {
		return nil, err
	}
	t.writing.Lock() // no write under way is to leave an item behind
	defer t.writing.Unlock()
	key := p.tableKey(name)
	var gone tableMeta
	err = s.db.Update(ctx, func(tx *kv.Tx) error {
		v, err := tx.Get(key)
		if errors.Is(err, kv.ErrNotFound) {
			return missing
		}
		if err != nil {
			return err
		}
		gone = tableMeta{}
		if err := json.Unmarshal(v, &gone); err != nil {
			return err
		}
		if err := check(&gone); err != nil {
			return err
		}
		for _, kind := range []string{"d", "i"} {
			r := kv.Prefix(tuple.Key(p.account, p.region, kind, gone.ID))
			if err := tx.DeleteRange(r.Start, r.End); err != nil {
				return err
			}
		}
		return tx.Delete(key)
	}, key)
	s.tables.Delete(string(key))
	return &gone, err
}

// dropIndex removes the rows of an index that no table has any more.
func (s *store) dropIndex(ctx context.Context, t *tableRef, id string) error {
	var b kv.Batch
	r := kv.Prefix(t.indexRows(id))
	b.DeleteRange(r.Start, r.End)
	return s.db.Apply(ctx, &b)
}

// tableNames lists names after one, at most limit.
func (s *store) tableNames(ctx context.Context, p place, after string, limit int) ([]string, error) {
	base := tuple.Key(p.account, p.region, "t")
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

// everyTable calls fn with all tables of all accounts and regions. It skips
// from region to region, past the items.
func (s *store) everyTable(ctx context.Context, fn func(*tableRef) error) error {
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
		p := place{account, region}
		err = s.db.Each(ctx, kv.Prefix(tuple.Key(account, region, "t")), func(it kv.Item) (bool, error) {
			t, err := s.known(p, it.Key, it.Value)
			if err != nil {
				return false, err
			}
			return true, fn(t)
		})
		if err != nil {
			return err
		}
		next.Start = kv.Prefix(tuple.Key(account, region)).End
	}
}

// rowKey is where an item lies.
func (t *tableRef) rowKey(k primaryKey) []byte {
	key := make([]byte, 0, len(t.rows)+20+len(k.Range.Text)+8)
	key = appendDigest(append(key, t.rows...), item.Hash(k.Hash))
	if k.Range.Kind != 0 {
		key = item.AppendKey(key, k.Range)
	}
	return key
}

func appendDigest(dst []byte, d item.Digest) []byte { return tuple.AppendBytes(dst, d[:]) }

// indexRows is the prefix of an index.
func (t *tableRef) indexRows(id string) []byte {
	return tuple.Key(t.account, t.region, "i", t.ID, id)
}

// indexRow is where an index holds an item.
func (t *tableRef) indexRow(x *index, ik, k primaryKey) []byte {
	key := appendDigest(t.indexRows(x.ID), item.Hash(ik.Hash))
	if ik.Range.Kind != 0 {
		key = item.AppendKey(key, ik.Range)
	}
	if k.Range.Kind == 0 {
		return appendDigest(key, item.Hash(k.Hash))
	}
	return appendDigest(key, item.Hash(k.Hash, k.Range))
}

func (s *store) get(ctx context.Context, t *tableRef, k primaryKey) (item.Map, error) {
	return decodeRow(s.db.Get(ctx, t.rowKey(k)))
}

// decodeRow reads a stored item; none is nil.
func decodeRow(v []byte, err error) (item.Map, error) {
	if errors.Is(err, kv.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return item.Decode(v)
}
