package cloudformation

import (
	"context"
	"errors"
	"slices"

	api "moln.dev/moln/api/cloudformation"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/cloudformation/stack"
	"moln.dev/moln/services/cloudformation/template"
)

// listPageSize and eventsPageSize are how much one page holds.
const (
	listPageSize   = 100
	eventsPageSize = 100
)

func (s *Service) describeStacks(ctx context.Context, c *service.Call, in *api.DescribeStacksInput) (*api.DescribeStacksOutput, error) {
	out := &api.DescribeStacksOutput{}
	if smithy.Val(in.StackName) != "" {
		st, err := s.find(ctx, c, in.StackName, errNoStackID)
		if err != nil {
			return nil, err
		}
		out.Stacks = []api.Stack{s.wireStack(ctx, st)}
		return out, nil
	}
	all, err := s.listed(ctx, c)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(st stack.Stack) bool { return !st.Active() })
	all, out.NextToken, err = page(all, in.NextToken, listPageSize)
	for i := range all {
		out.Stacks = append(out.Stacks, s.wireStack(ctx, &all[i]))
	}
	return out, err
}

// listed gives all stacks, newest first.
func (s *Service) listed(ctx context.Context, c *service.Call) ([]stack.Stack, error) {
	all, err := s.store.List(ctx, place(c))
	slices.SortStableFunc(all, func(a, b stack.Stack) int { return b.Created.Compare(a.Created) })
	return all, err
}

