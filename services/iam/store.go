package iam

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	api "moln.dev/moln/api/iam"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/tuple"
)

// store is the only place that knows keys and encodings.
type store struct{ db *kv.DB }

func entityKey(account string, k kind, name string) []byte {
	return tuple.Key(account, string(k), strings.ToLower(name))
}

func policyKey(account, name string) []byte { return tuple.Key(account, "p", strings.ToLower(name)) }

func keyKey(id string) []byte { return tuple.Key("k", id) }

func noSuch(k kind, name string) error {
	return api.ErrNoSuchEntityException("The %s with name %s cannot be found.", k.word(), name)
}

// reader is what both a transaction and the store itself can do.
type reader interface {
	Get(key []byte) ([]byte, error)
}

type direct struct {
	ctx context.Context
	db  *kv.DB
}

// Get reads outside a transaction.
func (d direct) Get(key []byte) ([]byte, error) { return d.db.Get(d.ctx, key) }

func (s store) now(ctx context.Context) reader { return direct{ctx, s.db} }

func load[T any](r reader, key []byte, missing error) (T, error) {
	var out T
	v, err := r.Get(key)
	if errors.Is(err, kv.ErrNotFound) {
		return out, missing
	}
	if err != nil {
		return out, err
	}
	return out, json.Unmarshal(v, &out)
}

func save(tx *kv.Tx, key []byte, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return tx.Put(key, b)
}

func (s store) entity(ctx context.Context, account string, k kind, name string) (entity, error) {
	return load[entity](s.now(ctx), entityKey(account, k, name), noSuch(k, name))
}

func (s store) accessKey(ctx context.Context, id string) (accessKey, error) {
	return load[accessKey](s.now(ctx), keyKey(id), api.ErrNoSuchEntityException("The Access Key with id %s cannot be found.", id))
}

// create stores a new entity; its name must be free (I1).
func (s store) create(ctx context.Context, account string, k kind, e entity) error {
	key := entityKey(account, k, e.Name)
	return s.db.Update(ctx, func(tx *kv.Tx) error {
		_, err := tx.Get(key)
		if err == nil {
			return api.ErrEntityAlreadyExistsException("%s with name %s already exists.", title(k.word()), e.Name)
		}
		if !errors.Is(err, kv.ErrNotFound) {
			return err
		}
		return save(tx, key, e)
	}, key)
}

// change rewrites an entity; nothing is written when change fails.
func (s store) change(ctx context.Context, account string, k kind, name string, change func(tx *kv.Tx, e *entity) error) error {
	key := entityKey(account, k, name)
	return s.db.Update(ctx, func(tx *kv.Tx) error {
		e, err := load[entity](tx, key, noSuch(k, name))
		if err != nil {
			return err
		}
		if err := change(tx, &e); err != nil {
			return err
		}
		return save(tx, key, e)
	}, key)
}

// remove deletes an entity that check, which may read through tx, lets go.
func (s store) remove(ctx context.Context, account string, k kind, name string, check func(tx *kv.Tx, e *entity) error) error {
	key := entityKey(account, k, name)
	return s.db.Update(ctx, func(tx *kv.Tx) error {
		e, err := load[entity](tx, key, noSuch(k, name))
		if err != nil {
			return err
		}
		if err := check(tx, &e); err != nil {
			return err
		}
		return tx.Delete(key)
	}, key)
}

// changeManaged rewrites a customer's policy; AWS's own cannot be changed.
func (s store) changeManaged(ctx context.Context, account, policyARN string, change func(tx *kv.Tx, m *managed) error) error {
	name, err := ownManaged(policyARN)
	if err != nil {
		return err
	}
	key := policyKey(account, name)
	return s.db.Update(ctx, func(tx *kv.Tx) error {
		m, err := loadManaged(tx, account, policyARN)
		if err != nil {
			return err
		}
		if err := change(tx, &m); err != nil {
			return err
		}
		return save(tx, key, m)
	}, key)
}

// all reads every record of one kind of an account, in the order of names.
func all[T any](ctx context.Context, s store, account, k string) ([]T, error) {
	var out []T
	err := s.db.Each(ctx, kv.Prefix(tuple.Key(account, k)), func(it kv.Item) (bool, error) {
		var v T
		if err := json.Unmarshal(it.Value, &v); err != nil {
			return false, err
		}
		out = append(out, v)
		return true, nil
	})
	return out, err
}

// within reads every record of one kind in a transaction, for deletions that
// must see what another transaction attaches.
func within[T any](tx *kv.Tx, account, k string) ([]T, error) {
	var out []T
	r := kv.Prefix(tuple.Key(account, k))
	for {
		items, err := tx.Scan(r)
		if err != nil {
			return nil, err
		}
		for _, it := range items {
			var v T
			if err := json.Unmarshal(it.Value, &v); err != nil {
				return nil, err
			}
			out = append(out, v)
		}
		if !r.More(items) {
			return out, nil
		}
		r = r.After(items[len(items)-1].Key)
	}
}

// uses counts how often a policy is attached, and how often it is a boundary.
type uses struct{ attached, boundary int }

// usage counts the uses of all policies of an account in one pass.
func (s store) usage(ctx context.Context, account string) (map[string]uses, error) {
	out := map[string]uses{}
	for _, k := range []kind{user, role, group} {
		found, err := all[entity](ctx, s, account, string(k))
		if err != nil {
			return nil, err
		}
		for _, e := range found {
			for _, a := range e.Attached {
				u := out[a]
				u.attached++
				out[a] = u
			}
			if e.Boundary != "" {
				u := out[e.Boundary]
				u.boundary++
				out[e.Boundary] = u
			}
		}
	}
	return out, nil
}

// used reports whether an entity holds on to a policy, in a transaction.
func used(tx *kv.Tx, account, policyARN string) (bool, error) {
	for _, k := range []kind{user, role, group} {
		found, err := within[entity](tx, account, string(k))
		if err != nil {
			return false, err
		}
		for _, e := range found {
			if e.Boundary == policyARN || slices.Contains(e.Attached, policyARN) {
				return true, nil
			}
		}
	}
	return false, nil
}

func title(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
