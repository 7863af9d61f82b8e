package sts

import (
	"context"
	"errors"
	"strings"
	"time"

	api "moln.dev/moln/api/sts"
	"moln.dev/moln/aws/arn"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/identity"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/platform/tokens"
)

func (s *Service) assumeRole(ctx context.Context, c *service.Call, in *api.AssumeRoleInput) (*api.AssumeRoleOutput, error) {
	if in.SerialNumber != nil || in.TokenCode != nil {
		return nil, fault.New("AccessDenied", 403, "MultiFactorAuthentication failed with invalid MFA one time pass code.")
	}
	if len(in.ProvidedContexts) > 0 || len(in.TransitiveTagKeys) > 0 || in.SourceIdentity != nil {
		return nil, validation("moln does not support trusted contexts, transitive tags and source identities")
	}
	name := smithy.Val(in.RoleSessionName)
	if !sessionName.MatchString(name) {
		return nil, validation("1 validation error detected: Value '%s' at 'roleSessionName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]*", name)
	}
	tags, err := tagsOf(in.Tags)
	if err != nil {
		return nil, err
	}
	req := request{
		Assume: service.Assume{
			RoleARN: smithy.Val(in.RoleArn), SessionName: name, Policy: smithy.Val(in.Policy),
			Duration: time.Duration(smithy.Val(in.DurationSeconds)) * time.Second,
		},
		tags: tags, externalID: smithy.Val(in.ExternalId), policyARNs: in.PolicyArns,
	}
	ses, err := s.open(ctx, c, req)
	if err != nil {
		return nil, err
	}
	return &api.AssumeRoleOutput{
		Credentials:      s.credentials(ses),
		AssumedRoleUser:  &api.AssumedRoleUser{Arn: new(ses.ARN), AssumedRoleId: new(ses.UserID)},
		PackedPolicySize: packed(ses),
	}, nil
}

func (s *Service) assumeRoleWithWebIdentity(ctx context.Context, c *service.Call, in *api.AssumeRoleWithWebIdentityInput) (*api.AssumeRoleWithWebIdentityOutput, error) {
	if in.ProviderId != nil {
		return nil, validation("moln supports OpenID Connect tokens only, without ProviderId")
	}
	token, err := s.verifyWeb(ctx, c, smithy.Val(in.WebIdentityToken))
	if err != nil {
		return nil, err
	}
	req := request{
		Assume: service.Assume{
			RoleARN: smithy.Val(in.RoleArn), SessionName: smithy.Val(in.RoleSessionName), Policy: smithy.Val(in.Policy),
			Duration: time.Duration(smithy.Val(in.DurationSeconds)) * time.Second,
			Action:   "sts:AssumeRoleWithWebIdentity", Web: &token.WebIdentity,
		},
		policyARNs: in.PolicyArns,
	}
	d := *c
	if role, err := arn.Parse(req.RoleARN); err == nil {
		d.Account = role.Account
	}
	ses, err := s.open(ctx, &d, req)
	if err != nil {
		return nil, err
	}
	return &api.AssumeRoleWithWebIdentityOutput{
		Credentials:                 s.credentials(ses),
		AssumedRoleUser:             &api.AssumedRoleUser{Arn: new(ses.ARN), AssumedRoleId: new(ses.UserID)},
		Provider:                    new(token.Provider),
		SubjectFromWebIdentityToken: new(token.Subject),
		Audience:                    new(token.Audience),
		PackedPolicySize:            packed(ses),
	}, nil
}

// verifyWeb asks the issuers that moln knows; anybody else's token is refused.
func (s *Service) verifyWeb(ctx context.Context, c *service.Call, token string) (*service.WebToken, error) {
	for _, w := range s.web {
		t, err := w.VerifyWebToken(ctx, c, token)
		switch {
		case errors.Is(err, tokens.ErrExpired):
			return nil, api.ErrExpiredTokenException("Token expired: current date/time %d must be before the expiration date/time of the token", c.Now.Unix())
		case errors.Is(err, tokens.ErrMalformed), errors.Is(err, tokens.ErrBadSignature):
			return nil, api.ErrInvalidIdentityTokenException("The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)")
		case err != nil:
			return nil, err
		case t != nil:
			return t, nil
		}
	}
	return nil, api.ErrInvalidIdentityTokenException("No OpenIDConnect provider found in your account for this token")
}

// AssumeRole implements service.Assumer for other services.
func (s *Service) AssumeRole(ctx context.Context, c *service.Call, a service.Assume) (service.Session, error) {
	ses, err := s.open(ctx, c, request{Assume: a})
	if err != nil {
		return service.Session{}, err
	}
	return service.Session{
		Principal: ses.principal(), AccessKeyID: ses.Key, SecretAccessKey: ses.Secret,
		SessionToken: s.token(ses), Expires: time.Unix(ses.Expires, 0),
	}, nil
}

