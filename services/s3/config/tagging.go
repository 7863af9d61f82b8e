package config

import (
	"context"
	"net/http"
	"slices"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/s3/s3err"
	"moln.dev/moln/services/s3/store"
	"moln.dev/moln/services/s3/tagging"
)

func (s *Handlers) putBucketTagging(ctx context.Context, c *service.Call, in *api.PutBucketTaggingInput) (*api.PutBucketTaggingOutput, error) {
	if in.Tagging == nil {
		return nil, s3err.MalformedXML()
	}
	tags, err := tagging.Of(in.Tagging.TagSet, tagging.BucketMax)
	if err != nil {
		return nil, err
	}
	if c.HTTP != nil {
		c.HTTP.Status = http.StatusNoContent // as S3 answers, whatever its model says
	}
	return nil, s.store.ChangeBucket(ctx, smithy.Val(in.Bucket), func(b *store.Bucket) error {
		if c.HTTP != nil {
			if err := tagging.Kept(b.Tags, tags); err != nil {
				return err
			}
		}
		b.Tags = tags
		return nil
	})
}

func (s *Handlers) getBucketTagging(ctx context.Context, _ *service.Call, in *api.GetBucketTaggingInput) (*api.GetBucketTaggingOutput, error) {
	b, err := s.store.Bucket(ctx, smithy.Val(in.Bucket))
	if err != nil {
		return nil, err
	}
	if len(b.Tags) == 0 {
		return nil, s3err.NotFound("NoSuchTagSet", "The TagSet does not exist")
	}
	return &api.GetBucketTaggingOutput{TagSet: tagging.API(b.Tags)}, nil
}

func (s *Handlers) deleteBucketTagging(ctx context.Context, c *service.Call, in *api.DeleteBucketTaggingInput) (*api.DeleteBucketTaggingOutput, error) {
	return nil, s.store.ChangeBucket(ctx, smithy.Val(in.Bucket), func(b *store.Bucket) error {
		b.Tags = slices.DeleteFunc(slices.Clone(b.Tags), func(t tagging.Tag) bool {
			return c.HTTP == nil || !tagging.System(t.Key) // those of its stack stay
		})
		return nil
	})
}
