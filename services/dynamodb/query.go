package dynamodb

import (
	"bytes"
	"context"
	"slices"

	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/tuple"
	"moln.dev/moln/services/dynamodb/expr"
	"moln.dev/moln/services/dynamodb/item"
)

// maxPageBytes is how much a query or scan reads for one answer.
const maxPageBytes = 1 << 20

// reading is a query or scan of a table or index.
type reading struct {
	table      *tableRef
	index      *index // nil: the table
	bounds     kv.Range
	limit      int // 0: none
	filter     *expr.Condition
	projection *expr.Projection
	countOnly  bool
	// fetch reads each item from the table, for local indexes that lack some of
	// its attributes.
	fetch      bool
	consistent bool
}

// page is what a reading found.
type page struct {
	items          []item.Map
	count, scanned int
	bytes          int
	last           item.Map // the key to go on after; nil: the end
	fetchUnits     float64
}

// chunk is how many rows are read from the store at once.
const chunk = 256

func (s *store) read(ctx context.Context, r *reading) (*page, error) {
	p := &page{}
	bounds := r.bounds
	for {
		bounds.Limit = chunk
		if r.limit > 0 {
			bounds.Limit = min(chunk, r.limit-p.scanned)
		}
		rows, err := s.db.Scan(ctx, bounds)
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			done, err := s.take(ctx, r, p, row)
			if err != nil || done {
				return p, err
			}
		}
		if !bounds.More(rows) {
			return p, nil
		}
		bounds = bounds.After(rows[len(rows)-1].Key)
	}
}

// take adds one row to the page and reports whether it is full.
func (s *store) take(ctx context.Context, r *reading, p *page, row kv.Item) (bool, error) {
	m, err := item.Decode(row.Value)
	if err != nil {
		return false, err
	}
	p.scanned++
	p.bytes += m.Size()
	whole := m
	if r.fetch {
		k, err := r.table.keyOf(m)
		if err != nil {
			return false, err
		}
		if whole, err = s.get(ctx, r.table, k); err != nil {
			return false, err
		}
		p.fetchUnits += readUnits(whole.Size(), r.consistent)
	}
	if whole != nil && r.filter.Match(whole) {
		p.count++
		if !r.countOnly {
			p.items = append(p.items, r.projection.Apply(whole))
		}
	}
	if p.bytes >= maxPageBytes || (r.limit > 0 && p.scanned >= r.limit) {
		p.last = r.position(m)
		return true, nil
	}
	return false, nil
}

// position is the key of a row, as clients give it back.
func (r *reading) position(m item.Map) item.Map {
	var out item.Map
	for _, n := range r.keyNames() {
		if v := m.Get(n); v != nil {
			out = out.Set(n, *v)
		}
	}
	return out
}

// keyNames are the attributes that a position has.
func (r *reading) keyNames() []string {
	names := r.table.names()
	if r.index != nil {
		for _, n := range r.index.names() {
			if !slices.Contains(names, n) {
				names = append(names, n)
			}
		}
	}
	return names
}

// prefix is what all rows of the table or index begin with.
func (r *reading) prefix() []byte {
	if r.index == nil {
		return r.table.rows
	}
	return r.table.indexRows(r.index.ID)
}

// keys are the keys that the reading is ordered by.
func (r *reading) keys() keys {
	if r.index == nil {
		return r.table.keys
	}
	return r.index.keys
}

// follow sets the bounds to what a key condition says.
func (r *reading) follow(k expr.KeyCondition) {
	base := appendDigest(slices.Clone(r.prefix()), item.Hash(k.Hash))
	at := func(v item.Value) []byte { return item.AppendKey(slices.Clone(base), v) }
	all := kv.Prefix(base)
	switch k.Range {
	case "":
		r.bounds = all
	case expr.EQ:
		r.bounds = kv.Prefix(at(k.Low))
	case expr.LT:
		r.bounds = kv.Range{Start: base, End: at(k.Low)}
	case expr.LE:
		r.bounds = kv.Range{Start: base, End: kv.Prefix(at(k.Low)).End}
	case expr.GT:
		r.bounds = kv.Range{Start: kv.Prefix(at(k.Low)).End, End: all.End}
	case expr.GE:
		r.bounds = kv.Range{Start: at(k.Low), End: all.End}
	case expr.Between:
		r.bounds = kv.Range{Start: at(k.Low), End: kv.Prefix(at(k.High)).End}
	case expr.BeginsWith:
		r.bounds = kv.Prefix(item.AppendKeyPrefix(slices.Clone(base), k.Low))
	}
}

// segment sets the bounds to one of n equal parts of the digests.
func (r *reading) segment(i, n int) {
	base := r.prefix()
	r.bounds = kv.Prefix(base)
	edge := func(i int) []byte {
		v := uint64(i) << 32 / uint64(n)
		return tuple.AppendBytesPrefix(slices.Clone(base), []byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)})
	}
	if i > 0 {
		r.bounds.Start = edge(i)
	}
	if i+1 < n {
		r.bounds.End = edge(i + 1)
	}
}

// startAfter moves the bounds behind a position; inside reports whether it lay
// within them.
func (r *reading) startAfter(m item.Map) (inside bool, err error) {
	names := r.keyNames()
	if len(m) != len(names) {
		return false, invalid("The provided starting key is invalid")
	}
	for _, a := range [...]expr.KeyAttribute{r.table.Hash, r.table.Range, r.keys().Hash, r.keys().Range} {
		if v := m.Get(a.Name); a.Name != "" && (v == nil || v.Kind != a.Kind) {
			return false, invalid("The provided starting key is invalid")
		}
	}
	k, err := r.table.keyOf(m)
	if err != nil {
		return false, invalid("The provided starting key is invalid: %s", messageOf(err))
	}
	key := r.table.rowKey(k)
	if r.index != nil {
		ik, _ := r.index.indexKey(m)
		key = r.table.indexRow(r.index, ik, k)
	}
	if bytes.Compare(key, r.bounds.Start) < 0 || bytes.Compare(key, r.bounds.End) >= 0 {
		return false, nil
	}
	r.bounds = r.bounds.After(key)
	return true, nil
}
