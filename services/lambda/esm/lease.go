package esm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/tuple"
	"moln.dev/moln/services/lambda/fn"
)

const (
	// nodeLife is how long a node that died keeps its mappings from the others,
	// and nodeBeat how often one that lives says so.
	nodeLife = 15 * time.Second
	nodeBeat = 5 * time.Second
)

// errLost: another node polls the mapping by now.
var errLost = errors.New("esm: another node polls the mapping")

// work is the polling of one mapping.
type work struct {
	Holder     string `json:"holder,omitempty"`
	Generation int64  `json:"generation"`

	id workID
}

type workID struct {
	fn.Place
	uuid string
}

// node is the life sign of a node.
type node struct {
	Until time.Time `json:"until"`
}

// works lists the polling of all mappings.
func (s store) works(ctx context.Context) ([]work, error) {
	var out []work
	prefix := workPrefix()
	err := s.db.Each(ctx, kv.Prefix(prefix), func(it kv.Item) (bool, error) {
		var w work
		if err := json.Unmarshal(it.Value, &w); err != nil {
			return false, fmt.Errorf("esm: stored work: %w", err)
		}
		rest, err := it.Key[len(prefix):], error(nil)
		for _, part := range []*string{&w.id.Account, &w.id.Region, &w.id.uuid} {
			if *part, rest, err = tuple.DecodeString(rest); err != nil {
				return false, err
			}
		}
		out = append(out, w)
		return true, nil
	})
	return out, err
}

// beat says that a node lives.
func (s store) beat(ctx context.Context, holder string, now time.Time) error {
	return s.db.Put(ctx, nodeKey(holder), encode(node{now.Add(nodeLife)}))
}

// private says that no other process uses the store: then whoever holds a
// mapping and is not this process is dead.
func (s store) private() bool {
	const tries = 3 // a mark may fall without reason
	for range tries {
		if m := s.db.Mark(workPrefix()); m.Stands() {
			return true
		}
	}
	return false
}

// take makes holder the one who polls a mapping, unless a node that lives does.
func (s store) take(ctx context.Context, id workID, holder string, now time.Time, alone bool) (bool, error) {
	taken, key := false, workKey(id.Place, id.uuid)
	err := s.db.Update(ctx, func(tx *kv.Tx) error {
		taken = false
		w, ok, err := read[work](tx.Get, key)
		if err != nil || !ok {
			return err
		}
		if w.Holder == holder {
			taken = true
			return nil
		}
		if w.Holder != "" && !alone {
			other, _, err := read[node](tx.Get, nodeKey(w.Holder))
			if err != nil || now.Before(other.Until) {
				return err
			}
		}
		taken, w.Holder = true, holder
		return tx.Put(key, encode(w))
	}, key)
	return taken && err == nil, err
}

// release gives a mapping up, for others to take at once.
func (s store) release(ctx context.Context, id workID, holder string) error {
	key := workKey(id.Place, id.uuid)
	return s.db.Update(ctx, func(tx *kv.Tx) error {
		w, ok, err := read[work](tx.Get, key)
		if err != nil || !ok || w.Holder != holder {
			return err
		}
		w.Holder = ""
		return tx.Put(key, encode(w))
	}, key)
}
