package fn

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"moln.dev/moln/aws/policy"
	"moln.dev/moln/engine/blob"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/tuple"
	"moln.dev/moln/platform/service"
)

// Store is the only place that knows keys and encodings.
type Store struct {
	DB *kv.DB
	// What every invocation needs is kept decoded.
	functions *kv.Decoded[Ref, Function]
	policies  *kv.Decoded[Ref, policy.Policy]
}

// decodedMax is how many functions, and how many policies, are kept decoded.
const decodedMax = 1024

// NewStore returns the store over keys of its own.
func NewStore(db *kv.DB) Store {
	return Store{
		DB:        db,
		functions: kv.NewDecoded(decodedMax, func(r Ref) []byte { return r.FunctionKey(r.Name) }, decode[Function]),
		policies:  kv.NewDecoded(decodedMax, func(r Ref) []byte { return r.PolicyKey(r.Name, r.Qualifier) }, compile),
	}
}

// Place is the account and region that keys begin with.
type Place struct{ Account, Region string }

// PlaceOf is where a request is about.
func PlaceOf(c *service.Call) Place { return Place{c.Account, c.Region} }

// FunctionKey is the key of a function.
func (p Place) FunctionKey(name string) []byte { return tuple.Key(p.Account, p.Region, "f", name) }

func (p Place) versionKey(name string, number int64) []byte {
	return tuple.Key(p.Account, p.Region, "v", name, number)
}

// AliasKey is the key of an alias.
func (p Place) AliasKey(name, alias string) []byte {
	return tuple.Key(p.Account, p.Region, "a", name, alias)
}

// PolicyKey is the key of a policy.
func (p Place) PolicyKey(name, qualifier string) []byte {
	return tuple.Key(p.Account, p.Region, "p", name, qualifier)
}

// EventKey is the key of an invoke configuration.
func (p Place) EventKey(name, qualifier string) []byte {
	return tuple.Key(p.Account, p.Region, "i", name, qualifier)
}

func (p Place) blobKey(id, name string, number int64) []byte {
	return tuple.Key("blob", id, p.Account, p.Region, name, number)
}

// Getter is a store or a transaction of it.
type Getter func(key []byte) ([]byte, error)

// Reader reads outside of a transaction.
func (s Store) Reader(ctx context.Context) Getter {
	return func(key []byte) ([]byte, error) { return s.DB.Get(ctx, key) }
}

// Read decodes the value of key; ok is false where there is none.
func Read[T any](get Getter, key []byte) (value T, ok bool, err error) {
	raw, err := get(key)
	if errors.Is(err, kv.ErrNotFound) {
		return value, false, nil
	}
	if err != nil {
		return value, false, err
	}
	v, err := decode[T](raw)
	if err != nil {
		return value, false, err
	}
	return *v, true, nil
}

func decode[T any](raw []byte) (*T, error) {
	v := new(T)
	if err := json.Unmarshal(raw, v); err != nil {
		return nil, fmt.Errorf("lambda: stored %T: %w", *v, err)
	}
	return v, nil
}

// Write stores a value as JSON.
func Write(tx *kv.Tx, key []byte, value any) error {
	raw, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return tx.Put(key, raw)
}

// Function loads r's function, whatever its qualifier. What it points at is
// shared and must not be changed.
func (s Store) Function(ctx context.Context, r Ref) (*Function, error) {
	f, err := s.Find(ctx, r)
	if err == nil && f == nil {
		err = NotFound(r.ARN())
	}
	return f, err
}

// Find is Function where there may be none: then it is nil.
func (s Store) Find(ctx context.Context, r Ref) (*Function, error) {
	f, err := s.functions.Get(ctx, s.DB, r.Unqualified())
	if errors.Is(err, kv.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	own := *f
	return &own, nil
}

// LoadFunction loads r's function, whatever its qualifier.
func LoadFunction(get Getter, r Ref) (*Function, error) {
	f, ok, err := Read[Function](get, r.FunctionKey(r.Name))
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, NotFound(r.ARN())
	}
	return &f, nil
}

// Alias loads an alias; false where there is none.
func (s Store) Alias(ctx context.Context, r Ref, name string) (*Alias, bool, error) {
	a, ok, err := Read[Alias](s.Reader(ctx), r.AliasKey(r.Name, name))
	return &a, ok, err
}

