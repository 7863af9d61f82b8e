package iam

import (
	"context"
	"testing"

	api "moln.dev/moln/api/iam"
	"moln.dev/moln/platform/service"
)

// resource finds a type and makes a resource of it with properties.
func (h *harness) resource(name string, properties any) (service.ResourceType, *service.Resource) {
	h.t.Helper()
	for _, rt := range h.s.Definition().Resources {
		if rt.Name == name {
			return rt, &service.Resource{Type: name, LogicalID: "Thing", StackName: "stack", Token: "ABC123", Properties: properties, Tags: map[string]string{"stack": "s"}}
		}
	}
	h.t.Fatalf("no resource type %s", name)
	return service.ResourceType{}, nil
}

func (h *harness) work(what string, f func(context.Context, *service.Call, *service.Resource) error, r *service.Resource) {
	h.t.Helper()
	if err := f(context.Background(), h.call(), r); err != nil {
		h.t.Fatalf("%s %s: %v", what, r.Type, err)
	}
}

func object(doc string) any { return doc }

func TestRoleResource(t *testing.T) {
	h := newHarness(t)
	first := &roleProperties{
		AssumeRolePolicyDocument: map[string]any{"Version": "2012-10-17", "Statement": []any{map[string]any{
			"Effect": "Allow", "Principal": map[string]any{"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}}},
		ManagedPolicyArns: []string{readPolicy, fullPolicy},
		Policies:          []inlineProperties{{new("a"), object(getAll)}, {new("b"), object(getAll)}},
		Tags:              []tagProperties{{"own", "o"}}, PermissionsBoundary: new(fullPolicy),
	}
	rt, r := h.resource("AWS::IAM::Role", first)
	h.work("create", rt.Create, r)
	if r.PhysicalID != "stack-Thing-ABC123" || r.Attributes["Arn"] != "arn:aws:iam::000000000000:role/stack-Thing-ABC123" {
		t.Errorf("resource %+v", r)
	}
	if tags := must(h, api.ListRoleTags, &api.ListRoleTagsInput{RoleName: &r.PhysicalID}).Tags; len(tags) != 2 {
		t.Errorf("tags %v", tags)
	}
	second := &roleProperties{
		AssumeRolePolicyDocument: trust, Description: new("d"),
		ManagedPolicyArns: []string{readPolicy}, Policies: []inlineProperties{{new("b"), object(listAll)}},
	}
	r.Old, r.Properties = first, second
	h.work("update", rt.Update, r)
	e, err := h.s.store.entity(context.Background(), account, role, r.PhysicalID)
	if err != nil || len(e.Attached) != 1 || len(e.Inline) != 1 || e.Inline["b"] != listAll || e.Boundary != "" || e.Description != "d" {
		t.Errorf("updated role %+v, %v", e, err)
	}
	h.work("delete", rt.Delete, r)
	h.work("delete again", rt.Delete, r)
	refused(h, api.GetRole, &api.GetRoleInput{RoleName: &r.PhysicalID}, "NoSuchEntity", 404, "The role with name stack-Thing-ABC123 cannot be found.")
}

// TestRoleResourceWithForeignPolicy: what somebody attached by hand is not the
// stack's to remove.
func TestRoleResourceWithForeignPolicy(t *testing.T) {
	h := newHarness(t)
	rt, r := h.resource("AWS::IAM::Role", &roleProperties{AssumeRolePolicyDocument: trust})
	h.work("create", rt.Create, r)
	must(h, api.AttachRolePolicy, &api.AttachRolePolicyInput{RoleName: &r.PhysicalID, PolicyArn: new(readPolicy)})
	if err := rt.Delete(context.Background(), h.call(), r); err == nil || err.Error() != "DeleteConflict: Cannot delete entity, must detach all policies first." {
		t.Errorf("deletion: %v", err)
	}
}

func TestPolicyResource(t *testing.T) {
	h := newHarness(t)
	h.userNamed("ann")
	h.sessionOf("worker")
	must(h, api.CreateGroup, &api.CreateGroupInput{GroupName: new("staff")})
	first := &policyProperties{PolicyName: new("p"), PolicyDocument: getAll, Roles: []string{"worker"}, Users: []string{"ann"}}
	rt, r := h.resource("AWS::IAM::Policy", first)
	h.work("create", rt.Create, r)
	second := &policyProperties{PolicyName: new("p"), PolicyDocument: listAll, Users: []string{"ann"}, Groups: []string{"staff"}}
	r.Old, r.Properties = first, second
	h.work("update", rt.Update, r)
	for _, tt := range []struct {
		k    kind
		name string
		want string
	}{{user, "ann", listAll}, {role, "worker", ""}, {group, "staff", listAll}} {
		if e, err := h.s.store.entity(context.Background(), account, tt.k, tt.name); err != nil || e.Inline["p"] != tt.want {
			t.Errorf("%s has %q, %v; want %q", tt.name, e.Inline["p"], err, tt.want)
		}
	}
	h.work("delete", rt.Delete, r)
	h.work("delete again", rt.Delete, r)
	if e, _ := h.s.store.entity(context.Background(), account, user, "ann"); len(e.Inline) != 0 {
		t.Errorf("left behind: %v", e.Inline)
	}
}

func TestManagedPolicyResource(t *testing.T) {
	h := newHarness(t)
	h.userNamed("ann")
	h.sessionOf("worker")
	first := &managedProperties{PolicyDocument: getAll, Roles: []string{"worker"}}
	rt, r := h.resource("AWS::IAM::ManagedPolicy", first)
	h.work("create", rt.Create, r)
	if r.PhysicalID != "arn:aws:iam::000000000000:policy/stack-Thing-ABC123" {
		t.Errorf("physical id %s", r.PhysicalID)
	}
	for i := range versionsMax + 2 { // more updates than there may be versions
		doc := getAll
		if i%2 == 0 {
			doc = listAll
		}
		next := &managedProperties{PolicyDocument: doc, Users: []string{"ann"}}
		r.Old, r.Properties = r.Properties, next
		h.work("update", rt.Update, r)
	}
	if n := len(must(h, api.ListPolicyVersions, &api.ListPolicyVersionsInput{PolicyArn: &r.PhysicalID}).Versions); n != 1 {
		t.Errorf("%d versions", n)
	}
	if got := must(h, api.ListEntitiesForPolicy, &api.ListEntitiesForPolicyInput{PolicyArn: &r.PhysicalID}); len(got.PolicyUsers) != 1 || len(got.PolicyRoles) != 0 {
		t.Errorf("attached to %+v", got)
	}
	h.work("delete", rt.Delete, r)
	h.work("delete again", rt.Delete, r)
}
