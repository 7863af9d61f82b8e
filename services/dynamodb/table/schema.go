// Package table is a table's record: its keys, indexes and settings, what
// CreateTable and UpdateTable may make of it, and which items and keys fit it.
//
// It is pure: it stores nothing and has no clock. Package store keeps records.
package table

import (
	"slices"
	"strings"
	"time"

	api "moln.dev/moln/api/dynamodb"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/services/dynamodb/expr"
	"moln.dev/moln/services/dynamodb/item"
	"moln.dev/moln/services/dynamodb/words"
)

// Limits of AWS.
const (
	MaxItemBytes  = 400 << 10
	maxHashBytes  = 2048
	maxRangeBytes = 1024
	maxLocal      = 5
	maxGlobal     = 20
	// maxKeyAttributes is how many a partition key, and a sort key, of a global
	// index may have.
	maxKeyAttributes = 4
)

// Billing modes, as the API names them.
const (
	Provisioned = "PROVISIONED"
	OnDemand    = "PAY_PER_REQUEST"
)

// Table is a table as it is stored.
type Table struct {
	Name, ID, ARNValue string
	Created            time.Time
	Keys
	Billing    string
	OnDemandAt time.Time `json:",omitzero"`
	Throughput Throughput
	// Most limits an on-demand table; 0 is no limit.
	Most    Throughput `json:",omitzero"`
	Changes Changes    `json:",omitzero"`
	Warm    Throughput `json:",omitzero"`
	Policy  *Policy    `json:",omitempty"`
	// SSE is the KMS key of the table, nil for the service's own.
	SSE         *Encryption       `json:",omitempty"`
	Class       string            `json:",omitempty"`
	Protected   bool              `json:",omitempty"`
	Tags        map[string]string `json:",omitempty"`
	Definitions []expr.KeyAttribute
	Indexes     []Index `json:",omitempty"`
	// TTL is the attribute that holds the time of expiry, "" for none.
	TTL string `json:",omitempty"`
	// Stream records the changes; nil: nothing does.
	Stream *Stream `json:",omitempty"`
	// LastStream is the label of the newest stream, which may have ended.
	LastStream string `json:",omitempty"`
	// Captures are the logs, besides the stream, that changes are recorded in.
	Captures []string  `json:",omitempty"`
	Recovery *Recovery `json:",omitempty"`
	Restored *Restored `json:",omitempty"`
}

// Throughput is what is provisioned, in units a second.
type Throughput struct{ Read, Write int64 }

// Keys are the attributes that a table or index is ordered by.
type Keys struct {
	Hash  expr.KeyAttribute
	Range expr.KeyAttribute `json:",omitzero"`
	// More are what a global index has besides: its keys may be of several
	// attributes each.
	HashMore  []expr.KeyAttribute `json:",omitempty"`
	RangeMore []expr.KeyAttribute `json:",omitempty"`
}

// Kinds of indexes.
type IndexKind uint8

const (
	Global IndexKind = iota + 1
	Local
	Expiry
)

// Index is a secondary index as it is stored.
type Index struct {
	Name, ID string
	Kind     IndexKind
	Keys
	Projection string
	Include    []string `json:",omitempty"`
	Throughput Throughput
	Most       Throughput `json:",omitzero"`
	Changes    Changes    `json:",omitzero"`
	Warm       Throughput `json:",omitzero"`
	Filling    bool       `json:",omitempty"`
}

// Names lists the key attributes.
func (k Keys) Names() []string {
	names := []string{k.Hash.Name}
	for _, a := range k.HashMore {
		names = append(names, a.Name)
	}
	if k.Range.Name != "" {
		names = append(names, k.Range.Name)
	}
	for _, a := range k.RangeMore {
		names = append(names, a.Name)
	}
	return names
}

// Has reports whether the attribute is one of the keys.
func (k Keys) Has(name string) bool {
	is := func(a expr.KeyAttribute) bool { return a.Name == name }
	return is(k.Hash) || is(k.Range) || slices.ContainsFunc(k.HashMore, is) || slices.ContainsFunc(k.RangeMore, is)
}

