package dynamodb

import (
	"context"

	"moln.dev/moln/services/dynamodb/item"
	"moln.dev/moln/services/dynamodb/store"
	"moln.dev/moln/services/dynamodb/table"
)

// The reads of requests are admitted and charged here; those of workers are not.

func (s *Service) readOne(ctx context.Context, t *store.Table, k table.Key, consistent bool) (item.Map, error) {
	if err := s.store.AdmitRead(t, nil); err != nil {
		return nil, err
	}
	m, err := s.store.Get(ctx, t, k)
	if err == nil {
		s.store.ChargeRead(t, nil, store.ReadUnits(m.Size(), consistent))
	}
	return m, err
}

func (s *Service) readPage(ctx context.Context, r *store.Reading) (*store.Page, error) {
	if err := s.store.AdmitRead(r.Table, r.Index); err != nil {
		return nil, err
	}
	p, err := s.store.Read(ctx, r)
	if err == nil {
		s.store.ChargeRead(r.Table, r.Index, store.ReadUnits(p.Bytes, r.Consistent))
		s.store.ChargeRead(r.Table, nil, p.FetchUnits)
	}
	return p, err
}

// readAll reads the items of a transaction; the tables without capacity are
// reasons of its cancellation.
func (s *Service) readAll(ctx context.Context, gets []store.ItemRead) ([]item.Map, error) {
	why := store.NewReasons(len(gets))
	for i, g := range gets {
		if err := s.store.AdmitRead(g.Table, nil); err != nil {
			if err := why.Add(i, err); err != nil {
				return nil, err
			}
		}
	}
	if why.Failed {
		return nil, why.Fault()
	}
	found, err := s.store.GetAll(ctx, gets)
	if err != nil {
		return nil, err
	}
	for i, m := range found {
		s.store.ChargeRead(gets[i].Table, nil, store.ReadUnits(m.Size(), true)*transactionFactor)
	}
	return found, nil
}
