package backup

import (
	"time"

	api "moln.dev/moln/api/dynamodb"
	"moln.dev/moln/services/dynamodb/table"
)

func (b *Backup) details() *api.BackupDetails {
	d := &api.BackupDetails{
		BackupArn: new(b.arn()), BackupName: &b.Name, BackupStatus: &b.Status, BackupType: &b.Type,
		BackupCreationDateTime: &b.Created, BackupSizeBytes: &b.Bytes,
	}
	if !b.Expires.IsZero() {
		d.BackupExpiryDateTime = &b.Expires
	}
	return d
}

func (b *Backup) summary() api.BackupSummary {
	d := b.details()
	return api.BackupSummary{
		TableName: &b.Source.Name, TableId: &b.Source.ID, TableArn: &b.Source.ARNValue,
		BackupArn: d.BackupArn, BackupName: d.BackupName, BackupStatus: d.BackupStatus, BackupType: d.BackupType,
		BackupCreationDateTime: d.BackupCreationDateTime, BackupExpiryDateTime: d.BackupExpiryDateTime, BackupSizeBytes: d.BackupSizeBytes,
	}
}

func (b *Backup) describe(now time.Time) *api.BackupDescription {
	t := table.Describe(b.Source, api.TableStatusActive, now)
	features := &api.SourceTableFeatureDetails{StreamDescription: t.StreamSpecification, SSEDescription: t.SSEDescription}
	if b.Source.TTL != "" {
		features.TimeToLiveDescription = &api.TimeToLiveDescription{TimeToLiveStatus: new(api.TimeToLiveStatusEnabled), AttributeName: &b.Source.TTL}
	}
	for _, l := range t.LocalSecondaryIndexes {
		features.LocalSecondaryIndexes = append(features.LocalSecondaryIndexes, api.LocalSecondaryIndexInfo{IndexName: l.IndexName, KeySchema: l.KeySchema, Projection: l.Projection})
	}
	for _, g := range t.GlobalSecondaryIndexes {
		features.GlobalSecondaryIndexes = append(features.GlobalSecondaryIndexes, api.GlobalSecondaryIndexInfo{
			IndexName: g.IndexName, KeySchema: g.KeySchema, Projection: g.Projection,
			ProvisionedThroughput: throughput(g.ProvisionedThroughput), OnDemandThroughput: g.OnDemandThroughput,
		})
	}
	return &api.BackupDescription{
		BackupDetails: b.details(), SourceTableFeatureDetails: features,
		SourceTableDetails: &api.SourceTableDetails{
			TableName: t.TableName, TableId: t.TableId, TableArn: t.TableArn, KeySchema: t.KeySchema, TableCreationDateTime: t.CreationDateTime,
			TableSizeBytes: &b.Bytes, ItemCount: &b.Items, BillingMode: &b.Source.Billing,
			ProvisionedThroughput: throughput(t.ProvisionedThroughput), OnDemandThroughput: t.OnDemandThroughput,
		},
	}
}

func throughput(d *api.ProvisionedThroughputDescription) *api.ProvisionedThroughput {
	if d == nil {
		return nil
	}
	return &api.ProvisionedThroughput{ReadCapacityUnits: d.ReadCapacityUnits, WriteCapacityUnits: d.WriteCapacityUnits}
}