// Hashes are the attributes of the partition key.
func (k Keys) Hashes() []expr.KeyAttribute {
	return append([]expr.KeyAttribute{k.Hash}, k.HashMore...)
}

// Ranges are the attributes of the sort key, the first of which counts most.
func (k Keys) Ranges() []expr.KeyAttribute {
	if k.Range.Name == "" {
		return nil
	}
	return append([]expr.KeyAttribute{k.Range}, k.RangeMore...)
}

// Index finds an index by name; the one for expiry has none.
func (t *Table) Index(name string) *Index {
	for i := range t.Indexes {
		if t.Indexes[i].Name == name && t.Indexes[i].Kind != Expiry {
			return &t.Indexes[i]
		}
	}
	return nil
}

// HasLocal reports whether the table has local indexes.
func (t *Table) HasLocal() bool {
	return slices.ContainsFunc(t.Indexes, func(x Index) bool { return x.Kind == Local })
}

// Project gives the part of an item that an index holds.
func (x *Index) Project(t *Table, m item.Map) item.Map {
	if x.Projection == api.ProjectionTypeAll {
		return m
	}
	out := make(item.Map, 0, 8)
	for i := range m {
		if x.Holds(t, m[i].Name) {
			out = append(out, m[i])
		}
	}
	return out
}

// Holds reports whether an index has the attribute.
func (x *Index) Holds(t *Table, name string) bool {
	return x.Projection == api.ProjectionTypeAll || t.Has(name) || x.Has(name) || slices.Contains(x.Include, name)
}

// New makes a table of a request, or says what AWS says.
func New(in *api.CreateTableInput) (*Table, error) {
	t := &Table{Name: *in.TableName, Billing: smithy.Val(in.BillingMode), Class: smithy.Val(in.TableClass), Protected: smithy.Val(in.DeletionProtectionEnabled)}
	if t.Billing == "" {
		t.Billing = Provisioned
	}
	var err error
	if t.Throughput, err = readThroughput(t.Billing, in.ProvisionedThroughput, ""); err != nil {
		return nil, err
	}
	if err := t.readLimits(in.OnDemandThroughput, in.WarmThroughput); err != nil {
		return nil, err
	}
	if t.Definitions, err = readDefinitions(in.AttributeDefinitions); err != nil {
		return nil, err
	}
	if t.Keys, err = readKeys(in.KeySchema, t.Definitions); err != nil {
		return nil, err
	}
	if err := t.readIndexes(in); err != nil {
		return nil, err
	}
	if t.Stream, err = newStream(in.StreamSpecification); err != nil {
		return nil, err
	}
	if t.Stream != nil {
		t.Stream.Shards = t.streamShards()
	}
	return t, t.checkDefinitionsUsed()
}

func readThroughput(billing string, p *api.ProvisionedThroughput, index string) (Throughput, error) {
	if billing == OnDemand {
		if p != nil && (smithy.Val(p.ReadCapacityUnits) != 0 || smithy.Val(p.WriteCapacityUnits) != 0) {
			return Throughput{}, words.BadParameter("Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST")
		}
		return Throughput{}, nil
	}
	if p == nil {
		if index != "" {
			return Throughput{}, words.BadParameter("ReadCapacityUnits and WriteCapacityUnits must both be specified for index: %s", index)
		}
		return Throughput{}, words.BadParameter("ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED")
	}
	return Throughput{*p.ReadCapacityUnits, *p.WriteCapacityUnits}, nil
}

func readDefinitions(in []api.AttributeDefinition) ([]expr.KeyAttribute, error) {
	var out []expr.KeyAttribute
	for _, d := range in {
		a := expr.KeyAttribute{Name: *d.AttributeName, Kind: item.KindOf(*d.AttributeType)}
		if slices.ContainsFunc(out, func(o expr.KeyAttribute) bool { return o.Name == a.Name }) {
			return nil, words.BadParameter("Duplicate AttributeDefinition: %s", a.Name)
		}
		out = append(out, a)
	}
	return out, nil
}

