package dynamodb

import (
	"context"

	api "moln.dev/moln/api/dynamodb"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/dynamodb/item"
	"moln.dev/moln/services/dynamodb/store"
	"moln.dev/moln/services/dynamodb/table"
	"moln.dev/moln/services/dynamodb/words"
)

// tableOf finds a table once for a request on items: who judges the request reads
// it, and who carries it out goes on with the same.
func (s *Service) tableOf(ctx context.Context, c *service.Call, p store.Place, name string) (*store.Table, error) {
	if t := kept(c, p, name); t != nil {
		return t, nil
	}
	t := s.store.Known(p, name)
	if t == nil {
		var err error
		if t, err = s.store.Table(ctx, p, name, words.NoTable()); err != nil {
			return nil, err
		}
	}
	keep(c, t)
	return t, nil
}

// kept gives what the request has found; nil: nothing of the name.
func kept(c *service.Call, p store.Place, name string) *store.Table {
	switch found := c.Found.(type) {
	case *store.Table:
		if found.Place == p && found.Name == name {
			return found
		}
	case *ahead:
		if found.table.Place == p && found.table.Name == name {
			return found.table
		}
	case []*store.Table:
		for _, t := range found {
			if t.Place == p && t.Name == name {
				return t
			}
		}
	}
	return nil
}

// keep leaves a table in the call: nearly always there is but one.
func keep(c *service.Call, t *store.Table) {
	switch found := c.Found.(type) {
	case nil:
		c.Found = t
	case *store.Table:
		c.Found = []*store.Table{found, t}
	case []*store.Table:
		c.Found = append(found, t)
	}
}

// ahead is an item that was read together with its table, on stores where each
// reading is a round trip.
type ahead struct {
	table  *store.Table
	stored item.Stored
	size   int
}

// readAhead reads what a GetItem asks for before the request is judged by its
// table, as the table was last seen. Where it is another by now, or anything is
// wrong, nothing is kept, and all is read and told later.
func (s *Service) readAhead(ctx context.Context, c *service.Call, in *api.GetItemInput) {
	p, name, err := locate(c, in.TableName)
	if err != nil {
		return
	}
	t := s.store.Guess(p, name)
	if t == nil {
		return
	}
	key, err := item.FromWire(in.Key)
	if err != nil {
		return
	}
	k, err := t.ReadKey(key)
	if err != nil {
		return
	}
	stored, size, right, err := s.store.GetGuessed(ctx, t, k)
	if err == nil && right {
		c.Found = &ahead{t, stored, size}
	}
}

// readStored reads an item, unless that was done ahead.
func (s *Service) readStored(ctx context.Context, c *service.Call, t *store.Table, k table.Key) (item.Stored, int, error) {
	if a, ok := c.Found.(*ahead); ok && a.table == t {
		return a.stored, a.size, nil
	}
	return s.store.GetStored(ctx, t, k)
}
