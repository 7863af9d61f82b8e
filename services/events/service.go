package events

import (
	api "moln.dev/moln/api/events"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/events/send"
)

// Service answers EventBridge's requests and delivers events. Safe for
// concurrent use.
type Service struct {
	deps   service.Deps
	store  *store
	rules  *rules
	sender *send.Sender
}

// servicePrincipal is who EventBridge is towards targets and roles.
const servicePrincipal = "events.amazonaws.com"

// New makes the service and registers its jobs.
func New(d service.Deps) *Service {
	s := &Service{deps: d, store: newStore(d.KV)}
	s.rules = newRules(s.store)
	s.sender = send.New(d, servicePrincipal, s.receive)
	s.register()
	return s
}

// Definition describes the service.
func (s *Service) Definition() service.Definition {
	return service.Definition{
		Schema: &api.Schema, Operations: table.Bind(s), Authorize: s.authorize, Resources: resources(),
	}
}
