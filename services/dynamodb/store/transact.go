package store

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
	"moln.dev/moln/services/dynamodb/expr"
	"moln.dev/moln/services/dynamodb/item"
	"moln.dev/moln/services/dynamodb/table"
	"moln.dev/moln/services/dynamodb/words"
)

// MaxTransactionBytes is how much a transaction may read or write, AWS says.
const MaxTransactionBytes = 4 << 20

// tokenLife is how long a client token stands for its request.
const tokenLife = 10 * time.Minute

// Once makes a transaction with a token happen once.
type Once struct {
	Place
	Token string
	Print []byte
	Now   time.Time
}

// done is what is kept of a transaction with a token.
type done struct {
	Print []byte
	At    time.Time
	Units []doneUnits
}

// doneUnits is what it costs to find out that an item was written before.
type doneUnits struct{ Reads float64 }

func (i Once) key() []byte { return tuple.Key(i.Account, i.Region, "k", i.Token) }

// Fingerprint tells requests of one token apart.
func Fingerprint(token *string, items any) []byte {
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

// Transact makes all changes or none (D4).
func (s *Store) Transact(ctx context.Context, changes []*Change, once Once) ([]Outcome, error) {
	unlock := lockTables(changes)
	defer unlock()
	locks := make([][]byte, 0, len(changes)+1)
	for _, ch := range changes {
		if err := s.refresh(ctx, ch); err != nil {
			return nil, err
		}
		locks = append(locks, ch.Table.RowKey(ch.Key))
	}
	if once.Token != "" {
		locks = append(locks, once.key())
	}
	var results []Outcome
	all := func(tx *kv.Tx) error {
		var repeated bool
		var err error
		if results, repeated, err = repeatedTransaction(tx, once, len(changes)); err != nil || repeated {
			return err
		}
		if results, err = applyAll(tx, changes); err != nil {
			return err
		}
		return remember(tx, once, results)
	}
	return s.spendAll(changes, func() ([]Outcome, error) {
		err := s.recorded(ctx, changes, func(more [][]byte) error {
			return s.db.Update(ctx, all, append(more, locks...)...)
		})
		return results, err
	})
}

// lockTables holds the writing lock of every table, each once and in order.
func lockTables(changes []*Change) (unlock func()) {
	var held []*Table
	seen := map[string]bool{}
	for _, ch := range changes {
		if !seen[ch.Table.ID] {
			seen[ch.Table.ID] = true
			held = append(held, ch.Table)
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

func applyAll(tx *kv.Tx, changes []*Change) ([]Outcome, error) {
	results := make([]Outcome, len(changes))
	why := NewReasons(len(changes))
	size := 0
	for i, ch := range changes {
		var err error
		if results[i], err = applyChange(tx, ch); err != nil {
			if err := why.Add(i, err); err != nil {
				return nil, err
			}
		}
		size += max(results[i].Old.Size(), results[i].New.Size())
	}
	if why.Failed {
		return nil, why.Fault()
	}
	if size > MaxTransactionBytes {
		return nil, words.Refuse("Collection size of items in transaction exceeds the maximum allowed size of 4 MB")
	}
	return results, nil
}

// repeatedTransaction finds what a transaction of the same token did.
func repeatedTransaction(tx *kv.Tx, once Once, n int) ([]Outcome, bool, error) {
	if once.Token == "" {
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
	if once.Now.Sub(d.At) >= tokenLife {
		return nil, false, nil
	}
	if !bytes.Equal(d.Print, once.Print) || len(d.Units) != n {
		return nil, false, api.ErrIdempotentParameterMismatchException("The request uses the same client token as a previous, but non-identical request. Do not reuse a client token with different requests, unless the requests are identical")
	}
	results := make([]Outcome, n)
	for i, u := range d.Units {
		results[i] = Outcome{Units: u.Reads, Repeated: true}
	}
	return results, true, nil
}

func remember(tx *kv.Tx, once Once, results []Outcome) error {
	if once.Token == "" {
		return nil
	}
	d := done{Print: once.Print, At: once.Now}
	for _, r := range results {
		d.Units = append(d.Units, doneUnits{ReadUnits(r.New.Size(), true)})
	}
	raw, err := json.Marshal(d)
	if err != nil {
		return err
	}
	return tx.Put(once.key(), raw)
}

// GetAll reads items as of one moment (D4).
func (s *Store) GetAll(ctx context.Context, gets []ItemRead) ([]item.Map, error) {
	snap, err := s.db.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	defer snap.Close()
	out := make([]item.Map, len(gets))
	for i, g := range gets {
		if out[i], err = decodeRow(snap.Get(ctx, g.Table.RowKey(g.Key))); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// ForgetTokens removes what old tokens did.
func (s *Store) ForgetTokens(ctx context.Context, p Place, now time.Time) error {
	var b kv.Batch
	err := s.db.Each(ctx, kv.Prefix(tuple.Key(p.Account, p.Region, "k")), func(it kv.Item) (bool, error) {
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

// ItemRead is one read of a transaction.
type ItemRead struct {
	Table      *Table
	Key        table.Key
	Projection *expr.Projection
}
