package cognitoidp

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	api "moln.dev/moln/api/cognitoidp"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/tuple"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/cognitoidp/cfn"
	"moln.dev/moln/services/cognitoidp/settings"
)

func TestForgottenPassword(t *testing.T) {
	f := newFixture(t, nil)
	f.signUpConfirmed("ada")
	old := f.mustSignIn("ada", testPassword)
	must(f.harness, api.ForgotPassword, &api.ForgotPasswordInput{ClientId: f.client, Username: ptr("ada")})
	code := f.lastCode()
	in := &api.ConfirmForgotPasswordInput{ClientId: f.client, Username: ptr("ada"), ConfirmationCode: wrong(code), Password: ptr("Second-Horse-9")}
	for range codeTriesMax - 1 {
		refused(f.harness, api.ConfirmForgotPassword, in, "CodeMismatchException", "")
	}
	in.ConfirmationCode = &code
	must(f.harness, api.ConfirmForgotPassword, in)
	refused(f.harness, api.ConfirmForgotPassword, in, "ExpiredCodeException", "Invalid code provided, please request a code again.")
	refused(f.harness, api.GetUser, &api.GetUserInput{AccessToken: old.AccessToken}, "NotAuthorizedException", "Access Token has been revoked")
	f.mustSignIn("ada", "Second-Horse-9")

	must(f.harness, api.AdminResetUserPassword, &api.AdminResetUserPasswordInput{UserPoolId: f.pool, Username: ptr("ada")})
	if _, err := f.passwordAuth("ada", "Second-Horse-9"); !isFault(err, "PasswordResetRequiredException") {
		t.Errorf("after reset: %v", err)
	}
	f.clk.Advance(forgotCodeValidity)
	code = f.lastCode()
	refused(f.harness, api.ConfirmForgotPassword, in, "ExpiredCodeException", "")
}

func TestCodesEndAfterTooManyTries(t *testing.T) {
	f := newFixture(t, nil)
	must(f.harness, api.SignUp, &api.SignUpInput{ClientId: f.client, Username: ptr("ada"), Password: ptr(testPassword), UserAttributes: attrs("email", "ada@example.com")})
	code := f.lastCode()
	in := &api.ConfirmSignUpInput{ClientId: f.client, Username: ptr("ada"), ConfirmationCode: wrong(code)}
	for range codeTriesMax {
		refused(f.harness, api.ConfirmSignUp, in, "CodeMismatchException", "")
	}
	in.ConfirmationCode = &code
	refused(f.harness, api.ConfirmSignUp, in, "ExpiredCodeException", "")
	for range rateResend {
		must(f.harness, api.ResendConfirmationCode, &api.ResendConfirmationCodeInput{ClientId: f.client, Username: ptr("ada")})
	}
	refused(f.harness, api.ResendConfirmationCode, &api.ResendConfirmationCodeInput{ClientId: f.client, Username: ptr("ada")},
		"LimitExceededException", "Attempt limit exceeded, please try after some time.")
	in.ConfirmationCode = ptr(f.lastCode())
	must(f.harness, api.ConfirmSignUp, in)
}

func TestMailFailureIsSaid(t *testing.T) {
	f := newFixture(t, nil)
	f.mail.err = errors.New("connection refused")
	refused(f.harness, api.SignUp, &api.SignUpInput{ClientId: f.client, Username: ptr("ada"), Password: ptr(testPassword), UserAttributes: attrs("email", "ada@example.com")},
		"CodeDeliveryFailureException", "")
}

func TestMailTemplates(t *testing.T) {
	f := newFixture(t, func(p *api.CreateUserPoolInput, _ *api.CreateUserPoolClientInput) {
		p.EmailVerificationMessage, p.EmailVerificationSubject = ptr("<b>{####}</b> for {username}"), ptr("Welcome")
		p.EmailConfiguration = &api.EmailConfigurationType{
			EmailSendingAccount: ptr("DEVELOPER"), SourceArn: ptr("arn:aws:ses:us-east-1:000000000000:identity/hi@example.com"), From: ptr("Notes <hi@example.com>"),
		}
	})
	must(f.harness, api.SignUp, &api.SignUpInput{ClientId: f.client, Username: ptr("ada"), Password: ptr(testPassword), UserAttributes: attrs("email", "ada@example.com")})
	m := f.mail.sent[0]
	if m.From != "Notes <hi@example.com>" || m.Subject != "Welcome" || !strings.HasSuffix(m.HTML, "</b> for ada") || sixDigits.FindString(m.HTML) == "" {
		t.Errorf("mail %+v", m)
	}
}

