package s3

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/engine/blob"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/tuple"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/s3/access"
)

// store is the only part that knows keys and encodings.
type store struct {
	kv *kv.DB

	mu sync.Mutex
	// decoded keeps what a bucket's record decodes to, by its bytes: policies
	// are compiled once. It is a cache of a pure function, never stale.
	decoded map[string]decodedBucket
}

type decodedBucket struct {
	raw []byte
	b   *bucket
}

// decodedMax bounds the cache of decoded buckets.
const decodedMax = 1024

func newStore(d service.Deps) *store {
	return &store{kv: d.KV, decoded: map[string]decodedBucket{}}
}

func keyBucket(name string) []byte           { return tuple.Key("b", name) }
func keyOwned(account, name string) []byte   { return tuple.Key("a", account, name) }
func keyObject(b *bucket, key string) []byte { return tuple.Key("o", b.ID, key) }
func keyVersion(b *bucket, key, sequence string) []byte {
	return tuple.Key("v", b.ID, key, descending(sequence))
}
func keyInline(id string) []byte { return tuple.Key("d", id) }
func keyParts(id string) []byte  { return tuple.Key("p", id) }
func keyUpload(b *bucket, key, upload string) []byte {
	return tuple.Key("u", b.ID, key, upload)
}
func keyPart(upload string, number int) []byte { return tuple.Key("q", upload, number) }
func keyInUse(blobID string) []byte            { return tuple.Key("r", blobID) }

// bucket returns a bucket, or the NoSuchBucket fault.
func (s *store) bucket(ctx context.Context, name string) (*bucket, error) {
	raw, err := s.kv.Get(ctx, keyBucket(name))
	return s.found(name, raw, err)
}

func (s *store) bucketIn(tx *kv.Tx, name string) (*bucket, error) {
	raw, err := tx.Get(keyBucket(name))
	return s.found(name, raw, err)
}

// again loads the bucket that b was, inside a transaction.
func (s *store) again(tx *kv.Tx, b *bucket) (*bucket, error) {
	now, err := s.bucketIn(tx, b.Name)
	if err != nil {
		return nil, err
	}
	if now.ID != b.ID {
		return nil, noSuchBucket(b.Name)
	}
	return now, nil
}

func (s *store) found(name string, raw []byte, err error) (*bucket, error) {
	if errors.Is(err, kv.ErrNotFound) {
		return nil, noSuchBucket(name)
	}
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	have, ok := s.decoded[name]
	s.mu.Unlock()
	if ok && bytes.Equal(have.raw, raw) {
		return have.b, nil
	}
	b, err := decodeBucket(raw)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.decoded) >= decodedMax {
		clear(s.decoded)
	}
	s.decoded[name] = decodedBucket{raw, b}
	return b, nil
}

func decodeBucket(raw []byte) (*bucket, error) {
	b := new(bucket)
	if err := json.Unmarshal(raw, b); err != nil {
		return nil, fmt.Errorf("s3: bucket record: %w", err)
	}
	if b.Policy == "" {
		return b, nil
	}
	p, err := policy.Parse([]byte(b.Policy), policy.Resource)
	if err != nil {
		return nil, fmt.Errorf("s3: policy of bucket %s: %w", b.Name, err)
	}
	b.compiled = p.Named(b.Name)
	b.isPublic = access.IsPublic([]byte(b.Policy))
	return b, nil
}

// createBucket stores a new bucket; taken is the one that has the name.
func (s *store) createBucket(ctx context.Context, b *bucket) (taken *bucket, err error) {
	err = s.kv.Update(ctx, func(tx *kv.Tx) error {
		taken = nil
		raw, err := tx.Get(keyBucket(b.Name))
		if err == nil {
			taken, err = decodeBucket(raw)
			return err
		}
		if !errors.Is(err, kv.ErrNotFound) {
			return err
		}
		if err := tx.Put(keyOwned(b.Account, b.Name), nil); err != nil {
			return err
		}
		return putJSON(tx, keyBucket(b.Name), b)
	}, keyBucket(b.Name))
	return taken, err
}

