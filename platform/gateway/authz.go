package gateway

import (
	"context"
	"maps"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"moln.dev/moln/aws/arn"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/identity"
	"moln.dev/moln/platform/service"
)

// authorize judges every check that an operation's request needs (G1).
func (g *Gateway) authorize(ctx context.Context, c *service.Call, b *bound, in any) error {
	if b.op.Auth == smithy.AuthNone {
		return nil
	}
	if err := g.admit(c, b); err != nil {
		return err
	}
	checks, err := g.checks(ctx, c, b, in)
	if err != nil {
		return err
	}
	for _, check := range checks {
		if err := g.judge(ctx, c, b.target, check); err != nil {
			return err
		}
	}
	return nil
}

// admit turns anonymous callers away, before anything of theirs is looked at.
// S3's policies and the operations of AuthNone may let them in.
func (g *Gateway) admit(c *service.Call, b *bound) error {
	if c.Caller.Kind == policy.Anonymous && b.target != g.s3 && b.op.Auth != smithy.AuthNone {
		return g.missingToken(b.target)
	}
	return nil
}

func (g *Gateway) checks(ctx context.Context, c *service.Call, b *bound, in any) ([]service.Check, error) {
	if auth := b.target.def.Authorize; auth != nil {
		return auth(ctx, c, b.op, in)
	}
	out := make([]service.Check, 0, len(b.op.Actions))
	for _, a := range b.op.Actions {
		out = append(out, service.Check{Action: a, Resource: "*"})
	}
	return out, nil
}

// judge decides one check and keeps the decision with its reasons.
func (g *Gateway) judge(ctx context.Context, c *service.Call, t *target, check service.Check) error {
	set, err := g.policies(ctx, c.Caller)
	if err != nil {
		return err
	}
	account := check.Account
	if account == "" {
		account = c.Account
		if check.Action == passRole {
			account = accountOf(check.Resource, account)
		}
	}
	keys := &requestContext{call: c, account: account, own: check.Context, more: check.More}
	who := c.Caller.Principal
	if who.CanonicalID == "" && (check.Policy != nil || check.Grants != nil) {
		who.CanonicalID = identity.CanonicalID(who.AccountID)
	}
	d := policy.Evaluate(policy.Request{
		Principal: who, Action: check.Action, Resource: check.Resource,
		ResourceAccount: account, ResourcePolicyMandatory: check.PolicyMandatory,
		Context: keys,
	}, policy.Set{
		Identity: set.Identity, Resource: check.Policy, Grants: check.Grants,
		Boundary: set.Boundary, HasBoundary: set.HasBoundary,
		Session: set.Session, HasSession: set.HasSession,
	})
	if keys.failed != nil {
		return keys.failed // a decision without the keys would be about another request
	}
	c.Trace.Decisions = append(c.Trace.Decisions, service.Decision{Action: check.Action, Resource: check.Resource, Decision: d})
	if d.Allowed {
		return nil
	}
	if check.Fault != nil {
		return check.Fault(d)
	}
	return g.denied(c, t, check, d)
}

// passRole is judged by the role's own account, wherever it is asked: roles are
// never passed from one account to another, since those who trust a service do
// not thereby trust everybody who uses it.
const passRole = "iam:PassRole"

// accountOf is the account that an ARN names, or another where it names none.
func accountOf(resource, otherwise string) string {
	if a, err := arn.Parse(resource); err == nil && a.Account != "" {
		return a.Account
	}
	return otherwise
}

func (g *Gateway) denied(c *service.Call, t *target, check service.Check, d policy.Decision) error {
	code, status := "AccessDeniedException", http.StatusForbidden
	if t != nil {
		code, status = t.deniedCode()
	}
	msg := d.Message(callerName(c.Caller), check.Action, check.Resource)
	if c.Caller.Kind == policy.Anonymous {
		msg = "Access Denied"
	}
	f := fault.New(code, status, "%s", msg)
	f.Why = d.Reason
	return f
}

// Judge implements service.Backend.
func (g *Gateway) Judge(ctx context.Context, c *service.Call, check service.Check) error {
	return g.judge(ctx, c, g.targetOfAction(check.Action), check)
}

// targetOfAction finds the service whose faults word a denial.
func (g *Gateway) targetOfAction(action string) *target {
	prefix, _, _ := strings.Cut(action, ":")
	for _, t := range g.services {
		if t.def.Schema.IAMPrefix == prefix {
			return t
		}
	}
	return nil
}

// requestContext gives the global condition keys of a call, and the service's
// own over them. Keys are looked up only when a statement asks.
type requestContext struct {
	call    *service.Call
	account string
	own     policy.Keys
	more    func() (policy.Keys, error)
	failed  error // of more
}

