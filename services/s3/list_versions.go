package s3

import (
	"bytes"
	"context"

	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/tuple"
)

// versionWalker merges the current versions of a bucket with the older ones, by
// key and then newest first. By B1 every key of the older ones has a current
// one, which comes first.
type versionWalker struct{ current, older *walker }

// next gives the first record of both; popped by calling pop of from.
func (v *versionWalker) next() (o *object, from *walker, err error) {
	ck, ci, cok, err := v.current.next()
	if err != nil {
		return nil, nil, err
	}
	vk, vi, vok, err := v.older.next()
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

// listVersions calls fn with the versions of one page, and whether each is the
// latest of its key. marker is the version of l.after to go on after; "" goes
// on with the next key.
func (s *store) listVersions(ctx context.Context, b *bucket, l *listing, marker string, fn func(o *object, latest bool)) (*page, error) {
	p := &page{}
	if l.max == 0 {
		return p, nil
	}
	// Both walkers read one moment: a version must not move between them.
	snap, err := s.kv.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	defer snap.Close()
	v := &versionWalker{
		current: newWalker(ctx, s.kv, tuple.Key("o", b.ID), l),
		older:   newWalker(ctx, s.kv, tuple.Key("v", b.ID), l),
	}
	v.current.scan, v.older.scan = snap.Scan, snap.Scan
	if marker != "" {
		if err := resumeVersions(ctx, snap, b, v.older, l.after, marker); err != nil {
			return nil, err
		}
	}
	for {
		o, from, err := v.next()
		if err != nil || o == nil {
			return p, err
		}
		if p.count == l.max {
			p.truncated = true
			return p, nil
		}
		p.count++
		if group := l.group(o.Key); group != "" {
			p.prefixes = append(p.prefixes, group)
			p.last = group
			v.current.skip(group)
			v.older.skip(group)
			continue
		}
		p.last = o.Key
		fn(o, from == v.current)
		from.pop()
	}
}

// resumeVersions lets w go on within key, after one of its versions.
func resumeVersions(ctx context.Context, snap *kv.Snapshot, b *bucket, w *walker, key, marker string) error {
	start := tuple.Key("v", b.ID, key) // all older ones, where the marker is the current version
	raw, err := snap.Get(ctx, keyObject(b, key))
	cur, err := decodeFound(key, raw, err)
	if err != nil {
		return err
	}
	if cur == nil || cur.Version != marker {
		sequence, ok := sequenceOf(marker)
		if marker == nullVersion {
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
	if w.rest.Start == nil || bytes.Compare(start, w.rest.Start) < 0 {
		w.rest.Start, w.more = start, true
	}
	return nil
}