func TestAliases(t *testing.T) {
	f := newFixture(t, func(p *api.CreateUserPoolInput, _ *api.CreateUserPoolClientInput) {
		p.AliasAttributes = []string{"email"}
		p.UsernameConfiguration = &api.UsernameConfigurationType{CaseSensitive: ptr(false)}
	})
	refused(f.harness, api.SignUp, &api.SignUpInput{ClientId: f.client, Username: ptr("ada@example.com"), Password: ptr(testPassword)},
		"InvalidParameterException", "Username cannot be of email format, since user pool is configured for email alias.")
	f.signUpConfirmed("Ada")
	f.mustSignIn("ADA@Example.com", testPassword)
	f.mustSignIn("ada", testPassword)
	// The same address, unverified, takes nothing away.
	must(f.harness, api.SignUp, &api.SignUpInput{ClientId: f.client, Username: ptr("eve"), Password: ptr(testPassword), UserAttributes: attrs("email", "ada@example.com")})
	in := &api.ConfirmSignUpInput{ClientId: f.client, Username: ptr("eve"), ConfirmationCode: ptr(f.lastCode())}
	refused(f.harness, api.ConfirmSignUp, in, "AliasExistsException", "An account with the email already exists.")
	in.ForceAliasCreation = ptr(true)
	must(f.harness, api.ConfirmSignUp, in)
	ada := must(f.harness, api.AdminGetUser, &api.AdminGetUserInput{UserPoolId: f.pool, Username: ptr("ada")})
	for _, a := range ada.UserAttributes {
		if *a.Name == "email_verified" && *a.Value != "false" {
			t.Error("the old owner's address is still verified")
		}
	}
	if got := must(f.harness, api.AdminGetUser, &api.AdminGetUserInput{UserPoolId: f.pool, Username: ptr("ada@example.com")}); *got.Username != "eve" {
		t.Errorf("alias names %s", *got.Username)
	}
}

func TestAttributesAreChangedAndVerified(t *testing.T) {
	f := newFixture(t, func(p *api.CreateUserPoolInput, c *api.CreateUserPoolClientInput) {
		p.Schema = []api.SchemaAttributeType{
			{Name: ptr("tier"), Mutable: ptr(false)}, {Name: ptr("size"), AttributeDataType: ptr("Number"), NumberAttributeConstraints: &api.NumberAttributeConstraintsType{MaxValue: ptr("9")}},
		}
		p.UserAttributeUpdateSettings = &api.UserAttributeUpdateSettingsType{AttributesRequireVerificationBeforeUpdate: []string{"email"}}
		c.WriteAttributes = []string{"email", "custom:size", "custom:tier"}
	})
	f.signUpConfirmed("ada")
	token := f.mustSignIn("ada", testPassword).AccessToken
	update := func(pairs ...string) *api.UpdateUserAttributesInput {
		return &api.UpdateUserAttributesInput{AccessToken: token, UserAttributes: attrs(pairs...)}
	}
	refused(f.harness, api.UpdateUserAttributes, update("nickname", "x"), "NotAuthorizedException", "A client attempted to write unauthorized attribute")
	refused(f.harness, api.UpdateUserAttributes, update("email_verified", "true"), "NotAuthorizedException", "")
	refused(f.harness, api.UpdateUserAttributes, update("custom:tier", "gold"), "InvalidParameterException", "user.custom:tier: Attribute cannot be updated.\n")
	refused(f.harness, api.UpdateUserAttributes, update("custom:size", "10"), "InvalidParameterException", "")
	refused(f.harness, api.UpdateUserAttributes, update("email", "nobody"), "InvalidParameterException", "Invalid email address format.")
	must(f.harness, api.UpdateUserAttributes, update("custom:size", "7"))

	out := must(f.harness, api.UpdateUserAttributes, update("email", "new@example.com"))
	if len(out.CodeDeliveryDetailsList) != 1 || *out.CodeDeliveryDetailsList[0].Destination != "n***@e***" {
		t.Errorf("delivery %+v", out)
	}
	email := func() string {
		for _, a := range must(f.harness, api.GetUser, &api.GetUserInput{AccessToken: token}).UserAttributes {
			if *a.Name == "email" {
				return *a.Value
			}
		}
		return ""
	}
	if email() != "ada@example.com" {
		t.Errorf("email %s before its code came back", email())
	}
	refused(f.harness, api.VerifyUserAttribute, &api.VerifyUserAttributeInput{AccessToken: token, AttributeName: ptr("email"), Code: wrong(f.lastCode())}, "CodeMismatchException", "")
	must(f.harness, api.VerifyUserAttribute, &api.VerifyUserAttributeInput{AccessToken: token, AttributeName: ptr("email"), Code: ptr(f.lastCode())})
	if email() != "new@example.com" {
		t.Errorf("email %s after its code came back", email())
	}
	must(f.harness, api.DeleteUser, &api.DeleteUserInput{AccessToken: token})
	refused(f.harness, api.GetUser, &api.GetUserInput{AccessToken: token}, "NotAuthorizedException", "Access Token has been revoked")
}

