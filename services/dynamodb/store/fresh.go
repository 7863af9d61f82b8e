package store

import (
	"sync"

	"moln.dev/moln/engine/kv"
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
