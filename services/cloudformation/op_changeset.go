package cloudformation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	api "moln.dev/moln/api/cloudformation"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/cloudformation/stack"
	"moln.dev/moln/services/cloudformation/template"
)

const noChanges = "The submitted information didn't contain changes. Submit different information to create a change set."

// changesPageSize is how many changes a page of DescribeChangeSet holds.
const changesPageSize = 200

func (s *Service) createChangeSet(ctx context.Context, c *service.Call, in *api.CreateChangeSetInput) (*api.CreateChangeSetOutput, error) {
	if err := checkSetInput(in); err != nil {
		return nil, err
	}
	st, fresh, err := s.setStack(ctx, c, in)
	if err != nil {
		return nil, err
	}
	if !fresh {
		if done, err := s.repeatedSet(ctx, st, in); done != nil || err != nil {
			return done, err
		}
	}
	kind := setType(in)
	var previous *stack.Target
	if kind == "UPDATE" {
		previous = &st.Deployed
	}
	p, err := s.prepare(ctx, c, ask{
		stackName: st.Name, templateBody: in.TemplateBody, templateURL: in.TemplateURL, usePrevious: smithy.Val(in.UsePreviousTemplate),
		parameters: in.Parameters, tags: in.Tags, capabilities: in.Capabilities, resourceTypes: in.ResourceTypes,
		notificationARNs: in.NotificationARNs, rollbackConfiguration: in.RollbackConfiguration, deploymentConfig: in.DeploymentConfig,
	}, st, previous)
	if err != nil {
		return nil, err
	}
	if err := s.judgeRole(ctx, c, in.RoleARN); err != nil {
		return nil, err
	}
	cs := s.newSet(c, st, in, p)
	if err := s.compute(ctx, st, p, cs); err != nil {
		return nil, err
	}
	if fresh {
		st.Deployed = stack.Target{TemplateID: "none", Tags: p.target.Tags}
		free, err := s.store.Insert(ctx, st, "", s.engine.StackEvent(st))
		if err != nil {
			return nil, err
		}
		if !free {
			return nil, api.ErrAlreadyExistsException("Stack [%s] already exists", st.Name)
		}
	}
	if err := s.store.PutSet(ctx, st.Place(), cs, p.tpl.Body); err != nil {
		return nil, err
	}
	return &api.CreateChangeSetOutput{Id: &cs.ARN, StackId: &st.ARN}, nil
}

func setType(in *api.CreateChangeSetInput) string {
	if in.ChangeSetType == nil {
		return "UPDATE"
	}
	return *in.ChangeSetType
}

func checkSetInput(in *api.CreateChangeSetInput) error {
	switch {
	case len(in.ResourcesToImport) > 0 || setType(in) == "IMPORT":
		return errUnsupported("Importing resources into stacks")
	case smithy.Val(in.ImportExistingResources):
		return errUnsupported("ImportExistingResources")
	case in.DeploymentMode != nil && *in.DeploymentMode != "":
		return errUnsupported("The deployment mode " + *in.DeploymentMode)
	}
	return nil
}

// setStack finds the stack of a new change set, or makes the one it will
// create; that one is not stored yet.
func (s *Service) setStack(ctx context.Context, c *service.Call, in *api.CreateChangeSetInput) (st *stack.Stack, fresh bool, err error) {
	name := smithy.Val(in.StackName)
	st, err = s.lookUp(ctx, c, name)
	missing := errors.Is(err, stack.ErrNotFound) || err == nil && !st.Active()
	if err != nil && !missing {
		return nil, false, err
	}
	if setType(in) == "CREATE" {
		if missing && strings.HasPrefix(name, "arn:") {
			return nil, false, errNoStack(name)
		}
		if missing {
			st = s.newStack(c, name)
			st.Status, st.StatusReason = "REVIEW_IN_PROGRESS", "User Initiated"
			return st, true, nil
		}
		if st.Status != "REVIEW_IN_PROGRESS" {
			return nil, false, invalid("Stack [%s] already exists and cannot be created again with the changeSet [%s].", st.Name, smithy.Val(in.ChangeSetName))
		}
		return st, false, nil
	}
	if missing {
		return nil, false, errNoStack(name)
	}
	return st, false, updatable(st)
}

