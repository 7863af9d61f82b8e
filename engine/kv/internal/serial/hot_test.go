package serial

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	"moln.dev/moln/engine/kv/driver"
)

// counted is a store of one goroutine that counts how often it is read.
type counted struct {
	values map[string][]byte
	reads  int
}

func (c *counted) Get(key []byte) ([]byte, error) {
	c.reads++
	v, ok := c.values[string(key)]
	if !ok {
		return nil, driver.ErrNotFound
	}
	return bytes.Clone(v), nil
}

func (c *counted) Scan(driver.Range) ([]driver.Item, error) { return nil, nil }

func (c *counted) Apply(b *driver.Batch) (func() error, error) {
	if len(b.Ranges) > 0 {
		clear(c.values)
	}
	for _, w := range b.Points {
		if w.Delete {
			delete(c.values, string(w.Key))
		} else {
			c.values[string(w.Key)] = bytes.Clone(w.Value)
		}
	}
	return nil, nil
}

func (c *counted) Snapshot() (Snapshot, error) { return nil, driver.ErrClosed }
func (c *counted) Close() error                { return nil }

func TestHotValuesAreNotReadAgain(t *testing.T) {
	ctx, key := context.Background(), []byte("k")
	below := &counted{values: map[string][]byte{"k": []byte("1")}}
	db := New(below)
	get := func(r driver.Reader) string {
		t.Helper()
		v, err := r.Get(ctx, key)
		if err != nil {
			return err.Error()
		}
		shown := string(v)
		clear(v) // it belongs to who receives it
		return shown
	}
	inside := func() string {
		t.Helper()
		tx, err := db.Begin(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return get(tx)
	}
	for range 5 {
		if v, w := get(db), inside(); v != "1" || w != "1" {
			t.Fatalf("got %s, and %s in a transaction", v, w)
		}
	}
	if below.reads > 4 {
		t.Errorf("a value that is read again and again was looked for %d times", below.reads)
	}
	for name, b := range map[string]*driver.Batch{
		"2":                        {Points: []driver.Write{{Key: key, Value: []byte("2")}}},
		driver.ErrNotFound.Error(): {Points: []driver.Write{{Key: key, Delete: true}}},
	} {
		if err := db.Apply(ctx, b); err != nil {
			t.Fatal(err)
		}
		for range 4 {
			if v, w := get(db), inside(); v != name || w != name {
				t.Errorf("got %s, and %s in a transaction, want %s", v, w, name)
			}
		}
	}
	if err := db.Apply(ctx, &driver.Batch{Ranges: []driver.KeyRange{{Start: []byte("a")}}}); err != nil {
		t.Fatal(err)
	}
	if v, w := get(db), inside(); v != driver.ErrNotFound.Error() || w != v {
		t.Errorf("got %s, and %s in a transaction, of a range that was deleted", v, w)
	}
}

func TestHotValuesHaveBounds(t *testing.T) {
	var h hot
	key := func(i int) []byte { return fmt.Appendf(nil, "key %d", i) }
	var seed hashSeed
	for i := range 40_000 {
		k := key(i)
		for range 3 {
			h.offer(seed.hash(k), k, make([]byte, hotValueMax), 0)
		}
	}
	held := int64(0)
	for i := range h.slots {
		held += h.slots[i].Load().size()
	}
	if held != h.bytes.Load() || held > hotMax || held < hotMax/2 {
		t.Errorf("%d bytes are held, %d counted, of %d", held, h.bytes.Load(), hotMax)
	}
	k := []byte("long")
	for range 3 {
		h.offer(seed.hash(k), k, make([]byte, hotValueMax+1), 0)
	}
	if h.get(seed.hash(k), k) != nil {
		t.Error("a long value is kept")
	}
}
