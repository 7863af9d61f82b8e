package cognitoidentity

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	api "moln.dev/moln/api/cognitoidentity"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/platform/tokens"
)

const (
	credentialsValidity = time.Hour
	sessionName         = "CognitoIdentityCredentials"
	webIdentityAction   = "sts:AssumeRoleWithWebIdentity"
)

func errUnsupportedProvider() error {
	return api.ErrNotAuthorizedException("Token is not from a supported provider of this identity pool.")
}

// verifyLogins checks the tokens of a request; nil for a guest.
func (s *Service) verifyLogins(ctx context.Context, p place, up *pool, logins map[string]string, now time.Time) (*login, error) {
	if len(logins) == 0 {
		return nil, nil
	}
	if len(logins) > 1 {
		return nil, api.ErrResourceConflictException("Logins of more than one provider are not supported by this server.")
	}
	for provider, token := range logins {
		return s.verifyLogin(ctx, p, up, provider, token, now)
	}
	return nil, nil
}

func (s *Service) verifyLogin(ctx context.Context, p place, up *pool, provider, token string, now time.Time) (*login, error) {
	region, userPool, ok := splitProvider(provider)
	known := slices.ContainsFunc(up.Settings.CognitoIdentityProviders, func(cp api.CognitoIdentityProvider) bool {
		return smithy.Val(cp.ProviderName) == provider
	})
	if !ok || !known {
		return nil, errUnsupportedProvider()
	}
	poolARN := "arn:aws:cognito-idp:" + region + ":" + p.Account + ":userpool/" + userPool
	claims, err := s.verifier.VerifyToken(ctx, poolARN, token, now)
	if err != nil {
		return nil, tokenFault(err, token, now)
	}
	if claims.Use != tokens.UseID {
		return nil, api.ErrNotAuthorizedException("Invalid login token. Missing a required claim: aud")
	}
	for _, cp := range up.Settings.CognitoIdentityProviders {
		if smithy.Val(cp.ProviderName) != provider || smithy.Val(cp.ClientId) != claims.ClientID {
			continue
		}
		if smithy.Val(cp.ServerSideTokenCheck) {
			if err := s.verifier.CheckSession(ctx, poolARN, claims); err != nil {
				return nil, tokenFault(err, token, now)
			}
		}
		return &login{provider, claims}, nil
	}
	return nil, errUnsupportedProvider()
}

// tokenFault words why a token was refused.
func tokenFault(err error, token string, now time.Time) error {
	switch {
	case errors.Is(err, tokens.ErrExpired):
		// The token was verified: its claims can be believed.
		if t, perr := tokens.Parse(token); perr == nil {
			if c, perr := tokens.ReadClaims(t.Claims); perr == nil {
				return api.ErrNotAuthorizedException("Invalid login token. Token expired: %d >= %d", now.Unix(), c.Expires.Unix())
			}
		}
		return api.ErrNotAuthorizedException("Invalid login token. Token expired")
	case errors.Is(err, tokens.ErrWrongIssuer):
		return api.ErrNotAuthorizedException("Invalid login token. Issuer doesn't match providerName")
	case errors.Is(err, tokens.ErrBadSignature):
		return api.ErrNotAuthorizedException("Invalid login token. Token signature invalid.")
	case errors.Is(err, tokens.ErrMalformed):
		return api.ErrNotAuthorizedException("Invalid login token. Not a valid OpenId Connect identity token.")
	case errors.Is(err, tokens.ErrRevoked):
		return api.ErrNotAuthorizedException("Invalid login token. The user has signed out, is disabled or was deleted.")
	case errors.Is(err, tokens.ErrUnknownPool), errors.Is(err, tokens.ErrUnbound):
		return errUnsupportedProvider()
	}
	return err
}

func errNoGuests() error {
	return api.ErrNotAuthorizedException("Unauthenticated access is not supported for this identity pool.")
}

func (s *Service) getID(ctx context.Context, c *service.Call, in *api.GetIdInput) (*api.GetIdOutput, error) {
	p, up, err := s.findPool(ctx, smithy.Val(in.IdentityPoolId))
	if err != nil {
		return nil, err
	}
	l, err := s.verifyLogins(ctx, p, up, in.Logins, c.Now)
	if err != nil {
		return nil, err
	}
	if l == nil && !smithy.Val(up.Settings.AllowUnauthenticatedIdentities) {
		return nil, errNoGuests()
	}
	fresh := &id{ID: p.Region + ":" + s.d.Ident.UUID(), Logins: map[string]string{}, Created: c.Now, Modified: c.Now}
	found := fresh.ID
	err = s.d.KV.Update(ctx, func(tx *kv.Tx) error {
		found = fresh.ID
		if _, err := loadPool(tx.Get, p); err != nil {
			return err
		}
		if l != nil {
			owner, err := tx.Get(p.loginKey(l.provider, l.claims.Subject))
			if err == nil {
				found = string(owner)
				return nil
			}
			if !errors.Is(err, kv.ErrNotFound) {
				return err
			}
			fresh.Logins[l.provider] = l.claims.Subject
		}
		return insert(tx, p, fresh)
	})
	return &api.GetIdOutput{IdentityId: &found}, err
}