func TestAdministration(t *testing.T) {
	f := newFixture(t, nil)
	f.signUpConfirmed("ada")
	f.signUpConfirmed("bob")
	token := f.mustSignIn("ada", testPassword).AccessToken
	must(f.harness, api.AdminDisableUser, &api.AdminDisableUserInput{UserPoolId: f.pool, Username: ptr("ada")})
	if _, err := f.passwordAuth("ada", testPassword); err == nil || err.Error() != "NotAuthorizedException: User is disabled." {
		t.Errorf("disabled: %v", err)
	}
	refused(f.harness, api.GetUser, &api.GetUserInput{AccessToken: token}, "NotAuthorizedException", "Access Token has been revoked")
	must(f.harness, api.AdminEnableUser, &api.AdminEnableUserInput{UserPoolId: f.pool, Username: ptr("ada")})

	one := must(f.harness, api.ListUsers, &api.ListUsersInput{UserPoolId: f.pool, Limit: ptr(int32(1))})
	two := must(f.harness, api.ListUsers, &api.ListUsersInput{UserPoolId: f.pool, Limit: ptr(int32(1)), PaginationToken: one.PaginationToken})
	if *one.Users[0].Username != "ada" || *two.Users[0].Username != "bob" || two.PaginationToken != nil {
		t.Errorf("pages %v, %v", one, two)
	}
	got := must(f.harness, api.ListUsers, &api.ListUsersInput{UserPoolId: f.pool, Filter: ptr(`email ^= "bo"`), AttributesToGet: []string{"email"}})
	if len(got.Users) != 1 || len(got.Users[0].Attributes) != 1 {
		t.Errorf("filter: %+v", got)
	}
	for _, g := range []struct {
		name, role string
		precedence int32
	}{{"low", "arn:aws:iam::000000000000:role/low", 9}, {"high", "arn:aws:iam::000000000000:role/high", 1}} {
		must(f.harness, api.CreateGroup, &api.CreateGroupInput{UserPoolId: f.pool, GroupName: &g.name, RoleArn: &g.role, Precedence: &g.precedence})
		must(f.harness, api.AdminAddUserToGroup, &api.AdminAddUserToGroupInput{UserPoolId: f.pool, GroupName: &g.name, Username: ptr("ada")})
	}
	if f.backend.judged[0].Action != "iam:PassRole" {
		t.Errorf("judged %+v", f.backend.judged)
	}
	claims, err := f.broker.VerifyToken(context.Background(), poolARN("000000000000", "us-east-1", *f.pool), *f.mustSignIn("ada", testPassword).IdToken, f.clk.Now())
	if err != nil || len(claims.Groups) != 2 || claims.PreferredRole != "arn:aws:iam::000000000000:role/high" {
		t.Errorf("claims %+v, %v", claims, err)
	}
	must(f.harness, api.DeleteGroup, &api.DeleteGroupInput{UserPoolId: f.pool, GroupName: ptr("low")})
	if l := must(f.harness, api.AdminListGroupsForUser, &api.AdminListGroupsForUserInput{UserPoolId: f.pool, Username: ptr("ada")}); len(l.Groups) != 1 {
		t.Errorf("groups %+v", l.Groups)
	}
	must(f.harness, api.AdminDeleteUser, &api.AdminDeleteUserInput{UserPoolId: f.pool, Username: ptr("ada")})
	if l := must(f.harness, api.ListUsersInGroup, &api.ListUsersInGroupInput{UserPoolId: f.pool, GroupName: ptr("high")}); len(l.Users) != 0 {
		t.Errorf("members %+v", l.Users)
	}
	refused(f.harness, api.AdminGetUser, &api.AdminGetUserInput{UserPoolId: f.pool, Username: ptr("ada")}, "UserNotFoundException", "User does not exist.")
}

