package iam

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	api "moln.dev/moln/api/iam"
	"moln.dev/moln/aws/arn"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/platform/service"
)

// policyName is the last part of a policy's ARN.
func policyName(policyARN string) string { return policyARN[strings.LastIndexByte(policyARN, '/')+1:] }

// findManaged finds a customer's or one of AWS's managed policies by ARN.
func (s *Service) findManaged(ctx context.Context, account, policyARN string) (managed, error) {
	return loadManaged(s.store.now(ctx), account, policyARN)
}

func loadManaged(r reader, account, policyARN string) (managed, error) {
	missing := api.ErrNoSuchEntityException("Policy %s was not found.", policyARN)
	a, err := arn.Parse(policyARN)
	if err != nil || a.Service != "iam" || !strings.HasPrefix(a.Resource, "policy/") {
		return managed{}, api.ErrInvalidInputException("ARN %s is not valid.", policyARN)
	}
	if a.Account == "aws" {
		m, ok := awsManaged(policyARN)
		if !ok {
			return managed{}, missing
		}
		return m, nil
	}
	m, err := load[managed](r, policyKey(a.Account, policyName(policyARN)), missing)
	if err == nil && (a.Account != account || m.arn(account) != policyARN) {
		return managed{}, missing
	}
	return m, err
}

// attachable finds a policy that is to be attached, which AWS words otherwise.
func attachable(r reader, account, policyARN string) error {
	_, err := loadManaged(r, account, policyARN)
	if fault.Is(err, "NoSuchEntity") {
		return api.ErrNoSuchEntityException("Policy %s does not exist or is not attachable.", policyARN)
	}
	return err
}

// ownManaged refuses AWS's policies, which nobody may change.
func ownManaged(policyARN string) (string, error) {
	a, err := arn.Parse(policyARN)
	if err != nil {
		return "", api.ErrInvalidInputException("ARN %s is not valid.", policyARN)
	}
	if a.Account == "aws" {
		return "", api.ErrInvalidInputException("AWS managed policies cannot be changed.")
	}
	return policyName(policyARN), nil
}

func (s *Service) createPolicy(ctx context.Context, c *service.Call, in *api.CreatePolicyInput) (*api.CreatePolicyOutput, error) {
	name, path := *in.PolicyName, orRoot(in.Path)
	if err := checkName(name, path); err != nil {
		return nil, err
	}
	if err := checkManaged(*in.PolicyDocument); err != nil {
		return nil, err
	}
	tags, err := mergeTags(nil, in.Tags)
	if err != nil {
		return nil, err
	}
	now := c.Now.UTC().Truncate(time.Second)
	m := managed{
		Name: name, Path: path, ID: "ANPA" + s.deps.Ident.Upper32(17), Created: now, Updated: now,
		Description: smithy.Val(in.Description), Default: "v1", Next: 2, Tags: tags,
		Versions: []version{{ID: "v1", Document: *in.PolicyDocument, Created: now}},
	}
	key := policyKey(c.Account, name)
	err = s.deps.KV.Update(ctx, func(tx *kv.Tx) error {
		_, err := tx.Get(key)
		if err == nil {
			return api.ErrEntityAlreadyExistsException("A policy called %s already exists. Duplicate names are not allowed.", name)
		}
		if !errors.Is(err, kv.ErrNotFound) {
			return err
		}
		return save(tx, key, m)
	}, key)
	if err != nil {
		return nil, err
	}
	return &api.CreatePolicyOutput{Policy: new(m.describe(c.Account, uses{}))}, nil
}

func checkManaged(doc string) error {
	if policySize(doc) > managedBytes {
		return api.ErrLimitExceededException("Cannot exceed quota for PolicySize: %d", managedBytes)
	}
	return checkDocument(doc, policy.Managed)
}

func (s *Service) getPolicy(ctx context.Context, c *service.Call, in *api.GetPolicyInput) (*api.GetPolicyOutput, error) {
	m, err := s.findManaged(ctx, c.Account, *in.PolicyArn)
	if err != nil {
		return nil, err
	}
	used, err := s.store.usage(ctx, c.Account)
	if err != nil {
		return nil, err
	}
	return &api.GetPolicyOutput{Policy: new(m.describe(c.Account, used[*in.PolicyArn]))}, nil
}

