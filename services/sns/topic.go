package sns

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"moln.dev/moln/aws/arn"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/services/sns/retry"
)

// topic is a topic as stored.
type topic struct {
	Account, Region, Name string
	// ID tells a topic from an earlier one of the same name.
	ID      string
	Created time.Time
	FIFO    bool
	// Policy is the access policy, as it was given; empty when its last statement
	// was removed.
	Policy string
	// Attributes are those that were set: DisplayName, DeliveryPolicy, …
	Attributes map[string]string
	Tags       map[string]string
	// Generation grows with every change of the topic's subscriptions.
	Generation                  int64
	Confirmed, Pending, Deleted int

	compiled *policy.Policy
	delivery retry.TopicPolicy
}

// Names of topic attributes.
const (
	attrDisplayName      = "DisplayName"
	attrPolicy           = "Policy"
	attrDeliveryPolicy   = "DeliveryPolicy"
	attrEffective        = "EffectiveDeliveryPolicy"
	attrKMSKey           = "KmsMasterKeyId"
	attrTracing          = "TracingConfig"
	attrSignatureVersion = "SignatureVersion"
	attrFIFO             = "FifoTopic"
	attrContentDedup     = "ContentBasedDeduplication"
	attrThroughputScope  = "FifoThroughputScope"
	attrArchivePolicy    = "ArchivePolicy"
)

// Limits of topics (API reference, CreateTopic; SNS quotas).
const (
	nameMax        = 256
	displayNameMax = 100
	policyBytesMax = 30 << 10
	tagsMax        = 50
	fifoSuffix     = ".fifo"
)

var nameForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,256}$`)

// checkName refuses what is no name of a topic of that kind.
func checkName(name string, fifo bool) error {
	base, isFIFO := strings.CutSuffix(name, fifoSuffix)
	if len(name) > nameMax || !nameForm.MatchString(base) || isFIFO != fifo {
		return invalid("Topic Name")
	}
	return nil
}

func (t *topic) arn() string { return topicARN(t.Account, t.Region, t.Name) }

func topicARN(account, region, name string) string {
	return arn.ARN{Partition: arn.PartitionOf(region), Service: "sns", Region: region, Account: account, Resource: name}.String()
}

func (t *topic) place() place { return place{t.Account, t.Region} }

// Actions that topic policies may speak of, as SNS writes them; the first eight
// are those of the default policy.
var policyActions = []string{
	"GetTopicAttributes", "SetTopicAttributes", "AddPermission", "RemovePermission", "DeleteTopic", "Subscribe", "ListSubscriptionsByTopic", "Publish",
	"Receive", "GetDataProtectionPolicy", "PutDataProtectionPolicy", "ListTagsForResource", "TagResource", "UntagResource",
}

const defaultActions = 8

// defaultPolicy is the policy that a topic is born with.
func defaultPolicy(topicARN, account string) string {
	actions := make([]string, defaultActions)
	for i, a := range policyActions[:defaultActions] {
		actions[i] = "SNS:" + a
	}
	doc := policy.Draft{Version: policy.Version2008, ID: "__default_policy_ID"}
	_ = doc.Add(policy.Grant{ // plain strings
		Sid: "__default_statement_ID", Effect: policy.Allow, Principal: map[string]any{"AWS": "*"}, Action: actions, Resource: topicARN,
		Condition: map[string]map[string]string{"StringEquals": {"AWS:SourceOwner": account}},
	})
	text, _ := doc.Text() // likewise
	return text
}

// read fills in what the stored form says.
func (t *topic) read() (err error) {
	if t.Policy != "" {
		p, err := policy.Parse([]byte(t.Policy), policy.Resource)
		if err != nil {
			return err // it was checked when it was stored
		}
		t.compiled = p.Named("topic policy of " + t.Name)
	}
	t.delivery, err = retry.ParseTopicPolicy(t.Attributes[attrDeliveryPolicy])
	return err
}

// describe gives the attributes as GetTopicAttributes shows them.
func (t *topic) describe() map[string]string {
	out := map[string]string{attrDisplayName: ""}
	maps.Copy(out, t.Attributes)
	delete(out, attrDeliveryPolicy)
	if t.Attributes[attrDeliveryPolicy] != "" {
		out[attrDeliveryPolicy] = t.delivery.JSON()
	}
	out[attrEffective] = t.delivery.Effective()
	if t.Policy != "" {
		out[attrPolicy] = t.Policy
	}
	out["Owner"], out["TopicArn"] = t.Account, t.arn()
	out["SubscriptionsConfirmed"], out["SubscriptionsPending"], out["SubscriptionsDeleted"] = strconv.Itoa(t.Confirmed), strconv.Itoa(t.Pending), strconv.Itoa(t.Deleted)
	if t.FIFO {
		out[attrFIFO] = "true"
		if out[attrContentDedup] == "" {
			out[attrContentDedup] = "false"
		}
	}
	return out
}

// set sets one attribute; its errors are reasons.
func (t *topic) set(name, value string) error {
	switch name {
	case attrDisplayName:
		if len([]rune(value)) > displayNameMax {
			return reason("DisplayName: must be at most 100 characters long")
		}
	case attrPolicy:
		return t.setPolicy(value)
	case attrDeliveryPolicy:
		p, err := retry.ParseTopicPolicy(value)
		if err != nil {
			return reason("DeliveryPolicy: %v", err)
		}
		t.delivery = p
	case attrKMSKey:
	case attrTracing:
		if value == "Active" {
			return reason("TracingConfig: moln has no X-Ray, only PassThrough")
		}
		if value != "PassThrough" {
			return reason("TracingConfig: Invalid value [%s]. Must be PassThrough or Active.", value)
		}
	case attrSignatureVersion:
		if value != "1" && value != "2" {
			return reason("SignatureVersion: Invalid value [%s]. Must be 1 or 2.", value)
		}
	case attrContentDedup:
		v, ok := boolean(value)
		switch {
		case !t.FIFO:
			return reason("Content-based deduplication can only be set for FIFO topics")
		case !ok:
			return reason("ContentBasedDeduplication: Invalid value [%s]. Must be true or false.", value)
		}
		value = v
	case attrThroughputScope:
		if !t.FIFO {
			return reason("FifoThroughputScope can only be set for FIFO topics")
		}
		if value != "Topic" && value != "MessageGroup" {
			return reason("FifoThroughputScope: Invalid value [%s]. Must be Topic or MessageGroup.", value)
		}
	case attrArchivePolicy:
		return reason("ArchivePolicy: moln does not archive messages")
	default:
		if feedback(name) {
			return reason("%s: moln does not log the delivery status of messages", name)
		}
		return errAttributeName
	}
	if value == "" && name != attrDisplayName {
		delete(t.Attributes, name)
		return nil
	}
	if t.Attributes == nil {
		t.Attributes = map[string]string{}
	}
	t.Attributes[name] = value
	return nil
}

// feedback says whether an attribute is about the logging of deliveries.
func feedback(name string) bool {
	for _, p := range []string{"HTTP", "Firehose", "Lambda", "Application", "SQS"} {
		if rest, ok := strings.CutPrefix(name, p); ok && slices.Contains([]string{"SuccessFeedbackRoleArn", "SuccessFeedbackSampleRate", "FailureFeedbackRoleArn"}, rest) {
			return true
		}
	}
	return false
}

// setPolicy checks and sets the access policy; an empty one is the default.
func (t *topic) setPolicy(text string) error {
	if text == "" {
		t.Policy = defaultPolicy(t.arn(), t.Account)
		return nil
	}
	if len(text) > policyBytesMax {
		return reason("Policy length exceeded")
	}
	if _, err := policy.Parse([]byte(text), policy.Resource); err != nil {
		return reason("Policy Error: null")
	}
	var doc struct{ Statement any }
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		return reason("Policy Error: null")
	}
	for _, st := range list(doc.Statement) {
		m, _ := st.(map[string]any)
		for _, a := range list(m["Action"]) {
			if !ofTopics(a) {
				return reason("Policy statement action out of service scope!")
			}
		}
		for _, r := range list(m["Resource"]) {
			if s, ok := r.(string); !ok || !about(s, t.arn()) {
				return reason("Policy statement resource must be the topic's own ARN: %v", r)
			}
		}
	}
	t.Policy = text
	return nil
}

// list is a value that may stand alone.
func list(v any) []any {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		return v
	}
	return []any{v}
}

// ofTopics says whether an action of a policy is one of topics, or a pattern of
// such.
func ofTopics(action any) bool {
	s, ok := action.(string)
	if !ok {
		return false
	}
	if s == "*" {
		return true
	}
	prefix, name, _ := strings.Cut(s, ":")
	if !strings.EqualFold(prefix, "sns") || name == "" {
		return false
	}
	return strings.ContainsAny(name, "*?") || slices.ContainsFunc(policyActions, func(a string) bool { return strings.EqualFold(a, name) })
}

// about says whether a resource of a policy may mean the topic.
func about(resource, topicARN string) bool {
	return resource == topicARN || strings.ContainsAny(resource, "*?")
}

// boolean reads true and false in any case.
func boolean(s string) (string, bool) {
	s = strings.ToLower(s)
	return s, s == "true" || s == "false"
}
