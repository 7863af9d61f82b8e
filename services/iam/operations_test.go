package iam

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	api "moln.dev/moln/api/iam"
	"moln.dev/moln/aws/smithy"
)

func TestTableListsEveryOperationOnce(t *testing.T) {
	seen := map[string]int{}
	for _, op := range newHarness(t).s.Definition().Operations {
		_, o := op.Of()
		seen[o.Name]++
	}
	for _, d := range api.Operations() {
		if _, o := d.Of(); seen[o.Name] != 1 {
			t.Errorf("%s is listed %d times", o.Name, seen[o.Name])
		}
	}
}

// TestEveryOperation calls all that the table says is there, in the order in
// which an account is set up and taken down.
func TestEveryOperation(t *testing.T) {
	h := newHarness(t)
	walkEntities(h)
	arn := walkManaged(h)
	walkInline(h)
	walkTags(h, arn)
	walkDown(h, arn)
	for _, name := range h.Missed() {
		t.Errorf("%s was not called", name)
	}
}

func walkEntities(h *harness) {
	t := h.t
	u := must(h, api.CreateUser, &api.CreateUserInput{UserName: new("Ann"), Path: new("/dev/")}).User
	if *u.Arn != "arn:aws:iam::000000000000:user/dev/Ann" || !strings.HasPrefix(*u.UserId, "AIDA") || len(*u.UserId) != 21 {
		t.Errorf("user %+v", u)
	}
	refused(h, api.CreateUser, &api.CreateUserInput{UserName: new("ann")}, "EntityAlreadyExists", 409, "User with name ann already exists.")
	refused(h, api.GetUser, &api.GetUserInput{UserName: new("bob")}, "NoSuchEntity", 404, "The user with name bob cannot be found.")
	if got := must(h, api.GetUser, &api.GetUserInput{UserName: new("ann")}).User; *got.UserName != "Ann" {
		t.Errorf("user %s", *got.UserName)
	}
	if root := must(h, api.GetUser, &api.GetUserInput{}).User; !strings.HasSuffix(*root.Arn, ":root") {
		t.Errorf("root is %+v", root)
	}
	r := must(h, api.CreateRole, &api.CreateRoleInput{RoleName: new("worker"), AssumeRolePolicyDocument: new(trust), Description: new("d")}).Role
	if *r.MaxSessionDuration != 3600 || *r.Path != "/" || !strings.HasPrefix(*r.RoleId, "AROA") {
		t.Errorf("role %+v", r)
	}
	refused(h, api.CreateRole, &api.CreateRoleInput{RoleName: new("worker"), AssumeRolePolicyDocument: new(trust)}, "EntityAlreadyExists", 409, "Role with name worker already exists.")
	refused(h, api.GetRole, &api.GetRoleInput{RoleName: new("idler")}, "NoSuchEntity", 404, "The role with name idler cannot be found.")
	escaped := *must(h, api.GetRole, &api.GetRoleInput{RoleName: new("worker")}).Role.AssumeRolePolicyDocument
	if plain, err := url.PathUnescape(escaped); err != nil || plain != trust || strings.ContainsAny(escaped, `{"+ `) {
		t.Errorf("trust policy is written %s", escaped)
	}
	must(h, api.UpdateRole, &api.UpdateRoleInput{RoleName: new("worker"), MaxSessionDuration: new(int32(7200))})
	must(h, api.UpdateRoleDescription, &api.UpdateRoleDescriptionInput{RoleName: new("worker"), Description: new("e")})
	if got := must(h, api.GetRole, &api.GetRoleInput{RoleName: new("worker")}).Role; *got.MaxSessionDuration != 7200 || *got.Description != "e" {
		t.Errorf("role %+v", got)
	}
	must(h, api.UpdateAssumeRolePolicy, &api.UpdateAssumeRolePolicyInput{RoleName: new("worker"), PolicyDocument: new(trust)})
	must(h, api.CreateGroup, &api.CreateGroupInput{GroupName: new("staff")})
	must(h, api.AddUserToGroup, &api.AddUserToGroupInput{GroupName: new("staff"), UserName: new("Ann")})
	refused(h, api.AddUserToGroup, &api.AddUserToGroupInput{GroupName: new("none"), UserName: new("Ann")}, "NoSuchEntity", 404, "The group with name none cannot be found.")
	if got := must(h, api.GetGroup, &api.GetGroupInput{GroupName: new("staff")}); len(got.Users) != 1 || *got.Users[0].UserName != "Ann" {
		t.Errorf("group %+v", got)
	}
	if got := must(h, api.ListGroupsForUser, &api.ListGroupsForUserInput{UserName: new("Ann")}); len(got.Groups) != 1 {
		t.Errorf("groups of the user %+v", got)
	}
	if n := len(must(h, api.ListUsers, &api.ListUsersInput{PathPrefix: new("/dev/")}).Users); n != 1 {
		t.Errorf("%d users below /dev/", n)
	}
	if n := len(must(h, api.ListUsers, &api.ListUsersInput{PathPrefix: new("/ops/")}).Users); n != 0 {
		t.Errorf("%d users below /ops/", n)
	}
	must(h, api.ListRoles, &api.ListRolesInput{})
	must(h, api.ListGroups, &api.ListGroupsInput{})
	k := must(h, api.CreateAccessKey, &api.CreateAccessKeyInput{UserName: new("Ann")}).AccessKey
	must(h, api.ListAccessKeys, &api.ListAccessKeysInput{UserName: new("Ann")})
	must(h, api.UpdateAccessKey, &api.UpdateAccessKeyInput{UserName: new("Ann"), AccessKeyId: k.AccessKeyId, Status: new("Inactive")})
	must(h, api.DeleteAccessKey, &api.DeleteAccessKeyInput{UserName: new("Ann"), AccessKeyId: k.AccessKeyId})
}