// changeBucket lets change edit a copy of the bucket and stores it.
func (s *store) changeBucket(ctx context.Context, name string, change func(b *bucket) error) error {
	return s.kv.Update(ctx, func(tx *kv.Tx) error {
		now, err := s.bucketIn(tx, name)
		if err != nil {
			return err
		}
		b := *now
		if err := change(&b); err != nil {
			return err
		}
		return putJSON(tx, keyBucket(name), &b)
	}, keyBucket(name))
}

// deleteBucket deletes an empty bucket and its uploads; notEmpty is returned if
// it is not (B5). The blobs of uploads' parts become garbage.
func (s *store) deleteBucket(ctx context.Context, name string, notEmpty error) error {
	for {
		more, err := s.deleteSomeUploads(ctx, name)
		if err != nil {
			return err
		}
		if !more {
			break
		}
	}
	return s.kv.Update(ctx, func(tx *kv.Tx) error {
		b, err := s.bucketIn(tx, name)
		if err != nil {
			return err
		}
		items, err := tx.Scan(kv.Range{Start: tuple.Key("o", b.ID), End: kv.Prefix(tuple.Key("o", b.ID)).End, Limit: 1})
		if err != nil {
			return err
		}
		if len(items) > 0 {
			return notEmpty
		}
		if err := tx.Delete(keyOwned(b.Account, name)); err != nil {
			return err
		}
		r := kv.Prefix(tuple.Key("u", b.ID))
		if err := tx.DeleteRange(r.Start, r.End); err != nil {
			return err
		}
		return tx.Delete(keyBucket(name))
	}, keyBucket(name))
}

// deleteSomeUploads ends one upload of a bucket that is empty otherwise.
func (s *store) deleteSomeUploads(ctx context.Context, name string) (more bool, err error) {
	b, err := s.bucket(ctx, name)
	if err != nil {
		return false, err
	}
	r := kv.Prefix(tuple.Key("o", b.ID))
	r.Limit = 1
	items, err := s.kv.Scan(ctx, r)
	if err != nil || len(items) > 0 {
		return false, err
	}
	r = kv.Prefix(tuple.Key("u", b.ID))
	r.Limit = 1
	items, err = s.kv.Scan(ctx, r)
	if err != nil || len(items) == 0 {
		return false, err
	}
	u, err := decodeUpload(items[0])
	if err != nil {
		return false, err
	}
	_, err = s.endUpload(ctx, b, u.Key, u.ID)
	return true, err
}

// owned calls fn with the account's buckets by name, from after on.
func (s *store) owned(ctx context.Context, account, prefix, after string, fn func(b *bucket) (bool, error)) error {
	r := kv.Prefix(tuple.AppendStringPrefix(tuple.Key("a", account), prefix))
	if after != "" {
		if start := r.After(keyOwned(account, after)).Start; bytes.Compare(start, r.Start) > 0 {
			r.Start = start
		}
	}
	return s.kv.Each(ctx, r, func(it kv.Item) (bool, error) {
		name, err := lastString(it.Key, 2)
		if err != nil {
			return false, err
		}
		b, err := s.bucket(ctx, name)
		if isNoSuchBucket(err) {
			return true, nil // deleted meanwhile
		}
		if err != nil {
			return false, err
		}
		return fn(b)
	})
}

// lastString skips parts of a key and decodes the string after them.
func lastString(key []byte, skip int) (string, error) {
	for range skip {
		var err error
		if _, key, err = tuple.DecodeString(key); err != nil {
			return "", err
		}
	}
	s, _, err := tuple.DecodeString(key)
	return s, err
}

func putJSON(tx *kv.Tx, key []byte, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return tx.Put(key, raw)
}

// current returns the current version of a key, which may be a delete marker;
// nil if there is none.
func (s *store) current(ctx context.Context, b *bucket, key string) (*object, error) {
	raw, err := s.kv.Get(ctx, keyObject(b, key))
	return decodeFound(key, raw, err)
}

func currentIn(tx *kv.Tx, b *bucket, key string) (*object, error) {
	raw, err := tx.Get(keyObject(b, key))
	return decodeFound(key, raw, err)
}

