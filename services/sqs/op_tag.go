package sqs

import (
	"context"
	"maps"
	"strings"
	"unicode/utf8"

	api "moln.dev/moln/api/sqs"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/sqs/queue"
)

// Limits of tags
// (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-queue-tags.html).
const (
	tagsMax     = 50
	tagKeyMax   = 128
	tagValueMax = 256
)

// checkTags checks tags that are to be added to others.
func checkTags(have, tags map[string]string) error {
	all := maps.Clone(have)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, tags)
	if len(all) > tagsMax {
		return queue.Invalid("Too many tags added for queue. Maximum tag limit is %d.", tagsMax)
	}
	for key, value := range tags {
		switch {
		case key == "" || utf8.RuneCountInString(key) > tagKeyMax:
			return queue.Invalid("Tag keys must be between 1 and %d characters in length.", tagKeyMax)
		case utf8.RuneCountInString(value) > tagValueMax:
			return queue.Invalid("Tag values must be between 0 and %d characters in length.", tagValueMax)
		case strings.HasPrefix(strings.ToLower(key), "aws:"):
			return queue.Invalid("Tag keys that start with aws: are reserved for internal use.")
		}
	}
	return nil
}

// judgeTags asks for the permission to tag a queue that is being made.
func (s *Service) judgeTags(ctx context.Context, c *service.Call, k queue.Key, in *api.CreateQueueInput) error {
	check, err := s.check(ctx, c, k, "sqs:TagQueue")
	if err != nil {
		return err
	}
	requestTags(check.Context, in)
	return c.Judge(ctx, check)
}

func (s *Service) tagQueue(ctx context.Context, c *service.Call, in *api.TagQueueInput) (*api.TagQueueOutput, error) {
	return nil, s.change(ctx, c, in.QueueUrl, func(q *queue.Queue) error {
		if err := checkTags(q.Tags, in.Tags); err != nil {
			return err
		}
		if q.Tags == nil {
			q.Tags = map[string]string{}
		}
		maps.Copy(q.Tags, in.Tags)
		return nil
	})
}

func (s *Service) untagQueue(ctx context.Context, c *service.Call, in *api.UntagQueueInput) (*api.UntagQueueOutput, error) {
	return nil, s.change(ctx, c, in.QueueUrl, func(q *queue.Queue) error {
		for _, key := range in.TagKeys {
			delete(q.Tags, key)
		}
		return nil
	})
}

func (s *Service) listQueueTags(ctx context.Context, c *service.Call, in *api.ListQueueTagsInput) (*api.ListQueueTagsOutput, error) {
	q, err := s.find(ctx, c, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	if len(q.Tags) == 0 {
		return &api.ListQueueTagsOutput{}, nil
	}
	return &api.ListQueueTagsOutput{Tags: maps.Clone(q.Tags)}, nil
}
