package sns

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	api "moln.dev/moln/api/sns"
	"moln.dev/moln/platform/identity"
)

func TestTopicAttributes(t *testing.T) {
	h := newHarness(t)
	arn := h.topic("orders.fifo", "FifoTopic", "true", "DisplayName", "Orders", "SignatureVersion", "2")
	got := must(t, h.call(), api.GetTopicAttributes, &api.GetTopicAttributesInput{TopicArn: &arn}).Attributes
	want := map[string]string{
		"ContentBasedDeduplication": "false", "DisplayName": "Orders", "FifoTopic": "true", "Owner": account, "SignatureVersion": "2",
		"EffectiveDeliveryPolicy": `{"http":{"defaultHealthyRetryPolicy":{"minDelayTarget":20,"maxDelayTarget":20,"numRetries":3,"numMaxDelayRetries":0,"numNoDelayRetries":0,"numMinDelayRetries":0,"backoffFunction":"linear"},"disableSubscriptionOverrides":false,"defaultRequestPolicy":{"headerContentType":"text/plain; charset=UTF-8"}}}`,
		"Policy":                  `{"Version":"2008-10-17","Id":"__default_policy_ID","Statement":[{"Sid":"__default_statement_ID","Effect":"Allow","Principal":{"AWS":"*"},"Action":["SNS:GetTopicAttributes","SNS:SetTopicAttributes","SNS:AddPermission","SNS:RemovePermission","SNS:DeleteTopic","SNS:Subscribe","SNS:ListSubscriptionsByTopic","SNS:Publish"],"Resource":"` + arn + `","Condition":{"StringEquals":{"AWS:SourceOwner":"000000000000"}}}]}`,
		"SubscriptionsConfirmed":  "0", "SubscriptionsDeleted": "0", "SubscriptionsPending": "0", "TopicArn": arn,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestTopicNames(t *testing.T) {
	h := newHarness(t)
	for _, c := range []struct {
		name string
		fifo bool
	}{
		{"", false}, {strings.Repeat("a", 257), false}, {"a.fifo", false}, {"a", true}, {"a b", false}, {"a.b", false}, {"ä", false}, {".fifo", true},
	} {
		in := &api.CreateTopicInput{Name: &c.name, Attributes: map[string]string{}}
		if c.fifo {
			in.Attributes["FifoTopic"] = "true"
		}
		fails(t, h.call(), api.CreateTopic, in, "InvalidParameter", "Invalid parameter: Topic Name")
	}
	h.topic(strings.Repeat("a", 256))
}

func TestCreatingAgain(t *testing.T) {
	h := newHarness(t)
	tags := []api.Tag{{Key: new("a"), Value: new("1")}, {Key: new("b"), Value: new("2")}}
	in := func(attributes map[string]string, tags ...api.Tag) *api.CreateTopicInput {
		return &api.CreateTopicInput{Name: new("t"), Attributes: attributes, Tags: tags}
	}
	first := must(t, h.call(), api.CreateTopic, in(map[string]string{"DisplayName": "one"}, tags...))
	for _, again := range []*api.CreateTopicInput{
		in(nil), in(map[string]string{"DisplayName": "one"}), in(map[string]string{"FifoTopic": "false"}), in(nil, tags[0]), in(nil, tags...),
	} {
		if got := must(t, h.call(), api.CreateTopic, again); *got.TopicArn != *first.TopicArn {
			t.Error(*got.TopicArn)
		}
	}
	const different = "Invalid parameter: Attributes Reason: Topic already exists with different attributes"
	fails(t, h.call(), api.CreateTopic, in(map[string]string{"DisplayName": "two"}), "InvalidParameter", different)
	fails(t, h.call(), api.CreateTopic, in(map[string]string{"SignatureVersion": "2"}), "InvalidParameter", different)
	fails(t, h.call(), api.CreateTopic, in(map[string]string{"FifoTopic": "true"}), "InvalidParameter", "Invalid parameter: Topic Name")
	fails(t, h.call(), api.CreateTopic, in(nil, api.Tag{Key: new("c"), Value: new("3")}), "InvalidParameter", "Invalid parameter: Tags Reason: Topic already exists with different tags")
	fails(t, h.call(), api.CreateTopic, in(map[string]string{"Colour": "red"}), "InvalidParameter", "Invalid parameter: Attributes Reason: Unknown attribute: Colour")
}

func TestSetTopicAttributes(t *testing.T) {
	h := newHarness(t)
	arn := h.topic("t")
	set := func(name, value string) *api.SetTopicAttributesInput {
		return &api.SetTopicAttributesInput{TopicArn: &arn, AttributeName: &name, AttributeValue: &value}
	}
	for _, c := range []struct{ name, value, message string }{
		{"Colour", "red", "Invalid parameter: AttributeName"},
		{"FifoTopic", "false", "Invalid parameter: AttributeName"},
		{"DisplayName", strings.Repeat("x", 101), ""},
		{"SignatureVersion", "3", ""},
		{"TracingConfig", "Active", ""},
		{"ContentBasedDeduplication", "true", ""},
		{"ArchivePolicy", `{"MessageRetentionPeriod":"30"}`, ""},
		{"LambdaSuccessFeedbackRoleArn", "arn:aws:iam::000000000000:role/x", ""},
		{"Policy", "{", "Invalid parameter: Policy Error: null"},
		{"Policy", `{"Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"` + arn + `"}]}`, "Invalid parameter: Policy statement action out of service scope!"},
		{"Policy", `{"Statement":[{"Effect":"Allow","Principal":"*","Action":"sns:CreateTopic","Resource":"` + arn + `"}]}`, "Invalid parameter: Policy statement action out of service scope!"},
		{"DeliveryPolicy", `{"http":{"defaultHealthyRetryPolicy":{"numRetries":101}}}`, ""},
	} {
		fails(t, h.call(), api.SetTopicAttributes, set(c.name, c.value), "InvalidParameter", c.message)
	}
	must(t, h.call(), api.SetTopicAttributes, set("DeliveryPolicy", `{"http": {"defaultHealthyRetryPolicy": {"minDelayTarget": 5, "maxDelayTarget": 6, "numRetries": 1}}}`))
	must(t, h.call(), api.SetTopicAttributes, set("Policy", `{"Statement":[{"Effect":"Allow","Principal":"*","Action":"sns:*","Resource":"`+arn+`"}]}`))
	got := must(t, h.call(), api.GetTopicAttributes, &api.GetTopicAttributesInput{TopicArn: &arn}).Attributes
	if want := `{"http":{"defaultHealthyRetryPolicy":{"minDelayTarget":5,"maxDelayTarget":6,"numRetries":1},"disableSubscriptionOverrides":false}}`; got["DeliveryPolicy"] != want {
		t.Error(got["DeliveryPolicy"])
	}
	must(t, h.call(), api.SetTopicAttributes, set("DeliveryPolicy", ""))
	if got := must(t, h.call(), api.GetTopicAttributes, &api.GetTopicAttributesInput{TopicArn: &arn}).Attributes; got["DeliveryPolicy"] != "" {
		t.Error(got["DeliveryPolicy"])
	}
}

func TestARNs(t *testing.T) {
	h := newHarness(t)
	for arn, message := range map[string]string{
		"":         "Invalid parameter: TopicArn Reason: An ARN must have at least 6 elements, not 1",
		"random":   "Invalid parameter: TopicArn Reason: An ARN must have at least 6 elements, not 1",
		"random:x": "Invalid parameter: TopicArn Reason: An ARN must have at least 6 elements, not 2",
		"arn:aws:sns:eu-west-1:" + account + ":t": "Invalid parameter: TopicArn",
		"arn:aws:sqs:us-east-1:" + account + ":t": "Invalid parameter: TopicArn",
	} {
		fails(t, h.call(), api.GetTopicAttributes, &api.GetTopicAttributesInput{TopicArn: &arn}, "InvalidParameter", message)
	}
	absent := "arn:aws:sns:us-east-1:" + account + ":absent"
	fails(t, h.call(), api.GetTopicAttributes, &api.GetTopicAttributesInput{TopicArn: &absent}, "NotFound", "Topic does not exist")
	fails(t, h.call(), api.Publish, &api.PublishInput{TopicArn: &absent, Message: new("x")}, "NotFound", "Topic does not exist")
	must(t, h.call(), api.DeleteTopic, &api.DeleteTopicInput{TopicArn: &absent})
}

func TestPermissions(t *testing.T) {
	h := newHarness(t)
	arn := h.topic("t")
	publish := &api.PublishInput{TopicArn: &arn, Message: new("x")}
	nobody := h.user("nobody", "")
	fails(t, nobody, api.Publish, publish, "AuthorizationError",
		"User: arn:aws:iam::000000000000:user/nobody is not authorized to perform: SNS:Publish on resource: "+arn+" because no identity-based policy allows the SNS:Publish action")
	fails(t, h.foreign(), api.Publish, publish, "AuthorizationError", "")
	add := &api.AddPermissionInput{TopicArn: &arn, Label: new("other"), AWSAccountId: []string{stranger}, ActionName: []string{"Publish"}}
	must(t, h.call(), api.AddPermission, add)
	fails(t, h.call(), api.AddPermission, add, "InvalidParameter", "Invalid parameter: Statement already exists")
	fails(t, h.call(), api.AddPermission, &api.AddPermissionInput{TopicArn: &arn, Label: new("x"), AWSAccountId: []string{stranger}, ActionName: []string{"Fly"}},
		"InvalidParameter", "Invalid parameter: Policy statement action out of service scope!")
	must(t, h.foreign(), api.Publish, publish)
	fails(t, h.foreign(), api.DeleteTopic, &api.DeleteTopicInput{TopicArn: &arn}, "AuthorizationError", "")
	text := must(t, h.call(), api.GetTopicAttributes, &api.GetTopicAttributesInput{TopicArn: &arn}).Attributes["Policy"]
	if want := `{"Sid":"other","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"SNS:Publish","Resource":"` + arn + `"}`; !strings.Contains(text, want) {
		t.Error(text)
	}
	for _, label := range []string{"other", "__default_statement_ID", "absent"} {
		must(t, h.call(), api.RemovePermission, &api.RemovePermissionInput{TopicArn: &arn, Label: &label})
	}
	fails(t, h.foreign(), api.Publish, publish, "AuthorizationError", "")
}

// A service may publish where the topic's policy says so, for what it names.
func TestServicesPublish(t *testing.T) {
	h := newHarness(t)
	arn := h.topic("t")
	const bucket = "arn:aws:s3:::photos"
	s3 := h.call().As(identity.Service("s3.amazonaws.com", account, bucket))
	publish := &api.PublishInput{TopicArn: &arn, Message: new("x")}
	fails(t, s3, api.Publish, publish, "AuthorizationError", "")
	must(t, h.call(), api.SetTopicAttributes, &api.SetTopicAttributesInput{TopicArn: &arn, AttributeName: new("Policy"), AttributeValue: new(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"Action":"SNS:Publish","Resource":"` + arn + `","Condition":{"ArnLike":{"aws:SourceArn":"` + bucket + `"},"StringEquals":{"aws:SourceAccount":"` + account + `"}}}]}`)})
	must(t, s3, api.Publish, publish)
	fails(t, h.call().As(identity.Service("s3.amazonaws.com", account, bucket+"2")), api.Publish, publish, "AuthorizationError", "")
	fails(t, h.call().As(identity.Service("events.amazonaws.com", account, bucket)), api.Publish, publish, "AuthorizationError", "")
}

func TestTags(t *testing.T) {
	h := newHarness(t)
	arn := h.topic("t")
	must(t, h.call(), api.TagResource, &api.TagResourceInput{ResourceArn: &arn, Tags: []api.Tag{{Key: new("b"), Value: new("2")}, {Key: new("a"), Value: new("1")}}})
	must(t, h.call(), api.UntagResource, &api.UntagResourceInput{ResourceArn: &arn, TagKeys: []string{"b", "c"}})
	got := must(t, h.call(), api.ListTagsForResource, &api.ListTagsForResourceInput{ResourceArn: &arn}).Tags
	if d := cmp.Diff([]api.Tag{{Key: new("a"), Value: new("1")}}, got); d != "" {
		t.Error(d)
	}
	fails(t, h.call(), api.TagResource, &api.TagResourceInput{ResourceArn: &arn, Tags: []api.Tag{{Key: new("b"), Value: new("2")}, {Key: new("b"), Value: new("1")}}},
		"InvalidParameter", "Invalid parameter: Duplicated keys are not allowed.")
	fails(t, h.call(), api.ListTagsForResource, &api.ListTagsForResourceInput{ResourceArn: new(arn + "x")}, "ResourceNotFound", "Resource does not exist")
}

func TestListTopics(t *testing.T) {
	h := newHarness(t)
	names := map[string]bool{}
	for i := range pageSize + 5 {
		names[h.topic("t"+string(rune('a'+i/26))+string(rune('a'+i%26)))] = true
	}
	in := &api.ListTopicsInput{}
	for pages := 0; ; pages++ {
		out := must(t, h.call(), api.ListTopics, in)
		for _, topic := range out.Topics {
			delete(names, *topic.TopicArn)
		}
		if in.NextToken = out.NextToken; in.NextToken == nil {
			if pages != 1 {
				t.Errorf("%d pages", pages+1)
			}
			break
		}
	}
	if len(names) > 0 {
		t.Errorf("not listed: %v", names)
	}
	fails(t, h.call(), api.ListTopics, &api.ListTopicsInput{NextToken: new("!")}, "InvalidParameter", "Invalid parameter: NextToken")
}
