package sns

import (
	"net/http"
	"sync"

	api "moln.dev/moln/api/sns"
	"moln.dev/moln/platform/mail"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/sns/envelope"
)

// Service answers SNS requests and delivers messages. Safe for concurrent use.
type Service struct {
	deps  service.Deps
	store *store
	mail  mail.Sender
	web   *http.Client
	pace  pace

	mu  sync.Mutex
	key *envelope.Key // guarded by mu; nil until it is needed
}

// New makes the service, whose jobs the scheduler runs from now on. web makes the
// requests to web servers that are subscribed; it decides which it may reach.
func New(d service.Deps, m mail.Sender, web *http.Client) *Service {
	s := &Service{deps: d, store: newStore(d.KV), mail: m, web: web}
	s.register()
	return s
}

// Definition describes the service.
func (s *Service) Definition() service.Definition {
	return service.Definition{
		Schema: &api.Schema, Operations: table.Bind(s), Authorize: s.authorize,
		Resources: resources(), Endpoints: s.endpoints(),
	}
}
