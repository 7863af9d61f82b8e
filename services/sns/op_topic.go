package sns

import (
	"context"
	"encoding/base64"
	"maps"
	"slices"
	"strings"

	api "moln.dev/moln/api/sns"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/platform/service"
)

// pageSize is how many topics or subscriptions an answer lists.
const pageSize = 100

func (s *Service) createTopic(ctx context.Context, c *service.Call, in *api.CreateTopicInput) (*api.CreateTopicOutput, error) {
	if in.DataProtectionPolicy != nil && *in.DataProtectionPolicy != "" {
		return nil, unsupported("data protection policies")
	}
	fifo, ok := boolean(smithy.Val(attributeOf(in.Attributes, attrFIFO)))
	if _, given := in.Attributes[attrFIFO]; given && !ok {
		return nil, invalid("Attributes Reason: FifoTopic: Invalid value [%s]. Must be true or false.", in.Attributes[attrFIFO])
	}
	t := &topic{
		Account: c.Account, Region: c.Region, Name: smithy.Val(in.Name), ID: s.deps.Ident.UUID(), Created: c.Now, FIFO: fifo == "true",
	}
	if err := checkName(t.Name, t.FIFO); err != nil {
		return nil, err
	}
	var err error
	if t.Tags, err = tagged(nil, in.Tags); err != nil {
		return nil, err
	}
	t.Policy = defaultPolicy(t.arn(), t.Account)
	for _, name := range slices.Sorted(maps.Keys(in.Attributes)) {
		if name == attrFIFO {
			continue
		}
		if err := t.set(name, in.Attributes[name]); err != nil {
			return nil, attributesFault(name, err)
		}
	}
	have, err := s.store.createTopic(ctx, t)
	if err != nil {
		return nil, err
	}
	if have != nil {
		if err := have.same(t, in); err != nil {
			return nil, err
		}
	}
	return &api.CreateTopicOutput{TopicArn: new(t.arn())}, nil
}

func attributeOf(m map[string]string, name string) *string {
	if v, ok := m[name]; ok {
		return &v
	}
	return nil
}

// same says whether creating a topic again asks for what it is: what is given must
// be as it is, what is not given does not matter.
func (t *topic) same(want *topic, in *api.CreateTopicInput) error {
	have := t.describe()
	wanted := want.describe()
	for name := range in.Attributes {
		if name == attrFIFO && want.FIFO == t.FIFO {
			continue
		}
		if have[name] != wanted[name] {
			return invalid("Attributes Reason: Topic already exists with different attributes")
		}
	}
	for name, value := range want.Tags {
		if v, ok := t.Tags[name]; !ok || v != value {
			return invalid("Tags Reason: Topic already exists with different tags")
		}
	}
	return nil
}

func (s *Service) deleteTopic(ctx context.Context, c *service.Call, in *api.DeleteTopicInput) (*api.DeleteTopicOutput, error) {
	id, err := parseTopic(c, "TopicArn", *in.TopicArn)
	if err != nil {
		return nil, err
	}
	if _, err := s.store.topic(ctx, id); fault.Is(err, "NotFound") {
		return nil, nil
	}
	return nil, s.store.deleteTopic(ctx, id)
}

func (s *Service) getTopicAttributes(ctx context.Context, c *service.Call, in *api.GetTopicAttributesInput) (*api.GetTopicAttributesOutput, error) {
	t, err := s.findTopic(ctx, c, "TopicArn", *in.TopicArn)
	if err != nil {
		return nil, err
	}
	return &api.GetTopicAttributesOutput{Attributes: t.describe()}, nil
}

func (s *Service) setTopicAttributes(ctx context.Context, c *service.Call, in *api.SetTopicAttributesInput) (*api.SetTopicAttributesOutput, error) {
	id, err := parseTopic(c, "TopicArn", *in.TopicArn)
	if err != nil {
		return nil, err
	}
	return nil, s.store.changeTopic(ctx, id, func(_ *kv.Tx, t *topic) error {
		return attributeFault(t.set(*in.AttributeName, smithy.Val(in.AttributeValue)))
	})
}