func (s *Service) repeatedSet(ctx context.Context, st *stack.Stack, in *api.CreateChangeSetInput) (*api.CreateChangeSetOutput, error) {
	sets, err := s.store.Sets(ctx, st.Place(), st.ID)
	if err != nil {
		return nil, err
	}
	for _, cs := range sets {
		if cs.Name != smithy.Val(in.ChangeSetName) {
			continue
		}
		if in.ClientToken != nil && cs.Token == *in.ClientToken {
			return &api.CreateChangeSetOutput{Id: &cs.ARN, StackId: &st.ARN}, nil
		}
		return nil, api.ErrAlreadyExistsException("ChangeSet [%s] already exists", cs.Name)
	}
	return nil, nil
}

func (s *Service) newSet(c *service.Call, st *stack.Stack, in *api.CreateChangeSetInput, p *plan) *stack.ChangeSet {
	id, name := s.deps.Ident.UUID(), smithy.Val(in.ChangeSetName)
	cs := &stack.ChangeSet{
		ID: id, ARN: changeSetARN(st.Place(), name, id), Name: name, StackID: st.ID, Type: setType(in), Created: c.Now.UTC(),
		Description: smithy.Val(in.Description), Target: p.target, RoleARN: smithy.Val(in.RoleARN), Token: smithy.Val(in.ClientToken),
		OnStackFailure: smithy.Val(in.OnStackFailure), Nested: smithy.Val(in.IncludeNestedStacks),
		Status: "CREATE_COMPLETE", ExecutionStatus: "AVAILABLE",
	}
	if cs.OnStackFailure == "" && in.DeploymentConfig != nil && smithy.Val(in.DeploymentConfig.DisableRollback) {
		cs.OnStackFailure = "DO_NOTHING"
	}
	return cs
}

// compute fills in what the change set would change.
func (s *Service) compute(ctx context.Context, st *stack.Stack, p *plan, cs *stack.ChangeSet) error {
	d, err := s.diff(ctx, st, p)
	var bad template.Error
	if err != nil && !errors.As(err, &bad) {
		return err
	}
	switch {
	case err != nil:
		cs.Status, cs.StatusReason, cs.ExecutionStatus = "FAILED", string(bad), "UNAVAILABLE"
	case d.empty():
		cs.Status, cs.StatusReason, cs.ExecutionStatus = "FAILED", noChanges, "UNAVAILABLE"
	}
	hideValues(d.changes, &p.target)
	if cs.Changes, err = json.Marshal(wireChanges(d.changes, false)); err != nil {
		return fmt.Errorf("encode changes: %w", err)
	}
	if cs.ChangesWithProps, err = json.Marshal(wireChanges(d.changes, true)); err != nil {
		return fmt.Errorf("encode changes: %w", err)
	}
	return nil
}

// hideValues masks what NoEcho parameters hold.
func hideValues(changes []template.Change, t *stack.Target) {
	values := t.Values()
	var secrets []string
	for _, name := range t.Hidden {
		if values[name] != "" {
			secrets = append(secrets, values[name])
		}
	}
	if len(secrets) == 0 {
		return
	}
	for i := range changes {
		c := &changes[i]
		c.After, _ = mask(c.After, secrets).(map[string]any)
		for j := range c.Details {
			c.Details[j].After = mask(c.Details[j].After, secrets)
		}
	}
}

func mask(v any, secrets []string) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, item := range v {
			out[k] = mask(item, secrets)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = mask(item, secrets)
		}
		return out
	case string:
		for _, secret := range secrets {
			v = strings.ReplaceAll(v, secret, "****")
		}
		return v
	}
	return v
}

