// Package cfn is AWS::DynamoDB::Table, and AWS::DynamoDB::GlobalTable with one
// replica: a table in a template, over the service's operations, called as who
// deploys it. It does not know how tables are stored.
package cfn

import (
	"context"
	"maps"
	"reflect"
	"slices"
	"time"

	api "moln.dev/moln/api/dynamodb"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/clock"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/dynamodb/table"
	"moln.dev/moln/services/dynamodb/words"
)

// tableProperties are AWS::DynamoDB::Table's. Imports, contributor insights and
// Kinesis streams are not there.
type tableProperties struct {
	TableName                 *string
	AttributeDefinitions      []api.AttributeDefinition
	KeySchema                 []api.KeySchemaElement
	BillingMode               *string
	ProvisionedThroughput     *api.ProvisionedThroughput
	GlobalSecondaryIndexes    []globalProperties
	LocalSecondaryIndexes     []api.LocalSecondaryIndex
	TimeToLiveSpecification   *api.TimeToLiveSpecification
	StreamSpecification       *streamProperties
	DeletionProtectionEnabled *bool
	TableClass                *string
	SSESpecification          *sseProperties
	OnDemandThroughput        *api.OnDemandThroughput
	WarmThroughput            *api.WarmThroughput
	ResourcePolicy            *policyProperties
	Tags                      []api.Tag

	PointInTimeRecoverySpecification *api.PointInTimeRecoverySpecification
}

type globalProperties struct {
	IndexName             *string
	KeySchema             []api.KeySchemaElement
	Projection            *api.Projection
	ProvisionedThroughput *api.ProvisionedThroughput
	OnDemandThroughput    *api.OnDemandThroughput
	WarmThroughput        *api.WarmThroughput
}

// streamProperties turn a stream on by being there.
type streamProperties struct{ StreamViewType *string }

func (p *streamProperties) specification() *api.StreamSpecification {
	if p == nil {
		return nil
	}
	return &api.StreamSpecification{StreamEnabled: new(true), StreamViewType: p.StreamViewType}
}

type sseProperties struct {
	SSEEnabled     *bool
	SSEType        *string
	KMSMasterKeyId *string
}

func (p *sseProperties) specification() *api.SSESpecification {
	if p == nil {
		return nil
	}
	return &api.SSESpecification{Enabled: p.SSEEnabled, SSEType: p.SSEType, KMSMasterKeyId: p.KMSMasterKeyId}
}

// Resources lists the types.
func Resources() []service.ResourceType {
	return []service.ResourceType{{
		Name:    "AWS::DynamoDB::Table",
		New:     func() any { return new(tableProperties) },
		Replace: []string{"TableName", "KeySchema", "LocalSecondaryIndexes"},
		Create: func(ctx context.Context, c *service.Call, r *service.Resource) error {
			return createTable(ctx, c, r, r.Properties.(*tableProperties))
		},
		Update: func(ctx context.Context, c *service.Call, r *service.Resource) error {
			return updateTable(ctx, c, r, r.Properties.(*tableProperties), r.Old.(*tableProperties))
		},
		Delete: deleteTableResource,
	}, globalTable()}
}

