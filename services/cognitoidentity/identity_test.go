package cognitoidentity

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	api "moln.dev/moln/api/cognitoidentity"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/clock"
	"moln.dev/moln/engine/ident"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/memkv"
	"moln.dev/moln/engine/seal"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/platform/tokens"
)

const (
	provider = "cognito-idp.us-east-1.amazonaws.com/us-east-1_abc"
	client   = "app"
	authRole = "arn:aws:iam::000000000000:role/auth"
	vipRole  = "arn:aws:iam::000000000000:role/vip"
	anonRole = "arn:aws:iam::000000000000:role/anon"
)

// verifier takes a token for the claims it is written as.
type verifier struct{ revoked bool }

func (v *verifier) VerifyToken(_ context.Context, poolARN, token string, now time.Time) (tokens.Claims, error) {
	if poolARN != "arn:aws:cognito-idp:us-east-1:000000000000:userpool/us-east-1_abc" {
		return tokens.Claims{}, tokens.ErrUnknownPool
	}
	var all map[string]any
	if err := json.Unmarshal([]byte(token), &all); err != nil {
		return tokens.Claims{}, tokens.ErrBadSignature
	}
	c := tokens.Claims{Use: tokens.UseID, ClientID: client, All: all}
	c.Subject, _ = all["sub"].(string)
	c.PreferredRole, _ = all["role"].(string)
	if c.PreferredRole != "" {
		c.Roles = []string{c.PreferredRole}
	}
	return c, nil
}

func (v *verifier) CheckSession(context.Context, string, tokens.Claims) error {
	if v.revoked {
		return tokens.ErrRevoked
	}
	return nil
}

// backend remembers what was asked of it.
type backend struct {
	assumed []service.Assume
	judged  []service.Check
	refuse  bool
	ops     map[string]service.Operation
}

func (b *backend) Dispatch(ctx context.Context, c *service.Call, op smithy.Descriptor, in any) (any, error) {
	_, o := op.Of()
	return b.ops[o.Name].Call(ctx, c, in)
}

func (b *backend) Judge(_ context.Context, _ *service.Call, check service.Check) error {
	b.judged = append(b.judged, check)
	if b.refuse {
		return fault.New("AccessDeniedException", 400, "no")
	}
	return nil
}

func (b *backend) Assume(_ context.Context, c *service.Call, a service.Assume) (service.Session, error) {
	b.assumed = append(b.assumed, a)
	if b.refuse {
		return service.Session{}, fault.New("AccessDenied", 403, "no")
	}
	return service.Session{AccessKeyID: "ASIA", SecretAccessKey: "s", SessionToken: "t", Expires: c.Now.Add(a.Duration)}, nil
}

type harness struct {
	t        *testing.T
	s        *Service
	verifier *verifier
	backend  *backend
	clk      *clock.Fake
	pool     *string
}

func newHarness(t *testing.T, guests bool) *harness {
	t.Helper()
	clk := clock.NewFake(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	sealer, err := seal.New(seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	h := &harness{t: t, verifier: &verifier{}, backend: &backend{ops: map[string]service.Operation{}}, clk: clk}
	h.s = New(service.Deps{KV: kv.New(memkv.New()), Clock: clk, Ident: ident.NewSeeded(1, clk), Seal: sealer, Log: slog.New(slog.DiscardHandler)}, h.verifier)
	h.s.newKey = func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) }
	for _, op := range h.s.Definition().Operations {
		_, o := op.Of()
		h.backend.ops[o.Name] = op
	}
	h.pool = must(h, api.CreateIdentityPool, &api.CreateIdentityPoolInput{
		IdentityPoolName: p("pool"), AllowUnauthenticatedIdentities: &guests,
		CognitoIdentityProviders: []api.CognitoIdentityProvider{{ProviderName: p(provider), ClientId: p(client), ServerSideTokenCheck: p(true)}},
	}).IdentityPoolId
	must(h, api.SetIdentityPoolRoles, &api.SetIdentityPoolRolesInput{
		IdentityPoolId: h.pool, Roles: map[string]string{"authenticated": authRole, "unauthenticated": anonRole},
	})
	return h
}

