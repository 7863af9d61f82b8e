package store

import (
	"context"
	"slices"

	"golang.org/x/sync/errgroup"

	"moln.dev/moln/engine/kv"
	"moln.dev/moln/services/dynamodb/item"
	"moln.dev/moln/services/dynamodb/table"
)

// WriteEach makes changes of different items that need not happen together. All
// the same they share what waiting for the disk costs: those that read nothing
// are one commit, others are made side by side. Where it fails, some may have
// been made.
func (s *Store) WriteEach(ctx context.Context, changes []*Change, needOld bool) ([]Outcome, error) {
	if out, ok, err := s.writeBlind(ctx, changes, needOld); ok || err != nil {
		return out, err
	}
	if slices.ContainsFunc(changes, func(ch *Change) bool { return !ch.Table.unlimited() }) {
		return s.writeWhatFits(ctx, changes, needOld)
	}
	out := make([]Outcome, len(changes))
	group, ctx := errgroup.WithContext(ctx)
	for i, ch := range changes {
		group.Go(func() (err error) {
			out[i], err = s.Write(ctx, ch, needOld)
			return err
		})
	}
	return out, group.Wait()
}

// writeWhatFits makes changes of tables with limits one after the other, and
// leaves those that there is no capacity for.
func (s *Store) writeWhatFits(ctx context.Context, changes []*Change, needOld bool) ([]Outcome, error) {
	out := make([]Outcome, len(changes))
	for i, ch := range changes {
		o, err := s.Write(ctx, ch, needOld)
		if Throttled(err) {
			o, err = Outcome{Refused: err}, nil
		}
		if err != nil {
			return nil, err
		}
		out[i] = o
	}
	return out, nil
}

// writeBlind makes changes in one commit if none of them reads anything; ok
// reports whether it has.
func (s *Store) writeBlind(ctx context.Context, changes []*Change, needOld bool) (out []Outcome, ok bool, err error) {
	if needOld {
		return nil, false, nil
	}
	defer lockTables(changes)()
	var b kv.Batch
	out = make([]Outcome, len(changes))
	for i, ch := range changes {
		if err := s.refresh(ctx, ch); err != nil {
			return nil, false, err
		}
		if !ch.blind() || !ch.Table.unlimited() {
			return nil, false, nil
		}
		size := ch.Whole.Size()
		if err := table.CheckSize(size, false); err != nil {
			return nil, false, err
		}
		b.Put(ch.Table.RowKey(ch.Key), stored(ch.Whole, size))
		out[i] = Outcome{New: ch.Whole, Units: WriteUnits(size)}
	}
	return out, true, s.db.Apply(ctx, &b)
}

// stored is an item of a size as it is stored.
func stored(m item.Map, size int) []byte {
	return item.Append(make([]byte, 0, size+len(m)*4+16), m)
}
