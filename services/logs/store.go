package logs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	api "moln.dev/moln/api/logs"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/tuple"
	"moln.dev/moln/platform/service"
)

// store is the only place that knows keys and encodings.
type store struct{ db *kv.DB }

// place is the account and region that keys begin with.
type place struct{ account, region string }

func placeOf(c *service.Call) place { return place{c.Account, c.Region} }

func (p place) groupKey(name string) []byte { return tuple.Key(p.account, p.region, "g", name) }

func (p place) streamKey(g, name string) []byte {
	return tuple.Key(p.account, p.region, "s", g, name)
}

func (p place) eventKey(g, s string, ms int64, sequence string) []byte {
	return tuple.Key(p.account, p.region, "e", g, s, ms, sequence)
}

// named is a range of names that begin with prefix, after the name in token.
func named(base []byte, prefix, after string) kv.Range {
	r := kv.Prefix(tuple.AppendStringPrefix(bytes.Clone(base), prefix))
	if after != "" {
		r.Start = append(tuple.AppendString(bytes.Clone(base), after), 0)
	}
	return r
}

func (s store) group(ctx context.Context, p place, name string) (group, error) {
	var g group
	v, err := s.db.Get(ctx, p.groupKey(name))
	if errors.Is(err, kv.ErrNotFound) {
		return g, api.ErrResourceNotFoundException("The specified log group does not exist.")
	}
	if err != nil {
		return g, err
	}
	return g, json.Unmarshal(v, &g)
}

func (s store) createGroup(ctx context.Context, p place, g group) error {
	key := p.groupKey(g.Name)
	return s.db.Update(ctx, func(tx *kv.Tx) error {
		if _, err := tx.Get(key); !errors.Is(err, kv.ErrNotFound) {
			return orExists(err, "The specified log group already exists")
		}
		return tx.Put(key, encode(g))
	}, key)
}

func orExists(err error, message string) error {
	if err != nil {
		return err
	}
	return api.ErrResourceAlreadyExistsException("%s", message)
}

func (s store) changeGroup(ctx context.Context, p place, name string, change func(*group) error) error {
	key := p.groupKey(name)
	return s.db.Update(ctx, func(tx *kv.Tx) error {
		v, err := tx.Get(key)
		if errors.Is(err, kv.ErrNotFound) {
			return api.ErrResourceNotFoundException("The specified log group does not exist.")
		}
		if err != nil {
			return err
		}
		var g group
		if err := json.Unmarshal(v, &g); err != nil {
			return err
		}
		if err := change(&g); err != nil {
			return err
		}
		return tx.Put(key, encode(g))
	}, key)
}

// deleteGroup removes a group with everything in it (L3).
func (s store) deleteGroup(ctx context.Context, p place, name string) error {
	var b kv.Batch
	b.Delete(p.groupKey(name))
	for _, kind := range []string{"s", "e"} {
		r := kv.Prefix(tuple.Key(p.account, p.region, kind, name))
		b.DeleteRange(r.Start, r.End)
	}
	return s.db.Apply(ctx, &b)
}

func (s store) groups(ctx context.Context, p place, prefix, after string, limit int) ([]group, error) {
	r := named(tuple.Key(p.account, p.region, "g"), prefix, after)
	r.Limit = limit
	return list[group](ctx, s.db, r)
}

func (s store) createStream(ctx context.Context, p place, g string, st stream) error {
	key := p.streamKey(g, st.Name)
	return s.db.Update(ctx, func(tx *kv.Tx) error {
		if _, err := tx.Get(p.groupKey(g)); err != nil {
			if errors.Is(err, kv.ErrNotFound) {
				return api.ErrResourceNotFoundException("The specified log group does not exist.")
			}
			return err
		}
		if _, err := tx.Get(key); !errors.Is(err, kv.ErrNotFound) {
			return orExists(err, "The specified log stream already exists")
		}
		return tx.Put(key, encode(st))
	}, key)
}

func (s store) stream(ctx context.Context, p place, g, name string) (stream, error) {
	var st stream
	v, err := s.db.Get(ctx, p.streamKey(g, name))
	if errors.Is(err, kv.ErrNotFound) {
		return st, api.ErrResourceNotFoundException("The specified log stream does not exist.")
	}
	if err != nil {
		return st, err
	}
	return st, json.Unmarshal(v, &st)
}

func (s store) streams(ctx context.Context, p place, g, prefix, after string, limit int) ([]stream, error) {
	r := named(tuple.Key(p.account, p.region, "s", g), prefix, after)
	r.Limit = limit
	return list[stream](ctx, s.db, r)
}

func (s store) deleteStream(ctx context.Context, p place, g, name string) error {
	if _, err := s.stream(ctx, p, g, name); err != nil {
		return err
	}
	var b kv.Batch
	b.Delete(p.streamKey(g, name))
	r := kv.Prefix(tuple.Key(p.account, p.region, "e", g, name))
	b.DeleteRange(r.Start, r.End)
	return s.db.Apply(ctx, &b)
}

