package sns

import (
	"context"
	"strings"

	"moln.dev/moln/aws/arn"
	"moln.dev/moln/platform/service"
)

// parts splits an ARN that a parameter holds.
func parts(parameter, text string) (arn.ARN, error) {
	if n := strings.Count(text, ":") + 1; n < 6 {
		return arn.ARN{}, invalid("%s Reason: An ARN must have at least 6 elements, not %d", parameter, n)
	}
	a, err := arn.Parse(text)
	if err != nil || a.Service != "sns" {
		return arn.ARN{}, invalid("%s", parameter)
	}
	return a, nil
}

// parseTopic reads the ARN of a topic of the call's region.
func parseTopic(c *service.Call, parameter, text string) (topicID, error) {
	a, err := parts(parameter, text)
	if err != nil {
		return topicID{}, err
	}
	if a.Region != c.Region || a.Account == "" || a.Resource == "" || strings.ContainsAny(a.Resource, ":/") {
		return topicID{}, invalid("%s", parameter)
	}
	return topicID{place{a.Account, a.Region}, a.Resource}, nil
}

// parseSubscription reads the ARN of a subscription of the call's region.
func parseSubscription(c *service.Call, text string) (topicID, string, error) {
	const parameter = "SubscriptionArn"
	if text == "" {
		return topicID{}, "", invalid("%s Reason: no value for required parameter", parameter)
	}
	a, err := parts(parameter, text)
	if err != nil {
		return topicID{}, "", err
	}
	name, id, _ := strings.Cut(a.Resource, ":")
	switch {
	case name == "" || id == "" || strings.ContainsAny(id, ":/"):
		return topicID{}, "", invalid("SubscriptionId")
	case a.Region != c.Region || a.Account == "":
		return topicID{}, "", invalid("%s", parameter)
	}
	return topicID{place{a.Account, a.Region}, name}, id, nil
}

// findTopic gives the topic that a parameter names.
func (s *Service) findTopic(ctx context.Context, c *service.Call, parameter, text string) (*topic, error) {
	id, err := parseTopic(c, parameter, text)
	if err != nil {
		return nil, err
	}
	return s.store.topic(ctx, id)
}

// findSubscription gives the subscription that a request names, if it is its
// caller's business: the subscriber's account's or the topic's.
func (s *Service) findSubscription(ctx context.Context, c *service.Call, action, text string) (*topic, *subscription, error) {
	id, name, err := parseSubscription(c, text)
	if err != nil {
		return nil, nil, err
	}
	t, err := s.store.topic(ctx, id)
	if err != nil {
		return nil, nil, errNoSubscription()
	}
	sub, err := s.store.subscription(ctx, id, name)
	if err != nil {
		return nil, nil, err
	}
	if who := c.Caller.AccountID; who != sub.Owner && who != t.Account {
		return nil, nil, errNotOwner(c.Caller, action, text)
	}
	return t, sub, nil
}
