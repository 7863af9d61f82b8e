package cloudformation

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"

	api "moln.dev/moln/api/cloudformation"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/cloudformation/stack"
)

// stackName is what the model does not say of new stacks' names.
var stackName = regexp.MustCompile(`^[a-zA-Z][-a-zA-Z0-9]{0,127}$`)

func (s *Service) createStack(ctx context.Context, c *service.Call, in *api.CreateStackInput) (*api.CreateStackOutput, error) {
	if in.StackPolicyBody != nil || in.StackPolicyURL != nil {
		return nil, errUnsupported("A stack policy")
	}
	if smithy.Val(in.RetainExceptOnCreate) {
		return nil, errUnsupported("RetainExceptOnCreate")
	}
	if !stackName.MatchString(smithy.Val(in.StackName)) {
		return nil, invalid("1 validation error detected: Value '%s' at 'stackName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*", smithy.Val(in.StackName))
	}
	onFailure, err := createFailure(in.OnFailure, in.DisableRollback, in.DeploymentConfig)
	if err != nil {
		return nil, err
	}
	if done, err := s.repeated(ctx, c, in.StackName, in.ClientRequestToken); done != nil || err != nil {
		return done, err
	}
	st := s.newStack(c, smithy.Val(in.StackName))
	p, err := s.prepare(ctx, c, ask{
		stackName: st.Name, templateBody: in.TemplateBody, templateURL: in.TemplateURL, parameters: in.Parameters, tags: in.Tags,
		capabilities: in.Capabilities, resourceTypes: in.ResourceTypes, notificationARNs: in.NotificationARNs,
		rollbackConfiguration: in.RollbackConfiguration, deploymentConfig: in.DeploymentConfig,
	}, st, nil)
	if err != nil {
		return nil, err
	}
	if err := s.judgeRole(ctx, c, in.RoleARN); err != nil {
		return nil, err
	}
	st.Deployed = p.target
	st.TerminationProtection = smithy.Val(in.EnableTerminationProtection)
	st.TimeoutMinutes = smithy.Val(in.TimeoutInMinutes)
	s.start(c, st, stack.Create, p.target, launch{token: in.ClientRequestToken, roleARN: in.RoleARN, onFailure: onFailure})
	free, err := s.store.Insert(ctx, st, p.tpl.Body, s.engine.StackEvent(st))
	if err != nil {
		return nil, err
	}
	if !free {
		return nil, api.ErrAlreadyExistsException("Stack [%s] already exists", st.Name)
	}
	return &api.CreateStackOutput{StackId: &st.ARN}, nil
}

