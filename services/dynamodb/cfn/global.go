package cfn

import (
	"context"
	"slices"

	api "moln.dev/moln/api/dynamodb"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/dynamodb/table"
)

// globalTableProperties are AWS::DynamoDB::GlobalTable's. A table lives in one
// region, so there is one replica, in the stack's region. Capacity that scales
// itself is not there, so such a table is an on-demand table.
type globalTableProperties struct {
	TableName                          *string
	AttributeDefinitions               []api.AttributeDefinition
	KeySchema                          []api.KeySchemaElement
	BillingMode                        *string
	GlobalSecondaryIndexes             []globalTableIndex
	LocalSecondaryIndexes              []api.LocalSecondaryIndex
	TimeToLiveSpecification            *api.TimeToLiveSpecification
	StreamSpecification                *streamProperties
	SSESpecification                   *globalTableSSE
	WriteOnDemandThroughputSettings    *writeMost
	WarmThroughput                     *api.WarmThroughput
	MultiRegionConsistency             *string
	Replicas                           []replica
	GlobalTableSettingsReplicationMode *string
}

type globalTableIndex struct {
	IndexName                       *string
	KeySchema                       []api.KeySchemaElement
	Projection                      *api.Projection
	WriteOnDemandThroughputSettings *writeMost
	WarmThroughput                  *api.WarmThroughput
}

type globalTableSSE struct {
	SSEEnabled *bool
	SSEType    *string
}

type (
	writeMost struct{ MaxWriteRequestUnits *int64 }
	readMost  struct{ MaxReadRequestUnits *int64 }
)

// replica is what a global table has in one region.
type replica struct {
	Region                           *string
	DeletionProtectionEnabled        *bool
	TableClass                       *string
	Tags                             []api.Tag
	ResourcePolicy                   *policyProperties
	PointInTimeRecoverySpecification *api.PointInTimeRecoverySpecification
	ReadOnDemandThroughputSettings   *readMost
	GlobalSecondaryIndexes           []replicaIndex
	SSESpecification                 *struct{ KMSMasterKeyId *string }
}

type replicaIndex struct {
	IndexName                      *string
	ReadOnDemandThroughputSettings *readMost
}

func globalTable() service.ResourceType {
	with := func(do func(ctx context.Context, c *service.Call, r *service.Resource, p *tableProperties) error) func(context.Context, *service.Call, *service.Resource) error {
		return func(ctx context.Context, c *service.Call, r *service.Resource) error {
			p, err := r.Properties.(*globalTableProperties).table(c.Region)
			if err != nil {
				return err
			}
			if err := do(ctx, c, r, p); err != nil {
				return err
			}
			t, err := service.Invoke(ctx, c, api.DescribeTable, &api.DescribeTableInput{TableName: &r.PhysicalID})
			if err == nil {
				r.Attributes["TableId"] = *t.Table.TableId
			}
			return err
		}
	}
	return service.ResourceType{
		Name:    "AWS::DynamoDB::GlobalTable",
		New:     func() any { return new(globalTableProperties) },
		Replace: []string{"TableName", "KeySchema", "LocalSecondaryIndexes"},
		Create:  with(createTable),
		Update: with(func(ctx context.Context, c *service.Call, r *service.Resource, p *tableProperties) error {
			old, err := r.Old.(*globalTableProperties).table(c.Region)
			if err != nil {
				return err
			}
			return updateTable(ctx, c, r, p, old)
		}),
		Delete: deleteTableResource,
	}
}

// table is the table that a global table with one replica is.
func (g *globalTableProperties) table(region string) (*tableProperties, error) {
	switch {
	case len(g.Replicas) != 1 || smithy.Val(g.Replicas[0].Region) != region:
		return nil, refuse("moln has no global tables: there must be one replica, in %s", region)
	case smithy.Val(g.BillingMode) != table.OnDemand:
		return nil, refuse("moln does not scale provisioned capacity: BillingMode of a global table must be PAY_PER_REQUEST")
	case smithy.Val(g.MultiRegionConsistency) == api.MultiRegionConsistencyStrong || g.GlobalTableSettingsReplicationMode != nil:
		return nil, refuse("moln has no global tables: there are no settings of replication")
	}
	r := &g.Replicas[0]
	p := &tableProperties{
		TableName: g.TableName, AttributeDefinitions: g.AttributeDefinitions, KeySchema: g.KeySchema, BillingMode: g.BillingMode,
		LocalSecondaryIndexes: g.LocalSecondaryIndexes, TimeToLiveSpecification: g.TimeToLiveSpecification,
		StreamSpecification: g.StreamSpecification, DeletionProtectionEnabled: r.DeletionProtectionEnabled, TableClass: r.TableClass,
		OnDemandThroughput: most(g.WriteOnDemandThroughputSettings, r.ReadOnDemandThroughputSettings), WarmThroughput: g.WarmThroughput,
		ResourcePolicy: r.ResourcePolicy, Tags: r.Tags, PointInTimeRecoverySpecification: r.PointInTimeRecoverySpecification,
	}
	if s := g.SSESpecification; s != nil {
		p.SSESpecification = &sseProperties{SSEEnabled: s.SSEEnabled, SSEType: s.SSEType}
		if r.SSESpecification != nil {
			p.SSESpecification.KMSMasterKeyId = r.SSESpecification.KMSMasterKeyId
		}
	}
	for _, x := range g.GlobalSecondaryIndexes {
		var reads *readMost
		if i := slices.IndexFunc(r.GlobalSecondaryIndexes, func(o replicaIndex) bool { return *o.IndexName == *x.IndexName }); i >= 0 {
			reads = r.GlobalSecondaryIndexes[i].ReadOnDemandThroughputSettings
		}
		p.GlobalSecondaryIndexes = append(p.GlobalSecondaryIndexes, globalProperties{
			IndexName: x.IndexName, KeySchema: x.KeySchema, Projection: x.Projection, WarmThroughput: x.WarmThroughput,
			OnDemandThroughput: most(x.WriteOnDemandThroughputSettings, reads),
		})
	}
	return p, nil
}

func most(w *writeMost, r *readMost) *api.OnDemandThroughput {
	if w == nil && r == nil {
		return nil
	}
	out := &api.OnDemandThroughput{}
	if w != nil {
		out.MaxWriteRequestUnits = w.MaxWriteRequestUnits
	}
	if r != nil {
		out.MaxReadRequestUnits = r.MaxReadRequestUnits
	}
	return out
}
