package iam

import (
	"context"
	"slices"
	"strings"

	api "moln.dev/moln/api/iam"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/platform/service"
)

func (s *Service) attach(ctx context.Context, c *service.Call, k kind, owner, policyARN string) error {
	return s.store.change(ctx, c.Account, k, owner, func(tx *kv.Tx, e *entity) error {
		// Read in the transaction: the policy may be deleted at the same time.
		if err := attachable(tx, c.Account, policyARN); err != nil {
			return err
		}
		if slices.Contains(e.Attached, policyARN) {
			return nil
		}
		if len(e.Attached) >= attachedMax {
			return api.ErrLimitExceededException("Cannot exceed quota for PoliciesPer%s: %d", title(k.word()), attachedMax)
		}
		e.Attached = append(e.Attached, policyARN)
		return nil
	})
}

func (s *Service) detach(ctx context.Context, c *service.Call, k kind, owner, policyARN string) error {
	return s.store.change(ctx, c.Account, k, owner, func(_ *kv.Tx, e *entity) error {
		if !slices.Contains(e.Attached, policyARN) {
			return api.ErrNoSuchEntityException("Policy %s was not found.", policyARN)
		}
		e.Attached = slices.DeleteFunc(e.Attached, func(a string) bool { return a == policyARN })
		return nil
	})
}

func (s *Service) attached(ctx context.Context, c *service.Call, k kind, owner string, marker *string, max *int32) ([]api.AttachedPolicy, *string, error) {
	e, err := s.store.entity(ctx, c.Account, k, owner)
	if err != nil {
		return nil, nil, err
	}
	arns, next, err := pageOf(slices.Clone(e.Attached), func(a string) string { return a }, marker, max)
	out := []api.AttachedPolicy{}
	for _, a := range arns {
		out = append(out, api.AttachedPolicy{PolicyArn: new(a), PolicyName: new(policyName(a))})
	}
	return out, next, err
}

func (s *Service) attachUserPolicy(ctx context.Context, c *service.Call, in *api.AttachUserPolicyInput) (*api.AttachUserPolicyOutput, error) {
	return nil, s.attach(ctx, c, user, *in.UserName, *in.PolicyArn)
}

func (s *Service) attachRolePolicy(ctx context.Context, c *service.Call, in *api.AttachRolePolicyInput) (*api.AttachRolePolicyOutput, error) {
	return nil, s.attach(ctx, c, role, *in.RoleName, *in.PolicyArn)
}

func (s *Service) attachGroupPolicy(ctx context.Context, c *service.Call, in *api.AttachGroupPolicyInput) (*api.AttachGroupPolicyOutput, error) {
	return nil, s.attach(ctx, c, group, *in.GroupName, *in.PolicyArn)
}

func (s *Service) detachUserPolicy(ctx context.Context, c *service.Call, in *api.DetachUserPolicyInput) (*api.DetachUserPolicyOutput, error) {
	return nil, s.detach(ctx, c, user, *in.UserName, *in.PolicyArn)
}

func (s *Service) detachRolePolicy(ctx context.Context, c *service.Call, in *api.DetachRolePolicyInput) (*api.DetachRolePolicyOutput, error) {
	return nil, s.detach(ctx, c, role, *in.RoleName, *in.PolicyArn)
}

func (s *Service) detachGroupPolicy(ctx context.Context, c *service.Call, in *api.DetachGroupPolicyInput) (*api.DetachGroupPolicyOutput, error) {
	return nil, s.detach(ctx, c, group, *in.GroupName, *in.PolicyArn)
}

func (s *Service) listAttachedUserPolicies(ctx context.Context, c *service.Call, in *api.ListAttachedUserPoliciesInput) (*api.ListAttachedUserPoliciesOutput, error) {
	list, marker, err := s.attached(ctx, c, user, *in.UserName, in.Marker, in.MaxItems)
	return &api.ListAttachedUserPoliciesOutput{AttachedPolicies: list, Marker: marker, IsTruncated: new(marker != nil)}, err
}

func (s *Service) listAttachedRolePolicies(ctx context.Context, c *service.Call, in *api.ListAttachedRolePoliciesInput) (*api.ListAttachedRolePoliciesOutput, error) {
	list, marker, err := s.attached(ctx, c, role, *in.RoleName, in.Marker, in.MaxItems)
	return &api.ListAttachedRolePoliciesOutput{AttachedPolicies: list, Marker: marker, IsTruncated: new(marker != nil)}, err
}

