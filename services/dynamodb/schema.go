package dynamodb

import (
	"slices"
	"strings"
	"time"

	api "moln.dev/moln/api/dynamodb"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/services/dynamodb/expr"
	"moln.dev/moln/services/dynamodb/item"
)

// Limits of AWS.
const (
	maxItemBytes  = 400 << 10
	maxHashBytes  = 2048
	maxRangeBytes = 1024
	maxLocal      = 5
	maxGlobal     = 20
	maxTags       = 50
)

// Billing modes, as the API names them.
const (
	provisioned = "PROVISIONED"
	onDemand    = "PAY_PER_REQUEST"
)

// tableMeta is a table as it is stored.
type tableMeta struct {
	Name, ID, ARNValue string
	Created            time.Time
	keys
	Billing     string
	OnDemandAt  time.Time `json:",omitzero"`
	Throughput  throughput
	Class       string            `json:",omitempty"`
	Protected   bool              `json:",omitempty"`
	Tags        map[string]string `json:",omitempty"`
	Definitions []expr.KeyAttribute
	Indexes     []index `json:",omitempty"`
	// TTL is the attribute that holds the time of expiry, "" for none.
	TTL string `json:",omitempty"`
}

type throughput struct{ Read, Write int64 }

// keys are the attributes that a table or index is ordered by.
type keys struct {
	Hash  expr.KeyAttribute
	Range expr.KeyAttribute `json:",omitzero"`
}

// Kinds of indexes.
type indexKind uint8

const (
	globalIndex indexKind = iota + 1
	localIndex
	expiryIndex
)

// index is a secondary index as it is stored.
type index struct {
	Name, ID string
	Kind     indexKind
	keys
	Projection string
	Include    []string `json:",omitempty"`
	Throughput throughput
	Filling    bool `json:",omitempty"`
}

// names lists the key attributes.
func (k keys) names() []string {
	if k.Range.Name == "" {
		return []string{k.Hash.Name}
	}
	return []string{k.Hash.Name, k.Range.Name}
}

func (k keys) has(name string) bool { return k.Hash.Name == name || k.Range.Name == name }

// index finds an index by name; the one for expiry has none.
func (t *tableMeta) index(name string) *index {
	for i := range t.Indexes {
		if t.Indexes[i].Name == name && t.Indexes[i].Kind != expiryIndex {
			return &t.Indexes[i]
		}
	}
	return nil
}

func (t *tableMeta) hasLocal() bool {
	return slices.ContainsFunc(t.Indexes, func(x index) bool { return x.Kind == localIndex })
}

// project gives the part of an item that an index holds.
func (x *index) project(t *tableMeta, m item.Map) item.Map {
	if x.Projection == api.ProjectionTypeAll {
		return m
	}
	out := make(item.Map, 0, 8)
	for i := range m {
		if x.holds(t, m[i].Name) {
			out = append(out, m[i])
		}
	}
	return out
}

// holds reports whether an index has the attribute.
func (x *index) holds(t *tableMeta, name string) bool {
	return x.Projection == api.ProjectionTypeAll || t.has(name) || x.has(name) || slices.Contains(x.Include, name)
}

// newTable makes a table of a request, or says what AWS says.
func newTable(in *api.CreateTableInput) (*tableMeta, error) {
	t := &tableMeta{Name: *in.TableName, Billing: smithy.Val(in.BillingMode), Class: smithy.Val(in.TableClass), Protected: smithy.Val(in.DeletionProtectionEnabled)}
	if t.Billing == "" {
		t.Billing = provisioned
	}
	var err error
	if t.Throughput, err = readThroughput(t.Billing, in.ProvisionedThroughput, ""); err != nil {
		return nil, err
	}
	if t.Definitions, err = readDefinitions(in.AttributeDefinitions); err != nil {
		return nil, err
	}
	if t.keys, err = readKeys(in.KeySchema, t.Definitions); err != nil {
		return nil, err
	}
	if err := t.readIndexes(in); err != nil {
		return nil, err
	}
	return t, t.checkDefinitionsUsed()
}