func TestGrantsTie(t *testing.T) {
	one := int32(1)
	got := grantsFrom([]group{{Name: "a", RoleARN: "r1", Precedence: &one}, {Name: "b", RoleARN: "r2", Precedence: &one}, {Name: "c"}})
	if got.preferred != "" || len(got.roles) != 2 || len(got.groups) != 3 {
		t.Errorf("grants %+v", got)
	}
}

func TestPoolSettings(t *testing.T) {
	h := newHarness(t)
	fn := ptr("arn:aws:lambda:us-east-1:000000000000:function:f")
	for name, in := range map[string]*api.CreateUserPoolInput{
		"mfa":          {MfaConfiguration: ptr("ON")},
		"sms":          {SmsConfiguration: &api.SmsConfigurationType{}},
		"phone":        {AutoVerifiedAttributes: []string{"phone_number"}},
		"devices":      {DeviceConfiguration: &api.DeviceConfigurationType{}},
		"risk":         {UserPoolAddOns: &api.UserPoolAddOnsType{AdvancedSecurityMode: ptr("ENFORCED")}},
		"history":      {Policies: &api.UserPoolPolicyType{PasswordPolicy: &api.PasswordPolicyType{PasswordHistorySize: ptr(int32(3))}}},
		"factors":      {Policies: &api.UserPoolPolicyType{SignInPolicy: &api.SignInPolicyType{AllowedFirstAuthFactors: []string{"PASSWORD", "WEB_AUTHN"}}}},
		"migration":    {LambdaConfig: &api.LambdaConfigType{UserMigration: fn}},
		"custom mail":  {LambdaConfig: &api.LambdaConfigType{CustomMessage: fn}},
		"token V2":     {LambdaConfig: &api.LambdaConfigType{PreTokenGenerationConfig: &api.PreTokenGenerationVersionConfigType{LambdaArn: fn, LambdaVersion: ptr("V2_0")}}},
		"link":         {VerificationMessageTemplate: &api.VerificationMessageTemplateType{DefaultEmailOption: ptr("CONFIRM_WITH_LINK")}},
		"both names":   {AliasAttributes: []string{"email"}, UsernameAttributes: []string{"email"}},
		"short policy": {Policies: &api.UserPoolPolicyType{PasswordPolicy: &api.PasswordPolicyType{MinimumLength: ptr(int32(5))}}},
	} {
		in.PoolName = ptr("p")
		if _, err := do(h, api.CreateUserPool, in); !isFault(err, "InvalidParameterException") {
			t.Errorf("%s: %v", name, err)
		}
	}
	p := must(h, api.CreateUserPool, &api.CreateUserPoolInput{PoolName: ptr("p"), DeletionProtection: ptr("ACTIVE"), EmailVerificationSubject: ptr("s")}).UserPool
	if *p.Policies.PasswordPolicy.MinimumLength != 8 || *p.VerificationMessageTemplate.EmailSubject != "s" || len(p.SchemaAttributes) != 21 {
		t.Errorf("defaults: %d attributes, %+v", len(p.SchemaAttributes), p.Policies.PasswordPolicy)
	}
	refused(h, api.DeleteUserPool, &api.DeleteUserPoolInput{UserPoolId: p.Id}, "InvalidParameterException", "")
	must(h, api.UpdateUserPool, &api.UpdateUserPoolInput{UserPoolId: p.Id})
	after := must(h, api.DescribeUserPool, &api.DescribeUserPoolInput{UserPoolId: p.Id}).UserPool
	if *after.DeletionProtection != "INACTIVE" || after.EmailVerificationSubject != nil {
		t.Errorf("omitted settings were kept: %+v", after)
	}
	must(h, api.AddCustomAttributes, &api.AddCustomAttributesInput{UserPoolId: p.Id, CustomAttributes: []api.SchemaAttributeType{{Name: ptr("x")}}})
	must(h, api.TagResource, &api.TagResourceInput{ResourceArn: p.Arn, Tags: map[string]string{"a": "b"}})
	checks, err := h.s.authorize(context.Background(), h.call(), api.Schema.Operation("DescribeUserPool"), &api.DescribeUserPoolInput{UserPoolId: p.Id})
	want := []service.Check{{Action: "cognito-idp:DescribeUserPool", Resource: *p.Arn, Context: map[string][]string{"aws:resourcetag/a": {"b"}}}}
	if diff := cmp.Diff(want, checks); err != nil || diff != "" {
		t.Errorf("authorize: %v\n%s", err, diff)
	}
	must(h, api.DeleteUserPool, &api.DeleteUserPoolInput{UserPoolId: p.Id})
	refused(h, api.DescribeUserPool, &api.DescribeUserPoolInput{UserPoolId: p.Id}, "ResourceNotFoundException", "User pool "+*p.Id+" does not exist.")
	left := 0
	_ = h.s.d.KV.Each(context.Background(), kv.Range{}, func(kv.Item) (bool, error) { left++; return true, nil })
	if left != 0 {
		t.Errorf("%d keys left of a deleted pool", left)
	}
}

