package s3

import (
	"context"
	"net/http"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/s3/accesslog"
	"moln.dev/moln/services/s3/acl"
	"moln.dev/moln/services/s3/aging"
	"moln.dev/moln/services/s3/config"
	"moln.dev/moln/services/s3/control"
	"moln.dev/moln/services/s3/inventory"
	"moln.dev/moln/services/s3/list"
	"moln.dev/moln/services/s3/locking"
	"moln.dev/moln/services/s3/notify"
	"moln.dev/moln/services/s3/op"
	"moln.dev/moln/services/s3/post"
	"moln.dev/moln/services/s3/read"
	"moln.dev/moln/services/s3/rekey"
	"moln.dev/moln/services/s3/replica"
	"moln.dev/moln/services/s3/site"
	"moln.dev/moln/services/s3/store"
	"moln.dev/moln/services/s3/template"
	"moln.dev/moln/services/s3/write"
)

// Service answers S3's API, websites and preflight requests. Safe for
// concurrent use.
type Service struct {
	deps   service.Deps
	store  *store.Store
	writer *write.Writer
	events *notify.Notifier
	site   *site.Site
	// families answer the operations that are not this package's own.
	families []family
	keeper   *aging.Keeper
	logs     *accesslog.Logger
	reports  *inventory.Inventory
}

// family is a package that answers some of the operations.
type family interface{ Operations() []service.Operation }

// New makes the service.
func New(d service.Deps) *Service {
	st := store.New(d)
	events := notify.New(d, st)
	objects := read.New(st)
	keeper := aging.New(d, st, events)
	logs := accesslog.New(d, st)
	reports := inventory.New(d, st)
	objects.Accessed = keeper.Accessed
	d.Sched.Every("s3/reap", store.ReapEvery, func(ctx context.Context) error {
		_, err := st.Reap(ctx, store.Grace)
		return err
	})
	d.Sched.Every("s3/sweep", store.SweepEvery, func(ctx context.Context) error {
		_, err := st.Collect(ctx, store.Grace, store.SweepAge)
		return err
	})
	return &Service{
		deps:   d,
		store:  st,
		writer: write.New(st, events, d.Ident),
		events: events,
		site:   site.New(st, objects, d.Site.WebsiteDomains),
		families: []family{
			objects,
			list.New(st),
			config.New(st),
			acl.New(st, events),
			events,
			locking.New(st, events),
			rekey.New(st),
			keeper,
			replica.New(d, st, events),
			logs,
			reports,
		},
		keeper:  keeper,
		logs:    logs,
		reports: reports,
	}
}

// Definition is the service as the gateway sees it.
func (s *Service) Definition() service.Definition {
	operations := table().Bind(s)
	for _, f := range s.families {
		operations = append(operations, f.Operations()...)
	}
	return service.Definition{
		Schema:     &api.Schema,
		Operations: op.Charged(s.store, s.keeper.Metered(operations)),
		Authorize:  s.authorize,
		Invalid:    invalid,
		Resources:  template.Types(s.deps.Site.Port, s.taken),
		Endpoints:  s.endpoints(),
		Scrub:      s.store.Scrub,
		Workers:    []service.Worker{s.keeper.Worker(), s.logs.Worker()},
		Answered:   s.logs.Answered,
		Usage:      s.keeper.Usage,
	}
}

// endpoints are the websites, the preflights and the forms, whose requests are
// logged like the API's.
func (s *Service) endpoints() []service.Endpoint {
	out := append(s.site.Endpoints(), post.New(s.store).Endpoint())
	for i, e := range out {
		switch e.Name {
		case "s3-website":
			out[i] = s.logs.Watch(e, func(r *http.Request) (bucket, key, operation string) {
				bucket, key = s.site.Aim(r)
				return bucket, key, "WEBSITE." + r.Method + ".OBJECT"
			})
		case "s3-post":
			out[i] = s.logs.Watch(e, func(r *http.Request) (bucket, key, operation string) {
				bucket, key = post.Aim(r)
				return bucket, key, "REST.POST.OBJECT"
			})
		}
	}
	return out
}

// ControlDefinition is S3 Control, which shares the store.
func (s *Service) ControlDefinition() service.Definition {
	return control.New(s.store, s.deps.Ident).Definition()
}

// taken tells whether there is a bucket of a name.
func (s *Service) taken(ctx context.Context, name string) (bool, error) {
	_, err := s.store.Bucket(ctx, name)
	if store.IsNoSuchBucket(err) {
		return false, nil
	}
	return err == nil, err
}
