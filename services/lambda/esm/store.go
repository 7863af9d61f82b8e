package esm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/tuple"
	"moln.dev/moln/services/lambda/fn"
)

// store is the only place that knows keys and encodings.
type store struct{ db *kv.DB }

func mappingKey(p fn.Place, uuid string) []byte { return tuple.Key(p.Account, p.Region, "esm", uuid) }
func pairKey(m *Mapping) []byte {
	return tuple.Key(m.Account, m.Region, "esm-of", m.ref().ARN(), m.Source)
}
func resultKey(p fn.Place, uuid string) []byte {
	return tuple.Key(p.Account, p.Region, "esm-result", uuid)
}
func checkpointKey(p fn.Place, uuid, shard string) []byte {
	return tuple.Key(p.Account, p.Region, "esm-at", uuid, shard)
}
func checkpoints(p fn.Place, uuid string) kv.Range {
	return kv.Prefix(tuple.Key(p.Account, p.Region, "esm-at", uuid))
}
func workKey(p fn.Place, uuid string) []byte { return tuple.Key("esm", p.Account, p.Region, uuid) }
func workPrefix() []byte                     { return tuple.Key("esm") }
func nodeKey(holder string) []byte           { return tuple.Key("esm-node", holder) }

func encode(v any) []byte {
	raw, err := json.Marshal(v)
	if err != nil {
		panic("esm: " + err.Error()) // plain data always encodes
	}
	return raw
}

// read decodes the value of a key; false where there is none.
func read[T any](get fn.Getter, key []byte) (v T, ok bool, err error) {
	raw, err := get(key)
	if errors.Is(err, kv.ErrNotFound) {
		return v, false, nil
	}
	if err != nil {
		return v, false, err
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		return v, false, fmt.Errorf("esm: stored %T: %w", v, err)
	}
	return v, true, nil
}

func (s store) getter(ctx context.Context) fn.Getter {
	return func(key []byte) ([]byte, error) { return s.db.Get(ctx, key) }
}

// mapping loads a mapping; nil where there is none.
func mapping(get fn.Getter, p fn.Place, uuid string) (*Mapping, error) {
	m, ok, err := read[Mapping](get, mappingKey(p, uuid))
	if err != nil || !ok {
		return nil, err
	}
	m.Place = p
	return &m, nil
}

func (s store) mapping(ctx context.Context, p fn.Place, uuid string) (*Mapping, error) {
	return mapping(s.getter(ctx), p, uuid)
}

// all lists the mappings of an account in a region by UUID, after one.
func (s store) all(ctx context.Context, p fn.Place, after string, each func(*Mapping) (bool, error)) error {
	r := kv.Prefix(tuple.Key(p.Account, p.Region, "esm"))
	if after != "" {
		r.Start = append(mappingKey(p, after), 0)
	}
	return s.db.Each(ctx, r, func(it kv.Item) (bool, error) {
		m := &Mapping{}
		if err := json.Unmarshal(it.Value, m); err != nil {
			return false, fmt.Errorf("esm: stored mapping: %w", err)
		}
		m.Place = p
		return each(m)
	})
}

// create stores a new mapping, with the work of polling it. found is the UUID of
// the mapping that there is already for function and source.
func (s store) create(ctx context.Context, m *Mapping) (found string, err error) {
	pair := pairKey(m)
	err = s.db.Update(ctx, func(tx *kv.Tx) error {
		found = ""
		raw, err := tx.Get(pair)
		if err == nil {
			found = string(raw)
			return nil
		}
		if !errors.Is(err, kv.ErrNotFound) {
			return err
		}
		return errors.Join(tx.Put(pair, []byte(m.UUID)), tx.Put(mappingKey(m.Place, m.UUID), encode(m)),
			tx.Put(workKey(m.Place, m.UUID), encode(work{Generation: m.Generation})))
	}, pair)
	return found, err
}

// change loads a mapping, lets fn change it, and stores it as a new generation.
// It is nil where there is none.
func (s store) change(ctx context.Context, p fn.Place, uuid string, fn func(tx *kv.Tx, m *Mapping) error) (m *Mapping, err error) {
	key, job := mappingKey(p, uuid), workKey(p, uuid)
	err = s.db.Update(ctx, func(tx *kv.Tx) error {
		if m, err = mapping(tx.Get, p, uuid); err != nil || m == nil {
			return err
		}
		w, ok, err := read[work](tx.Get, job)
		if err != nil {
			return err
		}
		if !ok {
			return fmt.Errorf("esm: mapping %s has no work", uuid)
		}
		if err := fn(tx, m); err != nil {
			return err
		}
		m.Generation++
		w.Generation = m.Generation
		return errors.Join(tx.Put(key, encode(m)), tx.Put(job, encode(w)))
	}, key, job)
	return m, err
}

