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

// recoveryDays is how far back a table can be restored unless fewer days are
// asked for, and at most.
const recoveryDays = 35

func (s *Service) describeContinuousBackups(ctx context.Context, c *service.Call, in *api.DescribeContinuousBackupsInput) (*api.DescribeContinuousBackupsOutput, error) {
	name, err := nameOf(c, *in.TableName)
	if err != nil {
		return nil, err
	}
	t, err := s.store.Look(ctx, store.PlaceOf(c), name, noTable(name))
	if err != nil {
		return nil, err
	}
	return &api.DescribeContinuousBackupsOutput{ContinuousBackupsDescription: describeRecovery(t.Recovery, c.Now)}, nil
}

func describeRecovery(r *table.Recovery, now time.Time) *api.ContinuousBackupsDescription {
	d := &api.PointInTimeRecoveryDescription{PointInTimeRecoveryStatus: new(api.PointInTimeRecoveryStatusDisabled)}
	if r != nil {
		earliest := r.Earliest(now)
		d.PointInTimeRecoveryStatus = new(api.PointInTimeRecoveryStatusEnabled)
		d.RecoveryPeriodInDays, d.EarliestRestorableDateTime = new(int32(r.Days)), &earliest
		if latest := r.Latest(now); !latest.Before(earliest) {
			d.LatestRestorableDateTime = &latest
		}
	}
	return &api.ContinuousBackupsDescription{ContinuousBackupsStatus: new(api.ContinuousBackupsStatusEnabled), PointInTimeRecoveryDescription: d}
}

func (s *Service) updateContinuousBackups(ctx context.Context, c *service.Call, in *api.UpdateContinuousBackupsInput) (*api.UpdateContinuousBackupsOutput, error) {
	name, err := nameOf(c, *in.TableName)
	if err != nil {
		return nil, err
	}
	p, spec, id := store.PlaceOf(c), in.PointInTimeRecoverySpecification, s.newID(c.Now)
	if !*spec.PointInTimeRecoveryEnabled && spec.RecoveryPeriodInDays != nil {
		return nil, words.BadParameter("RecoveryPeriodInDays can only be specified when PointInTimeRecoveryEnabled is true")
	}
	t, err := s.store.ChangeWith(ctx, p, name, noTable(name), func(tx *kv.Tx, t *table.Table) error {
		switch {
		case t.Hidden():
			return api.ErrContinuousBackupsUnavailableException("Table is being created: %s", name)
		case *spec.PointInTimeRecoveryEnabled:
			return s.turnOn(tx, p, t, spec.RecoveryPeriodInDays, id)
		case t.Recovery != nil:
			return s.turnOff(tx, p, t)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &api.UpdateContinuousBackupsOutput{ContinuousBackupsDescription: describeRecovery(t.Recovery, c.Now)}, nil
}

func (s *Service) turnOn(tx *kv.Tx, p store.Place, t *table.Table, days *int32, id string) error {
	if t.Recovery != nil {
		if days != nil {
			t.Recovery.Days = int(*days)
		}
		return nil
	}
	now := s.clock.Now().UTC() // no change is under way
	t.Recovery = &table.Recovery{Days: recoveryDays, Since: now, Log: id, Next: &table.Base{ID: id, Started: now}}
	if days != nil {
		t.Recovery.Days = int(*days)
	}
	t.Captures = append(t.Captures, id)
	return s.later(tx, baseKind, work{Place: p, Table: t.Name, ID: id})
}

func (s *Service) turnOff(tx *kv.Tx, p store.Place, t *table.Table) error {
	r := t.Recovery
	if len(r.Readers) > 0 {
		return api.ErrContinuousBackupsUnavailableException("Table is being restored or exported: %s", t.Name)
	}
	for _, base := range []*table.Base{r.Base, r.Next} {
		if base == nil {
			continue
		}
		if err := p.CopyOf(base.ID).Drop(tx); err != nil {
			return err
		}
	}
	t.Captures, t.Recovery = without(t.Captures, r.Log), nil
	return s.later(tx, forgetKind, work{Place: p, Table: t.ID, ID: r.Log})
}

func (s *Service) restoreToPointInTime(ctx context.Context, c *service.Call, in *api.RestoreTableToPointInTimeInput) (*api.RestoreTableToPointInTimeOutput, error) {
	given := smithy.Val(in.SourceTableArn)
	if given == "" {
		given = smithy.Val(in.SourceTableName)
	}
	if given == "" {
		return nil, words.BadParameter("Either SourceTableName or SourceTableArn must be specified")
	}
	name, err := nameOf(c, given)
	if err != nil {
		return nil, err
	}
	p := store.PlaceOf(c)
	from, err := s.store.Look(ctx, p, name, noTable(name))
	if err != nil {
		return nil, err
	}
	at, err := restoreTime(from.Table, in, c.Now)
	if err != nil {
		return nil, err
	}
	t, err := s.target(ctx, c, from.Table, overrides{
		name: *in.TargetTableName, billing: in.BillingModeOverride, units: in.ProvisionedThroughputOverride, most: in.OnDemandThroughputOverride,
		global: in.GlobalSecondaryIndexOverride, local: in.LocalSecondaryIndexOverride, sse: in.SSESpecificationOverride, vectors: in.VectorIndexOverride,
	})
	if err != nil {
		return nil, err
	}
	t.Restored = &table.Restored{Table: from.ARNValue, At: at, Filling: true}
	w := work{Place: p, Table: t.Name, ID: t.ID, Source: &source{Table: name, TableID: from.ID, At: at}}
	made, err := s.store.CreateTable(ctx, p, t, taken(t.Name), func(tx *kv.Tx) error {
		if err := s.hold(tx, w); err != nil {
			return err
		}
		return s.later(tx, restoreKind, w)
	})
	if err != nil {
		return nil, err
	}
	return &api.RestoreTableToPointInTimeOutput{TableDescription: table.Describe(made.Table, api.TableStatusCreating, c.Now)}, nil
}

// restoreTime is the moment that a request asks for, if it is in the window.
func restoreTime(t *table.Table, in *api.RestoreTableToPointInTimeInput, now time.Time) (time.Time, error) {
	latest := smithy.Val(in.UseLatestRestorableTime)
	switch {
	case t.Recovery == nil:
		return now, notRecoverable(t.Name)
	case latest && in.RestoreDateTime != nil:
		return now, words.BadParameter("UseLatestRestorableTime and RestoreDateTime cannot both be specified")
	case !latest && in.RestoreDateTime == nil:
		return now, words.BadParameter("Either UseLatestRestorableTime or RestoreDateTime must be specified")
	}
	at := t.Recovery.Latest(now)
	if !latest {
		at = in.RestoreDateTime.Truncate(time.Millisecond).UTC()
	}
	if !inWindow(t.Recovery, at, now) {
		return at, api.ErrInvalidRestoreTimeException("An invalid restore time was specified. RestoreDateTime must be between EarliestRestorableDateTime and LatestRestorableDateTime.")
	}
	return at, nil
}

func inWindow(r *table.Recovery, at, now time.Time) bool {
	return !at.Before(r.Earliest(now)) && !at.After(r.Latest(now))
}

func notRecoverable(name string) error {
	return api.ErrPointInTimeRecoveryUnavailableException("Point in time recovery is not enabled for table '%s'", name)
}
