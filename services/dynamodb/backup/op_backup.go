package backup

import (
	"context"
	"time"

	api "moln.dev/moln/api/dynamodb"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/dynamodb/store"
	"moln.dev/moln/services/dynamodb/table"
	"moln.dev/moln/services/dynamodb/words"
)

func (s *Service) createBackup(ctx context.Context, c *service.Call, in *api.CreateBackupInput) (*api.CreateBackupOutput, error) {
	name, err := nameOf(c, *in.TableName)
	if err != nil {
		return nil, err
	}
	p, id := store.PlaceOf(c), s.newID(c.Now)
	var b *Backup
	_, err = s.store.ChangeWith(ctx, p, name, noTable(name), func(tx *kv.Tx, t *table.Table) error {
		if t.Hidden() {
			return api.ErrTableInUseException("Table is being created: %s", name)
		}
		t.Captures = append(t.Captures, id)
		b = newBackup(t, id, *in.BackupName, api.BackupTypeUser, table.Rounded(c.Now))
		if err := put(tx, recordKey(p, backupRecord, name, id), b); err != nil {
			return err
		}
		return s.later(tx, backupKind, work{Place: p, Table: name, ID: id})
	})
	if err != nil {
		return nil, err
	}
	return &api.CreateBackupOutput{BackupDetails: b.details()}, nil
}

func newBackup(t *table.Table, id, name, kind string, at time.Time) *Backup {
	source := *t
	source.Captures, source.Recovery = nil, nil
	return &Backup{Source: &source, ID: id, Name: name, Type: kind, Status: api.BackupStatusCreating, Created: at}
}

// Deleting decides for a table that is being deleted whether its items are kept,
// as a backup, and makes that backup. Tables that are being copied stay.
func (s *Service) Deleting(tx *kv.Tx, c *service.Call, t *table.Table) (keep bool, err error) {
	for _, id := range t.Captures {
		if t.Recovery == nil || id != t.Recovery.Log {
			return false, api.ErrResourceInUseException("Attempt to change a resource which is still in use: Table is being backed up: %s", t.Name)
		}
	}
	if t.Recovery == nil {
		return false, nil
	}
	if len(t.Recovery.Readers) > 0 {
		return false, api.ErrResourceInUseException("Attempt to change a resource which is still in use: Table is being restored or exported: %s", t.Name)
	}
	p, now := store.PlaceOf(c), table.Rounded(c.Now)
	for _, base := range []*table.Base{t.Recovery.Base, t.Recovery.Next} {
		if base == nil {
			continue
		}
		if err := p.CopyOf(base.ID).Drop(tx); err != nil {
			return false, err
		}
	}
	b := newBackup(t, s.newID(now), t.Name+"$DeletedTableBackup", api.BackupTypeSystem, now)
	b.Rows, b.Expires = true, now.AddDate(0, 0, systemDays)
	if err := put(tx, recordKey(p, backupRecord, t.Name, b.ID), b); err != nil {
		return false, err
	}
	return true, s.later(tx, backupKind, work{Place: p, Table: t.Name, ID: b.ID})
}

// systemDays is how long the backup of a deleted table is kept, AWS says.
const systemDays = 35

func (s *Service) find(ctx context.Context, c *service.Call, arn string) (*Backup, []byte, error) {
	name, id, ok := splitARN(c, "backup", arn)
	if !ok {
		return nil, nil, noBackup(arn)
	}
	key := recordKey(store.PlaceOf(c), backupRecord, name, id)
	raw, err := s.db.Get(ctx, key)
	b, err := read[Backup](raw, err, noBackup(arn))
	if err == nil && b.expired(c.Now) {
		err = noBackup(arn)
	}
	return b, key, err
}

func (b *Backup) expired(now time.Time) bool { return !b.Expires.IsZero() && !now.Before(b.Expires) }

func (s *Service) describeBackup(ctx context.Context, c *service.Call, in *api.DescribeBackupInput) (*api.DescribeBackupOutput, error) {
	b, _, err := s.find(ctx, c, *in.BackupArn)
	if err != nil {
		return nil, err
	}
	return &api.DescribeBackupOutput{BackupDescription: b.describe(c.Now)}, nil
}

func (s *Service) deleteBackup(ctx context.Context, c *service.Call, in *api.DeleteBackupInput) (*api.DeleteBackupOutput, error) {
	b, key, err := s.find(ctx, c, *in.BackupArn)
	if err != nil {
		return nil, err
	}
	err = s.db.Update(ctx, func(tx *kv.Tx) error {
		raw, err := tx.Get(key)
		if b, err = read[Backup](raw, err, noBackup(*in.BackupArn)); err != nil {
			return err
		}
		switch {
		case b.Type == api.BackupTypeSystem && !b.expired(c.Now):
			return words.Refuse("Cannot delete a SYSTEM backup: %s", *in.BackupArn)
		case b.Status == api.BackupStatusCreating:
			return api.ErrBackupInUseException("Backup is being created: %s", *in.BackupArn)
		case len(b.Restores) > 0:
			return api.ErrBackupInUseException("Backup is being restored: %s", *in.BackupArn)
		}
		return s.drop(tx, store.PlaceOf(c), b)
	}, key)
	if err != nil {
		return nil, err
	}
	b.Status = api.BackupStatusDeleted
	return &api.DeleteBackupOutput{BackupDescription: b.describe(c.Now)}, nil
}

