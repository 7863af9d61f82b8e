package iam

import (
	"context"
	"maps"
	"slices"

	api "moln.dev/moln/api/iam"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/platform/service"
)

// The inline policies of users, roles and groups are the same but for the names
// of the operations; each handler says which kind it is for.

func (s *Service) putInline(ctx context.Context, c *service.Call, k kind, owner, name, doc string) error {
	if err := checkDocument(doc, policy.Identity); err != nil {
		return err
	}
	return s.store.change(ctx, c.Account, k, owner, func(_ *kv.Tx, e *entity) error {
		total := policySize(doc)
		for n, d := range e.Inline {
			if n != name {
				total += policySize(d)
			}
		}
		if total > k.inlineBytes() {
			return api.ErrLimitExceededException("Maximum policy size of %d bytes exceeded for %s %s", k.inlineBytes(), k.word(), e.Name)
		}
		if e.Inline == nil {
			e.Inline = map[string]string{}
		}
		e.Inline[name] = doc
		return nil
	})
}

func (s *Service) getInline(ctx context.Context, c *service.Call, k kind, owner, name string) (*string, error) {
	e, err := s.store.entity(ctx, c.Account, k, owner)
	if err != nil {
		return nil, err
	}
	doc, ok := e.Inline[name]
	if !ok {
		return nil, noInline(k, name)
	}
	return escapeDocument(doc), nil
}

func noInline(k kind, name string) error {
	return api.ErrNoSuchEntityException("The %s policy with name %s cannot be found.", k.word(), name)
}

func (s *Service) deleteInline(ctx context.Context, c *service.Call, k kind, owner, name string) error {
	return s.store.change(ctx, c.Account, k, owner, func(_ *kv.Tx, e *entity) error {
		if _, ok := e.Inline[name]; !ok {
			return noInline(k, name)
		}
		delete(e.Inline, name)
		return nil
	})
}

func (s *Service) listInline(ctx context.Context, c *service.Call, k kind, owner string, marker *string, max *int32) ([]string, *string, error) {
	e, err := s.store.entity(ctx, c.Account, k, owner)
	if err != nil {
		return nil, nil, err
	}
	names, next, err := pageOf(slices.Collect(maps.Keys(e.Inline)), func(n string) string { return n }, marker, max)
	if names == nil {
		names = []string{}
	}
	return names, next, err
}

func (s *Service) putUserPolicy(ctx context.Context, c *service.Call, in *api.PutUserPolicyInput) (*api.PutUserPolicyOutput, error) {
	return nil, s.putInline(ctx, c, user, *in.UserName, *in.PolicyName, *in.PolicyDocument)
}

func (s *Service) putRolePolicy(ctx context.Context, c *service.Call, in *api.PutRolePolicyInput) (*api.PutRolePolicyOutput, error) {
	return nil, s.putInline(ctx, c, role, *in.RoleName, *in.PolicyName, *in.PolicyDocument)
}

func (s *Service) putGroupPolicy(ctx context.Context, c *service.Call, in *api.PutGroupPolicyInput) (*api.PutGroupPolicyOutput, error) {
	return nil, s.putInline(ctx, c, group, *in.GroupName, *in.PolicyName, *in.PolicyDocument)
}

func (s *Service) getUserPolicy(ctx context.Context, c *service.Call, in *api.GetUserPolicyInput) (*api.GetUserPolicyOutput, error) {
	doc, err := s.getInline(ctx, c, user, *in.UserName, *in.PolicyName)
	return &api.GetUserPolicyOutput{UserName: in.UserName, PolicyName: in.PolicyName, PolicyDocument: doc}, err
}

func (s *Service) getRolePolicy(ctx context.Context, c *service.Call, in *api.GetRolePolicyInput) (*api.GetRolePolicyOutput, error) {
	doc, err := s.getInline(ctx, c, role, *in.RoleName, *in.PolicyName)
	return &api.GetRolePolicyOutput{RoleName: in.RoleName, PolicyName: in.PolicyName, PolicyDocument: doc}, err
}

func (s *Service) getGroupPolicy(ctx context.Context, c *service.Call, in *api.GetGroupPolicyInput) (*api.GetGroupPolicyOutput, error) {
	doc, err := s.getInline(ctx, c, group, *in.GroupName, *in.PolicyName)
	return &api.GetGroupPolicyOutput{GroupName: in.GroupName, PolicyName: in.PolicyName, PolicyDocument: doc}, err
}

func (s *Service) deleteUserPolicy(ctx context.Context, c *service.Call, in *api.DeleteUserPolicyInput) (*api.DeleteUserPolicyOutput, error) {
	return nil, s.deleteInline(ctx, c, user, *in.UserName, *in.PolicyName)
}

func (s *Service) deleteRolePolicy(ctx context.Context, c *service.Call, in *api.DeleteRolePolicyInput) (*api.DeleteRolePolicyOutput, error) {
	return nil, s.deleteInline(ctx, c, role, *in.RoleName, *in.PolicyName)
}

func (s *Service) deleteGroupPolicy(ctx context.Context, c *service.Call, in *api.DeleteGroupPolicyInput) (*api.DeleteGroupPolicyOutput, error) {
	return nil, s.deleteInline(ctx, c, group, *in.GroupName, *in.PolicyName)
}

func (s *Service) listUserPolicies(ctx context.Context, c *service.Call, in *api.ListUserPoliciesInput) (*api.ListUserPoliciesOutput, error) {
	names, marker, err := s.listInline(ctx, c, user, *in.UserName, in.Marker, in.MaxItems)
	return &api.ListUserPoliciesOutput{PolicyNames: names, Marker: marker, IsTruncated: new(marker != nil)}, err
}

func (s *Service) listRolePolicies(ctx context.Context, c *service.Call, in *api.ListRolePoliciesInput) (*api.ListRolePoliciesOutput, error) {
	names, marker, err := s.listInline(ctx, c, role, *in.RoleName, in.Marker, in.MaxItems)
	return &api.ListRolePoliciesOutput{PolicyNames: names, Marker: marker, IsTruncated: new(marker != nil)}, err
}

func (s *Service) listGroupPolicies(ctx context.Context, c *service.Call, in *api.ListGroupPoliciesInput) (*api.ListGroupPoliciesOutput, error) {
	names, marker, err := s.listInline(ctx, c, group, *in.GroupName, in.Marker, in.MaxItems)
	return &api.ListGroupPoliciesOutput{PolicyNames: names, Marker: marker, IsTruncated: new(marker != nil)}, err
}