func createTable(ctx context.Context, c *service.Call, r *service.Resource, p *tableProperties) error {
	policy, err := p.ResourcePolicy.document()
	if err != nil {
		return err
	}
	if p.TableName == nil {
		p.TableName = new(r.GeneratedName(255))
	}
	in := &api.CreateTableInput{
		TableName: p.TableName, AttributeDefinitions: p.AttributeDefinitions, KeySchema: p.KeySchema, BillingMode: p.BillingMode,
		ProvisionedThroughput: p.ProvisionedThroughput, LocalSecondaryIndexes: p.LocalSecondaryIndexes,
		DeletionProtectionEnabled: p.DeletionProtectionEnabled, TableClass: p.TableClass, Tags: resourceTags(p, r),
		StreamSpecification: p.StreamSpecification.specification(), SSESpecification: p.SSESpecification.specification(),
		OnDemandThroughput: p.OnDemandThroughput, WarmThroughput: p.WarmThroughput, ResourcePolicy: policy,
	}
	for _, g := range p.GlobalSecondaryIndexes {
		in.GlobalSecondaryIndexes = append(in.GlobalSecondaryIndexes, api.GlobalSecondaryIndex{
			IndexName: g.IndexName, KeySchema: g.KeySchema, Projection: g.Projection, ProvisionedThroughput: g.ProvisionedThroughput,
			OnDemandThroughput: g.OnDemandThroughput, WarmThroughput: g.WarmThroughput,
		})
	}
	out, err := service.Invoke(ctx, c, api.CreateTable, in)
	if err != nil {
		return err
	}
	r.PhysicalID = *p.TableName
	r.Attributes = attributes(out.TableDescription)
	if t := p.TimeToLiveSpecification; t != nil && smithy.Val(t.Enabled) {
		if _, err = service.Invoke(ctx, c, api.UpdateTimeToLive, &api.UpdateTimeToLiveInput{TableName: p.TableName, TimeToLiveSpecification: t}); err != nil {
			return err
		}
	}
	return updateRecovery(ctx, c, p.TableName, p.PointInTimeRecoverySpecification, nil)
}

// attributes are what templates may ask of a table: StreamArn only where it has a
// stream.
func attributes(t *api.TableDescription) map[string]any {
	out := map[string]any{"Arn": *t.TableArn}
	if t.StreamSpecification != nil {
		out["StreamArn"] = *t.LatestStreamArn
	}
	return out
}

func resourceTags(p *tableProperties, r *service.Resource) []api.Tag {
	var out []api.Tag
	for _, k := range slices.Sorted(maps.Keys(r.Tags)) {
		if !slices.ContainsFunc(p.Tags, func(t api.Tag) bool { return *t.Key == k }) {
			out = append(out, api.Tag{Key: new(k), Value: new(r.Tags[k])})
		}
	}
	return append(out, p.Tags...)
}

func updateTable(ctx context.Context, c *service.Call, r *service.Resource, p, old *tableProperties) error {
	name := &r.PhysicalID
	t, err := service.Invoke(ctx, c, api.DescribeTable, &api.DescribeTableInput{TableName: name})
	if err != nil {
		return err
	}
	r.Attributes = attributes(t.Table)
	if err := updatePolicy(ctx, c, r, p.ResourcePolicy, old.ResourcePolicy); err != nil {
		return err
	}
	if err := updateRecovery(ctx, c, name, p.PointInTimeRecoverySpecification, old.PointInTimeRecoverySpecification); err != nil {
		return err
	}
	if err := updateResourceSettings(ctx, c, name, p, old); err != nil {
		return err
	}
	if err := updateResourceIndexes(ctx, c, name, p, old); err != nil {
		return err
	}
	if err := updateResourceExpiry(ctx, c, name, p.TimeToLiveSpecification, old.TimeToLiveSpecification); err != nil {
		return err
	}
	if !reflect.DeepEqual(p.StreamSpecification, old.StreamSpecification) {
		if err := updateResourceStream(ctx, c, r, p.StreamSpecification.specification(), t.Table.StreamSpecification); err != nil {
			return err
		}
	}
	return updateResourceTags(ctx, c, r, p, old)
}

// updateResourceStream ends the stream that there is and begins the one that is
// wanted: a stream of another view is another stream.
func updateResourceStream(ctx context.Context, c *service.Call, r *service.Resource, want, have *api.StreamSpecification) error {
	if reflect.DeepEqual(want, have) { // an update that is tried again
		return nil
	}
	set := func(s *api.StreamSpecification) error {
		out, err := service.Invoke(ctx, c, api.UpdateTable, &api.UpdateTableInput{TableName: &r.PhysicalID, StreamSpecification: s})
		if err == nil {
			r.Attributes = attributes(out.TableDescription)
		}
		return err
	}
	if have != nil {
		if err := set(&api.StreamSpecification{StreamEnabled: new(false)}); err != nil {
			return err
		}
	}
	if want == nil {
		return nil
	}
	return set(want)
}

