package s3

import (
	"context"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/s3/locking"
	"moln.dev/moln/services/s3/op"
	"moln.dev/moln/services/s3/s3err"
	"moln.dev/moln/services/s3/store"
	"moln.dev/moln/services/s3/write"
)

func (s *Service) deleteObject(ctx context.Context, c *service.Call, in *api.DeleteObjectInput) (*api.DeleteObjectOutput, error) {
	if in.MFA != nil {
		return nil, s3err.NotImplemented("moln has no MFA delete")
	}
	b, err := s.store.Bucket(ctx, smithy.Val(in.Bucket))
	if err != nil {
		return nil, err
	}
	bypass, err := s.bypasses(ctx, c, b, smithy.Val(in.Key), in.VersionId, in.BypassGovernanceRetention)
	if err != nil {
		return nil, err
	}
	r, err := s.writer.Remove(ctx, c, write.Removal{
		Bucket: b.Name, Key: smithy.Val(in.Key), Version: in.VersionId, Bypass: bypass,
		Match: smithy.Val(in.IfMatch), Size: in.IfMatchSize, Modified: in.IfMatchLastModifiedTime,
	})
	if err != nil {
		return nil, err
	}
	out := &api.DeleteObjectOutput{VersionId: r.Version}
	if r.Marker {
		out.DeleteMarker = new(true)
	}
	return out, nil
}

// bypasses tells whether deleting a version bypasses governance: the request
// says so, it makes a difference, and the caller may.
func (s *Service) bypasses(ctx context.Context, c *service.Call, b *store.Bucket, key string, version *string, asked *bool) (bool, error) {
	if !smithy.Val(asked) || version == nil || b.Lock == nil {
		return false, nil
	}
	o, err := s.store.Version(ctx, b, key, *version)
	if err != nil || o == nil || !o.Lock.Governed(c.Now) {
		return false, err
	}
	return locking.Bypasses(ctx, c, b, key, nil)
}

func (s *Service) deleteObjects(ctx context.Context, c *service.Call, in *api.DeleteObjectsInput) (*api.DeleteObjectsOutput, error) {
	if in.MFA != nil {
		return nil, s3err.NotImplemented("moln has no MFA delete")
	}
	if in.Delete == nil || len(in.Delete.Objects) == 0 || len(in.Delete.Objects) > store.DeleteMax {
		return nil, s3err.MalformedXML()
	}
	b, err := s.store.Bucket(ctx, smithy.Val(in.Bucket))
	if err != nil {
		return nil, err
	}
	out := &api.DeleteObjectsOutput{}
	for _, id := range in.Delete.Objects {
		r := write.Removal{Bucket: b.Name, Key: smithy.Val(id.Key), Version: id.VersionId, Match: smithy.Val(id.ETag), Size: id.Size, Modified: id.LastModifiedTime}
		done, err := s.removeOne(ctx, c, b, r, in.BypassGovernanceRetention)
		s.logs.Deleted(c, b.Name, &id, err)
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
func (s *Service) removeOne(ctx context.Context, c *service.Call, b *store.Bucket, r write.Removal, bypass *bool) (write.Removed, error) {
	if err := store.CheckKey(r.Key); err != nil {
		return write.Removed{}, err
	}
	action := "s3:DeleteObject"
	keys := op.RequestKeys(c)
	if r.Version != nil {
		action = "s3:DeleteObjectVersion"
		keys["s3:versionid"] = []string{*r.Version}
	}
	if err := (op.Ask{Bucket: b, Action: action, Key: r.Key, Keys: keys}).Judge(ctx, c); err != nil {
		return write.Removed{}, err
	}
	var err error
	if r.Bypass, err = s.bypasses(ctx, c, b, r.Key, r.Version, bypass); err != nil {
		return write.Removed{}, err
	}
	return s.writer.Remove(ctx, c, r)
}

func deletedEntry(id api.ObjectIdentifier, done write.Removed) api.DeletedObject {
	d := api.DeletedObject{Key: id.Key, VersionId: id.VersionId}
	if done.Marker {
		d.DeleteMarker, d.DeleteMarkerVersionId = new(true), done.Version
	}
	return d
}