func walkManaged(h *harness) string {
	t := h.t
	p := must(h, api.CreatePolicy, &api.CreatePolicyInput{PolicyName: new("reader"), Path: new("/app/"), PolicyDocument: new(listAll), Description: new("d")}).Policy
	arn := *p.Arn
	if arn != "arn:aws:iam::000000000000:policy/app/reader" || *p.DefaultVersionId != "v1" || *p.AttachmentCount != 0 {
		t.Errorf("policy %+v", p)
	}
	refused(h, api.CreatePolicy, &api.CreatePolicyInput{PolicyName: new("READER"), PolicyDocument: new(listAll)}, "EntityAlreadyExists", 409, "A policy called READER already exists. Duplicate names are not allowed.")
	refused(h, api.GetPolicy, &api.GetPolicyInput{PolicyArn: new(arn + "s")}, "NoSuchEntity", 404, "Policy "+arn+"s was not found.")
	refused(h, api.GetPolicy, &api.GetPolicyInput{PolicyArn: new("arn:aws:iam::000000000000:policy/reader")}, "NoSuchEntity", 404, "Policy arn:aws:iam::000000000000:policy/reader was not found.")
	for range versionsMax - 1 {
		must(h, api.CreatePolicyVersion, &api.CreatePolicyVersionInput{PolicyArn: &arn, PolicyDocument: new(getAll)})
	}
	refused(h, api.CreatePolicyVersion, &api.CreatePolicyVersionInput{PolicyArn: &arn, PolicyDocument: new(getAll)}, "LimitExceeded", 409,
		"A managed policy can have up to 5 versions. Before you create a new version, you must delete an existing version.")
	refused(h, api.CreatePolicyVersion, &api.CreatePolicyVersionInput{PolicyArn: new(readPolicy), PolicyDocument: new(getAll)}, "InvalidInput", 400, "AWS managed policies cannot be changed.")
	refused(h, api.DeletePolicyVersion, &api.DeletePolicyVersionInput{PolicyArn: &arn, VersionId: new("v1")}, "DeleteConflict", 409, "Cannot delete the default version of a policy.")
	refused(h, api.SetDefaultPolicyVersion, &api.SetDefaultPolicyVersionInput{PolicyArn: &arn, VersionId: new("v9")}, "NoSuchEntity", 404, "Policy version v9 does not exist.")
	must(h, api.SetDefaultPolicyVersion, &api.SetDefaultPolicyVersionInput{PolicyArn: &arn, VersionId: new("v3")})
	v := must(h, api.GetPolicyVersion, &api.GetPolicyVersionInput{PolicyArn: &arn, VersionId: new("v3")}).PolicyVersion
	if plain, _ := url.PathUnescape(*v.Document); plain != getAll || !*v.IsDefaultVersion {
		t.Errorf("version %+v", v)
	}
	var ids []string
	for marker := (*string)(nil); ; {
		page := must(h, api.ListPolicyVersions, &api.ListPolicyVersionsInput{PolicyArn: &arn, Marker: marker, MaxItems: new(int32(2))})
		for _, v := range page.Versions {
			ids = append(ids, *v.VersionId)
		}
		if marker = page.Marker; marker == nil {
			break
		}
	}
	if d := cmp.Diff([]string{"v5", "v4", "v3", "v2", "v1"}, ids); d != "" {
		t.Errorf("versions (-want +got):\n%s", d)
	}
	must(h, api.AttachUserPolicy, &api.AttachUserPolicyInput{UserName: new("Ann"), PolicyArn: &arn})
	must(h, api.AttachUserPolicy, &api.AttachUserPolicyInput{UserName: new("Ann"), PolicyArn: &arn}) // again is no error
	must(h, api.AttachRolePolicy, &api.AttachRolePolicyInput{RoleName: new("worker"), PolicyArn: &arn})
	must(h, api.AttachGroupPolicy, &api.AttachGroupPolicyInput{GroupName: new("staff"), PolicyArn: &arn})
	refused(h, api.AttachRolePolicy, &api.AttachRolePolicyInput{RoleName: new("worker"), PolicyArn: new(arn + "s")}, "NoSuchEntity", 404, "Policy "+arn+"s does not exist or is not attachable.")
	must(h, api.PutUserPermissionsBoundary, &api.PutUserPermissionsBoundaryInput{UserName: new("Ann"), PermissionsBoundary: &arn})
	must(h, api.PutRolePermissionsBoundary, &api.PutRolePermissionsBoundaryInput{RoleName: new("worker"), PermissionsBoundary: &arn})
	if got := must(h, api.GetPolicy, &api.GetPolicyInput{PolicyArn: &arn}).Policy; *got.AttachmentCount != 3 || *got.PermissionsBoundaryUsageCount != 2 {
		t.Errorf("policy %+v", got)
	}
	listUsers(h, arn)
	for _, scope := range []struct {
		scope    string
		attached bool
		min, max int
	}{{"Local", false, 1, 1}, {"AWS", true, 0, 0}, {"All", true, 1, 1}, {"AWS", false, 20, 100}} {
		got := len(must(h, api.ListPolicies, &api.ListPoliciesInput{Scope: &scope.scope, OnlyAttached: &scope.attached}).Policies)
		if got < scope.min || got > scope.max {
			t.Errorf("%+v: %d policies", scope, got)
		}
	}
	return arn
}

