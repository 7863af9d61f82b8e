package cognitoidentity

import (
	"crypto/rsa"
	"sync"

	api "moln.dev/moln/api/cognitoidentity"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/platform/tokens"
)

// Service is Amazon Cognito identity pools. It is safe for concurrent use.
type Service struct {
	d        service.Deps
	verifier tokens.Verifier
	newKey   func() (*rsa.PrivateKey, error)

	mu  sync.Mutex
	key *signingKey // guarded by mu; nil until it is needed
}

// New makes the service, which asks v about the tokens of user pools.
func New(d service.Deps, v tokens.Verifier) *Service {
	return &Service{d: d, verifier: v, newKey: generateKey}
}

// Definition describes the service to the gateway and everything around it.
func (s *Service) Definition() service.Definition {
	return service.Definition{
		Schema: &api.Schema, Operations: table().Bind(s), Authorize: s.authorize,
		Resources: resourceTypes(), Endpoints: []service.Endpoint{s.keyEndpoint()}, CORS: true,
	}
}

var _ service.WebTokens = (*Service)(nil)