func p[T any](v T) *T { return &v }

func do[In, Out any](h *harness, op smithy.Op[In, Out], in *In) (*Out, error) {
	h.t.Helper()
	_, o := op.Of()
	c := service.NewCall(h.backend, service.Call{Account: "000000000000", Region: "us-east-1", Now: h.clk.Now(), Log: slog.New(slog.DiscardHandler)})
	out, err := h.backend.ops[o.Name].Call(context.Background(), c, in)
	if err != nil {
		return nil, err
	}
	return out.(*Out), nil
}

func must[In, Out any](h *harness, op smithy.Op[In, Out], in *In) *Out {
	h.t.Helper()
	out, err := do(h, op, in)
	if err != nil {
		h.t.Fatal(err)
	}
	return out
}

func refused[In, Out any](h *harness, op smithy.Op[In, Out], in *In, code, message string) {
	h.t.Helper()
	_, err := do(h, op, in)
	f := fault.As(err)
	if f == nil || f.Code != code || message != "" && f.Message != message {
		h.t.Errorf("%v, want %s: %s", err, code, message)
	}
}

func logins(token string) map[string]string { return map[string]string{provider: token} }

func TestTableListsEveryOperationOnce(t *testing.T) {
	seen := map[string]int{}
	for _, op := range newHarness(t, true).s.Definition().Operations {
		_, o := op.Of()
		seen[o.Name]++
	}
	for _, o := range api.Schema.Operations {
		if seen[o.Name] != 1 {
			t.Errorf("%s is listed %d times", o.Name, seen[o.Name])
		}
	}
}

func TestCredentialsOfUser(t *testing.T) {
	h := newHarness(t, false)
	token := `{"sub":"u1"}`
	id1 := must(h, api.GetId, &api.GetIdInput{IdentityPoolId: h.pool, Logins: logins(token)}).IdentityId
	id2 := must(h, api.GetId, &api.GetIdInput{IdentityPoolId: h.pool, Logins: logins(token)}).IdentityId
	if *id1 != *id2 || !strings.HasPrefix(*id1, "us-east-1:") {
		t.Errorf("identities %s, %s", *id1, *id2)
	}
	out := must(h, api.GetCredentialsForIdentity, &api.GetCredentialsForIdentityInput{IdentityId: id1, Logins: logins(token)})
	a := h.backend.assumed[0]
	if *out.Credentials.SecretKey != "s" || a.RoleARN != authRole || a.Action != "sts:AssumeRoleWithWebIdentity" || a.Policy != "" {
		t.Errorf("credentials %+v by %+v", out.Credentials, a)
	}
	keys := a.Web.Keys
	if !slices.Equal(keys["cognito-identity.amazonaws.com:aud"], []string{*h.pool}) || !slices.Equal(keys["cognito-identity.amazonaws.com:sub"], []string{*id1}) ||
		!slices.Equal(keys["cognito-identity.amazonaws.com:amr"], []string{"authenticated", provider, provider + ":CognitoSignIn:u1"}) {
		t.Errorf("keys %v", keys)
	}
	refused(h, api.GetCredentialsForIdentity, &api.GetCredentialsForIdentityInput{IdentityId: id1}, "NotAuthorizedException", "Access to Identity '"+*id1+"' is forbidden.")
	refused(h, api.GetCredentialsForIdentity, &api.GetCredentialsForIdentityInput{IdentityId: id1, Logins: logins(`{"sub":"u2"}`)},
		"NotAuthorizedException", "Logins don't match. Please include at least one valid login for this identity or identity pool.")
	refused(h, api.GetCredentialsForIdentity, &api.GetCredentialsForIdentityInput{IdentityId: id1, Logins: logins("junk")},
		"NotAuthorizedException", "Invalid login token. Token signature invalid.")
	refused(h, api.GetId, &api.GetIdInput{IdentityPoolId: h.pool}, "NotAuthorizedException", "Unauthenticated access is not supported for this identity pool.")
	refused(h, api.GetId, &api.GetIdInput{IdentityPoolId: h.pool, Logins: map[string]string{"accounts.google.com": "x"}},
		"NotAuthorizedException", "Token is not from a supported provider of this identity pool.")
	h.verifier.revoked = true
	refused(h, api.GetCredentialsForIdentity, &api.GetCredentialsForIdentityInput{IdentityId: id1, Logins: logins(token)}, "NotAuthorizedException", "")
	h.verifier.revoked, h.backend.refuse = false, true
	refused(h, api.GetCredentialsForIdentity, &api.GetCredentialsForIdentityInput{IdentityId: id1, Logins: logins(token)},
		"InvalidIdentityPoolConfigurationException", "Invalid identity pool configuration. Check assigned IAM roles for this pool.")
}

