package sns

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	api "moln.dev/moln/api/sns"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
)

// topicProperties are AWS::SNS::Topic's.
type topicProperties struct {
	TopicName, DisplayName, KmsMasterKeyId, SignatureVersion *string
	TracingConfig, FifoThroughputScope                       *string
	FifoTopic, ContentBasedDeduplication                     *bool
	Subscription                                             []struct{ Protocol, Endpoint string }
	Tags                                                     []struct{ Key, Value string }
}

// subscriptionProperties are AWS::SNS::Subscription's. Region is the topic's.
type subscriptionProperties struct {
	TopicArn, Protocol                          string
	Endpoint, FilterPolicyScope, Region         *string
	FilterPolicy, RedrivePolicy, DeliveryPolicy any
	RawMessageDelivery                          *bool
}

// policyProperties are AWS::SNS::TopicPolicy's.
type policyProperties struct {
	PolicyDocument any
	Topics         []string
}

// inlineProperties are AWS::SNS::TopicInlinePolicy's.
type inlineProperties struct {
	PolicyDocument any
	TopicArn       string
}

func resources() []service.ResourceType {
	return []service.ResourceType{
		{
			Name: "AWS::SNS::Topic", New: func() any { return new(topicProperties) }, Replace: []string{"TopicName", "FifoTopic"},
			Create: createTopicResource, Update: updateTopicResource, Delete: deleteTopicResource,
		},
		{
			Name: "AWS::SNS::Subscription", New: func() any { return new(subscriptionProperties) }, Replace: []string{"TopicArn", "Protocol", "Endpoint", "Region"},
			Create: createSubscriptionResource, Update: updateSubscriptionResource, Delete: deleteSubscriptionResource,
		},
		{
			Name: "AWS::SNS::TopicPolicy", New: func() any { return new(policyProperties) },
			Create: createPolicyResource, Update: updatePolicyResource, Delete: deletePolicyResource,
		},
		{
			Name: "AWS::SNS::TopicInlinePolicy", New: func() any { return new(inlineProperties) }, Replace: []string{"TopicArn"},
			Create: inline(createPolicyResource), Update: inline(updatePolicyResource), Delete: inline(deletePolicyResource),
		},
	}
}

// attributes are the topic's, by their names in the API; those that are left out
// have no value.
func (p *topicProperties) attributes() map[string]string {
	out := map[string]string{}
	for name, v := range map[string]*string{
		attrDisplayName: p.DisplayName, attrKMSKey: p.KmsMasterKeyId, attrSignatureVersion: p.SignatureVersion,
		attrTracing: p.TracingConfig, attrThroughputScope: p.FifoThroughputScope,
	} {
		if v != nil {
			out[name] = *v
		}
	}
	if p.ContentBasedDeduplication != nil {
		out[attrContentDedup] = strconv.FormatBool(*p.ContentBasedDeduplication)
	}
	return out
}

func createTopicResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p := r.Properties.(*topicProperties)
	in := &api.CreateTopicInput{Name: p.TopicName, Attributes: p.attributes(), Tags: tagsOf(r, p.Tags)}
	if p.FifoTopic != nil && *p.FifoTopic {
		in.Attributes[attrFIFO] = "true"
	}
	if in.Name == nil {
		in.Name = new(r.GeneratedName(nameMax - len(fifoSuffix)))
		if in.Attributes[attrFIFO] != "" {
			*in.Name += fifoSuffix
		}
	}
	if p.TopicName != nil {
		// CreateTopic gives a topic that there is already; a template wants its own.
		_, err := service.Invoke(ctx, c, api.GetTopicAttributes, &api.GetTopicAttributesInput{TopicArn: new(topicARN(c.Account, c.Region, *in.Name))})
		if err == nil {
			return fault.New("AlreadyExists", 400, "%s already exists", *in.Name)
		}
	}
	out, err := service.Invoke(ctx, c, api.CreateTopic, in)
	if err != nil {
		return err
	}
	r.PhysicalID = *out.TopicArn
	r.Attributes = map[string]any{"TopicArn": r.PhysicalID, "TopicName": *in.Name}
	return inlineSubscriptions(ctx, c, r.PhysicalID, p, &topicProperties{})
}