func TestClientSettings(t *testing.T) {
	f := newFixture(t, nil)
	for name, in := range map[string]*api.CreateUserPoolClientInput{
		"oauth":     {AllowedOAuthFlows: []string{"code"}},
		"callback":  {CallbackURLs: []string{"https://example.com"}},
		"google":    {SupportedIdentityProviders: []string{"COGNITO", "Google"}},
		"rotation":  {RefreshTokenRotation: &api.RefreshTokenRotationType{Feature: ptr("ENABLED")}},
		"mixed":     {ExplicitAuthFlows: []string{"ALLOW_USER_SRP_AUTH", "USER_PASSWORD_AUTH"}},
		"choice":    {ExplicitAuthFlows: []string{"ALLOW_USER_AUTH"}},
		"short":     {AccessTokenValidity: ptr(int32(1)), TokenValidityUnits: &api.TokenValidityUnitsType{AccessToken: ptr("minutes")}},
		"attribute": {ReadAttributes: []string{"custom:none"}},
	} {
		in.UserPoolId, in.ClientName = f.pool, ptr("c")
		if _, err := do(f.harness, api.CreateUserPoolClient, in); !isFault(err, "InvalidParameterException") {
			t.Errorf("%s: %v", name, err)
		}
	}
	got := must(f.harness, api.CreateUserPoolClient, &api.CreateUserPoolClientInput{UserPoolId: f.pool, ClientName: ptr("c")}).UserPoolClient
	if diff := cmp.Diff([]string{"ALLOW_REFRESH_TOKEN_AUTH", "ALLOW_USER_SRP_AUTH", "ALLOW_CUSTOM_AUTH"}, got.ExplicitAuthFlows); diff != "" || !*got.EnableTokenRevocation || *got.RefreshTokenValidity != 30 {
		t.Errorf("defaults %+v", got)
	}
	must(f.harness, api.DeleteUserPoolClient, &api.DeleteUserPoolClientInput{UserPoolId: f.pool, ClientId: got.ClientId})
	refused(f.harness, api.SignUp, &api.SignUpInput{ClientId: got.ClientId, Username: ptr("a"), Password: ptr(testPassword)}, "ResourceNotFoundException", "User pool client "+*got.ClientId+" does not exist.")
}

func TestKeysAreServed(t *testing.T) {
	f := newFixture(t, nil)
	e := f.def.Endpoints[0]
	get := func(path string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("GET", "http://127.0.0.1"+path, nil)
		if !e.Match(r, "127.0.0.1") {
			t.Fatalf("%s is not matched", path)
		}
		w := httptest.NewRecorder()
		e.Serve(w, r, &service.Call{Log: slog.New(slog.DiscardHandler)})
		return w
	}
	var set struct {
		Keys []struct{ Kid, N, Alg string }
	}
	w := get("/" + *f.pool + "/.well-known/jwks.json")
	if err := json.Unmarshal(w.Body.Bytes(), &set); err != nil || len(set.Keys) != 2 || w.Header().Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("key set %s", w.Body)
	}
	if w := get("/" + *f.pool + "/.well-known/openid-configuration"); !strings.Contains(w.Body.String(), `"issuer":"https://cognito-idp.us-east-1.amazonaws.com/`+*f.pool) {
		t.Errorf("discovery %s", w.Body)
	}
	if w := get("/us-east-1_nosuch/.well-known/jwks.json"); w.Code != 404 {
		t.Errorf("unknown pool: %d", w.Code)
	}
	if e.Match(httptest.NewRequest("GET", "http://x/bucket/.well-known/jwks.json", nil), "x") {
		t.Error("a bucket's object is taken for a key set")
	}
}