func TestGuests(t *testing.T) {
	h := newHarness(t, true)
	guest := must(h, api.GetId, &api.GetIdInput{IdentityPoolId: h.pool}).IdentityId
	must(h, api.GetCredentialsForIdentity, &api.GetCredentialsForIdentityInput{IdentityId: guest})
	a := h.backend.assumed[0]
	if a.RoleARN != anonRole || a.Policy != guestPolicy || !slices.Equal(a.Web.Keys["cognito-identity.amazonaws.com:amr"], []string{"unauthenticated"}) {
		t.Errorf("guest %+v", a)
	}
	if !json.Valid([]byte(guestPolicy)) || len(guestPolicy) > 2048 {
		t.Errorf("guest policy of %d bytes is no session policy", len(guestPolicy))
	}
	// A guest who signs in keeps the identity, and comes back to it later.
	token := logins(`{"sub":"u1"}`)
	must(h, api.GetCredentialsForIdentity, &api.GetCredentialsForIdentityInput{IdentityId: guest, Logins: token})
	if id := must(h, api.GetId, &api.GetIdInput{IdentityPoolId: h.pool, Logins: token}).IdentityId; *id != *guest {
		t.Errorf("identity %s, want %s", *id, *guest)
	}
	// Another guest who signs in as the same user is given that identity.
	other := must(h, api.GetId, &api.GetIdInput{IdentityPoolId: h.pool}).IdentityId
	out := must(h, api.GetCredentialsForIdentity, &api.GetCredentialsForIdentityInput{IdentityId: other, Logins: token})
	if *out.IdentityId != *guest {
		t.Errorf("identity %s, want %s", *out.IdentityId, *guest)
	}
	refused(h, api.DescribeIdentity, &api.DescribeIdentityInput{IdentityId: other}, "ResourceNotFoundException", "")
	if list := must(h, api.ListIdentities, &api.ListIdentitiesInput{IdentityPoolId: h.pool, MaxResults: p(int32(10))}); len(list.Identities) != 1 || list.Identities[0].Logins[0] != provider {
		t.Errorf("identities %+v", list.Identities)
	}
	must(h, api.DeleteIdentityPool, &api.DeleteIdentityPoolInput{IdentityPoolId: h.pool})
	refused(h, api.GetCredentialsForIdentity, &api.GetCredentialsForIdentityInput{IdentityId: guest, Logins: token}, "ResourceNotFoundException", "")
}

