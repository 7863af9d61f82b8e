// Package kvtest is the definition of a kv store as a test suite: every driver
// passes it, through package kv. It knows no driver.
package kvtest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/driver"
)

// Harness is how the suite gets at the stores of a driver.
type Harness struct {
	// New makes room for an empty store and returns where it is, in the
	// driver's terms. What it makes is removed at the end of the test.
	New func(t testing.TB) (location string)
	// Open opens the store at a location, also one that was closed or whose
	// process was killed.
	Open func(location string) (driver.DB, error)
	// Durable says that a store can be opened again.
	Durable bool
}

// limit is how long one test of the suite may take.
const limit = 60 * time.Second

// fixture is an open store of one test.
type fixture struct {
	*testing.T
	harness  Harness
	location string
	ctx      context.Context
	db       *kv.DB
}

// Run runs the suite.
func Run(t *testing.T, h Harness) {
	for _, test := range []struct {
		name string
		run  func(*fixture)
	}{
		{"PutGetDelete", testPutGetDelete},
		{"Scan", testScan},
		{"ScanLimits", testScanLimits},
		{"Each", testEach},
		{"Scope", testScope},
		{"Batch", testBatch},
		{"Limits", testLimits},
		{"LongKeys", testLongKeys},
		{"OwnWrites", testOwnWrites},
		{"Counters", testCounters},
		{"CountersLocked", testCountersLocked},
		{"WriteSkew", testWriteSkew},
		{"Phantom", testPhantom},
		{"AbsentKeys", testAbsentKeys},
		{"DeleteRangeConflicts", testDeleteRangeConflicts},
		{"Interference", testInterference},
		{"ErrorStands", testErrorStands},
		{"Snapshot", testSnapshot},
		{"ScanWhileWriting", testScanWhileWriting},
		{"Linearizable", testLinearizable},
		{"Watch", testWatch},
		{"Cancel", testCancel},
		{"Closed", testClosed},
		{"Model", testModel},
	} {
		t.Run(test.name, func(t *testing.T) { h.with(t, test.run) })
	}
	if h.Durable {
		t.Run("Reopen", func(t *testing.T) { h.with(t, testReopen) })
		t.Run("Crash", func(t *testing.T) { testCrash(t, h) })
	}
}

func (h Harness) with(t *testing.T, run func(*fixture)) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	f := &fixture{T: t, harness: h, ctx: ctx, location: h.New(t)}
	f.open()
	defer func() {
		if err := f.db.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}()
	run(f)
}

func (f *fixture) open() {
	f.Helper()
	d, err := f.harness.Open(f.location)
	if err != nil {
		f.Fatalf("Open: %v", err)
	}
	f.db = kv.New(d)
}

func (f *fixture) ok(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) put(pairs ...string) {
	f.Helper()
	for i := 0; i < len(pairs); i += 2 {
		f.ok(f.db.Put(f.ctx, []byte(pairs[i]), []byte(pairs[i+1])))
	}
}

// want fails unless key has the value; "-" stands for no such key.
func (f *fixture) want(key, value string) {
	f.Helper()
	if got := get(f.ctx, f.db, key); got != value {
		f.Errorf("Get(%q) = %q, want %q", key, got, value)
	}
}

// getter is a DB or a Snapshot.
type getter interface {
	Get(ctx context.Context, key []byte) ([]byte, error)
}

func get(ctx context.Context, from getter, key string) string {
	v, err := from.Get(ctx, []byte(key))
	switch {
	case errors.Is(err, kv.ErrNotFound):
		return "-"
	case err != nil:
		return "error: " + err.Error()
	}
	return string(v)
}

// show writes items in one line.
func show(items []kv.Item) string {
	s := ""
	for _, it := range items {
		s += fmt.Sprintf("%s=%s ", it.Key, it.Value)
	}
	return s
}

func (f *fixture) wantScan(db *kv.DB, r kv.Range, want string) {
	f.Helper()
	items, err := db.Scan(f.ctx, r)
	f.ok(err)
	if got := show(items); got != want {
		f.Errorf("Scan(%s) = %s; want %s", showRange(r), got, want)
	}
}

func showRange(r kv.Range) string {
	return fmt.Sprintf("%q..%q reverse=%v limit=%d", r.Start, r.End, r.Reverse, r.Limit)
}
