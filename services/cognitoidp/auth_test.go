package cognitoidp

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	api "moln.dev/moln/api/cognitoidp"
	"moln.dev/moln/platform/functions"
	"moln.dev/moln/platform/tokens"
	"moln.dev/moln/services/cognitoidp/settings"
)

func TestTableListsEveryOperationOnce(t *testing.T) {
	seen := map[string]int{}
	for _, op := range newHarness(t).def.Operations {
		_, o := op.Of()
		seen[o.Name]++
	}
	for _, o := range api.Schema.Operations {
		if seen[o.Name] != 1 {
			t.Errorf("%s is listed %d times", o.Name, seen[o.Name])
		}
	}
}

func TestSignUpConfirmAndSignIn(t *testing.T) {
	f := newFixture(t, nil)
	up := must(f.harness, api.SignUp, &api.SignUpInput{
		ClientId: f.client, Username: ptr("ada"), Password: ptr(testPassword), UserAttributes: attrs("email", "ada@example.com"),
	})
	if *up.UserConfirmed || *up.CodeDeliveryDetails.Destination != "a***@e***" || *up.CodeDeliveryDetails.DeliveryMedium != "EMAIL" {
		t.Errorf("SignUp: %+v", up)
	}
	refused(f.harness, api.SignUp, &api.SignUpInput{ClientId: f.client, Username: ptr("ada"), Password: ptr(testPassword)}, "UsernameExistsException", "User already exists")
	if _, err := f.passwordAuth("ada", testPassword); !isFault(err, "UserNotConfirmedException") {
		t.Errorf("unconfirmed: %v", err)
	}
	code := f.lastCode()
	confirm := &api.ConfirmSignUpInput{ClientId: f.client, Username: ptr("ada"), ConfirmationCode: wrong(code)}
	refused(f.harness, api.ConfirmSignUp, confirm, "CodeMismatchException", "Invalid verification code provided, please try again.")
	confirm.ConfirmationCode = &code
	must(f.harness, api.ConfirmSignUp, confirm)
	refused(f.harness, api.ConfirmSignUp, confirm, "NotAuthorizedException", "User cannot be confirmed. Current status is CONFIRMED")

	result := f.mustSignIn("ada", testPassword)
	claims, err := f.broker.VerifyToken(context.Background(), poolARN("000000000000", "us-east-1", *f.pool), *result.IdToken, f.clk.Now())
	if err != nil || claims.Subject != *up.UserSub || claims.ClientID != *f.client || claims.All["email_verified"] != true {
		t.Errorf("ID token %+v, %v", claims, err)
	}
	got := must(f.harness, api.GetUser, &api.GetUserInput{AccessToken: result.AccessToken})
	if *got.Username != "ada" || *got.UserAttributes[0].Value != *up.UserSub {
		t.Errorf("GetUser: %+v", got)
	}
	refused(f.harness, api.GetUser, &api.GetUserInput{AccessToken: result.IdToken}, "NotAuthorizedException", "Invalid Access Token")
	f.clk.Advance(time.Hour)
	refused(f.harness, api.GetUser, &api.GetUserInput{AccessToken: result.AccessToken}, "NotAuthorizedException", "Access Token has expired")
}

func TestPasswordProof(t *testing.T) {
	f := newFixture(t, nil)
	f.signUpConfirmed("ada")
	out, err := f.srpAuth("ada", testPassword)
	if err != nil || out.AuthenticationResult == nil {
		t.Fatalf("right password: %+v, %v", out, err)
	}
	must(f.harness, api.GetUser, &api.GetUserInput{AccessToken: out.AuthenticationResult.AccessToken})
	if _, err := f.srpAuth("ada", "Wrong-Horse-9"); err == nil || err.Error() != "NotAuthorizedException: Incorrect username or password." {
		t.Errorf("wrong password: %v", err)
	}
	if _, err := f.srpAuth("eve", testPassword); !isFault(err, "UserNotFoundException") {
		t.Errorf("missing user: %v", err)
	}
}

