package backup

import (
	"context"
	"slices"

	api "moln.dev/moln/api/dynamodb"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/dynamodb/table"
	"moln.dev/moln/services/dynamodb/words"
)

// overrides are what a request wants of a restored table that is other than in
// its source.
type overrides struct {
	name    string
	billing *string
	units   *api.ProvisionedThroughput
	most    *api.OnDemandThroughput
	global  []api.GlobalSecondaryIndex
	local   []api.LocalSecondaryIndex
	sse     *api.SSESpecification
	vectors []api.VectorIndex
}

// target makes the table that a source is restored to. Tags, policies, streams,
// expiry, recovery and protection are not restored, as AWS says.
func (s *Service) target(ctx context.Context, c *service.Call, source *table.Table, o overrides) (*table.Table, error) {
	if err := words.TableName(o.name, leastName); err != nil {
		return nil, err
	}
	if o.vectors != nil {
		return nil, words.BadParameter("moln has no vector indexes")
	}
	in, err := request(source, o, table.Describe(source, api.TableStatusActive, c.Now))
	if err != nil {
		return nil, err
	}
	t, err := table.New(in)
	if err != nil {
		return nil, err
	}
	t.SSE = source.SSE
	if o.sse != nil {
		if t.SSE, err = s.encrypt(ctx, c, o.sse); err != nil {
			return nil, err
		}
	}
	s.stamp(c, t)
	return t, nil
}

// leastName is how short names of tables may be.
const leastName = 3

// stamp gives a new table what no other has.
func (s *Service) stamp(c *service.Call, t *table.Table) {
	t.ID, t.Created, t.ARNValue = s.ids.UUID(), table.Rounded(c.Now), tableARN(c, t.Name)
	if t.Billing == table.OnDemand {
		t.OnDemandAt = t.Created
	}
}

// request is what would have made the restored table.
func request(source *table.Table, o overrides, d *api.TableDescription) (*api.CreateTableInput, error) {
	in := &api.CreateTableInput{TableName: &o.name, KeySchema: d.KeySchema, BillingMode: &source.Billing, TableClass: nil}
	if source.Class != "" {
		in.TableClass = &source.Class
	}
	if o.billing != nil {
		in.BillingMode = o.billing
	}
	provisioned := *in.BillingMode == table.Provisioned
	if provisioned && source.Billing == table.Provisioned {
		in.ProvisionedThroughput = throughput(d.ProvisionedThroughput)
	}
	if o.units != nil {
		in.ProvisionedThroughput = o.units
	}
	if in.OnDemandThroughput = o.most; o.most == nil && !provisioned {
		in.OnDemandThroughput = d.OnDemandThroughput
	}
	if err := keepIndexes(in, source, o, d); err != nil {
		return nil, err
	}
	for _, a := range d.AttributeDefinitions {
		if uses(in, *a.AttributeName) {
			in.AttributeDefinitions = append(in.AttributeDefinitions, a)
		}
	}
	return in, nil
}

// keepIndexes are the source's, or those of them that are named.
func keepIndexes(in *api.CreateTableInput, source *table.Table, o overrides, d *api.TableDescription) error {
	provisioned := *in.BillingMode == table.Provisioned
	for _, g := range d.GlobalSecondaryIndexes {
		x := api.GlobalSecondaryIndex{IndexName: g.IndexName, KeySchema: g.KeySchema, Projection: g.Projection}
		if provisioned && source.Billing == table.Provisioned {
			x.ProvisionedThroughput = throughput(g.ProvisionedThroughput)
		}
		if !provisioned {
			x.OnDemandThroughput = g.OnDemandThroughput
		}
		if o.global != nil {
			i := slices.IndexFunc(o.global, func(w api.GlobalSecondaryIndex) bool { return *w.IndexName == *g.IndexName })
			if i < 0 {
				continue
			}
			w := o.global[i]
			if !sameIndex(w.KeySchema, w.Projection, g.KeySchema, g.Projection) {
				return words.BadParameter("GlobalSecondaryIndexOverride does not match the source table's index: %s", *g.IndexName)
			}
			if w.ProvisionedThroughput != nil {
				x.ProvisionedThroughput = w.ProvisionedThroughput
			}
			if w.OnDemandThroughput != nil {
				x.OnDemandThroughput = w.OnDemandThroughput
			}
		}
		in.GlobalSecondaryIndexes = append(in.GlobalSecondaryIndexes, x)
	}
	for _, l := range d.LocalSecondaryIndexes {
		if o.local != nil {
			i := slices.IndexFunc(o.local, func(w api.LocalSecondaryIndex) bool { return *w.IndexName == *l.IndexName })
			if i < 0 {
				continue
			}
			if !sameIndex(o.local[i].KeySchema, o.local[i].Projection, l.KeySchema, l.Projection) {
				return words.BadParameter("LocalSecondaryIndexOverride does not match the source table's index: %s", *l.IndexName)
			}
		}
		in.LocalSecondaryIndexes = append(in.LocalSecondaryIndexes, api.LocalSecondaryIndex{IndexName: l.IndexName, KeySchema: l.KeySchema, Projection: l.Projection})
	}
	return knownIndexes(source, o)
}

// knownIndexes refuses indexes that the source does not have.
func knownIndexes(source *table.Table, o overrides) error {
	for _, g := range o.global {
		if x := source.Index(*g.IndexName); x == nil || x.Kind != table.Global {
			return words.BadParameter("GlobalSecondaryIndexOverride names an index that the source table does not have: %s", *g.IndexName)
		}
	}
	for _, l := range o.local {
		if x := source.Index(*l.IndexName); x == nil || x.Kind != table.Local {
			return words.BadParameter("LocalSecondaryIndexOverride names an index that the source table does not have: %s", *l.IndexName)
		}
	}
	return nil
}

func sameIndex(keys []api.KeySchemaElement, p *api.Projection, other []api.KeySchemaElement, q *api.Projection) bool {
	same := func(a, b api.KeySchemaElement) bool {
		return *a.AttributeName == *b.AttributeName && *a.KeyType == *b.KeyType
	}
	if p == nil {
		return false
	}
	a, b := slices.Sorted(slices.Values(p.NonKeyAttributes)), slices.Sorted(slices.Values(q.NonKeyAttributes))
	return slices.EqualFunc(keys, other, same) && smithy.Val(p.ProjectionType) == smithy.Val(q.ProjectionType) && slices.Equal(a, b)
}

// uses reports whether an attribute is of the key of a table or an index.
func uses(in *api.CreateTableInput, name string) bool {
	has := func(keys []api.KeySchemaElement) bool {
		return slices.ContainsFunc(keys, func(e api.KeySchemaElement) bool { return *e.AttributeName == name })
	}
	return has(in.KeySchema) ||
		slices.ContainsFunc(in.GlobalSecondaryIndexes, func(g api.GlobalSecondaryIndex) bool { return has(g.KeySchema) }) ||
		slices.ContainsFunc(in.LocalSecondaryIndexes, func(l api.LocalSecondaryIndex) bool { return has(l.KeySchema) })
}