func TestChooseRole(t *testing.T) {
	rule := func(claim, match, value string) api.RoleMapping {
		return api.RoleMapping{Type: p("Rules"), AmbiguousRoleResolution: p("Deny"), RulesConfiguration: &api.RulesConfigurationType{
			Rules: []api.MappingRule{{Claim: &claim, MatchType: &match, Value: &value, RoleARN: p(vipRole)}},
		}}
	}
	token := func(resolution string) api.RoleMapping {
		return api.RoleMapping{Type: p("Token"), AmbiguousRoleResolution: &resolution}
	}
	claims := func(all map[string]any, roles ...string) *login {
		c := tokens.Claims{ClientID: client, All: all, Roles: roles}
		if len(roles) == 1 {
			c.PreferredRole = roles[0]
		}
		return &login{provider, c}
	}
	for name, tt := range map[string]struct {
		mapping *api.RoleMapping
		login   *login
		custom  string
		want    string // "": refused
	}{
		"guest":                     {nil, nil, "", anonRole},
		"guest with custom role":    {nil, nil, vipRole, ""},
		"no mapping":                {nil, claims(nil, vipRole), "", authRole},
		"no mapping, custom":        {nil, claims(nil, vipRole), vipRole, ""},
		"preferred":                 {p(token("Deny")), claims(nil, vipRole), "", vipRole},
		"custom among roles":        {p(token("Deny")), claims(nil, authRole, vipRole), vipRole, vipRole},
		"custom not among roles":    {p(token("Deny")), claims(nil, authRole), vipRole, ""},
		"ambiguous denied":          {p(token("Deny")), claims(nil, authRole, vipRole), "", ""},
		"ambiguous falls back":      {p(token("AuthenticatedRole")), claims(nil, anonRole, vipRole), "", authRole},
		"rule equals":               {p(rule("tier", "Equals", "gold")), claims(map[string]any{"tier": "gold"}), "", vipRole},
		"rule equals not":           {p(rule("tier", "Equals", "gold")), claims(map[string]any{"tier": "iron"}), "", ""},
		"rule contains in list":     {p(rule("g", "Contains", "b")), claims(map[string]any{"g": []any{"a", "b"}}), "", vipRole},
		"rule starts":               {p(rule("tier", "StartsWith", "go")), claims(map[string]any{"tier": "gold"}), "", vipRole},
		"rule not equal":            {p(rule("tier", "NotEqual", "iron")), claims(map[string]any{"tier": "gold"}), "", vipRole},
		"rule not equal, no claim":  {p(rule("tier", "NotEqual", "iron")), claims(map[string]any{}), "", ""},
		"rules do not take customs": {p(rule("tier", "Equals", "gold")), claims(map[string]any{"tier": "gold"}), vipRole, ""},
	} {
		up := &pool{Roles: map[string]string{"authenticated": authRole, "unauthenticated": anonRole}}
		if tt.mapping != nil {
			up.Mappings = map[string]api.RoleMapping{provider + ":" + client: *tt.mapping}
		}
		got, err := chooseRole(up, tt.login, tt.custom)
		if got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%s: %q, %v; want %q", name, got, err, tt.want)
		}
	}
}

func TestOtherProvidersAreRefused(t *testing.T) {
	h := newHarness(t, true)
	for _, in := range []*api.CreateIdentityPoolInput{
		{SupportedLoginProviders: map[string]string{"accounts.google.com": "x"}},
		{DeveloperProviderName: p("dev")},
		{SamlProviderARNs: []string{"arn:aws:iam::000000000000:saml-provider/x"}},
		{OpenIdConnectProviderARNs: []string{"arn:aws:iam::000000000000:oidc-provider/x"}},
	} {
		in.IdentityPoolName, in.AllowUnauthenticatedIdentities = p("x"), p(false)
		refused(h, api.CreateIdentityPool, in, "InvalidParameterException", "")
	}
	h.backend.refuse = true
	refused(h, api.SetIdentityPoolRoles, &api.SetIdentityPoolRolesInput{IdentityPoolId: h.pool, Roles: map[string]string{"authenticated": vipRole}}, "AccessDeniedException", "")
	if last := h.backend.judged[len(h.backend.judged)-1]; last.Action != "iam:PassRole" || last.Resource != vipRole {
		t.Errorf("judged %+v", last)
	}
}

