package kms

import (
	"slices"
	"testing"

	api "moln.dev/moln/api/kms"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/platform/identity"
)

const everything = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`

// TestKeyPolicyIsMandatory: IAM counts only where the key policy lets the
// account in (K1).
func TestKeyPolicyIsMandatory(t *testing.T) {
	h := newHarness(t)
	ann, bob := h.user("ann", everything), h.user("bob", "")
	open := h.key(api.CreateKeyInput{})
	closed := h.key(api.CreateKeyInput{Policy: new(keyPolicyFor("bob")), BypassPolicyLockoutSafetyCheck: new(true)})
	of := func(k *api.KeyMetadata) *api.EncryptInput {
		return &api.EncryptInput{KeyId: k.KeyId, Plaintext: []byte("x")}
	}
	must(t, ann, api.Encrypt, of(open))
	fails(t, bob, api.Encrypt, of(open), "AccessDeniedException", "")
	fails(t, ann, api.Encrypt, of(closed), "AccessDeniedException", "")
	fails(t, h.call(), api.Encrypt, of(closed), "AccessDeniedException", "")
	must(t, bob, api.Encrypt, of(closed))
	fails(t, bob, api.CreateKey, &api.CreateKeyInput{}, "AccessDeniedException", "")
	fails(t, ann, api.PutKeyPolicy, &api.PutKeyPolicyInput{KeyId: open.KeyId, Policy: new(keyPolicyFor("bob"))}, "MalformedPolicyDocumentException", "The new key policy will not allow you to update the key policy in the future.")
	must(t, ann, api.PutKeyPolicy, &api.PutKeyPolicyInput{KeyId: open.KeyId, Policy: new(keyPolicyFor("ann"))})
	if got := must(t, ann, api.GetKeyPolicy, &api.GetKeyPolicyInput{KeyId: open.KeyId}); *got.Policy != keyPolicyFor("ann") || *got.PolicyName != "default" {
		t.Errorf("%+v", got)
	}
}

// TestConditions: statements may ask about the request and the key.
func TestConditions(t *testing.T) {
	h := newHarness(t)
	k := h.key(api.CreateKeyInput{Tags: []api.Tag{{TagKey: new("Team"), TagValue: new("blue")}}})
	must(t, h.call(), api.CreateAlias, &api.CreateAliasInput{AliasName: new("alias/a"), TargetKeyId: k.KeyId})
	for name, tt := range map[string]struct {
		condition string
		in        api.EncryptInput
		service   string
		allowed   bool
	}{
		"context":             {`{"StringEquals":{"kms:EncryptionContext:Dept":"it"}}`, api.EncryptInput{EncryptionContext: map[string]string{"Dept": "it"}}, "", true},
		"another context":     {`{"StringEquals":{"kms:EncryptionContext:Dept":"it"}}`, api.EncryptInput{EncryptionContext: map[string]string{"Dept": "hr"}}, "", false},
		"context keys":        {`{"ForAnyValue:StringEquals":{"kms:EncryptionContextKeys":"b"}}`, api.EncryptInput{EncryptionContext: map[string]string{"a": "", "b": ""}}, "", true},
		"via":                 {`{"StringEquals":{"kms:ViaService":"s3.us-east-1.amazonaws.com"}}`, api.EncryptInput{}, "s3", true},
		"via another":         {`{"StringEquals":{"kms:ViaService":"s3.us-east-1.amazonaws.com"}}`, api.EncryptInput{}, "sqs", false},
		"not via":             {`{"StringEquals":{"kms:ViaService":"s3.us-east-1.amazonaws.com"}}`, api.EncryptInput{}, "", false},
		"caller's account":    {`{"StringEquals":{"kms:CallerAccount":"000000000000"}}`, api.EncryptInput{}, "", true},
		"request alias":       {`{"StringEquals":{"kms:RequestAlias":"alias/a"}}`, api.EncryptInput{KeyId: new("alias/a")}, "", true},
		"no request alias":    {`{"StringEquals":{"kms:RequestAlias":"alias/a"}}`, api.EncryptInput{}, "", false},
		"resource aliases":    {`{"ForAnyValue:StringEquals":{"kms:ResourceAliases":"alias/a"}}`, api.EncryptInput{}, "", true},
		"tag":                 {`{"StringEquals":{"aws:ResourceTag/Team":"blue"}}`, api.EncryptInput{}, "", true},
		"spec":                {`{"StringEquals":{"kms:KeySpec":"SYMMETRIC_DEFAULT","kms:KeyUsage":"ENCRYPT_DECRYPT"}}`, api.EncryptInput{}, "", true},
		"algorithm":           {`{"StringEquals":{"kms:EncryptionAlgorithm":"SYMMETRIC_DEFAULT"}}`, api.EncryptInput{}, "", true},
		"origin, multiregion": {`{"StringEquals":{"kms:KeyOrigin":"AWS_KMS"},"Bool":{"kms:MultiRegion":"false"}}`, api.EncryptInput{}, "", true},
	} {
		c := h.user("ann", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:Encrypt","Resource":"*","Condition":`+tt.condition+`}]}`)
		if tt.in.KeyId == nil {
			tt.in.KeyId = k.KeyId
		}
		tt.in.Plaintext = []byte("x")
		if _, err := do(via(c, tt.service), api.Encrypt, &tt.in); (err == nil) != tt.allowed {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestGrants(t *testing.T) {
	h := newHarness(t)
	k := h.key(api.CreateKeyInput{})
	bob, eve := h.user("bob", ""), h.user("eve", "")
	context := map[string]string{"a": "b"}
	in := &api.CreateGrantInput{
		KeyId: k.KeyId, GranteePrincipal: new(userARN("bob")), RetiringPrincipal: new(userARN("eve")), Name: new("g"),
		Operations:  []string{"Encrypt", "Decrypt", "CreateGrant"},
		Constraints: &api.GrantConstraints{EncryptionContextSubset: context},
	}
	fails(t, bob, api.Encrypt, &api.EncryptInput{KeyId: k.KeyId, Plaintext: []byte("x"), EncryptionContext: context}, "AccessDeniedException", "")
	g := must(t, h.call(), api.CreateGrant, in)
	if again := must(t, h.call(), api.CreateGrant, in); *again.GrantId != *g.GrantId {
		t.Error("a named grant was made twice")
	}
	must(t, bob, api.Encrypt, &api.EncryptInput{KeyId: k.KeyId, Plaintext: []byte("x"), EncryptionContext: context, GrantTokens: []string{*g.GrantToken}})
	fails(t, bob, api.Encrypt, &api.EncryptInput{KeyId: k.KeyId, Plaintext: []byte("x"), EncryptionContext: context, GrantTokens: []string{"x"}}, "InvalidGrantTokenException", "")
	fails(t, bob, api.Encrypt, &api.EncryptInput{KeyId: k.KeyId, Plaintext: []byte("x")}, "AccessDeniedException", "")
	fails(t, eve, api.Encrypt, &api.EncryptInput{KeyId: k.KeyId, Plaintext: []byte("x"), EncryptionContext: context}, "AccessDeniedException", "")
	fails(t, bob, api.GenerateDataKey, &api.GenerateDataKeyInput{KeyId: k.KeyId, KeySpec: new("AES_256"), EncryptionContext: context}, "AccessDeniedException", "")

	// A grantee gives on no more than he has.
	child := &api.CreateGrantInput{KeyId: k.KeyId, GranteePrincipal: new(userARN("eve")), Operations: []string{"Encrypt"}}
	fails(t, bob, api.CreateGrant, child, "AccessDeniedException", "")
	child.Constraints = in.Constraints
	must(t, bob, api.CreateGrant, child)
	child.Operations = []string{"GenerateDataKey"}
	fails(t, bob, api.CreateGrant, child, "AccessDeniedException", "")

	if out := must(t, h.call(), api.ListGrants, &api.ListGrantsInput{KeyId: k.KeyId, GranteePrincipal: new(userARN("bob"))}); len(out.Grants) != 1 || *out.Grants[0].GrantId != *g.GrantId || *out.Grants[0].KeyId != *k.Arn {
		t.Errorf("%+v", out)
	}
	if out := must(t, h.call(), api.ListRetirableGrants, &api.ListRetirableGrantsInput{RetiringPrincipal: new(userARN("eve"))}); len(out.Grants) != 1 {
		t.Errorf("%+v", out)
	}
	fails(t, bob, api.RetireGrant, &api.RetireGrantInput{GrantToken: g.GrantToken}, "AccessDeniedException", "")
	fails(t, eve, api.RetireGrant, &api.RetireGrantInput{GrantToken: g.GrantToken, DryRun: new(true)}, "DryRunOperationException", "")
	must(t, eve, api.RetireGrant, &api.RetireGrantInput{GrantToken: g.GrantToken})
	fails(t, eve, api.RetireGrant, &api.RetireGrantInput{GrantToken: g.GrantToken}, "NotFoundException", "")
	fails(t, bob, api.Encrypt, &api.EncryptInput{KeyId: k.KeyId, Plaintext: []byte("x"), EncryptionContext: context}, "AccessDeniedException", "")

	left := must(t, h.call(), api.ListGrants, &api.ListGrantsInput{KeyId: k.KeyId}).Grants
	must(t, h.call(), api.RevokeGrant, &api.RevokeGrantInput{KeyId: k.KeyId, GrantId: left[0].GrantId})
	fails(t, h.call(), api.RevokeGrant, &api.RevokeGrantInput{KeyId: k.KeyId, GrantId: left[0].GrantId}, "NotFoundException", "")
}

// TestGrantsGivenOn: a grantee gives on no more than he has.
func TestGrantsGivenOn(t *testing.T) {
	const source = "arn:aws:s3:::box"
	all := []string{"Encrypt", "Decrypt", "CreateGrant"}
	context, more := map[string]string{"a": "b"}, map[string]string{"a": "b", "c": "d"}
	for _, tt := range []struct {
		name          string
		parent, child grant
		covers        bool
	}{
		{"the same", grant{Operations: all}, grant{Operations: all}, true},
		{"less", grant{Operations: all}, grant{Operations: all[:1]}, true},
		{"another operation", grant{Operations: all[1:]}, grant{Operations: all[:1]}, false},
		{"without the context", grant{Subset: context}, grant{}, false},
		{"with more of a context", grant{Subset: context}, grant{Subset: more}, true},
		{"equal contexts", grant{Equals: context}, grant{Equals: context}, true},
		{"a subset for an equal", grant{Equals: context}, grant{Subset: context}, false},
		{"without the source", grant{SourceARN: source}, grant{}, false},
		{"with another source", grant{SourceARN: source}, grant{SourceARN: source + "2"}, false},
		{"with the source", grant{SourceARN: source}, grant{SourceARN: source}, true},
	} {
		if got := tt.parent.covers(&tt.child); got != tt.covers {
			t.Errorf("%s: %t", tt.name, got)
		}
	}
}

// TestContextKeys: names that differ in case only are one condition key, with
// the values of both.
func TestContextKeys(t *testing.T) {
	for range 20 { // maps have no order
		keys := policy.Keys{}
		describeContext(keys, map[string]string{"Dept": "it", "dept": "hr", "x": "y"})
		if got := keys["kms:encryptioncontext:dept"]; !slices.Equal(got, []string{"it", "hr"}) {
			t.Fatalf("%q", got)
		}
	}
}

func TestGrantsRefuse(t *testing.T) {
	h := newHarness(t)
	k := h.key(api.CreateKeyInput{})
	mac := h.key(api.CreateKeyInput{KeySpec: new("HMAC_256"), KeyUsage: new("GENERATE_VERIFY_MAC")})
	for _, tt := range []struct {
		in   api.CreateGrantInput
		code string
	}{
		{api.CreateGrantInput{KeyId: k.KeyId, Operations: []string{"Encrypt"}}, "ValidationException"},
		{api.CreateGrantInput{KeyId: k.KeyId, GranteePrincipal: new("bob"), Operations: []string{"Encrypt"}}, "InvalidArnException"},
		{api.CreateGrantInput{KeyId: k.KeyId, GranteePrincipal: new(userARN("bob")), Operations: []string{"Sign"}}, "ValidationException"},
		{api.CreateGrantInput{KeyId: k.KeyId, GranteePrincipal: new(userARN("bob")), Operations: []string{}}, "ValidationException"},
		{api.CreateGrantInput{KeyId: mac.KeyId, GranteePrincipal: new(userARN("bob")), Operations: []string{"GenerateMac"}, Constraints: &api.GrantConstraints{EncryptionContextEquals: map[string]string{"a": "b"}}}, "ValidationException"},
	} {
		fails(t, h.call(), api.CreateGrant, &tt.in, tt.code, "")
	}
}

// TestManagedKeys: a service's own key is made on its first use, and only what
// comes through the service may use it (K5).
func TestManagedKeys(t *testing.T) {
	h := newHarness(t)
	ann := h.user("ann", everything)
	in := &api.GenerateDataKeyInput{KeyId: new("alias/aws/s3"), KeySpec: new("AES_256")}
	out := must(t, via(ann, "s3"), api.GenerateDataKey, in)
	fails(t, ann, api.GenerateDataKey, in, "AccessDeniedException", "")
	fails(t, via(ann, "sqs"), api.GenerateDataKey, in, "AccessDeniedException", "")
	fails(t, via(ann, "x"), api.GenerateDataKey, &api.GenerateDataKeyInput{KeyId: new("alias/aws/x"), KeySpec: new("AES_256")}, "NotFoundException", "")
	must(t, via(ann, "s3"), api.Decrypt, &api.DecryptInput{CiphertextBlob: out.CiphertextBlob})
	bob := h.user("bob", "") // the key policy itself lets him in, through S3
	must(t, via(bob, "s3"), api.Decrypt, &api.DecryptInput{CiphertextBlob: out.CiphertextBlob})
	fails(t, via(h.call().As(identity.Anonymous()), "s3"), api.Decrypt, &api.DecryptInput{CiphertextBlob: out.CiphertextBlob}, "AccessDeniedException", "")
	m := must(t, h.call(), api.DescribeKey, &api.DescribeKeyInput{KeyId: new("alias/aws/s3")}).KeyMetadata
	if *m.KeyManager != "AWS" || *m.Arn != *out.KeyId {
		t.Errorf("%+v", m)
	}
	fails(t, ann, api.DisableKey, &api.DisableKeyInput{KeyId: m.KeyId}, "AccessDeniedException", "")
	fails(t, h.call(), api.ScheduleKeyDeletion, &api.ScheduleKeyDeletionInput{KeyId: m.KeyId}, "AccessDeniedException", "")
}