func listUsers(h *harness, arn string) {
	all := must(h, api.ListEntitiesForPolicy, &api.ListEntitiesForPolicyInput{PolicyArn: &arn})
	if len(all.PolicyUsers) != 1 || len(all.PolicyRoles) != 1 || len(all.PolicyGroups) != 1 {
		h.t.Errorf("entities %+v", all)
	}
	roles := must(h, api.ListEntitiesForPolicy, &api.ListEntitiesForPolicyInput{PolicyArn: &arn, EntityFilter: new(api.EntityTypeRole)})
	if len(roles.PolicyUsers) != 0 || len(roles.PolicyRoles) != 1 || len(roles.PolicyGroups) != 0 {
		h.t.Errorf("roles %+v", roles)
	}
	n := 0
	for marker := (*string)(nil); ; {
		page := must(h, api.ListEntitiesForPolicy, &api.ListEntitiesForPolicyInput{PolicyArn: &arn, Marker: marker, MaxItems: new(int32(1)), PolicyUsageFilter: new("PermissionsBoundary")})
		n += len(page.PolicyUsers) + len(page.PolicyRoles) + len(page.PolicyGroups)
		if marker = page.Marker; marker == nil {
			break
		}
	}
	if n != 2 {
		h.t.Errorf("%d entities have the boundary, want 2", n)
	}
	if got := must(h, api.ListAttachedUserPolicies, &api.ListAttachedUserPoliciesInput{UserName: new("Ann")}).AttachedPolicies; len(got) != 1 || *got[0].PolicyName != "reader" {
		h.t.Errorf("attached %+v", got)
	}
	must(h, api.ListAttachedRolePolicies, &api.ListAttachedRolePoliciesInput{RoleName: new("worker")})
	must(h, api.ListAttachedGroupPolicies, &api.ListAttachedGroupPoliciesInput{GroupName: new("staff")})
}