// settle says that a generation has come to a state.
func (s store) settle(ctx context.Context, m *Mapping, state string) error {
	key := mappingKey(m.Place, m.UUID)
	return s.db.Update(ctx, func(tx *kv.Tx) error {
		now, err := mapping(tx.Get, m.Place, m.UUID)
		if err != nil || now == nil || now.Generation != m.Generation || now.State == state {
			return err
		}
		now.State = state
		return tx.Put(key, encode(now))
	}, key)
}

// remove deletes a mapping with all that belongs to it.
func (s store) remove(ctx context.Context, m *Mapping) error {
	key := mappingKey(m.Place, m.UUID)
	return s.db.Update(ctx, func(tx *kv.Tx) error {
		at := checkpoints(m.Place, m.UUID)
		return errors.Join(tx.Delete(key), tx.Delete(pairKey(m)), tx.Delete(resultKey(m.Place, m.UUID)),
			tx.Delete(workKey(m.Place, m.UUID)), tx.DeleteRange(at.Start, at.End))
	}, key)
}

// result is what came of the last batch, "" before the first.
func (s store) result(ctx context.Context, m *Mapping) (string, error) {
	raw, err := s.db.Get(ctx, resultKey(m.Place, m.UUID))
	if errors.Is(err, kv.ErrNotFound) {
		return "", nil
	}
	return string(raw), err
}

// checkpoint is how far a shard has been processed.
type checkpoint struct {
	// After is the sequence number of the last record that is done; "" is none.
	After string `json:"after,omitempty"`
	// Done: the shard has ended and nothing of it is left.
	Done   bool    `json:"done,omitempty"`
	Window *window `json:"window,omitempty"`
}

// checkpoints loads those of a mapping by shard.
func (s store) checkpoints(ctx context.Context, m *Mapping) (map[string]checkpoint, error) {
	r := checkpoints(m.Place, m.UUID)
	out := map[string]checkpoint{}
	err := s.db.Each(ctx, r, func(it kv.Item) (bool, error) {
		shard, _, err := tuple.DecodeString(it.Key[len(r.Start):])
		if err != nil {
			return false, err
		}
		var c checkpoint
		err = json.Unmarshal(it.Value, &c)
		out[shard] = c
		return true, err
	})
	return out, err
}

// save stores a checkpoint if holder still polls the mapping (E1).
func (s store) save(ctx context.Context, m *Mapping, holder, shard string, c checkpoint) error {
	job := workKey(m.Place, m.UUID)
	return s.db.Update(ctx, func(tx *kv.Tx) error {
		w, ok, err := read[work](tx.Get, job)
		if err != nil {
			return err
		}
		if !ok || w.Holder != holder {
			return errLost
		}
		return tx.Put(checkpointKey(m.Place, m.UUID, shard), encode(c))
	})
}

// forget deletes the checkpoints of shards that are gone.
func (s store) forget(ctx context.Context, m *Mapping, shards []string) error {
	if len(shards) == 0 {
		return nil
	}
	var b kv.Batch
	for _, id := range shards {
		b.Delete(checkpointKey(m.Place, m.UUID, id))
	}
	return s.db.Apply(ctx, &b)
}

// getText reads a value that is text; false where there is none.
func getText(get fn.Getter, key []byte) (string, bool, error) {
	raw, err := get(key)
	if errors.Is(err, kv.ErrNotFound) {
		return "", false, nil
	}
	return string(raw), err == nil, err
}

// putResult stores what came of the last batch of a mapping that there is.
func (s store) putResult(ctx context.Context, m *Mapping, result string) error {
	return s.db.Update(ctx, func(tx *kv.Tx) error {
		if _, err := tx.Get(mappingKey(m.Place, m.UUID)); errors.Is(err, kv.ErrNotFound) {
			return nil
		} else if err != nil {
			return err
		}
		return tx.Put(resultKey(m.Place, m.UUID), []byte(result))
	})
}
