package dynamodb

import (
	"context"

	api "moln.dev/moln/api/dynamodb"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/dynamodb/backup"
	"moln.dev/moln/services/dynamodb/cfn"
	"moln.dev/moln/services/dynamodb/store"
	"moln.dev/moln/services/dynamodb/streams"
	"moln.dev/moln/services/dynamodb/words"
)

// Service answers DynamoDB requests. Safe for concurrent use.
type Service struct {
	deps    service.Deps
	store   *store.Store
	backups *backup.Service
	// filling wakes the worker that fills new indexes.
	filling chan struct{}
	// counting are tables to be counted.
	counting chan *store.Table
}

// countQueue is how many tables may wait to be counted.
const countQueue = 16

// New makes the service.
func New(d service.Deps) *Service {
	s := &Service{deps: d, store: store.New(d.KV, d.Clock, d.Bell), filling: make(chan struct{}, 1), counting: make(chan *store.Table, countQueue)}
	s.backups = backup.New(d, s.store, s.encryption)
	return s
}

// StreamsDefinition describes DynamoDB Streams, a service of its own to clients.
func (s *Service) StreamsDefinition() service.Definition {
	return streams.New(s.deps, s.store).Definition()
}

// Definition describes the service.
func (s *Service) Definition() service.Definition {
	return service.Definition{
		Schema: &api.Schema, Operations: append(operations.Bind(s), s.backups.Operations()...), Authorize: s.authorize,
		Invalid:   words.Invalid,
		Resources: cfn.Resources(), BodyCRC32: true,
		Workers: []service.Worker{
			{Name: "indexes", Run: func(ctx context.Context) error { return s.fillIndexes(ctx) }},
			{Name: "expiry", Run: func(ctx context.Context) error { return s.expire(ctx) }},
			{Name: "counts", Run: func(ctx context.Context) error { return s.count(ctx) }},
		},
	}
}
