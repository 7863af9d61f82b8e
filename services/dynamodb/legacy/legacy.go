package legacy

import (
	"maps"
	"slices"

	api "moln.dev/moln/api/dynamodb"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/services/dynamodb/expr"
	"moln.dev/moln/services/dynamodb/item"
)

func invalid(format string, args ...any) error {
	return fault.New("ValidationException", 400, format, args...)
}

func badParameter(format string, args ...any) error {
	return invalid("One or more parameter values were invalid: "+format, args...)
}

// operators are the comparison operators and how many values they take.
var operators = map[string]struct {
	op    expr.Op
	least int
	most  int
}{
	api.ComparisonOperatorEq: {expr.EQ, 1, 1}, api.ComparisonOperatorNe: {expr.NE, 1, 1},
	api.ComparisonOperatorLt: {expr.LT, 1, 1}, api.ComparisonOperatorLe: {expr.LE, 1, 1},
	api.ComparisonOperatorGt: {expr.GT, 1, 1}, api.ComparisonOperatorGe: {expr.GE, 1, 1},
	api.ComparisonOperatorBetween: {expr.Between, 2, 2}, api.ComparisonOperatorIn: {expr.In, 1, 100},
	api.ComparisonOperatorNotNull: {expr.Exists, 0, 0}, api.ComparisonOperatorNull: {expr.NotExists, 0, 0},
	api.ComparisonOperatorBeginsWith: {expr.BeginsWith, 1, 1},
	api.ComparisonOperatorContains:   {expr.Contains, 1, 1}, api.ComparisonOperatorNotContains: {expr.Not, 1, 1},
}

// comparison makes a condition of one attribute's comparison.
func comparison(name, operator string, list []api.AttributeValue) (*expr.Condition, error) {
	o := operators[operator]
	if len(list) < o.least || len(list) > o.most {
		return nil, badParameter("Invalid number of argument(s) for the %s ComparisonOperator", operator)
	}
	path := expr.Operand{Path: expr.Path{{Name: name}}}
	c := &expr.Condition{Op: o.op, Args: []expr.Operand{path}}
	for _, av := range list {
		v, err := item.ValueFromWire(av)
		if err != nil {
			return nil, err
		}
		if k := v.Kind; slices.Contains([]expr.Op{expr.LT, expr.LE, expr.GT, expr.GE, expr.Between, expr.BeginsWith}, o.op) &&
			k != item.String && k != item.Number && k != item.Binary || (o.op == expr.BeginsWith && k == item.Number) {
			return nil, badParameter("ComparisonOperator %s is not valid for %s AttributeValue type", operator, v.Kind)
		}
		c.Args = append(c.Args, expr.Operand{Value: v})
	}
	if o.op == expr.Between {
		if order, ok := item.Compare(c.Args[1].Value, c.Args[2].Value); !ok || order > 0 {
			return nil, badParameter("The BETWEEN condition was provided a range where the lower bound is greater than the upper bound")
		}
	}
	if o.op == expr.Not { // NOT_CONTAINS needs the attribute
		c.Op = expr.Contains
		return all([]*expr.Condition{
			{Op: expr.Exists, Args: []expr.Operand{path}},
			{Op: expr.Not, Kids: []*expr.Condition{c}},
		}, ""), nil
	}
	return c, nil
}

// all joins conditions by AND, or by OR where the operator says so.
func all(kids []*expr.Condition, operator string) *expr.Condition {
	op := expr.And
	if operator == api.ConditionalOperatorOr {
		op = expr.Or
	}
	if len(kids) == 1 {
		return kids[0]
	}
	return &expr.Condition{Op: op, Kids: kids}
}

