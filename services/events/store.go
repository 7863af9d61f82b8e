package events

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"

	"moln.dev/moln/aws/eventpattern"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/tuple"
)

// store is the only place that knows keys and encodings.
type store struct {
	db      *kv.DB
	decoded *kv.Decoded[busKey, bus]
}

// decodedMax is how many buses are kept decoded, their policies compiled.
const decodedMax = 1024

func newStore(db *kv.DB) *store {
	return &store{db, kv.NewDecoded(decodedMax, busKey.key, decodeBus)}
}

func (p place) key(kind string, rest ...any) []byte {
	return tuple.Key(append([]any{p.account, p.region, kind}, rest...)...)
}

func (k busKey) key() []byte  { return k.place.key("b", k.name) }
func (k ruleKey) key() []byte { return k.place.key("r", k.name, k.rule) }

// errAbsent: there is no such record.
var errAbsent = kv.ErrNotFound

func decodeBus(raw []byte) (*bus, error) {
	b, err := decode[bus](raw, nil)
	if err != nil || b.Policy == "" {
		return b, err
	}
	p, err := policy.Parse([]byte(b.Policy), policy.Resource)
	if err != nil {
		return nil, err // it was checked when it was stored
	}
	b.compiled = p.Named("policy of event bus " + b.Name)
	return b, nil
}

// bus gives a bus, which is shared, or errAbsent.
func (s *store) bus(ctx context.Context, k busKey) (*bus, error) {
	b, err := s.decoded.Get(ctx, s.db, k)
	if errors.Is(err, errAbsent) && k.name == defaultBus {
		return &bus{Name: defaultBus}, nil
	}
	return b, err
}

// busIn is the caller's own, or errAbsent.
func busIn(tx *kv.Tx, k busKey) (*bus, error) {
	b, err := decode[bus](tx.Get(k.key()))
	if errors.Is(err, errAbsent) && k.name == defaultBus {
		return &bus{Name: defaultBus}, nil
	}
	return b, err
}

// createBus stores a bus, unless there is one of its name or there are enough.
func (s *store) createBus(ctx context.Context, k busKey, b *bus) (created bool, err error) {
	err = s.db.Update(ctx, func(tx *kv.Tx) error {
		_, err := tx.Get(k.key())
		if created = errors.Is(err, errAbsent); !created {
			return err
		}
		return tx.Put(k.key(), encode(b))
	}, k.key())
	return created, err
}

// changeBus rewrites a bus.
func (s *store) changeBus(ctx context.Context, k busKey, change func(*bus) error) error {
	return s.db.Update(ctx, func(tx *kv.Tx) error {
		b, err := busIn(tx, k)
		if errors.Is(err, errAbsent) {
			return noBus(k.name)
		}
		if err != nil {
			return err
		}
		if err := change(b); err != nil {
			return err
		}
		return tx.Put(k.key(), encode(b))
	}, k.key())
}

// deleteBus removes a bus that has no rules.
func (s *store) deleteBus(ctx context.Context, k busKey) error {
	return s.db.Update(ctx, func(tx *kv.Tx) error {
		b, err := busIn(tx, k)
		switch {
		case errors.Is(err, errAbsent):
			return noBus(k.name)
		case err != nil:
			return err
		case b.Rules > 0:
			return invalid("Cannot delete event bus %s because it has rules attached to it.", k.name)
		}
		return tx.Delete(k.key())
	}, k.key())
}

func (s *store) buses(ctx context.Context, p place, prefix, after string, limit int) ([]bus, error) {
	return page[bus](ctx, s.db, p.key("b"), prefix, after, limit)
}

// rule gives a rule, the caller's own, or noRule.
func (s *store) rule(ctx context.Context, k ruleKey) (*rule, error) {
	r, err := decode[rule](s.db.Get(ctx, k.key()))
	if errors.Is(err, errAbsent) {
		return nil, noRule(k)
	}
	return r, err
}

