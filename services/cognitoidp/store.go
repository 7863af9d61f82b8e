package cognitoidp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/tuple"

	api "moln.dev/moln/api/cognitoidp"
)

// place is where a pool is.
type place struct {
	Account, Region, Pool string
}

// arn is the pool's.
func (p place) arn() string { return poolARN(p.Account, p.Region, p.Pool) }

func poolARN(account, region, id string) string {
	return "arn:aws:cognito-idp:" + region + ":" + account + ":userpool/" + id
}

// name is the pool's id after the underscore, as the password proof uses it.
func (p place) name() string {
	_, name, _ := strings.Cut(p.Pool, "_")
	return name
}

func (p place) issuer() string { return "https://" + p.provider() }

func (p place) provider() string {
	return "cognito-idp." + p.Region + ".amazonaws.com/" + p.Pool
}

// Kinds of records of a pool.
const (
	kindKey    = "key"
	kindClient = "client"
	kindUser   = "user"
	kindSub    = "sub"
	kindAlias  = "alias"
	kindCode   = "code"
	kindGuard  = "guard"
	kindRate   = "rate"
	kindLogin  = "login"
	kindGroup  = "group"
	kindMember = "member"
	kindOf     = "of"
)

func (p place) poolKey() []byte { return tuple.Key(p.Account, p.Region, "pool", p.Pool) }

func (p place) key(kind string, parts ...string) []byte {
	k := tuple.Key(p.Account, p.Region, "in", p.Pool, kind)
	for _, part := range parts {
		k = tuple.AppendString(k, part)
	}
	return k
}

func clientRefKey(id string) []byte { return tuple.Key("!client", id) }
func poolRefKey(id string) []byte   { return tuple.Key("!pool", id) }

func hourOf(t time.Time) string { return t.UTC().Format("2006010215") }

func usedKey(expires time.Time, id string) []byte { return tuple.Key("!used", hourOf(expires), id) }
func oldKey(expires time.Time, id string) []byte  { return tuple.Key("!old", hourOf(expires), id) }

// reader is a DB or a transaction.
type reader interface {
	get(key []byte) ([]byte, error)
}

type dbReader struct {
	ctx context.Context
	db  *kv.DB
}

func (r dbReader) get(key []byte) ([]byte, error) { return r.db.Get(r.ctx, key) }

type txReader struct{ tx *kv.Tx }

func (r txReader) get(key []byte) ([]byte, error) { return r.tx.Get(key) }

func (s *Service) reader(ctx context.Context) reader { return dbReader{ctx, s.d.KV} }

// load reads a record; kv.ErrNotFound where there is none.
func load[T any](r reader, key []byte) (*T, error) {
	raw, err := r.get(key)
	if err != nil {
		return nil, err
	}
	v := new(T)
	if err := json.Unmarshal(raw, v); err != nil {
		return nil, fmt.Errorf("cognitoidp: record: %w", err)
	}
	return v, nil
}

// find is load with nil for no record.
func find[T any](r reader, key []byte) (*T, error) {
	v, err := load[T](r, key)
	if errors.Is(err, kv.ErrNotFound) {
		return nil, nil
	}
	return v, err
}

func put(tx *kv.Tx, key []byte, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("cognitoidp: record: %w", err)
	}
	return tx.Put(key, raw)
}

func exists(r reader, key []byte) (bool, error) {
	_, err := r.get(key)
	if errors.Is(err, kv.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// dropPrefix deletes all keys that begin with prefix.
func dropPrefix(tx *kv.Tx, prefix []byte) error {
	r := kv.Prefix(prefix)
	return tx.DeleteRange(r.Start, r.End)
}

// each calls fn with the records below prefix, after the key that from encodes.
func each[T any](ctx context.Context, db *kv.DB, prefix, after []byte, fn func(key []byte, v *T) (bool, error)) error {
	r := kv.Prefix(prefix)
	if after != nil {
		r = r.After(after)
	}
	return db.Each(ctx, r, func(it kv.Item) (bool, error) {
		v := new(T)
		if err := json.Unmarshal(it.Value, v); err != nil {
			return false, fmt.Errorf("cognitoidp: record: %w", err)
		}
		return fn(it.Key, v)
	})
}

// lastPart is the last string of a key below prefix.
func lastPart(prefix, key []byte) (string, error) {
	part, _, err := tuple.DecodeString(key[len(prefix):])
	return part, err
}

func (s *Service) loadPool(r reader, p place) (*pool, error) {
	v, err := load[pool](r, p.poolKey())
	if errors.Is(err, kv.ErrNotFound) {
		return nil, errNoPool(p.Pool)
	}
	return v, err
}

func (s *Service) loadClient(r reader, p place, id string) (*client, error) {
	v, err := load[client](r, p.key(kindClient, id))
	if errors.Is(err, kv.ErrNotFound) {
		return nil, errNoClient(id)
	}
	return v, err
}

// placeOf finds the pool that a global reference names; nil where there is none.
func (s *Service) placeOf(ctx context.Context, ref []byte) (*place, error) {
	return find[place](s.reader(ctx), ref)
}

func errNoPool(id string) error {
	return api.ErrResourceNotFoundException("User pool %s does not exist.", id)
}

func errNoClient(id string) error {
	return api.ErrResourceNotFoundException("User pool client %s does not exist.", id)
}

// page collects up to limit values from each and the token to go on with.
type page[T any] struct {
	limit int
	items []T
	next  []byte
	last  []byte
}

// add takes one value; false when the page was full before it.
func (p *page[T]) add(key []byte, v T) bool {
	if len(p.items) >= p.limit {
		p.next = p.last
		return false
	}
	p.items = append(p.items, v)
	p.last = append([]byte(nil), key...)
	return true
}

// Page tokens are sealed: they hold keys, which name other users.
const purposePage = "cognitoidp/page"

func (s *Service) pageToken(key []byte) *string {
	if key == nil {
		return nil
	}
	t := s.d.Seal.SealToken(purposePage, key)
	return &t
}

// openPage gives the key that a listing goes on after; nil for no token. The
// key must be below prefix: a token of one pool is none of another's.
func (s *Service) openPage(token *string, prefix []byte) ([]byte, error) {
	if token == nil || *token == "" {
		return nil, nil
	}
	key, err := s.d.Seal.OpenToken(purposePage, *token)
	if err != nil || !strings.HasPrefix(string(key), string(prefix)) {
		return nil, api.ErrInvalidParameterException("Invalid pagination token")
	}
	return key, nil
}