// Filters makes a condition of ScanFilter, QueryFilter or KeyConditions.
func Filters(in map[string]api.Condition, operator *string) (*expr.Condition, error) {
	var kids []*expr.Condition
	for _, name := range slices.Sorted(maps.Keys(in)) {
		f := in[name]
		k, err := comparison(name, *f.ComparisonOperator, f.AttributeValueList)
		if err != nil {
			return nil, err
		}
		kids = append(kids, k)
	}
	if len(kids) == 0 {
		return nil, nil
	}
	return all(kids, smithy.Val(operator)), nil
}

// Expected makes a condition of Expected.
func Expected(in map[string]api.ExpectedAttributeValue, operator *string) (*expr.Condition, error) {
	if operator != nil && len(in) < 2 {
		if in == nil {
			return nil, invalid("ConditionalOperator cannot be used without Filter or Expected")
		}
		if len(in) == 0 {
			return nil, invalid("ConditionalOperator can only be used when Filter or Expected has two or more elements")
		}
	}
	var kids []*expr.Condition
	for _, name := range slices.Sorted(maps.Keys(in)) {
		k, err := expectation(name, in[name])
		if err != nil {
			return nil, err
		}
		kids = append(kids, k)
	}
	if len(kids) == 0 {
		return nil, nil
	}
	return all(kids, smithy.Val(operator)), nil
}

func expectation(name string, e api.ExpectedAttributeValue) (*expr.Condition, error) {
	if e.ComparisonOperator != nil {
		list := e.AttributeValueList
		switch {
		case e.Exists != nil:
			return nil, badParameter("Exists cannot be used with ComparisonOperator for Attribute: %s", name)
		case e.Value != nil && list != nil:
			return nil, badParameter("Value and AttributeValueList cannot be used together for Attribute: %s", name)
		case e.Value != nil:
			list = []api.AttributeValue{*e.Value}
		}
		return comparison(name, *e.ComparisonOperator, list)
	}
	if e.AttributeValueList != nil {
		return nil, badParameter("AttributeValueList can only be used with a ComparisonOperator for Attribute: %s", name)
	}
	exists := e.Exists == nil || *e.Exists
	switch {
	case exists && e.Value == nil && e.Exists == nil:
		return nil, badParameter("Value must be provided when Exists is null for Attribute: %s", name)
	case exists && e.Value == nil:
		return nil, badParameter("Value must be provided when Exists is true for Attribute: %s", name)
	case exists:
		return comparison(name, api.ComparisonOperatorEq, []api.AttributeValue{*e.Value})
	case e.Value != nil:
		return nil, badParameter("Value cannot be used when Exists is false for Attribute: %s", name)
	}
	return comparison(name, api.ComparisonOperatorNull, nil)
}

// Update makes an update of AttributeUpdates.
func Update(in map[string]api.AttributeValueUpdate) (*expr.Update, error) {
	u := &expr.Update{}
	for _, name := range slices.Sorted(maps.Keys(in)) {
		a := in[name]
		path := expr.Path{{Name: name}}
		action := smithy.Val(a.Action)
		if a.Value == nil {
			if action != api.AttributeActionDelete {
				return nil, badParameter("Only DELETE action is allowed when no attribute value is specified")
			}
			u.Removes = append(u.Removes, path)
			continue
		}
		v, err := item.ValueFromWire(*a.Value)
		if err != nil {
			return nil, err
		}
		switch action {
		case api.AttributeActionAdd:
			if v.Kind != item.Number && !v.Kind.IsSet() && v.Kind != item.List {
				return nil, badParameter("ADD action is not supported for the type %s", v.Kind)
			}
			u.Adds = append(u.Adds, expr.ValueAction{Path: path, Value: v})
		case api.AttributeActionDelete:
			if !v.Kind.IsSet() {
				return nil, badParameter("DELETE action with value is not supported for the type %s", v.Kind)
			}
			u.Deletes = append(u.Deletes, expr.ValueAction{Path: path, Value: v})
		default:
			u.Sets = append(u.Sets, expr.SetAction{Path: path, Term: expr.Term{Operand: expr.Operand{Value: v}}})
		}
	}
	return u, nil
}
