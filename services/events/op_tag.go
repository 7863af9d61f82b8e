package events

import (
	"context"
	"maps"
	"slices"
	"strings"

	api "moln.dev/moln/api/events"
	"moln.dev/moln/aws/arn"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/platform/service"
)

// mergeTags gives have with tags over it.
func mergeTags(have map[string]string, tags []api.Tag) (map[string]string, error) {
	out := maps.Clone(have)
	for _, t := range tags {
		if strings.HasPrefix(strings.ToLower(*t.Key), "aws:") {
			return nil, invalid("Tag keys beginning with aws: are reserved for internal use: %s", *t.Key)
		}
		if out == nil {
			out = map[string]string{}
		}
		out[*t.Key] = smithy.Val(t.Value)
	}
	if len(out) > tagsMax {
		return nil, limitExceeded()
	}
	return out, nil
}

// resource is what has tags: a bus, or a rule of it.
type resource struct {
	bus  busKey
	rule *ruleKey
}

func resourceOf(text *string) (resource, error) {
	a, err := arn.Parse(smithy.Val(text))
	if err != nil || a.Service != "events" {
		return resource{}, invalid("Parameter %s is not valid. Reason: Provided Arn is not in correct format.", smithy.Val(text))
	}
	p := place{a.Account, a.Region}
	if name, ok := strings.CutPrefix(a.Resource, "event-bus/"); ok && name != "" {
		return resource{bus: busKey{p, name}}, nil
	}
	if k, ok := ruleOf(p, a.Resource); ok {
		return resource{k.busKey, &k}, nil
	}
	return resource{}, invalid("Parameter %s is not valid. Reason: Only event buses and rules have tags.", *text)
}

// changeTags makes the tags of a resource what change says.
func (s *Service) changeTags(ctx context.Context, arn *string, change func(map[string]string) (map[string]string, error)) error {
	at, err := resourceOf(arn)
	if err != nil {
		return err
	}
	if at.rule == nil {
		return s.store.changeBus(ctx, at.bus, func(b *bus) error {
			b.Tags, err = change(b.Tags)
			return err
		})
	}
	return s.store.changeRule(ctx, *at.rule, func(_ *kv.Tx, old *rule) (*rule, error) {
		if old == nil {
			return nil, noRule(*at.rule)
		}
		now := *old
		now.Tags, err = change(old.Tags)
		return &now, err
	})
}

func (s *Service) tagResource(ctx context.Context, _ *service.Call, in *api.TagResourceInput) (*api.TagResourceOutput, error) {
	return nil, s.changeTags(ctx, in.ResourceARN, func(have map[string]string) (map[string]string, error) { return mergeTags(have, in.Tags) })
}

func (s *Service) untagResource(ctx context.Context, _ *service.Call, in *api.UntagResourceInput) (*api.UntagResourceOutput, error) {
	return nil, s.changeTags(ctx, in.ResourceARN, func(have map[string]string) (map[string]string, error) {
		out := maps.Clone(have)
		maps.DeleteFunc(out, func(k, _ string) bool { return slices.Contains(in.TagKeys, k) })
		return out, nil
	})
}

func (s *Service) listTagsForResource(ctx context.Context, _ *service.Call, in *api.ListTagsForResourceInput) (*api.ListTagsForResourceOutput, error) {
	at, err := resourceOf(in.ResourceARN)
	if err != nil {
		return nil, err
	}
	tags, err := s.tagsOf(ctx, at)
	if err != nil {
		return nil, err
	}
	out := &api.ListTagsForResourceOutput{Tags: []api.Tag{}}
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		out.Tags = append(out.Tags, api.Tag{Key: &k, Value: new(tags[k])})
	}
	return out, nil
}

func (s *Service) tagsOf(ctx context.Context, at resource) (map[string]string, error) {
	if at.rule != nil {
		r, err := s.store.rule(ctx, *at.rule)
		if err != nil {
			return nil, err
		}
		return r.Tags, nil
	}
	b, err := s.find(ctx, at.bus)
	if err != nil {
		return nil, err
	}
	return b.Tags, nil
}
