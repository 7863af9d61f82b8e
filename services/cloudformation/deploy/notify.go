package deploy

import (
	"context"
	"fmt"
	"strings"
	"time"

	"moln.dev/moln/api/sns"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/cloudformation/stack"
)

// notify publishes an event to the stack's notification topics, as the stack's
// caller or role. An event that cannot be published is lost, as at AWS; the log
// says so.
func (r *run) notify(ctx context.Context, ev *stack.Event) {
	for _, topic := range r.op.Target.Notify {
		_, err := service.Invoke(ctx, r.call, sns.Publish, &sns.PublishInput{
			TopicArn: new(topic), Subject: new("AWS CloudFormation Notification"), Message: new(notification(r.st, ev)),
		})
		if err != nil && ctx.Err() == nil {
			r.e.log().Warn("publish a stack event", "stack", r.st.ARN, "topic", topic, "err", err)
		}
	}
}

// notification is an event in the form that CloudFormation publishes.
func notification(st *stack.Stack, ev *stack.Event) string {
	var b strings.Builder
	for _, line := range [][2]string{
		{"StackId", st.ARN}, {"Timestamp", ev.Time.Format(time.RFC3339Nano)}, {"EventId", ev.ID},
		{"LogicalResourceId", ev.LogicalID}, {"Namespace", st.Account}, {"PhysicalResourceId", ev.PhysicalID},
		{"ResourceProperties", ev.Properties}, {"ResourceStatus", ev.Status}, {"ResourceStatusReason", ev.StatusReason},
		{"ResourceType", ev.Type}, {"StackName", st.Name}, {"ClientRequestToken", ev.Token},
	} {
		fmt.Fprintf(&b, "%s='%s'\n", line[0], line[1])
	}
	return b.String()
}
