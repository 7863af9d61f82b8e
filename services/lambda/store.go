package lambda

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"moln.dev/moln/engine/blob"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/tuple"
	"moln.dev/moln/platform/service"
)

// store is the only place that knows keys and encodings.
type store struct{ db *kv.DB }

// place is the account and region that keys begin with.
type place struct{ account, region string }

func placeOf(c *service.Call) place { return place{c.Account, c.Region} }

func (p place) functionKey(name string) []byte { return tuple.Key(p.account, p.region, "f", name) }

func (p place) versionKey(name string, number int64) []byte {
	return tuple.Key(p.account, p.region, "v", name, number)
}

func (p place) aliasKey(name, alias string) []byte {
	return tuple.Key(p.account, p.region, "a", name, alias)
}

func (p place) policyKey(name, qualifier string) []byte {
	return tuple.Key(p.account, p.region, "p", name, qualifier)
}

func (p place) eventKey(name, qualifier string) []byte {
	return tuple.Key(p.account, p.region, "i", name, qualifier)
}

func (p place) blobKey(id, name string, number int64) []byte {
	return tuple.Key("blob", id, p.account, p.region, name, number)
}

// getter is a store or a transaction of it.
type getter func(key []byte) ([]byte, error)

func (s store) reader(ctx context.Context) getter {
	return func(key []byte) ([]byte, error) { return s.db.Get(ctx, key) }
}

// read decodes the value of key; ok is false where there is none.
func read[T any](get getter, key []byte) (value T, ok bool, err error) {
	raw, err := get(key)
	if errors.Is(err, kv.ErrNotFound) {
		return value, false, nil
	}
	if err != nil {
		return value, false, err
	}
	if err := json.Unmarshal(raw, &value); err != nil {
		return value, false, fmt.Errorf("lambda: stored %T: %w", value, err)
	}
	return value, true, nil
}

func write(tx *kv.Tx, key []byte, value any) error {
	raw, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return tx.Put(key, raw)
}

// function loads r's function, whatever its qualifier.
func (s store) function(ctx context.Context, r ref) (*function, error) {
	return loadFunction(s.reader(ctx), r)
}

func loadFunction(get getter, r ref) (*function, error) {
	f, ok, err := read[function](get, r.functionKey(r.name))
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, notFound(r.arn())
	}
	return &f, nil
}

func (s store) alias(ctx context.Context, r ref, name string) (*alias, bool, error) {
	a, ok, err := read[alias](s.reader(ctx), r.aliasKey(r.name, name))
	return &a, ok, err
}

// version loads the version that r's qualifier names, an alias by its first
// version.
func (s store) version(ctx context.Context, r ref) (*config, error) {
	f, err := s.function(ctx, r)
	if err != nil {
		return nil, err
	}
	q := r.qualifier
	if q != "" && q != latest && !numberPattern.MatchString(q) {
		a, ok, err := s.alias(ctx, r, q)
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, notFound(r.arn())
		}
		q = a.Version
	}
	return s.numbered(ctx, f, r, q)
}

// numbered loads $LATEST or a published version.
func (s store) numbered(ctx context.Context, f *function, r ref, version string) (*config, error) {
	if version == "" || version == latest {
		return &f.Latest, nil
	}
	g, ok, err := loadVersion(s.reader(ctx), r, version)
	if err == nil && !ok {
		err = notFound(r.arn())
	}
	return g, err
}

func loadVersion(get getter, r ref, version string) (*config, bool, error) {
	n, err := strconv.ParseInt(version, 10, 64)
	if err != nil {
		return nil, false, nil
	}
	g, ok, err := read[config](get, r.versionKey(r.name, n))
	return &g, ok, err
}

// create stores a new function with its first version (L1).
func (s store) create(ctx context.Context, r ref, f *function) error {
	key := r.functionKey(r.name)
	return s.db.Update(ctx, func(tx *kv.Tx) error {
		if _, err := tx.Get(key); !errors.Is(err, kv.ErrNotFound) {
			if err != nil {
				return err
			}
			return conflict("Function already exist: %s", r.name)
		}
		if f.Published > 0 {
			v := f.Latest
			v.Version = strconv.FormatInt(f.Published, 10)
			if err := s.putVersion(tx, r, f.Published, &v); err != nil {
				return err
			}
		}
		return errors.Join(tx.Put(r.blobKey(f.Latest.Code.Blob.ID, r.name, 0), []byte(f.Latest.Code.SHA256)), write(tx, key, f))
	}, key)
}

func (s store) putVersion(tx *kv.Tx, r ref, number int64, v *config) error {
	return errors.Join(
		tx.Put(r.blobKey(v.Code.Blob.ID, r.name, number), []byte(v.Code.SHA256)),
		write(tx, r.versionKey(r.name, number), v),
	)
}

