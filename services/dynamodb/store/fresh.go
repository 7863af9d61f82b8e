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

// guess gives the table as it was last seen, where nothing tells whether it
// still is so.
func (s *Store) guess(p Place, name string) *Table {
	if s.fresh.get(p, name) != nil {
		return nil
	}
	s.fresh.mu.RLock()
	defer s.fresh.mu.RUnlock()
	return s.fresh.tables[tableName{p, name}].Table
}

// GetFrom loads a table and reads the item of it that has the key which key
// makes, with its size; none is nil. On a store that is shared both are read at
// once, by the table as it was last seen; if it is another by now, once more.
func (s *Store) GetFrom(ctx context.Context, p Place, name string, missing error, key func(*Table) (table.Key, error)) (*Table, item.Stored, int, error) {
	if t := s.guess(p, name); t != nil {
		if k, err := key(t); err == nil {
			values, err := s.db.GetMany(ctx, p.tableKey(name), t.RowKey(k))
			if err != nil {
				return nil, nil, 0, err
			}
			if bytes.Equal(values[0], t.raw) {
				return checkRow(t, values[1], nil)
			}
		}
	}
	t, err := s.Table(ctx, p, name, missing)
	if err != nil {
		return nil, nil, 0, err
	}
	k, err := key(t)
	if err != nil {
		return nil, nil, 0, err
	}
	v, err := s.db.Get(ctx, t.RowKey(k))
	return checkRow(t, v, err)
}

func checkRow(t *Table, v []byte, err error) (*Table, item.Stored, int, error) {
	if errors.Is(err, kv.ErrNotFound) || err == nil && v == nil {
		return t, nil, 0, nil
	}
	if err != nil {
		return nil, nil, 0, err
	}
	stored, size, err := item.Check(v)
	return t, stored, size, err
}
