package lambda

import (
	"sync"

	api "moln.dev/moln/api/lambda"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/lambda/host"
)

// Options say how functions are run.
type Options = host.Options

// Service answers Lambda requests and runs functions. Safe for concurrent use.
type Service struct {
	deps     service.Deps
	store    store
	packages *packages
	host     *host.Host
	engine   *engine
	strict   bool
}

// New makes the service. It starts nothing; the first use, or the worker, looks
// at the host.
func New(d service.Deps, opts Options) *Service {
	s := &Service{
		deps: d, strict: opts.Strict, store: store{db: d.KV},
		packages: &packages{blobs: d.Blobs, dir: d.DataDir, locks: map[string]*sync.Mutex{}},
	}
	s.host = host.New(d.Clock, d.Log, opts)
	s.engine = newEngine(s)
	s.registerAsync()
	return s
}

// Close ends every execution environment.
func (s *Service) Close() error { return s.engine.close() }

// Definition describes the service.
func (s *Service) Definition() service.Definition {
	return service.Definition{
		Schema: &api.Schema, Operations: table.Bind(s), Authorize: s.authorize, Invalid: invalidInput,
		Resources: resources(),
		Endpoints: []service.Endpoint{s.codeEndpoint()},
		Workers: []service.Worker{
			{Name: "environments", Run: s.warmUp},
			{Name: "packages", Run: s.sweepPackages},
		},
	}
}
