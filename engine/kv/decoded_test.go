package kv_test

import (
	"context"
	"errors"
	"strconv"
	"testing"

	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/driver"
	"moln.dev/moln/engine/kv/memkv"
)

// counting counts the reads of single keys.
type counting struct {
	driver.DB
	driver.Marker
	reads int
}

func (c *counting) Get(ctx context.Context, key []byte) ([]byte, error) {
	c.reads++
	return c.DB.Get(ctx, key)
}

var errOdd = errors.New("odd")

// newDecoded keeps up to two numbers, and counts how often one is decoded.
func newDecoded(decodes *int) *kv.Decoded[string, int] {
	return kv.NewDecoded(2, func(id string) []byte { return []byte("n/" + id) }, func(raw []byte) (*int, error) {
		*decodes++
		n, err := strconv.Atoi(string(raw))
		if err == nil && n%2 != 0 {
			err = errOdd
		}
		return &n, err
	})
}

func TestDecodedIsReadAndDecodedOnceUntilItChanges(t *testing.T) {
	mem := memkv.New()
	drv := &counting{DB: mem, Marker: mem.(driver.Marker)}
	shared := struct{ driver.DB }{drv} // cannot tell what was written
	for _, c := range []struct {
		name  string
		db    *kv.DB
		reads int // of four times
	}{{"own", kv.New(drv), 2}, {"shared", kv.New(shared), 4}} {
		decodes := 0
		d := newDecoded(&decodes)
		put(t, c.db, "a", "2")
		drv.reads = 0
		first := got(t, d, c.db, "a", 2)
		if again := got(t, d, c.db, "a", 2); again != first {
			t.Errorf("%s: the same bytes gave another value", c.name)
		}
		put(t, c.db, "a", "4")
		got(t, d, c.db, "a", 4)
		got(t, d, c.db, "a", 4)
		if drv.reads != c.reads || decodes != 2 {
			t.Errorf("%s: %d reads, %d decodings; want %d, 2", c.name, drv.reads, decodes, c.reads)
		}
	}
}

func TestDecodedOfSameBytesWrittenAgain(t *testing.T) {
	db := kv.New(memkv.New())
	decodes := 0
	d := newDecoded(&decodes)
	put(t, db, "a", "2")
	first := got(t, d, db, "a", 2)
	put(t, db, "a", "2")
	if again := got(t, d, db, "a", 2); again != first || decodes != 1 {
		t.Errorf("decoded %d times; want 1", decodes)
	}
}

func TestDecodedForgetsWhatIsGone(t *testing.T) {
	ctx := t.Context()
	db := kv.New(memkv.New())
	d := newDecoded(new(int))
	put(t, db, "a", "2")
	got(t, d, db, "a", 2)
	if err := db.Delete(ctx, []byte("n/a")); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Get(ctx, db, "a"); !errors.Is(err, kv.ErrNotFound) {
		t.Errorf("after the deletion: %v", err)
	}
	put(t, db, "a", "3")
	if _, err := d.Get(ctx, db, "a"); !errors.Is(err, errOdd) {
		t.Errorf("of bytes that are nothing: %v", err)
	}
}

func TestDecodedKnowsWhatIsNot(t *testing.T) {
	ctx := t.Context()
	mem := memkv.New()
	drv := &counting{DB: mem, Marker: mem.(driver.Marker)}
	for _, c := range []struct {
		name  string
		db    *kv.DB
		reads int // of three times
	}{{"own", kv.New(drv), 1}, {"shared", kv.New(struct{ driver.DB }{drv}), 3}} {
		d := newDecoded(new(int))
		drv.reads = 0
		for range 3 {
			if n, err := d.Get(ctx, c.db, "a"); n != nil || !errors.Is(err, kv.ErrNotFound) {
				t.Errorf("%s: %v, %v", c.name, n, err)
			}
		}
		if drv.reads != c.reads {
			t.Errorf("%s: %d reads; want %d", c.name, drv.reads, c.reads)
		}
		put(t, c.db, "a", "")
		if _, err := d.Get(ctx, c.db, "a"); err == nil || errors.Is(err, kv.ErrNotFound) {
			t.Errorf("%s: of no bytes: %v", c.name, err)
		}
		put(t, c.db, "a", "2")
		got(t, d, c.db, "a", 2)
		// What is not is kept where there is room.
		put(t, c.db, "b", "4")
		first := got(t, d, c.db, "b", 4)
		for _, id := range []string{"c", "d"} {
			if _, err := d.Get(ctx, c.db, id); !errors.Is(err, kv.ErrNotFound) {
				t.Errorf("%s: %v", c.name, err)
			}
		}
		if again := got(t, d, c.db, "b", 4); again != first {
			t.Errorf("%s: what is not pushed out what is", c.name)
		}
		if err := c.db.Delete(ctx, []byte("n/a")); err != nil {
			t.Fatal(err)
		}
	}
}

// What a transaction writes and then drops is not what the others see.
func TestDecodedInTransactions(t *testing.T) {
	ctx := t.Context()
	db := kv.New(memkv.New())
	d := newDecoded(new(int))
	put(t, db, "a", "2")
	got(t, d, db, "a", 2)
	dropped := errors.New("dropped")
	err := db.Update(ctx, func(tx *kv.Tx) error {
		if err := tx.Put([]byte("n/a"), []byte("4")); err != nil {
			return err
		}
		if n, err := d.In(tx, "a"); err != nil || *n != 4 {
			t.Errorf("within the transaction: %v, %v; want 4", n, err)
		}
		got(t, d, db, "a", 2)
		if _, err := d.In(tx, "b"); !errors.Is(err, kv.ErrNotFound) {
			t.Errorf("of no record: %v", err)
		}
		_, err := d.In(tx, "a") // the last to be kept
		return errors.Join(err, dropped)
	})
	if !errors.Is(err, dropped) {
		t.Fatal(err)
	}
	got(t, d, db, "a", 2)
}

func TestDecodedIsBounded(t *testing.T) {
	db := kv.New(memkv.New())
	decodes := 0
	d := newDecoded(&decodes)
	for _, id := range []string{"a", "b", "c"} {
		put(t, db, id, "2")
		got(t, d, db, id, 2)
	}
	got(t, d, db, "c", 2)
	got(t, d, db, "a", 2)
	if decodes != 4 {
		t.Errorf("decoded %d times; want 4, as a was forgotten for c", decodes)
	}
}

func TestDecodedThatStandsTakesNoMemory(t *testing.T) {
	db := kv.New(memkv.New())
	d := newDecoded(new(int))
	put(t, db, "a", "2")
	got(t, d, db, "a", 2)
	ctx := t.Context()
	if n := testing.AllocsPerRun(100, func() {
		if _, err := d.Get(ctx, db, "a"); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations a time", n)
	}
}

func put(t *testing.T, db *kv.DB, id, value string) {
	t.Helper()
	if err := db.Put(t.Context(), []byte("n/"+id), []byte(value)); err != nil {
		t.Fatal(err)
	}
}

func got(t *testing.T, d *kv.Decoded[string, int], db *kv.DB, id string, want int) *int {
	t.Helper()
	n, err := d.Get(t.Context(), db, id)
	if err != nil || *n != want {
		t.Fatalf("Get(%s) = %v, %v; want %d", id, n, err, want)
	}
	return n
}
