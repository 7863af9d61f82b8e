package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	api "moln.dev/moln/api/apigateway"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/platform/functions"
	"moln.dev/moln/platform/identity"
	"moln.dev/moln/platform/tokens"
	"moln.dev/moln/services/apigateway/vtl"
)

// Limits of authorizers.
const (
	authorizerTimeout = 29 * time.Second
	authorizerOutput  = 8 << 10 // bytes of what a Lambda authorizer returns
)

// authorizer is a compiled authorizer.
type authorizer struct {
	id, kind string
	pools    []string // user pool ARNs
	function string   // URI's ARN, with stage variables
	role     string
	sources  []string // identity sources
	check    *regexp.Regexp
	ttl      time.Duration
}

// authResult is what an authorizer found out.
type authResult struct {
	context *vtl.Map // $context.authorizer
}

// CheckAuthorizer refuses what could not be served.
func CheckAuthorizer(a *api.Authorizer) error {
	_, err := compileAuthorizer(a)
	return err
}

var identitySource = regexp.MustCompile(`^(?:method\.request\.(?:header|querystring|multivalueheader|multivaluequerystring)|stageVariables|context)\.[a-zA-Z0-9._$\-]+$`)

func compileAuthorizer(a *api.Authorizer) (*authorizer, error) {
	out := &authorizer{id: val(a.Id), kind: val(a.Type), pools: a.ProviderARNs, role: val(a.AuthorizerCredentials), ttl: time.Duration(val(a.AuthorizerResultTtlInSeconds)) * time.Second}
	for _, s := range strings.Split(val(a.IdentitySource), ",") {
		if s = strings.TrimSpace(s); s == "" {
			continue
		}
		if !identitySource.MatchString(s) {
			return nil, fmt.Errorf("Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression parameter specified: %s]", s)
		}
		out.sources = append(out.sources, s)
	}
	if e := val(a.IdentityValidationExpression); e != "" {
		re, err := regexp.Compile(`^(?:` + e + `)$`)
		if err != nil {
			return nil, fmt.Errorf("Invalid identity validation expression: %w", err)
		}
		out.check = re
	}
	switch out.kind {
	case "COGNITO_USER_POOLS":
		for _, arn := range out.pools {
			if !strings.HasPrefix(arn, "arn:aws:cognito-idp:") {
				return nil, fmt.Errorf("Invalid Cognito User Pool ARN: %s", arn)
			}
		}
		fallthrough
	case "TOKEN":
		if len(out.sources) != 1 || !strings.HasPrefix(out.sources[0], "method.request.header.") {
			return nil, errors.New("Authorizers of this type need exactly one header as identity source")
		}
	case "REQUEST":
		if len(out.sources) == 0 && out.ttl > 0 {
			return nil, errors.New("Identity source is required for REQUEST authorizers when caching is on")
		}
	}
	if out.kind != "COGNITO_USER_POOLS" {
		var err error
		if out.function, err = functionOf(val(a.AuthorizerUri), true); err != nil {
			return nil, fmt.Errorf("Invalid Authorizer URI: %s", val(a.AuthorizerUri))
		}
	}
	return out, nil
}

func denied(explicit bool) *failure {
	f := &failure{kind: accessDenied, message: "User is not authorized to access this resource", capital: true}
	if explicit {
		f.message += " with an explicit deny"
	}
	return f
}

func notSignedIn() *failure { return &failure{kind: unauthorized, message: "Unauthorized"} }

// authorize judges the resource policy and the method's authorizer. Without a
// Lambda authorizer the policy must allow by itself; with one, either may allow
// and both may deny.
func (x *exchange) authorize(ctx context.Context) error {
	z := x.m.authorizer
	allowed := false
	if x.api.policy != nil {
		d := x.judge(policy.Anonymous, policy.Set{Resource: x.api.policy})
		if d.Explicit || !d.Allowed && (z == nil || z.kind == "COGNITO_USER_POOLS") {
			return x.deniedByPolicy(d)
		}
		allowed = d.Allowed
	}
	switch {
	case z == nil:
		return nil
	case z.kind == "COGNITO_USER_POOLS":
		return x.cognito(ctx, z)
	}
	return x.lambdaAuthorizer(ctx, z, allowed)
}

