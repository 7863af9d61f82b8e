package store

import (
	"context"

	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/tuple"
	"moln.dev/moln/services/s3/listing"
)

// versionWalker merges the current versions of a bucket with the older ones, by
// key and then newest first. By B1 every key of the older ones has a current
// one, which comes first.
type versionWalker struct{ current, older *listing.Walker }

// next gives the first record of both; popped by calling pop of from.
func (v *versionWalker) next() (o *Object, from *listing.Walker, err error) {
	ck, ci, cok, err := v.current.Next()
	if err != nil {
		return nil, nil, err
	}
	vk, vi, vok, err := v.older.Next()
	if err != nil {
		return nil, nil, err
	}
	switch {
	case cok && (!vok || ck <= vk):
		o, err = decodeObject(ck, ci.Value)
		return o, v.current, err
	case vok:
		o, err = decodeObject(vk, vi.Value)
		return o, v.older, err
	}
	return nil, nil, nil
}

// ListVersions calls fn with the versions of one page, and whether each is the
// latest of its key. marker is the version of l.After to go on after; "" goes
// on with the next key.
func (s *Store) ListVersions(ctx context.Context, b *Bucket, l *listing.Listing, marker string, fn func(o *Object, latest bool)) (*listing.Page, error) {
	p := &listing.Page{}
	if l.Max == 0 {
		return p, nil
	}
	// Both walkers read one moment: a version must not move between them.
	snap, err := s.kv.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	defer snap.Close()
	v := &versionWalker{
		current: listing.New(ctx, s.kv, tuple.Key("o", b.ID), l),
		older:   listing.New(ctx, s.kv, tuple.Key("v", b.ID), l),
	}
	v.current.Scan, v.older.Scan = snap.Scan, snap.Scan
	if marker != "" {
		if err := resumeVersions(ctx, snap, b, v.older, l.After, marker); err != nil {
			return nil, err
		}
	}
	for {
		o, from, err := v.next()
		if err != nil || o == nil {
			return p, err
		}
		if p.Count == l.Max {
			p.Truncated = true
			return p, nil
		}
		p.Count++
		if group := l.Group(o.Key); group != "" {
			p.Prefixes = append(p.Prefixes, group)
			p.Last = group
			v.current.Skip(group)
			v.older.Skip(group)
			continue
		}
		p.Last = o.Key
		fn(o, from == v.current)
		from.Pop()
	}
}

// resumeVersions lets w go on within key, after one of its versions.
func resumeVersions(ctx context.Context, snap *kv.Snapshot, b *Bucket, w *listing.Walker, key, marker string) error {
	start := tuple.Key("v", b.ID, key) // all older ones, where the marker is the current version
	raw, err := snap.Get(ctx, keyObject(b, key))
	cur, err := decodeFound(key, raw, err)
	if err != nil {
		return err
	}
	if cur == nil || cur.Version != marker {
		sequence, ok := SequenceOf(marker)
		if marker == NullVersion {
			ok = cur != nil && cur.NullSequence != ""
			if ok {
				sequence = cur.NullSequence
			}
		}
		if !ok {
			return nil
		}
		start = kv.Range{}.After(keyVersion(b, key, sequence)).Start
	}
	w.From(start)
	return nil
}

// ListObjects calls fn with the objects of one page. o is good for the call
// only, and has what listings tell.
func (s *Store) ListObjects(ctx context.Context, b *Bucket, l *listing.Listing, fn func(o *Object)) (*listing.Page, error) {
	w := listing.New(ctx, s.kv, tuple.Key("o", b.ID), l)
	o := new(Object)
	return w.Walk(func(it kv.Item) (bool, error) {
		err := decodeListed(o, "", it.Value)
		return err == nil && !o.Marker, err
	}, func(key string, _ kv.Item) error {
		o.Key = key
		fn(o)
		return nil
	})
}
