package dynamodb

import (
	"context"
	"slices"
	"strings"

	api "moln.dev/moln/api/dynamodb"
	"moln.dev/moln/aws/arn"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/dynamodb/backup"
	"moln.dev/moln/services/dynamodb/expr"
	"moln.dev/moln/services/dynamodb/item"
	"moln.dev/moln/services/dynamodb/partiql"
	"moln.dev/moln/services/dynamodb/store"
	"moln.dev/moln/services/dynamodb/words"
)

// subject is what a request wants of one table.
type subject struct {
	table, index *string
	actions      []string
	// items are keys or whole items; their partition keys are the leading keys.
	items  []map[string]api.AttributeValue
	names  map[string]string
	texts  []*string // expressions
	values map[string]api.AttributeValue
	// legacy are attributes that parameters of old name.
	legacy    []string
	keyText   *string
	selection string
	returns   *string
	consumed  *string
	enclosing string
	scan      bool
	// statement is what is wanted, in PartiQL.
	statement *partiql.Statement
}

// authorize says for every table, index or item of a request which action it
// is on what, and what conditions may know. Transactions have no actions of
// their own: each item is judged as its own operation.
func (s *Service) authorize(ctx context.Context, c *service.Call, op *smithy.Operation, in any) ([]service.Check, error) {
	switch in := in.(type) {
	case *api.GetItemInput:
		s.readAhead(ctx, c, in)
	case *api.ListTablesInput, *api.DescribeLimitsInput, *api.DescribeEndpointsInput:
		return everything(op), nil
	case *api.ListGlobalTablesInput:
		return everything(op), nil
	case *api.DescribeGlobalTableInput:
		return globalTable(c, op, in.GlobalTableName), nil
	case *api.DescribeGlobalTableSettingsInput:
		return globalTable(c, op, in.GlobalTableName), nil
	case *api.TagResourceInput:
		return s.onPolicy(ctx, c, op, *in.ResourceArn)
	case *api.UntagResourceInput:
		return s.onPolicy(ctx, c, op, *in.ResourceArn)
	case *api.ListTagsOfResourceInput:
		return s.onPolicy(ctx, c, op, *in.ResourceArn)
	case *api.PutResourcePolicyInput:
		return s.onPolicy(ctx, c, op, smithy.Val(in.ResourceArn))
	case *api.GetResourcePolicyInput:
		return s.onPolicy(ctx, c, op, smithy.Val(in.ResourceArn))
	case *api.DeleteResourcePolicyInput:
		return s.onPolicy(ctx, c, op, smithy.Val(in.ResourceArn))
	}
	if named, target, ok := backup.Subjects(in); ok {
		return s.onBackups(ctx, c, op, named, target)
	}
	subjects, ok, err := statementSubjects(in)
	if err != nil {
		return nil, err
	}
	if !ok {
		subjects = dataSubjects(in)
	}
	if name := controlTable(in); name != nil {
		subjects = []subject{{table: name}}
		if create, ok := in.(*api.CreateTableInput); ok && len(create.Tags) > 0 {
			subjects = append(subjects, subject{table: name, actions: []string{"dynamodb:TagResource"}})
		}
		if create, ok := in.(*api.CreateTableInput); ok && create.ResourcePolicy != nil {
			subjects = append(subjects, subject{table: name, actions: []string{"dynamodb:PutResourcePolicy"}})
		}
	}
	if len(subjects) == 0 && len(op.Actions) == 0 {
		// Nothing is known of the request: nobody may make it.
		return []service.Check{{Action: "dynamodb:" + op.Name, Resource: "*"}}, nil
	}
	if len(subjects) == 0 {
		return everything(op), nil
	}
	var out []service.Check
	for i := range subjects {
		sub := &subjects[i]
		if sub.actions == nil {
			sub.actions = op.Actions
		}
		checks, err := s.checks(ctx, c, sub)
		if err != nil {
			return nil, err
		}
		out = append(out, checks...)
	}
	if _, ok := in.(*api.BatchExecuteStatementInput); ok {
		return permitted(ctx, c, out), nil
	}
	return out, nil
}

