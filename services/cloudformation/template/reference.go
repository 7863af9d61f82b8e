package template

import (
	"maps"
	"slices"
	"strings"
)

// reference is one use of a name in a value.
type reference struct {
	kind refKind
	name string
	// attribute is set for GetAtt with a literal attribute.
	attribute string
}

type refKind uint8

const (
	refName refKind = iota // Ref or ${X}
	refAttribute
	refCondition // Fn::If or Condition in a boolean
	refMapping
)

// walker finds references in values that are not evaluated yet.
type walker struct {
	visit func(reference) error
	// taken chooses the branch of an Fn::If: nil follows both.
	taken func(condition string) (bool, error)
}

func (w walker) value(v any) error {
	switch v := v.(type) {
	case map[string]any:
		name, arg, ok, err := function(v)
		if err != nil {
			return err
		}
		if ok {
			return w.call(name, arg)
		}
		for _, k := range slices.Sorted(maps.Keys(v)) {
			if err := w.value(v[k]); err != nil {
				return err
			}
		}
	case []any:
		for _, item := range v {
			if err := w.value(item); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w walker) call(name string, arg any) error {
	switch name {
	case "Ref":
		s, ok := arg.(string)
		if !ok {
			return errorf("Template format error: Every Ref must be a string")
		}
		return w.visit(reference{kind: refName, name: s})
	case "Fn::GetAtt":
		id, attribute, err := getAttParts(arg)
		if err != nil {
			return err
		}
		text, _ := attribute.(string)
		if err := w.visit(reference{kind: refAttribute, name: id, attribute: text}); err != nil {
			return err
		}
		return w.value(attribute)
	case "Fn::Sub":
		return w.sub(arg)
	case "Fn::If":
		return w.ifElse(arg)
	case "Fn::Transform":
		return errorf("Template format error: Fn::Transform (macros and AWS::Include) is not supported.")
	case "Fn::And", "Fn::Or", "Fn::Not":
		return w.conditions(arg)
	}
	if !isFunction(name) {
		return errorf("Template format error: Encountered unsupported function: %s", name)
	}
	return w.value(arg)
}

func (w walker) ifElse(arg any) error {
	list, _ := arg.([]any)
	if len(list) != 3 {
		return errIfForm
	}
	name, ok := list[0].(string)
	if !ok {
		return errIfForm
	}
	if err := w.visit(reference{kind: refCondition, name: name}); err != nil {
		return err
	}
	if w.taken == nil {
		return w.value(list[1:])
	}
	on, err := w.taken(name)
	if err != nil {
		return err
	}
	if on {
		return w.value(list[1])
	}
	return w.value(list[2])
}

// conditions walks the members of And, Or and Not, where {"Condition": X} is a
// reference.
func (w walker) conditions(arg any) error {
	list, ok := arg.([]any)
	if !ok {
		return w.value(arg)
	}
	for _, item := range list {
		if err := w.condition(item); err != nil {
			return err
		}
	}
	return nil
}

func (w walker) condition(v any) error {
	if m, ok := v.(map[string]any); ok && len(m) == 1 {
		if name, ok := m["Condition"].(string); ok {
			return w.visit(reference{kind: refCondition, name: name})
		}
	}
	return w.value(v)
}

func (w walker) sub(arg any) error {
	pieces, values, err := subParts(arg)
	if err != nil {
		return err
	}
	for _, p := range pieces {
		if !p.variable {
			continue
		}
		if _, own := values[p.text]; own {
			continue
		}
		r := reference{kind: refName, name: p.text}
		if id, attribute, dotted := strings.Cut(p.text, "."); dotted {
			r = reference{kind: refAttribute, name: id, attribute: attribute}
		}
		if err := w.visit(r); err != nil {
			return err
		}
	}
	for _, k := range slices.Sorted(maps.Keys(values)) {
		if err := w.value(values[k]); err != nil {
			return err
		}
	}
	return nil
}

// checkForms walks the sections that know no resources.
func (t *Template) checkForms() error {
	noResources := walker{visit: func(r reference) error {
		switch {
		case r.kind == refCondition:
			return t.knownCondition(r.name)
		case r.kind == refAttribute, t.Parameters[r.name] == nil && !isPseudo(r.name):
			return errorf("Template format error: Unresolved dependencies [%s]. Cannot reference resources in the Conditions block of the template", r.name)
		}
		return nil
	}}
	for _, name := range slices.Sorted(maps.Keys(t.Conditions)) {
		if err := noResources.condition(t.Conditions[name]); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(t.Mappings)) {
		if err := checkMapping(name, t.Mappings[name]); err != nil {
			return err
		}
	}
	return nil
}

func checkMapping(name string, v any) error {
	table, ok := v.(map[string]any)
	if !ok {
		return errorf("Template format error: Every Mappings member %s must be a map", name)
	}
	for key, row := range table {
		attributes, ok := row.(map[string]any)
		if !ok {
			return errorf("Template format error: Every Mappings attribute must be a String or a List: %s/%s", name, key)
		}
		for attribute, value := range attributes {
			if _, nested := value.(map[string]any); nested {
				return errorf("Template format error: Every Mappings attribute must be a String or a List: %s/%s/%s", name, key, attribute)
			}
		}
	}
	return nil
}

func (t *Template) knownCondition(name string) error {
	if _, ok := t.Conditions[name]; !ok {
		return errorf("Template format error: Unresolved condition dependency %s in the Resources block of the template", name)
	}
	return nil
}

func isPseudo(name string) bool {
	switch name {
	case "AWS::AccountId", "AWS::Region", "AWS::Partition", "AWS::URLSuffix", "AWS::StackName", "AWS::StackId",
		"AWS::NotificationARNs", "AWS::NoValue":
		return true
	}
	return false
}

// checkReferences checks that every name used in resources and outputs exists,
// in both branches of every Fn::If.
func (t *Template) checkReferences() error {
	block := "Resources"
	var missing []string
	w := walker{visit: func(r reference) error {
		switch r.kind {
		case refCondition:
			return t.knownCondition(r.name)
		case refAttribute:
			if t.Resources[r.name] == nil {
				return errorf("Template error: instance of Fn::GetAtt references undefined resource %s", r.name)
			}
		case refName:
			if t.Resources[r.name] == nil && t.Parameters[r.name] == nil && !isPseudo(r.name) {
				missing = append(missing, r.name)
			}
		}
		return nil
	}}
	for _, id := range t.IDs() {
		r := t.Resources[id]
		if r.Condition != "" {
			if err := t.knownCondition(r.Condition); err != nil {
				return err
			}
		}
		for _, d := range r.DependsOn {
			if t.Resources[d] == nil {
				missing = append(missing, d)
			}
		}
		if err := w.value(r.Properties); err != nil {
			return err
		}
	}
	if len(missing) == 0 {
		block = "Outputs"
		for _, name := range slices.Sorted(maps.Keys(t.Outputs)) {
			o := t.Outputs[name]
			if o.Condition != "" {
				if err := t.knownCondition(o.Condition); err != nil {
					return err
				}
			}
			if err := w.value([]any{o.Value, o.Export}); err != nil {
				return err
			}
		}
	}
	if len(missing) == 0 {
		return nil
	}
	slices.Sort(missing)
	return errUnresolved(slices.Compact(missing), block)
}