func (s *Service) listPolicies(ctx context.Context, c *service.Call, in *api.ListPoliciesInput) (*api.ListPoliciesOutput, error) {
	var list []managed
	scope := smithy.Val(in.Scope)
	if scope != api.PolicyScopeTypeAws {
		found, err := all[managed](ctx, s.store, c.Account, "p")
		if err != nil {
			return nil, err
		}
		list = append(list, found...)
	}
	if scope != api.PolicyScopeTypeLocal {
		list = append(list, allAWSManaged()...)
	}
	used, err := s.store.usage(ctx, c.Account)
	if err != nil {
		return nil, err
	}
	list = slices.DeleteFunc(list, func(m managed) bool {
		u := used[m.arn(c.Account)]
		n := u.attached + u.boundary
		switch smithy.Val(in.PolicyUsageFilter) {
		case api.PolicyUsageTypePermissionsPolicy:
			n = u.attached
		case api.PolicyUsageTypePermissionsBoundary:
			n = u.boundary
		}
		onlyUsed := smithy.Val(in.OnlyAttached) || in.PolicyUsageFilter != nil
		return !strings.HasPrefix(m.Path, smithy.Val(in.PathPrefix)) || (onlyUsed && n == 0)
	})
	page, marker, err := pageOf(list, func(m managed) string { return m.arn(c.Account) }, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	out := &api.ListPoliciesOutput{Policies: []api.Policy{}, Marker: marker, IsTruncated: new(marker != nil)}
	for _, m := range page {
		out.Policies = append(out.Policies, m.describe(c.Account, used[m.arn(c.Account)]))
	}
	return out, nil
}

func (s *Service) deletePolicy(ctx context.Context, c *service.Call, in *api.DeletePolicyInput) (*api.DeletePolicyOutput, error) {
	name, err := ownManaged(*in.PolicyArn)
	if err != nil {
		return nil, err
	}
	key := policyKey(c.Account, name)
	return nil, s.deps.KV.Update(ctx, func(tx *kv.Tx) error {
		m, err := loadManaged(tx, c.Account, *in.PolicyArn)
		if err != nil {
			return err
		}
		held, err := used(tx, c.Account, *in.PolicyArn)
		switch {
		case err != nil:
			return err
		case held:
			return api.ErrDeleteConflictException("Cannot delete a policy attached to entities.")
		case len(m.Versions) > 1:
			return api.ErrDeleteConflictException("This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.")
		}
		return tx.Delete(key)
	}, key)
}

func (s *Service) createPolicyVersion(ctx context.Context, c *service.Call, in *api.CreatePolicyVersionInput) (*api.CreatePolicyVersionOutput, error) {
	if err := checkManaged(*in.PolicyDocument); err != nil {
		return nil, err
	}
	out := &api.CreatePolicyVersionOutput{}
	return out, s.store.changeManaged(ctx, c.Account, *in.PolicyArn, func(_ *kv.Tx, m *managed) error {
		if len(m.Versions) >= versionsMax {
			return api.ErrLimitExceededException("A managed policy can have up to %d versions. Before you create a new version, you must delete an existing version.", versionsMax)
		}
		v := version{ID: "v" + strconv.Itoa(m.Next), Document: *in.PolicyDocument, Created: c.Now.UTC()}
		m.Next, m.Versions, m.Updated = m.Next+1, append(m.Versions, v), v.Created
		if smithy.Val(in.SetAsDefault) {
			m.Default = v.ID
		}
		out.PolicyVersion = new(m.describeVersion(v, false))
		return nil
	})
}

func (m *managed) find(id string) (version, error) {
	for _, v := range m.Versions {
		if v.ID == id {
			return v, nil
		}
	}
	return version{}, api.ErrNoSuchEntityException("Policy version %s does not exist.", id)
}

func (s *Service) getPolicyVersion(ctx context.Context, c *service.Call, in *api.GetPolicyVersionInput) (*api.GetPolicyVersionOutput, error) {
	m, err := s.findManaged(ctx, c.Account, *in.PolicyArn)
	if err != nil {
		return nil, err
	}
	v, err := m.find(*in.VersionId)
	if err != nil {
		return nil, err
	}
	return &api.GetPolicyVersionOutput{PolicyVersion: new(m.describeVersion(v, true))}, nil
}

func (s *Service) listPolicyVersions(ctx context.Context, c *service.Call, in *api.ListPolicyVersionsInput) (*api.ListPolicyVersionsOutput, error) {
	m, err := s.findManaged(ctx, c.Account, *in.PolicyArn)
	if err != nil {
		return nil, err
	}
	// Newest first; markers are places in that order.
	all := slices.Clone(m.Versions)
	slices.Reverse(all)
	page, marker, err := pageInOrder(all, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	out := &api.ListPolicyVersionsOutput{Versions: []api.PolicyVersion{}, Marker: marker, IsTruncated: new(marker != nil)}
	for _, v := range page {
		out.Versions = append(out.Versions, m.describeVersion(v, false))
	}
	return out, nil
}

func (s *Service) deletePolicyVersion(ctx context.Context, c *service.Call, in *api.DeletePolicyVersionInput) (*api.DeletePolicyVersionOutput, error) {
	return nil, s.store.changeManaged(ctx, c.Account, *in.PolicyArn, func(_ *kv.Tx, m *managed) error {
		if _, err := m.find(*in.VersionId); err != nil {
			return err
		}
		if m.Default == *in.VersionId {
			return api.ErrDeleteConflictException("Cannot delete the default version of a policy.")
		}
		m.Versions = slices.DeleteFunc(m.Versions, func(v version) bool { return v.ID == *in.VersionId })
		return nil
	})
}

func (s *Service) setDefaultPolicyVersion(ctx context.Context, c *service.Call, in *api.SetDefaultPolicyVersionInput) (*api.SetDefaultPolicyVersionOutput, error) {
	return nil, s.store.changeManaged(ctx, c.Account, *in.PolicyArn, func(_ *kv.Tx, m *managed) error {
		if _, err := m.find(*in.VersionId); err != nil {
			return err
		}
		m.Default, m.Updated = *in.VersionId, c.Now.UTC()
		return nil
	})
}
