package cognitoidp

import (
	"context"
	"crypto/rsa"
	"sync"

	api "moln.dev/moln/api/cognitoidp"
	"moln.dev/moln/platform/mail"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/platform/tokens"
	"moln.dev/moln/services/cognitoidp/cfn"
	"moln.dev/moln/services/cognitoidp/srp"
)

// Service is Amazon Cognito user pools. It is safe for concurrent use.
type Service struct {
	d       service.Deps
	mail    mail.Sender
	group   *srp.Group
	hashing chan struct{} // a place per slow hash at work
	users   userLocks
	newKey  func() (*rsa.PrivateKey, error)

	mu   sync.Mutex
	keys map[string]*keySet // by pool id; guarded by mu
}

// New makes the service and binds it to broker, through which other services
// judge its tokens.
func New(d service.Deps, m mail.Sender, broker *tokens.Broker) *Service {
	s := &Service{
		d: d, mail: m, group: srp.NewGroup(), hashing: make(chan struct{}, hashesAtOnce),
		newKey: generateKey, keys: map[string]*keySet{},
	}
	broker.Bind(s)
	return s
}

// Definition describes the service to the gateway and everything around it.
func (s *Service) Definition() service.Definition {
	return service.Definition{
		Schema:     &api.Schema,
		Operations: table().Bind(s),
		Authorize:  s.authorize,
		Resources:  cfn.ResourceTypes(),
		Endpoints:  []service.Endpoint{s.keyEndpoint()},
		Workers:    []service.Worker{{Name: "cognitoidp/sweep", Run: s.sweep}},
		CORS:       true,
	}
}

// userLocks serialise the password checks of one user, so that guesses made at
// once are counted one after the other. Users may share a lock.
type userLocks [256]sync.Mutex

func (l *userLocks) of(p place, key string) *sync.Mutex {
	h := uint32(2166136261) // FNV-1a
	for _, part := range []string{p.Pool, "/", key} {
		for i := range len(part) {
			h = (h ^ uint32(part[i])) * 16777619
		}
	}
	return &l[h%uint32(len(l))]
}

// signed is the place of a pool that a signed request names.
func signed(c *service.Call, poolID *string) place {
	p := place{Account: c.Account, Region: c.Region}
	if poolID != nil {
		p.Pool = *poolID
	}
	return p
}

// app is what an unsigned request finds by its client id.
type app struct {
	place
	pool   *pool
	client *client
}

// appOf finds the app client that an unsigned request names.
func (s *Service) appOf(ctx context.Context, clientID string) (*app, error) {
	p, err := s.placeOf(ctx, clientRefKey(clientID))
	if err != nil {
		return nil, err
	}
	if p == nil {
		return nil, errNoClient(clientID)
	}
	return s.appAt(ctx, *p, clientID)
}

// appAt finds an app client of a pool.
func (s *Service) appAt(ctx context.Context, p place, clientID string) (*app, error) {
	r := s.reader(ctx)
	up, err := s.loadPool(r, p)
	if err != nil {
		return nil, err
	}
	c, err := s.loadClient(r, p, clientID)
	if err != nil {
		return nil, err
	}
	return &app{place: p, pool: up, client: c}, nil
}