func (s *Service) drop(tx *kv.Tx, p store.Place, b *Backup) error {
	if err := b.items(p).Drop(tx); err != nil {
		return err
	}
	return tx.Delete(recordKey(p, backupRecord, b.Source.Name, b.ID))
}

// listMost is how many backups ListBackups gives, and gives without a limit.
const listMost = 100

func (s *Service) listBackups(ctx context.Context, c *service.Call, in *api.ListBackupsInput) (*api.ListBackupsOutput, error) {
	name, err := s.listed(c, in)
	if err != nil {
		return nil, err
	}
	afterName, afterID := "", ""
	if in.ExclusiveStartBackupArn != nil {
		var ok bool
		if afterName, afterID, ok = splitARN(c, "backup", *in.ExclusiveStartBackupArn); !ok {
			return nil, words.Refuse("Invalid ExclusiveStartBackupArn: %s", *in.ExclusiveStartBackupArn)
		}
	}
	limit := listMost
	if in.Limit != nil {
		limit = int(*in.Limit)
	}
	out := &api.ListBackupsOutput{BackupSummaries: []api.BackupSummary{}}
	err = list(ctx, s.db, store.PlaceOf(c), backupRecord, name, func(b *Backup) (bool, error) {
		at := b.Source.Name
		if at < afterName || at == afterName && b.ID <= afterID || !wanted(in, b, c.Now) {
			return true, nil
		}
		if len(out.BackupSummaries) == limit {
			out.LastEvaluatedBackupArn = out.BackupSummaries[limit-1].BackupArn
			return false, nil
		}
		out.BackupSummaries = append(out.BackupSummaries, b.summary())
		return true, nil
	})
	return out, err
}

func (s *Service) listed(c *service.Call, in *api.ListBackupsInput) (name string, err error) {
	if in.TableName == nil {
		return "", nil
	}
	return nameOf(c, *in.TableName)
}

func wanted(in *api.ListBackupsInput, b *Backup, now time.Time) bool {
	kind := smithy.Val(in.BackupType)
	if kind == "" {
		kind = api.BackupTypeFilterUser
	}
	switch {
	case b.expired(now), kind != api.BackupTypeFilterAll && kind != b.Type:
		return false
	case in.TimeRangeLowerBound != nil && b.Created.Before(*in.TimeRangeLowerBound):
		return false
	case in.TimeRangeUpperBound != nil && !b.Created.Before(*in.TimeRangeUpperBound):
		return false
	}
	return true
}

// runBackup copies a table, and makes of the copy what the table was when the
// backup was asked for. It goes on wherever it was left.
func (s *Service) runBackup(ctx context.Context, w work) error {
	key := recordKey(w.Place, backupRecord, w.Table, w.ID)
	raw, err := s.db.Get(ctx, key)
	b, err := read[Backup](raw, err, nil)
	if err != nil || b == nil {
		return err
	}
	if !b.Rows {
		if err := s.copyTable(ctx, w, b); err != nil {
			return err
		}
	}
	n, err := s.store.CountCopy(ctx, b.items(w.Place))
	if err != nil {
		return err
	}
	return change(ctx, s.db, key, nil, func(_ *kv.Tx, b *Backup) error {
		b.Items, b.Bytes, b.Status = n.Items, n.Bytes, api.BackupStatusAvailable
		return nil
	})
}

func (s *Service) copyTable(ctx context.Context, w work, b *Backup) error {
	to := b.items(w.Place)
	if b.Status == api.BackupStatusCreating {
		if err := s.store.CopyItems(ctx, w.RowsOf(b.Source.ID), to); err != nil {
			return err
		}
		// What the copy has seen is in the log when this is done (B3).
		_, err := s.store.ChangeWith(ctx, w.Place, w.Table, noTable(w.Table), func(_ *kv.Tx, t *table.Table) error {
			t.Captures = without(t.Captures, w.ID)
			return nil
		})
		if err != nil {
			return err
		}
		history := store.History{Log: w.CaptureLog(b.Source.ID, w.ID), Keys: b.Source.Keys}
		if err := s.store.Rewind(ctx, to, history, time.Time{}); err != nil {
			return err
		}
	}
	return s.store.Logs().Remove(ctx, w.CaptureLog(b.Source.ID, w.ID))
}
