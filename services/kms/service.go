package kms

import (
	"context"

	api "moln.dev/moln/api/kms"
	"moln.dev/moln/platform/service"
)

// Service answers KMS requests. Safe for concurrent use.
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
		Schema: &api.Schema, Operations: table.Bind(s), Authorize: s.authorize,
		Resources: resources(),
		Workers:   []service.Worker{{Name: "keys", Run: func(ctx context.Context) error { return s.tend(ctx) }}},
	}
}