// put stores events and the stream's new bounds together (L1).
func (s store) put(ctx context.Context, p place, g, name string, events []event) error {
	key := p.streamKey(g, name)
	return s.db.Update(ctx, func(tx *kv.Tx) error {
		v, err := tx.Get(key)
		if errors.Is(err, kv.ErrNotFound) {
			return api.ErrResourceNotFoundException("The specified log stream does not exist.")
		}
		if err != nil {
			return err
		}
		var st stream
		if err := json.Unmarshal(v, &st); err != nil {
			return err
		}
		for _, e := range events {
			if st.First == 0 || e.Time < st.First {
				st.First = e.Time
			}
			st.Last = max(st.Last, e.Time)
			st.Ingest, st.Bytes = e.Ingested, st.Bytes+int64(len(e.Message)+eventOverhead)
			if err := tx.Put(p.eventKey(g, name, e.Time, e.sequence), encode(e)); err != nil {
				return err
			}
		}
		return tx.Put(key, encode(st))
	}, key)
}

// position is where a page of events begins or ends: at an event, which is
// excluded unless inclusive says otherwise.
type position struct {
	ms        int64
	sequence  string
	inclusive bool
}

// window is the part of a stream that is asked for: [from, to) in ms; from and
// to may be sharpened by a position.
type window struct {
	from, to      int64
	after, before *position
	reverse       bool
	limit         int
}

// events reads a page of a stream; more says that a limit ended it.
func (s store) events(ctx context.Context, p place, g, name string, w window) (out []event, more bool, err error) {
	r := kv.Range{Start: tuple.Key(p.account, p.region, "e", g, name, w.from), End: tuple.Key(p.account, p.region, "e", g, name, w.to), Reverse: w.reverse, Limit: w.limit}
	if w.after != nil {
		k := p.eventKey(g, name, w.after.ms, w.after.sequence)
		if !w.after.inclusive {
			k = append(k, 0)
		}
		if bytes.Compare(k, r.Start) > 0 {
			r.Start = k
		}
	}
	if w.before != nil {
		k := p.eventKey(g, name, w.before.ms, w.before.sequence)
		if w.before.inclusive {
			k = append(k, 0)
		}
		if bytes.Compare(k, r.End) < 0 {
			r.End = k
		}
	}
	size := 0
	err = s.db.Each(ctx, r, func(it kv.Item) (bool, error) {
		var e event
		if err := json.Unmarshal(it.Value, &e); err != nil {
			return false, err
		}
		seq, err := sequenceOf(it.Key)
		if err != nil {
			return false, err
		}
		e.stream, e.sequence = name, seq
		out = append(out, e)
		size += len(e.Message) + eventOverhead
		more = size >= pageBytesMax || (w.limit > 0 && len(out) >= w.limit)
		return !more, nil
	})
	return out, more, err
}

// sequenceOf reads the last part of an event's key.
func sequenceOf(key []byte) (string, error) {
	rest := key
	for range 5 {
		var err error
		if _, rest, err = tuple.DecodeString(rest); err != nil {
			return "", fmt.Errorf("event key: %w", err)
		}
	}
	_, rest, err := tuple.DecodeInt(rest)
	if err != nil {
		return "", fmt.Errorf("event key: %w", err)
	}
	seq, _, err := tuple.DecodeString(rest)
	return seq, err
}

// dropBefore removes a stream's events older than ms.
func (s store) dropBefore(ctx context.Context, p place, g, name string, ms int64) error {
	var b kv.Batch
	b.DeleteRange(tuple.Key(p.account, p.region, "e", g, name), tuple.Key(p.account, p.region, "e", g, name, ms))
	return s.db.Apply(ctx, &b)
}

// everyGroup walks the groups of all accounts and regions.
func (s store) everyGroup(ctx context.Context, visit func(place, group) error) error {
	return s.db.Each(ctx, kv.Range{}, func(it kv.Item) (bool, error) {
		account, rest, err := tuple.DecodeString(it.Key)
		if err != nil {
			return false, err
		}
		region, rest, err := tuple.DecodeString(rest)
		if err != nil {
			return false, err
		}
		kind, _, err := tuple.DecodeString(rest)
		if err != nil || kind != "g" {
			return true, err
		}
		var g group
		if err := json.Unmarshal(it.Value, &g); err != nil {
			return false, err
		}
		return true, visit(place{account, region}, g)
	})
}

// list reads a range, which may be larger than one Scan gives.
func list[T any](ctx context.Context, db *kv.DB, r kv.Range) ([]T, error) {
	out := []T{}
	err := db.Each(ctx, r, func(it kv.Item) (bool, error) {
		var v T
		if err := json.Unmarshal(it.Value, &v); err != nil {
			return false, err
		}
		out = append(out, v)
		return true, nil
	})
	return out, err
}

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // plain structs of strings and numbers
	}
	return b
}