// Version loads the version that r's qualifier names, an alias by its first
// version.
func (s Store) Version(ctx context.Context, r Ref) (*Config, error) {
	f, err := s.Function(ctx, r)
	if err != nil {
		return nil, err
	}
	q := r.Qualifier
	if q != "" && q != Latest && !NumberPattern.MatchString(q) {
		a, ok, err := s.Alias(ctx, r, q)
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, NotFound(r.ARN())
		}
		q = a.Version
	}
	return s.Numbered(ctx, f, r, q)
}

// Numbered loads $LATEST or a published version.
func (s Store) Numbered(ctx context.Context, f *Function, r Ref, version string) (*Config, error) {
	if version == "" || version == Latest {
		return &f.Latest, nil
	}
	g, ok, err := LoadVersion(s.Reader(ctx), r, version)
	if err == nil && !ok {
		err = NotFound(r.ARN())
	}
	return g, err
}

// LoadVersion loads a published version by its number; false where there is none.
func LoadVersion(get Getter, r Ref, version string) (*Config, bool, error) {
	n, err := strconv.ParseInt(version, 10, 64)
	if err != nil {
		return nil, false, nil
	}
	g, ok, err := Read[Config](get, r.versionKey(r.Name, n))
	return &g, ok, err
}

// Create stores a new function with its first version (L1).
func (s Store) Create(ctx context.Context, r Ref, f *Function) error {
	key := r.FunctionKey(r.Name)
	return s.DB.Update(ctx, func(tx *kv.Tx) error {
		if _, err := tx.Get(key); !errors.Is(err, kv.ErrNotFound) {
			if err != nil {
				return err
			}
			return Conflict("Function already exist: %s", r.Name)
		}
		if f.Published > 0 {
			v := f.Latest
			v.Version = strconv.FormatInt(f.Published, 10)
			if err := s.PutVersion(tx, r, f.Published, &v); err != nil {
				return err
			}
		}
		return errors.Join(nameBlobs(tx, r, 0, &f.Latest, nil), Write(tx, key, f))
	}, key)
}

// PutVersion stores a new version, a copy of $LATEST, and its name on the blobs
// it needs (L1).
func (s Store) PutVersion(tx *kv.Tx, r Ref, number int64, v *Config) error {
	return errors.Join(nameBlobs(tx, r, number, v, v.Layers), Write(tx, r.versionKey(r.Name, number), v))
}

// Change loads a function, lets fn change it, and stores it. dropped are the
// blobs which no version names any more: to be deleted now (L1).
func (s Store) Change(ctx context.Context, r Ref, fn func(tx *kv.Tx, f *Function) error) (f *Function, dropped []blob.Ref, err error) {
	key := r.FunctionKey(r.Name)
	err = s.DB.Update(ctx, func(tx *kv.Tx) error {
		dropped = nil
		if f, err = LoadFunction(tx.Get, r); err != nil {
			return err
		}
		before := f.Latest
		if err := fn(tx, f); err != nil {
			return err
		}
		if f.Latest.Code.Blob != before.Code.Blob || !slices.Equal(f.Latest.Layers, before.Layers) {
			if err := nameBlobs(tx, r, 0, &f.Latest, before.Layers); err != nil {
				return err
			}
			if dropped, err = unnameBlobs(tx, r, 0, &before, &f.Latest); err != nil {
				return err
			}
		}
		return Write(tx, key, f)
	}, key)
	return f, dropped, err
}

// dropBlob takes one version's name off a blob, and returns the blob where it
// was the last.
func dropBlob(tx *kv.Tx, r Ref, b blob.Ref, number int64) ([]blob.Ref, error) {
	return DropBlobKey(tx, r.blobKey(b.ID, r.Name, number), b)
}

// BlobAlive says that some version names the blob.
func (s Store) BlobAlive(ctx context.Context, id string) (bool, error) {
	r := kv.Prefix(tuple.Key("blob", id))
	r.Limit = 1
	items, err := s.DB.Scan(ctx, r)
	return len(items) > 0, err
}