// repeated recognizes a creation that was asked for before, by its token.
func (s *Service) repeated(ctx context.Context, c *service.Call, name, token *string) (*api.CreateStackOutput, error) {
	st, err := s.store.ByName(ctx, place(c), smithy.Val(name))
	if errors.Is(err, stack.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if token != nil && st.LastToken == *token {
		return &api.CreateStackOutput{StackId: &st.ARN}, nil
	}
	return nil, api.ErrAlreadyExistsException("Stack [%s] already exists", st.Name)
}

func createFailure(onFailure *string, disable *bool, config *api.DeploymentConfig) (string, error) {
	if onFailure != nil && disable != nil {
		return "", invalid("You can specify either DisableRollback or OnFailure, but not both.")
	}
	if onFailure != nil {
		return *onFailure, nil
	}
	return rollbackOr(disable, config), nil
}

func rollbackOr(disable *bool, config *api.DeploymentConfig) string {
	if smithy.Val(disable) || config != nil && smithy.Val(config.DisableRollback) {
		return "DO_NOTHING"
	}
	return "ROLLBACK"
}

func (s *Service) newStack(c *service.Call, name string) *stack.Stack {
	id := s.deps.Ident.UUID()
	return &stack.Stack{
		ID: id, ARN: stackARN(place(c), name, id), Name: name, Account: c.Account, Region: c.Region, Created: c.Now.UTC(),
	}
}

// launch is how an operation is to run.
type launch struct {
	token, roleARN *string
	onFailure      string
	retain         []string
}

// start puts an operation onto a stack, which the engine finds there.
func (s *Service) start(c *service.Call, st *stack.Stack, kind stack.Kind, target stack.Target, l launch) {
	role := smithy.Val(l.roleARN)
	if role == "" {
		role = st.RoleARN
	}
	st.RoleARN, st.LastToken, st.Stuck = role, smithy.Val(l.token), nil
	st.Op = &stack.Operation{
		ID: s.deps.Ident.UUID(), Kind: kind, Phase: stack.Forward, Token: st.LastToken, Caller: c.Caller, RoleARN: role,
		Target: target, Started: c.Now.UTC(), OnFailure: l.onFailure, Retain: l.retain,
	}
	st.StatusReason = "User Initiated"
	switch kind {
	case stack.Create:
		st.Status, st.DisableRollback = "CREATE_IN_PROGRESS", l.onFailure == "DO_NOTHING"
	case stack.Update:
		now := c.Now.UTC()
		st.Status, st.Updated, st.DisableRollback = "UPDATE_IN_PROGRESS", &now, l.onFailure == "DO_NOTHING"
	case stack.Delete:
		st.Status, st.Op.Phase = "DELETE_IN_PROGRESS", stack.Cleanup
	}
}

func (s *Service) updateStack(ctx context.Context, c *service.Call, in *api.UpdateStackInput) (*api.UpdateStackOutput, error) {
	if in.StackPolicyBody != nil || in.StackPolicyURL != nil || in.StackPolicyDuringUpdateBody != nil || in.StackPolicyDuringUpdateURL != nil {
		return nil, errUnsupported("A stack policy")
	}
	if smithy.Val(in.RetainExceptOnCreate) {
		return nil, errUnsupported("RetainExceptOnCreate")
	}
	st, err := s.findActive(ctx, c, in.StackName, errNoStack)
	if err != nil {
		return nil, err
	}
	if in.ClientRequestToken != nil && st.LastToken == *in.ClientRequestToken && st.Updated != nil {
		return &api.UpdateStackOutput{StackId: &st.ARN, OperationId: operationID(st)}, nil
	}
	if err := updatable(st); err != nil {
		return nil, err
	}
	p, err := s.prepare(ctx, c, ask{
		stackName: st.Name, templateBody: in.TemplateBody, templateURL: in.TemplateURL, usePrevious: smithy.Val(in.UsePreviousTemplate),
		parameters: in.Parameters, tags: in.Tags, capabilities: in.Capabilities, resourceTypes: in.ResourceTypes,
		notificationARNs: in.NotificationARNs, rollbackConfiguration: in.RollbackConfiguration, deploymentConfig: in.DeploymentConfig,
	}, st, &st.Deployed)
	if err != nil {
		return nil, err
	}
	if err := s.judgeRole(ctx, c, in.RoleARN); err != nil {
		return nil, err
	}
	d, err := s.diff(ctx, st, p)
	if err != nil {
		return nil, templateFault(err)
	}
	if d.empty() {
		return nil, invalid("No updates are to be performed.")
	}
	l := launch{token: in.ClientRequestToken, roleARN: in.RoleARN, onFailure: rollbackOr(in.DisableRollback, in.DeploymentConfig)}
	st, err = s.beginUpdate(ctx, c, st, p, l)
	if err != nil {
		return nil, err
	}
	// Change sets were computed against what the stack was.
	if err := s.dropSets(ctx, st, ""); err != nil {
		return nil, err
	}
	return &api.UpdateStackOutput{StackId: &st.ARN, OperationId: operationID(st)}, nil
}

func operationID(st *stack.Stack) *string {
	if st.Op == nil {
		return nil
	}
	return &st.Op.ID
}

// beginUpdate stores the template and starts the update.
func (s *Service) beginUpdate(ctx context.Context, c *service.Call, st *stack.Stack, p *plan, l launch) (*stack.Stack, error) {
	if err := s.store.PutTemplate(ctx, st.Place(), st.ID, p.target.TemplateID, p.tpl.Body); err != nil {
		return nil, err
	}
	return s.store.Change(ctx, st.Place(), st.ID, func(st *stack.Stack) ([]stack.Event, error) {
		if err := updatable(st); err != nil {
			return nil, err
		}
		s.start(c, st, stack.Update, p.target, l)
		return []stack.Event{s.engine.StackEvent(st)}, nil
	})
}

// updatable says whether a stack's state lets it be updated.
func updatable(st *stack.Stack) error {
	switch st.Status {
	case "CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "UPDATE_FAILED":
		return nil
	case "CREATE_FAILED":
		if st.DisableRollback {
			return nil
		}
	}
	return invalid("Stack:%s is in %s state and can not be updated.", st.ARN, st.Status)
}

func (s *Service) deleteStack(ctx context.Context, c *service.Call, in *api.DeleteStackInput) (*api.DeleteStackOutput, error) {
	if mode := smithy.Val(in.DeletionMode); mode != "" && mode != "STANDARD" {
		return nil, errUnsupported("The deletion mode " + mode)
	}
	st, err := s.lookUp(ctx, c, smithy.Val(in.StackName))
	if errors.Is(err, stack.ErrNotFound) || err == nil && !st.Active() {
		return &api.DeleteStackOutput{}, nil // gone already
	}
	if err != nil {
		return nil, err
	}
	if err := s.judgeRole(ctx, c, in.RoleARN); err != nil {
		return nil, err
	}
	retain := slices.DeleteFunc(slices.Clone(in.RetainResources), func(id string) bool { return id == "" })
	_, err = s.store.Change(ctx, st.Place(), st.ID, func(st *stack.Stack) ([]stack.Event, error) {
		if err := deletable(st, retain); err != nil {
			return nil, err
		}
		if st.Status == "DELETE_IN_PROGRESS" && st.Op != nil {
			return nil, nil
		}
		s.start(c, st, stack.Delete, st.Deployed, launch{token: in.ClientRequestToken, roleARN: in.RoleARN, retain: retain})
		return []stack.Event{s.engine.StackEvent(st)}, nil
	})
	if err != nil {
		return nil, err
	}
	return &api.DeleteStackOutput{}, nil
}

// deletable says whether a stack's state lets it be deleted.
func deletable(st *stack.Stack, retain []string) error {
	if st.TerminationProtection {
		return invalid("Stack [%s] cannot be deleted while TerminationProtection is enabled", st.Name)
	}
	if st.InProgress() && st.Status != "CREATE_IN_PROGRESS" && st.Status != "DELETE_IN_PROGRESS" {
		return invalid("Stack [%s] cannot be deleted while in status %s", st.ARN, st.Status)
	}
	if len(retain) > 0 && st.Status != "DELETE_FAILED" {
		return invalid("Invalid operation on stack [%s]. Cannot specify RetainResources unless the stack is in the DELETE_FAILED state: [%s]", st.ARN, strings.Join(retain, ", "))
	}
	return nil
}

func (s *Service) updateTerminationProtection(ctx context.Context, c *service.Call, in *api.UpdateTerminationProtectionInput) (*api.UpdateTerminationProtectionOutput, error) {
	st, err := s.findActive(ctx, c, in.StackName, errNoStack)
	if err != nil {
		return nil, err
	}
	_, err = s.store.Change(ctx, st.Place(), st.ID, func(st *stack.Stack) ([]stack.Event, error) {
		if st.ParentARN != "" {
			return nil, invalid("Termination protection cannot be updated on nested stacks")
		}
		st.TerminationProtection = smithy.Val(in.EnableTerminationProtection)
		return nil, nil
	})
	return &api.UpdateTerminationProtectionOutput{StackId: &st.ARN}, err
}

func (s *Service) cancelUpdateStack(ctx context.Context, c *service.Call, in *api.CancelUpdateStackInput) (*api.CancelUpdateStackOutput, error) {
	st, err := s.findActive(ctx, c, in.StackName, errNoStack)
	if err != nil {
		return nil, err
	}
	_, err = s.store.Change(ctx, st.Place(), st.ID, func(st *stack.Stack) ([]stack.Event, error) {
		if st.Status != "UPDATE_IN_PROGRESS" || st.Op == nil {
			return nil, invalid("CancelUpdateStack cannot be called from current stack status")
		}
		st.Op.Cancelled = true
		return nil, nil
	})
	return &api.CancelUpdateStackOutput{}, err
}

func (s *Service) continueUpdateRollback(ctx context.Context, c *service.Call, in *api.ContinueUpdateRollbackInput) (*api.ContinueUpdateRollbackOutput, error) {
	if smithy.Val(in.ForceRollback) {
		return nil, errUnsupported("ForceRollback")
	}
	st, err := s.findActive(ctx, c, in.StackName, errNoStack)
	if err != nil {
		return nil, err
	}
	if err := s.judgeRole(ctx, c, in.RoleARN); err != nil {
		return nil, err
	}
	_, err = s.store.Change(ctx, st.Place(), st.ID, func(st *stack.Stack) ([]stack.Event, error) {
		if st.Status != "UPDATE_ROLLBACK_FAILED" || st.Stuck == nil {
			return nil, invalid("Stack:%s is in %s state and can not continue update rollback.", st.ARN, st.Status)
		}
		st.Op, st.Stuck = st.Stuck, nil
		st.Op.Caller, st.Op.Token, st.Op.Retain = c.Caller, smithy.Val(in.ClientRequestToken), in.ResourcesToSkip
		if in.RoleARN != nil && *in.RoleARN != "" {
			st.Op.RoleARN, st.RoleARN = *in.RoleARN, *in.RoleARN
		}
		st.Status, st.StatusReason = "UPDATE_ROLLBACK_IN_PROGRESS", "User Initiated"
		return []stack.Event{s.engine.StackEvent(st)}, nil
	})
	return &api.ContinueUpdateRollbackOutput{}, err
}
