package sqs

import (
	"context"
	"time"

	api "moln.dev/moln/api/sqs"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/sqs/queue"
)

// Times of rest, from AWS's pages of DeleteQueue and PurgeQueue.
const (
	nameRests = 60 * time.Second // after a deletion
	purgeAge  = 60 * time.Second // between two of a queue
)

func (s *Service) createQueue(ctx context.Context, c *service.Call, in *api.CreateQueueInput) (*api.CreateQueueOutput, error) {
	k := queue.Key{Account: c.Account, Region: c.Region, Name: *in.QueueName}
	_, fifo := in.Attributes[api.QueueAttributeNameFifoQueue]
	if err := queue.CheckName(k.Name, fifo && in.Attributes[api.QueueAttributeNameFifoQueue] == "true"); err != nil {
		return nil, err
	}
	if err := checkTags(nil, in.Tags); err != nil {
		return nil, err
	}
	set, err := queue.Merge(k, nil, in.Attributes)
	if err != nil {
		return nil, err
	}
	q := &queue.Queue{Key: k, ID: s.deps.Ident.Hex(8), Created: c.Now.Unix(), Modified: c.Now.Unix(), Set: set, Tags: in.Tags}
	if err := q.Understand(); err != nil {
		return nil, err
	}
	if len(in.Tags) > 0 {
		if err := s.judgeTags(ctx, c, k, in); err != nil {
			return nil, err
		}
	}
	have, recently, err := s.store.Create(ctx, q, c.Now.Add(-nameRests))
	switch {
	case err != nil:
		return nil, err
	case recently:
		return nil, api.ErrQueueDeletedRecently("You must wait 60 seconds after deleting a queue before you can create another with the same name.")
	case have != nil:
		if name, same := have.Same(in.Attributes); !same {
			return nil, api.ErrQueueNameExists("A queue already exists with the same name and a different value for attribute %s", name)
		}
	}
	return &api.CreateQueueOutput{QueueUrl: s.urlOf(c, k)}, nil
}

func (s *Service) getQueueURL(ctx context.Context, c *service.Call, in *api.GetQueueUrlInput) (*api.GetQueueUrlOutput, error) {
	k, err := subject(c, in)
	if err != nil {
		return nil, err
	}
	if _, err := s.queue(ctx, c, k); err != nil {
		return nil, err
	}
	return &api.GetQueueUrlOutput{QueueUrl: s.urlOf(c, k)}, nil
}

func (s *Service) deleteQueue(ctx context.Context, c *service.Call, in *api.DeleteQueueInput) (*api.DeleteQueueOutput, error) {
	k, err := keyOf(c, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	return nil, absent(c, s.store.Delete(ctx, k, c.Now))
}

// Pages have up to 1,000 queues
// (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ListQueues.html).
const pageMax = 1000

// page is how many results a request wants, and after which it goes on.
func page(max *int32, token *string) (limit int, after string, err error) {
	limit = pageMax
	if max != nil {
		if limit = int(*max); limit < 1 || limit > pageMax {
			return 0, "", queue.Invalid("Value %d for parameter MaxResults is invalid. Reason: Must be an integer from 1 to 1000, if provided.", limit)
		}
	}
	if token != nil {
		if after, err = parseToken(*token); err != nil {
			return 0, "", queue.Invalid("Invalid or expired next token.")
		}
	}
	return limit, after, nil
}

// turn ends a page: one that is full, of a request with a limit of its own, goes
// on after its last name.
func turn(names []string, limit int, asked bool) ([]string, *string) {
	if len(names) <= limit {
		return names, nil
	}
	names = names[:limit]
	if !asked {
		return names, nil
	}
	return names, new(tokenOf(names[limit-1]))
}

func (s *Service) listQueues(ctx context.Context, c *service.Call, in *api.ListQueuesInput) (*api.ListQueuesOutput, error) {
	limit, after, err := page(in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	names, err := s.store.Names(ctx, c.Account, c.Region, smithy.Val(in.QueueNamePrefix), after, limit+1)
	if err != nil {
		return nil, err
	}
	out := &api.ListQueuesOutput{}
	names, out.NextToken = turn(names, limit, in.MaxResults != nil)
	for _, name := range names {
		out.QueueUrls = append(out.QueueUrls, *s.urlOf(c, queue.Key{Account: c.Account, Region: c.Region, Name: name}))
	}
	return out, nil
}

func (s *Service) listDeadLetterSourceQueues(ctx context.Context, c *service.Call, in *api.ListDeadLetterSourceQueuesInput) (*api.ListDeadLetterSourceQueuesOutput, error) {
	q, err := s.find(ctx, c, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	limit, after, err := page(in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	names, err := s.store.Sources(ctx, q.Key, after, limit+1)
	if err != nil {
		return nil, err
	}
	out := &api.ListDeadLetterSourceQueuesOutput{QueueUrls: []string{}}
	names, out.NextToken = turn(names, limit, in.MaxResults != nil)
	for _, name := range names {
		out.QueueUrls = append(out.QueueUrls, *s.urlOf(c, queue.Key{Account: q.Account, Region: q.Region, Name: name}))
	}
	return out, nil
}

func (s *Service) purgeQueue(ctx context.Context, c *service.Call, in *api.PurgeQueueInput) (*api.PurgeQueueOutput, error) {
	k, err := keyOf(c, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	var purged *queue.Queue
	err = s.store.Change(ctx, k, func(_ *kv.Tx, q *queue.Queue) error {
		if c.Now.Sub(q.Purged) < purgeAge {
			return api.ErrPurgeQueueInProgress("Only one PurgeQueue operation on %s is allowed every 60 seconds.", q.Name)
		}
		q.Purged, purged = c.Now, q
		return nil
	})
	if err != nil {
		return nil, absent(c, err)
	}
	return nil, s.store.Purge(ctx, purged)
}

// change rewrites a queue.
func (s *Service) change(ctx context.Context, c *service.Call, given *string, fn func(q *queue.Queue) error) error {
	k, err := keyOf(c, given)
	if err != nil {
		return err
	}
	return absent(c, s.store.Change(ctx, k, func(_ *kv.Tx, q *queue.Queue) error { return fn(q) }))
}
