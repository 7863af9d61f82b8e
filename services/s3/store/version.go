package store

import (
	"context"
	"errors"

	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/tuple"
)

// Current returns the current version of a key, which may be a delete marker;
// nil if there is none.
func (s *Store) Current(ctx context.Context, b *Bucket, key string) (*Object, error) {
	raw, err := s.kv.Get(ctx, keyObject(b, key))
	return decodeFound(key, raw, err)
}

// Current is the transaction's view of Store.Current.
func (tx *Tx) Current() (*Object, error) {
	raw, err := tx.KV.Get(keyObject(tx.Bucket, tx.key))
	return decodeFound(tx.key, raw, err)
}

func decodeFound(key string, raw []byte, err error) (*Object, error) {
	if errors.Is(err, kv.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return decodeObject(key, raw)
}

// putObject stores a version under its key, with its body where that is small.
func putObject(tx *kv.Tx, key []byte, o *Object) error {
	raw, err := encodeObject(o)
	if err != nil {
		return err
	}
	return tx.Put(key, raw)
}

// Version returns one version of a key; nil if there is none.
func (s *Store) Version(ctx context.Context, b *Bucket, key, version string) (*Object, error) {
	cur, err := s.Current(ctx, b, key)
	if err != nil || cur == nil || cur.Version == version {
		return cur, err
	}
	sequence, ok := sequenceFor(cur, version)
	if !ok {
		return nil, nil
	}
	raw, err := s.kv.Get(ctx, keyVersion(b, key, sequence))
	o, err := decodeFound(key, raw, err)
	if err != nil || o == nil || o.Version != version {
		return nil, err
	}
	return o, nil
}

// sequenceFor finds where a version that is not current is kept.
func sequenceFor(cur *Object, version string) (string, bool) {
	if version == NullVersion {
		return cur.NullSequence, cur.NullSequence != ""
	}
	return SequenceOf(version)
}

// Put makes o the current version of its key, as the bucket's versioning says,
// and sets its version id. cur, which may be nil, is the version that it
// replaces; it is kept or dropped. d is the bytes of o, unless it is a marker.
func (tx *Tx) Put(cur, o *Object, d Data) error {
	o.NullSequence = ""
	if !o.Marker {
		if err := tx.putData(o, d); err != nil {
			return err
		}
	}
	o.Version = NullVersion
	if tx.Bucket.Versioning == VersioningEnabled {
		o.Version = o.Sequence + o.ID[len(o.ID)-versionRandom:]
	}
	if cur != nil {
		if err := tx.retire(cur, o); err != nil {
			return err
		}
	}
	return putObject(tx.KV, keyObject(tx.Bucket, o.Key), o)
}

// Drop deletes the current version cur for good, as in a bucket that was never
// versioned.
func (tx *Tx) Drop(cur *Object) error {
	if err := tx.dropData(cur); err != nil {
		return err
	}
	return tx.promote(cur)
}

// Data is the bytes of a new version: inline, or its parts, or else the blob
// that its Body names.
type Data struct {
	Inline []byte
	Parts  []Part
}

func (tx *Tx) putData(o *Object, d Data) error {
	switch {
	case len(d.Parts) > 0:
		return tx.putParts(o.ID, d.Parts) // their "r" entries exist
	case !o.Blob.IsZero():
		return tx.KV.Put(keyInUse(o.Blob.ID), nil)
	case len(d.Inline) <= BesideBytesMax:
		o.small = append([]byte{}, d.Inline...) // never nil
		return nil
	}
	return tx.KV.Put(keyInline(o.ID), d.Inline)
}

// dropData takes away the bytes of a version; blobs become garbage (B2).
func (tx *Tx) dropData(o *Object) error {
	if o.Marker {
		return nil
	}
	tx.dropped = append(tx.dropped, o)
	switch {
	case o.small != nil:
		return nil
	case o.Body.Parts > 0:
		return tx.leave(o.PartsID(), garbage{Parts: true, Of: o.ID})
	case !o.Blob.IsZero():
		return tx.leave(o.ID, garbage{Blobs: []string{o.Blob.ID}})
	}
	return tx.KV.Delete(keyInline(o.ID))
}

// retire makes room for o: cur is kept as an older version, or dropped where o
// takes the place of the null version.
func (tx *Tx) retire(cur, o *Object) error {
	o.NullSequence = cur.NullSequence
	if cur.Version == o.Version {
		return tx.dropData(cur)
	}
	if o.Version == NullVersion && cur.NullSequence != "" {
		if err := tx.dropVersion(cur.NullSequence); err != nil {
			return err
		}
		o.NullSequence = ""
	}
	if cur.Version == NullVersion {
		o.NullSequence = cur.Sequence
	}
	old := *cur
	old.NullSequence = ""
	return putObject(tx.KV, keyVersion(tx.Bucket, o.Key, cur.Sequence), &old)
}

// dropVersion removes a version that is not current.
func (tx *Tx) dropVersion(sequence string) error {
	raw, err := tx.KV.Get(keyVersion(tx.Bucket, tx.key, sequence))
	o, err := decodeFound(tx.key, raw, err)
	if err != nil || o == nil {
		return err
	}
	if err := tx.dropData(o); err != nil {
		return err
	}
	return tx.KV.Delete(keyVersion(tx.Bucket, tx.key, sequence))
}

// Find returns one version of the key; nil if there is none.
func (tx *Tx) Find(version string) (*Object, error) {
	o, _, _, err := tx.find(version)
	return o, err
}

// find returns a version with where it is kept, and the current one; the
// current one too where the version is not there.
func (tx *Tx) find(version string) (o *Object, at []byte, cur *Object, err error) {
	cur, err = tx.Current()
	if err != nil || cur == nil {
		return nil, nil, nil, err
	}
	if cur.Version == version {
		return cur, keyObject(tx.Bucket, tx.key), cur, nil
	}
	sequence, ok := sequenceFor(cur, version)
	if !ok {
		return nil, nil, cur, nil
	}
	at = keyVersion(tx.Bucket, tx.key, sequence)
	raw, err := tx.KV.Get(at)
	o, err = decodeFound(tx.key, raw, err)
	if err != nil || o == nil || o.Version != version {
		return nil, nil, cur, err
	}
	return o, at, cur, nil
}

// RemoveVersion deletes one version for good and returns it; nil if there is
// none. Where it was current the newest of the others becomes so (B1).
func (tx *Tx) RemoveVersion(version string) (*Object, error) {
	o, at, cur, err := tx.find(version)
	if err != nil || o == nil {
		return nil, err
	}
	if o == cur {
		return cur, tx.Drop(cur)
	}
	if version == NullVersion {
		cur.NullSequence = ""
		if err := putObject(tx.KV, keyObject(tx.Bucket, tx.key), cur); err != nil {
			return nil, err
		}
	}
	if err := tx.dropData(o); err != nil {
		return nil, err
	}
	return o, tx.KV.Delete(at)
}

// older is where the newest version of a key is that is not current.
func older(b *Bucket, key string) kv.Range {
	first := tuple.Key("v", b.ID, key)
	return kv.Range{Start: first, End: tuple.End(first), Limit: 1}
}

// promote replaces the current version, which is gone, by the newest other.
func (tx *Tx) promote(gone *Object) error {
	items, err := tx.KV.Scan(older(tx.Bucket, gone.Key))
	if err != nil {
		return err
	}
	if len(items) == 0 {
		return tx.KV.Delete(keyObject(tx.Bucket, gone.Key))
	}
	next, err := decodeObject(gone.Key, items[0].Value)
	if err != nil {
		return err
	}
	if next.Version != NullVersion {
		next.NullSequence = gone.NullSequence
	}
	if err := tx.KV.Delete(items[0].Key); err != nil {
		return err
	}
	return putObject(tx.KV, keyObject(tx.Bucket, gone.Key), next)
}

// Change edits the record of one version in place; the empty version means the
// current one. It returns the version as stored; nil if there is none.
func (tx *Tx) Change(version string, change func(o *Object) error) (*Object, error) {
	o, err := tx.Current()
	at := keyObject(tx.Bucket, tx.key)
	if err == nil && version != "" {
		o, at, _, err = tx.find(version)
	}
	if err != nil || o == nil {
		return nil, err
	}
	if err := change(o); err != nil {
		return nil, err
	}
	return o, putObject(tx.KV, at, o)
}