// changeRule makes a rule what change says: r is nil where there is none, and
// change gives nil for none. The bus must be there.
func (s *store) changeRule(ctx context.Context, k ruleKey, change func(tx *kv.Tx, r *rule) (*rule, error)) error {
	return s.db.Update(ctx, func(tx *kv.Tx) error {
		b, err := busIn(tx, k.busKey)
		if errors.Is(err, errAbsent) {
			return noBus(k.name)
		}
		if err != nil {
			return err
		}
		old, err := decode[rule](tx.Get(k.key()))
		if errors.Is(err, errAbsent) {
			old, err = nil, nil
		}
		if err != nil {
			return err
		}
		was := old != nil
		now, err := change(tx, old)
		if err != nil {
			return err
		}
		b.Generation++
		switch {
		case now == nil && !was:
			return nil
		case now == nil:
			b.Rules--
			return errors.Join(tx.Delete(k.key()), tx.Put(k.busKey.key(), encode(b)))
		case !was:
			if b.Rules++; b.Rules > rulesPerBusMax {
				return limitExceeded()
			}
		}
		return errors.Join(tx.Put(k.key(), encode(now)), tx.Put(k.busKey.key(), encode(b)))
	}, k.busKey.key(), k.key())
}

// rulesOf reads a page of a bus's rules after a name, one more than limit to tell
// whether there are more; a limit of 0 is all.
func (s *store) rulesOf(ctx context.Context, k busKey, prefix, after string, limit int) ([]rule, error) {
	return page[rule](ctx, s.db, k.place.key("r", k.name), prefix, after, limit)
}

func page[T any](ctx context.Context, db *kv.DB, base []byte, prefix, after string, limit int) ([]T, error) {
	r := kv.Prefix(base)
	if prefix != "" {
		r = kv.Prefix(tuple.AppendStringPrefix(slices.Clone(base), prefix))
	} else {
		r.End = tuple.End(base)
	}
	if after != "" {
		r.Start = append(tuple.AppendString(slices.Clone(base), after), 0)
	}
	if limit > 0 {
		r.Limit = limit + 1
	}
	out := []T{}
	err := db.Each(ctx, r, func(it kv.Item) (bool, error) {
		v, err := decode[T](it.Value, nil)
		if err != nil {
			return false, err
		}
		out = append(out, *v)
		return true, nil
	})
	return out, err
}

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

// rules keeps the rules of buses compiled (E4). Safe for concurrent use.
type rules struct {
	store *store

	mu   sync.Mutex
	kept map[busKey]generation
}

type generation struct {
	number   uint64
	rules    []compiled
	archives []compiledArchive
}

// compiledMax is how many buses' rules are kept compiled.
const compiledMax = 1024

func newRules(s *store) *rules { return &rules{store: s, kept: map[busKey]generation{}} }

// of gives the rules of a bus that can match events, and its archives. They are
// shared.
func (r *rules) of(ctx context.Context, k busKey, b *bus) (generation, error) {
	if b.Rules == 0 && b.Archives == 0 {
		return generation{}, nil
	}
	r.mu.Lock()
	have, ok := r.kept[k]
	r.mu.Unlock()
	if ok && have.number == b.Generation {
		return have, nil
	}
	fresh, err := r.compile(ctx, k, b)
	if err != nil {
		return fresh, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.kept) >= compiledMax {
		clear(r.kept)
	}
	r.kept[k] = fresh
	return fresh, nil
}

func (r *rules) compile(ctx context.Context, k busKey, b *bus) (generation, error) {
	fresh := generation{number: b.Generation}
	list, err := r.store.rulesOf(ctx, k, "", "", 0)
	if err != nil {
		return fresh, err
	}
	for _, one := range list {
		if one.Pattern == "" || !one.enabled() {
			continue
		}
		p, err := eventpattern.Parse([]byte(one.Pattern), eventpattern.EventBridge)
		if err != nil {
			return fresh, err // it was checked when it was stored
		}
		fresh.rules = append(fresh.rules, compiled{one, ruleKey{k, one.Name}, p})
	}
	if b.Archives == 0 {
		return fresh, nil
	}
	archives, err := r.store.archivesOf(ctx, k)
	if err != nil {
		return fresh, err
	}
	for i := range archives {
		a, err := compileArchive(k.place, &archives[i])
		if err != nil {
			return fresh, err
		}
		fresh.archives = append(fresh.archives, a)
	}
	return fresh, nil
}
