// Package faultkv wraps a kv driver to fail, delay, or crash between steps, by
// a plan: for tests of what stands on a store. It is not for injecting faults
// below a driver, into files or connections.
//
// Each operation on the store is a step, numbered from 1. The plan is asked
// before the step and says what happens to it.
package faultkv

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"moln.dev/moln/engine/kv/driver"
)

// ErrInjected is what failed steps return.
var ErrInjected = errors.New("faultkv: injected failure")

// ErrCrashed is what every step returns after a crash, until Restart.
var ErrCrashed = errors.New("faultkv: the store has crashed")

// Op is what a step does.
type Op string

// Operations.
const (
	Get      Op = "get"
	Scan     Op = "scan"
	Apply    Op = "apply"
	Begin    Op = "begin"
	Commit   Op = "commit"
	Snapshot Op = "snapshot"
)

// Step is an operation that is about to happen.
type Step struct {
	Number int
	Op     Op
}

// writes reports whether the step may change the store.
func (s Step) writes() bool { return s.Op == Apply || s.Op == Commit }

// Action is what happens to a step. The zero value lets it happen.
type Action struct {
	Delay time.Duration // before the step
	// Fail makes the step return this, without it happening.
	Fail error
	// FailAfter lets it happen and then makes it return this, as when the
	// answer is lost.
	FailAfter error
	// Crash makes the step and all that follow return ErrCrashed. A write
	// happens before that if AfterWrite is set.
	Crash, AfterWrite bool
}

// Plan decides about steps. It is called by one goroutine at a time.
type Plan func(Step) Action

// Script returns the plan that does actions at the steps of their numbers.
func Script(actions map[int]Action) Plan {
	return func(s Step) Action { return actions[s.Number] }
}

// Chances are probabilities, from 0 to 1, for Seeded.
type Chances struct {
	Fail      float64       // of a step to fail
	LoseReply float64       // of a write to happen, and fail
	Conflict  float64       // of a commit to conflict
	Delay     float64       // of a step to be delayed
	MaxDelay  time.Duration // bound of delays
}

// Seeded returns a plan by chance, the same for the same seed and steps.
func Seeded(seed uint64, c Chances) Plan {
	r := rand.New(rand.NewPCG(seed, seed))
	return func(s Step) (a Action) {
		// Always the same draws, so that one chance does not change the others.
		fail, lose, conflict, delay, long := r.Float64(), r.Float64(), r.Float64(), r.Float64(), r.Float64()
		if delay < c.Delay {
			a.Delay = time.Duration(long * float64(c.MaxDelay))
		}
		switch {
		case fail < c.Fail:
			a.Fail = ErrInjected
		case s.Op == Commit && conflict < c.Conflict:
			a.Fail = driver.ErrConflict
		case s.writes() && lose < c.LoseReply:
			a.FailAfter = ErrInjected
		}
		return a
	}
}

// DB is a driver.DB whose steps follow a plan. It is safe for concurrent use.
type DB struct {
	under driver.DB

	mu      sync.Mutex
	plan    Plan
	steps   int
	crashed bool
}

// New wraps under.
func New(under driver.DB, plan Plan) *DB { return &DB{under: under, plan: plan} }

// Steps returns how many steps there were: a test that crashes at each of them
// in turn first counts them with a plan that does nothing.
func (db *DB) Steps() int {
	db.mu.Lock()
	defer db.mu.Unlock()
	return db.steps
}

// Restart ends a crash, and goes on with another plan from step 1.
func (db *DB) Restart(plan Plan) {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.plan, db.steps, db.crashed = plan, 0, false
}

// step does one operation as the plan says.
func (db *DB) step(ctx context.Context, op Op, do func() error) error {
	a, err := db.next(op)
	if err != nil {
		return err
	}
	if err := sleep(ctx, a.Delay); err != nil {
		return err
	}
	if a.Fail != nil {
		return a.Fail
	}
	if a.Crash && !a.AfterWrite {
		return ErrCrashed
	}
	err = do()
	switch {
	case a.Crash:
		return ErrCrashed
	case err == nil && a.FailAfter != nil:
		return a.FailAfter
	}
	return err
}

func (db *DB) next(op Op) (Action, error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.crashed {
		return Action{}, ErrCrashed
	}
	db.steps++
	s := Step{Number: db.steps, Op: op}
	a := db.plan(s)
	if a.Crash {
		db.crashed = true
		a.AfterWrite = a.AfterWrite && s.writes()
	}
	return a, nil
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// reader injects faults into reads.
type reader struct {
	db    *DB
	under driver.Reader
}

func (r reader) Get(ctx context.Context, key []byte) (value []byte, err error) {
	err = r.db.step(ctx, Get, func() (err error) { value, err = r.under.Get(ctx, key); return err })
	if err != nil {
		return nil, err
	}
	return value, nil
}

func (r reader) Scan(ctx context.Context, rg driver.Range) (items []driver.Item, err error) {
	err = r.db.step(ctx, Scan, func() (err error) { items, err = r.under.Scan(ctx, rg); return err })
	if err != nil {
		return nil, err
	}
	return items, nil
}

// Get implements driver.DB.
func (db *DB) Get(ctx context.Context, key []byte) ([]byte, error) {
	return reader{db, db.under}.Get(ctx, key)
}

// Scan implements driver.DB.
func (db *DB) Scan(ctx context.Context, r driver.Range) ([]driver.Item, error) {
	return reader{db, db.under}.Scan(ctx, r)
}

// Apply implements driver.DB.
func (db *DB) Apply(ctx context.Context, b *driver.Batch) error {
	return db.step(ctx, Apply, func() error { return db.under.Apply(ctx, b) })
}

// Begin implements driver.DB.
func (db *DB) Begin(ctx context.Context) (t driver.Tx, err error) {
	err = db.step(ctx, Begin, func() (err error) { t, err = db.under.Begin(ctx); return err })
	if err != nil {
		return nil, err
	}
	return &tx{reader{db, t}, t}, nil
}

// Snapshot implements driver.DB.
func (db *DB) Snapshot(ctx context.Context) (s driver.Snapshot, err error) {
	err = db.step(ctx, Snapshot, func() (err error) { s, err = db.under.Snapshot(ctx); return err })
	if err != nil {
		if s != nil {
			err = errors.Join(err, s.Close())
		}
		return nil, err
	}
	return &snapshot{reader{db, s}, s}, nil
}

// Watch implements driver.DB, without faults.
func (db *DB) Watch(prefix []byte) (<-chan struct{}, func()) { return db.under.Watch(prefix) }

// Close implements driver.DB, without faults.
func (db *DB) Close() error { return db.under.Close() }

type tx struct {
	reader
	under driver.Tx
}

func (t *tx) Commit(ctx context.Context, b *driver.Batch) error {
	return t.db.step(ctx, Commit, func() error { return t.under.Commit(ctx, b) })
}

type snapshot struct {
	reader
	under driver.Snapshot
}

func (s *snapshot) Close() error { return s.under.Close() }
