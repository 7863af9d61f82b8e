package kms

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	api "moln.dev/moln/api/kms"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/tuple"
	"moln.dev/moln/platform/service"
)

// store is the only place that knows keys and encodings.
type store struct {
	db      *kv.DB
	decoded *kv.Decoded[keyID, key]
}

// decodedMax is how many keys are kept decoded, their policies compiled.
const decodedMax = 1024

func newStore(db *kv.DB) *store {
	return &store{db, kv.NewDecoded(decodedMax, func(k keyID) []byte { return k.keyKey(k.id) }, decodeKey)}
}

// keyID names a key of one region: replicas share their ids.
type keyID struct {
	place
	id string
}

// place is the account and region that keys begin with.
type place struct{ account, region string }

func placeOf(c *service.Call) place { return place{c.Account, c.Region} }

func (k *key) place() place { return place{k.Account, k.Region} }

func (p place) keyKey(id string) []byte     { return tuple.Key(p.account, p.region, "k", id) }
func (p place) aliasKey(name string) []byte { return tuple.Key(p.account, p.region, "a", name) }

func (p place) grantKey(keyID, id string) []byte {
	return tuple.Key(p.account, p.region, "g", keyID, id)
}

// errAbsent: there is no such record.
var errAbsent = kv.ErrNotFound

// key gives a key with its policy compiled. It is shared and must not be changed;
// change works on a copy.
func (s *store) key(ctx context.Context, p place, id string) (*key, error) {
	return s.decoded.Get(ctx, s.db, keyID{p, id})
}

func decodeKey(raw []byte) (*key, error) {
	k, err := decode[key](raw, nil)
	if err != nil {
		return nil, err
	}
	compiled, err := policy.Parse([]byte(k.Policy), policy.Resource)
	if err != nil {
		return nil, err // it was checked when it was stored
	}
	k.compiled = compiled.Named("key policy of " + k.ID)
	return k, nil
}

func (s *store) alias(ctx context.Context, p place, name string) (*alias, error) {
	return get[alias](ctx, s.db, p.aliasKey(name))
}

func (s *store) grant(ctx context.Context, p place, keyID, id string) (*grant, error) {
	return get[grant](ctx, s.db, p.grantKey(keyID, id))
}

// createKey stores a key with the aliases it is born with.
func (s *store) createKey(ctx context.Context, k *key, aliases ...alias) error {
	var b kv.Batch
	b.Put(k.place().keyKey(k.ID), encode(k))
	for _, a := range aliases {
		b.Put(k.place().aliasKey(a.Name), encode(a))
	}
	return s.db.Apply(ctx, &b)
}

// createManaged stores a key under an alias that nobody has yet; where somebody
// was faster his stays.
func (s *store) createManaged(ctx context.Context, k *key, a alias) error {
	name, id := k.place().aliasKey(a.Name), k.place().keyKey(k.ID)
	return s.db.Update(ctx, func(tx *kv.Tx) error {
		if _, err := tx.Get(name); !errors.Is(err, errAbsent) {
			return err
		}
		if err := tx.Put(id, encode(k)); err != nil {
			return err
		}
		return tx.Put(name, encode(a))
	}, name, id)
}

// change rewrites a key.
func (s *store) change(ctx context.Context, p place, id string, change func(*key) error) error {
	at := p.keyKey(id)
	return s.db.Update(ctx, func(tx *kv.Tx) error {
		k, err := read[key](tx, at)
		if err != nil {
			return err
		}
		if err := change(k); err != nil {
			return err
		}
		return tx.Put(at, encode(k))
	}, at)
}

// setAlias points a name to a key, and away from another if it had one (K2).
// decide sees the alias as it is (nil: none) and the new target, and says what
// is to be stored.
func (s *store) setAlias(ctx context.Context, p place, name, oldID, id string, decide func(have *alias, target *key) (alias, error)) error {
	at, target := p.aliasKey(name), p.keyKey(id)
	locks := [][]byte{at, target}
	if oldID != "" && oldID != id {
		locks = append(locks, p.keyKey(oldID))
	}
	return s.db.Update(ctx, func(tx *kv.Tx) error {
		have, err := read[alias](tx, at)
		if err != nil && !errors.Is(err, errAbsent) {
			return err
		}
		k, err := read[key](tx, target)
		if err != nil {
			return err
		}
		a, err := decide(have, k)
		if err != nil {
			return err
		}
		if have != nil && have.KeyID != id {
			if err := dropName(tx, p, have); err != nil {
				return err
			}
		}
		if !slices.Contains(k.Aliases, name) {
			k.Aliases = append(k.Aliases, name)
			slices.Sort(k.Aliases)
		}
		if err := tx.Put(target, encode(k)); err != nil {
			return err
		}
		return tx.Put(at, encode(a))
	}, locks...)
}

func (s *store) deleteAlias(ctx context.Context, p place, a *alias) error {
	at := p.aliasKey(a.Name)
	return s.db.Update(ctx, func(tx *kv.Tx) error {
		have, err := read[alias](tx, at)
		if err != nil {
			return err
		}
		if err := dropName(tx, p, have); err != nil {
			return err
		}
		return tx.Delete(at)
	}, at, p.keyKey(a.KeyID))
}

// dropName takes an alias out of its key's record.
func dropName(tx *kv.Tx, p place, a *alias) error {
	at := p.keyKey(a.KeyID)
	k, err := read[key](tx, at)
	if errors.Is(err, errAbsent) {
		return nil
	}
	if err != nil {
		return err
	}
	k.Aliases = slices.DeleteFunc(k.Aliases, func(n string) bool { return n == a.Name })
	return tx.Put(at, encode(k))
}

