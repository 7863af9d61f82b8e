package backup

import (
	"context"
	"time"

	api "moln.dev/moln/api/dynamodb"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/dynamodb/store"
	"moln.dev/moln/services/dynamodb/table"
	"moln.dev/moln/services/dynamodb/words"
)

// source is what a table is filled from: a backup, or another table at a moment.
type source struct {
	Backup  string    `json:",omitempty"`
	Table   string    `json:",omitempty"`
	TableID string    `json:",omitempty"`
	At      time.Time `json:",omitzero"`
}

func (s *Service) restoreFromBackup(ctx context.Context, c *service.Call, in *api.RestoreTableFromBackupInput) (*api.RestoreTableFromBackupOutput, error) {
	b, key, err := s.find(ctx, c, *in.BackupArn)
	if err != nil {
		return nil, err
	}
	t, err := s.target(ctx, c, b.Source, overrides{
		name: *in.TargetTableName, billing: in.BillingModeOverride, units: in.ProvisionedThroughputOverride, most: in.OnDemandThroughputOverride,
		global: in.GlobalSecondaryIndexOverride, local: in.LocalSecondaryIndexOverride, sse: in.SSESpecificationOverride, vectors: in.VectorIndexOverride,
	})
	if err != nil {
		return nil, err
	}
	t.Restored = &table.Restored{Backup: *in.BackupArn, Table: b.Source.ARNValue, At: b.Created, Filling: true}
	p := store.PlaceOf(c)
	made, err := s.store.CreateTable(ctx, p, t, taken(t.Name), func(tx *kv.Tx) error {
		raw, err := tx.Get(key)
		b, err := read[Backup](raw, err, noBackup(*in.BackupArn))
		if err != nil {
			return err
		}
		if b.Status != api.BackupStatusAvailable {
			return api.ErrBackupInUseException("Backup is being created: %s", *in.BackupArn)
		}
		b.Restores = append(b.Restores, t.ID)
		if err := put(tx, key, b); err != nil {
			return err
		}
		return s.later(tx, restoreKind, work{Place: p, Table: t.Name, ID: t.ID, Source: &source{Backup: b.ID, Table: b.Source.Name}})
	})
	if err != nil {
		return nil, err
	}
	return &api.RestoreTableFromBackupOutput{TableDescription: table.Describe(made.Table, api.TableStatusCreating, c.Now)}, nil
}

func taken(name string) error {
	return api.ErrTableAlreadyExistsException("Table already exists: %s", name)
}

// runRestore fills a new table and lets it be reached when it is full (B2).
func (s *Service) runRestore(ctx context.Context, w work) error {
	t, err := s.filling(ctx, w)
	if err != nil {
		return err
	}
	if t == nil { // done before, but perhaps for the end
		return s.release(ctx, w)
	}
	if w.Source.Backup == "" {
		if err := s.recover(ctx, w, w.RowsOf(w.ID)); err != nil {
			return err
		}
		return s.finish(ctx, w, t)
	}
	raw, err := s.db.Get(ctx, recordKey(w.Place, backupRecord, w.Source.Table, w.Source.Backup))
	from, err := read[Backup](raw, err, noBackup(w.Source.Backup))
	if err != nil {
		return err
	}
	if err := s.store.CopyItems(ctx, from.items(w.Place), w.RowsOf(w.ID)); err != nil {
		return err
	}
	return s.finish(ctx, w, t)
}

// filling finds a table that is still to be filled; nil is none.
func (s *Service) filling(ctx context.Context, w work) (*store.Table, error) {
	missing := words.NoTable()
	t, err := s.store.Look(ctx, w.Place, w.Table, missing)
	if err == missing || err == nil && (t.ID != w.ID || !t.Hidden()) {
		return nil, nil
	}
	return t, err
}

// finish fills the indexes of a table whose items are there, and opens it.
func (s *Service) finish(ctx context.Context, w work, t *store.Table) error {
	if err := s.store.FillAll(ctx, t); err != nil {
		return err
	}
	_, err := s.store.ChangeWith(ctx, w.Place, w.Table, noTable(w.Table), func(tx *kv.Tx, m *table.Table) error {
		m.Restored.Filling = false
		if w.Source.Backup == "" {
			return nil
		}
		key := recordKey(w.Place, backupRecord, w.Source.Table, w.Source.Backup)
		raw, err := tx.Get(key)
		b, err := read[Backup](raw, err, nil)
		if err != nil || b == nil {
			return err
		}
		b.Restores = without(b.Restores, w.ID)
		return put(tx, key, b)
	})
	if err != nil {
		return err
	}
	if w.Source.Backup == "" {
		if err := s.release(ctx, w); err != nil {
			return err
		}
	}
	return s.store.ForgetCursor(ctx, w.RowsOf(w.ID))
}
