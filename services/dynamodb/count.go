package dynamodb

import (
	"context"

	api "moln.dev/moln/api/dynamodb"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/dynamodb/store"
	"moln.dev/moln/services/dynamodb/table"
)

// describe writes a table as clients read it, with what it was last counted to
// hold, and has it counted anew if that was long ago: who does not look does not
// pay.
func (s *Service) describe(ctx context.Context, call *service.Call, t *store.Table, status string) (*api.TableDescription, error) {
	c, err := s.store.Counts(ctx, t)
	if err != nil {
		return nil, err
	}
	if c.Stale(s.deps.Clock.Now()) {
		select {
		case s.counting <- t:
		default: // others are counted first
		}
	}
	d := table.Describe(t.Table, status, call.Now)
	d.ItemCount, d.TableSizeBytes = &c.Table.Items, &c.Table.Bytes
	for i := range d.GlobalSecondaryIndexes {
		g := &d.GlobalSecondaryIndexes[i]
		n := c.Indexes[t.Index(*g.IndexName).ID]
		g.ItemCount, g.IndexSizeBytes = &n.Items, &n.Bytes
	}
	for i := range d.LocalSecondaryIndexes {
		l := &d.LocalSecondaryIndexes[i]
		n := c.Indexes[t.Index(*l.IndexName).ID]
		l.ItemCount, l.IndexSizeBytes = &n.Items, &n.Bytes
	}
	return d, nil
}

// count counts tables until ctx ends.
func (s *Service) count(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case t := <-s.counting:
			c, err := s.store.Counts(ctx, t)
			if err == nil && c.Stale(s.deps.Clock.Now()) { // not counted meanwhile
				err = s.store.Count(ctx, t)
			}
			if err != nil && ctx.Err() == nil {
				s.deps.Log.Error("dynamodb: count items", "table", t.Name, "error", err)
			}
		}
	}
}
