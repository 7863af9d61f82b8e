package store

import (
	"bytes"
	"context"
	"slices"

	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/tuple"
	"moln.dev/moln/services/dynamodb/expr"
	"moln.dev/moln/services/dynamodb/item"
	"moln.dev/moln/services/dynamodb/table"
	"moln.dev/moln/services/dynamodb/words"
)

// maxPageBytes is how much a query or scan reads for one answer.
const MaxPageBytes = 1 << 20

// Reading is a query or scan of a table or index.
type Reading struct {
	Table      *Table
	Index      *table.Index // nil: the table
	Bounds     kv.Range
	Limit      int // 0: none
	Filter     *expr.Condition
	Projection *expr.Projection
	CountOnly  bool
	// fetch reads each item from the table, for local indexes that lack some of
	// its attributes.
	Fetch      bool
	Consistent bool
	// AsStored asks for the items in the form that they are stored in, where
	// nothing is to be taken from them.
	AsStored bool
}

// Page is what a reading found.
type Page struct {
	Items          []item.Map
	Stored         []item.Stored // instead of Items, as Reading.AsStored says
	Count, Scanned int
	Bytes          int
	Last           item.Map // the key to go on after; nil: the end
	FetchUnits     float64
}

// chunk is how many rows are read from the store at once.
const chunk = 256