func everything(op *smithy.Operation) []service.Check {
	out := make([]service.Check, len(op.Actions))
	for i, a := range op.Actions {
		out[i] = service.Check{Action: a, Resource: "*"}
	}
	return out
}

func onARN(c *service.Call, op *smithy.Operation, resource string) []service.Check {
	if !strings.HasPrefix(resource, "arn:") {
		resource = tableARN(c, resource)
	}
	out := everything(op)
	for i := range out {
		out[i].Resource, out[i].Account = resource, foreign(c, resource)
	}
	return out
}

// onPolicy judges requests about a table's policy or tags, by that policy too.
func (s *Service) onPolicy(ctx context.Context, c *service.Call, op *smithy.Operation, resource string) ([]service.Check, error) {
	out := onARN(c, op, resource)
	p, err := s.policyOf(ctx, c, &resource)
	for i := range out {
		out[i].Policy = p
	}
	return out, err
}

// onBackups judges requests about backups, exports and imports: on what they
// name, and where they make a table, on all that fills it.
func (s *Service) onBackups(ctx context.Context, c *service.Call, op *smithy.Operation, named []string, target string) ([]service.Check, error) {
	if len(named) == 0 {
		return everything(op), nil
	}
	var out []service.Check
	for _, resource := range named {
		checks := onARN(c, op, resource)
		if strings.Count(checks[0].Resource, "/") == 1 { // a table, whose policy counts as well
			p, err := s.policyOf(ctx, c, &resource)
			if err != nil {
				return nil, err
			}
			for i := range checks {
				checks[i].Policy = p
			}
		}
		out = append(out, checks...)
	}
	if target != "" {
		for _, action := range backup.FillActions() {
			out = append(out, service.Check{Action: action, Resource: tableARN(c, target)})
		}
	}
	return out, nil
}

// foreign is the account that a resource belongs to where it is not the call's.
func foreign(c *service.Call, resource string) string {
	if a, err := arn.Parse(resource); err == nil && a.Account != c.Account {
		return a.Account
	}
	return ""
}

// controlTable is the table of an operation that is not about items.
func controlTable(in any) *string {
	switch in := in.(type) {
	case *api.CreateTableInput:
		return in.TableName
	case *api.DescribeTableInput:
		return in.TableName
	case *api.UpdateTableInput:
		return in.TableName
	case *api.DeleteTableInput:
		return in.TableName
	case *api.DescribeTimeToLiveInput:
		return in.TableName
	case *api.UpdateTimeToLiveInput:
		return in.TableName
	}
	return nil
}

// checks makes the checks of one subject.
func (s *Service) checks(ctx context.Context, c *service.Call, sub *subject) ([]service.Check, error) {
	resource := smithy.Val(sub.table)
	if !strings.HasPrefix(resource, "arn:") {
		resource = tableARN(c, resource)
	}
	owner := ""
	if strings.HasPrefix(smithy.Val(sub.table), "arn:") {
		owner = foreign(c, resource)
	}
	if sub.index != nil {
		resource += "/index/" + *sub.index
	}
	p, err := s.policyOf(ctx, c, sub.table)
	if err != nil {
		return nil, err
	}
	keys := func() (policy.Keys, error) { return s.conditionKeys(ctx, c, sub) }
	out := make([]service.Check, len(sub.actions))
	for i, a := range sub.actions {
		out[i] = service.Check{Action: a, Resource: resource, Account: owner, More: keys, Policy: p}
	}
	return out, nil
}

// noLeadingKey stands for the partition keys of a scan, which are all: it is
// equal to none that a policy can allow.
const noLeadingKey = ""