// request is an assumption with what only the API can ask for.
type request struct {
	service.Assume
	tags       map[string]string
	externalID string
	policyARNs []api.PolicyDescriptorType
}

// open judges the role's trust policy (T1) and makes the session.
func (s *Service) open(ctx context.Context, c *service.Call, r request) (*session, error) {
	role, err := s.load(ctx, c, r)
	if err != nil {
		return nil, err
	}
	chained := c.Caller.Kind == policy.AssumedRole
	d, err := durationOf(r.Duration, role.MaxSessionDuration, chained)
	if err != nil {
		return nil, err
	}
	policies, err := sessionPolicies(r)
	if err != nil {
		return nil, err
	}
	if err := s.judgeTrust(ctx, c, r, role); err != nil {
		return nil, err
	}
	user := arn.ARN{Partition: "aws", Service: "sts", Account: role.Account, Resource: "assumed-role/" + role.Name + "/" + r.SessionName}
	ses := &session{
		Key: "ASIA" + s.deps.Ident.Upper32(keyRandom), Secret: s.deps.Ident.Alnum(secretLength),
		Kind: policy.AssumedRole, ARN: user.String(), RoleARN: role.ARN, Account: role.Account,
		UserID: role.ID + ":" + r.SessionName, Name: r.SessionName,
		Issued: c.Now.Unix(), Expires: c.Now.Add(d).Unix(), Policies: policies, Tags: mergeTags(role.Tags, r.tags),
	}
	if r.Web != nil {
		ses.Federated, ses.Web = r.Web.Provider, r.Web.Keys
	}
	return ses, nil
}

func (s *Service) load(ctx context.Context, c *service.Call, r request) (identity.Role, error) {
	a, err := arn.Parse(r.RoleARN)
	if err != nil || a.Service != "iam" {
		return identity.Role{}, validation("%s is invalid", r.RoleARN)
	}
	name, ok := roleNameOf(a.Resource)
	if !ok {
		return identity.Role{}, validation("%s is invalid", r.RoleARN)
	}
	role, err := s.roles.Role(ctx, a.Account, name)
	if errors.Is(err, identity.ErrNoRole) || (err == nil && role.ARN != r.RoleARN) {
		// AWS does not tell a stranger whether the role exists.
		return identity.Role{}, r.denied(c, r.action(), r.RoleARN)
	}
	return role, err
}

func (r *request) action() string {
	if r.Action != "" {
		return r.Action
	}
	return "sts:AssumeRole"
}

// denied words a refusal; whoever holds a web token has no ARN to be named by.
func (r *request) denied(c *service.Call, action, role string) *fault.Fault {
	if r.Web != nil {
		return fault.New("AccessDenied", 403, "Not authorized to perform %s", action)
	}
	return fault.New("AccessDenied", 403, "User: %s is not authorized to perform: %s on resource: %s", who(c), action, role)
}

// judgeTrust asks the role's trust policy. Web identities come as their
// provider, everyone else as himself.
func (s *Service) judgeTrust(ctx context.Context, c *service.Call, r request, role identity.Role) error {
	keys := policy.Keys{"sts:rolesessionname": {r.SessionName}}
	if r.externalID != "" {
		keys["sts:externalid"] = []string{r.externalID}
	}
	for k, v := range r.tags {
		keys["aws:requesttag/"+strings.ToLower(k)] = []string{v}
		keys["aws:tagkeys"] = append(keys["aws:tagkeys"], k)
	}
	caller := c
	if r.Web != nil {
		caller = c.As(identity.Principal{Principal: policy.Principal{Kind: policy.Federated, Provider: r.Web.Provider, AccountID: role.Account}})
		for k, v := range r.Web.Keys {
			keys[strings.ToLower(k)] = v
		}
	}
	actions := []string{r.action()}
	if len(r.tags) > 0 {
		actions = append(actions, "sts:TagSession")
	}
	for _, a := range actions {
		err := caller.Judge(ctx, service.Check{
			Action: a, Resource: role.ARN, Account: role.Account, Context: keys,
			Policy: role.Trust, PolicyMandatory: true,
			Fault: func(d policy.Decision) error {
				f := r.denied(c, a, role.ARN)
				f.Why = d.Reason
				return f
			},
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func who(c *service.Call) string {
	if c.Caller.Kind == policy.Service {
		return c.Caller.Service
	}
	return c.Caller.ARN
}