// readKeys reads a key schema, whose attributes must be defined.
func readKeys(in []api.KeySchemaElement, defs []expr.KeyAttribute) (k Keys, err error) {
	if len(in) == 0 {
		return k, words.Refuse("1 validation error detected: Value null at 'keySchema' failed to satisfy constraint: Member must not be null")
	}
	if len(in) > 2 {
		shown := make([]string, len(in))
		for i, e := range in {
			shown[i] = "KeySchemaElement(attributeName=" + *e.AttributeName + ", keyType=" + *e.KeyType + ")"
		}
		return k, words.Refuse("1 validation error detected: Value '[%s]' at 'keySchema' failed to satisfy constraint: Member must have length less than or equal to 2", strings.Join(shown, ", "))
	}
	if *in[0].KeyType != api.KeyTypeHash {
		return k, words.Refuse("Invalid KeySchema: The first KeySchemaElement is not a HASH key type")
	}
	if len(in) == 2 && *in[1].KeyType != api.KeyTypeRange {
		return k, words.Refuse("Invalid KeySchema: The second KeySchemaElement is not a RANGE key type")
	}
	if len(in) > len(defs) {
		return k, words.Refuse("Invalid KeySchema: Some index key attribute have no definition")
	}
	if len(in) == 2 && *in[0].AttributeName == *in[1].AttributeName {
		return k, words.BadParameter("Both the Hash Key and the Range Key element in the KeySchema have the same name")
	}
	if k.Hash, err = defined(*in[0].AttributeName, in, defs); err != nil || len(in) == 1 {
		return k, err
	}
	k.Range, err = defined(*in[1].AttributeName, in, defs)
	return k, err
}

// readGlobalKeys reads a key schema whose keys may have several attributes.
func readGlobalKeys(in []api.KeySchemaElement, defs []expr.KeyAttribute) (k Keys, err error) {
	isHash := func(e api.KeySchemaElement) bool { return *e.KeyType == api.KeyTypeHash }
	hashes := slices.IndexFunc(in, func(e api.KeySchemaElement) bool { return !isHash(e) })
	if hashes < 0 {
		hashes = len(in)
	}
	if len(in) <= 2 && hashes < 2 {
		return readKeys(in, defs)
	}
	switch {
	case hashes == 0:
		return k, words.Refuse("Invalid KeySchema: The first KeySchemaElement is not a HASH key type")
	case slices.ContainsFunc(in[hashes:], isHash):
		return k, words.Refuse("Invalid KeySchema: HASH key types must come before RANGE key types")
	case hashes > maxKeyAttributes || len(in)-hashes > maxKeyAttributes:
		return k, words.BadParameter("The KeySchema of a global secondary index can have at most %d HASH and %d RANGE key types", maxKeyAttributes, maxKeyAttributes)
	}
	attributes := make([]expr.KeyAttribute, len(in))
	for i, e := range in {
		if slices.ContainsFunc(attributes[:i], func(a expr.KeyAttribute) bool { return a.Name == *e.AttributeName }) {
			return k, words.BadParameter("Duplicate attribute in the KeySchema: %s", *e.AttributeName)
		}
		if attributes[i], err = defined(*e.AttributeName, in, defs); err != nil {
			return k, err
		}
	}
	k.Hash, k.HashMore = attributes[0], attributes[1:hashes:hashes]
	if hashes < len(in) {
		k.Range, k.RangeMore = attributes[hashes], attributes[hashes+1:]
	}
	return k, nil
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
	return expr.KeyAttribute{}, words.BadParameter("Some index key attributes are not defined in AttributeDefinitions. Keys: [%s], AttributeDefinitions: [%s]", strings.Join(wanted, ", "), definitionNames(defs))
}

func definitionNames(defs []expr.KeyAttribute) string {
	names := make([]string, len(defs))
	for i, d := range defs {
		names[i] = d.Name
	}
	return strings.Join(names, ", ")
}