func decodeFound(key string, raw []byte, err error) (*object, error) {
	if errors.Is(err, kv.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return decodeObject(key, raw)
}

func decodeObject(key string, raw []byte) (*object, error) {
	o := &object{Key: key}
	if err := json.Unmarshal(raw, o); err != nil {
		return nil, fmt.Errorf("s3: object record: %w", err)
	}
	return o, nil
}

// version returns one version of a key; nil if there is none.
func (s *store) version(ctx context.Context, b *bucket, key, version string) (*object, error) {
	cur, err := s.current(ctx, b, key)
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
func sequenceFor(cur *object, version string) (string, bool) {
	if version == nullVersion {
		return cur.NullSequence, cur.NullSequence != ""
	}
	return sequenceOf(version)
}

// pending is what a transaction leaves to do: blobs that nothing names any more.
type pending struct{ garbage []blob.Ref }

// dropData removes the bytes of a version. Its blobs are garbage once the
// transaction is committed (B2).
func dropData(tx *kv.Tx, o *object, p *pending) error {
	switch {
	case o.Marker:
		return nil
	case o.Parts > 0:
		parts, err := partsIn(tx, o.ID)
		if err != nil {
			return err
		}
		for _, part := range parts {
			if err := dropBlob(tx, part.Blob, p); err != nil {
				return err
			}
		}
		return tx.Delete(keyParts(o.ID))
	case !o.Blob.IsZero():
		return dropBlob(tx, o.Blob, p)
	}
	return tx.Delete(keyInline(o.ID))
}

func dropBlob(tx *kv.Tx, ref blob.Ref, p *pending) error {
	if ref.IsZero() {
		return nil
	}
	p.garbage = append(p.garbage, ref)
	return tx.Delete(keyInUse(ref.ID))
}

// data is the bytes of a new version: inline, or named by its body.
type data struct {
	inline []byte
	parts  []part
}

func putData(tx *kv.Tx, o *object, d data) error {
	switch {
	case len(d.parts) > 0:
		return putJSON(tx, keyParts(o.ID), d.parts) // their "r" entries exist
	case !o.Blob.IsZero():
		return tx.Put(keyInUse(o.Blob.ID), nil)
	}
	return tx.Put(keyInline(o.ID), d.inline)
}

// write makes o the current version of its key, as the bucket's versioning
// says, and sets its version id. The version that it replaces is kept or
// dropped.
func (s *store) write(tx *kv.Tx, b *bucket, cur, o *object, p *pending) error {
	o.Version = nullVersion
	if b.Versioning == versioningEnabled {
		o.Version = o.Sequence + o.ID[len(o.ID)-versionRandom:]
	}
	if cur != nil {
		if err := s.retire(tx, b, cur, o, p); err != nil {
			return err
		}
	}
	return putJSON(tx, keyObject(b, o.Key), o)
}

// retire makes room for o: cur is kept as an older version, or dropped where o
// takes the place of the null version.
func (s *store) retire(tx *kv.Tx, b *bucket, cur, o *object, p *pending) error {
	o.NullSequence = cur.NullSequence
	if cur.Version == o.Version {
		return dropData(tx, cur, p)
	}
	if o.Version == nullVersion && cur.NullSequence != "" {
		if err := s.dropVersion(tx, b, o.Key, cur.NullSequence, p); err != nil {
			return err
		}
		o.NullSequence = ""
	}
	if cur.Version == nullVersion {
		o.NullSequence = cur.Sequence
	}
	old := *cur
	old.NullSequence = ""
	return putJSON(tx, keyVersion(b, o.Key, cur.Sequence), &old)
}

// dropVersion removes a version that is not current.
func (s *store) dropVersion(tx *kv.Tx, b *bucket, key, sequence string, p *pending) error {
	raw, err := tx.Get(keyVersion(b, key, sequence))
	o, err := decodeFound(key, raw, err)
	if err != nil || o == nil {
		return err
	}
	if err := dropData(tx, o, p); err != nil {
		return err
	}
	return tx.Delete(keyVersion(b, key, sequence))
}

// removeVersion deletes one version for good and returns it; nil if there is
// none. Where it was current the newest of the others becomes so (B1).
func (s *store) removeVersion(tx *kv.Tx, b *bucket, key, version string, p *pending) (*object, error) {
	cur, err := currentIn(tx, b, key)
	if err != nil || cur == nil {
		return nil, err
	}
	if cur.Version == version {
		if err := dropData(tx, cur, p); err != nil {
			return nil, err
		}
		return cur, s.promote(tx, b, cur)
	}
	sequence, ok := sequenceFor(cur, version)
	if !ok {
		return nil, nil
	}
	raw, err := tx.Get(keyVersion(b, key, sequence))
	o, err := decodeFound(key, raw, err)
	if err != nil || o == nil || o.Version != version {
		return nil, err
	}
	if version == nullVersion {
		cur.NullSequence = ""
		if err := putJSON(tx, keyObject(b, key), cur); err != nil {
			return nil, err
		}
	}
	return o, s.dropVersion(tx, b, key, sequence, p)
}

// promote replaces the current version, which is gone, by the newest other.
func (s *store) promote(tx *kv.Tx, b *bucket, gone *object) error {
	r := kv.Prefix(tuple.Key("v", b.ID, gone.Key))
	r.Limit = 1
	items, err := tx.Scan(r)
	if err != nil {
		return err
	}
	if len(items) == 0 {
		return tx.Delete(keyObject(b, gone.Key))
	}
	next, err := decodeObject(gone.Key, items[0].Value)
	if err != nil {
		return err
	}
	if next.Version != nullVersion {
		next.NullSequence = gone.NullSequence
	}
	if err := tx.Delete(items[0].Key); err != nil {
		return err
	}
	return putJSON(tx, keyObject(b, gone.Key), next)
}

// changeVersion edits the record of one version in place; nil version means
// the current one. It returns the version as stored; nil if there is none.
func (s *store) changeVersion(tx *kv.Tx, b *bucket, key, version string, change func(o *object) error) (*object, error) {
	o, err := currentIn(tx, b, key)
	if err != nil || o == nil {
		return nil, err
	}
	at := keyObject(b, key)
	if version != "" && o.Version != version {
		sequence, ok := sequenceFor(o, version)
		if !ok {
			return nil, nil
		}
		at = keyVersion(b, key, sequence)
		raw, err := tx.Get(at)
		o, err = decodeFound(key, raw, err)
		if err != nil || o == nil || o.Version != version {
			return nil, err
		}
	}
	if err := change(o); err != nil {
		return nil, err
	}
	return o, putJSON(tx, at, o)
}

// inline returns the stored bytes of a small body.
func (s *store) inline(ctx context.Context, id string) ([]byte, error) {
	return s.kv.Get(ctx, keyInline(id))
}

// parts returns the parts of an object that was uploaded in parts.
func (s *store) parts(ctx context.Context, id string) ([]part, error) {
	raw, err := s.kv.Get(ctx, keyParts(id))
	if err != nil {
		return nil, err
	}
	return decodeParts(raw)
}

func partsIn(tx *kv.Tx, id string) ([]part, error) {
	raw, err := tx.Get(keyParts(id))
	if err != nil {
		return nil, err
	}
	return decodeParts(raw)
}

func decodeParts(raw []byte) ([]part, error) {
	var parts []part
	if err := json.Unmarshal(raw, &parts); err != nil {
		return nil, fmt.Errorf("s3: parts record: %w", err)
	}
	return parts, nil
}

// upload returns a multipart upload; nil if there is none.
func (s *store) upload(ctx context.Context, b *bucket, key, id string) (*upload, error) {
	raw, err := s.kv.Get(ctx, keyUpload(b, key, id))
	return foundUpload(key, id, raw, err)
}

func uploadIn(tx *kv.Tx, b *bucket, key, id string) (*upload, error) {
	raw, err := tx.Get(keyUpload(b, key, id))
	return foundUpload(key, id, raw, err)
}

func foundUpload(key, id string, raw []byte, err error) (*upload, error) {
	if errors.Is(err, kv.ErrNotFound) {
		return nil, noSuchUpload(id)
	}
	if err != nil {
		return nil, err
	}
	u := &upload{Key: key, ID: id}
	if err := json.Unmarshal(raw, u); err != nil {
		return nil, fmt.Errorf("s3: upload record: %w", err)
	}
	return u, nil
}

func decodeUpload(it kv.Item) (*upload, error) {
	key, err := lastString(it.Key, 2)
	if err != nil {
		return nil, err
	}
	id, err := lastString(it.Key, 3)
	if err != nil {
		return nil, err
	}
	return foundUpload(key, id, it.Value, nil)
}

// putUpload stores a new upload.
func (s *store) putUpload(ctx context.Context, b *bucket, u *upload) error {
	return s.kv.Update(ctx, func(tx *kv.Tx) error {
		if _, err := s.again(tx, b); err != nil {
			return err
		}
		return putJSON(tx, keyUpload(b, u.Key, u.ID), u)
	})
}

// putPart stores a part of an upload and returns the blob of the one it
// replaces.
func (s *store) putPart(ctx context.Context, b *bucket, u *upload, p *part) (pending, error) {
	var left pending
	at := keyPart(u.ID, p.Number)
	err := s.kv.Update(ctx, func(tx *kv.Tx) error {
		left = pending{}
		if _, err := uploadIn(tx, b, u.Key, u.ID); err != nil {
			return err
		}
		raw, err := tx.Get(at)
		if err == nil {
			var old part
			if err := json.Unmarshal(raw, &old); err != nil {
				return err
			}
			if err := dropBlob(tx, old.Blob, &left); err != nil {
				return err
			}
		} else if !errors.Is(err, kv.ErrNotFound) {
			return err
		}
		if err := tx.Put(keyInUse(p.Blob.ID), nil); err != nil {
			return err
		}
		return putJSON(tx, at, p)
	}, at)
	return left, err
}

// uploadParts returns the parts of an upload by number, from after on; limit 0
// is all.
func uploadParts(scan func(kv.Range) ([]kv.Item, error), uploadID string, after, limit int) ([]part, error) {
	r := kv.Prefix(tuple.Key("q", uploadID))
	if after > 0 {
		r = r.After(keyPart(uploadID, after))
	}
	var out []part
	for {
		if limit > 0 {
			r.Limit = limit - len(out)
		}
		items, err := scan(r)
		if err != nil {
			return nil, err
		}
		for _, it := range items {
			var p part
			if err := json.Unmarshal(it.Value, &p); err != nil {
				return nil, fmt.Errorf("s3: part record: %w", err)
			}
			out = append(out, p)
		}
		if !r.More(items) || (limit > 0 && len(out) >= limit) {
			return out, nil
		}
		r = r.After(items[len(items)-1].Key)
	}
}

// dropUpload removes an upload and its parts, except the blobs of kept.
func dropUpload(tx *kv.Tx, b *bucket, u *upload, parts []part, kept map[int]bool, p *pending) error {
	for _, part := range parts {
		if kept[part.Number] {
			continue
		}
		if err := dropBlob(tx, part.Blob, p); err != nil {
			return err
		}
	}
	r := kv.Prefix(tuple.Key("q", u.ID))
	if err := tx.DeleteRange(r.Start, r.End); err != nil {
		return err
	}
	return tx.Delete(keyUpload(b, u.Key, u.ID))
}

// endUpload aborts an upload.
func (s *store) endUpload(ctx context.Context, b *bucket, key, id string) (pending, error) {
	var left pending
	err := s.kv.Update(ctx, func(tx *kv.Tx) error {
		left = pending{}
		u, err := uploadIn(tx, b, key, id)
		if err != nil {
			return err
		}
		parts, err := uploadParts(tx.Scan, id, 0, 0)
		if err != nil {
			return err
		}
		return dropUpload(tx, b, u, parts, nil, &left)
	}, keyUpload(b, key, id))
	return left, err
}

// inUse reports whether metadata names a blob.
func (s *store) inUse(ctx context.Context, blobID string) (bool, error) {
	_, err := s.kv.Get(ctx, keyInUse(blobID))
	if errors.Is(err, kv.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// isNoSuchBucket reports the fault that bucket returns.
func isNoSuchBucket(err error) bool { return fault.Is(err, "NoSuchBucket") }