func TestPasswordProofIsSingleUseAndEnds(t *testing.T) {
	f := newFixture(t, nil)
	f.signUpConfirmed("ada")
	c := newSRPClient(t)
	first, err := f.srpStart(c, "ada")
	if err != nil {
		t.Fatal(err)
	}
	answer := &api.RespondToAuthChallengeInput{
		ClientId: f.client, ChallengeName: first.ChallengeName, ChallengeResponses: c.answer(t, *f.pool, testPassword, first.ChallengeParameters, f.clk.Now()),
	}
	must(f.harness, api.RespondToAuthChallenge, answer)
	refused(f.harness, api.RespondToAuthChallenge, answer, "NotAuthorizedException", "Invalid session for the user, session can only be used once.")

	first, _ = f.srpStart(c, "ada")
	f.clk.Advance(3 * time.Minute)
	answer.ChallengeResponses = c.answer(t, *f.pool, testPassword, first.ChallengeParameters, f.clk.Now())
	refused(f.harness, api.RespondToAuthChallenge, answer, "NotAuthorizedException", "Invalid session for the user, session is expired.")

	first, _ = f.srpStart(c, "ada")
	answer.ChallengeResponses = c.answer(t, *f.pool, testPassword, first.ChallengeParameters, f.clk.Now().Add(-time.Hour))
	refused(f.harness, api.RespondToAuthChallenge, answer, "InvalidParameterException", "")
	answer.ChallengeResponses["PASSWORD_CLAIM_SECRET_BLOCK"] = "AAAA"
	refused(f.harness, api.RespondToAuthChallenge, answer, "NotAuthorizedException", "Invalid session for the user.")
	_, err = do(f.harness, api.InitiateAuth, &api.InitiateAuthInput{
		ClientId: f.client, AuthFlow: ptr("USER_SRP_AUTH"), AuthParameters: map[string]string{"USERNAME": "ada", "SRP_A": primeForTest},
	})
	if !isFault(err, "InvalidParameterException") {
		t.Errorf("SRP_A = N: %v", err)
	}
}

func TestMissingUsersAreHidden(t *testing.T) {
	f := newFixture(t, func(p *api.CreateUserPoolInput, c *api.CreateUserPoolClientInput) {
		p.UsernameAttributes = []string{"email"}
		c.PreventUserExistenceErrors = ptr("ENABLED")
	})
	f.signUpConfirmed("ada@example.com")
	for _, name := range []string{"ada@example.com", "eve@example.com"} {
		if _, err := f.passwordAuth(name, "Wrong-Horse-9"); err == nil || err.Error() != "NotAuthorizedException: Incorrect username or password." {
			t.Errorf("%s by password: %v", name, err)
		}
		if _, err := f.srpAuth(name, "Wrong-Horse-9"); err == nil || err.Error() != "NotAuthorizedException: Incorrect username or password." {
			t.Errorf("%s by proof: %v", name, err)
		}
		out := must(f.harness, api.ForgotPassword, &api.ForgotPasswordInput{ClientId: f.client, Username: ptr(name)})
		if *out.CodeDeliveryDetails.Destination != name[:1]+"***@e***" {
			t.Errorf("%s forgot: %s", name, *out.CodeDeliveryDetails.Destination)
		}
	}
	c := newSRPClient(t)
	one, _ := f.srpStart(c, "eve@example.com")
	two, _ := f.srpStart(c, "eve@example.com")
	if one.ChallengeParameters["SALT"] != two.ChallengeParameters["SALT"] || one.ChallengeParameters["USER_ID_FOR_SRP"] != two.ChallengeParameters["USER_ID_FOR_SRP"] {
		t.Error("the salt or id of a missing user changes: that gives it away")
	}
	if len(one.ChallengeParameters["USER_ID_FOR_SRP"]) != 36 {
		t.Errorf("id of a missing user %q", one.ChallengeParameters["USER_ID_FOR_SRP"])
	}
	refused(f.harness, api.ConfirmForgotPassword, &api.ConfirmForgotPasswordInput{
		ClientId: f.client, Username: ptr("eve@example.com"), ConfirmationCode: ptr("123456"), Password: ptr(testPassword),
	}, "CodeMismatchException", "")
}

