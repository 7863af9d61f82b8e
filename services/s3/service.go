package s3

import (
	api "moln.dev/moln/api/s3"
	"moln.dev/moln/engine/sched"
	"moln.dev/moln/platform/service"
)

// Service answers S3's API, websites and preflight requests. Safe for
// concurrent use.
type Service struct {
	deps  service.Deps
	store *store
}

// New makes the service.
func New(d service.Deps) *Service {
	s := &Service{deps: d, store: newStore(d)}
	d.Sched.Every("s3/sweep", sweepEvery, s.sweep)
	d.Sched.Register(notifyKind, s.deliver, sched.Options{MaxAttempts: notifyAttemptsMax, Lease: notifyLease})
	return s
}

// Definition is the service as the gateway sees it.
func (s *Service) Definition() service.Definition {
	return service.Definition{
		Schema:     &api.Schema,
		Operations: table().Bind(s),
		Authorize:  s.authorize,
		Resources:  s.resourceTypes(),
		Endpoints:  []service.Endpoint{s.websiteEndpoint(), s.preflightEndpoint()},
	}
}
