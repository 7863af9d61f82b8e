package sqs

import (
	"context"
	"errors"
	"reflect"
	"strings"

	api "moln.dev/moln/api/sqs"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/sqs/queue"
	"moln.dev/moln/services/sqs/store"
)

// authorize names the queues that a request is about, with their policies and
// tags.
func (s *Service) authorize(ctx context.Context, c *service.Call, op *smithy.Operation, in any) ([]service.Check, error) {
	k, err := subject(c, in)
	if err != nil {
		return nil, err
	}
	if k.Name == "" {
		return []service.Check{{Action: op.Actions[0], Resource: "*", Account: c.Account}}, nil
	}
	check, err := s.check(ctx, c, k, op.Actions[0])
	if err != nil {
		return nil, err
	}
	requestTags(check.Context, in)
	return []service.Check{check}, nil
}

// subject is the queue that a request is about; without a name it is about none.
func subject(c *service.Call, in any) (queue.Key, error) {
	switch in := in.(type) {
	case *api.ListQueuesInput:
		return queue.Key{}, nil
	case *api.CreateQueueInput:
		return queue.Key{Account: c.Account, Region: c.Region, Name: *in.QueueName}, nil
	case *api.GetQueueUrlInput:
		k := queue.Key{Account: c.Account, Region: c.Region, Name: *in.QueueName}
		if owner := smithy.Val(in.QueueOwnerAWSAccountId); owner != "" {
			k.Account = owner
		}
		return k, nil
	}
	given, _ := reflect.ValueOf(in).Elem().FieldByName("QueueUrl").Interface().(*string)
	return keyOf(c, given)
}

// check is a check on a queue, or where there is none on the ARN it would have.
func (s *Service) check(ctx context.Context, c *service.Call, k queue.Key, action string) (service.Check, error) {
	check := service.Check{Action: action, Resource: k.ARN(), Account: k.Account, Context: policy.Keys{}}
	check.Fault = denied(c, &service.Check{Action: action, Resource: check.Resource})
	q, err := s.store.Queue(ctx, k)
	if errors.Is(err, store.ErrAbsent) {
		return check, nil
	}
	if err != nil {
		return check, err
	}
	if check.Policy = q.Policy; k.Account != c.Caller.AccountID && c.Caller.Kind != policy.Service && owned(action) {
		check.Policy = q.Policy.Denials()
	}
	for key, value := range q.Tags {
		check.Context["aws:resourcetag/"+strings.ToLower(key)] = []string{value}
	}
	return check, nil
}

// owned says that no policy of a queue gives an action to another account
// (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-customer-managed-policy-examples.html#grant-cross-account-permissions-to-role-and-user-name).
func owned(action string) bool {
	switch strings.TrimPrefix(action, "sqs:") {
	case "AddPermission", "CancelMessageMoveTask", "CreateQueue", "DeleteQueue", "ListMessageMoveTasks", "ListQueues", "ListQueueTags",
		"RemovePermission", "SetQueueAttributes", "StartMessageMoveTask", "TagQueue", "UntagQueue":
		return true
	}
	return false
}

func requestTags(keys policy.Keys, in any) {
	var tags map[string]string
	switch in := in.(type) {
	case *api.CreateQueueInput:
		tags = in.Tags
	case *api.TagQueueInput:
		tags = in.Tags
	case *api.UntagQueueInput:
		keys["aws:tagkeys"] = in.TagKeys
	}
	for key, value := range tags {
		keys["aws:requesttag/"+strings.ToLower(key)] = []string{value}
		keys["aws:tagkeys"] = append(keys["aws:tagkeys"], key)
	}
}
