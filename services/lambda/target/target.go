// Package target gives Lambda's records to where their owners want them: a
// function, a bucket, a queue, a topic or an event bus. It sends as the role of the function that the record is about, and
// keeps nothing: whoever must not lose a record tries again.
package target

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"moln.dev/moln/api/events"
	api "moln.dev/moln/api/lambda"
	"moln.dev/moln/api/s3"
	"moln.dev/moln/api/sns"
	"moln.dev/moln/api/sqs"
	"moln.dev/moln/aws/arn"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/identity"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/lambda/fn"
)

// Kind is the service of a target, as its ARN has it.
type Kind string

// Kinds of targets.
const (
	Function Kind = "lambda"
	Bucket   Kind = "s3"
	Queue    Kind = "sqs"
	Topic    Kind = "sns"
	Bus      Kind = "events"
)

// actions are what a role needs in order to send to a kind, and operations what
// AWS calls them in its messages.
var actions = map[Kind]struct{ action, operation string }{
	Function: {"lambda:InvokeFunction", "Invoke"},
	Bucket:   {"s3:PutObject", "PutObject"},
	Queue:    {"sqs:SendMessage", "SendMessage"},
	Topic:    {"sns:Publish", "Publish"},
	Bus:      {"events:PutEvents", "PutEvents"},
}

// Target is one place to send to.
type Target struct {
	Kind Kind
	ARN  string
	at   arn.ARN
}

// Parse reads an ARN; false where it names nothing that can be sent to.
func Parse(text string) (Target, bool) {
	a, err := arn.Parse(text)
	t := Target{Kind: Kind(a.Service), ARN: text, at: a}
	if err != nil || actions[t.Kind].action == "" || a.Resource == "" {
		return t, false
	}
	switch t.Kind {
	case Function:
		return t, strings.HasPrefix(a.Resource, "function:") && a.Account != ""
	case Bucket:
		return t, !strings.Contains(a.Resource, "/")
	case Bus:
		return t, strings.HasPrefix(a.Resource, "event-bus/") && a.Account != ""
	}
	return t, a.Account != "" && !strings.ContainsAny(a.Resource, "/:")
}

// resource is what a role must be allowed to send to.
func (t Target) resource() string {
	if t.Kind == Bucket {
		return t.ARN + "/*"
	}
	return t.ARN
}

// Check says why records of a function cannot be sent to the target, which is
// asked for as owner, the root of the function's account. role makes a call as the
// function's role.
func (t Target) Check(ctx context.Context, owner *service.Call, role func() (*service.Call, error)) error {
	own, absent, err := t.exists(ctx, owner)
	switch {
	case absent:
		return fn.Unsupported("%s as a destination: it does not have that service", t.ARN)
	case fn.IsFault(err):
		return fn.Invalid("The destination ARN %s is invalid.", t.ARN)
	case err != nil:
		return err
	}
	c, err := role()
	if err != nil {
		return err
	}
	err = t.allowed(ctx, c, own)
	if fn.IsFault(err) {
		return fn.Invalid("The function's execution role does not have permissions to call %s on %s", actions[t.Kind].operation, t.ARN)
	}
	return err
}

// allowed judges whether c's caller, a session of the function's role, may send
// to the target, as AWS demands when a target is set. resource is the target's own
// policy. What a function or a bucket of another account says shows when it is
// sent something.
func (t Target) allowed(ctx context.Context, c *service.Call, resource string) error {
	check := service.Check{Action: actions[t.Kind].action, Resource: t.resource(), Account: t.at.Account}
	if other := t.at.Account != "" && t.at.Account != c.Account; other && (t.Kind == Function || t.Kind == Bucket) {
		return nil
	}
	if resource != "" {
		var err error
		if check.Policy, err = policy.Parse([]byte(resource), policy.Resource); err != nil {
			return fmt.Errorf("lambda: policy of %s: %w", t.ARN, err)
		}
	}
	return t.in(c).Judge(ctx, check)
}

