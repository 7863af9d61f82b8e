package sns

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	api "moln.dev/moln/api/sns"
)

func TestSubscriptionAttributes(t *testing.T) {
	h := newHarness(t)
	arn := h.topic("t")
	sub := h.subscribe(arn, "q", "RawMessageDelivery", "True", "FilterPolicy", `{"a":["b"]}`)
	get := func() map[string]string {
		return must(t, h.call(), api.GetSubscriptionAttributes, &api.GetSubscriptionAttributesInput{SubscriptionArn: &sub}).Attributes
	}
	want := map[string]string{
		"ConfirmationWasAuthenticated": "true", "Endpoint": queueOf("q"), "Owner": account, "PendingConfirmation": "false", "Protocol": "sqs", "RawMessageDelivery": "true",
		"SubscriptionArn": sub, "SubscriptionPrincipal": "arn:aws:iam::000000000000:root", "TopicArn": arn, "FilterPolicy": `{"a":["b"]}`, "FilterPolicyScope": "MessageAttributes",
	}
	if d := cmp.Diff(want, get()); d != "" {
		t.Error(d)
	}
	set := func(name, value string) *api.SetSubscriptionAttributesInput {
		return &api.SetSubscriptionAttributesInput{SubscriptionArn: &sub, AttributeName: &name, AttributeValue: &value}
	}
	for _, c := range []struct{ name, value, message string }{
		{"Colour", "red", "Invalid parameter: AttributeName"},
		{"RawMessageDelivery", "test-ValUe", "Invalid parameter: RawMessageDelivery: Invalid value [test-ValUe]. Must be true or false."},
		{"RawMessageDelivery", "", "Invalid parameter: RawMessageDelivery: Invalid value []. Must be true or false."},
		{"RedrivePolicy", `{"deadLetterTargetArn":"fake"}`, "Invalid parameter: RedrivePolicy: deadLetterTargetArn is an invalid arn"},
		{"RedrivePolicy", `{invalid}`, ""},
		{"FilterPolicy", `{invalid}`, ""},
		{"FilterPolicyScope", "RandomValue", "Invalid parameter: FilterPolicyScope: Invalid value [RandomValue]. Please use either MessageBody or MessageAttributes"},
		{"FilterPolicy", `{"a":{"b":["c"]}}`, "Invalid parameter: Filter policy scope MessageAttributes does not support nested filter policy"},
		{"SubscriptionRoleArn", "arn:aws:iam::000000000000:role/x", ""},
		{"ReplayPolicy", "{}", ""},
		{"DeliveryPolicy", "{}", ""},
	} {
		fails(t, h.call(), api.SetSubscriptionAttributes, set(c.name, c.value), "InvalidParameter", c.message)
	}
	if d := cmp.Diff(want, get()); d != "" {
		t.Error("what was refused has changed something", d)
	}
	must(t, h.call(), api.SetSubscriptionAttributes, set("FilterPolicyScope", "MessageBody"))
	must(t, h.call(), api.SetSubscriptionAttributes, set("FilterPolicy", `{"a":{"b":["c"]}}`))
	fails(t, h.call(), api.SetSubscriptionAttributes, set("FilterPolicyScope", "MessageAttributes"), "InvalidParameter", "")
	fails(t, h.foreign(), api.GetSubscriptionAttributes, &api.GetSubscriptionAttributesInput{SubscriptionArn: &sub}, "AuthorizationError", "")
	missing := arn + ":00000000-0000-0000-0000-000000000000"
	fails(t, h.call(), api.SetSubscriptionAttributes, &api.SetSubscriptionAttributesInput{SubscriptionArn: &missing, AttributeName: new("FilterPolicy")}, "NotFound", "Subscription does not exist")
}