func updateResourceSettings(ctx context.Context, c *service.Call, name *string, p, old *tableProperties) error {
	in := &api.UpdateTableInput{TableName: name}
	changed := false
	if smithy.Val(p.BillingMode) != smithy.Val(old.BillingMode) {
		changed, in.BillingMode, in.ProvisionedThroughput = true, p.BillingMode, p.ProvisionedThroughput
		if in.BillingMode == nil {
			in.BillingMode = new(table.Provisioned)
		}
		for _, g := range p.GlobalSecondaryIndexes {
			if g.ProvisionedThroughput != nil && indexNamed(old, *g.IndexName) != nil {
				in.GlobalSecondaryIndexUpdates = append(in.GlobalSecondaryIndexUpdates, api.GlobalSecondaryIndexUpdate{
					Update: &api.UpdateGlobalSecondaryIndexAction{IndexName: g.IndexName, ProvisionedThroughput: g.ProvisionedThroughput},
				})
			}
		}
	} else if p.ProvisionedThroughput != nil && !reflect.DeepEqual(p.ProvisionedThroughput, old.ProvisionedThroughput) {
		changed, in.ProvisionedThroughput = true, p.ProvisionedThroughput
	}
	if !reflect.DeepEqual(p.OnDemandThroughput, old.OnDemandThroughput) {
		if in.OnDemandThroughput = mostOf(p.OnDemandThroughput); smithy.Val(p.BillingMode) == table.OnDemand {
			changed = true
		} else {
			in.OnDemandThroughput = nil // the switch has taken it away
		}
	}
	if p.WarmThroughput != nil && !reflect.DeepEqual(p.WarmThroughput, old.WarmThroughput) {
		changed, in.WarmThroughput = true, p.WarmThroughput
	}
	if !reflect.DeepEqual(p.SSESpecification, old.SSESpecification) {
		if changed, in.SSESpecification = true, p.SSESpecification.specification(); in.SSESpecification == nil {
			in.SSESpecification = &api.SSESpecification{Enabled: new(false)}
		}
	}
	if smithy.Val(p.DeletionProtectionEnabled) != smithy.Val(old.DeletionProtectionEnabled) {
		changed, in.DeletionProtectionEnabled = true, new(smithy.Val(p.DeletionProtectionEnabled))
	}
	if smithy.Val(p.TableClass) != smithy.Val(old.TableClass) {
		changed, in.TableClass = true, p.TableClass
		if in.TableClass == nil {
			in.TableClass = new(api.TableClassStandard)
		}
	}
	if !changed {
		return nil
	}
	_, err := service.Invoke(ctx, c, api.UpdateTable, in)
	return err
}

func indexNamed(p *tableProperties, name string) *globalProperties {
	for i := range p.GlobalSecondaryIndexes {
		if *p.GlobalSecondaryIndexes[i].IndexName == name {
			return &p.GlobalSecondaryIndexes[i]
		}
	}
	return nil
}