// exists asks the target's service, as c's caller, whether it is there; the
// fault says what is wrong. absent says that this moln does not have the service
// at all. resource is the policy of the target, where queues, topics and buses
// have one.
func (t Target) exists(ctx context.Context, c *service.Call) (resource string, absent bool, err error) {
	c = t.in(c)
	if t.at.Account != "" { // whoever owns the target knows whether it is there
		c.Caller = identity.Root(t.at.Account)
	}
	switch t.Kind {
	case Function:
		_, err = service.Invoke(ctx, c, api.GetFunctionConfiguration, &api.GetFunctionConfigurationInput{FunctionName: &t.ARN})
	case Bucket:
		_, err = service.Invoke(ctx, c, s3.HeadBucket, &s3.HeadBucketInput{Bucket: &t.at.Resource})
	case Queue:
		var out *sqs.GetQueueAttributesOutput
		out, err = service.Invoke(ctx, c, sqs.GetQueueAttributes, &sqs.GetQueueAttributesInput{QueueUrl: new(t.at.QueueURL()), AttributeNames: []string{sqs.QueueAttributeNamePolicy}})
		if err == nil {
			resource = out.Attributes[sqs.QueueAttributeNamePolicy]
		}
	case Topic:
		var out *sns.GetTopicAttributesOutput
		out, err = service.Invoke(ctx, c, sns.GetTopicAttributes, &sns.GetTopicAttributesInput{TopicArn: &t.ARN})
		if err == nil {
			resource = out.Attributes["Policy"]
		}
	case Bus:
		var out *events.DescribeEventBusOutput
		out, err = service.Invoke(ctx, c, events.DescribeEventBus, &events.DescribeEventBusInput{Name: &t.ARN})
		if err == nil {
			resource = smithy.Val(out.Policy)
		}
	}
	f := fault.As(err)
	return resource, f != nil && f.Status == 501, err
}

// in is the call in the target's account and region; a bucket's ARN has none.
func (t Target) in(c *service.Call) *service.Call {
	d := *c
	if t.at.Account != "" {
		d.Account = t.at.Account
	}
	if t.at.Region != "" {
		d.Region = t.at.Region
	}
	return &d
}

// Message is what a target is sent.
type Message struct {
	Body []byte // JSON
	// Key is the name of the object in a bucket.
	Key string
	// DetailType and Resources describe it on an event bus.
	DetailType string
	Resources  []string
	// Attributes are those of the message in a queue or to a topic.
	Attributes []Attribute
	// Trace is the trace header of what the message comes from, for queues and
	// buses; "" is none.
	Trace string
}

// Attribute is one of a message.
type Attribute struct{ Name, Type, Value string }

// busSource is the source of Lambda's own events.
const busSource = "lambda"

// Send gives the target a message as c's caller. Faults are the target's.
func (t Target) Send(ctx context.Context, c *service.Call, m Message) error {
	c = t.in(c)
	var err error
	switch t.Kind {
	case Function:
		_, err = service.Invoke(ctx, c, api.Invoke, &api.InvokeInput{FunctionName: &t.ARN, InvocationType: new(api.InvocationTypeEvent), Payload: m.Body})
	case Bucket:
		_, err = service.Invoke(ctx, c, s3.PutObject, &s3.PutObjectInput{
			Bucket: &t.at.Resource, Key: &m.Key, Body: bytes.NewReader(m.Body), ContentLength: new(int64(len(m.Body))), ContentType: new("application/json"),
		})
	case Queue:
		_, err = service.Invoke(ctx, c, sqs.SendMessage, t.letter(m))
	case Topic:
		_, err = service.Invoke(ctx, c, sns.Publish, t.notice(m))
	case Bus:
		e := events.PutEventsRequestEntry{EventBusName: &t.ARN, Source: new(busSource), DetailType: &m.DetailType, Resources: m.Resources, Detail: new(string(m.Body))}
		if m.Trace != "" {
			e.TraceHeader = &m.Trace
		}
		var out *events.PutEventsOutput
		out, err = service.Invoke(ctx, c, events.PutEvents, &events.PutEventsInput{Entries: []events.PutEventsRequestEntry{e}})
		if err == nil && smithy.Val(out.FailedEntryCount) > 0 {
			err = fmt.Errorf("lambda: %s did not take an event", t.ARN)
		}
	}
	return err
}

// letter is a message for a queue.
func (t Target) letter(m Message) *sqs.SendMessageInput {
	in := &sqs.SendMessageInput{QueueUrl: new(t.at.QueueURL()), MessageBody: new(string(m.Body)), MessageAttributes: map[string]sqs.MessageAttributeValue{}}
	for _, a := range m.Attributes {
		in.MessageAttributes[a.Name] = sqs.MessageAttributeValue{DataType: &a.Type, StringValue: &a.Value}
	}
	if m.Trace != "" {
		in.MessageSystemAttributes = map[string]sqs.MessageSystemAttributeValue{
			sqs.MessageSystemAttributeNameForSendsAWSTraceHeader: {DataType: new("String"), StringValue: &m.Trace},
		}
	}
	return in
}

// notice is a message for a topic.
func (t Target) notice(m Message) *sns.PublishInput {
	in := &sns.PublishInput{TopicArn: &t.ARN, Message: new(string(m.Body)), MessageAttributes: map[string]sns.MessageAttributeValue{}}
	for _, a := range m.Attributes {
		in.MessageAttributes[a.Name] = sns.MessageAttributeValue{DataType: &a.Type, StringValue: &a.Value}
	}
	return in
}
