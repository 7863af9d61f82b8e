package control

import (
	"context"
	"maps"
	"slices"
	"strings"

	api "moln.dev/moln/api/s3control"
	"moln.dev/moln/aws/arn"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/s3/naming"
	"moln.dev/moln/services/s3/s3err"
	"moln.dev/moln/services/s3/store"
	"moln.dev/moln/services/s3/tagging"
)

// bucketOf is the bucket that an ARN names: arn:aws:s3:::NAME, or S3 Control's
// form arn:aws:s3:REGION:ACCOUNT:bucket/NAME.
func bucketOf(text *string) (name string, ok bool) {
	a, err := arn.Parse(smithy.Val(text))
	if err != nil || a.Service != "s3" {
		return "", false
	}
	name = a.Resource
	if a.Region != "" || a.Account != "" {
		if name, ok = strings.CutPrefix(a.Resource, "bucket/"); !ok {
			return "", false
		}
	}
	return name, naming.ValidBucket(name)
}

// elsewhere reports that an ARN which names its bucket's region and account names
// others than a bucket has.
func elsewhere(text *string, b *store.Bucket) bool {
	a, err := arn.Parse(smithy.Val(text))
	return err != nil || a.Region != "" && a.Region != b.Region || a.Account != "" && a.Account != b.Account
}

// namesBucket forgives the ARN of a bucket, which has no region where the model's
// pattern wants one.
func namesBucket(v smithy.Violation) bool {
	_, ok := bucketOf(&v.Value)
	return ok && v.Path == "resourceArn"
}

// bucketChecks are what a request about a bucket's tags needs: the bucket's
// policy has a say, and it must be of the account that the request names.
func (h *Handlers) bucketChecks(ctx context.Context, c *service.Call, text *string, action string, in any) ([]service.Check, error) {
	name, _ := bucketOf(text)
	b, err := h.store.Bucket(ctx, name)
	if store.IsNoSuchBucket(err) || err == nil && b.Account == c.Account && elsewhere(text, b) {
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
