package template

import (
	"maps"
	"slices"
)

// CheckRules evaluates the Rules section: the assertions of every rule whose
// condition holds.
func (e *Evaluator) CheckRules() error {
	outer := e.env
	e.env.Ref, e.env.GetAtt, e.env.Import = nil, nil, nil
	defer func() { e.env = outer }()
	for _, name := range slices.Sorted(maps.Keys(e.t.Rules)) {
		if err := e.rule(name, e.t.Rules[name]); err != nil {
			return err
		}
	}
	return nil
}

func (e *Evaluator) rule(name string, v any) error {
	m, _ := v.(map[string]any)
	list, ok := m["Assertions"].([]any)
	if !ok {
		return errorf("Template format error: Rule %s must have a list of Assertions.", name)
	}
	if err := knownKeys(m, "Assertions", "RuleCondition"); err != nil {
		return err
	}
	if c, set := m["RuleCondition"]; set {
		on, err := e.truth(c, 0)
		if err != nil || !on {
			return err
		}
	}
	for _, item := range list {
		a, _ := item.(map[string]any)
		assert, set := a["Assert"]
		if !set {
			return errorf("Template format error: every assertion of rule %s must have an Assert.", name)
		}
		on, err := e.truth(assert, 0)
		if err != nil {
			return err
		}
		if !on {
			description, _ := a["AssertDescription"].(string)
			return errorf("Template error: rule %s failed: %s", name, description)
		}
	}
	return nil
}

// listTest is Fn::Contains and its siblings, which rules use.
func (e *Evaluator) listTest(name string, args []any, depth int) (any, error) {
	if len(args) != 2 {
		return nil, errorf("Template error: every %s object requires two parameters.", name)
	}
	left, err := e.value(args[0], depth+1)
	if err != nil {
		return nil, err
	}
	right, err := e.value(args[1], depth+1)
	if err != nil {
		return nil, err
	}
	all, ok := left.([]any)
	if !ok {
		return nil, errorf("Template error: %s requires a list of strings.", name)
	}
	in := func(list []any, v any) bool {
		return slices.ContainsFunc(list, func(item any) bool { return Equal(item, v) })
	}
	if name == "Fn::Contains" {
		return in(all, right), nil
	}
	for _, item := range all {
		if name == "Fn::EachMemberEquals" && !Equal(item, right) {
			return false, nil
		}
		if name == "Fn::EachMemberIn" {
			allowed, ok := right.([]any)
			if !ok {
				return nil, errorf("Template error: %s requires two lists of strings.", name)
			}
			if !in(allowed, item) {
				return false, nil
			}
		}
	}
	return true, nil
}