func (s *Service) listTopics(ctx context.Context, c *service.Call, in *api.ListTopicsInput) (*api.ListTopicsOutput, error) {
	after, err := openToken(in.NextToken)
	if err != nil {
		return nil, err
	}
	list, more, err := s.store.topics(ctx, placeOf(c), string(after), pageSize)
	if err != nil {
		return nil, err
	}
	out := &api.ListTopicsOutput{Topics: []api.Topic{}}
	for i := range list {
		out.Topics = append(out.Topics, api.Topic{TopicArn: new(list[i].arn())})
	}
	if more {
		out.NextToken = pageToken([]byte(list[len(list)-1].Name))
	}
	return out, nil
}

// pageToken says where a list goes on, openToken reads it.
func pageToken(after []byte) *string {
	if after == nil {
		return nil
	}
	return new(base64.RawURLEncoding.EncodeToString(after))
}

func openToken(token *string) ([]byte, error) {
	if smithy.Val(token) == "" {
		return nil, nil
	}
	after, err := base64.RawURLEncoding.DecodeString(*token)
	if err != nil || len(after) > kv.MaxKey/2 {
		return nil, invalid("NextToken")
	}
	return after, nil
}

func (s *Service) tagResource(ctx context.Context, c *service.Call, in *api.TagResourceInput) (*api.TagResourceOutput, error) {
	id, err := parseTopic(c, "ResourceArn", *in.ResourceArn)
	if err != nil {
		return nil, err
	}
	return nil, resourceFault(s.store.changeTopic(ctx, id, func(_ *kv.Tx, t *topic) (err error) {
		t.Tags, err = tagged(t.Tags, in.Tags)
		return err
	}))
}

func (s *Service) untagResource(ctx context.Context, c *service.Call, in *api.UntagResourceInput) (*api.UntagResourceOutput, error) {
	id, err := parseTopic(c, "ResourceArn", *in.ResourceArn)
	if err != nil {
		return nil, err
	}
	return nil, resourceFault(s.store.changeTopic(ctx, id, func(_ *kv.Tx, t *topic) error {
		for _, key := range in.TagKeys {
			delete(t.Tags, key)
		}
		return nil
	}))
}

func (s *Service) listTagsForResource(ctx context.Context, c *service.Call, in *api.ListTagsForResourceInput) (*api.ListTagsForResourceOutput, error) {
	t, err := s.findTopic(ctx, c, "ResourceArn", *in.ResourceArn)
	if err != nil {
		return nil, resourceFault(err)
	}
	out := &api.ListTagsForResourceOutput{Tags: []api.Tag{}}
	for _, k := range slices.Sorted(maps.Keys(t.Tags)) {
		out.Tags = append(out.Tags, api.Tag{Key: &k, Value: new(t.Tags[k])})
	}
	return out, nil
}

// resourceFault is how operations on tags say that there is no topic.
func resourceFault(err error) error {
	if fault.Is(err, "NotFound") {
		return api.ErrResourceNotFoundException("Resource does not exist")
	}
	return err
}

// tagged adds tags to those that there are.
func tagged(have map[string]string, tags []api.Tag) (map[string]string, error) {
	out := maps.Clone(have)
	if out == nil {
		out = map[string]string{}
	}
	given := map[string]bool{}
	for _, t := range tags {
		key := smithy.Val(t.Key)
		switch {
		case given[key]:
			return nil, invalid("Duplicated keys are not allowed.")
		case strings.HasPrefix(strings.ToLower(key), "aws:"):
			return nil, invalid("Tag keys may not start with aws:")
		}
		given[key] = true
		out[key] = smithy.Val(t.Value)
	}
	if len(out) > tagsMax {
		return nil, api.ErrTagLimitExceededException("Could not complete request: tag quota of per resource exceeded")
	}
	return out, nil
}
