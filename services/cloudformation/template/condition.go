package template

import (
	"maps"
	"slices"
)

const (
	minAndOr = 2
	maxAndOr = 10
)

// Active says whether what carries this condition takes part; "" always does.
func (e *Evaluator) Active(condition string) (bool, error) {
	if condition == "" {
		return true, nil
	}
	if v, ok := e.conditions[condition]; ok {
		return v, nil
	}
	v, ok := e.t.Conditions[condition]
	if !ok {
		return false, errorf("Template format error: Unresolved condition dependency %s in the Resources block of the template", condition)
	}
	if e.busy[condition] {
		return false, errorf("Template format error: Circular dependency between conditions: [%s]", condition)
	}
	e.busy[condition] = true
	defer delete(e.busy, condition)
	// Conditions know parameters and mappings only.
	outer := e.env
	e.env.Ref, e.env.GetAtt, e.env.Import = nil, nil, nil
	on, err := e.truth(v, 0)
	e.env = outer
	if err != nil {
		return false, err
	}
	e.conditions[condition] = on
	return on, nil
}

// Conditions evaluates all conditions.
func (e *Evaluator) Conditions() (map[string]bool, error) {
	for _, name := range slices.Sorted(maps.Keys(e.t.Conditions)) {
		if _, err := e.Active(name); err != nil {
			return nil, err
		}
	}
	return maps.Clone(e.conditions), nil
}

func (e *Evaluator) truth(v any, depth int) (bool, error) {
	got, err := e.boolean(v, depth)
	if err != nil {
		return false, err
	}
	b, ok := got.(bool)
	if !ok {
		return false, errorf("Template error: a condition depends on a value that is known after deployment only")
	}
	return b, nil
}

// boolean evaluates a condition function. It gives a bool, or Unknown.
func (e *Evaluator) boolean(v any, depth int) (any, error) {
	if depth > maxDepth {
		return nil, errorf("Template error: conditions are nested too deeply")
	}
	switch v := v.(type) {
	case bool:
		return v, nil
	case string:
		if v == "true" || v == "false" {
			return v == "true", nil
		}
	case map[string]any:
		if name, ok := v["Condition"].(string); ok && len(v) == 1 {
			return e.Active(name)
		}
		name, arg, ok, err := function(v)
		if err != nil {
			return nil, err
		}
		if ok {
			return e.booleanCall(name, arg, depth)
		}
	}
	return nil, errorf("Template format error: Conditions can only be boolean operations on parameters and other conditions")
}

func (e *Evaluator) booleanCall(name string, arg any, depth int) (any, error) {
	list, _ := arg.([]any)
	switch name {
	case "Fn::Equals":
		if len(list) != 2 {
			return nil, errorf("Template error: every Fn::Equals object requires a list of two string parameters.")
		}
		return e.equals(list[0], list[1], depth)
	case "Fn::Not":
		if len(list) != 1 {
			return nil, errorf("Template error: every Fn::Not object requires one boolean parameter.")
		}
		b, err := e.truth(list[0], depth+1)
		return !b, err
	case "Fn::And", "Fn::Or":
		if len(list) < minAndOr || len(list) > maxAndOr {
			return nil, errorf("Template error: every %s object requires a list of at least %d and at most %d boolean parameters.", name, minAndOr, maxAndOr)
		}
		result := name == "Fn::And"
		for _, item := range list {
			b, err := e.truth(item, depth+1)
			if err != nil {
				return nil, err
			}
			if name == "Fn::And" {
				result = result && b
			} else {
				result = result || b
			}
		}
		return result, nil
	case "Fn::Contains", "Fn::EachMemberEquals", "Fn::EachMemberIn":
		return e.listTest(name, list, depth)
	}
	got, err := e.call(name, arg, depth+1)
	if err != nil {
		return nil, err
	}
	switch got := got.(type) {
	case bool, Unknown:
		return got, nil
	case string:
		if got == "true" || got == "false" {
			return got == "true", nil
		}
	}
	return nil, errorf("Template format error: Conditions can only be boolean operations on parameters and other conditions")
}

func (e *Evaluator) equals(a, b any, depth int) (any, error) {
	left, err := e.value(a, depth+1)
	if err != nil {
		return nil, err
	}
	right, err := e.value(b, depth+1)
	if err != nil {
		return nil, err
	}
	if HasUnknown(left) || HasUnknown(right) {
		return Unknown{}, nil
	}
	return Equal(left, right), nil
}

func (e *Evaluator) ifElse(arg any, depth int) (any, error) {
	list, _ := arg.([]any)
	if len(list) != 3 {
		return nil, errIfForm
	}
	name, ok := list[0].(string)
	if !ok {
		return nil, errIfForm
	}
	on, err := e.Active(name)
	if err != nil {
		return nil, err
	}
	if on {
		return e.value(list[1], depth+1)
	}
	return e.value(list[2], depth+1)
}

const errIfForm = Error("Template error: every Fn::If object requires a condition name and two values, one for true and one for false")
