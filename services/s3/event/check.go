package event

import (
	"slices"
	"strings"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/arn"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
)

// Limits of a notification configuration.
const (
	notificationsMax  = 100
	filterValueBytes  = 1024
	notificationIDMax = 255
)

// happening are the events that happen here. Of the others that the model has,
// no object is ever lost from a storage class, replications have no time that
// they could miss, and there are no annotations.
var happening = []string{
	"s3:ObjectCreated:*", "s3:ObjectCreated:Put", "s3:ObjectCreated:Post", "s3:ObjectCreated:Copy", "s3:ObjectCreated:CompleteMultipartUpload",
	"s3:ObjectRemoved:*", "s3:ObjectRemoved:Delete", "s3:ObjectRemoved:DeleteMarkerCreated",
	"s3:ObjectRestore:*", "s3:ObjectRestore:Post", "s3:ObjectRestore:Completed", "s3:ObjectRestore:Delete",
	"s3:LifecycleExpiration:*", "s3:LifecycleExpiration:Delete", "s3:LifecycleExpiration:DeleteMarkerCreated",
	"s3:LifecycleTransition", "s3:IntelligentTiering",
	"s3:ObjectTagging:*", "s3:ObjectTagging:Put", "s3:ObjectTagging:Delete", "s3:ObjectAcl:Put", "s3:ObjectRetention:Put",
	"s3:Replication:*", "s3:Replication:OperationFailedReplication",
}

// Filter is a configuration's prefix and suffix of keys.
type Filter struct{ prefix, suffix string }

// FilterOf reads the filter of a configuration.
func FilterOf(f *api.NotificationConfigurationFilter) (Filter, error) {
	var out Filter
	if f == nil || f.Key == nil {
		return out, nil
	}
	seen := map[string]bool{}
	for _, r := range f.Key.FilterRules {
		name, value := strings.ToLower(smithy.Val(r.Name)), smithy.Val(r.Value)
		switch {
		case name != "prefix" && name != "suffix":
			return out, fault.As(invalid("filter rule name must be either prefix or suffix")).WithBody(argument(smithy.Val(r.Name), value))
		case seen[name]:
			return out, invalid("Cannot specify more than one %s rule in a filter.", name)
		case len(value) > filterValueBytes:
			return out, invalid("Size of filter rule value cannot exceed 1024 bytes in UTF-8 representation")
		}
		seen[name] = true
		if name == "prefix" {
			out.prefix = value
		} else {
			out.suffix = value
		}
	}
	return out, nil
}

// Matches reports whether the filter lets a key through.
func (f Filter) Matches(key string) bool {
	return strings.HasPrefix(key, f.prefix) && strings.HasSuffix(key, f.suffix)
}

// overlaps reports whether some key may match both.
func (f Filter) overlaps(g Filter) bool {
	return (strings.HasPrefix(f.prefix, g.prefix) || strings.HasPrefix(g.prefix, f.prefix)) &&
		(strings.HasSuffix(f.suffix, g.suffix) || strings.HasSuffix(g.suffix, f.suffix))
}

// Matches compares a configured event with one that happened; both with
// the prefix "s3:".
func Matches(configured, event string) bool {
	if group, ok := strings.CutSuffix(configured, "*"); ok {
		return strings.HasPrefix(event, group)
	}
	return configured == event
}

func eventsOverlap(a, b []string) bool {
	return slices.ContainsFunc(a, func(x string) bool {
		return slices.ContainsFunc(b, func(y string) bool { return Matches(x, y) || Matches(y, x) })
	})
}

// Kind is what a target is, as ARNs name its service.
type Kind string

// Kinds of targets.
const (
	Function Kind = "lambda"
	Queue    Kind = "sqs"
	Topic    Kind = "sns"
)

// fifoSuffix ends the names of queues and topics that keep an order, which S3
// does not send to (notification-how-to-event-types-and-destinations.html).
const fifoSuffix = ".fifo"

// member names the member of a configuration that has a target's ARN.
func (k Kind) member() string {
	return map[Kind]string{Function: "LambdaFunctionArn", Queue: "QueueArn", Topic: "TopicArn"}[k]
}

// ordered is the refusal of a target that keeps an order.
func (k Kind) ordered() string {
	if k == Topic {
		return "FIFO SNS topics are not supported."
	}
	return "FIFO SQS queues are not supported."
}