func (s *Service) conditionKeys(ctx context.Context, c *service.Call, sub *subject) (policy.Keys, error) {
	keys := policy.Keys{}
	if sub.returns != nil {
		keys["dynamodb:returnvalues"] = []string{*sub.returns}
	}
	if sub.consumed != nil {
		keys["dynamodb:returnconsumedcapacity"] = []string{*sub.consumed}
	}
	if sub.selection != "" {
		keys["dynamodb:select"] = []string{sub.selection}
	}
	if sub.enclosing != "" {
		keys["dynamodb:enclosingoperation"] = []string{sub.enclosing}
	}
	if attributes := sub.attributes(); len(attributes) > 0 {
		keys["dynamodb:attributes"] = attributes
	}
	if sub.scan {
		keys["dynamodb:leadingkeys"] = []string{noLeadingKey}
		keys["dynamodb:fulltablescan"] = []string{"true"}
		return keys, nil
	}
	if sub.items == nil && sub.keyText == nil && sub.statement == nil {
		return keys, nil
	}
	p, name, err := locate(c, sub.table)
	if err != nil {
		return keys, nil // the handler says what is wrong with the name
	}
	t, err := s.tableOf(ctx, c, p, name)
	if err != nil {
		if words.MessageOf(err) == words.MessageOf(words.NoTable()) {
			return keys, nil // and that there is no such table
		}
		return nil, err
	}
	if sub.statement != nil {
		hashes := sub.hashes(t)
		if len(hashes) > 1 {
			hashes = []expr.KeyAttribute{{}} // such an index is looked through
		}
		sub.statementKeys(keys, hashes[0].Name)
		return keys, nil
	}
	keys["dynamodb:leadingkeys"] = sub.leading(t)
	return keys, nil
}

// hashes are the attributes of the partition key of the table or index.
func (sub *subject) hashes(t *store.Table) []expr.KeyAttribute {
	if sub.index != nil {
		if x := t.Index(*sub.index); x != nil {
			return x.Hashes()
		}
	}
	return t.Hashes()
}

// leading are the values of the partition keys that a request is about; where
// one cannot be told it is equal to none.
func (sub *subject) leading(t *store.Table) []string {
	var out []string
	for _, hash := range sub.hashes(t) {
		if sub.keyText != nil {
			out = append(out, sub.queried(hash.Name))
		}
		for _, m := range sub.items {
			out = append(out, scalar(m[hash.Name]))
		}
	}
	return out
}

func scalar(av api.AttributeValue) string {
	switch {
	case av.S != nil:
		return *av.S
	case av.N != nil:
		n, err := item.Canonical(*av.N) // or a policy on 1 would not see 1.0
		if err != nil {
			return noLeadingKey
		}
		return n
	case av.B != nil:
		return string(av.B)
	}
	return noLeadingKey
}

// queried finds the partition key's value in a key condition.
func (sub *subject) queried(hash string) string {
	values := make(map[string]item.Value, len(sub.values))
	for k, av := range sub.values {
		v, err := item.ValueFromWire(av)
		if err != nil {
			return noLeadingKey
		}
		values[k] = v
	}
	scope, err := expr.NewScope(sub.names, values)
	if err != nil {
		return noLeadingKey
	}
	cond, err := scope.Condition("KeyConditionExpression", *sub.keyText)
	if err != nil {
		return noLeadingKey
	}
	return equalTo(cond, hash)
}

// equalTo finds the value that a conjunction says an attribute is equal to.
func equalTo(c *expr.Condition, name string) string {
	if c.Op == expr.And {
		for _, k := range c.Kids {
			if v := equalTo(k, name); v != noLeadingKey {
				return v
			}
		}
	}
	if c.Op != expr.EQ {
		return noLeadingKey
	}
	for i, a := range c.Args {
		if a.Path != nil && len(a.Path) == 1 && a.Path[0].Name == name && c.Args[1-i].Path == nil {
			return c.Args[1-i].Value.Text
		}
	}
	return noLeadingKey
}

// attributes lists the top-level attributes that a request names.
func (sub *subject) attributes() []string {
	var out []string
	for _, m := range sub.items {
		for n := range m {
			out = append(out, n)
		}
	}
	for _, t := range append(sub.texts, sub.keyText) {
		if t != nil {
			out = append(out, expr.TopLevelNames(sub.names, *t)...)
		}
	}
	out = append(out, sub.legacy...)
	slices.Sort(out)
	return slices.Compact(out)
}
