package control

import (
	"context"
	"maps"
	"slices"
	"strings"

	api "moln.dev/moln/api/s3control"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/s3/naming"
	"moln.dev/moln/services/s3/s3err"
	"moln.dev/moln/services/s3/store"
)

func blockOf(conf *api.PublicAccessBlockConfiguration) *store.PublicAccess {
	return &store.PublicAccess{
		BlockACLs: smithy.Val(conf.BlockPublicAcls), IgnoreACLs: smithy.Val(conf.IgnorePublicAcls),
		BlockPolicy: smithy.Val(conf.BlockPublicPolicy), Restrict: smithy.Val(conf.RestrictPublicBuckets),
	}
}

func blockAPI(p *store.PublicAccess) *api.PublicAccessBlockConfiguration {
	return &api.PublicAccessBlockConfiguration{
		BlockPublicAcls: new(p.BlockACLs), IgnorePublicAcls: new(p.IgnoreACLs),
		BlockPublicPolicy: new(p.BlockPolicy), RestrictPublicBuckets: new(p.Restrict),
	}
}

func (h *Handlers) putPublicAccessBlock(ctx context.Context, c *service.Call, in *api.PutPublicAccessBlockInput) (*api.PutPublicAccessBlockOutput, error) {
	return nil, h.store.SetAccountBlock(ctx, c.Account, blockOf(in.PublicAccessBlockConfiguration))
}

func (h *Handlers) getPublicAccessBlock(ctx context.Context, c *service.Call, _ *api.GetPublicAccessBlockInput) (*api.GetPublicAccessBlockOutput, error) {
	block, err := h.store.AccountBlock(ctx, c.Account)
	if err != nil {
		return nil, err
	}
	if block == nil {
		return nil, s3err.NotFound("NoSuchPublicAccessBlockConfiguration", "The public access block configuration was not found")
	}
	return &api.GetPublicAccessBlockOutput{PublicAccessBlockConfiguration: blockAPI(block)}, nil
}

func (h *Handlers) deletePublicAccessBlock(ctx context.Context, c *service.Call, _ *api.DeletePublicAccessBlockInput) (*api.DeletePublicAccessBlockOutput, error) {
	return nil, h.store.SetAccountBlock(ctx, c.Account, nil)
}

// tagsMax is how many tags an access point or a bucket has room for.
const tagsMax = 50

// Lengths of tags.
const (
	tagKeyMax   = 128
	tagValueMax = 256
)

// merge adds tags to those there are.
func merge(have map[string]string, tags []api.Tag) (map[string]string, error) {
	out := maps.Clone(have)
	if out == nil {
		out = map[string]string{}
	}
	for _, t := range tags {
		k, v := smithy.Val(t.Key), smithy.Val(t.Value)
		if k == "" || len(k) > tagKeyMax || len(v) > tagValueMax || strings.HasPrefix(strings.ToLower(k), "aws:") {
			return nil, fault.New("InvalidTag", 400, "The tag provided was not a valid tag. This error can occur if the tag did not pass input validation.")
		}
		out[k] = v
	}
	if len(out) > tagsMax {
		return nil, fault.New("TooManyTags", 400, "The number of tags exceeds the limit of 50 tags")
	}
	return out, nil
}

// tagged is the access point whose tags a request is about.
func tagged(arn *string) (naming.Point, error) {
	p, key, ok := naming.ParsePoint(smithy.Val(arn))
	if !ok || key != "" {
		return p, s3err.NotImplemented("moln has tags of buckets and access points")
	}
	return p, nil
}

func (h *Handlers) tagResource(ctx context.Context, _ *service.Call, in *api.TagResourceInput) (*api.TagResourceOutput, error) {
	if bucket, ok := bucketOf(in.ResourceArn); ok {
		return nil, h.tagBucket(ctx, bucket, in.Tags)
	}
	name, err := tagged(in.ResourceArn)
	if err != nil {
		return nil, err
	}
	return nil, h.store.ChangePoint(ctx, name, func(p *store.AccessPoint) error {
		tags, err := merge(p.Tags, in.Tags)
		p.Tags = tags
		return err
	})
}

func (h *Handlers) untagResource(ctx context.Context, _ *service.Call, in *api.UntagResourceInput) (*api.UntagResourceOutput, error) {
	if bucket, ok := bucketOf(in.ResourceArn); ok {
		return nil, h.untagBucket(ctx, bucket, in.TagKeys)
	}
	name, err := tagged(in.ResourceArn)
	if err != nil {
		return nil, err
	}
	return nil, h.store.ChangePoint(ctx, name, func(p *store.AccessPoint) error {
		for _, k := range in.TagKeys {
			delete(p.Tags, k)
		}
		return nil
	})
}

func (h *Handlers) listTagsForResource(ctx context.Context, _ *service.Call, in *api.ListTagsForResourceInput) (*api.ListTagsForResourceOutput, error) {
	if bucket, ok := bucketOf(in.ResourceArn); ok {
		return h.bucketTags(ctx, bucket)
	}
	name, err := tagged(in.ResourceArn)
	if err != nil {
		return nil, err
	}
	p, err := h.store.Point(ctx, name)
	if err != nil {
		return nil, err
	}
	out := &api.ListTagsForResourceOutput{Tags: []api.Tag{}}
	for _, k := range slices.Sorted(maps.Keys(p.Tags)) {
		out.Tags = append(out.Tags, api.Tag{Key: new(k), Value: new(p.Tags[k])})
	}
	return out, nil
}
