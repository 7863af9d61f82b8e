package sqs

import (
	"context"
	"encoding/base64"
	"maps"
	"slices"
	"strconv"

	api "moln.dev/moln/api/sqs"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/sqs/queue"
)

func (s *Service) getQueueAttributes(ctx context.Context, c *service.Call, in *api.GetQueueAttributesInput) (*api.GetQueueAttributesOutput, error) {
	q, err := s.find(ctx, c, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	if err := queue.CheckAsked(in.AttributeNames); err != nil {
		return nil, err
	}
	everything := slices.Contains(in.AttributeNames, api.QueueAttributeNameAll)
	shown := q.Shown()
	if everything || slices.ContainsFunc(in.AttributeNames, queue.IsCount) {
		n, err := s.store.Count(ctx, q)
		if err != nil {
			return nil, err
		}
		shown[api.QueueAttributeNameApproximateNumberOfMessages] = strconv.Itoa(n.Visible)
		shown[api.QueueAttributeNameApproximateNumberOfMessagesNotVisible] = strconv.Itoa(n.Flight)
		shown[api.QueueAttributeNameApproximateNumberOfMessagesDelayed] = strconv.Itoa(n.Delayed)
	}
	if !everything {
		maps.DeleteFunc(shown, func(name, _ string) bool { return !slices.Contains(in.AttributeNames, name) })
	}
	if len(shown) == 0 {
		shown = nil
	}
	return &api.GetQueueAttributesOutput{Attributes: shown}, nil
}

func (s *Service) setQueueAttributes(ctx context.Context, c *service.Call, in *api.SetQueueAttributesInput) (*api.SetQueueAttributesOutput, error) {
	return nil, s.change(ctx, c, in.QueueUrl, func(q *queue.Queue) error {
		set, err := queue.Merge(q.Key, q.Set, in.Attributes)
		if err != nil {
			return err
		}
		q.Set, q.Modified = set, c.Now.Unix()
		return nil
	})
}

func (s *Service) addPermission(ctx context.Context, c *service.Call, in *api.AddPermissionInput) (*api.AddPermissionOutput, error) {
	return nil, s.change(ctx, c, in.QueueUrl, func(q *queue.Queue) error {
		text, err := q.Grant(queue.Permission{Label: *in.Label, Accounts: in.AWSAccountIds, Actions: in.Actions})
		if err != nil {
			return err
		}
		return setPolicy(q, text, c)
	})
}

func (s *Service) removePermission(ctx context.Context, c *service.Call, in *api.RemovePermissionInput) (*api.RemovePermissionOutput, error) {
	return nil, s.change(ctx, c, in.QueueUrl, func(q *queue.Queue) error {
		text, err := q.Revoke(*in.Label)
		if err != nil {
			return err
		}
		return setPolicy(q, text, c)
	})
}

func setPolicy(q *queue.Queue, text string, c *service.Call) error {
	set, err := queue.Merge(q.Key, q.Set, map[string]string{api.QueueAttributeNamePolicy: text})
	if err != nil {
		return err
	}
	q.Set, q.Modified = set, c.Now.Unix()
	return nil
}

// Tokens of pages are names, in a form that nobody takes for one.
func tokenOf(name string) string { return base64.RawURLEncoding.EncodeToString([]byte(name)) }

func parseToken(token string) (string, error) {
	raw, err := base64.RawURLEncoding.DecodeString(token)
	return string(raw), err
}
