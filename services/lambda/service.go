package lambda

import (
	"sync"

	api "moln.dev/moln/api/lambda"
	"moln.dev/moln/platform/service"
)

// Options say how functions are run.
type Options struct {
	// Sandbox is the driver: "" for the best that this host allows, "ns",
	// "process", or "none" to run nothing.
	Sandbox string
	// Strict refuses to run functions with less than "ns".
	Strict bool
	// Egress is what functions may reach besides moln: "none" (and "") or
	// "host", everything that the host reaches.
	Egress string
	// RuntimesDir is a further directory, or pattern of directories, with
	// interpreters.
	RuntimesDir string
}

// Service answers Lambda requests and runs functions. Safe for concurrent use.
type Service struct {
	deps     service.Deps
	options  Options
	store    store
	packages *packages
	host     *host
	engine   *engine
}

// New makes the service. It starts nothing; the first use, or the worker, looks
// at the host.
func New(d service.Deps, opts Options) *Service {
	s := &Service{
		deps: d, options: opts, store: store{db: d.KV},
		packages: &packages{blobs: d.Blobs, dir: d.DataDir, locks: map[string]*sync.Mutex{}},
	}
	s.host = newHost(d, opts)
	s.engine = newEngine(s)
	s.registerAsync()
	return s
}

// Close ends every execution environment.
func (s *Service) Close() error { return s.engine.close() }

// Definition describes the service.
func (s *Service) Definition() service.Definition {
	return service.Definition{
		Schema: &api.Schema, Operations: table.Bind(s), Authorize: s.authorize,
		Resources: resources(),
		Endpoints: []service.Endpoint{s.codeEndpoint()},
		Workers: []service.Worker{
			{Name: "environments", Run: s.warmUp},
			{Name: "packages", Run: s.sweepPackages},
		},
	}
}