func (x *exchange) judge(kind policy.PrincipalKind, set policy.Set) policy.Decision {
	p := policy.Principal{Kind: kind}
	if kind == policy.User {
		p.AccountID, p.ARN = x.stage.Account, "arn:aws:iam::"+x.stage.Account+":user/apigateway-caller"
	}
	return policy.Evaluate(policy.Request{
		Principal: p, Action: "execute-api:Invoke", Resource: x.arn(), ResourceAccount: x.stage.Account, Context: x.conditions(),
	}, set)
}

// deniedByPolicy hides most of the account's number, as AWS does.
func (x *exchange) deniedByPolicy(d policy.Decision) *failure {
	arn := strings.Replace(x.arn(), ":"+x.stage.Account+":", ":********"+x.stage.Account[max(0, len(x.stage.Account)-4):]+":", 1)
	message := "User: anonymous is not authorized to perform: execute-api:Invoke on resource: " + arn
	if d.Explicit {
		message += " with an explicit deny"
	}
	return &failure{kind: accessDenied, message: message, capital: true, cause: errors.New(d.Reason)}
}

// cognito verifies a user pool's token: an ID token, or where the method names
// scopes an access token that has one of them.
func (x *exchange) cognito(ctx context.Context, z *authorizer) error {
	token, _ := x.source(z.sources[0])
	token = strings.TrimSpace(token)
	if len(token) > 7 && strings.EqualFold(token[:7], "Bearer ") {
		token = strings.TrimSpace(token[7:])
	}
	if token == "" {
		return notSignedIn()
	}
	var claims tokens.Claims
	err := error(tokens.ErrWrongIssuer)
	for _, pool := range z.pools {
		if claims, err = x.env.Tokens.VerifyToken(ctx, pool, token, x.req.Time); err == nil || errors.Is(err, tokens.ErrExpired) {
			break
		}
	}
	switch {
	case errors.Is(err, tokens.ErrExpired):
		return &failure{kind: unauthorized, message: "The incoming token has expired"}
	case err != nil:
		f := notSignedIn()
		f.cause = err
		return f
	}
	if !tokenFits(claims, x.m.scopes) || z.check != nil && !z.check.MatchString(claims.ClientID) {
		return notSignedIn()
	}
	x.auth = &authResult{context: vtl.NewMap().Put("claims", claimTexts(claims.All))}
	return nil
}

func tokenFits(c tokens.Claims, scopes []string) bool {
	if len(scopes) == 0 {
		return c.Use == tokens.UseID
	}
	if c.Use != tokens.UseAccess {
		return false
	}
	for _, want := range scopes {
		for _, have := range c.Scopes {
			if want == have {
				return true
			}
		}
	}
	return false
}

// claimTexts prints claims as REST APIs do: everything is a string, lists are
// joined by commas, times are dates.
func claimTexts(all map[string]any) *vtl.Map {
	out := vtl.NewMap()
	for _, name := range sortedKeys(all) {
		switch v := all[name].(type) {
		case string:
			out.Put(name, v)
		case json.Number:
			text := v.String()
			if name == "exp" || name == "iat" {
				if date, ok := clockText(text); ok {
					text = date
				}
			}
			out.Put(name, text)
		case []any:
			parts := make([]string, len(v))
			for i, item := range v {
				parts[i] = fmt.Sprint(item)
			}
			out.Put(name, strings.Join(parts, ","))
		case bool:
			out.Put(name, fmt.Sprint(v))
		case nil:
		default:
			b, err := json.Marshal(v)
			if err == nil {
				out.Put(name, string(b))
			}
		}
	}
	return out
}

// verdict is what a Lambda authorizer said, which is kept: its policy is judged
// anew for every request.
type verdict struct {
	policy  *policy.Policy
	context *vtl.Map
	expires time.Time
}

// lambdaAuthorizer asks the function, or remembers what it said for the same
// identity.
func (x *exchange) lambdaAuthorizer(ctx context.Context, z *authorizer, allowed bool) error {
	values := make([]string, len(z.sources))
	for i, s := range z.sources {
		v, _ := x.source(s)
		if strings.TrimSpace(v) == "" {
			return notSignedIn()
		}
		values[i] = v
	}
	if z.kind == "TOKEN" && z.check != nil && !z.check.MatchString(values[0]) {
		return notSignedIn()
	}
	key := ""
	if z.ttl > 0 {
		key = cacheKey(append([]string{x.api.id, x.stage.Name, x.stage.DeploymentID, x.stage.Version, z.id}, values...))
	}
	v := x.env.Cache.get(key, x.req.Time)
	if v == nil {
		var err error
		if v, err = x.askAuthorizer(ctx, z, values); err != nil {
			return err
		}
		v.expires = x.req.Time.Add(z.ttl)
		x.env.Cache.put(key, v)
	}
	d := x.judge(policy.User, policy.Set{Identity: []*policy.Policy{v.policy}})
	if !d.Allowed && (d.Explicit || !allowed) {
		return denied(d.Explicit)
	}
	x.auth = &authResult{context: v.context}
	return nil
}