func TestSubscribingAgain(t *testing.T) {
	h := newHarness(t)
	arn := h.topic("t")
	first := h.subscribe(arn, "q", "RawMessageDelivery", "True")
	for _, pairs := range [][]string{{"RawMessageDelivery", "true"}, {"RawMessageDelivery", "true", "FilterPolicyScope", "MessageAttributes"}, nil, {"FilterPolicyScope", "MessageAttributes"}} {
		if got := h.subscribe(arn, "q", pairs...); got != first {
			t.Errorf("%v: %s", pairs, got)
		}
	}
	fails(t, h.call(), api.Subscribe, &api.SubscribeInput{
		TopicArn: &arn, Protocol: new("sqs"), Endpoint: new(queueOf("q")), Attributes: map[string]string{"RawMessageDelivery": "false", "FilterPolicyScope": "MessageBody"},
	}, "InvalidParameter", "Invalid parameter: Attributes Reason: Subscription already exists with different attributes")
}

func TestSubscribeRefuses(t *testing.T) {
	h := newHarness(t)
	arn := h.topic("t")
	for _, c := range []struct{ protocol, endpoint, message string }{
		{"test-protocol", "x", "Invalid parameter: Amazon SNS does not support this protocol string: test-protocol"},
		{"sms", "+15551234567", "Invalid parameter: moln does not have subscriptions of the protocol sms"},
		{"application", "x", ""}, {"firehose", "x", ""},
		{"sqs", "http://127.0.0.1/000000000000/q", "Invalid parameter: SQS endpoint ARN"},
		{"sqs", "", "Invalid parameter: Endpoint"},
		{"lambda", "f", "Invalid parameter: Lambda endpoint ARN"},
		{"http", "https://example.com", "Invalid parameter: Endpoint must match the specified protocol"},
		{"https", "example.com", "Invalid parameter: Endpoint must match the specified protocol"},
		{"email", "nobody", "Invalid parameter: Email address"},
	} {
		fails(t, h.call(), api.Subscribe, &api.SubscribeInput{TopicArn: &arn, Protocol: &c.protocol, Endpoint: &c.endpoint}, "InvalidParameter", c.message)
	}
	fails(t, h.call(), api.Subscribe, &api.SubscribeInput{TopicArn: &arn, Protocol: new("email"), Endpoint: new("a@example.com"), Attributes: map[string]string{"RawMessageDelivery": "true"}},
		"InvalidParameter", "Invalid parameter: Attributes Reason: Delivery protocol [email] does not support raw message delivery.")
	fails(t, h.call(), api.Subscribe, &api.SubscribeInput{TopicArn: &arn, Protocol: new("sqs"), Endpoint: new(queueOf("q")), Attributes: map[string]string{"RawMessageDelivery": "wrongvalue"}},
		"InvalidParameter", "Invalid parameter: Attributes Reason: RawMessageDelivery: Invalid value [wrongvalue]. Must be true or false.")
	for _, text := range []string{"randomstring", "arn:aws:sns:us-east-1:random", "arn:aws:sns:us-east-1:000000000000:t", ""} {
		fails(t, h.call(), api.Unsubscribe, &api.UnsubscribeInput{SubscriptionArn: &text}, "InvalidParameter", map[string]string{
			"randomstring":                         "Invalid parameter: SubscriptionArn Reason: An ARN must have at least 6 elements, not 1",
			"arn:aws:sns:us-east-1:random":         "Invalid parameter: SubscriptionArn Reason: An ARN must have at least 6 elements, not 5",
			"arn:aws:sns:us-east-1:000000000000:t": "Invalid parameter: SubscriptionId",
			"":                                     "Invalid parameter: SubscriptionArn Reason: no value for required parameter",
		}[text])
	}
}

func TestConfirmRefuses(t *testing.T) {
	h := newHarness(t)
	arn := h.topic("t")
	fails(t, h.call(), api.ConfirmSubscription, &api.ConfirmSubscriptionInput{TopicArn: &arn, Token: new("randomtoken")}, "InvalidParameter", "Invalid token")
	fails(t, h.call(), api.ConfirmSubscription, &api.ConfirmSubscriptionInput{TopicArn: &arn, Token: new(strings.Repeat("0", 256))}, "InvalidParameter", "Invalid parameter: Token")
}

