package deploy

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	cfn "moln.dev/moln/api/cloudformation"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/clock"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/cloudformation/stack"
)

// nestedPoll is how often a nested stack is looked at.
const nestedPoll = 200 * time.Millisecond

// NestedStack are the properties of AWS::CloudFormation::Stack.
type NestedStack struct {
	TemplateURL      string
	Parameters       map[string]string
	Tags             []stack.Tag
	NotificationARNs []string
	TimeoutInMinutes *int32
}

func (n *NestedStack) parameters() []cfn.Parameter {
	var out []cfn.Parameter
	for _, k := range slices.Sorted(maps.Keys(n.Parameters)) {
		out = append(out, cfn.Parameter{ParameterKey: new(k), ParameterValue: new(n.Parameters[k])})
	}
	return out
}

// tags are the stack's tags under the resource's own.
func (n *NestedStack) tags(outer map[string]string) []cfn.Tag {
	all := maps.Clone(outer)
	if all == nil {
		all = map[string]string{}
	}
	for _, t := range n.Tags {
		all[t.Key] = t.Value
	}
	var out []cfn.Tag
	for _, k := range slices.Sorted(maps.Keys(all)) {
		out = append(out, cfn.Tag{Key: new(k), Value: new(all[k])})
	}
	return out
}

// capabilities of the outer stack have been checked on its own template only;
// nested templates may hold IAM resources, which AWS allows under the outer
// stack's acknowledgement.
func nestedCapabilities() []string { return []string{"CAPABILITY_NAMED_IAM"} }

func (e *Engine) nestedCreate(ctx context.Context, c *service.Call, r *service.Resource) error {
	n := r.Properties.(*NestedStack)
	name := r.GeneratedName(128)
	out, err := service.Invoke(ctx, c, cfn.CreateStack, &cfn.CreateStackInput{
		StackName: &name, TemplateURL: &n.TemplateURL, Parameters: n.parameters(), Tags: n.tags(r.Tags),
		NotificationARNs: n.NotificationARNs, TimeoutInMinutes: n.TimeoutInMinutes,
		Capabilities: nestedCapabilities(), ClientRequestToken: new("nested-" + r.Token),
	})
	if err != nil {
		return err
	}
	r.PhysicalID = smithy.Val(out.StackId)
	if err := e.adopt(ctx, c, r); err != nil {
		return err
	}
	return e.nestedWait(ctx, c, r, "CREATE_COMPLETE")
}

// adopt notes the outer stack on the nested one.
func (e *Engine) adopt(ctx context.Context, c *service.Call, r *service.Resource) error {
	place := stack.Place{Account: c.Account, Region: c.Region}
	parent, err := e.store.Get(ctx, place, IDOf(r.StackID))
	if err != nil {
		return err
	}
	_, err = e.store.Change(ctx, place, IDOf(r.PhysicalID), func(st *stack.Stack) ([]stack.Event, error) {
		st.ParentARN, st.RootARN = parent.ARN, parent.ARN
		if parent.RootARN != "" {
			st.RootARN = parent.RootARN
		}
		return nil, nil
	})
	return err
}

// IDOf gives the id at the end of a stack's ARN.
func IDOf(arn string) string { return arn[strings.LastIndexByte(arn, '/')+1:] }

func (e *Engine) nestedUpdate(ctx context.Context, c *service.Call, r *service.Resource) error {
	n := r.Properties.(*NestedStack)
	_, err := service.Invoke(ctx, c, cfn.UpdateStack, &cfn.UpdateStackInput{
		StackName: &r.PhysicalID, TemplateURL: &n.TemplateURL, Parameters: n.parameters(), Tags: n.tags(r.Tags),
		NotificationARNs: n.NotificationARNs, Capabilities: nestedCapabilities(),
	})
	if f := fault.As(err); f != nil && f.Message == "No updates are to be performed." {
		return nil
	}
	if err != nil {
		return err
	}
	return e.nestedWait(ctx, c, r, "UPDATE_COMPLETE")
}

func (e *Engine) nestedDelete(ctx context.Context, c *service.Call, r *service.Resource) error {
	if _, err := service.Invoke(ctx, c, cfn.DeleteStack, &cfn.DeleteStackInput{StackName: &r.PhysicalID}); err != nil {
		return err
	}
	return e.nestedWait(ctx, c, r, "DELETE_COMPLETE")
}

// nestedWait waits until the nested stack's operation is over.
func (e *Engine) nestedWait(ctx context.Context, c *service.Call, r *service.Resource, want string) error {
	place := stack.Place{Account: c.Account, Region: c.Region}
	for {
		st, err := e.store.Get(ctx, place, IDOf(r.PhysicalID))
		if err != nil {
			return err
		}
		if st.Op == nil && !st.InProgress() {
			if st.Status != want {
				return failed("Embedded stack %s was not successfully %s: %s", st.ARN, pastTense(want), st.StatusReason)
			}
			r.Attributes = map[string]any{}
			for _, o := range st.Outputs {
				r.Attributes["Outputs."+o.Key] = o.Value
			}
			return nil
		}
		if err := clock.Sleep(ctx, e.deps.Clock, nestedPoll); err != nil {
			return err
		}
	}
}

func pastTense(status string) string {
	switch status {
	case "UPDATE_COMPLETE":
		return "updated"
	case "DELETE_COMPLETE":
		return "deleted"
	}
	return "created"
}
