package dynamodb

import (
	"context"

	api "moln.dev/moln/api/dynamodb"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/dynamodb/expr"
	"moln.dev/moln/services/dynamodb/item"
	"moln.dev/moln/services/dynamodb/legacy"
)

func (s *Service) updateItem(ctx context.Context, c *service.Call, in *api.UpdateItemInput) (*api.UpdateItemOutput, error) {
	update, cond, err := readUpdate(in)
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
	k, err := t.readKey(key)
	if err != nil {
		return nil, err
	}
	ch, err := updateChange(t, k, key, update, cond, smithy.Val(in.ReturnValuesOnConditionCheckFailure))
	if err != nil {
		return nil, err
	}
	res, err := s.store.write(ctx, ch, true)
	if err != nil {
		return nil, err
	}
	out := &api.UpdateItemOutput{ItemCollectionMetrics: collection(in.ReturnItemCollectionMetrics, t, k)}
	if m := returned(smithy.Val(in.ReturnValues), update, res); m != nil {
		out.Attributes = item.ToWire(m)
	}
	out.ConsumedCapacity = writeCapacity(in.ReturnConsumedCapacity, t, res)
	return out, nil
}

func readUpdate(in *api.UpdateItemInput) (*expr.Update, *expr.Condition, error) {
	scope, err := placeholders{
		names: in.ExpressionAttributeNames, values: in.ExpressionAttributeValues,
		given: []given{{"UpdateExpression", in.UpdateExpression}, {"ConditionExpression", in.ConditionExpression}},
		legacy: legacyNames("AttributeUpdates", in.AttributeUpdates != nil, "Expected", in.Expected != nil,
			"ConditionalOperator", in.ConditionalOperator != nil),
	}.scope()
	if err != nil {
		return nil, nil, err
	}
	update := &expr.Update{}
	if in.AttributeUpdates != nil {
		if update, err = legacy.Update(in.AttributeUpdates); err != nil {
			return nil, nil, err
		}
	}
	if in.UpdateExpression != nil {
		if update, err = scope.Update(*in.UpdateExpression); err != nil {
			return nil, nil, err
		}
	}
	cond, err := condition(scope, in.ConditionExpression)
	if err != nil {
		return nil, nil, err
	}
	if in.Expected != nil || in.ConditionalOperator != nil {
		if cond, err = legacy.Expected(in.Expected, in.ConditionalOperator); err != nil {
			return nil, nil, err
		}
	}
	return update, cond, scope.Unused()
}

// updateChange checks an update against its table.
func updateChange(t *tableRef, k primaryKey, key item.Map, u *expr.Update, cond *expr.Condition, onFailure string) (*change, error) {
	for _, p := range u.Paths() {
		if t.has(p[0].Name) {
			return nil, badParameter("Cannot update attribute %s. This attribute is part of the key", p[0].Name)
		}
	}
	return &change{
		table: t, key: k, condition: cond, showOld: onFailure == api.ReturnValuesOnConditionCheckFailureAllOld,
		apply: func(old item.Map) (item.Map, error) {
			if old == nil {
				old = key
			}
			m, err := u.Apply(old)
			if err != nil {
				return nil, err
			}
			return m, t.checkUpdated(m)
		},
	}, nil
}

// checkUpdated refuses what only the finished item shows.
func (t *tableMeta) checkUpdated(m item.Map) error {
	if err := t.checkIndexKeys(m); err != nil {
		return err
	}
	for i := range m {
		if depth(&m[i].Value) > item.MaxNesting {
			return invalid("Nesting Levels have exceeded supported limits")
		}
	}
	return nil
}

// depth is how deep maps and lists lie in each other.
func depth(v *item.Value) int {
	deepest := 0
	for i := range v.List {
		deepest = max(deepest, depth(&v.List[i])+1)
	}
	for i := range v.Map {
		deepest = max(deepest, depth(&v.Map[i].Value)+1)
	}
	return deepest
}

// returned is what ReturnValues asks for; nil is nothing.
func returned(want string, u *expr.Update, o outcome) item.Map {
	var m item.Map
	switch want {
	case api.ReturnValueAllOld:
		return o.old
	case api.ReturnValueAllNew:
		return o.new
	case api.ReturnValueUpdatedOld:
		m = o.old
	case api.ReturnValueUpdatedNew:
		m = o.new
	default:
		return nil
	}
	if m = expr.NewProjection(u.Paths()).Apply(m); len(m) == 0 {
		return nil
	}
	return m
}