// Packages returns the CodeSha256 of every package that some version names, and
// the MergedSum of all layers merged.
func (s Store) Packages(ctx context.Context) (map[string]bool, error) {
	out := map[string]bool{}
	err := s.DB.Each(ctx, kv.Prefix(tuple.Key("blob")), func(it kv.Item) (bool, error) {
		out[string(it.Value)] = true
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	base := tuple.Key("merged")
	err = s.DB.Each(ctx, kv.Prefix(base), func(it kv.Item) (bool, error) {
		sum, _, err := tuple.DecodeString(it.Key[len(base):])
		out[sum] = true
		return true, err
	})
	return out, err
}

// DeleteFunction removes a function with everything that belongs to it.
func (s Store) DeleteFunction(ctx context.Context, r Ref) (dropped []blob.Ref, err error) {
	key := r.FunctionKey(r.Name)
	err = s.DB.Update(ctx, func(tx *kv.Tx) error {
		dropped = nil
		f, err := LoadFunction(tx.Get, r)
		if err != nil {
			return err
		}
		if dropped, err = unnameBlobs(tx, r, 0, &f.Latest, nil); err != nil {
			return err
		}
		versions, err := scanVersions(tx, r)
		if err != nil {
			return err
		}
		for number, v := range versions {
			more, err := unnameBlobs(tx, r, number, &v, nil)
			if err != nil {
				return err
			}
			dropped = append(dropped, more...)
		}
		if err := dropURLs(tx, r); err != nil {
			return err
		}
		for _, kind := range []string{"v", "a", "p", "i"} {
			all := kv.Prefix(tuple.Key(r.Account, r.Region, kind, r.Name))
			if err := tx.DeleteRange(all.Start, all.End); err != nil {
				return err
			}
		}
		return errors.Join(tx.Delete(key), tx.Delete(r.provisionKey(r.Name)))
	}, key)
	return dropped, err
}

func scanVersions(tx *kv.Tx, r Ref) (map[int64]Config, error) {
	out := map[int64]Config{}
	all := kv.Prefix(tuple.Key(r.Account, r.Region, "v", r.Name))
	for {
		items, err := tx.Scan(all)
		if err != nil {
			return nil, err
		}
		for _, it := range items {
			var g Config
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

// DeleteVersion removes a published version that no alias names.
func (s Store) DeleteVersion(ctx context.Context, r Ref, number int64) (dropped []blob.Ref, err error) {
	key := r.FunctionKey(r.Name)
	err = s.DB.Update(ctx, func(tx *kv.Tx) error {
		dropped = nil
		g, ok, err := Read[Config](tx.Get, r.versionKey(r.Name, number))
		if err != nil || !ok {
			return err // a version that is gone is no error
		}
		aliases, err := tx.Scan(kv.Prefix(tuple.Key(r.Account, r.Region, "a", r.Name)))
		if err != nil {
			return err
		}
		for _, it := range aliases {
			var a Alias
			if err := json.Unmarshal(it.Value, &a); err != nil {
				return err
			}
			if _, weighted := a.Weights[g.Version]; weighted || a.Version == g.Version {
				return Conflict("Version %s is referenced by alias %s of the function and cannot be deleted", g.Version, a.Name)
			}
		}
		if dropped, err = unnameBlobs(tx, r, number, &g, nil); err != nil {
			return err
		}
		return errors.Join(
			dropProvision(tx, r, g.Version), tx.Delete(r.versionKey(r.Name, number)), tx.Delete(r.PolicyKey(r.Name, g.Version)), tx.Delete(r.EventKey(r.Name, g.Version)),
		)
	}, key)
	return dropped, err
}

// page lists what read makes of the items in rng, limit at the most.
func page[T any](ctx context.Context, s Store, rng kv.Range, limit int, read func(kv.Item) (T, error)) (values []T, more bool, err error) {
	rng.Limit = limit + 1
	err = s.DB.Each(ctx, rng, func(it kv.Item) (bool, error) {
		if len(values) == limit {
			more = true
			return false, nil
		}
		v, err := read(it)
		values = append(values, v)
		return true, err
	})
	return values, more, err
}

// value is all that an item's value says.
func value[T any](it kv.Item) (v T, err error) {
	err = json.Unmarshal(it.Value, &v)
	return v, err
}

// Qualified is what belongs to one qualifier of a function.
type Qualified[T any] struct {
	Qualifier string
	Value     T
}

// qualified lists what a function has of a kind, after the qualifier in marker.
func qualified[T any](ctx context.Context, s Store, r Ref, kind string, marker *string, limit int) ([]Qualified[T], bool, error) {
	base := tuple.Key(r.Account, r.Region, kind, r.Name)
	rng := kv.Prefix(base)
	if marker != nil {
		rng = after(rng, tuple.Key(r.Account, r.Region, kind, r.Name, *marker))
	}
	return page(ctx, s, rng, limit, func(it kv.Item) (one Qualified[T], err error) {
		if one.Qualifier, _, err = tuple.DecodeString(it.Key[len(base):]); err != nil {
			return one, err
		}
		one.Value, err = value[T](it)
		return one, err
	})
}

func after(rng kv.Range, key []byte) kv.Range {
	rng.Start = append(key, 0)
	return rng
}

// Functions lists functions by name.
func (s Store) Functions(ctx context.Context, p Place, marker string, limit int) ([]Function, bool, error) {
	rng := kv.Prefix(tuple.Key(p.Account, p.Region, "f"))
	if marker != "" {
		rng = after(rng, p.FunctionKey(marker))
	}
	return page(ctx, s, rng, limit, value[Function])
}

// Versions lists published versions by number.
func (s Store) Versions(ctx context.Context, r Ref, marker int64, limit int) ([]Config, bool, error) {
	rng := kv.Prefix(tuple.Key(r.Account, r.Region, "v", r.Name))
	if marker > 0 {
		rng = after(rng, r.versionKey(r.Name, marker))
	}
	return page(ctx, s, rng, limit, value[Config])
}

// Aliases lists a function's aliases by name.
func (s Store) Aliases(ctx context.Context, r Ref, marker string, limit int) ([]Alias, bool, error) {
	rng := kv.Prefix(tuple.Key(r.Account, r.Region, "a", r.Name))
	if marker != "" {
		rng = after(rng, r.AliasKey(r.Name, marker))
	}
	return page(ctx, s, rng, limit, value[Alias])
}

// Policy loads the statements for a function's qualifier.
func (s Store) Policy(ctx context.Context, r Ref) (*ResourcePolicy, bool, error) {
	p, ok, err := Read[ResourcePolicy](s.Reader(ctx), r.PolicyKey(r.Name, r.Qualifier))
	return &p, ok, err
}

// Compiled is the policy for a function's qualifier, to judge by; nil where there
// is none.
func (s Store) Compiled(ctx context.Context, r Ref) (*policy.Policy, error) {
	p, err := s.policies.Get(ctx, s.DB, r)
	if errors.Is(err, kv.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return p.Named(r.ARN()), nil
}

// compile makes a stored policy one that can be judged.
func compile(raw []byte) (*policy.Policy, error) {
	p, err := decode[ResourcePolicy](raw)
	if err != nil {
		return nil, err
	}
	return p.Compile("")
}

// EventConfig loads the invoke configuration of what r names.
func (s Store) EventConfig(ctx context.Context, r Ref) (EventConfig, bool, error) {
	return Read[EventConfig](s.Reader(ctx), r.EventKey(r.Name, r.Qualifier))
}

// EventConfigs lists a function's invoke configurations after the qualifier in
// marker.
func (s Store) EventConfigs(ctx context.Context, r Ref, marker *string, limit int) ([]Qualified[EventConfig], bool, error) {
	return qualified[EventConfig](ctx, s, r, "i", marker, limit)
}

// ChangeAt runs fn on the value of a key that belongs to r's function, which
// must exist. fn returns what to store, nil to delete.
func ChangeAt[T any](ctx context.Context, s Store, r Ref, key []byte, fn func(value T, ok bool, get Getter) (*T, error)) error {
	return s.DB.Update(ctx, func(tx *kv.Tx) error {
		if _, err := LoadFunction(tx.Get, r.Unqualified()); err != nil {
			return err
		}
		old, ok, err := Read[T](tx.Get, key)
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
		return Write(tx, key, v)
	}, key)
}

// Exists says that r's qualifier names something.
func Exists(get Getter, r Ref) (bool, error) {
	switch {
	case r.Qualifier == "" || r.Qualifier == Latest:
		return true, nil
	case NumberPattern.MatchString(r.Qualifier):
		_, ok, err := LoadVersion(get, r, r.Qualifier)
		return ok, err
	}
	_, ok, err := Read[Alias](get, r.AliasKey(r.Name, r.Qualifier))
	return ok, err
}

// usagePage is how many functions are read at a time to count them.
const usagePage = 500

// Usage is what an account has in a region. Reserved counts the provisioned
// concurrency of functions without a reservation, too.
type Usage struct{ Functions, Reserved, CodeBytes int64 }

// Usage counts the account's functions without the one called except, and
// that one.
func (s Store) Usage(ctx context.Context, p Place, except string) (others, own Usage, err error) {
	marker := ""
	for {
		list, more, err := s.Functions(ctx, p, marker, usagePage)
		if err != nil {
			return others, own, err
		}
		for i := range list {
			f := &list[i]
			marker = f.Latest.Name
			u := &others
			if marker == except {
				u = &own
			}
			u.Functions++
			u.CodeBytes += f.Latest.Code.Bytes
			if f.Reserved != nil {
				u.Reserved += int64(*f.Reserved)
			} else {
				u.Reserved += f.ProvisionedTotal("")
			}
		}
		if !more {
			return others, own, nil
		}
	}
}
