package iam

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"moln.dev/moln/aws/arn"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/engine/clock"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/platform/identity"
)

// Limits of the cache of compiled policies.
const (
	cachedPrincipals = 4096
	cachedKeys       = 4096
	// cachedFor bounds how long a node that hears nothing of the others (their
	// notices are hints, and connections hang) goes on with what was revoked.
	cachedFor = time.Second
)

// cache holds compiled policies and opened keys until anything changes (I3), and
// no longer than cachedFor.
type cache struct {
	clock    clock.Clock
	mu       sync.Mutex
	since    time.Time // when everything was dropped
	changed  <-chan struct{}
	stop     func()
	epoch    uint64 // counts the times that everything was dropped
	policies map[string]identity.Policies
	keys     map[string]identity.Credential
}

func newCache(db *kv.DB, clk clock.Clock) *cache {
	c := &cache{clock: clk, policies: map[string]identity.Policies{}, keys: map[string]identity.Credential{}}
	c.changed, c.stop = db.Watch(nil)
	return c
}

func (c *cache) close() { c.stop() }

// fresh empties the cache after a change, or when it is old; called with mu held.
func (c *cache) fresh() {
	now := c.clock.Now()
	select {
	case <-c.changed:
	default:
		if now.Sub(c.since) < cachedFor {
			return
		}
	}
	c.since = now
	c.epoch++
	clear(c.policies)
	clear(c.keys)
}

