package cloudformation

import (
	api "moln.dev/moln/api/cloudformation"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/cloudformation/deploy"
	"moln.dev/moln/services/cloudformation/stack"
)

// Service answers CloudFormation requests. Safe for concurrent use.
type Service struct {
	deps   service.Deps
	store  *stack.Store
	engine *deploy.Engine
}

// New makes the service. It knows CloudFormation's own resource types until
// SetTypes is called.
func New(d service.Deps) *Service {
	store := stack.NewStore(d.KV)
	return &Service{deps: d, store: store, engine: deploy.New(d, store)}
}

// SetTypes sets the resource types of all other services. It is called before
// the workers run.
func (s *Service) SetTypes(types []service.ResourceType) { s.engine.SetTypes(types) }

// Types lists the resource types that templates may use, for documents and
// checks.
func (s *Service) Types() []string { return s.engine.Types() }

// Definition describes the service.
func (s *Service) Definition() service.Definition {
	return service.Definition{
		Schema: &api.Schema, Operations: table.Bind(s), Authorize: s.authorize,
		Endpoints: []service.Endpoint{s.engine.Answers()},
		Workers:   []service.Worker{{Name: "deploy", Run: s.engine.Run}},
	}
}
