package pebblekv_test

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/pebblekv"
)

const (
	idleBudget = 15 << 20
	// openBudget is generous: the machine that tests may be busy.
	openBudget = 300 * time.Millisecond
)

// TestIdle opens a store of some size and wants it to be quick and small.
func TestIdle(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir)
	ctx := context.Background()
	for i := range 40 {
		var b kv.Batch
		for j := range 500 {
			b.Put(fmt.Appendf(nil, "%d/%d", i, j), noise(1000))
		}
		if err := db.Apply(ctx, &b); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	before := residentBytes(t)
	began := time.Now()
	d, err := pebblekv.Open(dir, nil)
	took := time.Since(began)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if _, err := kv.New(d).Get(ctx, []byte("7/7")); err != nil {
		t.Fatal(err)
	}
	grown := residentBytes(t) - before
	t.Logf("open took %v, memory grew by %d KB", took, grown>>10)
	if took > openBudget {
		t.Errorf("open took %v, budget %v", took, openBudget)
	}
	if grown > idleBudget {
		t.Errorf("memory grew by %d bytes, budget %d", grown, idleBudget)
	}
}

// residentBytes is the process's memory in use, by the kernel's account.
func residentBytes(t *testing.T) int64 {
	t.Helper()
	debug.FreeOSMemory()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip(err)
	}
	pages, err := strconv.ParseInt(strings.Fields(string(text))[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}
