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
	k, err := t.ReadKey(key)
	if err != nil {
		return nil, err
	}
	ch, err := updateChange(t, k, key, update, cond, smithy.Val(in.ReturnValuesOnConditionCheckFailure))
	if err != nil {
		return nil, err
	}
	res, err := s.store.Write(ctx, ch, true)
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
func updateChange(t *store.Table, k table.Key, key item.Map, u *expr.Update, cond *expr.Condition, onFailure string) (*store.Change, error) {
	for _, p := range u.Paths() {
		if t.Has(p[0].Name) {
			return nil, words.BadParameter("Cannot update attribute %s. This attribute is part of the key", p[0].Name)
		}
	}
	return &store.Change{
		Table: t, Key: k, Condition: cond, ShowOld: onFailure == api.ReturnValuesOnConditionCheckFailureAllOld,
		Apply: func(old item.Map) (item.Map, error) {
			if old == nil {
				old = key
			}
			m, err := u.Apply(old)
			if err != nil {
				return nil, err
			}
			return m, t.CheckItem(m)
		},
	}, nil
}

// returned is what ReturnValues asks for; nil is nothing.
func returned(want string, u *expr.Update, o store.Outcome) item.Map {
	var m item.Map
	switch want {
	case api.ReturnValueAllOld:
		return o.Old
	case api.ReturnValueAllNew:
		return o.New
	case api.ReturnValueUpdatedOld:
		m = o.Old
	case api.ReturnValueUpdatedNew:
		m = o.New
	default:
		return nil
	}
	if m = expr.NewProjection(u.Paths()).Apply(m); len(m) == 0 {
		return nil
	}
	return m
}
