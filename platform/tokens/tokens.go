// Package tokens is how a service judges the JSON web tokens of user pools
// without knowing the service that issues them: API Gateway's authorizers and
// identity pools ask the Broker, to which cognitoidp binds itself when the
// server is put together. Nothing is fetched over HTTP.
//
// It also has the small RSA subset of JWS that Cognito speaks (RS256, RS512,
// compact form), for the two services that sign. It is not a JOSE library: no
// other algorithm, no encryption, no key discovery.
package tokens

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// Why a token was refused. Test with errors.Is.
var (
	// ErrMalformed: no compact JWS of an algorithm known here, or claims that
	// are not what their names say.
	ErrMalformed = errors.New("tokens: malformed token")
	// ErrBadSignature: signed by no key of the issuer.
	ErrBadSignature = errors.New("tokens: signature does not verify")
	// ErrWrongIssuer: issued by another pool than the one asked for.
	ErrWrongIssuer = errors.New("tokens: issued by another pool")
	// ErrExpired: the token's time is over.
	ErrExpired = errors.New("tokens: token has expired")
	// ErrUnknownPool: there is no such pool.
	ErrUnknownPool = errors.New("tokens: no such user pool")
	// ErrRevoked: the sign-in that the token comes from is over, or its user is
	// disabled or gone.
	ErrRevoked = errors.New("tokens: token has been revoked")
	// ErrUnbound: this server has no user pools.
	ErrUnbound = errors.New("tokens: this server issues no tokens")
)

// Values of Claims.Use.
const (
	UseID     = "id"
	UseAccess = "access"
)

// Claims are a verified token's statements.
type Claims struct {
	Use      string // UseID or UseAccess
	Issuer   string
	Subject  string
	Username string
	// ClientID is the app client: the aud of an ID token, the client_id of an
	// access token.
	ClientID string
	Scopes   []string // access tokens
	Groups   []string // cognito:groups
	Roles    []string // cognito:roles, ID tokens
	// PreferredRole is cognito:preferred_role.
	PreferredRole string
	IssuedAt      time.Time
	Expires       time.Time
	// All has every claim as it was decoded from JSON; numbers are
	// json.Number.
	All map[string]any
}

// Verifier judges tokens of user pools. Implementations are safe for concurrent
// use.
type Verifier interface {
	// VerifyToken checks signature, issuer and expiry, which is what a resource
	// server can check. Its errors are those of this package.
	VerifyToken(ctx context.Context, poolARN, token string, now time.Time) (Claims, error)
	// CheckSession asks the pool itself whether the sign-in behind verified
	// claims still stands: ErrRevoked when the user was disabled, deleted or
	// signed out.
	CheckSession(ctx context.Context, poolARN string, claims Claims) error
}

// Broker hands questions to the bound Verifier. The zero value is ready.
type Broker struct {
	verifier atomic.Pointer[Verifier]
}

// Bind sets the verifier; the last one wins.
func (b *Broker) Bind(v Verifier) { b.verifier.Store(&v) }

// VerifyToken implements Verifier.
func (b *Broker) VerifyToken(ctx context.Context, poolARN, token string, now time.Time) (Claims, error) {
	v := b.verifier.Load()
	if v == nil {
		return Claims{}, ErrUnbound
	}
	return (*v).VerifyToken(ctx, poolARN, token, now)
}

// CheckSession implements Verifier.
func (b *Broker) CheckSession(ctx context.Context, poolARN string, claims Claims) error {
	v := b.verifier.Load()
	if v == nil {
		return ErrUnbound
	}
	return (*v).CheckSession(ctx, poolARN, claims)
}

var _ Verifier = (*Broker)(nil)