func TestClassicFlow(t *testing.T) {
	h := newHarness(t, true)
	guest := must(h, api.GetId, &api.GetIdInput{IdentityPoolId: h.pool}).IdentityId
	refused(h, api.GetOpenIdToken, &api.GetOpenIdTokenInput{IdentityId: guest}, "InvalidParameterException", "Basic (classic) flow is not enabled, please use enhanced flow.")
	settings := *must(h, api.DescribeIdentityPool, &api.DescribeIdentityPoolInput{IdentityPoolId: h.pool})
	settings.AllowClassicFlow = p(true)
	must(h, api.UpdateIdentityPool, &settings)
	token, err := tokens.Parse(*must(h, api.GetOpenIdToken, &api.GetOpenIdTokenInput{IdentityId: guest}).Token)
	if err != nil || token.Verify(tokens.RS512, &h.s.key.key.PublicKey) != nil || token.Claims["aud"] != *h.pool || token.Claims["sub"] != *guest {
		t.Errorf("token %+v, %v", token, err)
	}
	h.verifyTokens(*guest)
	e := h.s.Definition().Endpoints[0]
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", "https://cognito-identity.amazonaws.com/.well-known/jwks_uri", nil)
	if !e.Match(r, "cognito-identity.amazonaws.com") {
		t.Fatal("key set is not served")
	}
	e.Serve(w, r, &service.Call{Log: slog.New(slog.DiscardHandler)})
	if !strings.Contains(w.Body.String(), token.KeyID) {
		t.Errorf("key set %s lacks %s", w.Body, token.KeyID)
	}
}

// verifyTokens asks for tokens of identityID what sts asks.
func (h *harness) verifyTokens(identityID string) {
	h.t.Helper()
	ctx := context.Background()
	c := &service.Call{Now: h.clk.Now()}
	token := *must(h, api.GetOpenIdToken, &api.GetOpenIdTokenInput{IdentityId: &identityID}).Token
	got, err := h.s.VerifyWebToken(ctx, c, token)
	if err != nil || got == nil || got.Subject != identityID || got.Audience != *h.pool || got.Provider != "cognito-identity.amazonaws.com" ||
		got.Keys["cognito-identity.amazonaws.com:amr"][0] != "unauthenticated" || got.Keys["cognito-identity.amazonaws.com:aud"][0] != *h.pool {
		h.t.Errorf("verified %+v, %v", got, err)
	}
	late := &service.Call{Now: h.clk.Now().Add(openIDValidity)}
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		h.t.Fatal(err)
	}
	sign := func(kid string, key *rsa.PrivateKey, claims map[string]any) string {
		s, err := tokens.Sign(tokens.RS512, kid, key, claims)
		if err != nil {
			h.t.Fatal(err)
		}
		return s
	}
	claims := map[string]any{"iss": openIDIssuer, "aud": *h.pool, "sub": identityID, "exp": h.clk.Now().Add(time.Hour).Unix()}
	for _, tt := range []struct {
		name, token string
		c           *service.Call
		want        error
	}{
		{"expired", token, late, tokens.ErrExpired},
		{"not a token", "abc", c, tokens.ErrMalformed},
		{"another's signature", sign(h.s.key.kid, other, claims), c, tokens.ErrBadSignature},
		{"another's key", sign("else", other, claims), c, tokens.ErrBadSignature},
		{"without expiry", sign(h.s.key.kid, h.s.key.key, map[string]any{"iss": openIDIssuer}), c, tokens.ErrMalformed},
		{"another issuer", sign(h.s.key.kid, h.s.key.key, map[string]any{"iss": "https://example.com"}), c, nil},
	} {
		if got, err := h.s.VerifyWebToken(ctx, tt.c, tt.token); got != nil || !errors.Is(err, tt.want) {
			h.t.Errorf("%s: %v, %v; want %v", tt.name, got, err, tt.want)
		}
	}
}
