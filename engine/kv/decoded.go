package kv

import (
	"bytes"
	"context"
	"errors"
	"sync"
)

// Decoded keeps what values decode to that are read far more often than they are
// written: the records that every request needs. It is never stale. While a
// key's Mark stands nothing is read; else the value is read, and decoded again
// only if its bytes are others. That there is no value is known in the same way.
//
// What it hands out is shared and must not be changed. It is safe for concurrent
// use.
type Decoded[K comparable, T any] struct {
	most   int
	key    func(K) []byte
	decode func([]byte) (*T, error)

	mu   sync.RWMutex
	kept map[K]*decoded[T]
}

type decoded[T any] struct {
	raw   []byte
	value *T   // nil: there was none
	mark  Mark // from before raw was read
}

// NewDecoded keeps up to most values; beyond that it starts again. key is where
// the value of an id is stored. decode makes the value from bytes alone, which
// it may keep.
func NewDecoded[K comparable, T any](most int, key func(K) []byte, decode func([]byte) (*T, error)) *Decoded[K, T] {
	return &Decoded[K, T]{most: most, key: key, decode: decode, kept: map[K]*decoded[T]{}}
}

// Get returns the value of id as it is stored in db, which is the same at every
// call, or ErrNotFound.
func (d *Decoded[K, T]) Get(ctx context.Context, db *DB, id K) (*T, error) {
	if have := d.find(id); have != nil && have.mark.Stands() {
		if have.value == nil {
			return nil, ErrNotFound
		}
		return have.value, nil
	}
	key := d.key(id)
	mark := db.Mark(key)
	raw, err := db.Get(ctx, key)
	if errors.Is(err, ErrNotFound) {
		d.miss(id, mark)
	}
	if err != nil {
		return nil, err
	}
	return d.take(id, raw, mark)
}

// miss keeps that id has no value, where there is room: who asks for what never was
// must not push out what is.
func (d *Decoded[K, T]) miss(id K, mark Mark) {
	if !mark.Stands() {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.kept[id]; ok || len(d.kept) < d.most {
		d.kept[id] = &decoded[T]{mark: mark}
	}
}

// In returns the value of id as tx sees it, or ErrNotFound.
func (d *Decoded[K, T]) In(tx *Tx, id K) (*T, error) {
	raw, err := tx.Get(d.key(id))
	if err != nil {
		return nil, err
	}
	return d.Of(id, raw)
}

// Of returns what raw, which was read elsewhere as the value of id, decodes to.
func (d *Decoded[K, T]) Of(id K, raw []byte) (*T, error) {
	return d.take(id, raw, Mark{}) // it may be what a transaction is about to write
}

func (d *Decoded[K, T]) find(id K) *decoded[T] {
	d.mu.RLock()
	have := d.kept[id]
	d.mu.RUnlock()
	return have
}

// take decodes raw, unless that was done before, and keeps what is new.
func (d *Decoded[K, T]) take(id K, raw []byte, mark Mark) (*T, error) {
	have := d.find(id)
	var value *T
	if have != nil && have.value != nil && bytes.Equal(have.raw, raw) {
		if value = have.value; !mark.Stands() {
			return value, nil
		}
	}
	if value == nil {
		var err error
		if value, err = d.decode(raw); err != nil {
			return nil, err
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.kept[id]; !ok && len(d.kept) >= d.most {
		clear(d.kept)
	}
	d.kept[id] = &decoded[T]{raw, value, mark}
	return value, nil
}
