package ecr

import (
	"context"
	"maps"
	"slices"
	"strings"

	api "moln.dev/moln/api/ecr"
	"moln.dev/moln/aws/arn"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/platform/service"
)

const (
	tagKeyMax   = 128
	tagValueMax = 256
)

// mergeTags gives have with tags over it.
func mergeTags(have map[string]string, tags []api.Tag) (map[string]string, error) {
	out := maps.Clone(have)
	if out == nil {
		out = map[string]string{}
	}
	for _, t := range tags {
		key, value := smithy.Val(t.Key), smithy.Val(t.Value)
		switch {
		case key == "" || len(key) > tagKeyMax || len(value) > tagValueMax:
			return nil, api.ErrInvalidTagParameterException("Invalid parameter at 'tags' failed to satisfy constraint: 'Tag keys have 1 to %d characters and tag values up to %d'", tagKeyMax, tagValueMax)
		case strings.HasPrefix(strings.ToLower(key), "aws:"):
			return nil, api.ErrInvalidTagParameterException("Invalid parameter at 'tags' failed to satisfy constraint: 'Tag keys beginning with aws: are reserved for internal use'")
		}
		out[key] = value
	}
	if len(out) > tagsPerRepositoryMax {
		return nil, api.ErrTooManyTagsException("A repository can have up to %d tags.", tagsPerRepositoryMax)
	}
	return out, nil
}

// findARN gives the repository of an ARN.
func (s *Service) findARN(ctx context.Context, c *service.Call, resource *string) (*repository, error) {
	p, name, ok := repositoryOf(smithy.Val(resource))
	if !ok || p.region != c.Region {
		return nil, invalidParameter("resourceArn", "Invalid ARN")
	}
	return s.find(ctx, c, &p.account, &name)
}

func repositoryOf(resource string) (p place, name string, ok bool) {
	a, err := arn.Parse(resource)
	name, found := strings.CutPrefix(a.Resource, "repository/")
	return place{a.Account, a.Region}, name, err == nil && found && a.Service == "ecr" && name != ""
}

func (s *Service) tagResource(ctx context.Context, c *service.Call, in *api.TagResourceInput) (*api.TagResourceOutput, error) {
	r, err := s.findARN(ctx, c, in.ResourceArn)
	if err != nil {
		return nil, err
	}
	return nil, s.store.change(ctx, r, func(_ *kv.Tx, r *repository) (err error) {
		r.Tags, err = mergeTags(r.Tags, in.Tags)
		return err
	})
}

func (s *Service) untagResource(ctx context.Context, c *service.Call, in *api.UntagResourceInput) (*api.UntagResourceOutput, error) {
	r, err := s.findARN(ctx, c, in.ResourceArn)
	if err != nil {
		return nil, err
	}
	return nil, s.store.change(ctx, r, func(_ *kv.Tx, r *repository) error {
		for _, key := range in.TagKeys {
			delete(r.Tags, key)
		}
		return nil
	})
}

func (s *Service) listTagsForResource(ctx context.Context, c *service.Call, in *api.ListTagsForResourceInput) (*api.ListTagsForResourceOutput, error) {
	r, err := s.findARN(ctx, c, in.ResourceArn)
	if err != nil {
		return nil, err
	}
	out := &api.ListTagsForResourceOutput{Tags: []api.Tag{}}
	for _, key := range slices.Sorted(maps.Keys(r.Tags)) {
		out.Tags = append(out.Tags, api.Tag{Key: &key, Value: new(r.Tags[key])})
	}
	return out, nil
}
