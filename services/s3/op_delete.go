package s3

import (
	"context"
	"time"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/s3/condition"
)

func (s *Service) deleteObject(ctx context.Context, c *service.Call, in *api.DeleteObjectInput) (*api.DeleteObjectOutput, error) {
	if in.MFA != nil {
		return nil, notImplemented("moln has no MFA delete")
	}
	r, err := s.remove(ctx, c, removal{
		bucket: smithy.Val(in.Bucket), key: smithy.Val(in.Key), version: in.VersionId,
		match: smithy.Val(in.IfMatch), size: in.IfMatchSize, modified: in.IfMatchLastModifiedTime,
	})
	if err != nil {
		return nil, err
	}
	out := &api.DeleteObjectOutput{VersionId: r.version}
	if r.marker {
		out.DeleteMarker = new(true)
	}
	return out, nil
}

// removal is what is to be deleted, and on which condition.
type removal struct {
	bucket, key string
	version     *string
	match       string
	size        *int64
	modified    *time.Time
}

// removed is what became of it.
type removed struct {
	version *string // deleted, or of the marker that was made
	marker  bool    // a marker was made or deleted
	made    bool
}

func (r *removal) condition(o *object) error {
	if r.match == "" && r.size == nil && r.modified == nil {
		return nil
	}
	switch {
	case o == nil || o.Marker:
		return noSuchKey(r.key)
	case r.match != "" && !condition.MatchesETag(r.match, o.ETag),
		r.size != nil && *r.size != o.Size,
		r.modified != nil && !r.modified.Equal(o.modified()):
		return preconditionFailed()
	}
	return nil
}

// remove deletes an object, hides it by a marker, or deletes a version.
func (s *Service) remove(ctx context.Context, c *service.Call, r removal) (removed, error) {
	b, err := s.store.bucket(ctx, r.bucket)
	if err != nil {
		return removed{}, err
	}
	if r.version != nil {
		if _, ok := sequenceOf(*r.version); !ok && *r.version != nullVersion {
			return removed{}, invalidArgument("Invalid version id specified")
		}
	}
	var left pending
	var done removed
	marker := &object{Key: r.key, Marker: true, Modified: c.Now.UTC(), Sequence: s.deps.Ident.Sortable(), body: body{ID: s.deps.Ident.Sortable()}}
	err = s.store.kv.Update(ctx, func(tx *kv.Tx) error {
		left, done = pending{}, removed{}
		now, err := s.store.again(tx, b)
		if err != nil {
			return err
		}
		var ch change
		if r.version == nil {
			ch, done, err = s.hide(tx, now, r, marker, &left)
		} else {
			ch, done, err = s.removeVersion(tx, now, r, &left)
		}
		if err != nil || ch.object == nil {
			return err
		}
		return s.notify(tx, c, now, ch)
	}, keyObject(b, r.key))
	if err != nil {
		return removed{}, err
	}
	s.discard(ctx, left.garbage...)
	return done, nil
}

// hide deletes the current version: for good in a bucket without versions, by a
// delete marker in others.
func (s *Service) hide(tx *kv.Tx, b *bucket, r removal, marker *object, left *pending) (change, removed, error) {
	cur, err := currentIn(tx, b, r.key)
	if err != nil {
		return change{}, removed{}, err
	}
	if err := r.condition(cur); err != nil {
		return change{}, removed{}, err
	}
	if b.Versioning == "" {
		if cur == nil {
			return change{}, removed{}, nil
		}
		if err := dropData(tx, cur, left); err != nil {
			return change{}, removed{}, err
		}
		deleted := *cur
		deleted.Sequence = marker.Sequence
		return change{event: "ObjectRemoved:Delete", object: &deleted}, removed{}, s.store.promote(tx, b, cur)
	}
	marker.NullSequence = ""
	if err := s.store.write(tx, b, cur, marker, left); err != nil {
		return change{}, removed{}, err
	}
	return change{event: "ObjectRemoved:DeleteMarkerCreated", object: marker}, removed{version: new(marker.Version), marker: true, made: true}, nil
}

func (s *Service) removeVersion(tx *kv.Tx, b *bucket, r removal, left *pending) (change, removed, error) {
	o, err := s.store.removeVersion(tx, b, r.key, *r.version, left)
	if err != nil {
		return change{}, removed{}, err
	}
	if err := r.condition(o); err != nil {
		return change{}, removed{}, err
	}
	done := removed{version: r.version}
	if o == nil {
		return change{}, done, nil // deleting what is not there succeeds
	}
	done.marker = o.Marker
	return change{event: "ObjectRemoved:Delete", object: o}, done, nil
}

func (s *Service) deleteObjects(ctx context.Context, c *service.Call, in *api.DeleteObjectsInput) (*api.DeleteObjectsOutput, error) {
	if in.MFA != nil {
		return nil, notImplemented("moln has no MFA delete")
	}
	if in.Delete == nil || len(in.Delete.Objects) == 0 || len(in.Delete.Objects) > deleteMax {
		return nil, malformedXML()
	}
	b, err := s.store.bucket(ctx, smithy.Val(in.Bucket))
	if err != nil {
		return nil, err
	}
	out := &api.DeleteObjectsOutput{}
	for _, id := range in.Delete.Objects {
		r := removal{bucket: b.Name, key: smithy.Val(id.Key), version: id.VersionId, match: smithy.Val(id.ETag), size: id.Size, modified: id.LastModifiedTime}
		done, err := s.removeOne(ctx, c, b, r)
		if f := fault.As(err); f != nil {
			out.Errors = append(out.Errors, api.Error{Key: id.Key, VersionId: id.VersionId, Code: new(f.Code), Message: new(f.Message)})
			continue
		}
		if err != nil {
			return nil, err
		}
		if !smithy.Val(in.Delete.Quiet) {
			out.Deleted = append(out.Deleted, deletedEntry(id, done))
		}
	}
	return out, nil
}

// removeOne deletes one of many: each is authorized for itself.
func (s *Service) removeOne(ctx context.Context, c *service.Call, b *bucket, r removal) (removed, error) {
	if err := checkKey(r.key); err != nil {
		return removed{}, err
	}
	action := "s3:DeleteObject"
	keys := requestKeys(c)
	if r.version != nil {
		action = "s3:DeleteObjectVersion"
		keys["s3:versionid"] = []string{*r.version}
	}
	if err := c.Judge(ctx, s.check(c, b, action, objectARN(b.Name, r.key), keys)); err != nil {
		if f := fault.As(err); f != nil {
			return removed{}, accessDenied()
		}
		return removed{}, err
	}
	return s.remove(ctx, c, r)
}

func deletedEntry(id api.ObjectIdentifier, done removed) api.DeletedObject {
	d := api.DeletedObject{Key: id.Key, VersionId: id.VersionId}
	if done.marker {
		d.DeleteMarker, d.DeleteMarkerVersionId = new(true), done.version
	}
	return d
}
