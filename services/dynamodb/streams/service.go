package streams

import (
	"context"
	"errors"
	"time"

	api "moln.dev/moln/api/dynamodbstreams"
	"moln.dev/moln/engine/clock"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/dynamodb/store"
)

// tendEvery is how often streams are looked at for what time asks for.
const tendEvery = 30 * time.Second

// Service answers requests to DynamoDB Streams. Safe for concurrent use.
type Service struct {
	deps  service.Deps
	store *store.Store
}

// New makes the service over the tables' store.
func New(d service.Deps, s *store.Store) *Service { return &Service{deps: d, store: s} }

var operations = service.Table[*Service]{
	service.Full(api.DescribeStream, (*Service).describeStream),
	service.Full(api.GetRecords, (*Service).getRecords),
	service.Full(api.GetShardIterator, (*Service).getShardIterator),
	service.Full(api.ListStreams, (*Service).listStreams),
}

// Definition describes the service.
func (s *Service) Definition() service.Definition {
	return service.Definition{
		Schema: &api.Schema, Operations: operations.Bind(s), Authorize: s.authorize, BodyCRC32: true,
		Workers: []service.Worker{{Name: "records", Run: s.order}, {Name: "streams", Run: s.tend}},
	}
}

// order gives records their places until ctx ends.
func (s *Service) order(ctx context.Context) error {
	s.store.Logs().Run(ctx, func(err error) { s.deps.Log.Error("dynamodb: order the records of a stream", "error", err) })
	return nil
}

// tend trims records and closes shards until ctx ends.
func (s *Service) tend(ctx context.Context) error {
	for {
		if err := s.store.TendStreams(ctx); err != nil && !errors.Is(err, ctx.Err()) {
			s.deps.Log.Error("dynamodb: tend streams", "error", err)
		}
		if clock.Sleep(ctx, s.deps.Clock, tendEvery) != nil {
			return nil
		}
	}
}