func (t *Table) readIndexes(in *api.CreateTableInput) error {
	switch {
	case in.LocalSecondaryIndexes != nil && len(in.LocalSecondaryIndexes) == 0:
		return words.BadParameter("List of LocalSecondaryIndexes is empty")
	case in.GlobalSecondaryIndexes != nil && len(in.GlobalSecondaryIndexes) == 0:
		return words.BadParameter("List of GlobalSecondaryIndexes is empty")
	case len(in.LocalSecondaryIndexes) > 0 && t.Range.Name == "":
		return words.BadParameter("Table KeySchema does not have a range key, which is required when specifying a LocalSecondaryIndex")
	case len(in.LocalSecondaryIndexes) > maxLocal:
		return words.BadParameter("Number of LocalSecondaryIndexes exceeds per-table limit of %d", maxLocal)
	case len(in.GlobalSecondaryIndexes) > maxGlobal:
		return words.BadParameter("GlobalSecondaryIndex count exceeds the per-table limit of %d", maxGlobal)
	}
	for _, l := range in.LocalSecondaryIndexes {
		if err := t.addLocal(l); err != nil {
			return err
		}
	}
	for _, g := range in.GlobalSecondaryIndexes {
		x, err := t.addGlobal(*g.IndexName, g.KeySchema, g.Projection, g.ProvisionedThroughput)
		if err != nil {
			return err
		}
		if err := t.readIndexLimits(x, g.OnDemandThroughput, g.WarmThroughput); err != nil {
			return err
		}
	}
	return nil
}

func (t *Table) addLocal(l api.LocalSecondaryIndex) error {
	x, err := t.newIndex(*l.IndexName, Local, l.KeySchema, l.Projection)
	if err != nil {
		return err
	}
	if x.Hash.Name != t.Hash.Name {
		return words.BadParameter("Index KeySchema does not have the same leading hash key as table KeySchema for index: %s. index hash key: %s, table hash key: %s", x.Name, x.Hash.Name, t.Hash.Name)
	}
	if x.Range.Name == "" {
		return words.BadParameter("Index KeySchema does not have a range key for index: %s", x.Name)
	}
	t.Indexes = append(t.Indexes, x)
	return nil
}

func (t *Table) addGlobal(name string, schema []api.KeySchemaElement, p *api.Projection, pt *api.ProvisionedThroughput) (*Index, error) {
	x, err := t.newIndex(name, Global, schema, p)
	if err != nil {
		return nil, err
	}
	if x.Throughput, err = readThroughput(t.Billing, pt, name); err != nil {
		return nil, err
	}
	t.Indexes = append(t.Indexes, x)
	return &t.Indexes[len(t.Indexes)-1], nil
}

func (t *Table) newIndex(name string, kind IndexKind, schema []api.KeySchemaElement, p *api.Projection) (Index, error) {
	x := Index{Name: name, ID: name, Kind: kind}
	if t.Index(name) != nil {
		return x, words.BadParameter("Duplicate index name: %s", name)
	}
	read := readKeys
	if kind == Global {
		read = readGlobalKeys
	}
	var err error
	if x.Keys, err = read(schema, t.Definitions); err != nil {
		return x, err
	}
	x.Projection, x.Include = smithy.Val(p.ProjectionType), p.NonKeyAttributes
	switch {
	case x.Projection == "":
		return x, words.BadParameter("Unknown ProjectionType: null")
	case x.Projection == api.ProjectionTypeInclude && len(x.Include) == 0:
		return x, words.BadParameter("ProjectionType is %s, but NonKeyAttributes is not specified", x.Projection)
	case x.Projection != api.ProjectionTypeInclude && p.NonKeyAttributes != nil:
		return x, words.BadParameter("ProjectionType is %s, but NonKeyAttributes is specified", x.Projection)
	}
	return x, nil
}

// checkDefinitionsUsed refuses definitions of attributes that are in no key.
func (t *Table) checkDefinitionsUsed() error {
	used := t.Names()
	for _, x := range t.Indexes {
		for _, n := range x.Names() {
			if !slices.Contains(used, n) {
				used = append(used, n)
			}
		}
	}
	if len(used) == len(t.Definitions) {
		return nil
	}
	if len(t.Indexes) == 0 {
		return words.BadParameter("Number of attributes in KeySchema does not exactly match number of attributes defined in AttributeDefinitions")
	}
	return words.BadParameter("Some AttributeDefinitions are not used. AttributeDefinitions: [%s], keys used: [%s]", definitionNames(t.Definitions), strings.Join(used, ", "))
}
