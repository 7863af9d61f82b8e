package logs

import (
	"context"

	api "moln.dev/moln/api/logs"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/platform/service"
)

// Service answers CloudWatch Logs requests. Safe for concurrent use.
type Service struct {
	deps    service.Deps
	store   store
	decoded *kv.Decoded[place, policies]
}

// New makes the service.
func New(d service.Deps) *Service {
	return &Service{deps: d, store: store{db: d.KV}, decoded: kv.NewDecoded(decodedMax, place.policiesKey, decodePolicies)}
}

// Definition describes the service.
func (s *Service) Definition() service.Definition {
	return service.Definition{
		Schema: &api.Schema, Operations: table.Bind(s), Authorize: s.authorize,
		Resources: resources(),
		Workers:   []service.Worker{{Name: "retention", Run: func(ctx context.Context) error { return s.expire(ctx) }}},
	}
}