func TestLockout(t *testing.T) {
	f := newFixture(t, nil)
	f.signUpConfirmed("ada")
	for range lockAfter {
		_, _ = f.passwordAuth("ada", "Wrong-Horse-9")
	}
	if _, err := f.passwordAuth("ada", testPassword); err == nil || err.Error() != "NotAuthorizedException: Password attempts exceeded" {
		t.Errorf("locked: %v", err)
	}
	f.clk.Advance(time.Second)
	_, _ = f.srpAuth("ada", "Wrong-Horse-9")
	f.clk.Advance(time.Second)
	if _, err := f.srpAuth("ada", testPassword); err == nil || err.Error() != "NotAuthorizedException: Password attempts exceeded" {
		t.Errorf("locked for two seconds: %v", err)
	}
	f.clk.Advance(time.Second)
	f.mustSignIn("ada", testPassword)
}

func TestGuardDoubles(t *testing.T) {
	g := guard{}
	for n := 1; n <= 20; n++ {
		g = g.fail(start)
		want := time.Duration(0)
		if n >= lockAfter {
			want = min(time.Second<<(n-lockAfter), lockMax)
		}
		if n < lockAfter && !g.Until.IsZero() || n >= lockAfter && g.Until.Sub(start) != want {
			t.Errorf("failure %d locks for %v, want %v", n, g.Until.Sub(start), want)
		}
	}
	if g = g.fail(start.Add(lockForget)); g.Failures != 1 {
		t.Errorf("after a quiet quarter of an hour: %d failures", g.Failures)
	}
}

