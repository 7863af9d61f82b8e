package s3

import (
	"context"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/engine/sched"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/s3/template"
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
		Resources:  template.Types(s.deps.Site.Port, s.taken),
		Endpoints:  []service.Endpoint{s.websiteEndpoint(), s.preflightEndpoint()},
	}
}

// taken tells whether there is a bucket of a name.
func (s *Service) taken(ctx context.Context, name string) (bool, error) {
	_, err := s.store.bucket(ctx, name)
	if isNoSuchBucket(err) {
		return false, nil
	}
	return err == nil, err
}