// inlineSubscriptions subscribes what a topic's properties list, and ends what the
// old ones listed.
func inlineSubscriptions(ctx context.Context, c *service.Call, topicARN string, p, old *topicProperties) error {
	for _, sub := range p.Subscription {
		if slices.Contains(old.Subscription, sub) {
			continue
		}
		if _, err := service.Invoke(ctx, c, api.Subscribe, &api.SubscribeInput{TopicArn: &topicARN, Protocol: &sub.Protocol, Endpoint: &sub.Endpoint}); err != nil {
			return err
		}
	}
	if !slices.ContainsFunc(old.Subscription, func(sub struct{ Protocol, Endpoint string }) bool { return !slices.Contains(p.Subscription, sub) }) {
		return nil
	}
	in := &api.ListSubscriptionsByTopicInput{TopicArn: &topicARN}
	for {
		out, err := service.Invoke(ctx, c, api.ListSubscriptionsByTopic, in)
		if err != nil {
			return err
		}
		for _, have := range out.Subscriptions {
			this := struct{ Protocol, Endpoint string }{smithy.Val(have.Protocol), smithy.Val(have.Endpoint)}
			if *have.SubscriptionArn == pendingListed || !slices.Contains(old.Subscription, this) || slices.Contains(p.Subscription, this) {
				continue
			}
			if _, err := service.Invoke(ctx, c, api.Unsubscribe, &api.UnsubscribeInput{SubscriptionArn: have.SubscriptionArn}); err != nil {
				return err
			}
		}
		if in.NextToken = out.NextToken; in.NextToken == nil {
			return nil
		}
	}
}

func updateTopicResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p, old := r.Properties.(*topicProperties), r.Old.(*topicProperties)
	r.Attributes = map[string]any{"TopicArn": r.PhysicalID, "TopicName": r.PhysicalID[strings.LastIndexByte(r.PhysicalID, ':')+1:]}
	have, want := old.attributes(), p.attributes()
	for name := range have {
		if _, ok := want[name]; !ok {
			want[name] = map[string]string{attrContentDedup: "false", attrSignatureVersion: "1", attrTracing: "PassThrough", attrThroughputScope: "Topic"}[name]
		}
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if v, ok := have[name]; ok && v == want[name] {
			continue
		}
		if _, err := service.Invoke(ctx, c, api.SetTopicAttributes, &api.SetTopicAttributesInput{TopicArn: &r.PhysicalID, AttributeName: &name, AttributeValue: new(want[name])}); err != nil {
			return err
		}
	}
	if err := updateTags(ctx, c, r, p.Tags, old.Tags); err != nil {
		return err
	}
	return inlineSubscriptions(ctx, c, r.PhysicalID, p, old)
}

func tagsOf(r *service.Resource, own []struct{ Key, Value string }) []api.Tag {
	all := r.TagsWith(own)
	var out []api.Tag
	for _, k := range slices.Sorted(maps.Keys(all)) {
		out = append(out, api.Tag{Key: &k, Value: new(all[k])})
	}
	return out
}

func updateTags(ctx context.Context, c *service.Call, r *service.Resource, own, old []struct{ Key, Value string }) error {
	if gone := r.TagsGone(own, old); len(gone) > 0 {
		if _, err := service.Invoke(ctx, c, api.UntagResource, &api.UntagResourceInput{ResourceArn: &r.PhysicalID, TagKeys: gone}); err != nil {
			return err
		}
	}
	tags := tagsOf(r, own)
	if len(tags) == 0 {
		return nil
	}
	_, err := service.Invoke(ctx, c, api.TagResource, &api.TagResourceInput{ResourceArn: &r.PhysicalID, Tags: tags})
	return err
}

func deleteTopicResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	_, err := service.Invoke(ctx, c, api.DeleteTopic, &api.DeleteTopicInput{TopicArn: &r.PhysicalID})
	return err
}

// attributes are the subscription's, by their names in the API.
func (p *subscriptionProperties) attributes() (map[string]string, error) {
	out := map[string]string{}
	for name, v := range map[string]any{attrFilter: p.FilterPolicy, attrRedrive: p.RedrivePolicy, attrSubDelivery: p.DeliveryPolicy} {
		s, err := service.Document(v)
		if err != nil {
			return nil, err
		}
		if s != nil {
			out[name] = *s
		}
	}
	if p.FilterPolicyScope != nil {
		out[attrFilterScope] = *p.FilterPolicyScope
	}
	if p.RawMessageDelivery != nil {
		out[attrRaw] = strconv.FormatBool(*p.RawMessageDelivery)
	}
	return out, nil
}

// there is the call in the topic's region.
func (p *subscriptionProperties) there(c *service.Call) *service.Call {
	d := *c
	if p.Region != nil && *p.Region != "" {
		d.Region = *p.Region
	}
	return &d
}

func createSubscriptionResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p := r.Properties.(*subscriptionProperties)
	attributes, err := p.attributes()
	if err != nil {
		return err
	}
	out, err := service.Invoke(ctx, p.there(c), api.Subscribe, &api.SubscribeInput{
		TopicArn: &p.TopicArn, Protocol: &p.Protocol, Endpoint: p.Endpoint, Attributes: attributes, ReturnSubscriptionArn: new(true),
	})
	if err != nil {
		return err
	}
	r.PhysicalID = *out.SubscriptionArn
	r.Attributes = map[string]any{"Arn": r.PhysicalID}
	return nil
}

func updateSubscriptionResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p, old := r.Properties.(*subscriptionProperties), r.Old.(*subscriptionProperties)
	r.Attributes = map[string]any{"Arn": r.PhysicalID}
	want, err := p.attributes()
	if err != nil {
		return err
	}
	have, err := old.attributes()
	if err != nil {
		return err
	}
	for name := range have {
		if _, ok := want[name]; !ok {
			want[name] = map[string]string{attrRaw: "false", attrFilterScope: "MessageAttributes", attrFilter: "{}"}[name]
		}
	}
	// A policy may need its scope, and the other way round: the policy goes first
	// where the scope narrows, last where it widens.
	order := slices.Sorted(maps.Keys(want))
	if want[attrFilterScope] == "MessageBody" {
		slices.Reverse(order)
	}
	for _, name := range order {
		if v, ok := have[name]; ok && v == want[name] {
			continue
		}
		if _, err := service.Invoke(ctx, p.there(c), api.SetSubscriptionAttributes, &api.SetSubscriptionAttributesInput{SubscriptionArn: &r.PhysicalID, AttributeName: &name, AttributeValue: new(want[name])}); err != nil {
			return err
		}
	}
	return nil
}

func deleteSubscriptionResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p := r.Properties.(*subscriptionProperties)
	_, err := service.Invoke(ctx, p.there(c), api.Unsubscribe, &api.UnsubscribeInput{SubscriptionArn: &r.PhysicalID})
	return err
}

// inline carries out f with one topic's policy as one of many.
func inline(f func(context.Context, *service.Call, *service.Resource) error) func(context.Context, *service.Call, *service.Resource) error {
	many := func(p any) *policyProperties {
		one := p.(*inlineProperties)
		return &policyProperties{PolicyDocument: one.PolicyDocument, Topics: []string{one.TopicArn}}
	}
	return func(ctx context.Context, c *service.Call, r *service.Resource) error {
		d := *r
		d.Properties = many(r.Properties)
		if r.Old != nil {
			d.Old = many(r.Old)
		}
		err := f(ctx, c, &d)
		r.PhysicalID, r.Attributes = d.PhysicalID, nil
		if len(d.Properties.(*policyProperties).Topics) == 1 && r.PhysicalID != "" {
			r.PhysicalID = d.Properties.(*policyProperties).Topics[0]
		}
		return err
	}
}

func setPolicies(ctx context.Context, c *service.Call, topics []string, document string) error {
	for _, t := range topics {
		_, err := service.Invoke(ctx, c, api.SetTopicAttributes, &api.SetTopicAttributesInput{TopicArn: &t, AttributeName: new(attrPolicy), AttributeValue: &document})
		if err != nil && !(document == "" && fault.Is(err, "NotFound")) {
			return err
		}
	}
	return nil
}

func createPolicyResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p := r.Properties.(*policyProperties)
	document, err := service.Document(p.PolicyDocument)
	if err != nil {
		return err
	}
	if smithy.Val(document) == "" || len(p.Topics) == 0 {
		return invalid("Policy Error: null")
	}
	r.PhysicalID = r.GeneratedName(nameMax)
	r.Attributes = map[string]any{"Id": r.PhysicalID}
	return setPolicies(ctx, c, p.Topics, smithy.Val(document))
}

func updatePolicyResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p, old := r.Properties.(*policyProperties), r.Old.(*policyProperties)
	r.Attributes = map[string]any{"Id": r.PhysicalID}
	document, err := service.Document(p.PolicyDocument)
	if err != nil {
		return err
	}
	gone := slices.DeleteFunc(slices.Clone(old.Topics), func(t string) bool { return slices.Contains(p.Topics, t) })
	if err := setPolicies(ctx, c, gone, ""); err != nil {
		return err
	}
	return setPolicies(ctx, c, p.Topics, smithy.Val(document))
}

// deletePolicyResource gives the topics the policy back that they were born with.
func deletePolicyResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	return setPolicies(ctx, c, r.Properties.(*policyProperties).Topics, "")
}
