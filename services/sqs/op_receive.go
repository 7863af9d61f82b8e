package sqs

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"time"

	api "moln.dev/moln/api/sqs"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/sqs/message"
	"moln.dev/moln/services/sqs/queue"
	"moln.dev/moln/services/sqs/store"
)

// waitMax is the longest that a request waits for messages, in seconds
// (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html).
const waitMax = 20

func (s *Service) receiveMessage(ctx context.Context, c *service.Call, in *api.ReceiveMessageInput) (*api.ReceiveMessageOutput, error) {
	q, err := s.find(ctx, c, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	want, wait, err := wanted(q, in)
	if err != nil {
		return nil, err
	}
	full, err := s.store.Full(ctx, q)
	if err != nil {
		return nil, err
	}
	if full && wait == 0 && !q.Fifo() {
		return nil, api.ErrOverLimit("The maximum number of in flight messages is reached.")
	}
	if full {
		want.Max = 0
	}
	got, err := s.await(ctx, q, want, wait)
	if err != nil {
		return nil, absent(c, err)
	}
	out := &api.ReceiveMessageOutput{}
	for i := range got {
		m, err := s.show(ctx, c, q, &got[i], in)
		if err != nil {
			return nil, err
		}
		out.Messages = append(out.Messages, m)
	}
	return out, nil
}

// wanted is what a request wants to receive, and how long it waits.
func wanted(q *queue.Queue, in *api.ReceiveMessageInput) (store.Want, time.Duration, error) {
	w, wait := store.Want{Max: 1, Visibility: q.Visibility, Attempt: smithy.Val(in.ReceiveRequestAttemptId)}, q.Wait
	if n := in.MaxNumberOfMessages; n != nil {
		if *n < 1 || *n > batchMax {
			return w, 0, queue.Invalid("Value %d for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided.", *n)
		}
		w.Max = int(*n)
	}
	if n := in.WaitTimeSeconds; n != nil {
		if *n < 0 || *n > waitMax {
			return w, 0, queue.Invalid("Value %d for parameter WaitTimeSeconds is invalid. Reason: Must be >= 0 and <= 20, if provided.", *n)
		}
		wait = time.Duration(*n) * time.Second
	}
	if n := in.VisibilityTimeout; n != nil {
		if *n < 0 || *n > queue.VisibilitySecondsMax {
			return w, 0, queue.Invalid("Value %d for parameter VisibilityTimeout is invalid. Reason: Must be >= 0 and <= %d, if provided.", *n, queue.VisibilitySecondsMax)
		}
		w.Visibility = time.Duration(*n) * time.Second
	}
	if in.ReceiveRequestAttemptId != nil {
		if !q.Fifo() {
			return w, 0, queue.Invalid("Value %s for parameter ReceiveRequestAttemptId is invalid. Reason: The request includes a parameter that is not valid for this queue type.", w.Attempt)
		}
		if err := message.CheckID("ReceiveRequestAttemptId", w.Attempt); err != nil {
			return w, 0, err
		}
	}
	for _, names := range [][]string{in.AttributeNames, in.MessageSystemAttributeNames} {
		for _, name := range names {
			if !isSystemAttribute(name) {
				return w, 0, api.ErrInvalidAttributeName("Unknown Attribute %s.", name)
			}
		}
	}
	return w, wait, nil
}

// await receives messages, and waits for the first if there is none, until one
// comes, or wait is over, or nobody wants it any more.
func (s *Service) await(ctx context.Context, q *queue.Queue, want store.Want, wait time.Duration) ([]store.Received, error) {
	if wait == 0 {
		got, _, err := s.store.Receive(ctx, q, want)
		return got, err
	}
	timer := s.deps.Clock.NewTimer(wait)
	defer timer.Stop()
	w, leave := s.store.Wait(q)
	defer leave()
	for {
		got, next, err := s.store.Receive(ctx, q, want)
		if err != nil || len(got) > 0 {
			return got, err
		}
		s.store.Remind(w, next)
		select {
		case <-w.C:
			s.store.Again(w)
		case <-timer.C:
			return nil, nil
		case <-s.stopping:
			return nil, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if q, err = s.store.Queue(ctx, q.Key); err != nil {
			return nil, err
		}
	}
}

// show is a received message as its receiver wants to see it.
func (s *Service) show(ctx context.Context, c *service.Call, q *queue.Queue, r *store.Received, in *api.ReceiveMessageInput) (api.Message, error) {
	body, attributes, err := s.unpack(ctx, c, q, r.Message)
	if err != nil {
		return api.Message{}, err
	}
	h := message.Handle{Queue: q.Raw(), Place: r.Place, Token: r.Token}
	m := api.Message{
		MessageId: new(r.Place.MessageID()), ReceiptHandle: new(h.String()), MD5OfBody: &r.BodyDigest, Body: &body,
		MessageAttributes: message.Pick(attributes, in.MessageAttributeNames),
	}
	if len(m.MessageAttributes) > 0 {
		m.MD5OfMessageAttributes = new(message.AttributesDigest(m.MessageAttributes))
	}
	names := slices.Concat(in.AttributeNames, in.MessageSystemAttributeNames)
	shown := systemAttributes(q, r)
	if !slices.Contains(names, api.MessageSystemAttributeNameAll) {
		maps.DeleteFunc(shown, func(name, _ string) bool { return !slices.Contains(names, name) })
	}
	if len(shown) > 0 {
		m.Attributes = shown
	}
	return m, nil
}

func systemAttributes(q *queue.Queue, r *store.Received) map[string]string {
	out := map[string]string{
		api.MessageSystemAttributeNameSenderId:                         r.Sender,
		api.MessageSystemAttributeNameSentTimestamp:                    strconv.FormatInt(r.Sent, 10),
		api.MessageSystemAttributeNameApproximateReceiveCount:          strconv.Itoa(r.Count),
		api.MessageSystemAttributeNameApproximateFirstReceiveTimestamp: strconv.FormatInt(r.First, 10),
		api.MessageSystemAttributeNameMessageGroupId:                   r.Group,
		api.MessageSystemAttributeNameMessageDeduplicationId:           r.Dedup,
		api.MessageSystemAttributeNameAWSTraceHeader:                   r.Trace,
		api.MessageSystemAttributeNameDeadLetterQueueSourceArn:         r.Source,
	}
	if q.Fifo() {
		out[api.MessageSystemAttributeNameSequenceNumber] = r.Place.SequenceNumber()
	}
	maps.DeleteFunc(out, func(_, value string) bool { return value == "" })
	return out
}

func isSystemAttribute(name string) bool {
	switch name {
	case api.MessageSystemAttributeNameAll, api.MessageSystemAttributeNameSenderId, api.MessageSystemAttributeNameSentTimestamp,
		api.MessageSystemAttributeNameApproximateReceiveCount, api.MessageSystemAttributeNameApproximateFirstReceiveTimestamp,
		api.MessageSystemAttributeNameSequenceNumber, api.MessageSystemAttributeNameMessageDeduplicationId,
		api.MessageSystemAttributeNameMessageGroupId, api.MessageSystemAttributeNameAWSTraceHeader,
		api.MessageSystemAttributeNameDeadLetterQueueSourceArn:
		return true
	}
	// Attributes of queues are taken as well, and messages have none of them.
	return queue.CheckAsked([]string{name}) == nil
}
