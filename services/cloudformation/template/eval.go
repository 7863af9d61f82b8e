package template

import (
	"maps"
	"slices"
	"strings"
)

// Env is what evaluation needs from outside the template.
type Env struct {
	Account, Region, Partition, URLSuffix string
	StackName, StackID                    string
	NotificationARNs                      []string
	// Parameters are typed values: string or []any of string.
	Parameters map[string]any
	// Ref and GetAtt give a resource's values; Unknown where it does not exist
	// yet. Nil while conditions and rules are evaluated: resources are then out
	// of reach.
	Ref    func(logicalID string) (any, error)
	GetAtt func(logicalID, attribute string) (any, error)
	// Import gives the value of an export.
	Import func(name string) (any, error)
	// Zones gives a region's availability zones.
	Zones func(region string) []string
}

// Evaluator evaluates the values of one template in one environment. It is not
// safe for concurrent use: it remembers conditions as it meets them.
type Evaluator struct {
	t          *Template
	env        Env
	conditions map[string]bool
	busy       map[string]bool
}

// NewEvaluator checks nothing; conditions are evaluated when first needed.
func NewEvaluator(t *Template, env Env) *Evaluator {
	return &Evaluator{t: t, env: env, conditions: map[string]bool{}, busy: map[string]bool{}}
}

// Value evaluates a value: its functions replaced by what they give, members
// without value gone.
func (e *Evaluator) Value(v any) (any, error) {
	out, err := e.value(v, 0)
	if err != nil {
		return nil, err
	}
	if _, none := out.(NoValue); none {
		return nil, nil
	}
	return out, nil
}

func (e *Evaluator) value(v any, depth int) (any, error) {
	if depth > maxDepth {
		return nil, errorf("Template error: values are nested too deeply")
	}
	switch v := v.(type) {
	case map[string]any:
		name, arg, ok, err := function(v)
		if err != nil {
			return nil, err
		}
		if ok {
			return e.call(name, arg, depth)
		}
		return e.object(v, depth)
	case []any:
		out := make([]any, 0, len(v))
		for _, item := range v {
			got, err := e.value(item, depth+1)
			if err != nil {
				return nil, err
			}
			if _, none := got.(NoValue); !none {
				out = append(out, got)
			}
		}
		return out, nil
	}
	return v, nil
}

func (e *Evaluator) object(m map[string]any, depth int) (any, error) {
	out := make(map[string]any, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		got, err := e.value(m[k], depth+1)
		if err != nil {
			return nil, err
		}
		if _, none := got.(NoValue); !none {
			out[k] = got
		}
	}
	return out, nil
}

// function says whether an object is a function call: exactly one member, Ref
// or Fn::.
func function(m map[string]any) (name string, arg any, ok bool, err error) {
	for k, v := range m {
		if k != "Ref" && !strings.HasPrefix(k, "Fn::") {
			continue
		}
		if len(m) == 1 {
			return k, v, true, nil
		}
		if k != "Ref" {
			return "", nil, false, errorf("Template error: %s must be the only member of its object", k)
		}
	}
	return "", nil, false, nil
}

// isFunction says whether the language has a function of this name.
func isFunction(name string) bool {
	switch name {
	case "Ref", "Fn::GetAtt", "Fn::Sub", "Fn::Join", "Fn::Select", "Fn::Split", "Fn::FindInMap", "Fn::If",
		"Fn::Equals", "Fn::And", "Fn::Or", "Fn::Not", "Fn::ImportValue", "Fn::Base64", "Fn::Cidr", "Fn::GetAZs",
		"Fn::ToJsonString", "Fn::Length", "Fn::Transform", "Fn::Contains", "Fn::EachMemberEquals", "Fn::EachMemberIn",
		"Fn::ForEach", "Fn::RefAll", "Fn::ValueOf", "Fn::ValueOfAll":
		return true
	}
	return false
}

func (e *Evaluator) call(name string, arg any, depth int) (any, error) {
	switch name {
	case "Ref":
		return e.ref(arg)
	case "Fn::GetAtt":
		return e.getAtt(arg, depth)
	case "Fn::Sub":
		return e.sub(arg, depth)
	case "Fn::If":
		return e.ifElse(arg, depth)
	case "Fn::Equals", "Fn::And", "Fn::Or", "Fn::Not":
		return e.boolean(map[string]any{name: arg}, depth)
	}
	plain := plainFunctions()[name]
	if plain == nil {
		return nil, errorf("Template error: the function %s is not supported", name)
	}
	if extensionOnly(name) && !e.t.extended() {
		return nil, errorf("Template format error: Encountered unsupported function: %s. Supported functions need the transform %s.", name, LanguageExtensions)
	}
	v, err := e.value(arg, depth+1)
	if err != nil {
		return nil, err
	}
	if HasUnknown(v) {
		return Unknown{}, nil
	}
	return plain(e, v)
}

