package target

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"moln.dev/moln/api/events"
	"moln.dev/moln/api/sns"
	"moln.dev/moln/api/sqs"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/identity"
	"moln.dev/moln/platform/service"
)

const place = "eu-west-1:123456789012:"

// office stands for the services behind targets: a queue, a topic and a bus, of
// which only the queue's policy lets anybody in.
type office struct {
	sent any
	call *service.Call
}

func (o *office) Dispatch(_ context.Context, c *service.Call, _ smithy.Descriptor, in any) (any, error) {
	switch in := in.(type) {
	case *sqs.GetQueueAttributesInput:
		if !strings.HasSuffix(*in.QueueUrl, "/123456789012/q") {
			return nil, sqs.ErrQueueDoesNotExist("The specified queue does not exist.")
		}
		return &sqs.GetQueueAttributesOutput{Attributes: map[string]string{
			"Policy": `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"sqs:SendMessage","Resource":"*"}}`,
		}}, nil
	case *sns.GetTopicAttributesInput:
		return &sns.GetTopicAttributesOutput{}, nil
	case *events.DescribeEventBusInput:
		return nil, fault.New("NotImplemented", 501, "not yet")
	case *events.PutEventsInput:
		o.sent = in
		return &events.PutEventsOutput{FailedEntryCount: new(int32(1))}, nil
	case *sqs.SendMessageInput:
		o.sent, o.call = in, c
		return &sqs.SendMessageOutput{}, nil
	case *sns.PublishInput:
		o.sent = in
		return &sns.PublishOutput{}, nil
	}
	return nil, fmt.Errorf("%T", in)
}

func (o *office) Judge(_ context.Context, c *service.Call, check service.Check) error {
	if d := policy.Evaluate(policy.Request{Principal: c.Caller.Principal, Action: check.Action, Resource: check.Resource, ResourceAccount: check.Account}, policy.Set{Resource: check.Policy}); !d.Allowed {
		return fault.New("AccessDenied", 403, "no")
	}
	return nil
}

func (o *office) Assume(context.Context, *service.Call, service.Assume) (service.Session, error) {
	return service.Session{}, nil
}

func newOffice() (*office, *service.Call) {
	o := &office{}
	role := identity.Principal{Principal: policy.Principal{Kind: policy.AssumedRole, AccountID: "123456789012", RoleARN: "arn:aws:iam::123456789012:role/r", ARN: "arn:aws:sts::123456789012:assumed-role/r/s"}}
	return o, service.NewCall(o, service.Call{Account: "123456789012", Region: "us-east-1", Caller: role})
}

func TestChecks(t *testing.T) {
	_, c := newOffice()
	role := func() (*service.Call, error) { return c, nil }
	for _, x := range []struct {
		arn, record, letter string // messages, "" for none
	}{
		{"arn:aws:sqs:" + place + "q", "", ""},
		{"arn:aws:sqs:" + place + "gone", "The destination ARN arn:aws:sqs:" + place + "gone is invalid.", "Error occurred while SendMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: The specified queue does not exist."},
		{"arn:aws:sns:" + place + "t", "The function's execution role does not have permissions to call Publish on arn:aws:sns:" + place + "t", "The provided execution role does not have permissions to call Publish on SNS"},
		{"arn:aws:events:" + place + "event-bus/b", "moln does not support arn:aws:events:" + place + "event-bus/b as a destination: it does not have that service", ""},
	} {
		target, ok := Parse(x.arn)
		if !ok {
			t.Fatal(x.arn)
		}
		said := func(err error) string {
			if err == nil {
				return ""
			}
			return fault.As(err).Message
		}
		if got := said(target.Check(t.Context(), c, role)); got != x.record {
			t.Errorf("%s: %s", x.arn, got)
		}
		if !target.TakesDeadLetters() {
			continue
		}
		if got := said(target.CheckDeadLetters(t.Context(), c, role)); got != x.letter {
			t.Errorf("%s: %s", x.arn, got)
		}
	}
	for arn, fifo := range map[string]bool{"arn:aws:sqs:" + place + "q.fifo": true, "arn:aws:sns:" + place + "t.fifo": true, "arn:aws:s3:::b.fifo": false} {
		if target, ok := Parse(arn); !ok || target.FIFO() != fifo || target.TakesDeadLetters() {
			t.Errorf("%s: %+v", arn, target)
		}
	}
}

func TestSend(t *testing.T) {
	o, c := newOffice()
	m := Message{Body: []byte(`{}`), DetailType: "d", Resources: []string{"r"}, Attributes: []Attribute{{"ErrorCode", "Number", "200"}}, Trace: "Root=1"}
	send := func(arn string) error {
		target, _ := Parse(arn)
		return target.Send(t.Context(), c, m)
	}
	if err := send("arn:aws:sqs:" + place + "q"); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(&sqs.SendMessageInput{
		QueueUrl: new("https://sqs.eu-west-1.amazonaws.com/123456789012/q"), MessageBody: new("{}"),
		MessageAttributes:       map[string]sqs.MessageAttributeValue{"ErrorCode": {DataType: new("Number"), StringValue: new("200")}},
		MessageSystemAttributes: map[string]sqs.MessageSystemAttributeValue{"AWSTraceHeader": {DataType: new("String"), StringValue: new("Root=1")}},
	}, o.sent); d != "" || o.call.Region != "eu-west-1" {
		t.Error(d, o.call.Region)
	}
	if err := send("arn:aws:sns:" + place + "t"); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(&sns.PublishInput{
		TopicArn: new("arn:aws:sns:" + place + "t"), Message: new("{}"),
		MessageAttributes: map[string]sns.MessageAttributeValue{"ErrorCode": {DataType: new("Number"), StringValue: new("200")}},
	}, o.sent); d != "" {
		t.Error(d)
	}
	if err := send("arn:aws:events:" + place + "event-bus/b"); err == nil {
		t.Error("an event that the bus did not take counts as sent")
	}
	e := o.sent.(*events.PutEventsInput).Entries[0]
	if *e.Source != "lambda" || *e.DetailType != "d" || *e.TraceHeader != "Root=1" {
		t.Errorf("%+v", e)
	}
}