// Reason says what is wrong with a target that cannot be told of anything: it is
// not there, or does not let S3.
func (k Kind) Reason(exists bool) string {
	name := map[Kind]string{Function: "Lambda", Queue: "queue", Topic: "topic"}[k]
	switch {
	case !exists && name == "":
		return "The destination does not exist"
	case !exists:
		return "The destination " + name + " does not exist"
	case k == Function:
		return "Permissions on the destination Lambda function do not allow S3 to invoke the function from this bucket"
	case name == "":
		return "Permissions on the destination do not allow S3 to publish notifications from this bucket"
	}
	return "Permissions on the destination " + name + " do not allow S3 to publish notifications from this bucket"
}

// Target is who is told of which changes.
type Target struct {
	Kind   Kind
	ID     *string
	ARN    string
	Events []string
	Filter Filter
}

// Wants reports whether the target is told of an event, named with "s3:", of a
// key.
func (t *Target) Wants(event, key string) bool {
	return t.Filter.Matches(key) && slices.ContainsFunc(t.Events, func(e string) bool { return Matches(e, event) })
}

// Targets reads the targets of a configuration, in its order.
func Targets(n *api.NotificationConfiguration) ([]Target, error) {
	var out []Target
	add := func(kind Kind, id, arn *string, events []string, filter *api.NotificationConfigurationFilter) error {
		f, err := FilterOf(filter)
		out = append(out, Target{kind, id, smithy.Val(arn), events, f})
		return err
	}
	for _, t := range n.TopicConfigurations {
		if err := add(Topic, t.Id, t.TopicArn, t.Events, t.Filter); err != nil {
			return nil, err
		}
	}
	for _, q := range n.QueueConfigurations {
		if err := add(Queue, q.Id, q.QueueArn, q.Events, q.Filter); err != nil {
			return nil, err
		}
	}
	for _, l := range n.LambdaFunctionConfigurations {
		if err := add(Function, l.Id, l.LambdaFunctionArn, l.Events, l.Filter); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Check refuses what cannot be delivered, or delivered once.
func Check(n *api.NotificationConfiguration, region string) error {
	targets, err := Targets(n)
	if err != nil {
		return err
	}
	if len(targets) > notificationsMax {
		return invalid("Number of notification configurations exceeds the limit of %d", notificationsMax)
	}
	ids := map[string]bool{}
	for i := range targets {
		t := &targets[i]
		if err := t.check(region); err != nil {
			return err
		}
		if id := smithy.Val(t.ID); id != "" {
			if ids[id] || len(id) > notificationIDMax {
				return invalid("Same ID used for multiple configurations. IDs must be unique")
			}
			ids[id] = true
		}
		for j := range i {
			if err := t.apart(&targets[j]); err != nil {
				return err
			}
		}
	}
	return nil
}

// apart refuses two targets that a change might be told to both.
func (t *Target) apart(u *Target) error {
	switch {
	case !eventsOverlap(t.Events, u.Events) || !t.Filter.overlaps(u.Filter):
		return nil
	case t.Filter == (Filter{}) && u.Filter == (Filter{}):
		return invalid("Configurations overlap. Configurations on the same bucket cannot share a common event type.")
	}
	return invalid("Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if the prefixes are overlapping for the same event type.")
}

func (t *Target) check(region string) error {
	if len(t.Events) == 0 {
		return fault.New("MalformedXML", 400, "The XML you provided was not well-formed or did not validate against our published schema")
	}
	for _, e := range t.Events {
		if !slices.Contains(happening, e) {
			return fault.New("NotImplemented", 501, "moln has no event %s", e)
		}
	}
	a, err := arn.Parse(t.ARN)
	if err != nil || a.Service != string(t.Kind) || a.Resource == "" || t.Kind == Function && !strings.HasPrefix(a.Resource, "function:") {
		return fault.As(invalid("The ARN could not be parsed")).WithBody(argument(t.Kind.member(), t.ARN))
	}
	if strings.HasSuffix(a.Resource, fifoSuffix) && t.Kind != Function {
		return invalid("%s", t.Kind.ordered())
	}
	if a.Region != region {
		return invalid("The notification destination service region is not valid for the bucket location constraint")
	}
	return nil
}

// argument names what is wrong in an answer.
func argument(name, value string) map[string]string {
	return map[string]string{"ArgumentName": name, "ArgumentValue": value}
}

func invalid(format string, args ...any) error {
	return fault.New("InvalidArgument", 400, format, args...)
}