// change loads a function, lets fn change it, and stores it. dropped are the
// blobs which no version names any more: to be deleted now (L1).
func (s store) change(ctx context.Context, r ref, fn func(tx *kv.Tx, f *function) error) (f *function, dropped []blob.Ref, err error) {
	key := r.functionKey(r.name)
	err = s.db.Update(ctx, func(tx *kv.Tx) error {
		dropped = nil
		if f, err = loadFunction(tx.Get, r); err != nil {
			return err
		}
		before := f.Latest.Code.Blob
		if err := fn(tx, f); err != nil {
			return err
		}
		if after := f.Latest.Code.Blob; after != before {
			if dropped, err = dropBlob(tx, r, before, 0); err != nil {
				return err
			}
			if err := tx.Put(r.blobKey(after.ID, r.name, 0), []byte(f.Latest.Code.SHA256)); err != nil {
				return err
			}
		}
		return write(tx, key, f)
	}, key)
	return f, dropped, err
}

// dropBlob takes one version's name off a blob, and returns the blob where it
// was the last.
func dropBlob(tx *kv.Tx, r ref, b blob.Ref, number int64) ([]blob.Ref, error) {
	if err := tx.Delete(r.blobKey(b.ID, r.name, number)); err != nil {
		return nil, err
	}
	left := kv.Prefix(tuple.Key("blob", b.ID))
	left.Limit = 1
	items, err := tx.Scan(left)
	if err != nil || len(items) > 0 {
		return nil, err
	}
	return []blob.Ref{b}, nil
}

// blobAlive says that some version names the blob.
func (s store) blobAlive(ctx context.Context, id string) (bool, error) {
	r := kv.Prefix(tuple.Key("blob", id))
	r.Limit = 1
	items, err := s.db.Scan(ctx, r)
	return len(items) > 0, err
}

// packages returns the CodeSha256 of every package that some version names.
func (s store) packages(ctx context.Context) (map[string]bool, error) {
	out := map[string]bool{}
	err := s.db.Each(ctx, kv.Prefix(tuple.Key("blob")), func(it kv.Item) (bool, error) {
		out[string(it.Value)] = true
		return true, nil
	})
	return out, err
}

// deleteFunction removes a function with everything that belongs to it.
func (s store) deleteFunction(ctx context.Context, r ref) (dropped []blob.Ref, err error) {
	key := r.functionKey(r.name)
	err = s.db.Update(ctx, func(tx *kv.Tx) error {
		dropped = nil
		f, err := loadFunction(tx.Get, r)
		if err != nil {
			return err
		}
		if dropped, err = dropBlob(tx, r, f.Latest.Code.Blob, 0); err != nil {
			return err
		}
		versions, err := scanVersions(tx, r)
		if err != nil {
			return err
		}
		for number, v := range versions {
			more, err := dropBlob(tx, r, v.Code.Blob, number)
			if err != nil {
				return err
			}
			dropped = append(dropped, more...)
		}
		for _, kind := range []string{"v", "a", "p", "i"} {
			all := kv.Prefix(tuple.Key(r.account, r.region, kind, r.name))
			if err := tx.DeleteRange(all.Start, all.End); err != nil {
				return err
			}
		}
		return tx.Delete(key)
	}, key)
	return dropped, err
}

func scanVersions(tx *kv.Tx, r ref) (map[int64]config, error) {
	out := map[int64]config{}
	all := kv.Prefix(tuple.Key(r.account, r.region, "v", r.name))
	for {
		items, err := tx.Scan(all)
		if err != nil {
			return nil, err
		}
		for _, it := range items {
			var g config
			if err := json.Unmarshal(it.Value, &g); err != nil {
				return nil, err
			}
			n, err := strconv.ParseInt(g.Version, 10, 64)
			if err != nil {
				return nil, err
			}
			out[n] = g
		}
		if !all.More(items) {
			return out, nil
		}
		all = all.After(items[len(items)-1].Key)
	}
}

// deleteVersion removes a published version that no alias names.
func (s store) deleteVersion(ctx context.Context, r ref, number int64) (dropped []blob.Ref, err error) {
	key := r.functionKey(r.name)
	err = s.db.Update(ctx, func(tx *kv.Tx) error {
		dropped = nil
		g, ok, err := read[config](tx.Get, r.versionKey(r.name, number))
		if err != nil || !ok {
			return err // a version that is gone is no error
		}
		aliases, err := tx.Scan(kv.Prefix(tuple.Key(r.account, r.region, "a", r.name)))
		if err != nil {
			return err
		}
		for _, it := range aliases {
			var a alias
			if err := json.Unmarshal(it.Value, &a); err != nil {
				return err
			}
			if _, weighted := a.Weights[g.Version]; weighted || a.Version == g.Version {
				return conflict("Version %s is referenced by alias %s of the function and cannot be deleted", g.Version, a.Name)
			}
		}
		if dropped, err = dropBlob(tx, r, g.Code.Blob, number); err != nil {
			return err
		}
		return errors.Join(
			tx.Delete(r.versionKey(r.name, number)), tx.Delete(r.policyKey(r.name, g.Version)), tx.Delete(r.eventKey(r.name, g.Version)),
		)
	}, key)
	return dropped, err
}