func errForbidden(identityID string) error {
	return api.ErrNotAuthorizedException("Access to Identity '%s' is forbidden.", identityID)
}

// holder is an identity with the login that it was asked for by; nil: a guest.
type holder struct {
	place
	pool     *pool
	identity *id
	login    *login
}

// resolve checks that the caller may act as an identity (F2), and links a new
// login to a guest's identity.
func (s *Service) resolve(ctx context.Context, c *service.Call, identityID string, logins map[string]string) (*holder, error) {
	p, up, i, err := s.findIdentity(ctx, identityID)
	if err != nil {
		return nil, err
	}
	l, err := s.verifyLogins(ctx, p, up, logins, c.Now)
	if err != nil {
		return nil, err
	}
	if i.Closed {
		return nil, errForbidden(i.ID)
	}
	if l == nil {
		if len(i.Logins) > 0 {
			return nil, errForbidden(i.ID)
		}
		if !smithy.Val(up.Settings.AllowUnauthenticatedIdentities) {
			return nil, errNoGuests()
		}
		return &holder{p, up, i, nil}, nil
	}
	if i.Logins[l.provider] != l.claims.Subject {
		if i, err = s.link(ctx, p, i.ID, l, c.Now); err != nil {
			return nil, err
		}
	}
	return &holder{p, up, i, l}, nil
}

// link gives a guest's identity a login. Three things may happen: the login is
// new and joins the identity; it has an identity, for which the guest's is given
// up; or the identity is somebody else's, which is refused.
func (s *Service) link(ctx context.Context, p place, identityID string, l *login, now time.Time) (*id, error) {
	var out *id
	err := s.d.KV.Update(ctx, func(tx *kv.Tx) error {
		i, err := get[id](tx.Get, p.identityKey(identityID))
		if err != nil {
			return err
		}
		if i == nil {
			return errNoIdentity(identityID)
		}
		out = i
		if i.Logins[l.provider] == l.claims.Subject {
			return nil
		}
		if len(i.Logins) > 0 || i.Closed {
			return api.ErrNotAuthorizedException("Logins don't match. Please include at least one valid login for this identity or identity pool.")
		}
		owner, err := tx.Get(p.loginKey(l.provider, l.claims.Subject))
		if err == nil {
			if err := remove(tx, p, i); err != nil {
				return err
			}
			out, err = get[id](tx.Get, p.identityKey(string(owner)))
			if err == nil && out == nil {
				err = errNoIdentity(string(owner))
			}
			return err
		}
		if !errors.Is(err, kv.ErrNotFound) {
			return err
		}
		i.Logins = map[string]string{l.provider: l.claims.Subject}
		i.Modified = now
		return insert(tx, p, i)
	}, p.identityKey(identityID))
	return out, err
}

// amr is how the identity was authenticated, as trust policies ask for it.
func (h *holder) amr() []string {
	if h.login == nil {
		return []string{roleUnauthenticated}
	}
	return []string{roleAuthenticated, h.login.provider, h.login.provider + ":CognitoSignIn:" + h.login.claims.Subject}
}

func (s *Service) getCredentialsForIdentity(ctx context.Context, c *service.Call, in *api.GetCredentialsForIdentityInput) (*api.GetCredentialsForIdentityOutput, error) {
	h, err := s.resolve(ctx, c, smithy.Val(in.IdentityId), in.Logins)
	if err != nil {
		return nil, err
	}
	role, err := chooseRole(h.pool, h.login, smithy.Val(in.CustomRoleArn))
	if err != nil {
		return nil, err
	}
	ask := service.Assume{
		RoleARN: role, SessionName: sessionName, Duration: credentialsValidity, Action: webIdentityAction,
		Web: &service.WebIdentity{Provider: servicePrincipal, Keys: webKeys(h.Pool, h.identity.ID, h.amr())},
	}
	if h.login == nil {
		ask.Policy = guestPolicy
	}
	owner := *c
	owner.Account, owner.Region = h.Account, h.Region
	session, err := owner.AssumeRole(ctx, ask)
	if f := fault.As(err); f != nil {
		denied := errRoles()
		fault.As(denied).Why = f.Message
		return nil, denied
	}
	if err != nil {
		return nil, err
	}
	return &api.GetCredentialsForIdentityOutput{IdentityId: &h.identity.ID, Credentials: &api.Credentials{
		AccessKeyId: &session.AccessKeyID, SecretKey: &session.SecretAccessKey, SessionToken: &session.SessionToken, Expiration: &session.Expires,
	}}, nil
}

