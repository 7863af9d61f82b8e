package iam

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	api "moln.dev/moln/api/iam"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/platform/service"
)

type inlineProperties struct {
	PolicyName     *string
	PolicyDocument any
}

type tagProperties struct{ Key, Value string }

type roleProperties struct {
	RoleName                 *string
	Path                     *string
	Description              *string
	AssumeRolePolicyDocument any
	MaxSessionDuration       *int32
	PermissionsBoundary      *string
	ManagedPolicyArns        []string
	Policies                 []inlineProperties
	Tags                     []tagProperties
}

type policyProperties struct {
	PolicyName           *string
	PolicyDocument       any
	Roles, Users, Groups []string
}

type managedProperties struct {
	ManagedPolicyName    *string
	Path                 *string
	Description          *string
	PolicyDocument       any
	Roles, Users, Groups []string
}

func resources() []service.ResourceType {
	return []service.ResourceType{
		{
			Name: "AWS::IAM::Role", New: func() any { return new(roleProperties) }, Replace: []string{"RoleName", "Path"},
			Create: createRoleResource, Update: updateRoleResource, Delete: deleteRoleResource,
		},
		{
			Name: "AWS::IAM::Policy", New: func() any { return new(policyProperties) }, Replace: []string{"PolicyName"},
			Create: createPolicyResource, Update: updatePolicyResource, Delete: deletePolicyResource,
		},
		{
			Name: "AWS::IAM::ManagedPolicy", New: func() any { return new(managedProperties) }, Replace: []string{"ManagedPolicyName", "Path", "Description"},
			Create: createManagedResource, Update: updateManagedResource, Delete: deleteManagedResource,
		},
	}
}

// document gives a policy's text: templates hold it as an object.
func document(v any) *string {
	if s, ok := v.(string); ok {
		return &s
	}
	b, err := json.Marshal(v)
	if err != nil {
		return new("")
	}
	return new(string(b))
}

func tagsFrom(r *service.Resource, own []tagProperties) []api.Tag {
	merged := map[string]string{}
	for k, v := range r.Tags {
		merged[k] = v
	}
	for _, t := range own {
		merged[t.Key] = t.Value
	}
	if len(merged) == 0 {
		return nil
	}
	return tagList(merged)
}

func createRoleResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p := r.Properties.(*roleProperties)
	if p.RoleName == nil {
		p.RoleName = new(r.GeneratedName(64))
	}
	out, err := service.Invoke(ctx, c, api.CreateRole, &api.CreateRoleInput{
		RoleName: p.RoleName, Path: p.Path, Description: p.Description, MaxSessionDuration: p.MaxSessionDuration,
		PermissionsBoundary: p.PermissionsBoundary, AssumeRolePolicyDocument: document(p.AssumeRolePolicyDocument), Tags: tagsFrom(r, p.Tags),
	})
	if err != nil {
		return err
	}
	r.PhysicalID = *p.RoleName
	r.Attributes = map[string]any{"Arn": *out.Role.Arn, "RoleId": *out.Role.RoleId}
	return fillRole(ctx, c, p, &roleProperties{})
}

// fillRole brings a role's policies from old to p.
func fillRole(ctx context.Context, c *service.Call, p, old *roleProperties) error {
	for _, a := range p.ManagedPolicyArns {
		if _, err := service.Invoke(ctx, c, api.AttachRolePolicy, &api.AttachRolePolicyInput{RoleName: p.RoleName, PolicyArn: &a}); err != nil {
			return err
		}
	}
	for _, a := range old.ManagedPolicyArns {
		if slices.Contains(p.ManagedPolicyArns, a) {
			continue
		}
		if _, err := service.Invoke(ctx, c, api.DetachRolePolicy, &api.DetachRolePolicyInput{RoleName: p.RoleName, PolicyArn: &a}); err != nil && !missing(err) {
			return err
		}
	}
	for _, i := range p.Policies {
		if _, err := service.Invoke(ctx, c, api.PutRolePolicy, &api.PutRolePolicyInput{RoleName: p.RoleName, PolicyName: i.PolicyName, PolicyDocument: document(i.PolicyDocument)}); err != nil {
			return err
		}
	}
	for _, i := range old.Policies {
		if slices.ContainsFunc(p.Policies, func(n inlineProperties) bool { return *n.PolicyName == *i.PolicyName }) {
			continue
		}
		if _, err := service.Invoke(ctx, c, api.DeleteRolePolicy, &api.DeleteRolePolicyInput{RoleName: p.RoleName, PolicyName: i.PolicyName}); err != nil && !missing(err) {
			return err
		}
	}
	return nil
}

func missing(err error) bool { return fault.Is(err, "NoSuchEntity") }

func updateRoleResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p, old := r.Properties.(*roleProperties), r.Old.(*roleProperties)
	p.RoleName = &r.PhysicalID
	if _, err := service.Invoke(ctx, c, api.UpdateAssumeRolePolicy, &api.UpdateAssumeRolePolicyInput{RoleName: p.RoleName, PolicyDocument: document(p.AssumeRolePolicyDocument)}); err != nil {
		return err
	}
	if p.Description == nil {
		p.Description = new("")
	}
	if _, err := service.Invoke(ctx, c, api.UpdateRole, &api.UpdateRoleInput{RoleName: p.RoleName, Description: p.Description, MaxSessionDuration: p.MaxSessionDuration}); err != nil {
		return err
	}
	if err := updateBoundary(ctx, c, p, old); err != nil {
		return err
	}
	return fillRole(ctx, c, p, old)
}