func walkInline(h *harness) {
	name, doc := new("in"), new(getAll)
	must(h, api.PutUserPolicy, &api.PutUserPolicyInput{UserName: new("Ann"), PolicyName: name, PolicyDocument: doc})
	must(h, api.PutRolePolicy, &api.PutRolePolicyInput{RoleName: new("worker"), PolicyName: name, PolicyDocument: doc})
	must(h, api.PutGroupPolicy, &api.PutGroupPolicyInput{GroupName: new("staff"), PolicyName: name, PolicyDocument: doc})
	got := must(h, api.GetUserPolicy, &api.GetUserPolicyInput{UserName: new("Ann"), PolicyName: name})
	if plain, err := url.PathUnescape(*got.PolicyDocument); err != nil || plain != getAll {
		h.t.Errorf("inline policy %s, %v", plain, err)
	}
	must(h, api.GetRolePolicy, &api.GetRolePolicyInput{RoleName: new("worker"), PolicyName: name})
	must(h, api.GetGroupPolicy, &api.GetGroupPolicyInput{GroupName: new("staff"), PolicyName: name})
	refused(h, api.GetRolePolicy, &api.GetRolePolicyInput{RoleName: new("worker"), PolicyName: new("out")}, "NoSuchEntity", 404, "The role policy with name out cannot be found.")
	if got := must(h, api.ListUserPolicies, &api.ListUserPoliciesInput{UserName: new("Ann")}).PolicyNames; len(got) != 1 || got[0] != "in" {
		h.t.Errorf("inline policies %v", got)
	}
	must(h, api.ListRolePolicies, &api.ListRolePoliciesInput{RoleName: new("worker")})
	must(h, api.ListGroupPolicies, &api.ListGroupPoliciesInput{GroupName: new("staff")})
}

func walkTags(h *harness, arn string) {
	tags := []api.Tag{{Key: new("b"), Value: new("2")}, {Key: new("a"), Value: new("1")}}
	must(h, api.TagUser, &api.TagUserInput{UserName: new("Ann"), Tags: tags})
	must(h, api.TagRole, &api.TagRoleInput{RoleName: new("worker"), Tags: tags})
	must(h, api.TagPolicy, &api.TagPolicyInput{PolicyArn: &arn, Tags: tags})
	must(h, api.UntagUser, &api.UntagUserInput{UserName: new("Ann"), TagKeys: []string{"b"}})
	must(h, api.UntagRole, &api.UntagRoleInput{RoleName: new("worker"), TagKeys: []string{"b"}})
	must(h, api.UntagPolicy, &api.UntagPolicyInput{PolicyArn: &arn, TagKeys: []string{"b"}})
	want := []api.Tag{{Key: new("a"), Value: new("1")}}
	for name, got := range map[string][]api.Tag{
		"user":   must(h, api.ListUserTags, &api.ListUserTagsInput{UserName: new("Ann")}).Tags,
		"role":   must(h, api.ListRoleTags, &api.ListRoleTagsInput{RoleName: new("worker")}).Tags,
		"policy": must(h, api.ListPolicyTags, &api.ListPolicyTagsInput{PolicyArn: &arn}).Tags,
	} {
		if d := cmp.Diff(want, got); d != "" {
			h.t.Errorf("tags of the %s (-want +got):\n%s", name, d)
		}
	}
	refused(h, api.TagUser, &api.TagUserInput{UserName: new("Ann"), Tags: []api.Tag{{Key: new("aws:x"), Value: new("")}}}, "InvalidInput", 400, "Tag keys that begin with aws: are reserved.")
	refused(h, api.TagPolicy, &api.TagPolicyInput{PolicyArn: new(readPolicy), Tags: tags}, "InvalidInput", 400, "AWS managed policies cannot be changed.")
}

