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
	checks := []service.Check{check}
	if in, ok := in.(*api.StartMessageMoveTaskInput); ok {
		return s.moveChecks(ctx, c, in, checks)
	}
	return checks, nil
}

// moveChecks adds what moving messages needs besides
// (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-configure-dead-letter-queue-redrive.html).
// Where messages go back to where they came from, that is known to each of them
// only; it is a queue that was allowed to send its dead letters here.
func (s *Service) moveChecks(ctx context.Context, c *service.Call, in *api.StartMessageMoveTaskInput, checks []service.Check) ([]service.Check, error) {
	for _, action := range []string{"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"} {
		other := checks[0]
		other.Action, other.Fault = action, denied(c, &service.Check{Action: action, Resource: other.Resource})
		checks = append(checks, other)
	}
	if in.DestinationArn == nil {
		return checks, nil
	}
	to, err := named(c, "DestinationArn", *in.DestinationArn)
	if err != nil {
		return nil, err
	}
	check, err := s.check(ctx, c, to, "sqs:SendMessage")
	return append(checks, check), err
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
	case *api.StartMessageMoveTaskInput:
		return named(c, "SourceArn", *in.SourceArn)
	case *api.ListMessageMoveTasksInput:
		return named(c, "SourceArn", *in.SourceArn)
	case *api.CancelMessageMoveTaskInput:
		h, ok := parseTaskHandle(*in.TaskHandle)
		if !ok {
			return queue.Key{}, queue.Invalid("Value for parameter TaskHandle is invalid.")
		}
		return named(c, "SourceArn", h.SourceARN)
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