func (s *Service) wireStack(_ context.Context, st *stack.Stack) api.Stack {
	t := &st.Deployed
	if st.Op != nil {
		t = &st.Op.Target
	}
	out := api.Stack{
		StackId: &st.ARN, StackName: &st.Name, ChangeSetId: optional(st.ChangeSetARN), Description: optional(t.Description),
		Parameters: wireParameters(t), CreationTime: &st.Created, DeletionTime: st.Deleted, LastUpdatedTime: st.Updated,
		RollbackConfiguration: &api.RollbackConfiguration{}, StackStatus: &st.Status, StackStatusReason: optional(st.StatusReason),
		DisableRollback: &st.DisableRollback, NotificationARNs: append([]string{}, t.Notify...), Capabilities: t.Capabilities, RoleARN: optional(st.RoleARN),
		Tags: wireTags(t.Tags), EnableTerminationProtection: &st.TerminationProtection, ParentId: optional(st.ParentARN),
		RootId: optional(st.RootARN), DriftInformation: &api.StackDriftInformation{StackDriftStatus: new("NOT_CHECKED")},
	}
	if st.TimeoutMinutes > 0 {
		out.TimeoutInMinutes = &st.TimeoutMinutes
	}
	for _, o := range st.Outputs {
		out.Outputs = append(out.Outputs, api.Output{
			OutputKey: new(o.Key), OutputValue: new(o.Value), Description: optional(o.Description), ExportName: optional(o.Export),
		})
	}
	return out
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func wireParameters(t *stack.Target) []api.Parameter {
	var out []api.Parameter
	for _, key := range sortedKeys(t.Parameters) {
		p := api.Parameter{ParameterKey: new(key), ParameterValue: new(t.Parameters[key])}
		if slices.Contains(t.Hidden, key) {
			p.ParameterValue = new("****")
		} else if v, ok := t.Resolved[key]; ok {
			p.ResolvedValue = new(v)
		}
		out = append(out, p)
	}
	return out
}

func wireTags(tags []stack.Tag) []api.Tag {
	out := []api.Tag{} // an empty list is written, which clients rely on
	for _, t := range tags {
		out = append(out, api.Tag{Key: new(t.Key), Value: new(t.Value)})
	}
	return out
}

func (s *Service) listStacks(ctx context.Context, c *service.Call, in *api.ListStacksInput) (*api.ListStacksOutput, error) {
	all, err := s.listed(ctx, c)
	if err != nil {
		return nil, err
	}
	filter := slices.DeleteFunc(slices.Clone(in.StackStatusFilter), func(f string) bool { return f == "" })
	if len(filter) > 0 {
		all = slices.DeleteFunc(all, func(st stack.Stack) bool { return !slices.Contains(filter, st.Status) })
	}
	out := &api.ListStacksOutput{}
	all, out.NextToken, err = page(all, in.NextToken, listPageSize)
	for i := range all {
		st := &all[i]
		out.StackSummaries = append(out.StackSummaries, api.StackSummary{
			StackId: &st.ARN, StackName: &st.Name, TemplateDescription: optional(st.Deployed.Description), CreationTime: &st.Created,
			LastUpdatedTime: st.Updated, DeletionTime: st.Deleted, StackStatus: &st.Status, StackStatusReason: optional(st.StatusReason),
			ParentId: optional(st.ParentARN), RootId: optional(st.RootARN),
			DriftInformation: &api.StackDriftInformationSummary{StackDriftStatus: new("NOT_CHECKED")},
		})
	}
	return out, err
}

func (s *Service) describeStackEvents(ctx context.Context, c *service.Call, in *api.DescribeStackEventsInput) (*api.DescribeStackEventsOutput, error) {
	st, err := s.find(ctx, c, in.StackName, errNoStack)
	if err != nil {
		return nil, err
	}
	events, next, err := s.store.Events(ctx, st.Place(), st.ID, smithy.Val(in.NextToken), eventsPageSize)
	if err != nil {
		return nil, err
	}
	out := &api.DescribeStackEventsOutput{NextToken: optional(next)}
	for i := range events {
		e := &events[i]
		out.StackEvents = append(out.StackEvents, api.StackEvent{
			StackId: &st.ARN, EventId: &e.ID, StackName: &st.Name, LogicalResourceId: &e.LogicalID, PhysicalResourceId: new(e.PhysicalID),
			ResourceType: &e.Type, Timestamp: &e.Time, ResourceStatus: &e.Status, ResourceStatusReason: optional(e.StatusReason),
			ResourceProperties: optional(e.Properties), ClientRequestToken: optional(e.Token), OperationId: optional(e.Operation),
		})
	}
	return out, nil
}

func (s *Service) describeStackResource(ctx context.Context, c *service.Call, in *api.DescribeStackResourceInput) (*api.DescribeStackResourceOutput, error) {
	st, err := s.find(ctx, c, in.StackName, func(name string) *fault.Fault { return invalid("Stack '%s' does not exist", name) })
	if err != nil {
		return nil, err
	}
	r, err := s.store.Resource(ctx, st.Place(), st.ID, smithy.Val(in.LogicalResourceId))
	if errors.Is(err, stack.ErrNotFound) {
		return nil, errNoResource(smithy.Val(in.LogicalResourceId), st)
	}
	if err != nil {
		return nil, err
	}
	d := &api.StackResourceDetail{
		StackName: &st.Name, StackId: &st.ARN, LogicalResourceId: &r.LogicalID, PhysicalResourceId: optional(r.Current.ID),
		ResourceType: &r.Current.Type, LastUpdatedTimestamp: &r.Updated, ResourceStatus: &r.Status, ResourceStatusReason: optional(r.StatusReason),
		Metadata: new("{}"), DriftInformation: &api.StackResourceDriftInformation{StackResourceDriftStatus: new("NOT_CHECKED")},
	}
	if r.Metadata != nil {
		d.Metadata = new(template.JSON(r.Metadata))
	}
	return &api.DescribeStackResourceOutput{StackResourceDetail: d}, nil
}

func errNoResource(id string, st *stack.Stack) *fault.Fault {
	return invalid("Resource %s does not exist for stack %s", id, st.Name)
}

func (s *Service) describeStackResources(ctx context.Context, c *service.Call, in *api.DescribeStackResourcesInput) (*api.DescribeStackResourcesOutput, error) {
	st, err := s.resourcesStack(ctx, c, in)
	if err != nil {
		return nil, err
	}
	list, err := s.store.Resources(ctx, st.Place(), st.ID)
	if err != nil {
		return nil, err
	}
	out := &api.DescribeStackResourcesOutput{}
	for i := range list {
		r := &list[i]
		if id := smithy.Val(in.LogicalResourceId); id != "" && id != r.LogicalID {
			continue
		}
		out.StackResources = append(out.StackResources, api.StackResource{
			StackName: &st.Name, StackId: &st.ARN, LogicalResourceId: &r.LogicalID, PhysicalResourceId: optional(r.Current.ID),
			ResourceType: &r.Current.Type, Timestamp: &r.Updated, ResourceStatus: &r.Status, ResourceStatusReason: optional(r.StatusReason),
			DriftInformation: &api.StackResourceDriftInformation{StackResourceDriftStatus: new("NOT_CHECKED")},
		})
	}
	if id := smithy.Val(in.LogicalResourceId); id != "" && len(out.StackResources) == 0 {
		return nil, errNoResource(id, st)
	}
	return out, nil
}

// resourcesStack finds the stack by its own name, or by that of one of its
// resources.
func (s *Service) resourcesStack(ctx context.Context, c *service.Call, in *api.DescribeStackResourcesInput) (*stack.Stack, error) {
	physical := smithy.Val(in.PhysicalResourceId)
	if smithy.Val(in.StackName) != "" {
		if physical != "" {
			return nil, invalid("Cannot specify both StackName and PhysicalResourceId")
		}
		return s.find(ctx, c, in.StackName, errNoStackID)
	}
	if physical == "" {
		return nil, invalid("Either StackName or PhysicalResourceId must be specified")
	}
	all, err := s.store.List(ctx, place(c))
	if err != nil {
		return nil, err
	}
	for i := range all {
		list, err := s.store.Resources(ctx, place(c), all[i].ID)
		if err != nil {
			return nil, err
		}
		if all[i].Active() && slices.ContainsFunc(list, func(r stack.Resource) bool { return r.Current.ID == physical }) {
			return &all[i], nil
		}
	}
	return nil, invalid("Stack for %s does not exist", physical)
}

func (s *Service) listStackResources(ctx context.Context, c *service.Call, in *api.ListStackResourcesInput) (*api.ListStackResourcesOutput, error) {
	st, err := s.find(ctx, c, in.StackName, errNoStackID)
	if err != nil {
		return nil, err
	}
	list, err := s.store.Resources(ctx, st.Place(), st.ID)
	if err != nil {
		return nil, err
	}
	out := &api.ListStackResourcesOutput{}
	list, out.NextToken, err = page(list, in.NextToken, listPageSize)
	for i := range list {
		r := &list[i]
		out.StackResourceSummaries = append(out.StackResourceSummaries, api.StackResourceSummary{
			LogicalResourceId: &r.LogicalID, PhysicalResourceId: optional(r.Current.ID), ResourceType: &r.Current.Type,
			LastUpdatedTimestamp: &r.Updated, ResourceStatus: &r.Status, ResourceStatusReason: optional(r.StatusReason),
			DriftInformation: &api.StackResourceDriftInformationSummary{StackResourceDriftStatus: new("NOT_CHECKED")},
		})
	}
	return out, err
}

func (s *Service) listExports(ctx context.Context, c *service.Call, in *api.ListExportsInput) (*api.ListExportsOutput, error) {
	all, err := s.store.Exports(ctx, place(c))
	if err != nil {
		return nil, err
	}
	out := &api.ListExportsOutput{}
	all, out.NextToken, err = page(all, in.NextToken, listPageSize)
	for i := range all {
		out.Exports = append(out.Exports, api.Export{ExportingStackId: &all[i].StackARN, Name: &all[i].Name, Value: &all[i].Value})
	}
	return out, err
}

func (s *Service) listImports(ctx context.Context, c *service.Call, in *api.ListImportsInput) (*api.ListImportsOutput, error) {
	name := smithy.Val(in.ExportName)
	if _, err := s.store.Export(ctx, place(c), name); errors.Is(err, stack.ErrNotFound) {
		return nil, invalid("No export named %s found.", name)
	} else if err != nil {
		return nil, err
	}
	all, err := s.store.Importers(ctx, place(c), name)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, invalid("Export '%s' is not imported by any stack.", name)
	}
	out := &api.ListImportsOutput{}
	out.Imports, out.NextToken, err = page(all, in.NextToken, listPageSize)
	return out, err
}
