package server

import (
	"context"
	"testing"

	"moln.dev/moln/api/cognitoidentity"
	"moln.dev/moln/api/iam"
	"moln.dev/moln/api/sts"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/identity"
	"moln.dev/moln/platform/service"
)

func invoked[In, Out any](t *testing.T, c *service.Call, op smithy.Op[In, Out], in *In) *Out {
	t.Helper()
	out, err := service.Invoke(context.Background(), c, op, in)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestClassicFlow goes from an identity pool's guest to credentials of a role by
// way of sts, across three services that do not know each other.
func TestClassicFlow(t *testing.T) {
	s := opened(t, ephemeral())
	defer s.Close()
	nobody := s.Call(identity.DefaultAccount, identity.DefaultRegion)
	root := nobody.As(rootPrincipal(identity.DefaultAccount))
	pool := invoked(t, root, cognitoidentity.CreateIdentityPool, &cognitoidentity.CreateIdentityPoolInput{
		IdentityPoolName: new("pool"), AllowUnauthenticatedIdentities: new(true), AllowClassicFlow: new(true),
	}).IdentityPoolId
	trustOf := func(pool string) *string {
		return new(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"cognito-identity.amazonaws.com"},"Action":"sts:AssumeRoleWithWebIdentity",
			"Condition":{"StringEquals":{"cognito-identity.amazonaws.com:aud":"` + pool + `"},"ForAnyValue:StringLike":{"cognito-identity.amazonaws.com:amr":"unauthenticated"}}}]}`)
	}
	guest := invoked(t, root, iam.CreateRole, &iam.CreateRoleInput{RoleName: new("guest"), AssumeRolePolicyDocument: trustOf(*pool)}).Role
	other := invoked(t, root, iam.CreateRole, &iam.CreateRoleInput{RoleName: new("other"), AssumeRolePolicyDocument: trustOf("us-east-1:another")}).Role
	id := invoked(t, nobody, cognitoidentity.GetId, &cognitoidentity.GetIdInput{IdentityPoolId: pool}).IdentityId
	token := invoked(t, nobody, cognitoidentity.GetOpenIdToken, &cognitoidentity.GetOpenIdTokenInput{IdentityId: id}).Token
	in := &sts.AssumeRoleWithWebIdentityInput{RoleArn: guest.Arn, RoleSessionName: new("web"), WebIdentityToken: token}
	out := invoked(t, nobody, sts.AssumeRoleWithWebIdentity, in)
	if *out.SubjectFromWebIdentityToken != *id || *out.Audience != *pool {
		t.Errorf("%+v", out)
	}
	in.RoleArn = other.Arn
	if _, err := service.Invoke(context.Background(), nobody, sts.AssumeRoleWithWebIdentity, in); !fault.Is(err, "AccessDenied") {
		t.Errorf("a role for another pool: %v", err)
	}
	in.RoleArn, in.WebIdentityToken = guest.Arn, new(*token+"x")
	if _, err := service.Invoke(context.Background(), nobody, sts.AssumeRoleWithWebIdentity, in); !fault.Is(err, "InvalidIdentityToken") {
		t.Errorf("a changed token: %v", err)
	}
}
