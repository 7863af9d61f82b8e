// Package store keeps what S3 has: the records of buckets, objects, versions
// and uploads in the key-value store, and their bytes, small ones beside their
// records and large ones as blobs. It is the only part that knows keys,
// encodings and the order of writes; what a request may do is decided by those
// who use it. The key layout is in the documentation of package s3.
//
// A new configuration of buckets is a field of Bucket, a new property of
// objects a field of Object: both records are JSON, the second with some fields
// beside it, and a record without the field has its zero value.
package store

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"

	"moln.dev/moln/engine/blob"
	"moln.dev/moln/engine/clock"
	"moln.dev/moln/engine/ident"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/tuple"
	"moln.dev/moln/engine/seal"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/s3/naming"
)

// Store is all that S3 keeps. It is safe for concurrent use.
type Store struct {
	kv    *kv.DB
	blobs *blob.Store
	ids   *ident.Source
	seal  *seal.Sealer
	log   *slog.Logger
	real  clock.Clock // the machine's; see garbage

	// BucketKeys are kept for package sse.
	BucketKeys KeyCache

	buckets *kv.Decoded[string, Bucket]
	points  *kv.Decoded[naming.Point, AccessPoint]

	pieces sync.Pool // of aside

	// Dropped, if set before the store is used, is told of versions whose bytes
	// are dropped, once they are.
	Dropped func(b *Bucket, o *Object)
}

// New returns the store of a server.
func New(d service.Deps) *Store {
	return &Store{
		kv: d.KV, blobs: d.Blobs, ids: d.Ident, seal: d.Seal, log: d.Log, real: clock.System(),
		buckets: kv.NewDecoded(decodedMax, keyBucket, decodeBucket),
		points:  kv.NewDecoded(decodedMax, keyPoint, decodePoint),
	}
}

func keyBucket(name string) []byte           { return tuple.Key("b", name) }
func keyOwned(account, name string) []byte   { return tuple.Key("a", account, name) }
func keyObject(b *Bucket, key string) []byte { return tuple.Key("o", b.ID, key) }
func keyVersion(b *Bucket, key, sequence string) []byte {
	return tuple.Key("v", b.ID, key, descending(sequence))
}
func keyInline(id string) []byte { return tuple.Key("d", id) }
func keyUpload(b *Bucket, key, upload string) []byte {
	return tuple.Key("u", b.ID, key, upload)
}
func keyPart(upload string, number int) []byte { return tuple.Key("q", upload, number) }
func keyInUse(blobID string) []byte            { return tuple.Key("r", blobID) }

// Tx is a transaction on one key of a bucket. It must not be used after the
// function given to Update has returned.
type Tx struct {
	// KV is for what is done in the same transaction elsewhere, such as
	// queueing a job.
	KV *kv.Tx
	// Bucket is the bucket as it is now, to be read only.
	Bucket *Bucket

	s       *Store
	key     string
	dropped []*Object
}

// Update runs fn in a transaction that has locked one key of a bucket. It fails
// with NoSuchBucket if the bucket is gone. fn may run several times; what it
// sets outside must be set anew each time.
func (s *Store) Update(ctx context.Context, b *Bucket, key string, fn func(tx *Tx) error) error {
	return s.update(ctx, func(tx *Tx) error {
		now, err := s.again(tx.KV, b)
		if err != nil {
			return err
		}
		tx.Bucket, tx.key = now, key
		return fn(tx)
	}, keyObject(b, key))
}

func (s *Store) update(ctx context.Context, fn func(tx *Tx) error, locks ...[]byte) error {
	var last *Tx
	err := s.kv.Update(ctx, func(inner *kv.Tx) error {
		last = &Tx{KV: inner, s: s}
		return fn(last)
	}, locks...)
	if err != nil || s.Dropped == nil {
		return err
	}
	for _, o := range last.dropped {
		s.Dropped(last.Bucket, o)
	}
	return nil
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

// IsGone reports that bytes were deleted after their record was read.
func IsGone(err error) bool {
	return errors.Is(err, kv.ErrNotFound) || errors.Is(err, blob.ErrNotFound)
}
