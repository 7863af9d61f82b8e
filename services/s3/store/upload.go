package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/tuple"
	"moln.dev/moln/services/s3/checksum"
	"moln.dev/moln/services/s3/listing"
	"moln.dev/moln/services/s3/s3err"
)

// Upload is a multipart upload that goes on.
type Upload struct {
	Key       string `json:"-"`
	ID        string `json:"-"`
	Initiated time.Time
	Initiator string // ARN of who began it
	// Template is the object that the upload becomes, without its body.
	Template  Object
	Algorithm string // of checksums; empty: CRC64NVME, unless parts have others
	SumType   string // as asked for; empty: the algorithm's default
}

// Part is a part of an upload, and then of an object.
type Part struct {
	Number   int
	Modified time.Time
	ETag     string
	Sums     checksum.Values `json:",omitempty"`

	Body
}

// Upload returns a multipart upload, or the NoSuchUpload fault.
func (s *Store) Upload(ctx context.Context, b *Bucket, key, id string) (*Upload, error) {
	raw, err := s.kv.Get(ctx, keyUpload(b, key, id))
	return foundUpload(key, id, raw, err)
}

func uploadIn(tx *kv.Tx, b *Bucket, key, id string) (*Upload, error) {
	raw, err := tx.Get(keyUpload(b, key, id))
	return foundUpload(key, id, raw, err)
}

func foundUpload(key, id string, raw []byte, err error) (*Upload, error) {
	if errors.Is(err, kv.ErrNotFound) {
		return nil, s3err.NoSuchUpload(id)
	}
	if err != nil {
		return nil, err
	}
	u := &Upload{Key: key, ID: id}
	if err := json.Unmarshal(raw, u); err != nil {
		return nil, fmt.Errorf("s3: upload record: %w", err)
	}
	return u, nil
}

func decodeUpload(it kv.Item) (*Upload, error) {
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

// PutUpload stores a new upload.
func (s *Store) PutUpload(ctx context.Context, b *Bucket, u *Upload) error {
	return s.kv.Update(ctx, func(tx *kv.Tx) error {
		if _, err := s.again(tx, b); err != nil {
			return err
		}
		return putJSON(tx, keyUpload(b, u.Key, u.ID), u)
	})
}

// PutPart stores a part of an upload, in place of one of the same number.
func (s *Store) PutPart(ctx context.Context, b *Bucket, u *Upload, p *Part) error {
	at := keyPart(u.ID, p.Number)
	return s.update(ctx, func(tx *Tx) error {
		if _, err := uploadIn(tx.KV, b, u.Key, u.ID); err != nil {
			return err
		}
		raw, err := tx.KV.Get(at)
		if err == nil {
			var old Part
			if err := json.Unmarshal(raw, &old); err != nil {
				return err
			}
			if err := tx.leave(old.ID, garbage{Blobs: []string{old.Blob.ID}}); err != nil {
				return err
			}
		} else if !errors.Is(err, kv.ErrNotFound) {
			return err
		}
		if err := tx.KV.Put(keyInUse(p.Blob.ID), nil); err != nil {
			return err
		}
		return putJSON(tx.KV, at, p)
	}, at)
}

// UploadParts returns the parts of an upload by number, from after on; limit 0
// is all.
func (s *Store) UploadParts(ctx context.Context, u *Upload, after, limit int) ([]Part, error) {
	return uploadParts(func(r kv.Range) ([]kv.Item, error) { return s.kv.Scan(ctx, r) }, u.ID, after, limit)
}

func uploadParts(scan func(kv.Range) ([]kv.Item, error), uploadID string, after, limit int) ([]Part, error) {
	r := kv.Prefix(tuple.Key("q", uploadID))
	if after > 0 {
		r = r.After(keyPart(uploadID, after))
	}
	var out []Part
	for {
		if limit > 0 {
			r.Limit = limit - len(out)
		}
		items, err := scan(r)
		if err != nil {
			return nil, err
		}
		for _, it := range items {
			var p Part
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

// FinishUpload removes an upload in the transaction that makes its parts an
// object. changed is returned if one of chosen was replaced meanwhile; the
// parts that were not chosen are dropped.
func (tx *Tx) FinishUpload(u *Upload, chosen []Part, changed error) error {
	if _, err := uploadIn(tx.KV, tx.Bucket, u.Key, u.ID); err != nil {
		return err
	}
	now, err := uploadParts(tx.KV.Scan, u.ID, 0, 0)
	if err != nil {
		return err
	}
	ids := map[string]bool{}
	for _, p := range now {
		ids[p.ID] = true
	}
	kept := map[int]bool{}
	for _, p := range chosen {
		kept[p.Number] = true
		if !ids[p.ID] {
			return changed
		}
	}
	var unused garbage
	for _, p := range now {
		if !kept[p.Number] {
			unused.Blobs = append(unused.Blobs, p.Blob.ID)
		}
	}
	if len(unused.Blobs) > 0 {
		if err := tx.leave(u.ID, unused); err != nil {
			return err
		}
	}
	r := kv.Prefix(tuple.Key("q", u.ID))
	if err := tx.KV.DeleteRange(r.Start, r.End); err != nil {
		return err
	}
	return tx.KV.Delete(keyUpload(tx.Bucket, u.Key, u.ID))
}

// EndUpload aborts an upload. Its parts become garbage.
func (s *Store) EndUpload(ctx context.Context, b *Bucket, key, id string) error {
	at := keyUpload(b, key, id)
	return s.update(ctx, func(tx *Tx) error {
		if _, err := uploadIn(tx.KV, b, key, id); err != nil {
			return err
		}
		if err := tx.leave(id, garbage{Upload: true}); err != nil {
			return err
		}
		return tx.KV.Delete(at)
	}, at)
}

// ListUploads calls fn with the uploads of one page, by key and then by when
// they began.
func (s *Store) ListUploads(ctx context.Context, b *Bucket, l *listing.Listing, marker string, fn func(u *Upload)) (*listing.Page, error) {
	w := listing.New(ctx, s.kv, tuple.Key("u", b.ID), l)
	if marker != "" {
		w.From(kv.Range{}.After(keyUpload(b, l.After, marker)).Start)
	}
	return w.Walk(func(kv.Item) (bool, error) { return true, nil }, func(_ string, it kv.Item) error {
		u, err := decodeUpload(it)
		if err == nil {
			fn(u)
		}
		return err
	})
}
