package cognitoidentity

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	api "moln.dev/moln/api/cognitoidentity"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/tuple"
)

// place is where a pool is.
type place struct {
	Account, Region, Pool string
}

func (p place) arn() string {
	return "arn:aws:cognito-identity:" + p.Region + ":" + p.Account + ":identitypool/" + p.Pool
}

func poolsKey(account, region string) []byte { return tuple.Key(account, region, "pool") }

func (p place) poolKey() []byte { return tuple.AppendString(poolsKey(p.Account, p.Region), p.Pool) }

func (p place) identitiesKey() []byte { return tuple.Key(p.Account, p.Region, "identity", p.Pool) }

func (p place) identityKey(id string) []byte { return tuple.AppendString(p.identitiesKey(), id) }

func (p place) loginsKey() []byte { return tuple.Key(p.Account, p.Region, "login", p.Pool) }

func (p place) loginKey(provider, subject string) []byte {
	return tuple.Key(p.Account, p.Region, "login", p.Pool, provider, subject)
}

func poolRefKey(id string) []byte     { return tuple.Key("!pool", id) }
func identityRefKey(id string) []byte { return tuple.Key("!identity", id) }
func signingKeyKey() []byte           { return tuple.Key("!key") }

// pool is what is stored of an identity pool.
type pool struct {
	Settings api.IdentityPool
	Roles    map[string]string
	Mappings map[string]api.RoleMapping
}

// id is an identity. Logins are subjects by provider. One whose last login was
// taken away is Closed: it must not become a guest's, whom nobody proves to be.
type id struct {
	ID                string
	Logins            map[string]string
	Closed            bool `json:",omitempty"`
	Created, Modified time.Time
}

// get reads a record through a transaction or the store; nil for none.
func get[T any](read func([]byte) ([]byte, error), key []byte) (*T, error) {
	raw, err := read(key)
	if errors.Is(err, kv.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	v := new(T)
	if err := json.Unmarshal(raw, v); err != nil {
		return nil, fmt.Errorf("cognitoidentity: record: %w", err)
	}
	return v, nil
}

func (s *Service) read(ctx context.Context) func([]byte) ([]byte, error) {
	return func(key []byte) ([]byte, error) { return s.d.KV.Get(ctx, key) }
}

func put(tx *kv.Tx, key []byte, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("cognitoidentity: record: %w", err)
	}
	return tx.Put(key, raw)
}

func loadPool(read func([]byte) ([]byte, error), p place) (*pool, error) {
	v, err := get[pool](read, p.poolKey())
	if err == nil && v == nil {
		err = errNoPool(p.Pool)
	}
	return v, err
}

// findPool finds the pool that an unsigned request names.
func (s *Service) findPool(ctx context.Context, poolID string) (place, *pool, error) {
	p, err := get[place](s.read(ctx), poolRefKey(poolID))
	if err != nil {
		return place{}, nil, err
	}
	if p == nil {
		return place{}, nil, errNoPool(poolID)
	}
	up, err := loadPool(s.read(ctx), *p)
	return *p, up, err
}

// findIdentity finds an identity by id alone.
func (s *Service) findIdentity(ctx context.Context, identityID string) (place, *pool, *id, error) {
	p, err := get[place](s.read(ctx), identityRefKey(identityID))
	if err != nil {
		return place{}, nil, nil, err
	}
	if p == nil {
		return place{}, nil, nil, errNoIdentity(identityID)
	}
	up, err := loadPool(s.read(ctx), *p)
	if err != nil {
		return place{}, nil, nil, err
	}
	i, err := get[id](s.read(ctx), p.identityKey(identityID))
	if err == nil && i == nil {
		err = errNoIdentity(identityID)
	}
	return *p, up, i, err
}

// insert stores a new identity with its logins.
func insert(tx *kv.Tx, p place, i *id) error {
	for provider, subject := range i.Logins {
		if err := tx.Put(p.loginKey(provider, subject), []byte(i.ID)); err != nil {
			return err
		}
	}
	if err := put(tx, identityRefKey(i.ID), p); err != nil {
		return err
	}
	return put(tx, p.identityKey(i.ID), i)
}

// remove deletes an identity with its logins.
func remove(tx *kv.Tx, p place, i *id) error {
	for provider, subject := range i.Logins {
		if err := tx.Delete(p.loginKey(provider, subject)); err != nil {
			return err
		}
	}
	if err := tx.Delete(identityRefKey(i.ID)); err != nil {
		return err
	}
	return tx.Delete(p.identityKey(i.ID))
}

func errNoPool(poolID string) error {
	return api.ErrResourceNotFoundException("IdentityPool '%s' not found.", poolID)
}

func errNoIdentity(identityID string) error {
	return api.ErrResourceNotFoundException("Identity '%s' not found.", identityID)
}

const purposePage = "cognitoidentity/page"

// list gives up to limit records below prefix, and the token to go on with.
func list[T any](ctx context.Context, s *Service, prefix []byte, token *string, limit int, fn func(*T)) (*string, error) {
	r := kv.Prefix(prefix)
	if token != nil {
		after, err := s.d.Seal.OpenToken(purposePage, *token)
		if err != nil || !strings.HasPrefix(string(after), string(prefix)) {
			return nil, api.ErrInvalidParameterException("Invalid NextToken")
		}
		r = r.After(after)
	}
	r.Limit = limit + 1
	items, err := s.d.KV.Scan(ctx, r)
	if err != nil {
		return nil, err
	}
	var next *string
	if len(items) > limit {
		items = items[:limit]
		t := s.d.Seal.SealToken(purposePage, items[limit-1].Key)
		next = &t
	}
	for _, it := range items {
		v := new(T)
		if err := json.Unmarshal(it.Value, v); err != nil {
			return nil, fmt.Errorf("cognitoidentity: record: %w", err)
		}
		fn(v)
	}
	return next, nil
}