func readThroughput(billing string, p *api.ProvisionedThroughput, index string) (throughput, error) {
	if billing == onDemand {
		if p != nil && (smithy.Val(p.ReadCapacityUnits) != 0 || smithy.Val(p.WriteCapacityUnits) != 0) {
			return throughput{}, badParameter("Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST")
		}
		return throughput{}, nil
	}
	if p == nil {
		if index != "" {
			return throughput{}, badParameter("ReadCapacityUnits and WriteCapacityUnits must both be specified for index: %s", index)
		}
		return throughput{}, badParameter("ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED")
	}
	return throughput{*p.ReadCapacityUnits, *p.WriteCapacityUnits}, nil
}

func readDefinitions(in []api.AttributeDefinition) ([]expr.KeyAttribute, error) {
	var out []expr.KeyAttribute
	for _, d := range in {
		a := expr.KeyAttribute{Name: *d.AttributeName, Kind: item.KindOf(*d.AttributeType)}
		if slices.ContainsFunc(out, func(o expr.KeyAttribute) bool { return o.Name == a.Name }) {
			return nil, badParameter("Duplicate AttributeDefinition: %s", a.Name)
		}
		out = append(out, a)
	}
	return out, nil
}

// readKeys reads a key schema, whose attributes must be defined.
func readKeys(in []api.KeySchemaElement, defs []expr.KeyAttribute) (k keys, err error) {
	if len(in) > 2 {
		shown := make([]string, len(in))
		for i, e := range in {
			shown[i] = "KeySchemaElement(attributeName=" + *e.AttributeName + ", keyType=" + *e.KeyType + ")"
		}
		return k, invalid("1 validation error detected: Value '[%s]' at 'keySchema' failed to satisfy constraint: Member must have length less than or equal to 2", strings.Join(shown, ", "))
	}
	if *in[0].KeyType != api.KeyTypeHash {
		return k, invalid("Invalid KeySchema: The first KeySchemaElement is not a HASH key type")
	}
	if len(in) == 2 && *in[1].KeyType != api.KeyTypeRange {
		return k, invalid("Invalid KeySchema: The second KeySchemaElement is not a RANGE key type")
	}
	if len(in) > len(defs) {
		return k, invalid("Invalid KeySchema: Some index key attribute have no definition")
	}
	if len(in) == 2 && *in[0].AttributeName == *in[1].AttributeName {
		return k, badParameter("Both the Hash Key and the Range Key element in the KeySchema have the same name")
	}
	if k.Hash, err = defined(*in[0].AttributeName, in, defs); err != nil || len(in) == 1 {
		return k, err
	}
	k.Range, err = defined(*in[1].AttributeName, in, defs)
	return k, err
}

func defined(name string, in []api.KeySchemaElement, defs []expr.KeyAttribute) (expr.KeyAttribute, error) {
	for _, d := range defs {
		if d.Name == name {
			return d, nil
		}
	}
	var wanted []string
	for _, e := range in {
		wanted = append(wanted, *e.AttributeName)
	}
	return expr.KeyAttribute{}, badParameter("Some index key attributes are not defined in AttributeDefinitions. Keys: [%s], AttributeDefinitions: [%s]", strings.Join(wanted, ", "), definitionNames(defs))
}

func definitionNames(defs []expr.KeyAttribute) string {
	names := make([]string, len(defs))
	for i, d := range defs {
		names[i] = d.Name
	}
	return strings.Join(names, ", ")
}