func (s *Service) listAttachedGroupPolicies(ctx context.Context, c *service.Call, in *api.ListAttachedGroupPoliciesInput) (*api.ListAttachedGroupPoliciesOutput, error) {
	list, marker, err := s.attached(ctx, c, group, *in.GroupName, in.Marker, in.MaxItems)
	return &api.ListAttachedGroupPoliciesOutput{AttachedPolicies: list, Marker: marker, IsTruncated: new(marker != nil)}, err
}

func (s *Service) putUserPermissionsBoundary(ctx context.Context, c *service.Call, in *api.PutUserPermissionsBoundaryInput) (*api.PutUserPermissionsBoundaryOutput, error) {
	return nil, s.setBoundary(ctx, c, user, *in.UserName, in.PermissionsBoundary)
}

func (s *Service) putRolePermissionsBoundary(ctx context.Context, c *service.Call, in *api.PutRolePermissionsBoundaryInput) (*api.PutRolePermissionsBoundaryOutput, error) {
	return nil, s.setBoundary(ctx, c, role, *in.RoleName, in.PermissionsBoundary)
}

func (s *Service) deleteUserPermissionsBoundary(ctx context.Context, c *service.Call, in *api.DeleteUserPermissionsBoundaryInput) (*api.DeleteUserPermissionsBoundaryOutput, error) {
	return nil, s.setBoundary(ctx, c, user, *in.UserName, nil)
}

func (s *Service) deleteRolePermissionsBoundary(ctx context.Context, c *service.Call, in *api.DeleteRolePermissionsBoundaryInput) (*api.DeleteRolePermissionsBoundaryOutput, error) {
	return nil, s.setBoundary(ctx, c, role, *in.RoleName, nil)
}

func (s *Service) setBoundary(ctx context.Context, c *service.Call, k kind, owner string, policyARN *string) error {
	return s.store.change(ctx, c.Account, k, owner, func(tx *kv.Tx, e *entity) error {
		if policyARN != nil {
			e.Boundary = *policyARN
			return attachable(tx, c.Account, *policyARN)
		}
		if e.Boundary == "" {
			return api.ErrNoSuchEntityException("%s %s does not have a permission boundary.", title(k.word()), e.Name)
		}
		e.Boundary = ""
		return nil
	})
}

func (s *Service) listEntitiesForPolicy(ctx context.Context, c *service.Call, in *api.ListEntitiesForPolicyInput) (*api.ListEntitiesForPolicyOutput, error) {
	if _, err := s.findManaged(ctx, c.Account, *in.PolicyArn); err != nil {
		return nil, err
	}
	type holder struct {
		entity
		kind
	}
	var holders []holder
	for k, filter := range map[kind]string{user: api.EntityTypeUser, role: api.EntityTypeRole, group: api.EntityTypeGroup} {
		if want := smithy.Val(in.EntityFilter); want != "" && want != filter {
			continue
		}
		found, err := all[entity](ctx, s.store, c.Account, string(k))
		if err != nil {
			return nil, err
		}
		for _, e := range found {
			if strings.HasPrefix(e.Path, smithy.Val(in.PathPrefix)) && holds(e, *in.PolicyArn, smithy.Val(in.PolicyUsageFilter)) {
				holders = append(holders, holder{e, k})
			}
		}
	}
	page, marker, err := pageOf(holders, func(h holder) string { return string(h.kind) + entityName(h.entity) }, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	out := &api.ListEntitiesForPolicyOutput{PolicyUsers: []api.PolicyUser{}, PolicyRoles: []api.PolicyRole{}, PolicyGroups: []api.PolicyGroup{}, Marker: marker, IsTruncated: new(marker != nil)}
	for _, h := range page {
		switch h.kind {
		case user:
			out.PolicyUsers = append(out.PolicyUsers, api.PolicyUser{UserName: new(h.Name), UserId: new(h.ID)})
		case role:
			out.PolicyRoles = append(out.PolicyRoles, api.PolicyRole{RoleName: new(h.Name), RoleId: new(h.ID)})
		default:
			out.PolicyGroups = append(out.PolicyGroups, api.PolicyGroup{GroupName: new(h.Name), GroupId: new(h.ID)})
		}
	}
	return out, nil
}

// holds reports whether e uses a policy in the way that filter asks for.
func holds(e entity, policyARN, filter string) bool {
	attached, boundary := slices.Contains(e.Attached, policyARN), e.Boundary == policyARN
	switch filter {
	case api.PolicyUsageTypePermissionsPolicy:
		return attached
	case api.PolicyUsageTypePermissionsBoundary:
		return boundary
	}
	return attached || boundary
}