func TestRefreshAndRevocation(t *testing.T) {
	f := newFixture(t, nil)
	f.signUpConfirmed("ada")
	first := f.mustSignIn("ada", testPassword)
	refresh := &api.InitiateAuthInput{ClientId: f.client, AuthFlow: ptr("REFRESH_TOKEN_AUTH"), AuthParameters: map[string]string{"REFRESH_TOKEN": *first.RefreshToken}}
	f.clk.Advance(2 * time.Hour)
	again := must(f.harness, api.InitiateAuth, refresh).AuthenticationResult
	if again.RefreshToken != nil {
		t.Error("refreshing gave a new refresh token")
	}
	claims := func(token *string) tokens.Claims {
		c, err := f.broker.VerifyToken(context.Background(), poolARN("000000000000", "us-east-1", *f.pool), *token, f.clk.Now())
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	c := claims(again.AccessToken)
	if got := c.All["auth_time"]; got != jsonNumber(start.Unix()) {
		t.Errorf("auth_time %v, want that of the sign-in", got)
	}
	other := f.mustSignIn("ada", testPassword)
	must(f.harness, api.RevokeToken, &api.RevokeTokenInput{ClientId: f.client, Token: first.RefreshToken})
	refused(f.harness, api.InitiateAuth, refresh, "NotAuthorizedException", "Refresh Token has been revoked")
	refused(f.harness, api.GetUser, &api.GetUserInput{AccessToken: again.AccessToken}, "NotAuthorizedException", "Access Token has been revoked")
	if err := f.broker.CheckSession(context.Background(), poolARN("000000000000", "us-east-1", *f.pool), c); !errors.Is(err, tokens.ErrRevoked) {
		t.Errorf("CheckSession: %v", err)
	}
	must(f.harness, api.GetUser, &api.GetUserInput{AccessToken: other.AccessToken})
	must(f.harness, api.GlobalSignOut, &api.GlobalSignOutInput{AccessToken: other.AccessToken})
	refused(f.harness, api.GetUser, &api.GetUserInput{AccessToken: other.AccessToken}, "NotAuthorizedException", "Access Token has been revoked")

	last := f.mustSignIn("ada", testPassword)
	f.clk.Advance(settings.DefaultRefreshValidity)
	refresh.AuthParameters["REFRESH_TOKEN"] = *last.RefreshToken
	refused(f.harness, api.InitiateAuth, refresh, "NotAuthorizedException", "Refresh Token has expired")
	refresh.AuthParameters["REFRESH_TOKEN"] = "nonsense"
	refused(f.harness, api.InitiateAuth, refresh, "NotAuthorizedException", "Invalid Refresh Token")
}

func TestSecretHash(t *testing.T) {
	f := newFixture(t, func(_ *api.CreateUserPoolInput, c *api.CreateUserPoolClientInput) { c.GenerateSecret = ptr(true) })
	secret := *must(f.harness, api.DescribeUserPoolClient, &api.DescribeUserPoolClientInput{UserPoolId: f.pool, ClientId: f.client}).UserPoolClient.ClientSecret
	in := &api.SignUpInput{ClientId: f.client, Username: ptr("ada"), Password: ptr(testPassword)}
	refused(f.harness, api.SignUp, in, "NotAuthorizedException", "Client "+*f.client+" is configured with secret but SECRET_HASH was not received")
	in.SecretHash = ptr("bm8=")
	refused(f.harness, api.SignUp, in, "NotAuthorizedException", "Unable to verify secret hash for client "+*f.client)
	in.SecretHash = ptr(secretHash(secret, "ada", *f.client))
	must(f.harness, api.SignUp, in)
}

func TestTemporaryPassword(t *testing.T) {
	f := newFixture(t, nil)
	must(f.harness, api.AdminCreateUser, &api.AdminCreateUserInput{UserPoolId: f.pool, Username: ptr("ada"), UserAttributes: attrs("email", "ada@example.com")})
	text := f.mail.sent[0].Text
	_, password, _ := strings.Cut(strings.TrimSuffix(text, "."), "temporary password is ")
	if !strings.Contains(text, "Your username is ada") || password == "" {
		t.Fatalf("invitation %q", text)
	}
	out, err := f.srpAuth("ada", password)
	if err != nil || *out.ChallengeName != "NEW_PASSWORD_REQUIRED" || out.ChallengeParameters["requiredAttributes"] != "[]" {
		t.Fatalf("challenge: %+v, %v", out, err)
	}
	answer := &api.RespondToAuthChallengeInput{
		ClientId: f.client, ChallengeName: out.ChallengeName, Session: out.Session,
		ChallengeResponses: map[string]string{"USERNAME": "ada", "NEW_PASSWORD": "short"},
	}
	refused(f.harness, api.RespondToAuthChallenge, answer, "InvalidPasswordException", "Password did not conform with policy: Password not long enough")
	answer.ChallengeResponses["NEW_PASSWORD"] = testPassword
	if done := must(f.harness, api.RespondToAuthChallenge, answer); done.AuthenticationResult == nil {
		t.Fatalf("no tokens: %+v", done)
	}
	refused(f.harness, api.RespondToAuthChallenge, answer, "NotAuthorizedException", "Invalid session for the user, session can only be used once.")
	f.mustSignIn("ada", testPassword)

	must(f.harness, api.AdminSetUserPassword, &api.AdminSetUserPasswordInput{UserPoolId: f.pool, Username: ptr("ada"), Password: ptr("Second-Horse-9"), Permanent: ptr(false)})
	f.clk.Advance(settings.DefaultTemporaryDays*24*time.Hour + time.Second)
	if _, err := f.passwordAuth("ada", "Second-Horse-9"); err == nil || !strings.Contains(err.Error(), "Temporary password has expired") {
		t.Errorf("old temporary password: %v", err)
	}
}

func TestUnsupportedFlows(t *testing.T) {
	f := newFixture(t, nil)
	f.signUpConfirmed("ada")
	for flow, message := range map[string]string{
		"USER_AUTH":                "AuthFlow USER_AUTH is not supported by this server.",
		"CUSTOM_AUTH":              "AuthFlow CUSTOM_AUTH is not supported by this server.",
		"ADMIN_USER_PASSWORD_AUTH": "Initiate Auth method not supported.",
	} {
		refused(f.harness, api.InitiateAuth, &api.InitiateAuthInput{
			ClientId: f.client, AuthFlow: ptr(flow), AuthParameters: map[string]string{"USERNAME": "ada", "PASSWORD": testPassword},
		}, "InvalidParameterException", message)
	}
	out := must(f.harness, api.AdminInitiateAuth, &api.AdminInitiateAuthInput{
		UserPoolId: f.pool, ClientId: f.client, AuthFlow: ptr("ADMIN_USER_PASSWORD_AUTH"),
		AuthParameters: map[string]string{"USERNAME": "ada", "PASSWORD": testPassword},
	})
	if out.AuthenticationResult == nil {
		t.Errorf("admin: %+v", out)
	}
	refused(f.harness, api.InitiateAuth, &api.InitiateAuthInput{ClientId: ptr("nosuch"), AuthFlow: ptr("USER_PASSWORD_AUTH")},
		"ResourceNotFoundException", "User pool client nosuch does not exist.")
}

func TestTriggers(t *testing.T) {
	arn := ptr("arn:aws:lambda:us-east-1:000000000000:function:f")
	f := newFixture(t, func(p *api.CreateUserPoolInput, _ *api.CreateUserPoolClientInput) {
		p.LambdaConfig = &api.LambdaConfigType{PreSignUp: arn, PostConfirmation: arn, PreAuthentication: arn, PostAuthentication: arn, PreTokenGeneration: arn}
	})
	f.lambda.handler = func(e map[string]any) (functions.Response, error) {
		switch e["triggerSource"] {
		case "PreSignUp_SignUp":
			return functions.Response{Payload: []byte(`{"response":{"autoConfirmUser":true,"autoVerifyEmail":true}}`)}, nil
		}
		return functions.Response{Payload: []byte(`{"response":{"claimsOverrideDetails":{"claimsToAddOrOverride":{"tier":"gold","sub":"evil"},"claimsToSuppress":["email"],"groupOverrideDetails":{"groupsToOverride":["vip"]}}}}`)}, nil
	}
	up := must(f.harness, api.SignUp, &api.SignUpInput{
		ClientId: f.client, Username: ptr("ada"), Password: ptr(testPassword), UserAttributes: attrs("email", "ada@example.com"), ValidationData: attrs("k", "v"),
	})
	if !*up.UserConfirmed || up.CodeDeliveryDetails != nil {
		t.Errorf("SignUp %+v", up)
	}
	result := f.mustSignIn("ada", testPassword)
	claims, err := f.broker.VerifyToken(context.Background(), poolARN("000000000000", "us-east-1", *f.pool), *result.IdToken, f.clk.Now())
	if err != nil {
		t.Fatal(err)
	}
	if claims.All["tier"] != "gold" || claims.Subject != *up.UserSub || claims.All["email"] != nil || len(claims.Groups) != 1 || claims.Groups[0] != "vip" {
		t.Errorf("claims %v", claims.All)
	}
	var sources []string
	for _, e := range f.lambda.events {
		sources = append(sources, e["triggerSource"].(string))
	}
	want := "PreSignUp_SignUp PostConfirmation_ConfirmSignUp PreAuthentication_Authentication TokenGeneration_Authentication PostAuthentication_Authentication"
	if got := strings.Join(sources, " "); got != want {
		t.Errorf("triggers %s, want %s", got, want)
	}
	f.lambda.handler = func(map[string]any) (functions.Response, error) {
		return functions.Response{FunctionError: "Unhandled", Payload: []byte(`{"errorMessage":"not you"}`)}, nil
	}
	if _, err := f.passwordAuth("ada", testPassword); err == nil || err.Error() != "UserLambdaValidationException: PreAuthentication failed with error not you." {
		t.Errorf("failing trigger: %v", err)
	}
}
