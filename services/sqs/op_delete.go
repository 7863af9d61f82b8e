package sqs

import (
	"context"
	"errors"
	"time"

	api "moln.dev/moln/api/sqs"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/sqs/message"
	"moln.dev/moln/services/sqs/queue"
	"moln.dev/moln/services/sqs/store"
)

// receipt reads a receipt handle of a queue.
func receipt(q *queue.Queue, s string) (message.Handle, error) {
	h, ok := message.ParseHandle(s)
	if !ok || h.Queue != q.Raw() {
		return h, api.ErrReceiptHandleIsInvalid(`The input receipt handle "%s" is not a valid receipt handle.`, s)
	}
	return h, nil
}

func (s *Service) deleteMessage(ctx context.Context, c *service.Call, in *api.DeleteMessageInput) (*api.DeleteMessageOutput, error) {
	q, err := s.find(ctx, c, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	h, err := receipt(q, *in.ReceiptHandle)
	if err != nil {
		return nil, err
	}
	errs, err := s.store.Remove(ctx, q, []message.Handle{h})
	if err != nil {
		return nil, err
	}
	return nil, worded(errs[0], *in.ReceiptHandle, 0)
}

func (s *Service) deleteMessageBatch(ctx context.Context, c *service.Call, in *api.DeleteMessageBatchInput) (*api.DeleteMessageBatchOutput, error) {
	q, err := s.find(ctx, c, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	ids := make([]*string, len(in.Entries))
	for i := range in.Entries {
		ids[i] = in.Entries[i].Id
	}
	if err := checkBatch("DeleteMessageBatch", ids); err != nil {
		return nil, err
	}
	out := &api.DeleteMessageBatchOutput{Successful: []api.DeleteMessageBatchResultEntry{}, Failed: []api.BatchResultErrorEntry{}}
	var handles []message.Handle
	var entries []int
	for i := range in.Entries {
		h, err := receipt(q, *in.Entries[i].ReceiptHandle)
		if f := fault.As(err); f != nil {
			f.Query = f.Code // as entries tell it
			out.Failed = append(out.Failed, failed(ids[i], f))
			continue
		}
		handles, entries = append(handles, h), append(entries, i)
	}
	errs, err := s.store.Remove(ctx, q, handles)
	if err != nil {
		return nil, err
	}
	for n, i := range entries {
		if f := fault.As(worded(errs[n], *in.Entries[i].ReceiptHandle, 0)); f != nil {
			out.Failed = append(out.Failed, failed(ids[i], f))
			continue
		}
		out.Successful = append(out.Successful, api.DeleteMessageBatchResultEntry{Id: ids[i]})
	}
	return out, nil
}

// worded is an error of a receipt as clients are told it.
func worded(err error, handle string, seconds int32) error {
	switch {
	case errors.Is(err, store.ErrExpired):
		return queue.Invalid("Value %s for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.", handle)
	case errors.Is(err, store.ErrStale):
		return queue.Invalid("Value %s for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for visibility timeout change.", handle)
	case errors.Is(err, store.ErrLonger):
		return queue.Invalid("Value %d for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout for the message is beyond the limit [%d seconds]", seconds, queue.VisibilitySecondsMax)
	}
	return err
}

// hide changes when a message is visible again.
func (s *Service) hide(ctx context.Context, q *queue.Queue, handle string, seconds *int32) error {
	if seconds == nil {
		return queue.Missing("VisibilityTimeout")
	}
	h, err := receipt(q, handle)
	if err != nil {
		return err
	}
	if *seconds < 0 || *seconds > queue.VisibilitySecondsMax {
		return queue.Invalid("Value %d for parameter VisibilityTimeout is invalid. Reason: VisibilityTimeout must be an integer between 0 and %d.", *seconds, queue.VisibilitySecondsMax)
	}
	return worded(s.store.Hide(ctx, q, h, time.Duration(*seconds)*time.Second), handle, *seconds)
}

func (s *Service) changeMessageVisibility(ctx context.Context, c *service.Call, in *api.ChangeMessageVisibilityInput) (*api.ChangeMessageVisibilityOutput, error) {
	q, err := s.find(ctx, c, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	return nil, s.hide(ctx, q, *in.ReceiptHandle, in.VisibilityTimeout)
}

func (s *Service) changeMessageVisibilityBatch(ctx context.Context, c *service.Call, in *api.ChangeMessageVisibilityBatchInput) (*api.ChangeMessageVisibilityBatchOutput, error) {
	q, err := s.find(ctx, c, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	ids := make([]*string, len(in.Entries))
	for i := range in.Entries {
		ids[i] = in.Entries[i].Id
	}
	if err := checkBatch("ChangeMessageVisibilityBatch", ids); err != nil {
		return nil, err
	}
	out := &api.ChangeMessageVisibilityBatchOutput{Successful: []api.ChangeMessageVisibilityBatchResultEntry{}, Failed: []api.BatchResultErrorEntry{}}
	for i := range in.Entries {
		err := s.hide(ctx, q, *in.Entries[i].ReceiptHandle, in.Entries[i].VisibilityTimeout)
		if f := fault.As(err); f != nil {
			out.Failed = append(out.Failed, failed(ids[i], f))
			continue
		}
		if err != nil {
			return nil, err
		}
		out.Successful = append(out.Successful, api.ChangeMessageVisibilityBatchResultEntry{Id: ids[i]})
	}
	return out, nil
}
