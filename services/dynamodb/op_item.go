package dynamodb

import (
	"context"

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

func itemKey(name string, k table.Key) map[string]api.AttributeValue {
	return map[string]api.AttributeValue{name: item.ValueToWire(&k.Hash)}
}

func (s *Service) getItem(ctx context.Context, c *service.Call, in *api.GetItemInput) (*api.GetItemOutput, error) {
	out, f, err := s.readItem(ctx, c, in)
	if err != nil {
		return out, err
	}
	if f.stored != nil {
		if f.part, err = item.Decode(f.stored); err != nil {
			return nil, err
		}
	}
	if f.part != nil {
		out.Item = item.ToWire(f.part)
	}
	return out, nil
}

// oneFound is an item that was read: whole, as it is stored, or what was asked for
// of it. Neither: there is none.
type oneFound struct {
	stored item.Stored
	part   item.Map
}

// readItem reads an item, and the answer but for it.
func (s *Service) readItem(ctx context.Context, c *service.Call, in *api.GetItemInput) (*api.GetItemOutput, oneFound, error) {
	projection, err := readProjection(in.ProjectionExpression, in.ExpressionAttributeNames, in.AttributesToGet)
	if err != nil {
		return nil, oneFound{}, err
	}
	key, err := item.FromWire(in.Key)
	if err != nil {
		return nil, oneFound{}, err
	}
	t, err := s.load(ctx, c, in.TableName)
	if err != nil {
		return nil, oneFound{}, err
	}
	if err := s.store.AdmitRead(t, nil); err != nil {
		return nil, oneFound{}, err
	}
	k, err := t.ReadKey(key)
	if err != nil {
		return nil, oneFound{}, err
	}
	stored, size, err := s.readStored(ctx, c, t, k)
	if err != nil {
		return nil, oneFound{}, err
	}
	units := store.ReadUnits(size, smithy.Val(in.ConsistentRead))
	s.store.ChargeRead(t, nil, units)
	out := &api.GetItemOutput{}
	if in.ReturnConsumedCapacity != nil {
		out.ConsumedCapacity = capacity(in.ReturnConsumedCapacity, t, consumed{table: units}, false)
	}
	if stored == nil || projection == nil {
		return out, oneFound{stored: stored}, nil
	}
	m, err := item.Decode(stored)
	return out, oneFound{part: projection.Apply(m)}, err
}

// readProjection reads what a request wants of items; nil is all.
func readProjection(text *string, names map[string]string, old []string) (*expr.Projection, error) {
	if text == nil && names == nil && old == nil {
		return nil, nil
	}
	scope, err := placeholders{
		names: names, given: []given{{"ProjectionExpression", text}},
		legacy: legacyNames("AttributesToGet", old != nil),
	}.scope()
	if err != nil {
		return nil, err
	}
	if text == nil {
		return attributes(old), nil
	}
	p, err := scope.Projection(*text)
	if err != nil {
		return nil, err
	}
	return p, scope.Unused()
}

func (s *Service) putItem(ctx context.Context, c *service.Call, in *api.PutItemInput) (*api.PutItemOutput, error) {
	want := smithy.Val(in.ReturnValues)
	if want != "" && want != api.ReturnValueNone && want != api.ReturnValueAllOld {
		return nil, words.Refuse("ReturnValues can only be ALL_OLD or NONE")
	}
	cond, err := readCondition(conditional{
		in.ConditionExpression, in.ExpressionAttributeNames, in.ExpressionAttributeValues, in.Expected, in.ConditionalOperator,
	})
	if err != nil {
		return nil, err
	}
	m, err := item.FromWire(in.Item)
	if err != nil {
		return nil, err
	}
	t, err := s.load(ctx, c, in.TableName)
	if err != nil {
		return nil, err
	}
	ch, err := putChange(t, m, cond, smithy.Val(in.ReturnValuesOnConditionCheckFailure))
	if err != nil {
		return nil, err
	}
	res, err := s.store.Write(ctx, ch, want == api.ReturnValueAllOld || in.ReturnConsumedCapacity != nil)
	if err != nil {
		return nil, err
	}
	out := &api.PutItemOutput{ItemCollectionMetrics: collection(in.ReturnItemCollectionMetrics, t, ch.Key)}
	if want == api.ReturnValueAllOld && res.Old != nil {
		out.Attributes = item.ToWire(res.Old)
	}
	out.ConsumedCapacity = writeCapacity(in.ReturnConsumedCapacity, t, res)
	return out, nil
}

func writeCapacity(mode *string, t *store.Table, o store.Outcome) *api.ConsumedCapacity {
	if mode == nil {
		return nil
	}
	u := consumed{write: true}
	u.add(o, 1)
	return capacity(mode, t, u, false)
}

// putChange checks an item against its table.
func putChange(t *store.Table, m item.Map, cond *expr.Condition, onFailure string) (*store.Change, error) {
	k, err := t.KeyOf(m)
	if err != nil {
		return nil, err
	}
	if err := t.CheckIndexKeys(m); err != nil {
		return nil, err
	}
	return &store.Change{Table: t, Key: k, Condition: cond, Whole: m, ShowOld: onFailure == api.ReturnValuesOnConditionCheckFailureAllOld}, nil
}

func (s *Service) deleteItem(ctx context.Context, c *service.Call, in *api.DeleteItemInput) (*api.DeleteItemOutput, error) {
	want := smithy.Val(in.ReturnValues)
	if want != "" && want != api.ReturnValueNone && want != api.ReturnValueAllOld {
		return nil, words.Refuse("ReturnValues can only be ALL_OLD or NONE")
	}
	cond, err := readCondition(conditional{
		in.ConditionExpression, in.ExpressionAttributeNames, in.ExpressionAttributeValues, in.Expected, in.ConditionalOperator,
	})
	if err != nil {
		return nil, err
	}
	key, err := item.FromWire(in.Key)
	if err != nil {
		return nil, err
	}
	t, err := s.load(ctx, c, in.TableName)
	if err != nil {
		return nil, err
	}
	k, err := t.ReadKey(key)
	if err != nil {
		return nil, err
	}
	res, err := s.store.Write(ctx, deleteChange(t, k, cond, smithy.Val(in.ReturnValuesOnConditionCheckFailure)), true)
	if err != nil {
		return nil, err
	}
	out := &api.DeleteItemOutput{ItemCollectionMetrics: collection(in.ReturnItemCollectionMetrics, t, k)}
	if want == api.ReturnValueAllOld && res.Old != nil {
		out.Attributes = item.ToWire(res.Old)
	}
	out.ConsumedCapacity = writeCapacity(in.ReturnConsumedCapacity, t, res)
	return out, nil
}

func deleteChange(t *store.Table, k table.Key, cond *expr.Condition, onFailure string) *store.Change {
	return &store.Change{
		Table: t, Key: k, Condition: cond, ShowOld: onFailure == api.ReturnValuesOnConditionCheckFailureAllOld,
		Apply: func(item.Map) (item.Map, error) { return nil, nil },
	}
}

// conditional are the parameters that make a write depend on the item.
type conditional struct {
	text     *string
	names    map[string]string
	values   map[string]api.AttributeValue
	expected map[string]api.ExpectedAttributeValue
	operator *string
}

func readCondition(p conditional) (*expr.Condition, error) {
	if p.text == nil && p.names == nil && p.values == nil && p.expected == nil && p.operator == nil {
		return nil, nil
	}
	scope, err := placeholders{
		names: p.names, values: p.values, given: []given{{"ConditionExpression", p.text}},
		legacy: legacyNames("Expected", p.expected != nil, "ConditionalOperator", p.operator != nil),
	}.scope()
	if err != nil {
		return nil, err
	}
	if p.text == nil {
		return legacy.Expected(p.expected, p.operator)
	}
	cond, err := condition(scope, p.text)
	if err != nil {
		return nil, err
	}
	return cond, scope.Unused()
}
