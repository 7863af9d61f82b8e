package iam

import (
	api "moln.dev/moln/api/iam"
	"moln.dev/moln/platform/identity"
	"moln.dev/moln/platform/service"
)

// Service answers IAM requests and tells the gateway whose policies apply. Safe
// for concurrent use.
type Service struct {
	deps  service.Deps
	store store
	cache *cache
}

// New makes the service.
func New(d service.Deps) *Service {
	return &Service{deps: d, store: store{db: d.KV}, cache: newCache(d.KV, d.Clock)}
}

// Close ends the watch that keeps the cache fresh.
func (s *Service) Close() error {
	s.cache.close()
	return nil
}

// Definition describes the service.
func (s *Service) Definition() service.Definition {
	return service.Definition{
		Schema: &api.Schema, Operations: table.Bind(s), Authorize: s.authorize, Resources: resources(),
	}
}

var (
	_ identity.Keys  = (*Service)(nil)
	_ identity.Roles = (*Service)(nil)
)