func updateBoundary(ctx context.Context, c *service.Call, p, old *roleProperties) error {
	var err error
	switch {
	case p.PermissionsBoundary != nil:
		_, err = service.Invoke(ctx, c, api.PutRolePermissionsBoundary, &api.PutRolePermissionsBoundaryInput{RoleName: p.RoleName, PermissionsBoundary: p.PermissionsBoundary})
	case old.PermissionsBoundary != nil:
		_, err = service.Invoke(ctx, c, api.DeleteRolePermissionsBoundary, &api.DeleteRolePermissionsBoundaryInput{RoleName: p.RoleName})
	}
	return err
}

func deleteRoleResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	name := &r.PhysicalID
	attached, err := service.Invoke(ctx, c, api.ListAttachedRolePolicies, &api.ListAttachedRolePoliciesInput{RoleName: name})
	if missing(err) {
		return nil
	}
	if err != nil {
		return err
	}
	p, ok := r.Properties.(*roleProperties)
	if !ok {
		p = &roleProperties{}
	}
	for _, a := range attached.AttachedPolicies {
		// What others attached stays, and makes the deletion fail, as at AWS.
		if !slices.Contains(p.ManagedPolicyArns, *a.PolicyArn) {
			continue
		}
		if _, err := service.Invoke(ctx, c, api.DetachRolePolicy, &api.DetachRolePolicyInput{RoleName: name, PolicyArn: a.PolicyArn}); err != nil && !missing(err) {
			return err
		}
	}
	for _, i := range p.Policies {
		if _, err := service.Invoke(ctx, c, api.DeleteRolePolicy, &api.DeleteRolePolicyInput{RoleName: name, PolicyName: i.PolicyName}); err != nil && !missing(err) {
			return err
		}
	}
	_, err = service.Invoke(ctx, c, api.DeleteRole, &api.DeleteRoleInput{RoleName: name})
	if missing(err) {
		return nil
	}
	return err
}

func createPolicyResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p := r.Properties.(*policyProperties)
	r.PhysicalID = strings.ToLower(r.StackName[:min(4, len(r.StackName))]) + "-" + r.LogicalID[:min(4, len(r.LogicalID))] + "-" + r.Token
	return putOnAll(ctx, c, p)
}

func putOnAll(ctx context.Context, c *service.Call, p *policyProperties) error {
	doc := document(p.PolicyDocument)
	for _, n := range p.Roles {
		if _, err := service.Invoke(ctx, c, api.PutRolePolicy, &api.PutRolePolicyInput{RoleName: &n, PolicyName: p.PolicyName, PolicyDocument: doc}); err != nil {
			return err
		}
	}
	for _, n := range p.Users {
		if _, err := service.Invoke(ctx, c, api.PutUserPolicy, &api.PutUserPolicyInput{UserName: &n, PolicyName: p.PolicyName, PolicyDocument: doc}); err != nil {
			return err
		}
	}
	for _, n := range p.Groups {
		if _, err := service.Invoke(ctx, c, api.PutGroupPolicy, &api.PutGroupPolicyInput{GroupName: &n, PolicyName: p.PolicyName, PolicyDocument: doc}); err != nil {
			return err
		}
	}
	return nil
}

func updatePolicyResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p, old := r.Properties.(*policyProperties), r.Old.(*policyProperties)
	if err := putOnAll(ctx, c, p); err != nil {
		return err
	}
	return dropFromAll(ctx, c, &policyProperties{
		PolicyName: old.PolicyName, Roles: without(old.Roles, p.Roles), Users: without(old.Users, p.Users), Groups: without(old.Groups, p.Groups),
	})
}

func without(list, remove []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(v string) bool { return slices.Contains(remove, v) })
}

func deletePolicyResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	return dropFromAll(ctx, c, r.Properties.(*policyProperties))
}

func dropFromAll(ctx context.Context, c *service.Call, p *policyProperties) error {
	for _, n := range p.Roles {
		if _, err := service.Invoke(ctx, c, api.DeleteRolePolicy, &api.DeleteRolePolicyInput{RoleName: &n, PolicyName: p.PolicyName}); err != nil && !missing(err) {
			return err
		}
	}
	for _, n := range p.Users {
		if _, err := service.Invoke(ctx, c, api.DeleteUserPolicy, &api.DeleteUserPolicyInput{UserName: &n, PolicyName: p.PolicyName}); err != nil && !missing(err) {
			return err
		}
	}
	for _, n := range p.Groups {
		if _, err := service.Invoke(ctx, c, api.DeleteGroupPolicy, &api.DeleteGroupPolicyInput{GroupName: &n, PolicyName: p.PolicyName}); err != nil && !missing(err) {
			return err
		}
	}
	return nil
}
