package kv

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"moln.dev/moln/engine/kv/driver"
)

const (
	// maxAttempts is after how many conflicts Update gives up.
	maxAttempts = 50
	// backoff after a conflict is random, up to these bounds.
	backoffFirst = 50 * time.Microsecond
	backoffMost  = 20 * time.Millisecond
	// maxLearned is how many keys of an attempt that failed are locked by the
	// next one.
	maxLearned = 64
)

// Update runs fn in a transaction and commits what it wrote, durably, if fn
// returns nil. If fn returns an error nothing is written and Update returns
// that error.
//
// Transactions are serializable. They are run optimistically: when something
// that fn read has been changed meanwhile, all is dropped and fn is run again,
// so fn must have no effects but those on tx. Its error is returned only if
// what it had read stood together at one moment; while it runs, on some
// stores, what it reads may not (it is then run again).
//
// locks are keys that fn is known to read and write. Transactions of this
// process with a lock in common run one after the other, which saves hot keys
// the attempts that fail. They are taken in order, before fn runs; the next
// attempt after a conflict takes the keys of the one before as well. fn must
// not call Update.
//
// After many attempts Update fails with ErrConflict.
func (db *DB) Update(ctx context.Context, fn func(tx *Tx) error, locks ...[]byte) error {
	wanted := make([]string, 0, len(locks))
	for _, k := range locks {
		full, err := db.full(k)
		if err != nil {
			return err
		}
		wanted = append(wanted, string(full))
	}
	for attempt := range maxAttempts {
		learned, again, err := db.attempt(ctx, fn, wanted)
		if err != nil || !again {
			return err
		}
		wanted = append(wanted[:len(locks):len(locks)], learned...)
		if err := backOff(ctx, attempt); err != nil {
			return err
		}
	}
	return fmt.Errorf("%w: gave up after %d attempts", ErrConflict, maxAttempts)
}

// attempt runs and commits fn once. After a conflict it says to do so again,
// and returns keys that are worth locking for it.
func (db *DB) attempt(ctx context.Context, fn func(tx *Tx) error, locks []string) (learned []string, again bool, err error) {
	if len(locks) > 0 {
		release, err := db.locks.acquire(ctx, slices.Clone(locks))
		if err != nil {
			return nil, false, err
		}
		defer release()
	}
	d, err := db.drv.Begin(ctx)
	if err != nil {
		return nil, false, err
	}
	tx := &Tx{db: db, txState: &txState{ctx: ctx, drv: d}}
	again, err = tx.finish(fn(tx))
	if again {
		return tx.learned(), true, nil
	}
	return nil, false, err
}

