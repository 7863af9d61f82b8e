package dynamodb

import (
	"context"
	"maps"
	"slices"
	"strings"

	api "moln.dev/moln/api/dynamodb"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/dynamodb/expr"
	"moln.dev/moln/services/dynamodb/item"
	"moln.dev/moln/services/dynamodb/legacy"
)

func (s *Service) query(ctx context.Context, c *service.Call, in *api.QueryInput) (*api.QueryOutput, error) {
	scope, err := queryPlaceholders(in).scope()
	if err != nil {
		return nil, err
	}
	r := &reading{limit: int(smithy.Val(in.Limit)), consistent: smithy.Val(in.ConsistentRead)}
	if err := r.readWanted(scope, in.FilterExpression, in.ProjectionExpression, in.QueryFilter, in.ConditionalOperator, in.AttributesToGet); err != nil {
		return nil, err
	}
	keyCondition, err := parseKeyCondition(in, scope)
	if err != nil {
		return nil, err
	}
	if err := scope.Unused(); err != nil {
		return nil, err
	}
	if err := s.open(ctx, c, r, in.TableName, in.IndexName, in.Select); err != nil {
		return nil, err
	}
	k, err := expr.ResolveKeys(keyCondition, r.keys().Hash, r.keys().Range)
	if err != nil {
		return nil, err
	}
	if err := r.filterSparesKeys(); err != nil {
		return nil, err
	}
	r.follow(k)
	r.bounds.Reverse = in.ScanIndexForward != nil && !*in.ScanIndexForward
	if in.ExclusiveStartKey != nil {
		if err := r.resume(in.ExclusiveStartKey, "The provided starting key is outside query boundaries based on provided conditions"); err != nil {
			return nil, err
		}
	}
	p, err := s.store.read(ctx, r)
	if err != nil {
		return nil, err
	}
	out := &api.QueryOutput{Count: new(int32(p.count)), ScannedCount: new(int32(p.scanned)), LastEvaluatedKey: positionToWire(p.last)}
	out.Items = r.wire(p)
	out.ConsumedCapacity = r.capacity(in.ReturnConsumedCapacity, p)
	return out, nil
}

func queryPlaceholders(in *api.QueryInput) placeholders {
	return placeholders{
		names: in.ExpressionAttributeNames, values: in.ExpressionAttributeValues,
		given: []given{{"FilterExpression", in.FilterExpression}, {"KeyConditionExpression", in.KeyConditionExpression}, {"ProjectionExpression", in.ProjectionExpression}},
		legacy: legacyNames("AttributesToGet", in.AttributesToGet != nil, "QueryFilter", in.QueryFilter != nil,
			"ConditionalOperator", in.ConditionalOperator != nil, "KeyConditions", in.KeyConditions != nil),
	}
}

// parseKeyCondition reads either form of the condition on keys.
func parseKeyCondition(in *api.QueryInput, scope *expr.Scope) (*expr.Condition, error) {
	if in.KeyConditionExpression != nil {
		return scope.Condition("KeyConditionExpression", *in.KeyConditionExpression)
	}
	if len(in.KeyConditions) == 0 {
		return nil, invalid("Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.")
	}
	if len(in.KeyConditions) > 2 {
		return nil, invalid("Conditions can be of length 1 or 2 only")
	}
	for _, k := range in.KeyConditions {
		switch *k.ComparisonOperator {
		case api.ComparisonOperatorEq, api.ComparisonOperatorLt, api.ComparisonOperatorLe, api.ComparisonOperatorGt,
			api.ComparisonOperatorGe, api.ComparisonOperatorBetween, api.ComparisonOperatorBeginsWith:
		default:
			return nil, invalid("Attempted conditional constraint is not an indexable operation")
		}
	}
	return legacy.Filters(in.KeyConditions, nil)
}

func (s *Service) scan(ctx context.Context, c *service.Call, in *api.ScanInput) (*api.ScanOutput, error) {
	scope, err := placeholders{
		names: in.ExpressionAttributeNames, values: in.ExpressionAttributeValues,
		given: []given{{"FilterExpression", in.FilterExpression}, {"ProjectionExpression", in.ProjectionExpression}},
		legacy: legacyNames("AttributesToGet", in.AttributesToGet != nil, "ScanFilter", in.ScanFilter != nil,
			"ConditionalOperator", in.ConditionalOperator != nil),
	}.scope()
	if err != nil {
		return nil, err
	}
	segment, segments, err := segmentOf(in)
	if err != nil {
		return nil, err
	}
	r := &reading{limit: int(smithy.Val(in.Limit)), consistent: smithy.Val(in.ConsistentRead)}
	if err := r.readWanted(scope, in.FilterExpression, in.ProjectionExpression, in.ScanFilter, in.ConditionalOperator, in.AttributesToGet); err != nil {
		return nil, err
	}
	if err := scope.Unused(); err != nil {
		return nil, err
	}
	if err := s.open(ctx, c, r, in.TableName, in.IndexName, in.Select); err != nil {
		return nil, err
	}
	r.segment(segment, segments)
	if in.ExclusiveStartKey != nil {
		wrong := "The provided starting key is invalid: Invalid ExclusiveStartKey. Please use ExclusiveStartKey with correct Segment. TotalSegments: " + itoa(segments) + " Segment: " + itoa(segment)
		if err := r.resume(in.ExclusiveStartKey, wrong); err != nil {
			return nil, err
		}
	}
	p, err := s.store.read(ctx, r)
	if err != nil {
		return nil, err
	}
	out := &api.ScanOutput{Count: new(int32(p.count)), ScannedCount: new(int32(p.scanned)), LastEvaluatedKey: positionToWire(p.last)}
	out.Items = r.wire(p)
	out.ConsumedCapacity = r.capacity(in.ReturnConsumedCapacity, p)
	return out, nil
}

