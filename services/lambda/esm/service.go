package esm

import (
	"context"
	"maps"
	"sync"
	"time"

	api "moln.dev/moln/api/lambda"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/platform/identity"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/lambda/fn"
	"moln.dev/moln/services/lambda/run"
	"moln.dev/moln/services/lambda/target"
)

// Runner is what mappings need of the functions' engine.
type Runner interface {
	Target(ctx context.Context, r fn.Ref) (*fn.Function, *fn.Config, error)
	Assume(ctx context.Context, c *service.Call, r fn.Ref, role string) (service.Session, error)
	Invoke(ctx context.Context, c *service.Call, inv run.Invocation) (run.Result, error)
}

// Service keeps mappings and polls for them. Safe for concurrent use.
type Service struct {
	deps   service.Deps
	store  store
	runner Runner
	holder string // this node's name in leases
	meters *meters
	// open is the stream that a poller reads.
	open func(p *poller) Stream

	mu      sync.Mutex
	minders map[workID]*minder
}

// New makes the service. It polls nothing before its worker runs.
func New(d service.Deps, r Runner) *Service {
	return &Service{
		deps: d, store: store{d.KV}, runner: r, holder: d.Ident.UUID(), meters: newMeters(d.Meter), minders: map[workID]*minder{},
		open: openDynamo,
	}
}

// Operations are those on event source mappings.
func (s *Service) Operations() []service.Operation { return table.Bind(s) }

const settingsNote = "event sources are DynamoDB's streams and queues of SQS; Kinesis, Kafka and brokers are refused; what MetricsConfig asks for is counted in moln's own metrics"

var table = service.Table[*Service]{
	service.Partial(api.CreateEventSourceMapping, (*Service).create, settingsNote),
	service.Full(api.DeleteEventSourceMapping, (*Service).delete),
	service.Full(api.GetEventSourceMapping, (*Service).get),
	service.Full(api.ListEventSourceMappings, (*Service).list),
	service.Partial(api.UpdateEventSourceMapping, (*Service).update, settingsNote),
}

// session is a call as the role that the mapping's function has now.
func (s *Service) session(ctx context.Context, m *Mapping) (*service.Call, time.Time, error) {
	_, v, err := s.runner.Target(ctx, m.ref())
	if err != nil {
		return nil, time.Time{}, err
	}
	c := s.deps.System(m.Account, m.Region)
	ses, err := s.runner.Assume(ctx, c, m.ref(), v.Role)
	if err != nil {
		return nil, time.Time{}, err
	}
	return c.As(ses.Principal), ses.Expires, nil
}

// checkSource makes sure that the source is there, and that the role of the
// function may read it.
func (s *Service) checkSource(ctx context.Context, k kind, m *Mapping) error {
	c, _, err := s.session(ctx, m)
	if err != nil {
		return err
	}
	if k.isQueue() {
		return s.queueReadable(ctx, c, m)
	}
	if err := dynamoReadable(ctx, c, m.Source); err != nil {
		return err
	}
	return s.checkDestination(ctx, c, m)
}

func (s *Service) checkDestination(ctx context.Context, role *service.Call, m *Mapping) error {
	if m.OnFailure == "" {
		return nil
	}
	t, ok := target.Parse(m.OnFailure)
	if !ok || t.Kind == target.Function || t.Kind == target.Bus || t.FIFO() {
		return badDestination(m.OnFailure)
	}
	owner := s.deps.System(m.Account, m.Region).As(identity.Root(m.Account))
	return t.Check(ctx, owner, func() (*service.Call, error) { return role, nil })
}

// ChangeTags changes the tags of the mapping with that ARN.
func (s *Service) ChangeTags(ctx context.Context, p fn.Place, uuid string, change func(map[string]string)) error {
	key := mappingKey(p, uuid)
	return s.store.db.Update(ctx, func(tx *kv.Tx) error {
		m, err := mapping(tx.Get, p, uuid)
		if err != nil {
			return err
		}
		if m == nil {
			return NoMapping()
		}
		tags := maps.Clone(m.Tags)
		if tags == nil {
			tags = map[string]string{}
		}
		change(tags)
		if err := fn.CheckTags(tags); err != nil {
			return err
		}
		m.Tags = tags
		return tx.Put(key, encode(m))
	}, key)
}

// Tags are the tags of a mapping.
func (s *Service) Tags(ctx context.Context, p fn.Place, uuid string) (map[string]string, error) {
	m, err := s.store.mapping(ctx, p, uuid)
	if err != nil {
		return nil, err
	}
	if m == nil {
		return nil, NoMapping()
	}
	out := map[string]string{}
	maps.Copy(out, m.Tags)
	return out, nil
}