func backOff(ctx context.Context, attempt int) error {
	if attempt == 0 {
		return ctx.Err()
	}
	most := min(backoffFirst<<min(attempt, 20), backoffMost)
	t := time.NewTimer(rand.N(most))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Tx is a transaction: what the function given to Update reads and writes
// through. Reads see its own writes. It must not be used after that function
// has returned, nor by several goroutines.
type Tx struct {
	db *DB
	*txState
}

// txState is what all views of a transaction share. Its keys are full keys.
type txState struct {
	ctx context.Context
	drv driver.Tx

	writes Batch
	// own is the state of keys written, by full key; deleted the ranges
	// deleted. A key that is in both was written after.
	own     map[string]ownWrite
	sorted  []string // keys of own, in order; nil when it must be made anew
	deleted []driver.KeyRange

	read     []string // keys read, to lock them after a conflict
	conflict bool     // the driver said that a commit would fail
	failed   error    // a read failed otherwise
}

type ownWrite struct {
	value   []byte
	deleted bool
}

// On returns the same transaction with the keys of db, another scope of the
// same store: what is written through either is committed together. It panics
// when db is of another store.
func (tx *Tx) On(db *DB) *Tx {
	if db.locks != tx.db.locks {
		panic("kv: Tx.On of another store")
	}
	return &Tx{db: db, txState: tx.txState}
}

// Get is as DB.Get.
func (tx *Tx) Get(key []byte) ([]byte, error) {
	full, err := tx.db.full(key)
	if err != nil {
		return nil, err
	}
	if w, ok := tx.own[string(full)]; ok {
		if w.deleted {
			return nil, ErrNotFound
		}
		return bytes.Clone(w.value), nil
	}
	if tx.isDeleted(full) {
		return nil, ErrNotFound
	}
	tx.learn(full)
	value, err := tx.drv.Get(tx.ctx, full)
	return value, tx.note(err)
}

// Scan is as DB.Scan.
func (tx *Tx) Scan(r Range) ([]Item, error) {
	if len(tx.own) == 0 && len(tx.deleted) == 0 {
		tx.learn(tx.db.fullRange(r.Start, r.End).Start)
		items, err := tx.db.scan(tx.ctx, tx.drv, r)
		return items, tx.note(err)
	}
	return tx.scanMerged(r)
}

// Put is as DB.Put, at commit.
func (tx *Tx) Put(key, value []byte) error {
	full, err := tx.db.full(key)
	if err != nil {
		return err
	}
	if len(value) > MaxValue {
		return fmt.Errorf("%w: value of %d bytes", ErrTooLarge, len(value))
	}
	tx.writes.Put(full, value)
	tx.setOwn(full, ownWrite{value: value})
	return tx.checkSize()
}

// Delete is as DB.Delete, at commit.
func (tx *Tx) Delete(key []byte) error {
	full, err := tx.db.full(key)
	if err != nil {
		return err
	}
	tx.writes.Delete(full)
	tx.setOwn(full, ownWrite{deleted: true})
	return tx.checkSize()
}

// DeleteRange deletes, at commit, the keys from start up to, not including,
// end; if that is nil, to the end of the scope.
func (tx *Tx) DeleteRange(start, end []byte) error {
	r := tx.db.fullRange(start, end)
	tx.writes.DeleteRange(r.Start, r.End)
	for k := range tx.own {
		if inRange([]byte(k), r) {
			delete(tx.own, k)
		}
	}
	tx.sorted = nil
	tx.deleted = append(tx.deleted, r)
	return tx.checkSize()
}

func (tx *Tx) checkSize() error {
	if len(tx.writes.ops) > MaxBatchItems || tx.writes.bytes > MaxBatchBytes {
		return fmt.Errorf("%w: transaction of %d operations, %d bytes",
			ErrTooLarge, len(tx.writes.ops), tx.writes.bytes)
	}
	return nil
}

func (tx *Tx) setOwn(full []byte, w ownWrite) {
	if tx.own == nil {
		tx.own = make(map[string]ownWrite)
	}
	tx.own[string(full)] = w
	tx.sorted = nil
}

func (tx *Tx) isDeleted(full []byte) bool {
	return slices.ContainsFunc(tx.deleted, func(r driver.KeyRange) bool { return inRange(full, r) })
}

// note remembers how a read failed.
func (tx *Tx) note(err error) error {
	switch {
	case err == nil, errors.Is(err, ErrNotFound):
	case errors.Is(err, ErrConflict):
		tx.conflict = true
	default:
		tx.failed = err
	}
	return err
}

// learn remembers a key to lock after a conflict.
func (tx *Tx) learn(full []byte) {
	if len(tx.read) < maxLearned {
		tx.read = append(tx.read, string(full))
	}
}

func (tx *Tx) learned() []string {
	keys := tx.read
	for k := range tx.own {
		if len(keys) >= maxLearned {
			break
		}
		keys = append(keys, k)
	}
	return keys
}

// finish commits or, if fn failed, finds out whether its error stands. It
// reports whether fn is to be run again.
func (tx *Tx) finish(fnErr error) (again bool, err error) {
	switch {
	case tx.conflict:
		return true, nil
	case tx.failed != nil: // and so it is not known whether what was read stands
		return false, cmp.Or(fnErr, tx.failed)
	}
	b := &driver.Batch{}
	if fnErr == nil {
		if b, err = tx.db.whole().canonical(&tx.writes); err != nil {
			return false, err
		}
	}
	err = tx.drv.Commit(tx.ctx, b)
	if errors.Is(err, ErrConflict) {
		return true, nil
	}
	return false, cmp.Or(err, fnErr)
}

// scanMerged scans with the transaction's own writes laid over what is stored.
func (tx *Tx) scanMerged(r Range) ([]Item, error) {
	limit := pageLimit(r.Limit)
	own := tx.ownIn(tx.db.fullRange(r.Start, r.End), r.Reverse)
	var out mergedItems
	out.limit = limit
	rest := r
	for {
		rest.Limit = limit
		page, err := tx.db.scan(tx.ctx, tx.drv, rest)
		if tx.note(err) != nil {
			return nil, err
		}
		for _, it := range page {
			for len(own) > 0 && compareRange(own[0].key, it.Key, r.Reverse) < 0 {
				out.addOwn(own[0])
				own = own[1:]
			}
			if len(own) > 0 && bytes.Equal(own[0].key, it.Key) {
				continue // the own write comes in its turn and stands for it
			}
			if !tx.isDeleted(slices.Concat(tx.db.prefix, it.Key)) {
				out.add(it)
			}
		}
		if out.full() {
			return out.items, nil
		}
		if !rest.More(page) {
			break
		}
		rest = rest.After(page[len(page)-1].Key)
	}
	for _, o := range own {
		out.addOwn(o)
	}
	return out.items, nil
}

// ownItem is an own write under its key without the scope.
type ownItem struct {
	key []byte
	ownWrite
}

// ownIn returns the own writes in r, in the order of a scan.
func (tx *Tx) ownIn(r driver.KeyRange, reverse bool) []ownItem {
	if tx.sorted == nil {
		for k := range tx.own {
			tx.sorted = append(tx.sorted, k)
		}
		slices.Sort(tx.sorted)
	}
	var out []ownItem
	from, _ := slices.BinarySearch(tx.sorted, string(r.Start))
	for _, k := range tx.sorted[from:] {
		if !inRange([]byte(k), r) {
			break
		}
		out = append(out, ownItem{[]byte(k)[len(tx.db.prefix):], tx.own[k]})
	}
	if reverse {
		slices.Reverse(out)
	}
	return out
}

// mergedItems collects the items of a scan and keeps to its limits.
type mergedItems struct {
	items        []Item
	bytes, limit int
}

func (m *mergedItems) full() bool { return len(m.items) >= m.limit || m.bytes >= MaxScanBytes }

func (m *mergedItems) add(it Item) {
	if m.full() {
		return
	}
	m.items = append(m.items, it)
	m.bytes += len(it.Value)
}

func (m *mergedItems) addOwn(o ownItem) {
	if !o.deleted {
		m.add(Item{Key: o.key, Value: bytes.Clone(o.value)})
	}
}
