package dynamodb

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"sort"
	"time"

	api "moln.dev/moln/api/dynamodb"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/tuple"
	"moln.dev/moln/services/dynamodb/item"
)

// tokenLife is how long a client token stands for its request.
const tokenLife = 10 * time.Minute

// idempotency makes a transaction with a token happen once.
type idempotency struct {
	place
	token string
	print []byte
	now   time.Time
}

// done is what is kept of a transaction with a token.
type done struct {
	Print []byte
	At    time.Time
	Units []doneUnits
}

type doneUnits struct {
	Units   float64
	Indexes map[string]float64 `json:",omitempty"`
}

func (i idempotency) key() []byte { return tuple.Key(i.account, i.region, "k", i.token) }

// fingerprint tells requests of one token apart.
func fingerprint(token *string, items any) []byte {
	if token == nil {
		return nil
	}
	raw, err := json.Marshal(items)
	if err != nil {
		return nil // the wire types have no values that JSON lacks
	}
	sum := sha256.Sum256(raw)
	return sum[:]
}

// transact makes all changes or none (D4).
func (s *store) transact(ctx context.Context, changes []*change, once idempotency) ([]outcome, error) {
	unlock := lockTables(changes)
	defer unlock()
	locks := make([][]byte, 0, len(changes)+1)
	for _, ch := range changes {
		if err := s.refresh(ctx, ch); err != nil {
			return nil, err
		}
		locks = append(locks, ch.table.rowKey(ch.key))
	}
	if once.token != "" {
		locks = append(locks, once.key())
	}
	var results []outcome
	err := s.db.Update(ctx, func(tx *kv.Tx) error {
		var repeated bool
		var err error
		if results, repeated, err = repeatedTransaction(tx, once, len(changes)); err != nil || repeated {
			return err
		}
		if results, err = applyAll(tx, changes); err != nil {
			return err
		}
		return remember(tx, once, results)
	}, locks...)
	return results, err
}

// lockTables holds the writing lock of every table, each once and in order.
func lockTables(changes []*change) (unlock func()) {
	var held []*tableRef
	seen := map[string]bool{}
	for _, ch := range changes {
		if !seen[ch.table.ID] {
			seen[ch.table.ID] = true
			held = append(held, ch.table)
		}
	}
	sort.Slice(held, func(i, j int) bool { return held[i].ID < held[j].ID })
	for _, t := range held {
		t.writing.RLock()
	}
	return func() {
		for _, t := range held {
			t.writing.RUnlock()
		}
	}
}

func applyAll(tx *kv.Tx, changes []*change) ([]outcome, error) {
	results := make([]outcome, len(changes))
	why := newReasons(len(changes))
	size := 0
	for i, ch := range changes {
		var err error
		if results[i], err = applyChange(tx, ch); err != nil {
			if err := why.add(i, err); err != nil {
				return nil, err
			}
		}
		size += max(results[i].old.Size(), results[i].new.Size())
	}
	if why.failed {
		return nil, why.fault()
	}
	if size > maxTransactionBytes {
		return nil, invalid("Collection size of items in transaction exceeds the maximum allowed size of 4 MB")
	}
	return results, nil
}

// repeatedTransaction finds what a transaction of the same token did.
func repeatedTransaction(tx *kv.Tx, once idempotency, n int) ([]outcome, bool, error) {
	if once.token == "" {
		return nil, false, nil
	}
	v, err := tx.Get(once.key())
	if errors.Is(err, kv.ErrNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	var d done
	if err := json.Unmarshal(v, &d); err != nil {
		return nil, false, err
	}
	if once.now.Sub(d.At) >= tokenLife {
		return nil, false, nil
	}
	if !bytes.Equal(d.Print, once.print) || len(d.Units) != n {
		return nil, false, api.ErrIdempotentParameterMismatchException("The request uses the same client token as a previous, but non-identical request. Do not reuse a client token with different requests, unless the requests are identical")
	}
	results := make([]outcome, n)
	for i, u := range d.Units {
		results[i] = outcome{units: u.Units, indexes: u.Indexes}
	}
	return results, true, nil
}

func remember(tx *kv.Tx, once idempotency, results []outcome) error {
	if once.token == "" {
		return nil
	}
	d := done{Print: once.print, At: once.now}
	for _, r := range results {
		d.Units = append(d.Units, doneUnits{r.units, r.indexes})
	}
	raw, err := json.Marshal(d)
	if err != nil {
		return err
	}
	return tx.Put(once.key(), raw)
}

// getAll reads items as of one moment (D4).
func (s *store) getAll(ctx context.Context, gets []transactGet) ([]item.Map, error) {
	snap, err := s.db.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	defer snap.Close()
	out := make([]item.Map, len(gets))
	for i, g := range gets {
		if out[i], err = decodeRow(snap.Get(ctx, g.table.rowKey(g.key))); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// forgetTokens removes what old tokens did.
func (s *store) forgetTokens(ctx context.Context, p place, now time.Time) error {
	var b kv.Batch
	err := s.db.Each(ctx, kv.Prefix(tuple.Key(p.account, p.region, "k")), func(it kv.Item) (bool, error) {
		var d done
		if err := json.Unmarshal(it.Value, &d); err != nil {
			return false, err
		}
		if now.Sub(d.At) >= tokenLife {
			b.Delete(it.Key)
		}
		return b.Len() < expirePage, nil
	})
	if err != nil {
		return err
	}
	return s.db.Apply(ctx, &b)
}