// get finds v under key in m, or makes and keeps it. What was made while a
// change was noticed is used once and not kept.
func get[T any](c *cache, m func(*cache) map[string]T, max int, key string, make func() (T, error)) (T, error) {
	c.mu.Lock()
	c.fresh()
	v, ok := m(c)[key]
	epoch := c.epoch
	c.mu.Unlock()
	if ok {
		return v, nil
	}
	v, err := make()
	if err != nil {
		return v, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fresh(); c.epoch != epoch {
		return v, nil
	}
	if len(m(c)) >= max {
		clear(m(c))
	}
	m(c)[key] = v
	return v, nil
}

// badToken says why a token came to nothing: long-term keys have none.
func (s *Service) badToken(ctx context.Context, id string) error {
	_, err := s.store.accessKey(ctx, id)
	switch {
	case fault.As(err) != nil:
		return identity.ErrUnknownKey // of somebody else
	case err != nil:
		return err
	}
	return identity.ErrBadToken
}

// Credential implements identity.Keys for long-term keys.
func (s *Service) Credential(ctx context.Context, id, token string) (identity.Credential, error) {
	if token != "" {
		return identity.Credential{}, s.badToken(ctx, id)
	}
	return get(s.cache, func(c *cache) map[string]identity.Credential { return c.keys }, cachedKeys, id, func() (identity.Credential, error) {
		k, err := s.store.accessKey(ctx, id)
		if fault.As(err) != nil {
			return identity.Credential{}, identity.ErrUnknownKey
		}
		if err != nil {
			return identity.Credential{}, err
		}
		secret, err := s.deps.Seal.Open(keyPurpose+id, k.Secret)
		if err != nil {
			return identity.Credential{}, err
		}
		u, err := s.store.entity(ctx, k.Account, user, k.User)
		if err != nil {
			return identity.Credential{}, err
		}
		return identity.Credential{
			Secret: string(secret), Inactive: k.Inactive,
			Principal: identity.Principal{
				Principal: policy.Principal{Kind: policy.User, ARN: u.arn(k.Account, user), AccountID: k.Account, UserID: u.ID},
				UserName:  u.Name, Tags: u.Tags,
			},
		}, nil
	})
}

// Role implements identity.Roles.
func (s *Service) Role(ctx context.Context, account, name string) (identity.Role, error) {
	e, err := s.store.entity(ctx, account, role, name)
	if fault.As(err) != nil {
		return identity.Role{}, identity.ErrNoRole
	}
	if err != nil {
		return identity.Role{}, err
	}
	trust, err := policy.Parse([]byte(e.Trust), policy.Trust)
	if err != nil {
		return identity.Role{}, err
	}
	return identity.Role{
		Name: e.Name, Path: e.Path, ARN: e.arn(account, role), ID: e.ID, Account: account,
		Trust: trust.Named("trust policy of " + e.Name), Tags: e.Tags,
		MaxSessionDuration: time.Duration(e.MaxSession) * time.Second,
	}, nil
}

// Policies implements the gateway's question: what bears on p.
func (s *Service) Policies(ctx context.Context, p identity.Principal) (identity.Policies, error) {
	key := p.ARN + "\x00" + p.UserID + "\x00" + strings.Join(p.SessionPolicies, "\x00")
	return get(s.cache, func(c *cache) map[string]identity.Policies { return c.policies }, cachedPrincipals, key, func() (identity.Policies, error) {
		out, err := s.entityPolicies(ctx, p)
		if err != nil {
			return out, err
		}
		for _, text := range p.SessionPolicies {
			out.HasSession = true
			c, err := s.sessionPolicy(ctx, p.AccountID, text)
			if err != nil {
				return out, err
			}
			out.Session = append(out.Session, c)
		}
		return out, nil
	})
}

func (s *Service) sessionPolicy(ctx context.Context, account, text string) (*policy.Policy, error) {
	if strings.HasPrefix(text, "arn:") {
		p, err := s.compileManaged(ctx, account, text)
		if fault.As(err) != nil {
			err = nil // gone: the session may do nothing
		}
		return p, err
	}
	p, err := policy.Parse([]byte(text), policy.Session)
	if err != nil {
		return nil, err
	}
	return p.Named("session policy"), nil
}

// entityPolicies collects what is attached to the user or role. One that is
// gone, or that was made anew under the same name, has none.
func (s *Service) entityPolicies(ctx context.Context, p identity.Principal) (identity.Policies, error) {
	var out identity.Policies
	k, name := user, p.UserName
	if p.Kind == policy.AssumedRole {
		a, err := arn.Parse(p.RoleARN)
		if err != nil {
			return out, err
		}
		k, name = role, a.Resource[strings.LastIndexByte(a.Resource, '/')+1:]
	}
	e, err := s.store.entity(ctx, p.AccountID, k, name)
	if fault.As(err) != nil {
		return out, nil
	}
	if err != nil {
		return out, err
	}
	if id, _, _ := strings.Cut(p.UserID, ":"); id != e.ID {
		return out, nil
	}
	if err := s.collect(ctx, p.AccountID, e, &out); err != nil {
		return out, err
	}
	for _, g := range e.Groups {
		ge, err := s.store.entity(ctx, p.AccountID, group, g)
		if fault.As(err) != nil {
			continue
		}
		if err != nil {
			return out, err
		}
		if err := s.collect(ctx, p.AccountID, ge, &out); err != nil {
			return out, err
		}
	}
	if e.Boundary != "" {
		out.HasBoundary = true
		if out.Boundary, err = s.compileManaged(ctx, p.AccountID, e.Boundary); err != nil && fault.As(err) == nil {
			return out, err
		}
	}
	return out, nil
}

func (s *Service) collect(ctx context.Context, account string, e entity, out *identity.Policies) error {
	for _, name := range slices.Sorted(maps.Keys(e.Inline)) {
		p, err := policy.Parse([]byte(e.Inline[name]), policy.Identity)
		if err != nil {
			return err
		}
		out.Identity = append(out.Identity, p.Named(e.Name+"/"+name))
	}
	for _, a := range e.Attached {
		p, err := s.compileManaged(ctx, account, a)
		if err != nil && fault.As(err) == nil {
			return err
		}
		out.Identity = append(out.Identity, p)
	}
	return nil
}

// compileManaged gives a policy for evaluation. Whoever asks takes a fault for a
// policy that is gone, and judges by nil, which denies.
func (s *Service) compileManaged(ctx context.Context, account, policyARN string) (*policy.Policy, error) {
	m, err := s.findManaged(ctx, account, policyARN)
	if err != nil {
		return nil, err
	}
	p, err := policy.Parse([]byte(m.document()), policy.Managed)
	if err != nil {
		return nil, err
	}
	return p.Named(policyARN), nil
}
