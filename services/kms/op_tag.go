package kms

import (
	"context"
	"maps"
	"slices"
	"strings"

	api "moln.dev/moln/api/kms"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
)

// mergeTags gives have with tags over it.
func mergeTags(have map[string]string, tags []api.Tag) (map[string]string, error) {
	out := maps.Clone(have)
	if out == nil {
		out = map[string]string{}
	}
	seen := map[string]bool{}
	for _, t := range tags {
		if seen[*t.TagKey] {
			return nil, api.ErrTagException("Duplicate tag keys")
		}
		if strings.HasPrefix(strings.ToLower(*t.TagKey), "aws:") {
			return nil, api.ErrTagException("Tags starting with aws: are reserved for internal use")
		}
		seen[*t.TagKey] = true
		out[*t.TagKey] = *t.TagValue
	}
	if len(out) > tagsPerKeyMax {
		return nil, api.ErrLimitExceededException("A key can have at most %d tags.", tagsPerKeyMax)
	}
	return out, nil
}

func (s *Service) tagResource(ctx context.Context, c *service.Call, in *api.TagResourceInput) (*api.TagResourceOutput, error) {
	_, err := s.change(ctx, c, *in.KeyId, func(k *key) (err error) {
		if err := k.notPending(); err != nil {
			return err
		}
		k.Tags, err = mergeTags(k.Tags, in.Tags)
		return err
	})
	return nil, err
}

func (s *Service) untagResource(ctx context.Context, c *service.Call, in *api.UntagResourceInput) (*api.UntagResourceOutput, error) {
	_, err := s.change(ctx, c, *in.KeyId, func(k *key) error {
		for _, name := range in.TagKeys {
			delete(k.Tags, name)
		}
		return k.notPending()
	})
	return nil, err
}

func (s *Service) listResourceTags(ctx context.Context, c *service.Call, in *api.ListResourceTagsInput) (*api.ListResourceTagsOutput, error) {
	k, err := s.find(ctx, c, *in.KeyId, false)
	if err != nil {
		return nil, err
	}
	limit := limitOf(in.Limit, tagsPerKeyMax, tagsPerKeyMax)
	out := &api.ListResourceTagsOutput{Tags: []api.Tag{}, Truncated: new(false)}
	for _, name := range slices.Sorted(maps.Keys(k.Tags)) {
		if name <= smithy.Val(in.Marker) {
			continue
		}
		if len(out.Tags) == limit {
			out.NextMarker, out.Truncated = out.Tags[limit-1].TagKey, new(true)
			break
		}
		out.Tags = append(out.Tags, api.Tag{TagKey: &name, TagValue: new(k.Tags[name])})
	}
	return out, nil
}