func TestSweep(t *testing.T) {
	f := newFixture(t, nil)
	f.signUpConfirmed("ada")
	if _, err := f.srpAuth("ada", testPassword); err != nil {
		t.Fatal(err)
	}
	count := func() (n int) {
		_ = f.s.d.KV.Each(context.Background(), kv.Prefix(tuple.Key("!used")), func(kv.Item) (bool, error) { n++; return true, nil })
		r := kv.Prefix(place{"000000000000", "us-east-1", *f.pool}.key(kindLogin))
		_ = f.s.d.KV.Each(context.Background(), r, func(kv.Item) (bool, error) { n++; return true, nil })
		return n
	}
	if err := f.s.sweepOnce(context.Background(), f.clk.Now()); err != nil || count() != 2 {
		t.Errorf("swept too early: %d left, %v", count(), err)
	}
	if err := f.s.sweepOnce(context.Background(), f.clk.Now().Add(settings.DefaultRefreshValidity+settings.ShortTokenMax+time.Hour)); err != nil || count() != 0 {
		t.Errorf("%d left, %v", count(), err)
	}
}

func TestTemplateResources(t *testing.T) {
	h := newHarness(t)
	types := map[string]service.ResourceType{}
	for _, r := range h.def.Resources {
		types[r.Name] = r
	}
	ctx := context.Background()
	up := &service.Resource{StackName: "s", LogicalID: "Pool", Token: "TOKEN", Properties: &cfn.PoolProperties{AutoVerifiedAttributes: []string{"email"}}}
	if err := types["AWS::Cognito::UserPool"].Create(ctx, h.call(), up); err != nil {
		t.Fatal(err)
	}
	if up.Attributes["ProviderName"] != "cognito-idp.us-east-1.amazonaws.com/"+up.PhysicalID || up.Attributes["Arn"] != poolARN("000000000000", "us-east-1", up.PhysicalID) {
		t.Errorf("attributes %v", up.Attributes)
	}
	cl := &service.Resource{StackName: "s", LogicalID: "Client", Token: "TOKEN", Properties: &cfn.ClientProperties{UserPoolId: &up.PhysicalID, GenerateSecret: ptr(true)}}
	if err := types["AWS::Cognito::UserPoolClient"].Create(ctx, h.call(), cl); err != nil {
		t.Fatal(err)
	}
	if len(cl.Attributes["ClientSecret"].(string)) != clientSecretCharacters || cl.Attributes["Name"] != "s-Client-TOKEN" {
		t.Errorf("attributes %v", cl.Attributes)
	}
	up.Old = &cfn.PoolProperties{}
	up.Properties = &cfn.PoolProperties{Schema: []api.SchemaAttributeType{{Name: ptr("x")}}}
	if err := types["AWS::Cognito::UserPool"].Update(ctx, h.call(), up); err != nil {
		t.Error(err)
	}
	for range 2 { // what is gone is deleted
		if err := types["AWS::Cognito::UserPoolClient"].Delete(ctx, h.call(), cl); err != nil {
			t.Error(err)
		}
		if err := types["AWS::Cognito::UserPool"].Delete(ctx, h.call(), up); err != nil {
			t.Error(err)
		}
	}
}

func FuzzParseFilter(f *testing.F) {
	f.Add(`email ^= "a\"b"`)
	f.Add(`"status"="Enabled"`)
	f.Fuzz(func(t *testing.T, s string) {
		parsed, err := parseFilter(s)
		if err == nil && parsed.attribute == "" && strings.TrimSpace(s) != "" {
			t.Errorf("%q parsed as no filter", s)
		}
		parsed.matches(&user{Attributes: map[string]string{}}, true)
	})
}
