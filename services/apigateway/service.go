package apigateway

import (
	api "moln.dev/moln/api/apigateway"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/platform/tokens"
)

// Service answers API Gateway requests and serves deployed APIs. Safe for
// concurrent use.
type Service struct {
	deps   service.Deps
	store  store
	tokens *tokens.Broker
	plane  *plane
}

// New makes the service; verifier judges the tokens of user pools.
func New(d service.Deps, verifier *tokens.Broker) *Service {
	return &Service{deps: d, store: store{db: d.KV}, tokens: verifier, plane: newPlane()}
}

// Definition describes the service.
func (s *Service) Definition() service.Definition {
	return service.Definition{
		Schema: &api.Schema, Operations: table.Bind(s), Authorize: authorize,
		Resources: resources(), Endpoints: []service.Endpoint{s.endpoint()},
	}
}