// cacheKey joins parts that may hold any byte: two lists never make one key.
func cacheKey(parts []string) string {
	var b strings.Builder
	for _, p := range parts {
		b.WriteString(strconv.Itoa(len(p)) + ":" + p)
	}
	return b.String()
}

func (x *exchange) askAuthorizer(ctx context.Context, z *authorizer, values []string) (*verdict, error) {
	payload, err := x.authorizerEvent(z, values)
	if err != nil {
		return nil, err
	}
	arn, err := x.expand(z.function)
	if err != nil {
		return nil, err
	}
	source := "arn:aws:execute-api:" + x.stage.Region + ":" + x.stage.Account + ":" + x.api.id + "/authorizers/" + z.id
	var caller identity.Principal
	if caller, err = x.functionSource(ctx, z.role, source); err != nil {
		return nil, badAuthorizer(err)
	}
	limited, cancel := x.env.Pause(ctx, authorizerTimeout)
	defer cancel()
	resp, err := x.env.Invoke(limited, functions.Request{
		Caller: caller, Account: x.stage.Account, Region: x.stage.Region, RequestID: x.req.RequestID, Depth: x.env.Depth + 1, FunctionARN: arn, Payload: payload,
	})
	switch {
	case err != nil:
		return nil, badAuthorizer(err)
	case resp.FunctionError != "" && errorMessage(resp.Payload) == "Unauthorized":
		return nil, notSignedIn()
	case resp.FunctionError != "":
		return nil, &failure{kind: authorizerFailed, null: true, cause: errors.New("authorizer failed: " + errorMessage(resp.Payload))}
	}
	return readVerdict(resp.Payload)
}

func badAuthorizer(err error) *failure {
	return &failure{kind: authorizerBad, null: true, cause: err}
}

func (x *exchange) authorizerEvent(z *authorizer, values []string) ([]byte, error) {
	if z.kind == "TOKEN" {
		return encode(struct {
			Type  string `json:"type"`
			ARN   string `json:"methodArn"`
			Token string `json:"authorizationToken"`
		}{"TOKEN", x.arn(), values[0]})
	}
	e := x.newEvent()
	e.Type, e.MethodArn = "REQUEST", x.arn()
	return encode(e)
}

// readVerdict reads {principalId, policyDocument, context, usageIdentifierKey}.
func readVerdict(payload []byte) (*verdict, error) {
	var out struct {
		PrincipalID    *string         `json:"principalId"`
		PolicyDocument json.RawMessage `json:"policyDocument"`
		Context        json.RawMessage `json:"context"`
	}
	if len(payload) > authorizerOutput {
		return nil, badAuthorizer(fmt.Errorf("authorizer returned %d bytes", len(payload)))
	}
	if err := json.Unmarshal(payload, &out); err != nil {
		return nil, badAuthorizer(err)
	}
	if val(out.PrincipalID) == "" || len(out.PolicyDocument) == 0 {
		return nil, badAuthorizer(errors.New("authorizer returned no principalId or policyDocument"))
	}
	p, err := policy.Parse(out.PolicyDocument, policy.Identity)
	if err != nil {
		return nil, badAuthorizer(err)
	}
	v := &verdict{policy: p.Named("the authorizer's policy"), context: vtl.NewMap().Put("principalId", *out.PrincipalID).Put("integrationLatency", int64(0))}
	m, err := headerMap(out.Context)
	if err != nil {
		return nil, badAuthorizer(err)
	}
	for _, name := range m.Keys() {
		switch value := m.Get(name).(type) {
		case *vtl.Map, *vtl.List:
			return nil, badAuthorizer(fmt.Errorf("context.%s is no scalar", name))
		case nil:
		default:
			v.context.Put(name, vtl.Text(value))
		}
	}
	return v, nil
}
