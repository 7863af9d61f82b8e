package iam

import (
	"context"
	"errors"
	"testing"

	api "moln.dev/moln/api/iam"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/platform/identity"
)

const (
	readPolicy = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
	fullPolicy = "arn:aws:iam::aws:policy/AmazonS3FullAccess"
)

// userNamed makes a user and gives him as a principal.
func (h *harness) userNamed(name string) identity.Principal {
	h.t.Helper()
	u := must(h, api.CreateUser, &api.CreateUserInput{UserName: &name}).User
	return identity.Principal{
		Principal: policy.Principal{Kind: policy.User, ARN: *u.Arn, AccountID: account, UserID: *u.UserId}, UserName: name,
	}
}

// sessionOf makes a role and gives a session of it.
func (h *harness) sessionOf(name string) identity.Principal {
	h.t.Helper()
	r := must(h, api.CreateRole, &api.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: new(trust)}).Role
	return identity.Principal{Principal: policy.Principal{
		Kind: policy.AssumedRole, AccountID: account, RoleARN: *r.Arn, UserID: *r.RoleId + ":me",
		ARN: "arn:aws:sts::" + account + ":assumed-role/" + name + "/me",
	}}
}

// TestChangesAreSeenAtOnce is I3: every way in which rights change shows in the
// next question, although the answer before was cached.
func TestChangesAreSeenAtOnce(t *testing.T) {
	h := newHarness(t)
	u := h.userNamed("ann")
	must(h, api.CreateGroup, &api.CreateGroupInput{GroupName: new("staff")})
	own := must(h, api.CreatePolicy, &api.CreatePolicyInput{PolicyName: new("own"), PolicyDocument: new(listAll)}).Policy.Arn
	for _, tt := range []struct {
		name string
		do   func()
		want bool // may list all buckets
	}{
		{"nothing yet", func() {}, false},
		{"attach", func() {
			must(h, api.AttachUserPolicy, &api.AttachUserPolicyInput{UserName: new("ann"), PolicyArn: new(readPolicy)})
		}, true},
		{"detach", func() {
			must(h, api.DetachUserPolicy, &api.DetachUserPolicyInput{UserName: new("ann"), PolicyArn: new(readPolicy)})
		}, false},
		{"put inline", func() {
			must(h, api.PutUserPolicy, &api.PutUserPolicyInput{UserName: new("ann"), PolicyName: new("in"), PolicyDocument: new(listAll)})
		}, true},
		{"put inline over it", func() {
			must(h, api.PutUserPolicy, &api.PutUserPolicyInput{UserName: new("ann"), PolicyName: new("in"), PolicyDocument: new(getAll)})
		}, false},
		{"delete inline", func() {
			must(h, api.DeleteUserPolicy, &api.DeleteUserPolicyInput{UserName: new("ann"), PolicyName: new("in")})
		}, false},
		{"policy of a group without him", func() {
			must(h, api.AttachGroupPolicy, &api.AttachGroupPolicyInput{GroupName: new("staff"), PolicyArn: own})
		}, false},
		{"join the group", func() {
			must(h, api.AddUserToGroup, &api.AddUserToGroupInput{UserName: new("ann"), GroupName: new("STAFF")})
		}, true},
		{"new version, not default", func() {
			must(h, api.CreatePolicyVersion, &api.CreatePolicyVersionInput{PolicyArn: own, PolicyDocument: new(getAll)})
		}, true},
		{"another default version", func() {
			must(h, api.SetDefaultPolicyVersion, &api.SetDefaultPolicyVersionInput{PolicyArn: own, VersionId: new("v2")})
		}, false},
		{"back to the first", func() {
			must(h, api.SetDefaultPolicyVersion, &api.SetDefaultPolicyVersionInput{PolicyArn: own, VersionId: new("v1")})
		}, true},
		{"boundary without it", func() {
			b := must(h, api.CreatePolicy, &api.CreatePolicyInput{PolicyName: new("limit"), PolicyDocument: new(getAll)}).Policy.Arn
			must(h, api.PutUserPermissionsBoundary, &api.PutUserPermissionsBoundaryInput{UserName: new("ann"), PermissionsBoundary: b})
		}, false},
		{"no boundary", func() {
			must(h, api.DeleteUserPermissionsBoundary, &api.DeleteUserPermissionsBoundaryInput{UserName: new("ann")})
		}, true},
		{"leave the group", func() {
			must(h, api.RemoveUserFromGroup, &api.RemoveUserFromGroupInput{UserName: new("ann"), GroupName: new("Staff")})
		}, false},
	} {
		tt.do()
		if got := h.may(u, "s3:ListAllMyBuckets"); got != tt.want {
			t.Fatalf("%s: allowed = %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestRecreatedEntitiesAreStrangers(t *testing.T) {
	h := newHarness(t)
	old := h.sessionOf("worker")
	attach := &api.AttachRolePolicyInput{RoleName: new("worker"), PolicyArn: new(fullPolicy)}
	must(h, api.AttachRolePolicy, attach)
	if !h.may(old, "s3:GetObject") {
		t.Fatal("the session has no rights")
	}
	must(h, api.DetachRolePolicy, &api.DetachRolePolicyInput{RoleName: new("worker"), PolicyArn: new(fullPolicy)})
	must(h, api.DeleteRole, &api.DeleteRoleInput{RoleName: new("worker")})
	if h.may(old, "s3:GetObject") {
		t.Error("a session of a role that is gone has rights")
	}
	again := h.sessionOf("worker")
	must(h, api.AttachRolePolicy, attach)
	if h.may(old, "s3:GetObject") {
		t.Error("a session of the role's predecessor has rights")
	}
	if !h.may(again, "s3:GetObject") {
		t.Error("a session of the new role has no rights")
	}
}

func TestSessionPolicies(t *testing.T) {
	h := newHarness(t)
	ses := h.sessionOf("worker")
	must(h, api.AttachRolePolicy, &api.AttachRolePolicyInput{RoleName: new("worker"), PolicyArn: new(fullPolicy)})
	own := *must(h, api.CreatePolicy, &api.CreatePolicyInput{PolicyName: new("own"), PolicyDocument: new(listAll)}).Policy.Arn
	for _, tt := range []struct {
		name      string
		policies  []string
		list, get bool
	}{
		{"none", nil, true, true},
		{"a document", []string{getAll}, false, true},
		{"a managed policy", []string{own}, true, false},
		{"both", []string{getAll, own}, true, true},
		{"one that is gone", []string{getAll, own + "-gone"}, false, false},
		{"one of another account", []string{"arn:aws:iam::111111111111:policy/own"}, false, false},
	} {
		p := ses
		p.SessionPolicies = tt.policies
		if list, get := h.may(p, "s3:ListAllMyBuckets"), h.may(p, "s3:GetObject"); list != tt.list || get != tt.get {
			t.Errorf("%s: list %v, get %v; want %v, %v", tt.name, list, get, tt.list, tt.get)
		}
	}
	must(h, api.DeletePolicy, &api.DeletePolicyInput{PolicyArn: &own})
	p := ses
	p.SessionPolicies = []string{own}
	if h.may(p, "s3:ListAllMyBuckets") {
		t.Error("a deleted session policy allows")
	}
}

func TestRole(t *testing.T) {
	h := newHarness(t)
	must(h, api.CreateRole, &api.CreateRoleInput{
		RoleName: new("Worker"), Path: new("/app/"), AssumeRolePolicyDocument: new(trust), MaxSessionDuration: new(int32(7200)),
		Tags: []api.Tag{{Key: new("k"), Value: new("v")}},
	})
	r, err := h.s.Role(context.Background(), account, "worker")
	if err != nil || r.ARN != "arn:aws:iam::000000000000:role/app/Worker" || r.MaxSessionDuration.Hours() != 2 || r.Trust == nil || r.Tags["k"] != "v" {
		t.Errorf("role %+v, %v", r, err)
	}
	if _, err := h.s.Role(context.Background(), account, "other"); !errors.Is(err, identity.ErrNoRole) {
		t.Errorf("unknown role: %v", err)
	}
	if _, err := h.s.Role(context.Background(), "111111111111", "worker"); !errors.Is(err, identity.ErrNoRole) {
		t.Errorf("role of another account: %v", err)
	}
}

func TestAccessKeys(t *testing.T) {
	h := newHarness(t)
	h.userNamed("ann")
	h.userNamed("bob")
	ctx := context.Background()
	k := must(h, api.CreateAccessKey, &api.CreateAccessKeyInput{UserName: new("ANN")}).AccessKey
	if len(*k.AccessKeyId) != 20 || len(*k.SecretAccessKey) != 40 || *k.Status != "Active" || *k.UserName != "ann" {
		t.Errorf("key %+v", k)
	}
	cred, err := h.s.Credential(ctx, *k.AccessKeyId, "")
	if err != nil || cred.Secret != *k.SecretAccessKey || cred.Principal.UserName != "ann" || cred.Inactive {
		t.Fatalf("credential %+v, %v", cred, err)
	}
	if _, err := h.s.Credential(ctx, *k.AccessKeyId, "token"); !errors.Is(err, identity.ErrBadToken) {
		t.Errorf("a long-term key with a token: %v", err)
	}
	if _, err := h.s.Credential(ctx, "AKIAUNKNOWN", "token"); !errors.Is(err, identity.ErrUnknownKey) {
		t.Errorf("an unknown key with a token: %v", err)
	}
	if _, err := h.s.Credential(ctx, "AKIAUNKNOWN", ""); !errors.Is(err, identity.ErrUnknownKey) {
		t.Errorf("unknown key: %v", err)
	}
	missing := "The Access Key with id " + *k.AccessKeyId + " cannot be found."
	refused(h, api.UpdateAccessKey, &api.UpdateAccessKeyInput{UserName: new("bob"), AccessKeyId: k.AccessKeyId, Status: new("Inactive")}, "NoSuchEntity", 404, missing)
	refused(h, api.DeleteAccessKey, &api.DeleteAccessKeyInput{UserName: new("bob"), AccessKeyId: k.AccessKeyId}, "NoSuchEntity", 404, missing)
	must(h, api.UpdateAccessKey, &api.UpdateAccessKeyInput{UserName: new("ann"), AccessKeyId: k.AccessKeyId, Status: new("Inactive")})
	if cred, err = h.s.Credential(ctx, *k.AccessKeyId, ""); err != nil || !cred.Inactive {
		t.Errorf("inactive key: %+v, %v", cred, err)
	}
	must(h, api.CreateAccessKey, &api.CreateAccessKeyInput{UserName: new("ann")})
	refused(h, api.CreateAccessKey, &api.CreateAccessKeyInput{UserName: new("ann")}, "LimitExceeded", 409, "Cannot exceed quota for AccessKeysPerUser: 2")
	refused(h, api.DeleteUser, &api.DeleteUserInput{UserName: new("ann")}, "DeleteConflict", 409, "Cannot delete entity, must delete access keys first.")
	page := must(h, api.ListAccessKeys, &api.ListAccessKeysInput{UserName: new("ann"), MaxItems: new(int32(1))})
	if len(page.AccessKeyMetadata) != 1 || !*page.IsTruncated || *page.AccessKeyMetadata[0].Status != "Inactive" {
		t.Errorf("first page %+v", page)
	}
	page = must(h, api.ListAccessKeys, &api.ListAccessKeysInput{UserName: new("ann"), Marker: page.Marker})
	if len(page.AccessKeyMetadata) != 1 || *page.IsTruncated || *page.AccessKeyMetadata[0].AccessKeyId == *k.AccessKeyId {
		t.Errorf("second page %+v", page)
	}
	must(h, api.DeleteAccessKey, &api.DeleteAccessKeyInput{UserName: new("ann"), AccessKeyId: k.AccessKeyId})
	if _, err := h.s.Credential(ctx, *k.AccessKeyId, ""); !errors.Is(err, identity.ErrUnknownKey) {
		t.Errorf("deleted key: %v", err)
	}
	noName := "Must specify userName when calling with non-User credentials"
	refused(h, api.CreateAccessKey, &api.CreateAccessKeyInput{}, "ValidationError", 400, noName)
	refused(h, api.ListAccessKeys, &api.ListAccessKeysInput{}, "ValidationError", 400, noName)
	// A user may leave his own name out.
	h.caller = identity.Principal{Principal: policy.Principal{Kind: policy.User, ARN: "arn:aws:iam::" + account + ":user/bob", AccountID: account}, UserName: "bob"}
	if k := must(h, api.CreateAccessKey, &api.CreateAccessKeyInput{}).AccessKey; *k.UserName != "bob" {
		t.Errorf("own key is %s's", *k.UserName)
	}
	if u := must(h, api.GetUser, &api.GetUserInput{}).User; *u.UserName != "bob" {
		t.Errorf("own user is %s", *u.UserName)
	}
}

// TestSecretIsSealed is I4: no record of the store shows a secret.
func TestSecretIsSealed(t *testing.T) {
	h := newHarness(t)
	h.userNamed("ann")
	k := must(h, api.CreateAccessKey, &api.CreateAccessKeyInput{UserName: new("ann")}).AccessKey
	v, err := h.s.deps.KV.Get(context.Background(), keyKey(*k.AccessKeyId))
	if err != nil {
		t.Fatal(err)
	}
	rec, err := load[accessKey](h.s.store.now(context.Background()), keyKey(*k.AccessKeyId), nil)
	if err != nil || len(v) == 0 || string(rec.Secret) == *k.SecretAccessKey {
		t.Errorf("the secret is readable, or %v", err)
	}
	if _, err := h.s.deps.Seal.Open(keyPurpose+"AKIAOTHER", rec.Secret); err == nil {
		t.Error("the secret opens for another key")
	}
}
