package store

import (
	"context"
	"errors"
	"fmt"

	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/tuple"
	"moln.dev/moln/platform/service"
)

// scrub is one pass over all that is kept.
type scrub struct {
	*Store
	found func(service.Damage)
	total service.Scrubbed
}

// Scrub reads every byte of every version and of every part of an upload,
// compares it with its checksums, and removes garbage. It holds one page of
// records and one block in memory. Objects that are written or deleted
// meanwhile may be missed, and are not taken for damage.
func (s *Store) Scrub(ctx context.Context, found func(service.Damage)) (service.Scrubbed, error) {
	c := &scrub{Store: s, found: found}
	err := c.each(ctx, service.Damage{}, tuple.Key("b"), func(it kv.Item) error {
		b, err := decodeBucket(it.Value)
		if err != nil {
			name, _ := lastString(it.Key, 1)
			c.damaged(service.Damage{Bucket: name, Reason: err.Error()})
			return nil
		}
		return c.bucket(ctx, b)
	})
	if err != nil {
		return c.total, err
	}
	n, err := s.Collect(ctx, Grace, SweepAge)
	c.total.Garbage += int64(n)
	return c.total, err
}

func (c *scrub) damaged(d service.Damage) {
	d.Service = "s3"
	c.total.Damaged++
	c.found(d)
}

// each calls fn with the records below a prefix. Records that cannot be read
// are damage of where they belong to, and end this walk only.
func (c *scrub) each(ctx context.Context, where service.Damage, prefix []byte, fn func(kv.Item) error) error {
	var inner error
	err := c.kv.Each(ctx, kv.Prefix(prefix), func(it kv.Item) (bool, error) {
		inner = fn(it)
		return inner == nil, inner
	})
	if inner == nil && errors.Is(err, kv.ErrCorrupt) {
		where.Reason = "records cannot be read: " + err.Error()
		c.damaged(where)
		return nil
	}
	return err
}

func (c *scrub) bucket(ctx context.Context, b *Bucket) error {
	for _, kind := range []string{"o", "v"} {
		err := c.each(ctx, service.Damage{Bucket: b.Name}, tuple.Key(kind, b.ID), func(it kv.Item) error {
			key, err := lastString(it.Key, 2)
			if err != nil {
				c.damaged(service.Damage{Bucket: b.Name, Reason: "key of a record: " + err.Error()})
				return nil
			}
			o, err := decodeObject(key, it.Value)
			if err != nil {
				c.damaged(service.Damage{Bucket: b.Name, Key: key, Reason: err.Error()})
				return nil
			}
			return c.object(ctx, b, o)
		})
		if err != nil {
			return err
		}
	}
	return c.each(ctx, service.Damage{Bucket: b.Name}, tuple.Key("u", b.ID), func(it kv.Item) error {
		u, err := decodeUpload(it)
		if err != nil {
			c.damaged(service.Damage{Bucket: b.Name, Reason: err.Error()})
			return nil
		}
		return c.upload(ctx, b, u)
	})
}

// object reads one version to its end; nil goes on with the next.
func (c *scrub) object(ctx context.Context, b *Bucket, o *Object) error {
	if o.Marker {
		return nil
	}
	c.total.Objects++
	err := c.readObject(ctx, o)
	if err == nil {
		return nil
	}
	var d *DamageError
	if !errors.As(c.damage(ctx, b, o, err), &d) {
		if IsGone(err) {
			return nil // replaced or deleted meanwhile
		}
		return err
	}
	c.damaged(service.Damage{Bucket: b.Name, Key: o.Key, Version: o.Version, Part: d.Part, Reason: d.Reason})
	return nil
}

func (c *scrub) readObject(ctx context.Context, o *Object) error {
	if o.Parts == 0 {
		return c.read(ctx, o.Body, o.small)
	}
	list, err := c.partList(ctx, o.PartsID())
	if err != nil {
		return err
	}
	size, damage := int64(0), error(nil)
	for n := range list.index.Starts {
		chunk, err := list.chunk(n)
		if err != nil {
			return err
		}
		for _, p := range chunk {
			size += p.Size
			if err := c.read(ctx, p.Body, nil); err != nil {
				if !isRot(err) || ctx.Err() != nil {
					return err
				}
				damage = &partError{p.Number, err} // the last one is told
			}
		}
	}
	if damage == nil && size != o.Size {
		damage = fmt.Errorf("%w: %d bytes in the parts of %d", errBody, size, o.Size)
	}
	return damage
}

// read reads one body to its end as it is stored: its key need not be had,
// so that objects whose outer keys are elsewhere are checked as well.
func (c *scrub) read(ctx context.Context, b Body, small []byte) error {
	c.total.Bytes += b.Size
	if len(b.DataKey) > 0 {
		if _, err := c.seal.Open(dataKeyPurpose+b.ID, b.DataKey); err != nil {
			return err
		}
	}
	switch {
	case !b.Blob.IsZero():
		return c.blobs.Verify(ctx, b.Blob)
	case b.Size == 0:
		return nil
	}
	_, err := c.inline(ctx, b, small)
	return err
}

// upload reads the parts of an upload that goes on.
func (c *scrub) upload(ctx context.Context, b *Bucket, u *Upload) error {
	for after := 0; ; {
		parts, err := c.UploadParts(ctx, u, after, partsChunk)
		if err != nil || len(parts) == 0 {
			return err
		}
		for _, p := range parts {
			c.total.Objects++
			if err := c.read(ctx, p.Body, nil); err != nil {
				if !isRot(err) || ctx.Err() != nil {
					return err
				}
				if IsGone(err) && !c.hasPart(ctx, b, u, p) {
					continue
				}
				c.damaged(service.Damage{Bucket: b.Name, Key: u.Key, Upload: u.ID, Part: p.Number, Reason: err.Error()})
			}
		}
		after = parts[len(parts)-1].Number
	}
}

// hasPart tells whether a part is still that of its upload.
func (c *scrub) hasPart(ctx context.Context, b *Bucket, u *Upload, p Part) bool {
	if _, err := c.Upload(ctx, b, u.Key, u.ID); err != nil {
		return false
	}
	now, err := c.UploadParts(ctx, u, p.Number-1, 1)
	return err == nil && len(now) == 1 && now[0].ID == p.ID
}