// walkDown removes everything, and meets each reason why that cannot be yet.
func walkDown(h *harness, arn string) {
	const detach, inline = "Cannot delete entity, must detach all policies first.", "Cannot delete entity, must delete policies first."
	name := new("in")
	refused(h, api.DeletePolicy, &api.DeletePolicyInput{PolicyArn: &arn}, "DeleteConflict", 409, "Cannot delete a policy attached to entities.")
	refused(h, api.DeleteUser, &api.DeleteUserInput{UserName: new("Ann")}, "DeleteConflict", 409, "Cannot delete entity, must remove users from group first.")
	refused(h, api.DeleteGroup, &api.DeleteGroupInput{GroupName: new("STAFF")}, "DeleteConflict", 409, "Cannot delete entity, must remove users from group first.")
	must(h, api.RemoveUserFromGroup, &api.RemoveUserFromGroupInput{GroupName: new("staff"), UserName: new("Ann")})
	refused(h, api.DeleteUser, &api.DeleteUserInput{UserName: new("Ann")}, "DeleteConflict", 409, detach)
	refused(h, api.DeleteRole, &api.DeleteRoleInput{RoleName: new("worker")}, "DeleteConflict", 409, detach)
	refused(h, api.DeleteGroup, &api.DeleteGroupInput{GroupName: new("staff")}, "DeleteConflict", 409, detach)
	must(h, api.DetachUserPolicy, &api.DetachUserPolicyInput{UserName: new("Ann"), PolicyArn: &arn})
	refused(h, api.DetachUserPolicy, &api.DetachUserPolicyInput{UserName: new("Ann"), PolicyArn: &arn}, "NoSuchEntity", 404, "Policy "+arn+" was not found.")
	must(h, api.DetachRolePolicy, &api.DetachRolePolicyInput{RoleName: new("worker"), PolicyArn: &arn})
	must(h, api.DetachGroupPolicy, &api.DetachGroupPolicyInput{GroupName: new("staff"), PolicyArn: &arn})
	refused(h, api.DeleteUser, &api.DeleteUserInput{UserName: new("Ann")}, "DeleteConflict", 409, inline)
	must(h, api.DeleteUserPolicy, &api.DeleteUserPolicyInput{UserName: new("Ann"), PolicyName: name})
	refused(h, api.DeleteUserPolicy, &api.DeleteUserPolicyInput{UserName: new("Ann"), PolicyName: name}, "NoSuchEntity", 404, "The user policy with name in cannot be found.")
	must(h, api.DeleteRolePolicy, &api.DeleteRolePolicyInput{RoleName: new("worker"), PolicyName: name})
	must(h, api.DeleteGroupPolicy, &api.DeleteGroupPolicyInput{GroupName: new("staff"), PolicyName: name})
	refused(h, api.DeletePolicy, &api.DeletePolicyInput{PolicyArn: &arn}, "DeleteConflict", 409, "Cannot delete a policy attached to entities.")
	must(h, api.DeleteUserPermissionsBoundary, &api.DeleteUserPermissionsBoundaryInput{UserName: new("Ann")})
	refused(h, api.DeleteUserPermissionsBoundary, &api.DeleteUserPermissionsBoundaryInput{UserName: new("Ann")}, "NoSuchEntity", 404, "User Ann does not have a permission boundary.")
	must(h, api.DeleteRolePermissionsBoundary, &api.DeleteRolePermissionsBoundaryInput{RoleName: new("worker")})
	must(h, api.DeleteUser, &api.DeleteUserInput{UserName: new("Ann")})
	must(h, api.DeleteRole, &api.DeleteRoleInput{RoleName: new("worker")})
	must(h, api.DeleteGroup, &api.DeleteGroupInput{GroupName: new("staff")})
	refused(h, api.DeletePolicy, &api.DeletePolicyInput{PolicyArn: &arn}, "DeleteConflict", 409,
		"This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.")
	for _, v := range []string{"v1", "v2", "v4", "v5"} {
		must(h, api.DeletePolicyVersion, &api.DeletePolicyVersionInput{PolicyArn: &arn, VersionId: &v})
	}
	must(h, api.DeletePolicy, &api.DeletePolicyInput{PolicyArn: &arn})
	refused(h, api.DeletePolicy, &api.DeletePolicyInput{PolicyArn: &arn}, "NoSuchEntity", 404, "Policy "+arn+" was not found.")
	refused(h, api.DeletePolicy, &api.DeletePolicyInput{PolicyArn: new(readPolicy)}, "InvalidInput", 400, "AWS managed policies cannot be changed.")
}

// sized makes a policy of about n bytes that white space does not count for.
func sized(n int) *string {
	doc := fmt.Sprintf(`{"Version": "2012-10-17",   "Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::%s"}]}`, strings.Repeat("x", n))
	return &doc
}

