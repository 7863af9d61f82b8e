package s3

import (
	"context"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/s3/tagging"
)

func (s *Service) putBucketTagging(ctx context.Context, c *service.Call, in *api.PutBucketTaggingInput) (*api.PutBucketTaggingOutput, error) {
	if in.Tagging == nil {
		return nil, malformedXML()
	}
	tags, err := tagging.Of(in.Tagging.TagSet, tagging.BucketMax)
	if err != nil {
		return nil, err
	}
	return nil, s.store.changeBucket(ctx, smithy.Val(in.Bucket), func(b *bucket) error {
		b.Tags = tags
		return nil
	})
}

func (s *Service) getBucketTagging(ctx context.Context, _ *service.Call, in *api.GetBucketTaggingInput) (*api.GetBucketTaggingOutput, error) {
	b, err := s.store.bucket(ctx, smithy.Val(in.Bucket))
	if err != nil {
		return nil, err
	}
	if len(b.Tags) == 0 {
		return nil, notFound("NoSuchTagSet", "The TagSet does not exist")
	}
	return &api.GetBucketTaggingOutput{TagSet: tagging.API(b.Tags)}, nil
}

func (s *Service) deleteBucketTagging(ctx context.Context, _ *service.Call, in *api.DeleteBucketTaggingInput) (*api.DeleteBucketTaggingOutput, error) {
	return nil, s.store.changeBucket(ctx, smithy.Val(in.Bucket), func(b *bucket) error {
		b.Tags = nil
		return nil
	})
}

func (s *Service) putObjectTagging(ctx context.Context, c *service.Call, in *api.PutObjectTaggingInput) (*api.PutObjectTaggingOutput, error) {
	if in.Tagging == nil {
		return nil, malformedXML()
	}
	tags, err := tagging.Of(in.Tagging.TagSet, tagging.ObjectMax)
	if err != nil {
		return nil, err
	}
	version, err := s.setTags(ctx, c, aimOf(in), tags)
	return &api.PutObjectTaggingOutput{VersionId: version}, err
}

func (s *Service) deleteObjectTagging(ctx context.Context, c *service.Call, in *api.DeleteObjectTaggingInput) (*api.DeleteObjectTaggingOutput, error) {
	version, err := s.setTags(ctx, c, aimOf(in), nil)
	return &api.DeleteObjectTaggingOutput{VersionId: version}, err
}

// setTags replaces the tags of one version.
func (s *Service) setTags(ctx context.Context, c *service.Call, at aim, tags []tagging.Tag) (*string, error) {
	b, err := s.store.bucket(ctx, at.bucket)
	if err != nil {
		return nil, err
	}
	if _, err := s.read(ctx, c, b, at.key, at.version); err != nil {
		return nil, err
	}
	var o *object
	err = s.store.kv.Update(ctx, func(tx *kv.Tx) error {
		o, err = s.store.changeVersion(tx, b, at.key, smithy.Val(at.version), func(o *object) error {
			if o.Marker {
				return noSuchKey(at.key)
			}
			o.Tags = tags
			return nil
		})
		if err == nil && o == nil {
			err = noSuchKey(at.key)
		}
		return err
	}, keyObject(b, at.key))
	if err != nil {
		return nil, err
	}
	return visibleVersion(b, o), nil
}

func (s *Service) getObjectTagging(ctx context.Context, c *service.Call, in *api.GetObjectTaggingInput) (*api.GetObjectTaggingOutput, error) {
	b, err := s.store.bucket(ctx, smithy.Val(in.Bucket))
	if err != nil {
		return nil, err
	}
	o, err := s.read(ctx, c, b, smithy.Val(in.Key), in.VersionId)
	if err != nil {
		return nil, err
	}
	return &api.GetObjectTaggingOutput{TagSet: tagging.API(o.Tags), VersionId: visibleVersion(b, o)}, nil
}
