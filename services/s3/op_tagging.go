package s3

import (
	"context"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/s3/notify"
	"moln.dev/moln/services/s3/op"
	"moln.dev/moln/services/s3/s3err"
	"moln.dev/moln/services/s3/store"
	"moln.dev/moln/services/s3/tagging"
)

func (s *Service) putObjectTagging(ctx context.Context, c *service.Call, in *api.PutObjectTaggingInput) (*api.PutObjectTaggingOutput, error) {
	if in.Tagging == nil {
		return nil, s3err.MalformedXML()
	}
	tags, err := tagging.Of(in.Tagging.TagSet, tagging.ObjectMax)
	if err != nil {
		return nil, err
	}
	version, err := s.setTags(ctx, c, op.AimOf(in), tags, "ObjectTagging:Put")
	return &api.PutObjectTaggingOutput{VersionId: version}, err
}

func (s *Service) deleteObjectTagging(ctx context.Context, c *service.Call, in *api.DeleteObjectTaggingInput) (*api.DeleteObjectTaggingOutput, error) {
	version, err := s.setTags(ctx, c, op.AimOf(in), nil, "ObjectTagging:Delete")
	return &api.DeleteObjectTaggingOutput{VersionId: version}, err
}

// setTags replaces the tags of one version, and queues the event (B3).
func (s *Service) setTags(ctx context.Context, c *service.Call, at op.Aim, tags []tagging.Tag, event string) (*string, error) {
	b, o, err := op.Locate(ctx, c, s.store, at)
	if err != nil {
		return nil, err
	}
	err = s.store.Update(ctx, b, at.Key, func(tx *store.Tx) error {
		o, err = tx.Change(smithy.Val(at.Version), func(o *store.Object) error {
			if o.Marker {
				return s3err.NoSuchKey(at.Key)
			}
			o.Tags = tags
			return nil
		})
		if err == nil && o == nil {
			err = s3err.NoSuchKey(at.Key)
		}
		if err != nil {
			return err
		}
		return s.events.Queue(tx, c, notify.Change{Event: event, Object: o})
	})
	if err != nil {
		return nil, err
	}
	return store.VisibleVersion(b, o), nil
}

func (s *Service) getObjectTagging(ctx context.Context, c *service.Call, in *api.GetObjectTaggingInput) (*api.GetObjectTaggingOutput, error) {
	b, o, err := op.Locate(ctx, c, s.store, op.AimOf(in))
	if err != nil {
		return nil, err
	}
	return &api.GetObjectTaggingOutput{TagSet: tagging.API(o.Tags), VersionId: store.VisibleVersion(b, o)}, nil
}
