package store

import (
	"bytes"
	"context"
	"errors"
	"sync"

	"moln.dev/moln/engine/kv"
	"moln.dev/moln/services/dynamodb/item"
	"moln.dev/moln/services/dynamodb/table"
)

// fresh are tables that are known to be as they are stored, without reading, for
// as long as their marks stand. Every request needs its table; on a store of
// this process alone nearly none then reads it.
type fresh struct {
	mu     sync.RWMutex
	tables map[tableName]freshTable
}

type tableName struct {
	Place
	name string
}

type freshTable struct {
	*Table
	mark kv.Mark // from before it was read
}

// get returns a table that is as it is stored; nil where that is not known.
func (f *fresh) get(p Place, name string) *Table {
	f.mu.RLock()
	have, ok := f.tables[tableName{p, name}]
	f.mu.RUnlock()
	if ok && have.mark.Stands() {
		return have.Table
	}
	return nil
}

func (f *fresh) put(p Place, name string, t *Table, mark kv.Mark) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.tables == nil {
		f.tables = map[tableName]freshTable{}
	}
	f.tables[tableName{p, name}] = freshTable{t, mark}
}

func (f *fresh) drop(p Place, name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.tables, tableName{p, name})
}

// Known gives a table that is as it is stored, and can be reached, where that can
// be told without reading; else nil.
func (s *Store) Known(p Place, name string) *Table { return s.fresh.get(p, name) }

// Guess gives the table as it was last seen, where nothing tells whether it still
// is so.
func (s *Store) Guess(p Place, name string) *Table {
	if s.fresh.get(p, name) != nil {
		return nil
	}
	s.fresh.mu.RLock()
	defer s.fresh.mu.RUnlock()
	return s.fresh.tables[tableName{p, name}].Table
}

// GetGuessed reads an item of a table that was guessed, and whether the table
// still is so, at once.
func (s *Store) GetGuessed(ctx context.Context, t *Table, k table.Key) (stored item.Stored, size int, right bool, err error) {
	values, err := s.db.GetMany(ctx, t.tableKey(t.Name), t.RowKey(k))
	if err != nil || !bytes.Equal(values[0], t.raw) {
		return nil, 0, false, err
	}
	if values[1] != nil {
		stored, size, err = item.Check(values[1])
	}
	return stored, size, true, err
}

// GetStored reads an item, with its size; none is nil.
func (s *Store) GetStored(ctx context.Context, t *Table, k table.Key) (item.Stored, int, error) {
	v, err := s.db.Get(ctx, t.RowKey(k))
	if errors.Is(err, kv.ErrNotFound) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	return item.Check(v)
}
