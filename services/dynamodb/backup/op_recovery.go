package backup

import (
	"context"
	"time"

	api "moln.dev/moln/api/dynamodb"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/dynamodb/store"
	"moln.dev/moln/services/dynamodb/table"
)

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
		d.PointInTimeRecoveryStatus = new(api.PointInTimeRecoveryStatusEnabled)
		d.RecoveryPeriodInDays = new(int32(r.Days))
		d.EarliestRestorableDateTime, d.LatestRestorableDateTime = new(r.Earliest(now)), new(r.Latest(now))
	}
	return &api.ContinuousBackupsDescription{ContinuousBackupsStatus: new(api.ContinuousBackupsStatusEnabled), PointInTimeRecoveryDescription: d}
}
