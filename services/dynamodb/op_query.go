package dynamodb

import (
	"context"
	"maps"
	"slices"

	api "moln.dev/moln/api/dynamodb"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/dynamodb/expr"
	"moln.dev/moln/services/dynamodb/item"
	"moln.dev/moln/services/dynamodb/legacy"
	"moln.dev/moln/services/dynamodb/store"
	"moln.dev/moln/services/dynamodb/table"
	"moln.dev/moln/services/dynamodb/words"
)

func (s *Service) query(ctx context.Context, c *service.Call, in *api.QueryInput) (*api.QueryOutput, error) {
	out, r, p, err := s.readQuery(ctx, c, in, false)
	if err == nil {
		out.Items = wireItems(r, p)
	}
	return out, err
}

// readQuery reads a page, and the answer but for its items, which it may leave as
// they are stored.
func (s *Service) readQuery(ctx context.Context, c *service.Call, in *api.QueryInput, stored bool) (*api.QueryOutput, *store.Reading, *store.Page, error) {
	scope, err := queryPlaceholders(in).scope()
	if err != nil {
		return nil, nil, nil, err
	}
	r := &store.Reading{Limit: int(smithy.Val(in.Limit)), Consistent: smithy.Val(in.ConsistentRead), AsStored: stored}
	if err := readWanted(r, scope, in.FilterExpression, in.ProjectionExpression, in.QueryFilter, in.ConditionalOperator, in.AttributesToGet); err != nil {
		return nil, nil, nil, err
	}
	keyCondition, err := parseKeyCondition(in, scope)
	if err != nil {
		return nil, nil, nil, err
	}
	if err := scope.Unused(); err != nil {
		return nil, nil, nil, err
	}
	if err := s.open(ctx, c, r, in.TableName, in.IndexName, in.Select); err != nil {
		return nil, nil, nil, err
	}
	k, err := expr.ResolveIndexKeys(keyCondition, r.Keys().Hashes(), r.Keys().Ranges())
	if err != nil {
		return nil, nil, nil, err
	}
	if err := r.FilterSparesKeys(); err != nil {
		return nil, nil, nil, err
	}
	r.Follow(k)
	r.Bounds.Reverse = in.ScanIndexForward != nil && !*in.ScanIndexForward
	if in.ExclusiveStartKey != nil {
		if err := r.Resume(in.ExclusiveStartKey, outsideText(r, k, in.ExclusiveStartKey)); err != nil {
			return nil, nil, nil, err
		}
	}
	p, err := s.readPage(ctx, r)
	if err != nil {
		return nil, nil, nil, err
	}
	out := &api.QueryOutput{Count: new(int32(p.Count)), ScannedCount: new(int32(p.Scanned)), LastEvaluatedKey: positionToWire(p.Last)}
	out.ConsumedCapacity = readCapacity(r, in.ReturnConsumedCapacity, p)
	return out, r, p, nil
}

// outsideText is what is wrong with a starting key that the conditions exclude.
func outsideText(r *store.Reading, k expr.KeyCondition, start map[string]api.AttributeValue) string {
	hash, err := item.ValueFromWire(start[r.Keys().Hash.Name])
	if err == nil && item.Equal(hash, k.Hash) && k.HashMore == nil {
		return "The provided starting key does not match the range key predicate"
	}
	return "The provided starting key is outside query boundaries based on provided conditions"
}

func queryPlaceholders(in *api.QueryInput) placeholders {
	// Other expressions may stand beside the KeyConditions of old.
	oldKeys := in.KeyConditions != nil && (in.KeyConditionExpression != nil || in.FilterExpression == nil && in.ProjectionExpression == nil)
	return placeholders{
		names: in.ExpressionAttributeNames, values: in.ExpressionAttributeValues,
		given: []given{{"FilterExpression", in.FilterExpression}, {"KeyConditionExpression", in.KeyConditionExpression}, {"ProjectionExpression", in.ProjectionExpression}},
		legacy: legacyNames("AttributesToGet", in.AttributesToGet != nil, "QueryFilter", in.QueryFilter != nil,
			"ConditionalOperator", in.ConditionalOperator != nil, "KeyConditions", oldKeys),
	}
}

// parseKeyCondition reads either form of the condition on keys.
func parseKeyCondition(in *api.QueryInput, scope *expr.Scope) (*expr.Condition, error) {
	if in.KeyConditionExpression != nil {
		return scope.Condition("KeyConditionExpression", *in.KeyConditionExpression)
	}
	if len(in.KeyConditions) == 0 {
		return nil, words.Refuse("Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.")
	}
	if len(in.KeyConditions) > 2 && in.IndexName == nil {
		return nil, words.Refuse("Conditions can be of length 1 or 2 only")
	}
	for _, k := range in.KeyConditions {
		switch *k.ComparisonOperator {
		case api.ComparisonOperatorEq, api.ComparisonOperatorLt, api.ComparisonOperatorLe, api.ComparisonOperatorGt,
			api.ComparisonOperatorGe, api.ComparisonOperatorBetween, api.ComparisonOperatorBeginsWith:
		default:
			return nil, words.Refuse("Attempted conditional constraint is not an indexable operation")
		}
	}
	return legacy.Filters(in.KeyConditions, nil)
}

