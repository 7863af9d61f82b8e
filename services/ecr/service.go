package ecr

import (
	"context"

	api "moln.dev/moln/api/ecr"
	"moln.dev/moln/platform/service"
)

// Service answers ECR requests. Safe for concurrent use.
type Service struct {
	deps  service.Deps
	store *store
}

// New makes the service.
func New(d service.Deps) *Service {
	return &Service{deps: d, store: newStore(d.KV)}
}

// Definition describes the service.
func (s *Service) Definition() service.Definition {
	return service.Definition{
		Schema: &api.Schema, Operations: table.Bind(s), Authorize: s.authorize, Invalid: invalidInput,
		Resources: resources(),
		Endpoints: []service.Endpoint{s.registryEndpoint(), s.layerEndpoint()},
		Workers:   []service.Worker{{Name: "images", Run: func(ctx context.Context) error { return s.tend(ctx) }}},
	}
}