// updateResourceIndexes adds or removes one index, as AWS's updates can.
func updateResourceIndexes(ctx context.Context, c *service.Call, name *string, p, old *tableProperties) error {
	var updates []api.GlobalSecondaryIndexUpdate
	structural := 0
	for _, g := range old.GlobalSecondaryIndexes {
		if indexNamed(p, *g.IndexName) == nil {
			structural++
			updates = append(updates, api.GlobalSecondaryIndexUpdate{Delete: &api.DeleteGlobalSecondaryIndexAction{IndexName: g.IndexName}})
		}
	}
	for _, g := range p.GlobalSecondaryIndexes {
		was := indexNamed(old, *g.IndexName)
		switch {
		case was == nil:
			structural++
			updates = append(updates, api.GlobalSecondaryIndexUpdate{Create: &api.CreateGlobalSecondaryIndexAction{
				IndexName: g.IndexName, KeySchema: g.KeySchema, Projection: g.Projection, ProvisionedThroughput: g.ProvisionedThroughput,
				OnDemandThroughput: g.OnDemandThroughput, WarmThroughput: g.WarmThroughput,
			}})
		case !reflect.DeepEqual(was.KeySchema, g.KeySchema) || !reflect.DeepEqual(was.Projection, g.Projection):
			return words.BadParameter("Cannot update GSI's properties other than Provisioned Throughput and Contributor Insights Specification. You can create a new GSI with a different name.")
		default:
			if u := g.changed(was); u != nil {
				updates = append(updates, api.GlobalSecondaryIndexUpdate{Update: u})
			}
		}
	}
	if structural > 1 {
		return words.BadParameter("Cannot perform more than one GSI creation or deletion in a single update")
	}
	if len(updates) == 0 {
		return nil
	}
	in := &api.UpdateTableInput{TableName: name, AttributeDefinitions: p.AttributeDefinitions, GlobalSecondaryIndexUpdates: updates}
	if _, err := service.Invoke(ctx, c, api.UpdateTable, in); err != nil {
		return err
	}
	return awaitIndexes(ctx, c, name)
}

// awaitIndexes waits until the table's indexes are filled.
func awaitIndexes(ctx context.Context, c *service.Call, name *string) error {
	const every = 50 * time.Millisecond
	for {
		t, err := service.Invoke(ctx, c, api.DescribeTable, &api.DescribeTableInput{TableName: name})
		if err != nil {
			return err
		}
		if *t.Table.TableStatus == api.TableStatusActive {
			return nil
		}
		// The wait is for this process's own worker, not for virtual time.
		if err := clock.Sleep(ctx, clock.System(), every); err != nil {
			return err
		}
	}
}

func updateResourceExpiry(ctx context.Context, c *service.Call, name *string, spec, old *api.TimeToLiveSpecification) error {
	if reflect.DeepEqual(spec, old) {
		return nil
	}
	set := func(t *api.TimeToLiveSpecification, on bool) error {
		if t == nil || !smithy.Val(t.Enabled) {
			return nil
		}
		_, err := service.Invoke(ctx, c, api.UpdateTimeToLive, &api.UpdateTimeToLiveInput{
			TableName: name, TimeToLiveSpecification: &api.TimeToLiveSpecification{AttributeName: t.AttributeName, Enabled: &on},
		})
		return err
	}
	if err := set(old, false); err != nil {
		return err
	}
	return set(spec, true)
}

func updateResourceTags(ctx context.Context, c *service.Call, r *service.Resource, p, old *tableProperties) error {
	if reflect.DeepEqual(p.Tags, old.Tags) {
		return nil
	}
	arn := r.Attributes["Arn"].(string)
	var gone []string
	for _, t := range old.Tags {
		if !slices.ContainsFunc(p.Tags, func(n api.Tag) bool { return *n.Key == *t.Key }) {
			gone = append(gone, *t.Key)
		}
	}
	if len(gone) > 0 {
		if _, err := service.Invoke(ctx, c, api.UntagResource, &api.UntagResourceInput{ResourceArn: &arn, TagKeys: gone}); err != nil {
			return err
		}
	}
	if len(p.Tags) == 0 {
		return nil
	}
	_, err := service.Invoke(ctx, c, api.TagResource, &api.TagResourceInput{ResourceArn: &arn, Tags: p.Tags})
	return err
}

func deleteTableResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	_, err := service.Invoke(ctx, c, api.DeleteTable, &api.DeleteTableInput{TableName: &r.PhysicalID})
	if fault.Is(err, "ResourceNotFoundException") {
		return nil
	}
	return err
}
