package sts

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	api "moln.dev/moln/api/sts"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/clock"
	"moln.dev/moln/engine/ident"
	"moln.dev/moln/engine/seal"
	"moln.dev/moln/platform/identity"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/platform/tokens"
)

const (
	account  = "000000000000"
	provider = "cognito-identity.amazonaws.com"
)

// roles are the roles there are, by name.
type roles map[string]identity.Role

// Role implements identity.Roles.
func (r roles) Role(_ context.Context, account, name string) (identity.Role, error) {
	role, ok := r[name]
	if !ok || role.Account != account {
		return identity.Role{}, identity.ErrNoRole
	}
	return role, nil
}

// web knows the tokens "good", "expired", "broken" and "failing".
type web struct{}

var errStore = errors.New("the store does not answer")

// VerifyWebToken implements service.WebTokens.
func (web) VerifyWebToken(_ context.Context, _ *service.Call, token string) (*service.WebToken, error) {
	switch token {
	case "good":
		return &service.WebToken{
			WebIdentity: service.WebIdentity{Provider: provider, Keys: map[string][]string{
				provider + ":aud": {"pool"}, provider + ":sub": {"id"}, provider + ":amr": {"authenticated"},
			}},
			Subject: "id", Audience: "pool",
		}, nil
	case "expired":
		return nil, tokens.ErrExpired
	case "broken":
		return nil, tokens.ErrBadSignature
	case "failing":
		return nil, errStore
	}
	return nil, nil
}

// backend judges with the policies of one caller, as the gateway does.
type backend struct {
	s        *Service
	identity []*policy.Policy
	judged   []string
}

// Dispatch implements service.Backend.
func (b *backend) Dispatch(ctx context.Context, c *service.Call, d smithy.Descriptor, in any) (any, error) {
	_, op := d.Of()
	for _, o := range b.s.Definition().Operations {
		if _, have := o.Of(); have == op {
			return o.Call(ctx, c, in)
		}
	}
	return nil, errors.New("no such operation")
}

// Judge implements service.Backend.
func (b *backend) Judge(_ context.Context, c *service.Call, check service.Check) error {
	b.judged = append(b.judged, check.Action)
	d := policy.Evaluate(policy.Request{
		Principal: c.Caller.Principal, Action: check.Action, Resource: check.Resource,
		ResourceAccount: check.Account, ResourcePolicyMandatory: check.PolicyMandatory, Context: check.Context,
	}, policy.Set{Identity: b.identity, Resource: check.Policy})
	if d.Allowed {
		return nil
	}
	return check.Fault(d)
}

// Assume implements service.Backend.
func (b *backend) Assume(ctx context.Context, c *service.Call, a service.Assume) (service.Session, error) {
	return b.s.AssumeRole(ctx, c, a)
}

type harness struct {
	t       *testing.T
	s       *Service
	b       *backend
	clk     *clock.Fake
	roles   roles
	caller  identity.Principal
	account string
}

