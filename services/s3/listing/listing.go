// Package listing pages through ordered keys with a prefix and a delimiter. It
// reads ranges and skips what a common prefix stands for; it knows keys and
// nothing of what is stored under them.
package listing

import (
	"bytes"
	"context"
	"strings"

	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/tuple"
)

// Listing is what a page of a listing asks for.
type Listing struct {
	Prefix, Delimiter string
	// after is the key after which to go on. Where it is a common prefix of
	// this listing, all below it are left out.
	After string
	Max   int
}

// Page collects the entries of a page. Entries and common prefixes count
// alike.
type Page struct {
	Prefixes  []string
	Count     int
	Truncated bool
	Last      string // the key or common prefix that the page ends with
}

// Group gives the common prefix that key falls under; "" if none.
func (l *Listing) Group(key string) string {
	if l.Delimiter == "" {
		return ""
	}
	rest := key[len(l.Prefix):]
	at := strings.Index(rest, l.Delimiter)
	if at < 0 {
		return ""
	}
	return key[:len(l.Prefix)+at+len(l.Delimiter)]
}

// scanFirst is how many items are read at once at first where a delimiter may
// let most of them be skipped; it doubles while nothing is.
const scanFirst = 16

// Walker reads a range of keys below head, in order, skipping common prefixes.
type Walker struct {
	ctx   context.Context
	Scan  func(context.Context, kv.Range) ([]kv.Item, error)
	head  []byte // encoded parts before the key
	l     *Listing
	limit int
	rest  kv.Range
	items []kv.Item
	more  bool
}

// New returns a walker over the keys below head that the listing asks for.
func New(ctx context.Context, db *kv.DB, head []byte, l *Listing) *Walker {
	w := &Walker{ctx: ctx, Scan: db.Scan, head: head, l: l, more: true}
	w.rest = kv.Prefix(tuple.AppendStringPrefix(bytes.Clone(head), l.Prefix))
	w.limit = min(l.Max+1, kv.MaxScanItems)
	if l.Delimiter != "" {
		w.limit = scanFirst
	}
	if l.After == "" || l.After < l.Prefix {
		return w
	}
	// Past all records of the key, or all keys of the common prefix.
	past := tuple.End(tuple.AppendString(bytes.Clone(head), l.After))
	if strings.HasPrefix(l.After, l.Prefix) && l.Group(l.After) == l.After {
		past = kv.Prefix(tuple.AppendStringPrefix(bytes.Clone(head), l.After)).End
	}
	w.from(past)
	return w
}

// from goes on at start, if that is further.
func (w *Walker) from(start []byte) {
	if start == nil {
		w.more, w.items = false, nil
		return
	}
	for len(w.items) > 0 && bytes.Compare(w.items[0].Key, start) < 0 {
		w.items = w.items[1:]
	}
	if len(w.items) == 0 && bytes.Compare(w.rest.Start, start) < 0 {
		w.rest.Start = start
	}
}

// Skip leaves out all keys that begin with a common prefix.
func (w *Walker) Skip(group string) {
	w.from(kv.Prefix(tuple.AppendStringPrefix(bytes.Clone(w.head), group)).End)
	w.limit = scanFirst
}

// Next returns the first record and its object key; ok is false at the end.
func (w *Walker) Next() (key string, it kv.Item, ok bool, err error) {
	if len(w.items) == 0 {
		if err := w.fill(); err != nil || len(w.items) == 0 {
			return "", kv.Item{}, false, err
		}
	}
	it = w.items[0]
	key, _, err = tuple.DecodeString(it.Key[len(w.head):])
	return key, it, err == nil, err
}

// Pop leaves the first record behind.
func (w *Walker) Pop() { w.items = w.items[1:] }

func (w *Walker) fill() error {
	if !w.more || (w.rest.End != nil && bytes.Compare(w.rest.Start, w.rest.End) >= 0) {
		return nil
	}
	w.rest.Limit = w.limit
	w.limit = min(w.limit*2, kv.MaxScanItems)
	items, err := w.Scan(w.ctx, w.rest)
	if err != nil {
		return err
	}
	w.more = w.rest.More(items)
	if len(items) > 0 {
		w.rest = w.rest.After(items[len(items)-1].Key)
	}
	w.items = items
	return nil
}

// Walk calls fn with the records of one page. fn reports whether the record
// counts as an entry of its own; records under a common prefix do not reach it,
// except that visible tells whether they make the prefix appear.
func (w *Walker) Walk(visible func(it kv.Item) (bool, error), fn func(key string, it kv.Item) error) (*Page, error) {
	p := &Page{}
	if w.l.Max == 0 {
		return p, nil
	}
	for {
		key, it, ok, err := w.Next()
		if err != nil || !ok {
			return p, err
		}
		show, err := visible(it)
		if err != nil {
			return nil, err
		}
		if !show {
			w.Pop()
			continue
		}
		if p.Count == w.l.Max {
			p.Truncated = true
			return p, nil
		}
		p.Count++
		if group := w.l.Group(key); group != "" {
			p.Prefixes = append(p.Prefixes, group)
			p.Last = group
			w.Skip(group)
			continue
		}
		p.Last = key
		if err := fn(key, it); err != nil {
			return nil, err
		}
		w.Pop()
	}
}

// From goes on at start even if that is before where the walker is: a listing
// that continues among the records of one key.
func (w *Walker) From(start []byte) {
	if w.rest.Start == nil || bytes.Compare(start, w.rest.Start) < 0 {
		w.rest.Start, w.more = start, true
	}
}
