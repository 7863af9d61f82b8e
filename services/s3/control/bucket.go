package control

import (
	"context"
	"maps"
	"slices"
	"strings"

	api "moln.dev/moln/api/s3control"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/s3/naming"
	"moln.dev/moln/services/s3/s3err"
	"moln.dev/moln/services/s3/store"
	"moln.dev/moln/services/s3/tagging"
)

// bucketOf is the bucket that an ARN names.
func bucketOf(arn *string) (name string, ok bool) {
	name, ok = strings.CutPrefix(smithy.Val(arn), naming.BucketARN(""))
	return name, ok && naming.ValidBucket(name)
}

// namesBucket forgives the ARN of a bucket, which has no region where the model's
// pattern wants one.
func namesBucket(v smithy.Violation) bool {
	_, ok := bucketOf(&v.Value)
	return ok && v.Path == "resourceArn"
}

// bucketChecks are what a request about a bucket's tags needs: the bucket's
// policy has a say, and it must be of the account that the request names.
func (h *Handlers) bucketChecks(ctx context.Context, c *service.Call, name, action string, in any) ([]service.Check, error) {
	b, err := h.store.Bucket(ctx, name)
	if store.IsNoSuchBucket(err) {
		return nil, s3err.NotFound("NoSuchBucket", "The specified bucket does not exist")
	}
	if err != nil {
		return nil, err
	}
	if b.Account != c.Account {
		return nil, s3err.AccessDenied()
	}
	keys := policy.Keys{"s3:resourceaccount": {b.Account}}
	requestTags(in, keys)
	return []service.Check{{Action: action, Resource: naming.BucketARN(name), Account: b.Account, Context: keys, Policy: b.Compiled}}, nil
}

// tagBucket adds tags to a bucket's.
func (h *Handlers) tagBucket(ctx context.Context, name string, tags []api.Tag) error {
	return h.store.ChangeBucket(ctx, name, func(b *store.Bucket) error {
		have := map[string]string{}
		for _, t := range b.Tags {
			have[t.Key] = t.Value
		}
		merged, err := merge(have, tags)
		if err != nil {
			return err
		}
		b.Tags = nil
		for _, k := range slices.Sorted(maps.Keys(merged)) {
			b.Tags = append(b.Tags, tagging.Tag{Key: k, Value: merged[k]})
		}
		return nil
	})
}

func (h *Handlers) untagBucket(ctx context.Context, name string, keys []string) error {
	return h.store.ChangeBucket(ctx, name, func(b *store.Bucket) error {
		b.Tags = slices.DeleteFunc(slices.Clone(b.Tags), func(t tagging.Tag) bool {
			return slices.Contains(keys, t.Key) && !tagging.System(t.Key)
		})
		return nil
	})
}

func (h *Handlers) bucketTags(ctx context.Context, name string) (*api.ListTagsForResourceOutput, error) {
	b, err := h.store.Bucket(ctx, name)
	if err != nil {
		return nil, err
	}
	out := &api.ListTagsForResourceOutput{Tags: []api.Tag{}}
	for _, t := range b.Tags {
		out.Tags = append(out.Tags, api.Tag{Key: new(t.Key), Value: new(t.Value)})
	}
	return out, nil
}
