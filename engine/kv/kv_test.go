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