// changeFamily rewrites a key and its replicas; a single-region key is a family
// of one. Records that change takes out are deleted.
func (s *store) changeFamily(ctx context.Context, k *key, change func(family) error) error {
	return s.inFamily(ctx, k, func(_ *kv.Tx, f family) error { return change(f) })
}

func (s *store) inFamily(ctx context.Context, k *key, change func(*kv.Tx, family) error) error {
	regions := k.Regions
	if !k.multi() {
		regions = []string{k.Region}
	}
	var locks [][]byte
	for _, r := range regions {
		locks = append(locks, place{k.Account, r}.keyKey(k.ID))
	}
	return s.db.Update(ctx, func(tx *kv.Tx) error {
		f := family{}
		for i, r := range regions {
			member, err := read[key](tx, locks[i])
			if err != nil {
				return err
			}
			if !slices.Equal(member.Regions, k.Regions) {
				return api.ErrDependencyTimeoutException("The regions of the key were changed by another request.")
			}
			f[r] = member
		}
		if err := change(tx, f); err != nil {
			return err
		}
		for _, r := range regions {
			if f[r] == nil {
				if err := tx.Delete(place{k.Account, r}.keyKey(k.ID)); err != nil {
					return err
				}
			}
		}
		for r, member := range f {
			if err := tx.Put(place{k.Account, r}.keyKey(k.ID), encode(member)); err != nil {
				return err
			}
		}
		return nil
	}, locks...)
}

// deleteKey removes a key that is due, with its aliases and grants.
func (s *store) deleteKey(ctx context.Context, k key, now time.Time) error {
	p := k.place()
	return s.inFamily(ctx, &k, func(tx *kv.Tx, f family) error {
		here := f[k.Region]
		if !here.gone(now) {
			return nil
		}
		f.leave(here, now)
		for _, name := range here.Aliases {
			if err := tx.Delete(p.aliasKey(name)); err != nil {
				return err
			}
		}
		r := kv.Prefix(tuple.Key(p.account, p.region, "g", k.ID))
		return tx.DeleteRange(r.Start, r.End)
	})
}

// putGrant stores a grant and marks its key as one that has grants.
func (s *store) putGrant(ctx context.Context, p place, g *grant) error {
	at := p.keyKey(g.KeyID)
	return s.db.Update(ctx, func(tx *kv.Tx) error {
		k, err := read[key](tx, at)
		if err != nil {
			return err
		}
		if err := k.enabled(); err != nil {
			return err
		}
		k.Granted = true
		if err := tx.Put(at, encode(k)); err != nil {
			return err
		}
		return tx.Put(p.grantKey(g.KeyID, g.ID), encode(g))
	}, at)
}

func (s *store) deleteGrant(ctx context.Context, p place, keyID, id string) error {
	return s.db.Delete(ctx, p.grantKey(keyID, id))
}

// keys, aliases and grants read a page after a name, one more than limit to tell
// whether there are more; limit 0 reads all.
func (s *store) keys(ctx context.Context, p place, after string, limit int) ([]key, error) {
	return page[key](ctx, s.db, tuple.Key(p.account, p.region, "k"), after, limit)
}

func (s *store) aliases(ctx context.Context, p place, after string, limit int) ([]alias, error) {
	return page[alias](ctx, s.db, tuple.Key(p.account, p.region, "a"), after, limit)
}

func (s *store) grants(ctx context.Context, p place, keyID, after string, limit int) ([]grant, error) {
	return page[grant](ctx, s.db, tuple.Key(p.account, p.region, "g", keyID), after, limit)
}

// allGrants walks the grants of every key of a place.
func (s *store) allGrants(ctx context.Context, p place, visit func(grant) bool) error {
	return s.db.Each(ctx, kv.Prefix(tuple.Key(p.account, p.region, "g")), func(it kv.Item) (bool, error) {
		var g grant
		if err := json.Unmarshal(it.Value, &g); err != nil {
			return false, err
		}
		return visit(g), nil
	})
}

// everyKey walks the keys of all accounts and regions.
func (s *store) everyKey(ctx context.Context, visit func(key) error) error {
	return s.db.Each(ctx, kv.Range{}, func(it kv.Item) (bool, error) {
		rest := it.Key
		var kind string
		for range 3 {
			var err error
			if kind, rest, err = tuple.DecodeString(rest); err != nil {
				return false, err
			}
		}
		if kind != "k" {
			return true, nil
		}
		var k key
		if err := json.Unmarshal(it.Value, &k); err != nil {
			return false, err
		}
		return true, visit(k)
	})
}

func page[T any](ctx context.Context, db *kv.DB, base []byte, after string, limit int) ([]T, error) {
	r := kv.Prefix(base)
	if after != "" {
		r.Start = append(tuple.AppendString(slices.Clone(base), after), 0)
	}
	if limit > 0 {
		r.Limit = limit + 1
	}
	out := []T{}
	err := db.Each(ctx, r, func(it kv.Item) (bool, error) {
		var v T
		if err := json.Unmarshal(it.Value, &v); err != nil {
			return false, err
		}
		out = append(out, v)
		return limit == 0 || len(out) <= limit, nil
	})
	return out, err
}

func get[T any](ctx context.Context, db *kv.DB, at []byte) (*T, error) {
	return decode[T](db.Get(ctx, at))
}

func read[T any](tx *kv.Tx, at []byte) (*T, error) { return decode[T](tx.Get(at)) }

func decode[T any](b []byte, err error) (*T, error) {
	if err != nil {
		return nil, err
	}
	v := new(T)
	return v, json.Unmarshal(b, v)
}

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // plain structs of strings, numbers and times
	}
	return b
}
