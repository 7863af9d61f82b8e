package sqs

import (
	"context"
	"time"

	api "moln.dev/moln/api/sqs"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/sqs/message"
	"moln.dev/moln/services/sqs/queue"
	"moln.dev/moln/services/sqs/store"
)

// draft is a message that somebody wants to send, checked.
type draft struct {
	store.Outgoing
	body       string
	attributes message.Attributes
	// traced is the digest of the system attributes.
	traced string
}

func (s *Service) sendMessage(ctx context.Context, c *service.Call, in *api.SendMessageInput) (*api.SendMessageOutput, error) {
	q, err := s.find(ctx, c, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	entry := api.SendMessageBatchRequestEntry{
		MessageBody: in.MessageBody, DelaySeconds: in.DelaySeconds, MessageAttributes: in.MessageAttributes,
		MessageSystemAttributes: in.MessageSystemAttributes, MessageDeduplicationId: in.MessageDeduplicationId, MessageGroupId: in.MessageGroupId,
	}
	d, err := s.draft(c, q, &entry)
	if err != nil {
		return nil, err
	}
	if n := message.Bytes(d.body, d.attributes); n > q.MessageBytesMax {
		return nil, queue.Invalid("One or more parameters are invalid. Reason: Message must be shorter than %d bytes.", q.MessageBytesMax)
	}
	sent, err := s.send(ctx, c, q, []draft{d})
	if err != nil {
		return nil, err
	}
	r := sent[0]
	return &api.SendMessageOutput{
		MessageId: r.MessageId, MD5OfMessageBody: r.MD5OfMessageBody, MD5OfMessageAttributes: r.MD5OfMessageAttributes,
		MD5OfMessageSystemAttributes: r.MD5OfMessageSystemAttributes, SequenceNumber: r.SequenceNumber,
	}, nil
}

func (s *Service) sendMessageBatch(ctx context.Context, c *service.Call, in *api.SendMessageBatchInput) (*api.SendMessageBatchOutput, error) {
	q, err := s.find(ctx, c, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	ids, total := make([]*string, len(in.Entries)), 0
	for i := range in.Entries {
		ids[i] = in.Entries[i].Id
		total += message.Bytes(*in.Entries[i].MessageBody, in.Entries[i].MessageAttributes)
	}
	if err := checkBatch("SendMessageBatch", ids); err != nil {
		return nil, err
	}
	if total > queue.MessageBytesMax {
		return nil, api.ErrBatchRequestTooLong("Batch requests cannot be longer than %d bytes. You have sent %d bytes.", queue.MessageBytesMax, total)
	}
	out := &api.SendMessageBatchOutput{Successful: []api.SendMessageBatchResultEntry{}, Failed: []api.BatchResultErrorEntry{}}
	var drafts []draft
	var sent []*string
	for i := range in.Entries {
		d, err := s.draft(c, q, &in.Entries[i])
		if err == nil && message.Bytes(d.body, d.attributes) > q.MessageBytesMax {
			err = queue.Invalid("One or more parameters cannot be validated. Reason: Message must be shorter than %d bytes.", q.MessageBytesMax)
		}
		if f := fault.As(err); f != nil {
			if wholeBatch(q, &in.Entries[i]) {
				return nil, queue.Invalid("%s", f.Message)
			}
			out.Failed = append(out.Failed, failed(ids[i], f))
			continue
		}
		if err != nil {
			return nil, err
		}
		drafts, sent = append(drafts, d), append(sent, ids[i])
	}
	if len(drafts) == 0 {
		return out, nil
	}
	results, err := s.send(ctx, c, q, drafts)
	if err != nil {
		return nil, err
	}
	for i := range results {
		results[i].Id = sent[i]
	}
	out.Successful = results
	return out, nil
}

// wholeBatch says that what is wrong with an entry fails all of the batch: that it
// lacks what entries for FIFO queues must have.
func wholeBatch(q *queue.Queue, e *api.SendMessageBatchRequestEntry) bool {
	return q.Fifo() && (e.MessageGroupId == nil || e.MessageDeduplicationId == nil && !q.ContentBased)
}

// draft checks what is to be sent, but for its size.
func (s *Service) draft(c *service.Call, q *queue.Queue, in *api.SendMessageBatchRequestEntry) (draft, error) {
	body := *in.MessageBody
	if body == "" {
		return draft{}, queue.Missing("MessageBody")
	}
	d := draft{body: body, attributes: in.MessageAttributes}
	err := message.CheckBody(body)
	if err == nil {
		err = message.CheckAttributes(in.MessageAttributes)
	}
	if err == nil {
		d.Trace, d.traced, err = message.Trace(in.MessageSystemAttributes)
	}
	if err == nil {
		err = d.address(q, in)
	}
	if err != nil {
		return d, err
	}
	if d.Trace == "" && c.HTTP != nil {
		d.Trace = c.HTTP.Request.Header.Get("X-Amzn-Trace-Id")
	}
	d.Delay = q.Delay
	if in.DelaySeconds != nil {
		d.Delay = time.Duration(*in.DelaySeconds) * time.Second
	}
	d.Sender, d.Sent = senderID(c), c.Now.UnixMilli()
	d.BodyDigest, d.AttributesDigest = message.Digest(body), message.AttributesDigest(in.MessageAttributes)
	return d, nil
}

// address checks what depends on the kind of queue.
func (d *draft) address(q *queue.Queue, in *api.SendMessageBatchRequestEntry) error {
	d.Group, d.Dedup = smithy.Val(in.MessageGroupId), smithy.Val(in.MessageDeduplicationId)
	if n := in.DelaySeconds; n != nil && (*n < 0 || *n > queue.DelaySecondsMax) {
		return queue.Invalid("Value %d for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= %d.", *n, queue.DelaySecondsMax)
	}
	if in.MessageGroupId != nil {
		if err := message.CheckID("MessageGroupId", d.Group); err != nil {
			return err
		}
	}
	if in.MessageDeduplicationId != nil {
		if err := message.CheckID("MessageDeduplicationId", d.Dedup); err != nil {
			return err
		}
	}
	switch {
	case !q.Fifo() && in.MessageDeduplicationId != nil:
		return queue.Invalid("Value %s for parameter MessageDeduplicationId is invalid. Reason: The request includes a parameter that is not valid for this queue type.", d.Dedup)
	case !q.Fifo():
		return nil
	case smithy.Val(in.DelaySeconds) != 0:
		return queue.Invalid("Value %d for parameter DelaySeconds is invalid. Reason: The request include parameter that is not valid for this queue type.", *in.DelaySeconds)
	case in.MessageGroupId == nil:
		return queue.Missing("MessageGroupId")
	case in.MessageDeduplicationId == nil && !q.ContentBased:
		return queue.Invalid("The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly")
	case in.MessageDeduplicationId == nil:
		d.Dedup = message.ContentID(d.body)
	}
	return nil
}

// send stores messages, and tells how each was sent.
func (s *Service) send(ctx context.Context, c *service.Call, q *queue.Queue, drafts []draft) ([]api.SendMessageBatchResultEntry, error) {
	now := s.deps.Clock.Now()
	all := make([]store.Outgoing, len(drafts))
	for i := range drafts {
		d := &drafts[i]
		d.Place = s.store.Place(now)
		if err := s.pack(ctx, c, q, d); err != nil {
			return nil, err
		}
		all[i] = d.Outgoing
	}
	if err := s.store.Send(ctx, q, now, all); err != nil {
		return nil, err
	}
	out := make([]api.SendMessageBatchResultEntry, len(drafts))
	for i := range drafts {
		d := &drafts[i]
		out[i] = api.SendMessageBatchResultEntry{
			MessageId: new(all[i].Place.MessageID()), MD5OfMessageBody: &d.BodyDigest,
			MD5OfMessageAttributes: filled(d.AttributesDigest), MD5OfMessageSystemAttributes: filled(d.traced),
		}
		if q.Fifo() {
			out[i].SequenceNumber = new(all[i].Place.SequenceNumber())
		}
	}
	return out, nil
}

// filled is a text that is left out where it is empty.
func filled(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// senderID is the id of who sends.
func senderID(c *service.Call) string {
	p := &c.Caller
	switch {
	case p.Kind == policy.Service:
		return p.Service
	case p.UserID != "":
		return p.UserID
	}
	return p.AccountID
}
