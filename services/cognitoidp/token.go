package cognitoidp

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	api "moln.dev/moln/api/cognitoidp"
	"moln.dev/moln/aws/arn"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/platform/tokens"
	"moln.dev/moln/services/cognitoidp/settings"
)

const (
	signingKeyBits    = 2048
	keyIDBytes        = 32
	ghostKeyBytes     = 32
	keySetsMax        = 128 // pools whose opened keys are kept in memory
	signInScope       = "aws.cognito.signin.user.admin"
	tokenTypeBearer   = "Bearer"
	purposeRefresh    = "cognitoidp/refresh-token"
	preferredRoleName = "cognito:preferred_role"
)

// generateKey makes a signing key. It does not draw from ident: crypto/rsa
// takes its randomness from the system only.
func generateKey() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, signingKeyBits) }

// keySet is a pool's secrets, opened.
type keySet struct {
	id, access       *rsa.PrivateKey
	idKid, accessKid string
	// ghost is the key of what is pretended about users that do not exist.
	ghost []byte
}

// keyRecord is how a keySet is stored, sealed.
type keyRecord struct {
	ID, Access       []byte // PKCS #8
	IDKid, AccessKid string
	Ghost            []byte
}

func purposeKeys(poolID string) string { return "cognitoidp/keys/" + poolID }

// newKeys makes a pool's keys and gives their sealed record.
func (s *Service) newKeys(poolID string) ([]byte, error) {
	r := keyRecord{
		IDKid: kid(s.d.Ident.Bytes(keyIDBytes)), AccessKid: kid(s.d.Ident.Bytes(keyIDBytes)), Ghost: s.d.Ident.Bytes(ghostKeyBytes),
	}
	for _, field := range []*[]byte{&r.ID, &r.Access} {
		k, err := s.newKey()
		if err != nil {
			return nil, fmt.Errorf("cognitoidp: signing key: %w", err)
		}
		if *field, err = x509.MarshalPKCS8PrivateKey(k); err != nil {
			return nil, fmt.Errorf("cognitoidp: signing key: %w", err)
		}
	}
	raw, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	return s.d.Seal.Seal(purposeKeys(poolID), raw), nil
}

// keysOf opens a pool's keys, which never change.
func (s *Service) keysOf(ctx context.Context, p place) (*keySet, error) {
	s.mu.Lock()
	k := s.keys[p.Pool]
	s.mu.Unlock()
	if k != nil {
		return k, nil
	}
	sealed, err := s.d.KV.Get(ctx, p.key(kindKey))
	if errors.Is(err, kv.ErrNotFound) {
		return nil, errNoPool(p.Pool)
	}
	if err != nil {
		return nil, err
	}
	k, err = s.openKeys(p.Pool, sealed)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.keys) >= keySetsMax {
		clear(s.keys)
	}
	s.keys[p.Pool] = k
	return k, nil
}

func (s *Service) forgetKeys(poolID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.keys, poolID)
}

func (s *Service) openKeys(poolID string, sealed []byte) (*keySet, error) {
	raw, err := s.d.Seal.Open(purposeKeys(poolID), sealed)
	if err != nil {
		return nil, fmt.Errorf("cognitoidp: keys of %s: %w", poolID, err)
	}
	var r keyRecord
	if err := json.Unmarshal(raw, &r); err != nil {
		return nil, fmt.Errorf("cognitoidp: keys of %s: %w", poolID, err)
	}
	k := &keySet{idKid: r.IDKid, accessKid: r.AccessKid, ghost: r.Ghost}
	for _, f := range []struct {
		der []byte
		key **rsa.PrivateKey
	}{{r.ID, &k.id}, {r.Access, &k.access}} {
		parsed, err := x509.ParsePKCS8PrivateKey(f.der)
		if err != nil {
			return nil, fmt.Errorf("cognitoidp: keys of %s: %w", poolID, err)
		}
		rsaKey, ok := parsed.(*rsa.PrivateKey)
		if !ok {
			return nil, fmt.Errorf("cognitoidp: keys of %s: %T", poolID, parsed)
		}
		*f.key = rsaKey
	}
	return k, nil
}

// login is a sign-in: what a refresh token stands for.
type login struct {
	Client    string
	AuthTime  time.Time
	Refreshes time.Time // the refresh token's end
	Expires   time.Time // the end of the last token that came from it
}

// refreshToken is what is sealed in a refresh token.
type refreshToken struct {
	Pool   string `json:"p"`
	Client string `json:"c"`
	User   string `json:"u"` // key
	Login  string `json:"l"`
	Ends   int64  `json:"e"`
}

// grants is what a token says beyond the user's attributes.
type grants struct {
	groups    []string
	roles     []string
	preferred string
}

// overrides is what the pre-token trigger changes.
type overrides struct {
	add      map[string]string
	suppress []string
	grants   *grants // nil: unchanged
}

// protectedClaims are set by the pool alone.
func protectedClaims() []string {
	return []string{
		"iss", "aud", "sub", "exp", "iat", "jti", "origin_jti", "token_use", "auth_time", "client_id", "nonce", "at_hash", "c_hash",
		"amr", "azp", "acr", "nbf", "cognito:username", "username", "device_key", "event_id", "identities", "scope", "version",
	}
}

