package cognitoidentity

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	api "moln.dev/moln/api/cognitoidentity"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/platform/tokens"
)

const (
	openIDValidity = 10 * time.Minute
	openIDIssuer   = "https://" + servicePrincipal
	signingKeyBits = 2048
	purposeKey     = "cognitoidentity/key"
	keySetPath     = "/.well-known/jwks_uri"
)

// generateKey does not draw from ident: crypto/rsa takes its randomness from
// the system only.
func generateKey() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, signingKeyBits) }

// signingKey signs OpenID tokens, of all pools.
type signingKey struct {
	kid string
	key *rsa.PrivateKey
}

type keyRecord struct {
	Kid string
	Key []byte // PKCS #8
}

// signing returns the key, made at its first use. Two servers that start at
// once end with the same.
func (s *Service) signing(ctx context.Context) (*signingKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.key != nil {
		return s.key, nil
	}
	sealed, err := s.d.KV.Get(ctx, signingKeyKey())
	if errors.Is(err, kv.ErrNotFound) {
		sealed, err = s.makeKey(ctx)
	}
	if err != nil {
		return nil, err
	}
	s.key, err = s.openKey(sealed)
	return s.key, err
}

func (s *Service) makeKey(ctx context.Context) ([]byte, error) {
	key, err := s.newKey()
	if err != nil {
		return nil, fmt.Errorf("cognitoidentity: signing key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("cognitoidentity: signing key: %w", err)
	}
	raw, err := json.Marshal(keyRecord{s.d.Ident.UUID(), der})
	if err != nil {
		return nil, err
	}
	fresh := s.d.Seal.Seal(purposeKey, raw)
	var out []byte
	err = s.d.KV.Update(ctx, func(tx *kv.Tx) error {
		old, err := tx.Get(signingKeyKey())
		if err == nil {
			out = old
			return nil
		}
		if !errors.Is(err, kv.ErrNotFound) {
			return err
		}
		out = fresh
		return tx.Put(signingKeyKey(), fresh)
	})
	return out, err
}

func (s *Service) openKey(sealed []byte) (*signingKey, error) {
	raw, err := s.d.Seal.Open(purposeKey, sealed)
	if err != nil {
		return nil, fmt.Errorf("cognitoidentity: signing key: %w", err)
	}
	var r keyRecord
	if err := json.Unmarshal(raw, &r); err != nil {
		return nil, fmt.Errorf("cognitoidentity: signing key: %w", err)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(r.Key)
	if err != nil {
		return nil, fmt.Errorf("cognitoidentity: signing key: %w", err)
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("cognitoidentity: signing key is %T", parsed)
	}
	return &signingKey{r.Kid, key}, nil
}

// getOpenIDToken is the first half of the classic flow.
func (s *Service) getOpenIDToken(ctx context.Context, c *service.Call, in *api.GetOpenIdTokenInput) (*api.GetOpenIdTokenOutput, error) {
	h, err := s.resolve(ctx, c, smithy.Val(in.IdentityId), in.Logins)
	if err != nil {
		return nil, err
	}
	if !smithy.Val(h.pool.Settings.AllowClassicFlow) {
		return nil, api.ErrInvalidParameterException("Basic (classic) flow is not enabled, please use enhanced flow.")
	}
	key, err := s.signing(ctx)
	if err != nil {
		return nil, err
	}
	token, err := tokens.Sign(tokens.RS512, key.kid, key.key, map[string]any{
		"iss": openIDIssuer, "aud": h.Pool, "sub": h.identity.ID, "amr": h.amr(), "iat": c.Now.Unix(), "exp": c.Now.Add(openIDValidity).Unix(),
	})
	return &api.GetOpenIdTokenOutput{IdentityId: &h.identity.ID, Token: &token}, err
}

// VerifyWebToken implements service.WebTokens for the second half of the classic
// flow, sts's AssumeRoleWithWebIdentity.
func (s *Service) VerifyWebToken(ctx context.Context, c *service.Call, token string) (*service.WebToken, error) {
	u, err := tokens.Parse(token)
	if err != nil {
		return nil, err
	}
	if iss, _ := u.Claims["iss"].(string); iss != openIDIssuer {
		return nil, nil
	}
	key, err := s.signing(ctx)
	if err != nil {
		return nil, err
	}
	if u.KeyID != key.kid {
		return nil, tokens.ErrBadSignature
	}
	if err := u.Verify(tokens.RS512, &key.key.PublicKey); err != nil {
		return nil, err
	}
	claims, err := tokens.ReadClaims(u.Claims)
	if err != nil {
		return nil, err
	}
	if !c.Now.Before(claims.Expires) {
		return nil, tokens.ErrExpired
	}
	aud, _ := u.Claims["aud"].(string)
	var amr []string
	methods, _ := u.Claims["amr"].([]any)
	for _, m := range methods {
		if text, ok := m.(string); ok {
			amr = append(amr, text)
		}
	}
	return &service.WebToken{
		WebIdentity: service.WebIdentity{Provider: servicePrincipal, Keys: webKeys(aud, claims.Subject, amr)},
		Subject:     claims.Subject, Audience: aud,
	}, nil
}

// webKeys are what trust policies and session conditions may ask about an
// identity.
func webKeys(pool, identityID string, amr []string) map[string][]string {
	return map[string][]string{
		servicePrincipal + ":aud": {pool}, servicePrincipal + ":sub": {identityID}, servicePrincipal + ":amr": amr,
	}
}

// keyEndpoint serves the key set under the issuer's host name.
func (s *Service) keyEndpoint() service.Endpoint {
	return service.Endpoint{
		Name:  "cognitoidentity/keys",
		Match: func(r *http.Request, host string) bool { return host == servicePrincipal && r.URL.Path == keySetPath },
		Serve: func(w http.ResponseWriter, r *http.Request, c *service.Call) {
			key, err := s.signing(r.Context())
			if err != nil {
				c.Log.Error("cognito identity keys", "err", err)
				http.Error(w, "Internal Server Error", http.StatusInternalServerError)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Access-Control-Allow-Origin", "*")
			_ = json.NewEncoder(w).Encode(map[string]any{"keys": []tokens.JWK{tokens.NewJWK(tokens.RS512, key.kid, &key.key.PublicKey)}}) // the client has gone
		},
	}
}