func extensionOnly(name string) bool { return name == "Fn::ToJsonString" || name == "Fn::Length" }

// Pseudo gives a pseudo parameter.
func (e *Evaluator) pseudo(name string) (any, bool) {
	switch name {
	case "AWS::AccountId":
		return e.env.Account, true
	case "AWS::Region":
		return e.env.Region, true
	case "AWS::Partition":
		return e.env.Partition, true
	case "AWS::URLSuffix":
		return e.env.URLSuffix, true
	case "AWS::StackName":
		return e.env.StackName, true
	case "AWS::StackId":
		return e.env.StackID, true
	case "AWS::NotificationARNs":
		out := []any{}
		for _, a := range e.env.NotificationARNs {
			out = append(out, a)
		}
		return out, true
	case "AWS::NoValue":
		return NoValue{}, true
	}
	return nil, false
}

func (e *Evaluator) ref(arg any) (any, error) {
	name, ok := arg.(string)
	if !ok {
		return nil, errorf("Template format error: Every Ref must be a string")
	}
	if v, ok := e.pseudo(name); ok {
		return v, nil
	}
	if v, ok := e.env.Parameters[name]; ok {
		return v, nil
	}
	if e.env.Ref == nil {
		return nil, errorf("Template error: Unresolved dependencies [%s]. Cannot reference resources in the Conditions block of the template", name)
	}
	if err := e.active(name); err != nil {
		return nil, err
	}
	return e.env.Ref(name)
}

// active fails where a resource is referenced that its condition keeps out.
func (e *Evaluator) active(id string) error {
	r := e.t.Resources[id]
	if r == nil {
		return errUnresolved([]string{id}, "Resources")
	}
	on, err := e.Active(r.Condition)
	if err != nil {
		return err
	}
	if !on {
		return errUnresolved([]string{id}, "Resources")
	}
	return nil
}

func errUnresolved(ids []string, block string) error {
	return errorf("Template format error: Unresolved resource dependencies [%s] in the %s block of the template", strings.Join(ids, ", "), block)
}

var errGetAttForm = Error("Template error: every Fn::GetAtt object requires two non-empty parameters, the resource name and the resource attribute")

func (e *Evaluator) getAtt(arg any, depth int) (any, error) {
	id, attribute, err := getAttParts(arg)
	if err != nil {
		return nil, err
	}
	att, err := e.value(attribute, depth+1)
	if err != nil {
		return nil, err
	}
	if HasUnknown(att) {
		return Unknown{}, nil
	}
	name, ok := att.(string)
	if !ok || name == "" {
		return nil, errGetAttForm
	}
	return e.attribute(id, name)
}

func (e *Evaluator) attribute(id, name string) (any, error) {
	if e.env.GetAtt == nil {
		return nil, errorf("Template error: Fn::GetAtt cannot be used in the Conditions block of the template")
	}
	if e.t.Resources[id] == nil {
		return nil, errorf("Template error: instance of Fn::GetAtt references undefined resource %s", id)
	}
	if err := e.active(id); err != nil {
		return nil, err
	}
	return e.env.GetAtt(id, name)
}

func getAttParts(arg any) (id string, attribute any, err error) {
	switch a := arg.(type) {
	case string:
		id, att, dotted := strings.Cut(a, ".")
		if !dotted || id == "" || att == "" {
			return "", nil, errGetAttForm
		}
		return id, att, nil
	case []any:
		if len(a) < 2 {
			return "", nil, errGetAttForm
		}
		id, ok := a[0].(string)
		if !ok || id == "" {
			return "", nil, errGetAttForm
		}
		if len(a) == 2 {
			return id, a[1], nil
		}
		// ["Stack", "Outputs", "X"] is the dotted name in pieces.
		parts := make([]string, 0, len(a)-1)
		for _, p := range a[1:] {
			s, ok := p.(string)
			if !ok {
				return "", nil, errGetAttForm
			}
			parts = append(parts, s)
		}
		return id, strings.Join(parts, "."), nil
	}
	return "", nil, errGetAttForm
}