func TestQuotas(t *testing.T) {
	h := newHarness(t)
	h.userNamed("ann")
	h.sessionOf("worker")
	must(h, api.CreateGroup, &api.CreateGroupInput{GroupName: new("staff")})
	empty := policySize(*sized(0))
	in := func(name string, n int) *api.PutUserPolicyInput {
		return &api.PutUserPolicyInput{UserName: new("ann"), PolicyName: &name, PolicyDocument: sized(n - empty)}
	}
	must(h, api.PutUserPolicy, in("a", 2048))
	refused(h, api.PutUserPolicy, in("a", 2049), "LimitExceeded", 409, "Maximum policy size of 2048 bytes exceeded for user ann")
	refused(h, api.PutUserPolicy, in("b", 200), "LimitExceeded", 409, "Maximum policy size of 2048 bytes exceeded for user ann")
	refused(h, api.PutGroupPolicy, &api.PutGroupPolicyInput{GroupName: new("staff"), PolicyName: new("a"), PolicyDocument: sized(5121 - empty)}, "LimitExceeded", 409, "Maximum policy size of 5120 bytes exceeded for group staff")
	refused(h, api.PutRolePolicy, &api.PutRolePolicyInput{RoleName: new("worker"), PolicyName: new("a"), PolicyDocument: sized(10241 - empty)}, "LimitExceeded", 409, "Maximum policy size of 10240 bytes exceeded for role worker")
	refused(h, api.CreatePolicy, &api.CreatePolicyInput{PolicyName: new("p"), PolicyDocument: sized(6145 - empty)}, "LimitExceeded", 409, "Cannot exceed quota for PolicySize: 6144")
	must(h, api.CreatePolicy, &api.CreatePolicyInput{PolicyName: new("p"), PolicyDocument: sized(6144 - empty)})
	long := strings.Replace(trust, "lambda.amazonaws.com", strings.Repeat("x", trustBytes), 1)
	refused(h, api.CreateRole, &api.CreateRoleInput{RoleName: new("r"), AssumeRolePolicyDocument: &long}, "LimitExceeded", 409, "Cannot exceed quota for ACLSizePerRole: 2048")
	for i := range attachedMax {
		p := must(h, api.CreatePolicy, &api.CreatePolicyInput{PolicyName: new(fmt.Sprint("n", i)), PolicyDocument: new(getAll)}).Policy
		must(h, api.AttachRolePolicy, &api.AttachRolePolicyInput{RoleName: new("worker"), PolicyArn: p.Arn})
	}
	refused(h, api.AttachRolePolicy, &api.AttachRolePolicyInput{RoleName: new("worker"), PolicyArn: new(readPolicy)}, "LimitExceeded", 409, "Cannot exceed quota for PoliciesPerRole: 20")
	for i := range groupsPerUser {
		must(h, api.CreateGroup, &api.CreateGroupInput{GroupName: new(fmt.Sprint("g", i))})
		must(h, api.AddUserToGroup, &api.AddUserToGroupInput{GroupName: new(fmt.Sprint("g", i)), UserName: new("ann")})
	}
	refused(h, api.AddUserToGroup, &api.AddUserToGroupInput{GroupName: new("staff"), UserName: new("ann")}, "LimitExceeded", 409, "Cannot exceed quota for GroupsPerUser: 10")
	var tags []api.Tag
	for i := range tagsMax {
		tags = append(tags, api.Tag{Key: new(fmt.Sprint(i)), Value: new("")})
	}
	must(h, api.TagRole, &api.TagRoleInput{RoleName: new("worker"), Tags: tags})
	refused(h, api.TagRole, &api.TagRoleInput{RoleName: new("worker"), Tags: []api.Tag{{Key: new("more"), Value: new("")}}}, "LimitExceeded", 409, "The number of tags has reached the maximum limit.")
}