func (s *Store) Read(ctx context.Context, r *Reading) (*Page, error) {
	p := &Page{}
	bounds := r.Bounds
	for {
		bounds.Limit = chunk
		if r.Limit > 0 {
			bounds.Limit = min(chunk, r.Limit-p.Scanned)
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
func (s *Store) take(ctx context.Context, r *Reading, p *Page, row kv.Item) (bool, error) {
	if r.whole() {
		return r.takeStored(p, row)
	}
	m, err := item.Decode(row.Value)
	if err != nil {
		return false, err
	}
	p.Scanned++
	p.Bytes += m.Size()
	whole := m
	if r.Fetch {
		k, err := r.Table.KeyOf(m)
		if err != nil {
			return false, err
		}
		if whole, err = s.Get(ctx, r.Table, k); err != nil {
			return false, err
		}
		p.FetchUnits += ReadUnits(whole.Size(), r.Consistent)
	}
	if whole != nil && r.Filter.Match(whole) {
		p.Count++
		if !r.CountOnly {
			p.Items = append(p.Items, r.Projection.Apply(whole))
		}
	}
	if r.fills(p) {
		p.Last = r.Position(m)
		return true, nil
	}
	return false, nil
}

// whole tells whether the items are wanted as they are stored, or not at all.
func (r *Reading) whole() bool {
	return (r.AsStored || r.CountOnly) && r.Filter == nil && r.Projection == nil && !r.Fetch
}

// takeStored is take without making the item's values.
func (r *Reading) takeStored(p *Page, row kv.Item) (bool, error) {
	stored, size, err := item.Check(row.Value)
	if err != nil {
		return false, err
	}
	p.Scanned++
	p.Count++
	p.Bytes += size
	if !r.CountOnly {
		p.Stored = append(p.Stored, stored)
	}
	if !r.fills(p) {
		return false, nil
	}
	m, err := item.Decode(row.Value)
	p.Last = r.Position(m)
	return true, err
}

// fills tells whether the page takes no more rows.
func (r *Reading) fills(p *Page) bool {
	return p.Bytes >= MaxPageBytes || (r.Limit > 0 && p.Scanned >= r.Limit)
}

// Position is the key of a row, as clients give it back.
func (r *Reading) Position(m item.Map) item.Map {
	var out item.Map
	for _, n := range r.keyNames() {
		if v := m.Get(n); v != nil {
			out = out.Set(n, *v)
		}
	}
	return out
}

// keyNames are the attributes that a position has.
func (r *Reading) keyNames() []string {
	names := r.Table.Names()
	if r.Index != nil {
		for _, n := range r.Index.Names() {
			if !slices.Contains(names, n) {
				names = append(names, n)
			}
		}
	}
	return names
}

// prefix is what all rows of the table or index begin with.
func (r *Reading) prefix() []byte {
	if r.Index == nil {
		return r.Table.rows
	}
	return r.Table.indexRows(r.Index.ID)
}

// Keys are the keys that the reading is ordered by.
func (r *Reading) Keys() table.Keys {
	if r.Index == nil {
		return r.Table.Keys
	}
	return r.Index.Keys
}

// Follow sets the bounds to what a key condition says.
func (r *Reading) Follow(k expr.KeyCondition) {
	base := appendDigest(slices.Clone(r.prefix()), hashAll(k.Hash, k.HashMore))
	for _, v := range k.Equal {
		base = item.AppendKey(base, v)
	}
	at := func(v item.Value) []byte { return item.AppendKey(slices.Clone(base), v) }
	// behind is behind all rows of one value.
	behind := func(v item.Value) []byte { return tuple.End(at(v)) }
	all := kv.Range{Start: base, End: tuple.End(base)}
	switch k.Range {
	case "":
		r.Bounds = all
	case expr.EQ:
		r.Bounds = kv.Range{Start: at(k.Low), End: behind(k.Low)}
	case expr.LT:
		r.Bounds = kv.Range{Start: base, End: at(k.Low)}
	case expr.LE:
		r.Bounds = kv.Range{Start: base, End: behind(k.Low)}
	case expr.GT:
		r.Bounds = kv.Range{Start: behind(k.Low), End: all.End}
	case expr.GE:
		r.Bounds = kv.Range{Start: at(k.Low), End: all.End}
	case expr.Between:
		r.Bounds = kv.Range{Start: at(k.Low), End: behind(k.High)}
	case expr.BeginsWith:
		r.Bounds = kv.Prefix(item.AppendKeyPrefix(slices.Clone(base), k.Low))
	}
}

// Segment sets the bounds to one of n equal parts of the digests.
func (r *Reading) Segment(i, n int) {
	base := r.prefix()
	r.Bounds = kv.Prefix(base)
	edge := func(i int) []byte {
		v := uint64(i) << 32 / uint64(n)
		return tuple.AppendBytesPrefix(slices.Clone(base), []byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)})
	}
	if i > 0 {
		r.Bounds.Start = edge(i)
	}
	if i+1 < n {
		r.Bounds.End = edge(i + 1)
	}
}

// startAfter moves the bounds behind a position; inside reports whether it lay
// within them.
func (r *Reading) startAfter(m item.Map) (inside bool, err error) {
	names := r.keyNames()
	if len(m) != len(names) {
		return false, words.Refuse("The provided starting key is invalid")
	}
	keys := r.Keys()
	for _, a := range append([]expr.KeyAttribute{r.Table.Hash, r.Table.Range}, append(keys.Hashes(), keys.Ranges()...)...) {
		if v := m.Get(a.Name); a.Name != "" && (v == nil || v.Kind != a.Kind) {
			return false, words.Refuse("The provided starting key is invalid")
		}
	}
	k, err := r.Table.KeyOf(m)
	if err != nil {
		return false, words.Refuse("The provided starting key is invalid: %s", words.MessageOf(err))
	}
	key := r.Table.RowKey(k)
	if r.Index != nil {
		ik, _ := r.Index.KeyOf(m)
		key = r.Table.indexRow(r.Index, ik, k)
	}
	if bytes.Compare(key, r.Bounds.Start) < 0 || bytes.Compare(key, r.Bounds.End) >= 0 {
		return false, nil
	}
	r.Bounds = r.Bounds.After(key)
	return true, nil
}

// Add appends what another page found.
func (p *Page) Add(o *Page) {
	p.Items = append(p.Items, o.Items...)
	p.Count += o.Count
	p.Scanned += o.Scanned
	p.Bytes += o.Bytes
	p.FetchUnits += o.FetchUnits
}