func (s *Service) scan(ctx context.Context, c *service.Call, in *api.ScanInput) (*api.ScanOutput, error) {
	out, r, p, err := s.readScan(ctx, c, in, false)
	if err == nil {
		out.Items = wireItems(r, p)
	}
	return out, err
}

// readScan reads a page, and the answer but for its items, which it may leave as
// they are stored.
func (s *Service) readScan(ctx context.Context, c *service.Call, in *api.ScanInput, stored bool) (*api.ScanOutput, *store.Reading, *store.Page, error) {
	scope, err := placeholders{
		names: in.ExpressionAttributeNames, values: in.ExpressionAttributeValues,
		given: []given{{"FilterExpression", in.FilterExpression}, {"ProjectionExpression", in.ProjectionExpression}},
		legacy: legacyNames("AttributesToGet", in.AttributesToGet != nil, "ScanFilter", in.ScanFilter != nil,
			"ConditionalOperator", in.ConditionalOperator != nil),
	}.scope()
	if err != nil {
		return nil, nil, nil, err
	}
	segment, segments, err := segmentOf(in)
	if err != nil {
		return nil, nil, nil, err
	}
	r := &store.Reading{Limit: int(smithy.Val(in.Limit)), Consistent: smithy.Val(in.ConsistentRead), AsStored: stored}
	if err := readWanted(r, scope, in.FilterExpression, in.ProjectionExpression, in.ScanFilter, in.ConditionalOperator, in.AttributesToGet); err != nil {
		return nil, nil, nil, err
	}
	if err := scope.Unused(); err != nil {
		return nil, nil, nil, err
	}
	if err := s.open(ctx, c, r, in.TableName, in.IndexName, in.Select); err != nil {
		return nil, nil, nil, err
	}
	r.Segment(segment, segments)
	if in.ExclusiveStartKey != nil {
		wrong := "The provided starting key is invalid: Invalid ExclusiveStartKey. Please use ExclusiveStartKey with correct Segment. TotalSegments: " + itoa(segments) + " Segment: " + itoa(segment)
		if err := r.Resume(in.ExclusiveStartKey, wrong); err != nil {
			return nil, nil, nil, err
		}
	}
	p, err := s.readPage(ctx, r)
	if err != nil {
		return nil, nil, nil, err
	}
	out := &api.ScanOutput{Count: new(int32(p.Count)), ScannedCount: new(int32(p.Scanned)), LastEvaluatedKey: positionToWire(p.Last)}
	out.ConsumedCapacity = readCapacity(r, in.ReturnConsumedCapacity, p)
	return out, r, p, nil
}

func segmentOf(in *api.ScanInput) (segment, segments int, err error) {
	switch {
	case in.Segment == nil && in.TotalSegments == nil:
		return 0, 1, nil
	case in.TotalSegments == nil:
		return 0, 0, words.Refuse("The TotalSegments parameter is required but was not present in the request when Segment parameter is present")
	case in.Segment == nil:
		return 0, 0, words.Refuse("The Segment parameter is required but was not present in the request when parameter TotalSegments is present")
	case *in.Segment >= *in.TotalSegments:
		return 0, 0, words.Refuse("The Segment parameter is zero-based and must be less than parameter TotalSegments: Segment: %d is not less than TotalSegments: %d", *in.Segment, *in.TotalSegments)
	}
	return int(*in.Segment), int(*in.TotalSegments), nil
}

// readWanted reads filter and projection in either form.
func readWanted(r *store.Reading, scope *expr.Scope, filter, projection *string, old map[string]api.Condition, operator *string, get []string) (err error) {
	if projection != nil {
		if r.Projection, err = scope.Projection(*projection); err != nil {
			return err
		}
	} else if get != nil {
		r.Projection = attributes(get)
	}
	if filter != nil {
		r.Filter, err = scope.Condition("FilterExpression", *filter)
		return err
	}
	r.Filter, err = legacy.Filters(old, operator)
	return err
}

// open finds the table and index and settles which attributes are wanted.
func (s *Service) open(ctx context.Context, c *service.Call, r *store.Reading, tableGiven, indexName, selection *string) (err error) {
	if r.Table, err = s.load(ctx, c, tableGiven); err != nil {
		return err
	}
	if indexName != nil {
		if r.Index = r.Table.Index(*indexName); r.Index == nil {
			return words.Refuse("The table does not have the specified index: %s", *indexName)
		}
		if r.Index.Kind == table.Global && r.Consistent {
			return words.Refuse("Consistent reads are not supported on global secondary indexes")
		}
		if r.Index.Filling {
			return words.Refuse("Cannot read from backfilling global secondary index: %s", *indexName)
		}
	}
	return r.Choose(smithy.Val(selection))
}

func wireItems(r *store.Reading, p *store.Page) []map[string]api.AttributeValue {
	if r.CountOnly {
		return nil
	}
	out := make([]map[string]api.AttributeValue, len(p.Items))
	for i, m := range p.Items {
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

func readCapacity(r *store.Reading, mode *string, p *store.Page) *api.ConsumedCapacity {
	units := store.ReadUnits(p.Bytes, r.Consistent)
	u := consumed{table: units}
	if r.Index != nil {
		u = consumed{table: p.FetchUnits, indexes: map[string]float64{r.Index.Name: units}}
	}
	return capacity(mode, r.Table, u, false)
}

// sortedNames lists the keys of a map in order.
func sortedNames[T any](m map[string]T) []string { return slices.Sorted(maps.Keys(m)) }
