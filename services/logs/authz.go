package logs

import (
	"context"

	api "moln.dev/moln/api/logs"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
)

// authorize names the group or stream that a request is about, as the service
// authorization reference does: groups end in ":*".
func (s *Service) authorize(ctx context.Context, c *service.Call, op *smithy.Operation, in any) ([]service.Check, error) {
	group, stream := subject(in)
	resource := "*"
	switch {
	case stream != "":
		resource = groupARN(c, group) + ":log-stream:" + stream
	case group != "":
		resource = groupARN(c, group) + ":*"
	case op.Name == "DescribeLogGroups":
		resource = groupARN(c, "") + ":log-stream:"
	}
	var own *policy.Policy
	if group != "" {
		all, err := s.policies(ctx, placeOf(c))
		if err != nil {
			return nil, err
		}
		own = all.compiled
	}
	out := make([]service.Check, len(op.Actions))
	for i, a := range op.Actions {
		out[i] = service.Check{Action: a, Resource: resource, Policy: own}
	}
	return out, nil
}

// subject gives the group and, where the action is on one, the stream.
func subject(in any) (group, stream string) {
	named := func(name, identifier *string) string {
		n, _ := groupName(name, identifier)
		return n
	}
	switch in := in.(type) {
	case *api.CreateLogGroupInput:
		return *in.LogGroupName, ""
	case *api.DeleteLogGroupInput:
		return *in.LogGroupName, ""
	case *api.PutRetentionPolicyInput:
		return *in.LogGroupName, ""
	case *api.DeleteRetentionPolicyInput:
		return *in.LogGroupName, ""
	case *api.CreateLogStreamInput:
		return *in.LogGroupName, ""
	case *api.DescribeLogStreamsInput:
		return named(in.LogGroupName, in.LogGroupIdentifier), ""
	case *api.FilterLogEventsInput:
		return named(in.LogGroupName, in.LogGroupIdentifier), ""
	case *api.DeleteLogStreamInput:
		return *in.LogGroupName, *in.LogStreamName
	case *api.PutLogEventsInput:
		return *in.LogGroupName, *in.LogStreamName
	case *api.GetLogEventsInput:
		return named(in.LogGroupName, in.LogGroupIdentifier), *in.LogStreamName
	case *api.TagResourceInput:
		return named(in.ResourceArn, nil), ""
	case *api.UntagResourceInput:
		return named(in.ResourceArn, nil), ""
	case *api.ListTagsForResourceInput:
		return named(in.ResourceArn, nil), ""
	case *api.TagLogGroupInput:
		return *in.LogGroupName, ""
	case *api.UntagLogGroupInput:
		return *in.LogGroupName, ""
	case *api.ListTagsLogGroupInput:
		return *in.LogGroupName, ""
	}
	return "", ""
}