func newHarness(t *testing.T) *harness {
	t.Helper()
	clk := clock.NewFake(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	sealer, err := seal.New(seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	h := &harness{t: t, clk: clk, roles: roles{}, account: account}
	h.s = New(service.Deps{Clock: clk, Ident: ident.NewSeeded(1, clk), Seal: sealer, Log: slog.New(slog.DiscardHandler)}, h.roles, web{})
	h.b = &backend{s: h.s}
	h.as(user("ann"))
	h.allow(`"sts:*"`)
	return h
}

func user(name string) identity.Principal {
	return identity.Principal{Principal: policy.Principal{
		Kind: policy.User, ARN: "arn:aws:iam::" + account + ":user/" + name, AccountID: account, UserID: "AIDA" + name,
	}, UserName: name}
}

func (h *harness) as(p identity.Principal) { h.caller = p }

// allow gives the caller an identity policy with the actions.
func (h *harness) allow(actions string) {
	h.b.identity = []*policy.Policy{h.parse(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":[`+actions+`],"Resource":"*"}]}`, policy.Identity)}
}

func (h *harness) parse(doc string, k policy.Kind) *policy.Policy {
	h.t.Helper()
	p, err := policy.Parse([]byte(doc), k)
	if err != nil {
		h.t.Fatal(err)
	}
	return p
}

// role makes a role with one trust statement.
func (h *harness) role(name, statement string, longest time.Duration) string {
	h.t.Helper()
	r := identity.Role{
		Name: name, ARN: "arn:aws:iam::" + account + ":role/" + name, ID: "AROA" + name, Account: account, MaxSessionDuration: longest,
		Tags: map[string]string{"Team": "blue", "kept": "k"}, Trust: h.parse(`{"Version":"2012-10-17","Statement":[`+statement+`]}`, policy.Trust),
	}
	h.roles[name] = r
	return r.ARN
}

const trustAccount = `{"Effect":"Allow","Principal":{"AWS":"` + account + `"},"Action":["sts:AssumeRole","sts:TagSession"]}`

func do[In, Out any](h *harness, op smithy.Op[In, Out], in *In) (*Out, error) {
	c := service.NewCall(h.b, service.Call{Caller: h.caller, Account: h.account, Region: "us-east-1", Now: h.clk.Now(), Log: slog.New(slog.DiscardHandler)})
	return service.Invoke(context.Background(), c, op, in)
}

func must[In, Out any](h *harness, op smithy.Op[In, Out], in *In) *Out {
	h.t.Helper()
	out, err := do(h, op, in)
	if err != nil {
		h.t.Fatal(err)
	}
	return out
}

func refused[In, Out any](h *harness, op smithy.Op[In, Out], in *In, code string, status int, message string) {
	h.t.Helper()
	_, err := do(h, op, in)
	f := fault.As(err)
	if f == nil || f.Code != code || f.Status != status || f.Message != message {
		h.t.Errorf("got %v\nwant %d %s: %s", err, status, code, message)
	}
}

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

func TestDurationOf(t *testing.T) {
	const m, h = time.Minute, time.Hour
	for _, tt := range []struct {
		asked, longest time.Duration
		chained        bool
		want           time.Duration
		wrong          string
	}{
		{0, h, false, h, ""},
		{0, 0, false, h, ""},
		{15 * m, h, false, 15 * m, ""},
		{14 * m, h, false, 0, "greater than or equal to 900"},
		{2 * h, h, false, 0, "exceeds the MaxSessionDuration set for this role"},
		{12 * h, 12 * h, false, 12 * h, ""},
		{h, 12 * h, true, h, ""},
		{2 * h, 12 * h, true, 0, "1 hour session limit for roles assumed by role chaining"},
	} {
		got, err := durationOf(tt.asked, tt.longest, tt.chained)
		if got != tt.want || (err == nil) != (tt.wrong == "") || (err != nil && !strings.Contains(err.Error(), tt.wrong)) {
			t.Errorf("%+v: %v, %v", tt, got, err)
		}
	}
}

// credential resolves what an answer gave out.
func (h *harness) credential(c *api.Credentials) identity.Credential {
	h.t.Helper()
	cred, err := h.s.Credential(context.Background(), *c.AccessKeyId, *c.SessionToken)
	if err != nil {
		h.t.Fatal(err)
	}
	if cred.Secret != *c.SecretAccessKey {
		h.t.Error("the secret is another")
	}
	return cred
}

func TestAssumeRole(t *testing.T) {
	h := newHarness(t)
	arn := h.role("worker", trustAccount, 2*time.Hour)
	out := must(h, api.AssumeRole, &api.AssumeRoleInput{
		RoleArn: &arn, RoleSessionName: new("me@work"), DurationSeconds: new(int32(7200)),
		Tags: []api.Tag{{Key: new("team"), Value: new("red")}},
	})
	if *out.AssumedRoleUser.Arn != "arn:aws:sts::000000000000:assumed-role/worker/me@work" || *out.AssumedRoleUser.AssumedRoleId != "AROAworker:me@work" {
		t.Errorf("assumed %+v", out.AssumedRoleUser)
	}
	if got := *out.Credentials.Expiration; !got.Equal(h.clk.Now().Add(2 * time.Hour)) {
		t.Errorf("expires %s", got)
	}
	p := h.credential(out.Credentials).Principal
	if p.Kind != policy.AssumedRole || p.RoleARN != arn || p.UserID != "AROAworker:me@work" || p.SessionName != "me@work" || !p.Issued.Equal(h.clk.Now()) {
		t.Errorf("principal %+v", p)
	}
	if d := cmp.Diff(map[string]string{"team": "red", "kept": "k"}, p.Tags); d != "" {
		t.Errorf("tags (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{"sts:AssumeRole", "sts:TagSession"}, h.b.judged); d != "" {
		t.Errorf("judged (-want +got):\n%s", d)
	}
	// A session that assumes a role lives an hour at most (T2).
	h.as(p)
	refused(h, api.AssumeRole, &api.AssumeRoleInput{RoleArn: &arn, RoleSessionName: new("me"), DurationSeconds: new(int32(7200))},
		"ValidationError", 400, "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining")
	must(h, api.AssumeRole, &api.AssumeRoleInput{RoleArn: &arn, RoleSessionName: new("me")})
}

func TestAssumeRoleRefusals(t *testing.T) {
	h := newHarness(t)
	arn := h.role("worker", trustAccount, time.Hour)
	denied := func(action, role string) string {
		return "User: arn:aws:iam::000000000000:user/ann is not authorized to perform: " + action + " on resource: " + role
	}
	in := func(change func(*api.AssumeRoleInput)) *api.AssumeRoleInput {
		in := &api.AssumeRoleInput{RoleArn: &arn, RoleSessionName: new("me")}
		change(in)
		return in
	}
	refused(h, api.AssumeRole, in(func(in *api.AssumeRoleInput) { in.RoleArn = new(arn + "s") }), "AccessDenied", 403, denied("sts:AssumeRole", arn+"s"))
	refused(h, api.AssumeRole, in(func(in *api.AssumeRoleInput) { in.RoleArn = new("arn:aws:iam::000000000000:role/path/worker") }), "AccessDenied", 403, denied("sts:AssumeRole", "arn:aws:iam::000000000000:role/path/worker"))
	refused(h, api.AssumeRole, in(func(in *api.AssumeRoleInput) { in.RoleArn = new("arn:aws:iam::000000000000:user/worker") }), "ValidationError", 400, "arn:aws:iam::000000000000:user/worker is invalid")
	refused(h, api.AssumeRole, in(func(in *api.AssumeRoleInput) { in.RoleArn = new("worker") }), "ValidationError", 400, "worker is invalid")
	refused(h, api.AssumeRole, in(func(in *api.AssumeRoleInput) { in.SerialNumber, in.TokenCode = new("mfa"), new("123456") }), "AccessDenied", 403, "MultiFactorAuthentication failed with invalid MFA one time pass code.")
	refused(h, api.AssumeRole, in(func(in *api.AssumeRoleInput) { in.SourceIdentity = new("ann") }), "ValidationError", 400, "moln does not support trusted contexts, transitive tags and source identities")
	refused(h, api.AssumeRole, in(func(in *api.AssumeRoleInput) {
		in.Tags = []api.Tag{{Key: new("a"), Value: new("1")}, {Key: new("A"), Value: new("2")}}
	}), "ValidationError", 400, "Duplicate tag keys found. Please note that Tag keys are case insensitive.")
	refused(h, api.AssumeRole, in(func(in *api.AssumeRoleInput) { in.Policy = new(strings.Repeat("x", 4096)) }), "PackedPolicyTooLarge", 400, "Packed policy consumes 200% of allotted space, please use smaller policy.")
	if _, err := do(h, api.AssumeRole, in(func(in *api.AssumeRoleInput) { in.Policy = new("{}") })); !fault.Is(err, "MalformedPolicyDocument") {
		t.Errorf("empty session policy: %v", err)
	}
	h.b.identity = nil
	refused(h, api.AssumeRole, in(func(*api.AssumeRoleInput) {}), "AccessDenied", 403, denied("sts:AssumeRole", arn))
	// The trust policy has to name the caller even where his own allow (T1).
	h.allow(`"sts:*"`)
	other := h.role("theirs", `{"Effect":"Allow","Principal":{"AWS":"111111111111"},"Action":"sts:AssumeRole"}`, time.Hour)
	refused(h, api.AssumeRole, &api.AssumeRoleInput{RoleArn: &other, RoleSessionName: new("me")}, "AccessDenied", 403, denied("sts:AssumeRole", other))
	// Tags need their own permission.
	untagged := h.role("plain", `{"Effect":"Allow","Principal":{"AWS":"`+account+`"},"Action":"sts:AssumeRole"}`, time.Hour)
	must(h, api.AssumeRole, &api.AssumeRoleInput{RoleArn: &untagged, RoleSessionName: new("me")})
	refused(h, api.AssumeRole, &api.AssumeRoleInput{RoleArn: &untagged, RoleSessionName: new("me"), Tags: []api.Tag{{Key: new("a"), Value: new("1")}}}, "AccessDenied", 403, denied("sts:TagSession", untagged))
}

func TestExternalID(t *testing.T) {
	h := newHarness(t)
	arn := h.role("worker", `{"Effect":"Allow","Principal":{"AWS":"`+account+`"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:ExternalId":"secret"}}}`, time.Hour)
	for _, tt := range []struct {
		id *string
		ok bool
	}{{nil, false}, {new("guess"), false}, {new("secret"), true}} {
		_, err := do(h, api.AssumeRole, &api.AssumeRoleInput{RoleArn: &arn, RoleSessionName: new("me"), ExternalId: tt.id})
		if (err == nil) != tt.ok {
			t.Errorf("external id %v: %v", smithy.Val(tt.id), err)
		}
	}
}

func TestSessionPolicyLimits(t *testing.T) {
	h := newHarness(t)
	arn := h.role("worker", trustAccount, time.Hour)
	doc := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}`
	in := &api.AssumeRoleInput{RoleArn: &arn, RoleSessionName: new("me"), Policy: &doc}
	for range policyARNsMax {
		in.PolicyArns = append(in.PolicyArns, api.PolicyDescriptorType{Arn: new("arn:aws:iam::aws:policy/ReadOnlyAccess")})
	}
	out := must(h, api.AssumeRole, in)
	if p := h.credential(out.Credentials).Principal; len(p.SessionPolicies) != policyARNsMax+1 || p.SessionPolicies[0] != doc || *out.PackedPolicySize < 1 {
		t.Errorf("session policies %v, packed %d", p.SessionPolicies, *out.PackedPolicySize)
	}
	in.PolicyArns = append(in.PolicyArns, in.PolicyArns[0])
	if _, err := do(h, api.AssumeRole, in); !fault.Is(err, "ValidationError") {
		t.Errorf("eleven policies: %v", err)
	}
}

func TestWebIdentity(t *testing.T) {
	h := newHarness(t)
	h.as(identity.Anonymous())
	arn := h.role("guest", `{"Effect":"Allow","Principal":{"Federated":"`+provider+`"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{
		"StringEquals":{"`+provider+`:aud":"pool"},"ForAnyValue:StringLike":{"`+provider+`:amr":"authenticated"}}}`, time.Hour)
	strict := h.role("strict", `{"Effect":"Allow","Principal":{"Federated":"`+provider+`"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"`+provider+`:aud":"other"}}}`, time.Hour)
	in := func(role, token string) *api.AssumeRoleWithWebIdentityInput {
		return &api.AssumeRoleWithWebIdentityInput{RoleArn: &role, RoleSessionName: new("web"), WebIdentityToken: &token}
	}
	out := must(h, api.AssumeRoleWithWebIdentity, in(arn, "good"))
	if *out.SubjectFromWebIdentityToken != "id" || *out.Audience != "pool" || *out.Provider != provider || *out.AssumedRoleUser.Arn != "arn:aws:sts::000000000000:assumed-role/guest/web" {
		t.Errorf("answer %+v", out)
	}
	if p := h.credential(out.Credentials).Principal; p.Federated != provider || p.WebKeys[provider+":sub"][0] != "id" {
		t.Errorf("principal %+v", p)
	}
	refused(h, api.AssumeRoleWithWebIdentity, in(strict, "good"), "AccessDenied", 403, "Not authorized to perform sts:AssumeRoleWithWebIdentity")
	refused(h, api.AssumeRoleWithWebIdentity, in(arn+"s", "good"), "AccessDenied", 403, "Not authorized to perform sts:AssumeRoleWithWebIdentity")
	refused(h, api.AssumeRoleWithWebIdentity, in(arn, "expired"), "ExpiredTokenException", 400, "Token expired: current date/time 1767323045 must be before the expiration date/time of the token")
	refused(h, api.AssumeRoleWithWebIdentity, in(arn, "broken"), "InvalidIdentityToken", 400, "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)")
	refused(h, api.AssumeRoleWithWebIdentity, in(arn, "unknown"), "InvalidIdentityToken", 400, "No OpenIDConnect provider found in your account for this token")
	if _, err := do(h, api.AssumeRoleWithWebIdentity, in(arn, "failing")); !errors.Is(err, errStore) || fault.As(err) != nil {
		t.Errorf("a failing store: %v", err)
	}
}

func TestServicesAssumeRoles(t *testing.T) {
	h := newHarness(t)
	arn := h.role("lambda", `{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}`, time.Hour)
	c := service.NewCall(h.b, service.Call{Account: account, Now: h.clk.Now()})
	ses, err := c.As(identity.Service("lambda.amazonaws.com", account, "")).AssumeRole(context.Background(), service.Assume{RoleARN: arn, SessionName: "fn", Policy: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}`})
	if err != nil || ses.Principal.RoleARN != arn || !ses.Expires.Equal(h.clk.Now().Add(time.Hour)) || len(ses.Principal.SessionPolicies) != 1 {
		t.Errorf("session %+v, %v", ses, err)
	}
	_, err = c.As(identity.Service("s3.amazonaws.com", account, "")).AssumeRole(context.Background(), service.Assume{RoleARN: arn, SessionName: "fn"})
	if f := fault.As(err); f == nil || f.Message != "User: s3.amazonaws.com is not authorized to perform: sts:AssumeRole on resource: "+arn || f.Why == "" {
		t.Errorf("another service: %v", err)
	}
}

func TestCredential(t *testing.T) {
	h := newHarness(t)
	arn := h.role("worker", trustAccount, time.Hour)
	open := func() *api.Credentials {
		return must(h, api.AssumeRole, &api.AssumeRoleInput{RoleArn: &arn, RoleSessionName: new("me")}).Credentials
	}
	a, b := open(), open()
	changed := "A" + (*a.SessionToken)[1:]
	if changed == *a.SessionToken {
		changed = "B" + (*a.SessionToken)[1:]
	}
	for _, tt := range []struct {
		name, key, token string
		want             error
	}{
		{"its own", *a.AccessKeyId, *a.SessionToken, nil},
		{"another's token", *a.AccessKeyId, *b.SessionToken, identity.ErrBadToken},
		{"no token", *a.AccessKeyId, "", identity.ErrBadToken},
		{"no envelope", *a.AccessKeyId, "abc", identity.ErrBadToken},
		{"a changed token", *a.AccessKeyId, changed, identity.ErrBadToken},
		{"a token for another use", *a.AccessKeyId, h.s.deps.Seal.SealToken("other", []byte(`{"k":"`+*a.AccessKeyId+`"}`)), identity.ErrBadToken},
		{"a long-term key", "AKIA1234", "", identity.ErrUnknownKey},
	} {
		if _, err := h.s.Credential(context.Background(), tt.key, tt.token); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
	h.clk.Advance(time.Hour - time.Second)
	h.credential(a)
	h.clk.Advance(time.Second)
	if _, err := h.s.Credential(context.Background(), *a.AccessKeyId, *a.SessionToken); !errors.Is(err, identity.ErrExpired) {
		t.Errorf("after an hour: %v", err)
	}
}

func TestGetSessionToken(t *testing.T) {
	h := newHarness(t)
	out := must(h, api.GetSessionToken, &api.GetSessionTokenInput{})
	if !out.Credentials.Expiration.Equal(h.clk.Now().Add(12 * time.Hour)) {
		t.Errorf("a user's token expires %s", out.Credentials.Expiration)
	}
	p := h.credential(out.Credentials).Principal
	if p.Kind != policy.User || p.ARN != h.caller.ARN || p.UserName != "ann" {
		t.Errorf("principal %+v", p)
	}
	out = must(h, api.GetSessionToken, &api.GetSessionTokenInput{DurationSeconds: new(int32(129600))})
	if !out.Credentials.Expiration.Equal(h.clk.Now().Add(36 * time.Hour)) {
		t.Errorf("the longest token expires %s", out.Credentials.Expiration)
	}
	refused(h, api.GetSessionToken, &api.GetSessionTokenInput{DurationSeconds: new(int32(899))}, "ValidationError", 400, "The requested DurationSeconds must be between 900 and 129600")
	refused(h, api.GetSessionToken, &api.GetSessionTokenInput{TokenCode: new("123456")}, "ValidationError", 400, "moln has no MFA devices")
	h.as(identity.Principal{Principal: policy.Principal{Kind: policy.Root, ARN: "arn:aws:iam::000000000000:root", AccountID: account, UserID: account}})
	out = must(h, api.GetSessionToken, &api.GetSessionTokenInput{DurationSeconds: new(int32(129600))})
	if !out.Credentials.Expiration.Equal(h.clk.Now().Add(time.Hour)) {
		t.Errorf("root's token expires %s", out.Credentials.Expiration)
	}
	h.as(identity.Principal{Principal: policy.Principal{Kind: policy.AssumedRole}})
	refused(h, api.GetSessionToken, &api.GetSessionTokenInput{}, "AccessDenied", 403, "Cannot call GetSessionToken with session credentials")
}

// TestSessionsOfUsersCannotRenewThemselves: a token from GetSessionToken does
// not open the next one.
func TestSessionsOfUsersCannotRenewThemselves(t *testing.T) {
	h := newHarness(t)
	h.as(h.credential(must(h, api.GetSessionToken, &api.GetSessionTokenInput{}).Credentials).Principal)
	refused(h, api.GetSessionToken, &api.GetSessionTokenInput{}, "AccessDenied", 403, "Cannot call GetSessionToken with session credentials")
}

func TestWhoAmI(t *testing.T) {
	h := newHarness(t)
	out := must(h, api.GetCallerIdentity, &api.GetCallerIdentityInput{})
	if *out.Arn != h.caller.ARN || *out.Account != account || *out.UserId != "AIDAann" {
		t.Errorf("identity %+v", out)
	}
	if got := must(h, api.GetAccessKeyInfo, &api.GetAccessKeyInfoInput{AccessKeyId: new("AKIAIOSFODNN7EXAMPLE")}); *got.Account != account {
		t.Errorf("account %s", *got.Account)
	}
	refused(h, api.GetAccessKeyInfo, &api.GetAccessKeyInfoInput{AccessKeyId: new("nothing")}, "ValidationError", 400, "Invalid access key id")
}
