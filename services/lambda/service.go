package lambda

import (
	"context"
	"path/filepath"
	"slices"

	api "moln.dev/moln/api/lambda"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/lambda/async"
	"moln.dev/moln/services/lambda/cfn"
	"moln.dev/moln/services/lambda/code"
	"moln.dev/moln/services/lambda/esm"
	"moln.dev/moln/services/lambda/fn"
	"moln.dev/moln/services/lambda/host"
	"moln.dev/moln/services/lambda/layers"
	"moln.dev/moln/services/lambda/provisioned"
	"moln.dev/moln/services/lambda/run"
	"moln.dev/moln/services/lambda/url"
	"moln.dev/moln/services/lambda/variables"
)

// Options say how functions are run.
type Options = host.Options

// Service answers Lambda requests and runs functions. Safe for concurrent use.
type Service struct {
	deps      service.Deps
	store     fn.Store
	packages  *code.Packages
	host      *host.Host
	engine    *run.Engine
	layers    *layers.Layers
	variables variables.Box
	strict    bool
	events    *async.Queue
	keeper    *provisioned.Keeper
	mappings  *esm.Service
	urls      *url.URLs
}

// New makes the service. It starts nothing; the first use, or the worker, looks
// at the host.
func New(d service.Deps, opts Options) *Service {
	s := &Service{
		deps: d, strict: opts.Demands(), store: fn.NewStore(d.KV),
		packages: code.New(d.Blobs, d.DataDir),
	}
	s.layers = layers.New(s.store, s.packages, d.Ident, s.blobLocation)
	if opts.CacheDir == "" {
		opts.CacheDir = filepath.Join(d.DataDir, "runtimes")
	}
	s.host = host.New(d.Clock, d.Log, opts)
	s.variables = variables.Box{Seal: d.Seal, IDs: d.Ident}
	s.engine = run.New(d, s.store, s.packages, s.host)
	s.events = async.New(d, s.store, s.engine)
	s.keeper = provisioned.New(d, s.store, s.engine)
	s.mappings = esm.New(d, s.engine)
	s.urls = url.New(d, s.store, s.engine, func(ctx context.Context, r fn.Ref) (service.Check, error) { return s.checkOn(ctx, r, nil) })
	return s
}

// Close ends every execution environment.
func (s *Service) Close() error { return s.engine.Close() }

// Definition describes the service.
func (s *Service) Definition() service.Definition {
	return service.Definition{
		Schema: &api.Schema, Operations: slices.Concat(table.Bind(s), s.events.Operations(), s.keeper.Operations(), s.mappings.Operations(), s.urls.Operations()),
		Authorize: s.authorize, Invalid: invalidInput,
		Resources: cfn.Resources(),
		Endpoints: []service.Endpoint{s.codeEndpoint(), s.urls.Endpoint()},
		Workers: []service.Worker{
			{Name: "environments", Run: s.warmUp},
			{Name: "provisioned concurrency", Run: s.keeper.Run},
			{Name: "packages", Run: s.sweepPackages},
			s.mappings.Worker(),
		},
	}
}