// page lists the values of a kind below prefix, after a marker key part.
func page[T any](ctx context.Context, s store, rng kv.Range, limit int) (values []T, more bool, err error) {
	rng.Limit = limit + 1
	err = s.db.Each(ctx, rng, func(it kv.Item) (bool, error) {
		if len(values) == limit {
			more = true
			return false, nil
		}
		var v T
		if err := json.Unmarshal(it.Value, &v); err != nil {
			return false, err
		}
		values = append(values, v)
		return true, nil
	})
	return values, more, err
}

func after(rng kv.Range, key []byte) kv.Range {
	rng.Start = append(key, 0)
	return rng
}

// functions lists functions by name.
func (s store) functions(ctx context.Context, p place, marker string, limit int) ([]function, bool, error) {
	rng := kv.Prefix(tuple.Key(p.account, p.region, "f"))
	if marker != "" {
		rng = after(rng, p.functionKey(marker))
	}
	return page[function](ctx, s, rng, limit)
}

// versions lists published versions by number.
func (s store) versions(ctx context.Context, r ref, marker int64, limit int) ([]config, bool, error) {
	rng := kv.Prefix(tuple.Key(r.account, r.region, "v", r.name))
	if marker > 0 {
		rng = after(rng, r.versionKey(r.name, marker))
	}
	return page[config](ctx, s, rng, limit)
}

func (s store) aliases(ctx context.Context, r ref, marker string, limit int) ([]alias, bool, error) {
	rng := kv.Prefix(tuple.Key(r.account, r.region, "a", r.name))
	if marker != "" {
		rng = after(rng, r.aliasKey(r.name, marker))
	}
	return page[alias](ctx, s, rng, limit)
}

// policy loads the statements for a function's qualifier.
func (s store) policy(ctx context.Context, r ref) (*resourcePolicy, bool, error) {
	p, ok, err := read[resourcePolicy](s.reader(ctx), r.policyKey(r.name, r.qualifier))
	return &p, ok, err
}

func (s store) eventConfig(ctx context.Context, r ref) (eventConfig, bool, error) {
	return read[eventConfig](s.reader(ctx), r.eventKey(r.name, r.qualifier))
}

// qualifiedEvents is an invoke configuration with the qualifier it is for.
type qualifiedEvents struct {
	eventConfig
	qualifier string
}

// eventConfigs lists a function's invoke configurations after the qualifier in
// marker.
func (s store) eventConfigs(ctx context.Context, r ref, marker *string, limit int) (out []qualifiedEvents, more bool, err error) {
	base := tuple.Key(r.account, r.region, "i", r.name)
	rng := kv.Prefix(base)
	if marker != nil {
		rng = after(rng, r.eventKey(r.name, *marker))
	}
	rng.Limit = limit + 1
	err = s.db.Each(ctx, rng, func(it kv.Item) (bool, error) {
		if len(out) == limit {
			more = true
			return false, nil
		}
		one := qualifiedEvents{}
		if one.qualifier, _, err = tuple.DecodeString(it.Key[len(base):]); err != nil {
			return false, err
		}
		if err := json.Unmarshal(it.Value, &one.eventConfig); err != nil {
			return false, err
		}
		out = append(out, one)
		return true, nil
	})
	return out, more, err
}

// changeAt runs fn on the value of a key that belongs to r's function, which
// must exist. fn returns what to store, nil to delete.
func changeAt[T any](ctx context.Context, s store, r ref, key []byte, fn func(value T, ok bool, get getter) (*T, error)) error {
	return s.db.Update(ctx, func(tx *kv.Tx) error {
		if _, err := loadFunction(tx.Get, r.unqualified()); err != nil {
			return err
		}
		old, ok, err := read[T](tx.Get, key)
		if err != nil {
			return err
		}
		v, err := fn(old, ok, tx.Get)
		if err != nil {
			return err
		}
		if v == nil {
			return tx.Delete(key)
		}
		return write(tx, key, v)
	}, key)
}

// exists says that r's qualifier names something.
func exists(get getter, r ref) (bool, error) {
	switch {
	case r.qualifier == "" || r.qualifier == latest:
		return true, nil
	case numberPattern.MatchString(r.qualifier):
		_, ok, err := loadVersion(get, r, r.qualifier)
		return ok, err
	}
	_, ok, err := read[alias](get, r.aliasKey(r.name, r.qualifier))
	return ok, err
}
