package queue

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	api "moln.dev/moln/api/sqs"
	"moln.dev/moln/aws/arn"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/clock"
	"moln.dev/moln/platform/service"
)

const (
	// receiveMax is how many messages SQS gives at once, waitMax how long it
	// waits for one.
	receiveMax = 10
	waitMax    = 20
	// deleteTries is how often deleting is tried; what is left is received again.
	deleteTries = 4
	deletePause = 200 * time.Millisecond
)

// client is SQS, as far as pollers need it.
type client struct {
	about
	url  string
	call func(context.Context) (*service.Call, error)
}

// in is the call in the queue's account and region.
func in(c *service.Call, a arn.ARN) *service.Call {
	d := *c
	d.Account, d.Region = a.Account, a.Region
	return &d
}

// Refused says which operation a function's role may not call on a queue.
type Refused struct{ Operation string }

func (r *Refused) Error() string { return "the role may not call " + r.Operation }

// Check makes sure that the queue with an ARN is there and that role, a call as
// the function's role, may do what polling needs; owner is the root of the
// queue's account. It returns the queue's visibility timeout. Its errors are a
// *Refused, SQS's faults, and ours.
func Check(ctx context.Context, owner, role *service.Call, a arn.ARN) (time.Duration, error) {
	out, err := service.Invoke(ctx, in(owner, a), api.GetQueueAttributes, &api.GetQueueAttributesInput{
		QueueUrl: new(a.QueueURL()), AttributeNames: []string{api.QueueAttributeNameVisibilityTimeout, api.QueueAttributeNamePolicy},
	})
	if err != nil {
		return 0, err
	}
	check := service.Check{Resource: a.String(), Account: a.Account}
	if text := out.Attributes[api.QueueAttributeNamePolicy]; text != "" {
		if check.Policy, err = policy.Parse([]byte(text), policy.Resource); err != nil {
			return 0, fmt.Errorf("queue: policy of %s: %w", a, err)
		}
	}
	for _, name := range []string{"ReceiveMessage", "DeleteMessage", "GetQueueAttributes"} {
		check.Action = "sqs:" + name
		if err := in(role, a).Judge(ctx, check); fault.As(err) != nil {
			return 0, &Refused{name}
		} else if err != nil {
			return 0, err
		}
	}
	return visibility(out), nil
}

func visibility(out *api.GetQueueAttributesOutput) time.Duration {
	n, _ := strconv.Atoi(out.Attributes[api.QueueAttributeNameVisibilityTimeout])
	return time.Duration(n) * time.Second
}

// visible is the queue's visibility timeout.
func (q *client) visible(ctx context.Context) (time.Duration, error) {
	c, err := q.call(ctx)
	if err != nil {
		return 0, err
	}
	out, err := service.Invoke(ctx, c, api.GetQueueAttributes, &api.GetQueueAttributesInput{
		QueueUrl: &q.url, AttributeNames: []string{api.QueueAttributeNameVisibilityTimeout},
	})
	if err != nil {
		return 0, err
	}
	return visibility(out), nil
}

// receive asks for messages; hidden is for how long they are gone, zero for as
// long as the queue says.
func (q *client) receive(ctx context.Context, most, waitS int, hidden time.Duration) ([]api.Message, error) {
	c, err := q.call(ctx)
	if err != nil {
		return nil, err
	}
	in := &api.ReceiveMessageInput{
		QueueUrl: &q.url, MaxNumberOfMessages: new(int32(min(most, receiveMax))), WaitTimeSeconds: new(int32(waitS)),
		MessageSystemAttributeNames: []string{api.MessageSystemAttributeNameAll}, MessageAttributeNames: []string{"All"},
	}
	if hidden > 0 {
		in.VisibilityTimeout = new(int32(hidden / time.Second))
	}
	out, err := service.Invoke(ctx, c, api.ReceiveMessage, in)
	if err != nil {
		return nil, err
	}
	return out.Messages, nil
}

// remove deletes messages, ten at once, and tries again what could not be
// deleted.
func (q *client) remove(ctx context.Context, c clock.Clock, batch []message) error {
	var failed error
	for len(batch) > 0 {
		n := min(len(batch), receiveMax)
		if err := q.removeSome(ctx, c, batch[:n]); err != nil {
			failed = err
		}
		batch = batch[n:]
	}
	return failed
}

func (q *client) removeSome(ctx context.Context, ck clock.Clock, some []message) error {
	var err error
	for n := range deleteTries {
		if n > 0 {
			if sleep := clock.Sleep(ctx, ck, deletePause<<n); sleep != nil {
				return errors.Join(err, sleep)
			}
		}
		if some, err = q.removeOnce(ctx, some); err == nil || fault.Final(err) {
			return err
		}
	}
	return err
}

// removeOnce returns what is still there.
func (q *client) removeOnce(ctx context.Context, some []message) ([]message, error) {
	c, err := q.call(ctx)
	if err != nil {
		return some, err
	}
	in := &api.DeleteMessageBatchInput{QueueUrl: &q.url}
	for i := range some {
		in.Entries = append(in.Entries, api.DeleteMessageBatchRequestEntry{Id: new(strconv.Itoa(i)), ReceiptHandle: &some[i].receipt})
	}
	out, err := service.Invoke(ctx, c, api.DeleteMessageBatch, in)
	if err != nil || len(out.Failed) == 0 {
		return some, err
	}
	var left []message
	for _, f := range out.Failed {
		if i, err := strconv.Atoi(smithy.Val(f.Id)); err == nil && i >= 0 && i < len(some) {
			left = append(left, some[i])
		}
	}
	return left, fmt.Errorf("queue: %d messages of %s were not deleted: %s", len(out.Failed), q.arn, smithy.Val(out.Failed[0].Message))
}
