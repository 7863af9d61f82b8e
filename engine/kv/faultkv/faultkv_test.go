package faultkv_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/driver"
	"moln.dev/moln/engine/kv/faultkv"
	"moln.dev/moln/engine/kv/kvtest"
	"moln.dev/moln/engine/kv/memkv"
)

// TestSuite: without faults, and with conflicts that are none, nothing changes.
func TestSuite(t *testing.T) {
	kvtest.Run(t, kvtest.Harness{
		New: func(testing.TB) string { return "" },
		Open: func(string) (driver.DB, error) {
			chances := faultkv.Chances{Conflict: 0.2, Delay: 0.05, MaxDelay: 200 * time.Microsecond}
			return faultkv.New(memkv.New(), faultkv.Seeded(1, chances)), nil
		},
	})
}

var ctx = context.Background()

// twoSteps writes two keys, one after the other.
func twoSteps(db *kv.DB) error {
	if err := db.Put(ctx, []byte("a"), nil); err != nil {
		return err
	}
	return db.Update(ctx, func(tx *kv.Tx) error { return tx.Put([]byte("b"), nil) })
}

func has(db *kv.DB, key string) bool {
	_, err := db.Get(ctx, []byte(key))
	return err == nil
}

// TestCrashAtEachStep is how a test goes through all crashes there can be.
func TestCrashAtEachStep(t *testing.T) {
	count := faultkv.New(memkv.New(), faultkv.Script(nil))
	if err := twoSteps(kv.New(count)); err != nil {
		t.Fatal(err)
	}
	if count.Steps() != 3 {
		t.Fatalf("%d steps, want apply, begin, commit", count.Steps())
	}
	for _, c := range []struct {
		step       int
		afterWrite bool
		a, b       bool
	}{
		{1, false, false, false}, {1, true, true, false}, {2, true, true, false}, {3, false, true, false}, {3, true, true, true},
	} {
		d := faultkv.New(memkv.New(), faultkv.Script(map[int]faultkv.Action{c.step: {Crash: true, AfterWrite: c.afterWrite}}))
		db := kv.New(d)
		if err := twoSteps(db); !errors.Is(err, faultkv.ErrCrashed) {
			t.Errorf("%+v: %v, want ErrCrashed", c, err)
		}
		if _, err := db.Get(ctx, []byte("a")); !errors.Is(err, faultkv.ErrCrashed) {
			t.Errorf("%+v: Get after the crash: %v", c, err)
		}
		d.Restart(faultkv.Script(nil))
		if a, b := has(db, "a"), has(db, "b"); a != c.a || b != c.b {
			t.Errorf("%+v: after the crash a is there: %v, b: %v", c, a, b)
		}
	}
}

func TestFailures(t *testing.T) {
	d := faultkv.New(memkv.New(), faultkv.Script(map[int]faultkv.Action{
		1: {Fail: faultkv.ErrInjected}, 2: {FailAfter: faultkv.ErrInjected},
	}))
	db := kv.New(d)
	for _, key := range []string{"fails", "happens"} {
		if err := db.Put(ctx, []byte(key), nil); !errors.Is(err, faultkv.ErrInjected) {
			t.Errorf("%s: %v", key, err)
		}
	}
	if has(db, "fails") || !has(db, "happens") {
		t.Error("a failed step happened, or one with a lost reply did not")
	}
	short, cancel := context.WithTimeout(ctx, time.Millisecond)
	defer cancel()
	d.Restart(faultkv.Script(map[int]faultkv.Action{1: {Delay: time.Hour}}))
	if _, err := db.Get(short, []byte("k")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("delayed Get: %v", err)
	}
}