// A queue of another account is asked, and sees nothing before it has agreed.
func TestQueuesOfOthersAreAsked(t *testing.T) {
	h := newHarness(t)
	arn := h.topic("t")
	must(t, h.call(), api.AddPermission, &api.AddPermissionInput{TopicArn: &arn, Label: new("x"), AWSAccountId: []string{stranger}, ActionName: []string{"Subscribe"}})
	// The stranger subscribes a queue of the topic's account.
	sub := *must(t, h.foreign(), api.Subscribe, &api.SubscribeInput{TopicArn: &arn, Protocol: new("sqs"), Endpoint: new(queueOf("q")), ReturnSubscriptionArn: new(true)}).SubscriptionArn
	body := take(t, h.queued).body(t)
	if body["Type"] != "SubscriptionConfirmation" {
		t.Fatal(body)
	}
	h.publish(arn, "secret")
	confirm := &api.ConfirmSubscriptionInput{TopicArn: &arn, Token: new(body["Token"].(string))}
	fails(t, h.user("nobody", ""), api.ConfirmSubscription, confirm, "AuthorizationError", "")
	must(t, h.foreign(), api.ConfirmSubscription, confirm) // who has the token, whatever his account
	must(t, h.call(), api.ConfirmSubscription, confirm)
	h.publish(arn, "told")
	if got := take(t, h.queued).body(t); got["Message"] != "told" {
		t.Error(got)
	}
	list := must(t, h.foreign(), api.ListSubscriptions, &api.ListSubscriptionsInput{}).Subscriptions
	if len(list) != 1 || *list[0].SubscriptionArn != sub || *list[0].Owner != stranger {
		t.Errorf("%+v", list)
	}
	must(t, h.foreign(), api.Unsubscribe, &api.UnsubscribeInput{SubscriptionArn: &sub})
	must(t, h.foreign(), api.Unsubscribe, &api.UnsubscribeInput{SubscriptionArn: &sub})
}

func TestListsOfSubscriptions(t *testing.T) {
	h := newHarness(t)
	a, b := h.topic("a"), h.topic("b")
	want := map[string]bool{}
	for i := range pageSize + 3 {
		want[h.subscribe(a, "q"+strings.Repeat("x", i%50)+string(rune('a'+i/50)))] = true
	}
	must(t, h.call(), api.Subscribe, &api.SubscribeInput{TopicArn: &b, Protocol: new("email"), Endpoint: new("a@example.com")})
	seen, waiting, pages := map[string]bool{}, 0, 0
	for in := (&api.ListSubscriptionsInput{}); ; pages++ {
		out := must(t, h.call(), api.ListSubscriptions, in)
		for _, s := range out.Subscriptions {
			if *s.SubscriptionArn == "PendingConfirmation" {
				waiting++
				continue
			}
			seen[*s.SubscriptionArn] = true
		}
		if in.NextToken = out.NextToken; in.NextToken == nil {
			break
		}
	}
	if d := cmp.Diff(want, seen); d != "" || waiting != 1 || pages != 1 {
		t.Error(d, waiting, pages)
	}
	must(t, h.call(), api.DeleteTopic, &api.DeleteTopicInput{TopicArn: &a})
	if got := must(t, h.call(), api.ListSubscriptions, &api.ListSubscriptionsInput{}); len(got.Subscriptions) != 1 || got.NextToken != nil {
		t.Errorf("%+v", got)
	}
	fails(t, h.call(), api.ListSubscriptionsByTopic, &api.ListSubscriptionsByTopicInput{TopicArn: &a}, "NotFound", "Topic does not exist")
	h.topic("a")
	if got := must(t, h.call(), api.ListSubscriptionsByTopic, &api.ListSubscriptionsByTopicInput{TopicArn: &a}).Subscriptions; len(got) != 0 {
		t.Errorf("%+v", got)
	}
}

func TestFilterPoliciesAreLimited(t *testing.T) {
	h := newHarness(t)
	arn := h.topic("t")
	for i := range filtersPerTopic {
		h.subscribe(arn, "q"+strings.Repeat("x", i%70)+string(rune('a'+i/70)), "FilterPolicy", `{"a":["b"]}`)
	}
	fails(t, h.call(), api.Subscribe, &api.SubscribeInput{TopicArn: &arn, Protocol: new("sqs"), Endpoint: new(queueOf("more")), Attributes: map[string]string{"FilterPolicy": `{"a":["b"]}`}},
		"FilterPolicyLimitExceeded", "")
	h.subscribe(arn, "more")
}
