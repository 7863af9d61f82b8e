package dynamodb

import (
	"context"
	"maps"
	"slices"
	"strings"

	api "moln.dev/moln/api/dynamodb"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/dynamodb/store"
	"moln.dev/moln/services/dynamodb/table"
	"moln.dev/moln/services/dynamodb/words"
)

// maxTags is how many tags a table may have, AWS says.
const maxTags = 50

// tagged returns tags with more of them.
func tagged(have map[string]string, more []api.Tag) (map[string]string, error) {
	out := maps.Clone(have)
	if out == nil && len(more) > 0 {
		out = map[string]string{}
	}
	for _, t := range more {
		if strings.HasPrefix(*t.Key, "aws:") {
			return nil, words.Refuse("One or more parameter values were invalid: Tag keys beginning with 'aws:' are reserved")
		}
		out[*t.Key] = *t.Value
	}
	if len(out) > maxTags {
		return nil, words.Refuse("One or more parameter values were invalid: Too many tags: at most %d are allowed", maxTags)
	}
	return out, nil
}

// taggedTable takes the table's name out of an ARN.
func taggedTable(c *service.Call, arn string) (string, error) {
	if !strings.HasPrefix(arn, "arn:") {
		return "", words.Refuse("Invalid TableArn: Invalid ResourceArn provided as input %s", arn)
	}
	return tableName(c, &arn)
}

func noTableARN(arn string) error {
	return api.ErrResourceNotFoundException("Requested resource not found: ResourceArn: %s not found", arn)
}

func (s *Service) tagResource(ctx context.Context, c *service.Call, in *api.TagResourceInput) (*api.TagResourceOutput, error) {
	name, err := taggedTable(c, *in.ResourceArn)
	if err != nil {
		return nil, err
	}
	_, err = s.store.Change(ctx, store.PlaceOf(c), name, noTableARN(*in.ResourceArn), func(t *table.Table) (err error) {
		t.Tags, err = tagged(t.Tags, in.Tags)
		return err
	})
	return nil, err
}

func (s *Service) untagResource(ctx context.Context, c *service.Call, in *api.UntagResourceInput) (*api.UntagResourceOutput, error) {
	name, err := taggedTable(c, *in.ResourceArn)
	if err != nil {
		return nil, err
	}
	_, err = s.store.Change(ctx, store.PlaceOf(c), name, noTableARN(*in.ResourceArn), func(t *table.Table) error {
		for _, k := range in.TagKeys {
			delete(t.Tags, k)
		}
		return nil
	})
	return nil, err
}

func (s *Service) listTagsOfResource(ctx context.Context, c *service.Call, in *api.ListTagsOfResourceInput) (*api.ListTagsOfResourceOutput, error) {
	name, err := taggedTable(c, *in.ResourceArn)
	if err != nil {
		return nil, err
	}
	t, err := s.store.Table(ctx, store.PlaceOf(c), name, noTableARN(*in.ResourceArn))
	if err != nil {
		return nil, err
	}
	out := &api.ListTagsOfResourceOutput{Tags: []api.Tag{}}
	for _, k := range slices.Sorted(maps.Keys(t.Tags)) {
		out.Tags = append(out.Tags, api.Tag{Key: new(k), Value: new(t.Tags[k])})
	}
	return out, nil
}