// findSet finds a change set by ARN, or by its name and its stack's. The fault
// is ChangeSetNotFound, or that of a stack which does not exist.
func (s *Service) findSet(ctx context.Context, c *service.Call, name, stackName *string) (*stack.Stack, *stack.ChangeSet, error) {
	given := smithy.Val(name)
	var stacks []stack.Stack
	switch {
	case smithy.Val(stackName) != "":
		st, err := s.find(ctx, c, stackName, errNoStack)
		if err != nil {
			return nil, nil, err
		}
		stacks = []stack.Stack{*st}
	case strings.HasPrefix(given, "arn:"):
		all, err := s.store.List(ctx, place(c))
		if err != nil {
			return nil, nil, err
		}
		stacks = all
	default:
		return nil, nil, invalid("StackName must be specified if ChangeSetName is not specified as an ARN.")
	}
	for i := range stacks {
		sets, err := s.store.Sets(ctx, stacks[i].Place(), stacks[i].ID)
		if err != nil {
			return nil, nil, err
		}
		for j := range sets {
			if sets[j].ARN == given || sets[j].Name == given {
				return &stacks[i], &sets[j], nil
			}
		}
	}
	return nil, nil, api.ErrChangeSetNotFoundException("ChangeSet [%s] does not exist", given)
}

func (s *Service) describeChangeSet(ctx context.Context, c *service.Call, in *api.DescribeChangeSetInput) (*api.DescribeChangeSetOutput, error) {
	st, cs, err := s.findSet(ctx, c, in.ChangeSetName, in.StackName)
	if err != nil {
		return nil, err
	}
	raw := cs.Changes
	if smithy.Val(in.IncludePropertyValues) {
		raw = cs.ChangesWithProps
	}
	var changes []api.Change
	if err := json.Unmarshal(raw, &changes); err != nil {
		return nil, fmt.Errorf("decode changes: %w", err)
	}
	changes, next, err := page(changes, in.NextToken, changesPageSize)
	if err != nil {
		return nil, err
	}
	out := &api.DescribeChangeSetOutput{
		ChangeSetName: &cs.Name, ChangeSetId: &cs.ARN, StackId: &st.ARN, StackName: &st.Name, CreationTime: &cs.Created,
		Status: &cs.Status, ExecutionStatus: &cs.ExecutionStatus, Description: optional(cs.Description), StatusReason: optional(cs.StatusReason),
		Parameters: wireParameters(&cs.Target), Tags: wireTags(cs.Target.Tags), Capabilities: cs.Target.Capabilities,
		NotificationARNs: append([]string{}, cs.Target.Notify...), RollbackConfiguration: &api.RollbackConfiguration{}, Changes: changes, NextToken: next,
		IncludeNestedStacks: &cs.Nested, OnStackFailure: optional(cs.OnStackFailure), ImportExistingResources: new(false),
	}
	return out, nil
}

func (s *Service) executeChangeSet(ctx context.Context, c *service.Call, in *api.ExecuteChangeSetInput) (*api.ExecuteChangeSetOutput, error) {
	if smithy.Val(in.RetainExceptOnCreate) {
		return nil, errUnsupported("RetainExceptOnCreate")
	}
	st, cs, err := s.findSet(ctx, c, in.ChangeSetName, in.StackName)
	if err != nil {
		return nil, err
	}
	if cs.Status != "CREATE_COMPLETE" || cs.ExecutionStatus != "AVAILABLE" {
		status := cs.Status
		if cs.Status == "CREATE_COMPLETE" {
			status = cs.ExecutionStatus
		}
		return nil, api.ErrInvalidChangeSetStatusException("ChangeSet [%s] cannot be executed in its current status of [%s]", cs.ARN, status)
	}
	l := launch{token: in.ClientRequestToken, roleARN: optional(cs.RoleARN), onFailure: cs.OnStackFailure}
	if smithy.Val(in.DisableRollback) {
		l.onFailure = "DO_NOTHING"
	}
	if l.onFailure == "" {
		l.onFailure = "ROLLBACK"
	}
	_, err = s.store.Change(ctx, st.Place(), st.ID, func(st *stack.Stack) ([]stack.Event, error) {
		return s.execute(c, st, cs, l)
	})
	if err != nil {
		return nil, err
	}
	cs.ExecutionStatus = "EXECUTE_COMPLETE"
	if err := s.store.PutSet(ctx, st.Place(), cs, ""); err != nil {
		return nil, err
	}
	return &api.ExecuteChangeSetOutput{}, s.dropSets(ctx, st, cs.ID)
}