// idClaims are the claims of an ID token.
func idClaims(a *app, u *user, g grants, o overrides) map[string]any {
	c := map[string]any{}
	for name, value := range u.Attributes {
		if !a.client.MayRead(name) {
			continue
		}
		switch name {
		case settings.AttributeEmailVerified, settings.AttributePhoneVerified:
			c[name] = value == "true"
		case settings.AttributeUpdatedAt:
			c[name] = value
			if n, err := strconv.ParseInt(value, 10, 64); err == nil {
				c[name] = n
			}
		case "address":
			c[name] = map[string]string{"formatted": value}
		default:
			c[name] = value
		}
	}
	if len(g.groups) > 0 {
		c["cognito:groups"] = g.groups
	}
	if len(g.roles) > 0 {
		c["cognito:roles"] = g.roles
	}
	if g.preferred != "" {
		c[preferredRoleName] = g.preferred
	}
	protected := protectedClaims()
	for name, value := range o.add {
		if !slices.Contains(protected, name) && !strings.HasPrefix(name, "cognito:") {
			c[name] = value
		}
	}
	for _, name := range o.suppress {
		if !slices.Contains(protected, name) {
			delete(c, name)
		}
	}
	c["cognito:username"] = u.Username
	c["aud"] = a.client.ID()
	c["token_use"] = tokens.UseID
	return c
}

// accessClaims are the claims of an access token.
func accessClaims(a *app, u *user, g grants) map[string]any {
	c := map[string]any{
		"username": u.Username, "client_id": a.client.ID(), "token_use": tokens.UseAccess, "scope": signInScope,
	}
	if len(g.groups) > 0 {
		c["cognito:groups"] = g.groups
	}
	return c
}

// mint makes an ID and an access token for a sign-in.
func (s *Service) mint(ctx context.Context, a *app, u *user, loginID string, authTime, now time.Time, g grants, o overrides) (*api.AuthenticationResultType, error) {
	keys, err := s.keysOf(ctx, a.place)
	if err != nil {
		return nil, err
	}
	if o.grants != nil {
		g = *o.grants
	}
	common := map[string]any{
		"sub": u.Sub, "iss": a.issuer(), "auth_time": authTime.Unix(), "iat": now.Unix(), "event_id": loginID,
	}
	if a.client.Revocable() {
		common["origin_jti"] = loginID
	}
	id := idClaims(a, u, g, o)
	maps.Copy(id, common)
	id["jti"], id["exp"] = s.d.Ident.UUID(), now.Add(a.client.IDValidity()).Unix()
	access := accessClaims(a, u, g)
	maps.Copy(access, common)
	access["jti"], access["exp"] = s.d.Ident.UUID(), now.Add(a.client.AccessValidity()).Unix()

	idToken, err := tokens.Sign(tokens.RS256, keys.idKid, keys.id, id)
	if err != nil {
		return nil, fmt.Errorf("cognitoidp: sign: %w", err)
	}
	accessToken, err := tokens.Sign(tokens.RS256, keys.accessKid, keys.access, access)
	if err != nil {
		return nil, fmt.Errorf("cognitoidp: sign: %w", err)
	}
	return &api.AuthenticationResultType{
		IdToken: &idToken, AccessToken: &accessToken, TokenType: ptr(tokenTypeBearer),
		ExpiresIn: ptr(int32(a.client.AccessValidity() / time.Second)),
	}, nil
}

// startLogin records a sign-in and gives its refresh token.
func (s *Service) startLogin(ctx context.Context, a *app, userKey, loginID string, now time.Time) (string, error) {
	ends := now.Add(a.client.RefreshValidity())
	l := login{Client: a.client.ID(), AuthTime: now, Refreshes: ends, Expires: ends.Add(settings.ShortTokenMax)}
	raw, err := json.Marshal(refreshToken{Pool: a.Pool, Client: a.client.ID(), User: userKey, Login: loginID, Ends: ends.Unix()})
	if err != nil {
		return "", err
	}
	k, userLock := a.key(kindLogin, userKey, loginID), a.key(kindUser, userKey)
	err = s.d.KV.Update(ctx, func(tx *kv.Tx) error {
		// The user may have been deleted or disabled since it was checked.
		u, err := find[user](txReader{tx}, userLock)
		if err != nil {
			return err
		}
		if u == nil || !u.Enabled {
			return errPassword()
		}
		if err := tx.Put(oldKey(l.Expires, loginID), k); err != nil {
			return err
		}
		return put(tx, k, l)
	}, k)
	if err != nil {
		return "", err
	}
	return s.d.Seal.SealToken(purposeRefresh, raw), nil
}

// endLogins revokes all sign-ins of a user.
func endLogins(tx *kv.Tx, p place, userKey string) error {
	return dropPrefix(tx, p.key(kindLogin, userKey))
}

// VerifyToken implements tokens.Verifier.
func (s *Service) VerifyToken(ctx context.Context, poolARN, token string, now time.Time) (tokens.Claims, error) {
	p, err := parsePoolARN(poolARN)
	if err != nil {
		return tokens.Claims{}, err
	}
	return s.verify(ctx, p, token, now)
}

