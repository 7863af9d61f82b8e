package sts

import (
	"context"
	"encoding/json"
	"maps"
	"strings"
	"time"

	api "moln.dev/moln/api/sts"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/identity"
	"moln.dev/moln/platform/service"
)

func (s *Service) getCallerIdentity(_ context.Context, c *service.Call, _ *api.GetCallerIdentityInput) (*api.GetCallerIdentityOutput, error) {
	return &api.GetCallerIdentityOutput{
		Account: new(c.Caller.AccountID), Arn: new(c.Caller.ARN), UserId: new(c.Caller.UserID),
	}, nil
}

func (s *Service) getAccessKeyInfo(ctx context.Context, c *service.Call, in *api.GetAccessKeyInfoInput) (*api.GetAccessKeyInfoOutput, error) {
	// AWS answers with the account of any key; this moln knows one account per
	// caller, and tells of no key that is not of it.
	if !strings.HasPrefix(*in.AccessKeyId, "AKIA") && !strings.HasPrefix(*in.AccessKeyId, "ASIA") && *in.AccessKeyId != c.Caller.AccessKeyID {
		return nil, validation("Invalid access key id")
	}
	return &api.GetAccessKeyInfoOutput{Account: new(c.Caller.AccountID)}, nil
}

func (s *Service) getSessionToken(_ context.Context, c *service.Call, in *api.GetSessionTokenInput) (*api.GetSessionTokenOutput, error) {
	if in.SerialNumber != nil || in.TokenCode != nil {
		return nil, validation("moln has no MFA devices")
	}
	p := c.Caller
	if (p.Kind != policy.User && p.Kind != policy.Root) || !p.Issued.IsZero() {
		return nil, &sessionCaller // or sessions would renew themselves for ever
	}
	d := time.Duration(smithy.Val(in.DurationSeconds)) * time.Second
	if d == 0 {
		d = durationUserDefault
	}
	if p.Kind == policy.Root {
		d = min(d, durationDefault)
	}
	if d < durationMin || d > durationSessionMax {
		return nil, validation("The requested DurationSeconds must be between 900 and 129600")
	}
	ses := &session{
		Key: "ASIA" + s.deps.Ident.Upper32(keyRandom), Secret: s.deps.Ident.Alnum(secretLength),
		Kind: p.Kind, ARN: p.ARN, Account: p.AccountID, UserID: p.UserID, UserName: p.UserName,
		Issued: c.Now.Unix(), Expires: c.Now.Add(d).Unix(),
	}
	return &api.GetSessionTokenOutput{Credentials: s.credentials(ses)}, nil
}

// Credential implements identity.Keys for temporary keys (T3).
func (s *Service) Credential(_ context.Context, accessKeyID, token string) (identity.Credential, error) {
	if !strings.HasPrefix(accessKeyID, "ASIA") {
		return identity.Credential{}, identity.ErrUnknownKey
	}
	if token == "" {
		return identity.Credential{}, identity.ErrBadToken
	}
	plain, err := s.deps.Seal.OpenToken(purpose, token)
	if err != nil {
		return identity.Credential{}, identity.ErrBadToken
	}
	var ses session
	if err := json.Unmarshal(plain, &ses); err != nil || ses.Key != accessKeyID {
		return identity.Credential{}, identity.ErrBadToken
	}
	expires := time.Unix(ses.Expires, 0)
	if !s.deps.Clock.Now().Before(expires) {
		return identity.Credential{}, identity.ErrExpired
	}
	return identity.Credential{Secret: ses.Secret, Principal: ses.principal(), Expires: expires}, nil
}

// credentials is the API's form of a session.
func (s *Service) credentials(ses *session) *api.Credentials {
	return &api.Credentials{
		AccessKeyId: new(ses.Key), SecretAccessKey: new(ses.Secret), SessionToken: new(s.token(ses)),
		Expiration: new(time.Unix(ses.Expires, 0).UTC()),
	}
}

func (s *Service) token(ses *session) string { return s.deps.Seal.SealToken(purpose, ses.marshal()) }

// packed is the share of the session's policies in what AWS allows, in percent.
func packed(ses *session) *int32 {
	n := 0
	for _, p := range ses.Policies {
		n += len(p)
	}
	if n == 0 {
		return nil
	}
	return new(int32(n * 100 / policyBytesMax))
}

// sessionPolicies checks the documents that scope a session down. Managed
// policies go in by ARN; iam reads them when the session is judged.
func sessionPolicies(r request) ([]string, error) {
	var out []string
	if r.Policy != "" {
		if len(r.Policy) > policyBytesMax {
			return nil, api.ErrPackedPolicyTooLargeException("Packed policy consumes %d%% of allotted space, please use smaller policy.", len(r.Policy)*100/policyBytesMax)
		}
		if _, err := policy.Parse([]byte(r.Policy), policy.Session); err != nil {
			return nil, api.ErrMalformedPolicyDocumentException("%s", err.Error())
		}
		out = append(out, r.Policy)
	}
	if len(r.policyARNs) > policyARNsMax {
		return nil, validation("1 validation error detected: Value at 'policyArns' failed to satisfy constraint: Member must have length less than or equal to %d", policyARNsMax)
	}
	for _, p := range r.policyARNs {
		out = append(out, smithy.Val(p.Arn))
	}
	return out, nil
}

func tagsOf(in []api.Tag) (map[string]string, error) {
	if len(in) > tagsMax {
		return nil, validation("A session can have at most %d tags", tagsMax)
	}
	out := map[string]string{}
	for _, t := range in {
		for k := range out {
			if strings.EqualFold(k, *t.Key) {
				return nil, validation("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
			}
		}
		out[*t.Key] = *t.Value
	}
	return out, nil
}

// mergeTags puts session tags over the role's own.
func mergeTags(role, ses map[string]string) map[string]string {
	if len(role) == 0 && len(ses) == 0 {
		return nil
	}
	out := maps.Clone(role)
	if out == nil {
		out = map[string]string{}
	}
	for k, v := range ses {
		for have := range out {
			if strings.EqualFold(have, k) {
				delete(out, have)
			}
		}
		out[k] = v
	}
	return out
}