// execute starts what a change set asks for, if the stack's state still allows
// it.
func (s *Service) execute(c *service.Call, st *stack.Stack, cs *stack.ChangeSet, l launch) ([]stack.Event, error) {
	st.ChangeSetARN = cs.ARN
	if cs.Type == "CREATE" {
		if st.Status != "REVIEW_IN_PROGRESS" {
			return nil, api.ErrInvalidChangeSetStatusException("ChangeSet [%s] cannot be executed: the stack is in status %s", cs.ARN, st.Status)
		}
		st.Deployed = cs.Target
		s.start(c, st, stack.Create, cs.Target, l)
		return []stack.Event{s.engine.StackEvent(st)}, nil
	}
	if err := updatable(st); err != nil {
		return nil, err
	}
	s.start(c, st, stack.Update, cs.Target, l)
	return []stack.Event{s.engine.StackEvent(st)}, nil
}

// dropSets deletes a stack's change sets besides the one that was executed,
// whose template now is the stack's.
func (s *Service) dropSets(ctx context.Context, st *stack.Stack, executed string) error {
	sets, err := s.store.Sets(ctx, st.Place(), st.ID)
	if err != nil {
		return err
	}
	for i := range sets {
		if sets[i].ID == executed {
			continue
		}
		kept := sets[i].ExecutionStatus == "EXECUTE_COMPLETE"
		if err := s.store.DeleteSet(ctx, st.Place(), &sets[i], kept); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) deleteChangeSet(ctx context.Context, c *service.Call, in *api.DeleteChangeSetInput) (*api.DeleteChangeSetOutput, error) {
	st, cs, err := s.findSet(ctx, c, in.ChangeSetName, in.StackName)
	if fault.Is(err, "ChangeSetNotFound") {
		return &api.DeleteChangeSetOutput{}, nil // gone already
	}
	if err != nil {
		return nil, err
	}
	return &api.DeleteChangeSetOutput{}, s.store.DeleteSet(ctx, st.Place(), cs, cs.ExecutionStatus == "EXECUTE_COMPLETE")
}

func (s *Service) listChangeSets(ctx context.Context, c *service.Call, in *api.ListChangeSetsInput) (*api.ListChangeSetsOutput, error) {
	st, err := s.find(ctx, c, in.StackName, errNoStack)
	if err != nil {
		return nil, err
	}
	sets, err := s.store.Sets(ctx, st.Place(), st.ID)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(sets, func(a, b stack.ChangeSet) int { return b.Created.Compare(a.Created) })
	out := &api.ListChangeSetsOutput{}
	for i := range sets {
		cs := &sets[i]
		out.Summaries = append(out.Summaries, api.ChangeSetSummary{
			StackId: &st.ARN, StackName: &st.Name, ChangeSetId: &cs.ARN, ChangeSetName: &cs.Name, ExecutionStatus: &cs.ExecutionStatus,
			Status: &cs.Status, StatusReason: optional(cs.StatusReason), CreationTime: &cs.Created, Description: optional(cs.Description),
			IncludeNestedStacks: &cs.Nested, ImportExistingResources: new(false),
		})
	}
	out.Summaries, out.NextToken, err = page(out.Summaries, in.NextToken, listPageSize)
	return out, err
}