func (t *tableMeta) readIndexes(in *api.CreateTableInput) error {
	switch {
	case in.LocalSecondaryIndexes != nil && len(in.LocalSecondaryIndexes) == 0:
		return badParameter("List of LocalSecondaryIndexes is empty")
	case in.GlobalSecondaryIndexes != nil && len(in.GlobalSecondaryIndexes) == 0:
		return badParameter("List of GlobalSecondaryIndexes is empty")
	case len(in.LocalSecondaryIndexes) > 0 && t.Range.Name == "":
		return badParameter("Table KeySchema does not have a range key, which is required when specifying a LocalSecondaryIndex")
	case len(in.LocalSecondaryIndexes) > maxLocal:
		return badParameter("Number of LocalSecondaryIndexes exceeds per-table limit of %d", maxLocal)
	case len(in.GlobalSecondaryIndexes) > maxGlobal:
		return badParameter("GlobalSecondaryIndex count exceeds the per-table limit of %d", maxGlobal)
	}
	for _, l := range in.LocalSecondaryIndexes {
		if err := t.addLocal(l); err != nil {
			return err
		}
	}
	for _, g := range in.GlobalSecondaryIndexes {
		if g.OnDemandThroughput != nil || g.WarmThroughput != nil {
			return badParameter("moln does not limit or warm up the throughput of indexes")
		}
		if _, err := t.addGlobal(*g.IndexName, g.KeySchema, g.Projection, g.ProvisionedThroughput); err != nil {
			return err
		}
	}
	return nil
}

func (t *tableMeta) addLocal(l api.LocalSecondaryIndex) error {
	x, err := t.newIndex(*l.IndexName, localIndex, l.KeySchema, l.Projection)
	if err != nil {
		return err
	}
	if x.Hash.Name != t.Hash.Name {
		return badParameter("Index KeySchema does not have the same leading hash key as table KeySchema for index: %s. index hash key: %s, table hash key: %s", x.Name, x.Hash.Name, t.Hash.Name)
	}
	if x.Range.Name == "" {
		return badParameter("Index KeySchema does not have a range key for index: %s", x.Name)
	}
	t.Indexes = append(t.Indexes, x)
	return nil
}

func (t *tableMeta) addGlobal(name string, schema []api.KeySchemaElement, p *api.Projection, pt *api.ProvisionedThroughput) (*index, error) {
	x, err := t.newIndex(name, globalIndex, schema, p)
	if err != nil {
		return nil, err
	}
	if x.Throughput, err = readThroughput(t.Billing, pt, name); err != nil {
		return nil, err
	}
	t.Indexes = append(t.Indexes, x)
	return &t.Indexes[len(t.Indexes)-1], nil
}

func (t *tableMeta) newIndex(name string, kind indexKind, schema []api.KeySchemaElement, p *api.Projection) (index, error) {
	x := index{Name: name, ID: name, Kind: kind}
	if t.index(name) != nil {
		return x, badParameter("Duplicate index name: %s", name)
	}
	var err error
	if x.keys, err = readKeys(schema, t.Definitions); err != nil {
		return x, err
	}
	x.Projection, x.Include = smithy.Val(p.ProjectionType), p.NonKeyAttributes
	switch {
	case x.Projection == "":
		return x, badParameter("Unknown ProjectionType: null")
	case x.Projection == api.ProjectionTypeInclude && len(x.Include) == 0:
		return x, badParameter("ProjectionType is %s, but NonKeyAttributes is not specified", x.Projection)
	case x.Projection != api.ProjectionTypeInclude && p.NonKeyAttributes != nil:
		return x, badParameter("ProjectionType is %s, but NonKeyAttributes is specified", x.Projection)
	}
	return x, nil
}

// checkDefinitionsUsed refuses definitions of attributes that are in no key.
func (t *tableMeta) checkDefinitionsUsed() error {
	used := t.names()
	for _, x := range t.Indexes {
		for _, n := range x.names() {
			if !slices.Contains(used, n) {
				used = append(used, n)
			}
		}
	}
	if len(used) == len(t.Definitions) {
		return nil
	}
	if len(t.Indexes) == 0 {
		return badParameter("Number of attributes in KeySchema does not exactly match number of attributes defined in AttributeDefinitions")
	}
	return badParameter("Some AttributeDefinitions are not used. AttributeDefinitions: [%s], keys used: [%s]", definitionNames(t.Definitions), strings.Join(used, ", "))
}
