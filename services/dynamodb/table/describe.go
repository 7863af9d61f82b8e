package table

import (
	"time"

	api "moln.dev/moln/api/dynamodb"
	"moln.dev/moln/services/dynamodb/expr"
)

// Describe writes a table as clients read it.
func Describe(t *Table, status string, now time.Time) *api.TableDescription {
	out := &api.TableDescription{
		TableName: &t.Name, TableId: &t.ID, TableArn: &t.ARNValue, TableStatus: &status, CreationDateTime: &t.Created,
		KeySchema: describeKeys(t.Keys), AttributeDefinitions: []api.AttributeDefinition{},
		ProvisionedThroughput: describeThroughput(t.Throughput, &t.Changes, now),
		ItemCount:             new(int64(0)), TableSizeBytes: new(int64(0)),
		DeletionProtectionEnabled: &t.Protected, OnDemandThroughput: describeMost(t.Most), SSEDescription: t.SSE.describe(),
	}
	warm := t.warmOf(t.Warm, t.Throughput)
	out.WarmThroughput = &api.TableWarmThroughputDescription{
		ReadUnitsPerSecond: &warm.Read, WriteUnitsPerSecond: &warm.Write, Status: new(api.TableStatusActive),
	}
	for _, d := range t.Definitions {
		out.AttributeDefinitions = append(out.AttributeDefinitions, api.AttributeDefinition{AttributeName: new(d.Name), AttributeType: new(d.Kind.String())})
	}
	if t.Billing == OnDemand || !t.OnDemandAt.IsZero() {
		out.BillingModeSummary = &api.BillingModeSummary{BillingMode: &t.Billing, LastUpdateToPayPerRequestDateTime: &t.OnDemandAt}
	}
	if t.Class != "" {
		out.TableClassSummary = &api.TableClassSummary{TableClass: &t.Class}
	}
	t.describeStream(out)
	t.describeRestored(out)
	for i := range t.Indexes {
		describeIndex(out, t, &t.Indexes[i], now)
	}
	return out
}

func describeKeys(k Keys) []api.KeySchemaElement {
	var out []api.KeySchemaElement
	for _, a := range k.Hashes() {
		out = append(out, keyElement(a, api.KeyTypeHash))
	}
	for _, a := range k.Ranges() {
		out = append(out, keyElement(a, api.KeyTypeRange))
	}
	return out
}

func keyElement(a expr.KeyAttribute, kind string) api.KeySchemaElement {
	return api.KeySchemaElement{AttributeName: &a.Name, KeyType: &kind}
}

func describeIndex(out *api.TableDescription, t *Table, x *Index, now time.Time) {
	arn := t.ARNValue + "/index/" + x.Name
	projection := &api.Projection{ProjectionType: &x.Projection, NonKeyAttributes: x.Include}
	switch x.Kind {
	case Local:
		out.LocalSecondaryIndexes = append(out.LocalSecondaryIndexes, api.LocalSecondaryIndexDescription{
			IndexName: &x.Name, IndexArn: &arn, KeySchema: describeKeys(x.Keys), Projection: projection,
			ItemCount: new(int64(0)), IndexSizeBytes: new(int64(0)),
		})
	case Global:
		status := api.IndexStatusActive
		if x.Filling {
			status = api.IndexStatusCreating
		}
		g := api.GlobalSecondaryIndexDescription{
			IndexName: &x.Name, IndexArn: &arn, KeySchema: describeKeys(x.Keys), Projection: projection, IndexStatus: &status,
			ProvisionedThroughput: describeThroughput(x.Throughput, &x.Changes, now), OnDemandThroughput: describeMost(x.Most), ItemCount: new(int64(0)), IndexSizeBytes: new(int64(0)),
		}
		warm := t.warmOf(x.Warm, x.Throughput)
		g.WarmThroughput = &api.GlobalSecondaryIndexWarmThroughputDescription{
			ReadUnitsPerSecond: &warm.Read, WriteUnitsPerSecond: &warm.Write, Status: new(api.IndexStatusActive),
		}
		if x.Filling {
			g.Backfilling = new(true)
		}
		out.GlobalSecondaryIndexes = append(out.GlobalSecondaryIndexes, g)
	}
}

// Status is UPDATING while an index is filled, and CREATING while the table is.
func Status(t *Table) string {
	if t.Hidden() {
		return api.TableStatusCreating
	}
	for i := range t.Indexes {
		if t.Indexes[i].Filling && t.Indexes[i].Kind == Global {
			return api.TableStatusUpdating
		}
	}
	return api.TableStatusActive
}

// Rounded is a time as descriptions show it, in milliseconds.
func Rounded(t time.Time) time.Time { return t.Round(time.Millisecond).UTC() }
