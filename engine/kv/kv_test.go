package kv_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/memkv"
)

func Example() {
	ctx := context.Background()
	db := kv.New(memkv.New())
	defer db.Close()
	queues := db.Scope([]byte("queues/"))
	if err := queues.Put(ctx, []byte("orders"), []byte("0")); err != nil {
		panic(err)
	}
	err := queues.Update(ctx, func(tx *kv.Tx) error {
		n, err := tx.Get([]byte("orders"))
		if err != nil {
			return err
		}
		return tx.Put([]byte("orders"), append(n, '1'))
	}, []byte("orders"))
	if err != nil {
		panic(err)
	}
	items, err := db.Scan(ctx, kv.Prefix([]byte("queues/")))
	if err != nil {
		panic(err)
	}
	for _, it := range items {
		fmt.Printf("%s = %s\n", it.Key, it.Value)
	}
	// Output: queues/orders = 01
}

func TestUpdateReturnsErrorOfFn(t *testing.T) {
	ctx := context.Background()
	db := kv.New(memkv.New())
	mine := errors.New("mine")
	err := db.Update(ctx, func(tx *kv.Tx) error {
		if err := tx.Put([]byte("k"), nil); err != nil {
			return err
		}
		return mine
	})
	if err != mine {
		t.Errorf("Update = %v, want fn's own error", err)
	}
	if _, err := db.Get(ctx, []byte("k")); !errors.Is(err, kv.ErrNotFound) {
		t.Errorf("what a failed transaction wrote is there: %v", err)
	}
}

func TestUpdateGivesUp(t *testing.T) {
	ctx := context.Background()
	db := kv.New(memkv.New())
	k := []byte("k")
	tries := 0
	err := db.Update(ctx, func(tx *kv.Tx) error {
		tries++
		if _, err := tx.Get(k); err != nil && !errors.Is(err, kv.ErrNotFound) {
			return err
		}
		// A write from outside, every time.
		if err := db.Put(ctx, k, []byte{byte(tries)}); err != nil {
			return err
		}
		return tx.Put(k, nil)
	})
	if !errors.Is(err, kv.ErrConflict) || tries < 10 {
		t.Errorf("Update = %v after %d tries, want ErrConflict", err, tries)
	}
}

func TestTxOnWritesToBothScopesOrNeither(t *testing.T) {
	ctx := t.Context()
	db := kv.New(memkv.New())
	defer db.Close()
	a, b := db.Scope([]byte("a/")), db.Scope([]byte("b/"))
	broken := errors.New("broken")
	for _, want := range []error{broken, nil} {
		err := a.Update(ctx, func(tx *kv.Tx) error {
			other := tx.On(b)
			if err := errors.Join(tx.Put([]byte("k"), []byte("in a")), other.Put([]byte("k"), []byte("in b")), other.Put([]byte("l"), nil)); err != nil {
				return err
			}
			if v, err := other.Get([]byte("k")); err != nil || string(v) != "in b" {
				t.Errorf("own write through the other scope: %q, %v", v, err)
			}
			if err := other.DeleteRange([]byte("l"), nil); err != nil {
				return err
			}
			if items, err := tx.On(db).Scan(kv.Range{}); err != nil || len(items) != 2 {
				t.Errorf("both scopes hold %v, %v", items, err)
			}
			return want
		})
		if !errors.Is(err, want) {
			t.Fatalf("Update: %v, want %v", err, want)
		}
		items, err := db.Scan(ctx, kv.Range{})
		got := fmt.Sprintf("%s", items)
		if wanted := map[bool]string{true: "[]", false: "[{a/k in a} {b/k in b}]"}[want != nil]; err != nil || got != wanted {
			t.Errorf("stored %s, %v; want %s", got, err, wanted)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("On of another store does not panic")
		}
	}()
	elsewhere := kv.New(memkv.New())
	defer elsewhere.Close()
	_ = a.Update(ctx, func(tx *kv.Tx) error { tx.On(elsewhere); return nil })
}