func parsePoolARN(text string) (place, error) {
	a, err := arn.Parse(text)
	if err != nil || a.Service != "cognito-idp" {
		return place{}, fmt.Errorf("%w: %s", tokens.ErrUnknownPool, text)
	}
	id, ok := strings.CutPrefix(a.Resource, "userpool/")
	if !ok {
		return place{}, fmt.Errorf("%w: %s", tokens.ErrUnknownPool, text)
	}
	return place{a.Account, a.Region, id}, nil
}

// verify checks signature, issuer, use and expiry of a token of one pool.
func (s *Service) verify(ctx context.Context, p place, token string, now time.Time) (tokens.Claims, error) {
	t, err := tokens.Parse(token)
	if err != nil {
		return tokens.Claims{}, err
	}
	claims, err := tokens.ReadClaims(t.Claims)
	if err != nil {
		return tokens.Claims{}, err
	}
	if claims.Issuer != p.issuer() {
		return tokens.Claims{}, tokens.ErrWrongIssuer
	}
	keys, err := s.keysOf(ctx, p)
	if isFault(err, "ResourceNotFoundException") {
		return tokens.Claims{}, tokens.ErrUnknownPool
	}
	if err != nil {
		return tokens.Claims{}, err
	}
	// Each use has its own key: a token of one cannot pass for the other.
	key, kid := keys.id, keys.idKid
	if claims.Use == tokens.UseAccess {
		key, kid = keys.access, keys.accessKid
	} else if claims.Use != tokens.UseID {
		return tokens.Claims{}, tokens.ErrMalformed
	}
	if t.KeyID != kid {
		return tokens.Claims{}, tokens.ErrBadSignature
	}
	if err := t.Verify(tokens.RS256, &key.PublicKey); err != nil {
		return tokens.Claims{}, err
	}
	if !now.Before(claims.Expires) {
		return tokens.Claims{}, tokens.ErrExpired
	}
	return claims, nil
}

// CheckSession implements tokens.Verifier.
func (s *Service) CheckSession(ctx context.Context, poolARN string, claims tokens.Claims) error {
	p, err := parsePoolARN(poolARN)
	if err != nil {
		return err
	}
	_, _, err = s.holder(ctx, p, claims)
	return err
}

// holder finds the user of verified claims, whose sign-in must still stand.
func (s *Service) holder(ctx context.Context, p place, claims tokens.Claims) (string, *user, error) {
	r := s.reader(ctx)
	key, u, err := s.findBySub(r, p, claims.Subject)
	if err != nil {
		return "", nil, err
	}
	if u == nil || !u.Enabled {
		return "", nil, tokens.ErrRevoked
	}
	id, _ := claims.All["event_id"].(string)
	ok, err := exists(r, p.key(kindLogin, key, id))
	if err != nil {
		return "", nil, err
	}
	if !ok {
		return "", nil, tokens.ErrRevoked
	}
	return key, u, nil
}

// bearer is who holds an access token.
type bearer struct {
	app
	key  string
	user *user
}

// bearerOf checks an access token as the self-service operations do.
func (s *Service) bearerOf(ctx context.Context, token string, now time.Time) (*bearer, error) {
	invalid := api.ErrNotAuthorizedException("Invalid Access Token")
	t, err := tokens.Parse(token)
	if err != nil {
		return nil, invalid
	}
	issuer, _ := t.Claims["iss"].(string)
	p, err := s.placeOf(ctx, poolRefKey(issuer[strings.LastIndexByte(issuer, '/')+1:]))
	if err != nil {
		return nil, err
	}
	if p == nil {
		return nil, invalid
	}
	claims, err := s.verify(ctx, *p, token, now)
	switch {
	case errors.Is(err, tokens.ErrExpired):
		return nil, api.ErrNotAuthorizedException("Access Token has expired")
	case errors.Is(err, tokens.ErrMalformed), errors.Is(err, tokens.ErrBadSignature), errors.Is(err, tokens.ErrWrongIssuer), errors.Is(err, tokens.ErrUnknownPool):
		return nil, invalid
	case err != nil:
		return nil, err
	case claims.Use != tokens.UseAccess:
		return nil, invalid
	case !slices.Contains(claims.Scopes, signInScope):
		return nil, api.ErrNotAuthorizedException("Access Token does not have required scopes")
	}
	return s.bearerAt(ctx, *p, claims)
}

func (s *Service) bearerAt(ctx context.Context, p place, claims tokens.Claims) (*bearer, error) {
	key, u, err := s.holder(ctx, p, claims)
	if errors.Is(err, tokens.ErrRevoked) {
		return nil, api.ErrNotAuthorizedException("Access Token has been revoked")
	}
	if err != nil {
		return nil, err
	}
	a, err := s.appAt(ctx, p, claims.ClientID)
	if err != nil {
		return nil, err
	}
	return &bearer{app: *a, key: key, user: u}, nil
}

func kid(b []byte) string { return base64.StdEncoding.EncodeToString(b) }