func (i *id) describe() api.IdentityDescription {
	return api.IdentityDescription{
		IdentityId: &i.ID, Logins: slices.Sorted(maps.Keys(i.Logins)), CreationDate: &i.Created, LastModifiedDate: &i.Modified,
	}
}

// owned finds an identity of the caller's account.
func (s *Service) owned(ctx context.Context, c *service.Call, identityID string) (place, *id, error) {
	p, _, i, err := s.findIdentity(ctx, identityID)
	if err == nil && (p.Account != c.Account || p.Region != c.Region) {
		err = errNoIdentity(identityID)
	}
	return p, i, err
}

func (s *Service) describeIdentity(ctx context.Context, c *service.Call, in *api.DescribeIdentityInput) (*api.DescribeIdentityOutput, error) {
	_, i, err := s.owned(ctx, c, smithy.Val(in.IdentityId))
	if err != nil {
		return nil, err
	}
	out := i.describe()
	return &out, nil
}

func (s *Service) listIdentities(ctx context.Context, c *service.Call, in *api.ListIdentitiesInput) (*api.ListIdentitiesOutput, error) {
	p := at(c, in.IdentityPoolId)
	if _, err := loadPool(s.read(ctx), p); err != nil {
		return nil, err
	}
	out := &api.ListIdentitiesOutput{IdentityPoolId: in.IdentityPoolId, Identities: []api.IdentityDescription{}}
	var err error
	out.NextToken, err = list(ctx, s, p.identitiesKey(), in.NextToken, int(smithy.Val(in.MaxResults)), func(i *id) {
		out.Identities = append(out.Identities, i.describe())
	})
	return out, err
}

// deleteIdentities skips identities that do not exist, as AWS does.
func (s *Service) deleteIdentities(ctx context.Context, c *service.Call, in *api.DeleteIdentitiesInput) (*api.DeleteIdentitiesOutput, error) {
	for _, identityID := range in.IdentityIdsToDelete {
		p, _, err := s.owned(ctx, c, identityID)
		if fault.Is(err, "ResourceNotFoundException") {
			continue
		}
		if err != nil {
			return nil, err
		}
		err = s.d.KV.Update(ctx, func(tx *kv.Tx) error {
			i, err := get[id](tx.Get, p.identityKey(identityID))
			if err != nil || i == nil {
				return err
			}
			return remove(tx, p, i)
		}, p.identityKey(identityID))
		if err != nil {
			return nil, err
		}
	}
	return &api.DeleteIdentitiesOutput{UnprocessedIdentityIds: []api.UnprocessedIdentityId{}}, nil
}

// unlinkIdentity takes logins away from an identity, for who holds one of them.
func (s *Service) unlinkIdentity(ctx context.Context, c *service.Call, in *api.UnlinkIdentityInput) (*api.UnlinkIdentityOutput, error) {
	p, up, i, err := s.findIdentity(ctx, smithy.Val(in.IdentityId))
	if err != nil {
		return nil, err
	}
	l, err := s.verifyLogins(ctx, p, up, in.Logins, c.Now)
	if err != nil {
		return nil, err
	}
	if l == nil || i.Logins[l.provider] != l.claims.Subject {
		return nil, errForbidden(i.ID)
	}
	return nil, s.d.KV.Update(ctx, func(tx *kv.Tx) error {
		i, err := get[id](tx.Get, p.identityKey(i.ID))
		if err != nil {
			return err
		}
		if i == nil {
			return errNoIdentity(smithy.Val(in.IdentityId))
		}
		for _, provider := range in.LoginsToRemove {
			if err := tx.Delete(p.loginKey(provider, i.Logins[provider])); err != nil {
				return err
			}
			delete(i.Logins, provider)
		}
		i.Closed = len(i.Logins) == 0
		i.Modified = c.Now
		return put(tx, p.identityKey(i.ID), i)
	}, p.identityKey(i.ID))
}
