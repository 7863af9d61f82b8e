package s3

import (
	"bytes"
	"context"
	"strings"

	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/tuple"
)

// listing is what a page of a listing asks for.
type listing struct {
	prefix, delimiter string
	// after is the key after which to go on. Where it is a common prefix of
	// this listing, all below it are left out.
	after string
	max   int
}

// page collects the entries of a page. Entries and common prefixes count
// alike.
type page struct {
	prefixes  []string
	count     int
	truncated bool
	last      string // the key or common prefix that the page ends with
}

// group gives the common prefix that key falls under; "" if none.
func (l *listing) group(key string) string {
	if l.delimiter == "" {
		return ""
	}
	rest := key[len(l.prefix):]
	at := strings.Index(rest, l.delimiter)
	if at < 0 {
		return ""
	}
	return key[:len(l.prefix)+at+len(l.delimiter)]
}

// scanFirst is how many items are read at once at first where a delimiter may
// let most of them be skipped; it doubles while nothing is.
const scanFirst = 16

// walker reads a range of keys below head, in order, skipping common prefixes.
type walker struct {
	ctx   context.Context
	scan  func(context.Context, kv.Range) ([]kv.Item, error)
	head  []byte // encoded parts before the key
	l     *listing
	limit int
	rest  kv.Range
	items []kv.Item
	more  bool
	// prefixed says that the record's key goes on after the object key.
	depth int
}

func newWalker(ctx context.Context, db *kv.DB, head []byte, l *listing) *walker {
	w := &walker{ctx: ctx, scan: db.Scan, head: head, l: l, more: true}
	w.rest = kv.Prefix(tuple.AppendStringPrefix(bytes.Clone(head), l.prefix))
	w.limit = min(l.max+1, kv.MaxScanItems)
	if l.delimiter != "" {
		w.limit = scanFirst
	}
	if l.after == "" || l.after < l.prefix {
		return w
	}
	// Past all records of the key, or all keys of the common prefix.
	past := kv.Prefix(tuple.AppendString(bytes.Clone(head), l.after)).End
	if strings.HasPrefix(l.after, l.prefix) && l.group(l.after) == l.after {
		past = kv.Prefix(tuple.AppendStringPrefix(bytes.Clone(head), l.after)).End
	}
	w.from(past)
	return w
}

// from goes on at start, if that is further.
func (w *walker) from(start []byte) {
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

// skip leaves out all keys that begin with a common prefix.
func (w *walker) skip(group string) {
	w.from(kv.Prefix(tuple.AppendStringPrefix(bytes.Clone(w.head), group)).End)
	w.limit = scanFirst
}

// next returns the first record and its object key; ok is false at the end.
func (w *walker) next() (key string, it kv.Item, ok bool, err error) {
	if len(w.items) == 0 {
		if err := w.fill(); err != nil || len(w.items) == 0 {
			return "", kv.Item{}, false, err
		}
	}
	it = w.items[0]
	key, _, err = tuple.DecodeString(it.Key[len(w.head):])
	return key, it, err == nil, err
}

func (w *walker) pop() { w.items = w.items[1:] }

func (w *walker) fill() error {
	if !w.more || (w.rest.End != nil && bytes.Compare(w.rest.Start, w.rest.End) >= 0) {
		return nil
	}
	w.rest.Limit = w.limit
	w.limit = min(w.limit*2, kv.MaxScanItems)
	items, err := w.scan(w.ctx, w.rest)
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

// walk calls fn with the records of one page. fn reports whether the record
// counts as an entry of its own; records under a common prefix do not reach it,
// except that visible tells whether they make the prefix appear.
func (w *walker) walk(visible func(it kv.Item) (bool, error), fn func(key string, it kv.Item) error) (*page, error) {
	p := &page{}
	if w.l.max == 0 {
		return p, nil
	}
	for {
		key, it, ok, err := w.next()
		if err != nil || !ok {
			return p, err
		}
		show, err := visible(it)
		if err != nil {
			return nil, err
		}
		if !show {
			w.pop()
			continue
		}
		if p.count == w.l.max {
			p.truncated = true
			return p, nil
		}
		p.count++
		if group := w.l.group(key); group != "" {
			p.prefixes = append(p.prefixes, group)
			p.last = group
			w.skip(group)
			continue
		}
		p.last = key
		if err := fn(key, it); err != nil {
			return nil, err
		}
		w.pop()
	}
}

// listObjects calls fn with the objects of one page.
func (s *store) listObjects(ctx context.Context, b *bucket, l *listing, fn func(o *object)) (*page, error) {
	w := newWalker(ctx, s.kv, tuple.Key("o", b.ID), l)
	var o *object
	return w.walk(func(it kv.Item) (bool, error) {
		key, err := lastString(it.Key, 2)
		if err != nil {
			return false, err
		}
		o, err = decodeObject(key, it.Value)
		return err == nil && !o.Marker, err
	}, func(string, kv.Item) error {
		fn(o)
		return nil
	})
}