func TestBadInput(t *testing.T) {
	h := newHarness(t)
	h.userNamed("ann")
	for _, doc := range []string{`{`, `{"Version":"2012-10-17"}`, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*","Principal":"*"}]}`} {
		_, err := do(h, api.PutUserPolicy, &api.PutUserPolicyInput{UserName: new("ann"), PolicyName: new("p"), PolicyDocument: &doc})
		if err == nil || !strings.HasPrefix(err.Error(), "MalformedPolicyDocument: ") {
			t.Errorf("%s: %v", doc, err)
		}
	}
	_, err := do(h, api.CreateRole, &api.CreateRoleInput{RoleName: new("r"), AssumeRolePolicyDocument: new(getAll)})
	if err == nil || !strings.HasPrefix(err.Error(), "MalformedPolicyDocument: ") {
		t.Errorf("an identity policy as trust policy: %v", err)
	}
	refused(h, api.AttachUserPolicy, &api.AttachUserPolicyInput{UserName: new("ann"), PolicyArn: new("arn:aws:iam::aws:role/xxxxxxxxx")}, "InvalidInput", 400, "ARN arn:aws:iam::aws:role/xxxxxxxxx is not valid.")
	refused(h, api.CreateUser, &api.CreateUserInput{UserName: new("a"), PermissionsBoundary: new("arn:aws:iam::aws:policy/None")}, "NoSuchEntity", 404, "Policy arn:aws:iam::aws:policy/None does not exist or is not attachable.")
	refused(h, api.ListUserTags, &api.ListUserTagsInput{UserName: new("ann"), Marker: new("x")}, "ValidationError", 400, "Invalid Marker.")
}

func TestPaging(t *testing.T) {
	h := newHarness(t)
	for i := range 7 {
		h.userNamed(fmt.Sprintf("User%d", i))
	}
	var got []string
	deleted := 0
	for marker := (*string)(nil); ; {
		page := must(h, api.ListUsers, &api.ListUsersInput{Marker: marker, MaxItems: new(int32(3))})
		if *page.IsTruncated != (page.Marker != nil) || len(page.Users) > 3 {
			t.Fatalf("page %+v", page)
		}
		for _, u := range page.Users {
			got = append(got, *u.UserName)
		}
		if marker = page.Marker; marker == nil {
			break
		}
		// What is deleted between pages costs no other entry.
		must(h, api.DeleteUser, &api.DeleteUserInput{UserName: &got[deleted]})
		deleted++
	}
	if d := cmp.Diff([]string{"User0", "User1", "User2", "User3", "User4", "User5", "User6"}, got[:7]); d != "" {
		t.Errorf("users (-want +got):\n%s", d)
	}
}

func TestAuthorizeNamesTheResource(t *testing.T) {
	h := newHarness(t)
	must(h, api.CreateRole, &api.CreateRoleInput{RoleName: new("Worker"), Path: new("/app/"), AssumeRolePolicyDocument: new(trust)})
	const iam = "arn:aws:iam::000000000000:"
	for _, tt := range []struct {
		op   smithy.Descriptor
		in   any
		want string
	}{
		{api.GetRole, &api.GetRoleInput{RoleName: new("worker")}, iam + "role/app/Worker"},
		{api.CreateRole, &api.CreateRoleInput{RoleName: new("new"), Path: new("/x/")}, iam + "role/x/new"},
		{api.AttachRolePolicy, &api.AttachRolePolicyInput{RoleName: new("Worker"), PolicyArn: new(readPolicy)}, iam + "role/app/Worker"},
		{api.GetUser, &api.GetUserInput{UserName: new("gone")}, iam + "user/gone"},
		{api.AddUserToGroup, &api.AddUserToGroupInput{UserName: new("a"), GroupName: new("g")}, iam + "group/g"},
		{api.GetPolicy, &api.GetPolicyInput{PolicyArn: new(readPolicy)}, readPolicy},
		{api.CreatePolicy, &api.CreatePolicyInput{PolicyName: new("p"), Path: new("/x/")}, iam + "policy/x/p"},
		{api.ListRoles, &api.ListRolesInput{}, iam + "*"},
	} {
		_, op := tt.op.Of()
		checks, err := h.s.authorize(context.Background(), h.call(), op, tt.in)
		if err != nil || len(checks) == 0 || checks[0].Resource != tt.want || checks[0].Action != "iam:"+op.Name {
			t.Errorf("%s: %+v, %v; want %s", op.Name, checks, err, tt.want)
		}
	}
	checks, _ := h.s.authorize(context.Background(), h.call(), h.s.Definition().Schema.Operation("AttachRolePolicy"), &api.AttachRolePolicyInput{RoleName: new("Worker"), PolicyArn: new(readPolicy)})
	if got := checks[0].Context; got == nil || got["iam:policyarn"][0] != readPolicy {
		t.Errorf("condition keys %v", got)
	}
}
