package notify

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"moln.dev/moln/api/events"
	"moln.dev/moln/api/sns"
	"moln.dev/moln/api/sqs"
	"moln.dev/moln/aws/arn"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/sched"
	"moln.dev/moln/platform/functions"
	"moln.dev/moln/platform/identity"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/s3/event"
	"moln.dev/moln/services/s3/naming"
)

// delivery is the payload of a notify job.
type delivery struct {
	Kind              event.Kind `json:",omitempty"` // empty: a function
	Account, Region   string
	Target            string `json:"Function"` // its ARN
	Bucket, RequestID string
	Depth             int
	DetailType        string    `json:",omitempty"` // EventBridge's
	Time              time.Time `json:",omitzero"`
	Event             json.RawMessage
}

// bridge is the kind of deliveries to EventBridge's default bus.
const bridge event.Kind = "events"

// topicSubject is the subject of what topics are sent.
const topicSubject = "Amazon S3 Notification"

// deliver does a notify job.
func (n *Notifier) deliver(ctx context.Context, r sched.Run) error {
	var d delivery
	if err := json.Unmarshal(r.Payload, &d); err != nil {
		return sched.Permanent(err)
	}
	err := n.send(ctx, d)
	if fault.Final(err) {
		return sched.Permanent(err) // no such target, or not allowed
	}
	return err
}

// send gives a target an event, as S3 acting for the bucket.
func (n *Notifier) send(ctx context.Context, d delivery) error {
	self := identity.Service(servicePrincipal, d.Account, naming.BucketARN(d.Bucket))
	if d.Kind == "" || d.Kind == event.Function {
		_, err := n.functions.Invoke(ctx, functions.Request{
			Caller: self, Account: d.Account, Region: d.Region, RequestID: d.RequestID, Depth: d.Depth,
			FunctionARN: d.Target, Payload: d.Event, Kind: functions.Async,
		})
		return err
	}
	at := arn.ARN{Account: d.Account, Region: d.Region}
	if d.Kind != bridge {
		var err error
		if at, err = arn.Parse(d.Target); err != nil {
			return fault.New("InvalidArgument", 400, "The ARN could not be parsed")
		}
	}
	c := n.system(at.Account, at.Region).As(self)
	c.Depth, c.RequestID = d.Depth, d.RequestID
	switch d.Kind {
	case event.Queue:
		_, err := service.Invoke(ctx, c, sqs.SendMessage, &sqs.SendMessageInput{QueueUrl: new(at.QueueURL()), MessageBody: new(string(d.Event))})
		return err
	case event.Topic:
		_, err := service.Invoke(ctx, c, sns.Publish, &sns.PublishInput{TopicArn: new(d.Target), Subject: new(topicSubject), Message: new(string(d.Event))})
		return err
	}
	return putEvent(ctx, c, d)
}

// putEvent gives the default bus an event.
func putEvent(ctx context.Context, c *service.Call, d delivery) error {
	out, err := service.Invoke(ctx, c, events.PutEvents, &events.PutEventsInput{Entries: []events.PutEventsRequestEntry{{
		Time: new(d.Time), Source: new(event.BridgeSource), Resources: []string{naming.BucketARN(d.Bucket)}, DetailType: new(d.DetailType), Detail: new(string(d.Event)),
	}}})
	if err != nil {
		return err
	}
	if smithy.Val(out.FailedEntryCount) == 0 {
		return nil
	}
	for _, e := range out.Entries {
		if e.ErrorCode != nil {
			return fmt.Errorf("s3: put an event: %s: %s", *e.ErrorCode, smithy.Val(e.ErrorMessage))
		}
	}
	return fmt.Errorf("s3: an event was not put")
}