// service looks a key of the service's own up.
func (r *requestContext) service(key string) ([]string, bool) {
	if v, ok := r.own[key]; ok {
		return v, true
	}
	if r.more == nil || strings.HasPrefix(key, "aws:") {
		return nil, false
	}
	more, err := r.more()
	if r.more = nil; err != nil {
		r.failed = err
		return nil, false
	}
	all := make(policy.Keys, len(more)+len(r.own)) // those are the service's
	maps.Copy(all, more)
	maps.Copy(all, r.own)
	r.own = all
	v, ok := r.own[key]
	return v, ok
}

// Lookup implements policy.Context.
func (r *requestContext) Lookup(key string) ([]string, bool) {
	if v, ok := r.service(key); ok {
		return v, true
	}
	p := &r.call.Caller
	if v, ok := p.WebKeys[key]; ok {
		return v, true
	}
	if tag, ok := strings.CutPrefix(key, "aws:principaltag/"); ok {
		for k, v := range p.Tags {
			if strings.EqualFold(k, tag) {
				return []string{v}, true
			}
		}
		return nil, false
	}
	v, ok := r.global(key)
	if !ok || v == "" {
		return nil, false
	}
	return []string{v}, true
}

func (r *requestContext) global(key string) (string, bool) {
	c, p := r.call, &r.call.Caller
	switch key {
	case "aws:currenttime":
		return c.Now.UTC().Format(time.RFC3339), true
	case "aws:epochtime":
		return strconv.FormatInt(c.Now.Unix(), 10), true
	case "aws:securetransport":
		// What comes from this machine counts as secure: deploy tools put
		// policies on their buckets that deny everything else.
		return strconv.FormatBool(c.HTTP == nil || c.HTTP.Secure), true
	case "aws:requestedregion":
		return c.Region, true
	case "aws:resourceaccount":
		return r.account, true
	case "aws:principalarn":
		return principalARN(p), true
	case "aws:principalaccount":
		return p.AccountID, p.Kind != policy.Anonymous
	case "aws:principaltype":
		return principalType(p), true
	case "aws:userid":
		return p.UserID, true
	case "aws:username":
		return p.UserName, true
	case "aws:federatedprovider":
		return p.Federated, true
	case "aws:tokenissuetime":
		if p.Issued.IsZero() {
			return "", false
		}
		return p.Issued.UTC().Format(time.RFC3339), true
	case "aws:multifactorauthpresent":
		// Absent for long-term keys, as at AWS.
		return "false", p.Kind == policy.AssumedRole // there are no MFA devices
	}
	return r.origin(key)
}

// origin gives the keys about where the request came from.
func (r *requestContext) origin(key string) (string, bool) {
	c, p := r.call, &r.call.Caller
	isService := p.Kind == policy.Service
	switch key {
	case "aws:sourcearn":
		return p.SourceARN, isService
	case "aws:sourceaccount":
		return p.SourceAccount, isService
	case "aws:principalisawsservice":
		return strconv.FormatBool(isService), true
	case "aws:principalservicename":
		return p.Service, isService
	case "aws:viaawsservice":
		return strconv.FormatBool(c.Depth > 0 && !isService), true
	}
	if c.HTTP == nil {
		return "", false
	}
	switch key {
	case "aws:sourceip":
		host, _, err := net.SplitHostPort(c.HTTP.Request.RemoteAddr)
		return host, err == nil
	case "aws:useragent":
		return c.HTTP.Request.UserAgent(), true
	case "aws:referer":
		return c.HTTP.Request.Referer(), true
	}
	return "", false
}

// principalARN is aws:PrincipalArn: for a role session the role, not the session.
func principalARN(p *identity.Principal) string {
	if p.Kind == policy.AssumedRole {
		return p.RoleARN
	}
	return p.ARN
}

func principalType(p *identity.Principal) string {
	switch p.Kind {
	case policy.Root:
		return "Account"
	case policy.User:
		return "User"
	case policy.AssumedRole:
		return "AssumedRole"
	case policy.FederatedUser:
		return "FederatedUser"
	case policy.Service:
		return ""
	}
	return "Anonymous"
}

// Assume implements service.Backend.
func (g *Gateway) Assume(ctx context.Context, c *service.Call, a service.Assume) (service.Session, error) {
	role, err := arn.Parse(a.RoleARN)
	if err != nil {
		return service.Session{}, fault.New("ValidationError", http.StatusBadRequest, "%s is invalid", a.RoleARN)
	}
	d := *c
	d.Account = role.Account
	d.Trace = &service.Trace{}
	s, err := g.cfg.Assumer.AssumeRole(ctx, &d, a)
	c.Trace.Decisions = append(c.Trace.Decisions, d.Trace.Decisions...)
	return s, err
}
