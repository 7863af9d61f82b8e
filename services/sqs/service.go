package sqs

import (
	"context"
	"sync"

	api "moln.dev/moln/api/sqs"
	"moln.dev/moln/engine/sched"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/sqs/store"
)

// Service answers SQS requests. Safe for concurrent use.
type Service struct {
	deps  service.Deps
	store *store.Store
	keys  dataKeys
	// stopping is closed when the server stops: nobody waits for messages then.
	stopping chan struct{}
	stop     func()
}

// New makes the service.
func New(d service.Deps) *Service {
	s := &Service{deps: d, store: store.New(d.KV, d.Clock, d.Ident), stopping: make(chan struct{})}
	s.stop = sync.OnceFunc(func() { close(s.stopping) })
	d.Sched.Register(moveKind, s.move, sched.Options{Concurrency: movesAtOnce})
	return s
}

// Definition describes the service.
func (s *Service) Definition() service.Definition {
	return service.Definition{
		Schema: &api.Schema, Operations: table.Bind(s), Authorize: s.authorize, Invalid: invalidInput, Forgives: forgives, Resources: resources(),
		Workers: []service.Worker{
			{Name: "waiting", Run: func(ctx context.Context) error { <-ctx.Done(); s.stop(); return nil }},
			{Name: "messages", Run: func(ctx context.Context) error { return s.tend(ctx) }},
		},
	}
}
