package sns

import (
	"context"
	"strings"

	api "moln.dev/moln/api/sns"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
)

// ownerTeller is the service that tells for which account it acts by
// aws:SourceOwner, which the policies that topics are born with ask for; all others
// need a statement of their own (dg/sns-access-policy-use-cases).
const ownerTeller = "cloudwatch.amazonaws.com"

// authorize names the topic that a request is about, with its policy. Operations
// on subscriptions have no resource in IAM: whose a subscription is their handlers
// look at (N5).
func (s *Service) authorize(ctx context.Context, c *service.Call, op *smithy.Operation, in any) ([]service.Check, error) {
	action := strings.TrimPrefix(op.Actions[0], "sns:")
	switch in := in.(type) {
	case *api.CreateTopicInput:
		return creation(c, in), nil
	case *api.SubscribeInput:
		keys := policy.Keys{"sns:protocol": {smithy.Val(in.Protocol)}, "sns:endpoint": {smithy.Val(in.Endpoint)}}
		return s.onTopic(ctx, c, action, "TopicArn", in.TopicArn, keys)
	case *api.PublishInput:
		parameter, text, err := destination(in)
		if err != nil {
			return nil, err
		}
		return s.onTopic(ctx, c, action, parameter, &text, nil)
	case *api.ConfirmSubscriptionInput:
		return confirmation(c, action, in)
	case *api.TagResourceInput:
		return s.onTopic(ctx, c, action, "ResourceArn", in.ResourceArn, tagKeys(in.Tags))
	case *api.UntagResourceInput:
		return s.onTopic(ctx, c, action, "ResourceArn", in.ResourceArn, policy.Keys{"aws:tagkeys": in.TagKeys})
	case *api.ListTagsForResourceInput:
		return s.onTopic(ctx, c, action, "ResourceArn", in.ResourceArn, nil)
	}
	if text, ok := topicOf(in); ok {
		return s.onTopic(ctx, c, action, "TopicArn", text, nil)
	}
	return []service.Check{{Action: "sns:" + action, Resource: "*", Fault: denied(c.Caller, action, "*")}}, nil
}

// topicOf is the topic that an operation names as TopicArn.
func topicOf(in any) (*string, bool) {
	switch in := in.(type) {
	case *api.AddPermissionInput:
		return in.TopicArn, true
	case *api.RemovePermissionInput:
		return in.TopicArn, true
	case *api.DeleteTopicInput:
		return in.TopicArn, true
	case *api.GetTopicAttributesInput:
		return in.TopicArn, true
	case *api.SetTopicAttributesInput:
		return in.TopicArn, true
	case *api.ListSubscriptionsByTopicInput:
		return in.TopicArn, true
	case *api.PublishBatchInput:
		return in.TopicArn, true
	}
	return nil, false
}

// onTopic asks for an action on a topic; one that there is not is judged by what
// its owner's policies say.
func (s *Service) onTopic(ctx context.Context, c *service.Call, action, parameter string, text *string, keys policy.Keys) ([]service.Check, error) {
	id, err := parseTopic(c, parameter, smithy.Val(text))
	if err != nil {
		return nil, err
	}
	resource := topicARN(id.account, id.region, id.name)
	check := service.Check{Action: "sns:" + action, Resource: resource, Account: id.account, Context: policy.Keys{}, Fault: denied(c.Caller, action, resource)}
	for k, v := range keys {
		check.Context[k] = v
	}
	if c.Caller.Kind == policy.Service && c.Caller.Service == ownerTeller {
		check.Context["aws:sourceowner"] = []string{c.Caller.SourceAccount}
	}
	t, err := s.store.topic(ctx, id)
	if fault.Is(err, "NotFound") {
		return []service.Check{check}, nil
	}
	if err != nil {
		return nil, err
	}
	check.Policy = t.compiled
	for name, value := range t.Tags {
		check.Context["aws:resourcetag/"+strings.ToLower(name)] = []string{value}
	}
	return []service.Check{check}, nil
}

// confirmation asks the caller's own account only, whoever owns the topic: the
// token is the proof that the endpoint was asked.
func confirmation(c *service.Call, action string, in *api.ConfirmSubscriptionInput) ([]service.Check, error) {
	id, err := parseTopic(c, "TopicArn", smithy.Val(in.TopicArn))
	if err != nil {
		return nil, err
	}
	resource := topicARN(id.account, id.region, id.name)
	return []service.Check{{Action: "sns:" + action, Resource: resource, Account: c.Caller.AccountID, Fault: denied(c.Caller, action, resource)}}, nil
}

func creation(c *service.Call, in *api.CreateTopicInput) []service.Check {
	resource := topicARN(c.Account, c.Region, smithy.Val(in.Name))
	keys := tagKeys(in.Tags)
	checks := []service.Check{{Action: "sns:CreateTopic", Resource: resource, Context: keys, Fault: denied(c.Caller, "CreateTopic", resource)}}
	if len(in.Tags) > 0 {
		checks = append(checks, service.Check{Action: "sns:TagResource", Resource: resource, Context: keys, Fault: denied(c.Caller, "TagResource", resource)})
	}
	return checks
}

func tagKeys(tags []api.Tag) policy.Keys {
	keys := policy.Keys{}
	for _, t := range tags {
		keys["aws:requesttag/"+strings.ToLower(smithy.Val(t.Key))] = []string{smithy.Val(t.Value)}
		keys["aws:tagkeys"] = append(keys["aws:tagkeys"], smithy.Val(t.Key))
	}
	return keys
}
