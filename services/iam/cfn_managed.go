package iam

import (
	"context"

	api "moln.dev/moln/api/iam"
	"moln.dev/moln/platform/service"
)

func createManagedResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p := r.Properties.(*managedProperties)
	if p.ManagedPolicyName == nil {
		p.ManagedPolicyName = new(r.GeneratedName(128))
	}
	in := &api.CreatePolicyInput{PolicyName: p.ManagedPolicyName, Path: p.Path, Description: p.Description, PolicyDocument: document(p.PolicyDocument)}
	out, err := service.Invoke(ctx, c, api.CreatePolicy, in)
	if err != nil {
		return err
	}
	r.PhysicalID = *out.Policy.Arn
	r.Attributes = map[string]any{"PolicyArn": r.PhysicalID, "PolicyId": *out.Policy.PolicyId}
	return attachAll(ctx, c, r.PhysicalID, p)
}

func attachAll(ctx context.Context, c *service.Call, policyARN string, p *managedProperties) error {
	for _, n := range p.Roles {
		if _, err := service.Invoke(ctx, c, api.AttachRolePolicy, &api.AttachRolePolicyInput{RoleName: &n, PolicyArn: &policyARN}); err != nil {
			return err
		}
	}
	for _, n := range p.Users {
		if _, err := service.Invoke(ctx, c, api.AttachUserPolicy, &api.AttachUserPolicyInput{UserName: &n, PolicyArn: &policyARN}); err != nil {
			return err
		}
	}
	for _, n := range p.Groups {
		if _, err := service.Invoke(ctx, c, api.AttachGroupPolicy, &api.AttachGroupPolicyInput{GroupName: &n, PolicyArn: &policyARN}); err != nil {
			return err
		}
	}
	return nil
}

func detachAll(ctx context.Context, c *service.Call, policyARN string, p *managedProperties) error {
	for _, n := range p.Roles {
		if _, err := service.Invoke(ctx, c, api.DetachRolePolicy, &api.DetachRolePolicyInput{RoleName: &n, PolicyArn: &policyARN}); err != nil && !missing(err) {
			return err
		}
	}
	for _, n := range p.Users {
		if _, err := service.Invoke(ctx, c, api.DetachUserPolicy, &api.DetachUserPolicyInput{UserName: &n, PolicyArn: &policyARN}); err != nil && !missing(err) {
			return err
		}
	}
	for _, n := range p.Groups {
		if _, err := service.Invoke(ctx, c, api.DetachGroupPolicy, &api.DetachGroupPolicyInput{GroupName: &n, PolicyArn: &policyARN}); err != nil && !missing(err) {
			return err
		}
	}
	return nil
}

// updateManagedResource makes a new default version, and removes the one before
// it, so that the quota of versions is never reached.
func updateManagedResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p, old := r.Properties.(*managedProperties), r.Old.(*managedProperties)
	if *document(p.PolicyDocument) != *document(old.PolicyDocument) {
		before, err := service.Invoke(ctx, c, api.GetPolicy, &api.GetPolicyInput{PolicyArn: &r.PhysicalID})
		if err != nil {
			return err
		}
		in := &api.CreatePolicyVersionInput{PolicyArn: &r.PhysicalID, PolicyDocument: document(p.PolicyDocument), SetAsDefault: new(true)}
		if _, err := service.Invoke(ctx, c, api.CreatePolicyVersion, in); err != nil {
			return err
		}
		drop := &api.DeletePolicyVersionInput{PolicyArn: &r.PhysicalID, VersionId: before.Policy.DefaultVersionId}
		if _, err := service.Invoke(ctx, c, api.DeletePolicyVersion, drop); err != nil {
			return err
		}
	}
	if err := attachAll(ctx, c, r.PhysicalID, p); err != nil {
		return err
	}
	return detachAll(ctx, c, r.PhysicalID, &managedProperties{
		Roles: without(old.Roles, p.Roles), Users: without(old.Users, p.Users), Groups: without(old.Groups, p.Groups),
	})
}

func deleteManagedResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	if err := detachAll(ctx, c, r.PhysicalID, r.Properties.(*managedProperties)); err != nil {
		return err
	}
	_, err := service.Invoke(ctx, c, api.DeletePolicy, &api.DeletePolicyInput{PolicyArn: &r.PhysicalID})
	if missing(err) {
		return nil
	}
	return err
}