func segmentOf(in *api.ScanInput) (segment, segments int, err error) {
	switch {
	case in.Segment == nil && in.TotalSegments == nil:
		return 0, 1, nil
	case in.TotalSegments == nil:
		return 0, 0, invalid("The TotalSegments parameter is required but was not present in the request when Segment parameter is present")
	case in.Segment == nil:
		return 0, 0, invalid("The Segment parameter is required but was not present in the request when parameter TotalSegments is present")
	case *in.Segment >= *in.TotalSegments:
		return 0, 0, invalid("The Segment parameter is zero-based and must be less than parameter TotalSegments: Segment: %d is not less than TotalSegments: %d", *in.Segment, *in.TotalSegments)
	}
	return int(*in.Segment), int(*in.TotalSegments), nil
}

// readWanted reads filter and projection in either form.
func (r *reading) readWanted(scope *expr.Scope, filter, projection *string, old map[string]api.Condition, operator *string, get []string) (err error) {
	if projection != nil {
		if r.projection, err = scope.Projection(*projection); err != nil {
			return err
		}
	} else if get != nil {
		r.projection = attributes(get)
	}
	if filter != nil {
		r.filter, err = scope.Condition("FilterExpression", *filter)
		return err
	}
	r.filter, err = legacy.Filters(old, operator)
	return err
}

// open finds the table and index and settles which attributes are wanted.
func (s *Service) open(ctx context.Context, c *service.Call, r *reading, table, indexName, selection *string) (err error) {
	if r.table, err = s.load(ctx, c, table); err != nil {
		return err
	}
	if indexName != nil {
		if r.index = r.table.index(*indexName); r.index == nil {
			return invalid("The table does not have the specified index: %s", *indexName)
		}
		if r.index.Kind == globalIndex && r.consistent {
			return invalid("Consistent reads are not supported on global secondary indexes")
		}
		if r.index.Filling {
			return invalid("Cannot read from backfilling global secondary index: %s", *indexName)
		}
	}
	return r.choose(smithy.Val(selection))
}

// choose settles what Select means for the index.
func (r *reading) choose(selection string) error {
	switch {
	case selection == api.SelectSpecificAttributes && r.projection == nil:
		return invalid("Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES")
	case selection == api.SelectAllProjectedAttributes && r.index == nil:
		return badParameter("ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName")
	case selection == api.SelectCount && r.projection != nil:
		return invalid("Cannot specify the AttributesToGet or ProjectionExpression when choosing to get only the Count")
	case r.projection != nil && (selection == api.SelectAllAttributes || selection == api.SelectAllProjectedAttributes):
		return invalid("Cannot specify the AttributesToGet or ProjectionExpression when choosing to get %s", selection)
	}
	r.countOnly = selection == api.SelectCount
	if r.index == nil || r.index.Projection == api.ProjectionTypeAll {
		return nil
	}
	if selection == api.SelectAllAttributes {
		if r.index.Kind == globalIndex {
			return badParameter("Select type ALL_ATTRIBUTES is not supported for global secondary index %s because its projection type is not ALL", r.index.Name)
		}
		r.fetch = true
	}
	if r.projection == nil {
		return nil
	}
	var absent []string
	for _, p := range r.projection.Paths {
		if !r.index.holds(r.table.tableMeta, p[0].Name) {
			absent = append(absent, p[0].Name)
		}
	}
	if len(absent) == 0 {
		return nil
	}
	if r.index.Kind == globalIndex {
		return badParameter("Global secondary index %s does not project %s", r.index.Name, "["+strings.Join(absent, ", ")+"]")
	}
	r.fetch = true
	return nil
}

// filterSparesKeys refuses filters on the keys that a query has conditions for.
func (r *reading) filterSparesKeys() error {
	var names []string
	topLevel(r.filter, &names)
	for _, n := range names {
		if r.keys().has(n) {
			return invalid("Filter Expression can only contain non-primary key attributes: Primary key attribute: %s", n)
		}
	}
	return nil
}

// topLevel collects the attributes of a condition.
func topLevel(c *expr.Condition, into *[]string) {
	if c == nil {
		return
	}
	for _, a := range c.Args {
		if a.Path != nil {
			*into = append(*into, a.Path[0].Name)
		}
	}
	for _, k := range c.Kids {
		topLevel(k, into)
	}
}

// resume goes on after a position; wrong is the fault for one outside.
func (r *reading) resume(start map[string]api.AttributeValue, wrong string) error {
	m, err := item.FromWire(start)
	if err != nil {
		return invalid("The provided starting key is invalid: %s", messageOf(err))
	}
	inside, err := r.startAfter(m)
	if err == nil && !inside {
		err = invalid("%s", wrong)
	}
	return err
}

func (r *reading) wire(p *page) []map[string]api.AttributeValue {
	if r.countOnly {
		return nil
	}
	out := make([]map[string]api.AttributeValue, len(p.items))
	for i, m := range p.items {
		out[i] = item.ToWire(m)
	}
	return out
}

func positionToWire(m item.Map) map[string]api.AttributeValue {
	if m == nil {
		return nil
	}
	return item.ToWire(m)
}

func (r *reading) capacity(mode *string, p *page) *api.ConsumedCapacity {
	units := readUnits(p.bytes, r.consistent)
	u := consumed{table: units}
	if r.index != nil {
		u = consumed{table: p.fetchUnits, indexes: map[string]float64{r.index.Name: units}}
	}
	return capacity(mode, r.table, u, false)
}

// sortedNames lists the keys of a map in order.
func sortedNames[T any](m map[string]T) []string { return slices.Sorted(maps.Keys(m)) }
