package template

import (
	"maps"
	"slices"
	"strings"
)

// Action says what becomes of a resource.
type Action string

// The actions of change sets.
const (
	Add    Action = "Add"
	Modify Action = "Modify"
	Remove Action = "Remove"
)

// Deployed is a resource as a stack has it.
type Deployed struct {
	Type       string
	PhysicalID string
	// Properties are evaluated.
	Properties map[string]any
	Metadata   any
	Attributes map[string]any
	Ref        any
	Policies   [2]string // DeletionPolicy, UpdateReplacePolicy
}

// Detail is one property that differs.
type Detail struct {
	Property      string
	Before, After any // nil: absent
	// Replaces says that this change makes a new resource.
	Replaces bool
	// Static values do not come from other resources; Causes are those they
	// come from ("Table.Arn", "Param").
	Static bool
	Causes []Cause
}

// Cause is what a changed value comes from.
type Cause struct {
	Entity string
	Source string // ResourceReference, ResourceAttribute, ParameterReference
}

// Change is what becomes of one resource, and why.
type Change struct {
	LogicalID, Type string
	PhysicalID      string
	Action          Action
	Replace         bool
	Details         []Detail
	// Scope lists what differs: Properties, Metadata, Tags, DeletionPolicy,
	// UpdateReplacePolicy.
	Scope         []string
	Before, After map[string]any
	// Retained resources leave the stack without being deleted.
	Retained bool
}

// Replaces tells whether changing a top-level property of a type needs a new
// resource.
type Replaces func(resourceType, property string) bool

// Diff compares a stack with what the evaluator's template asks for, in
// deployment order, removals last. The evaluator's Ref and GetAtt are set by
// Diff: what will be created or replaced is Unknown. retag says that the
// stack's tags changed, taggable which types care.
func (e *Evaluator) Diff(old map[string]Deployed, replaces Replaces, retag func(resourceType string) bool) ([]Change, error) {
	graph, err := e.Graph()
	if err != nil {
		return nil, err
	}
	fresh := map[string]bool{}
	e.env.Ref = func(id string) (any, error) {
		if fresh[id] || old[id].Ref == nil {
			return Unknown{}, nil
		}
		return old[id].Ref, nil
	}
	e.env.GetAtt = func(id, attribute string) (any, error) {
		v, ok := old[id].Attributes[attribute]
		if fresh[id] || !ok {
			return Unknown{}, nil
		}
		return v, nil
	}
	var out []Change
	for _, id := range graph.Order() {
		r := e.t.Resources[id]
		now, err := e.Value(r.Properties)
		if err != nil {
			return nil, err
		}
		after, _ := now.(map[string]any)
		before, exists := old[id]
		if !exists {
			fresh[id] = true
			out = append(out, Change{LogicalID: id, Type: r.Type, Action: Add, After: after})
			continue
		}
		c := e.compare(r, before, after, replaces)
		if retag != nil && retag(r.Type) {
			c.Scope = append(c.Scope, "Tags")
		}
		fresh[id] = c.Replace
		if len(c.Scope) > 0 {
			out = append(out, c)
		}
	}
	return append(out, removals(old, graph)...), nil
}

func removals(old map[string]Deployed, graph Graph) []Change {
	var out []Change
	for _, id := range slices.Sorted(maps.Keys(old)) {
		if _, stays := graph[id]; stays {
			continue
		}
		d := old[id]
		out = append(out, Change{LogicalID: id, Type: d.Type, PhysicalID: d.PhysicalID, Action: Remove, Before: d.Properties,
			Retained: strings.HasPrefix(d.Policies[0], "Retain")})
	}
	return out
}

func (e *Evaluator) compare(r *Resource, old Deployed, after map[string]any, replaces Replaces) Change {
	c := Change{LogicalID: r.LogicalID, Type: r.Type, PhysicalID: old.PhysicalID, Action: Modify, Before: old.Properties, After: after}
	if r.Type != old.Type {
		c.Replace = true
	}
	for _, name := range ChangedProperties(old.Properties, after) {
		d := Detail{Property: name, Before: old.Properties[name], After: after[name], Replaces: replaces(r.Type, name)}
		d.Causes = e.causes(r.Properties[name])
		d.Static = !HasUnknown(after[name]) && len(d.Causes) == 0
		c.Replace = c.Replace || d.Replaces
		c.Details = append(c.Details, d)
	}
	if len(c.Details) > 0 || c.Replace {
		c.Scope = append(c.Scope, "Properties")
	}
	if !Equal(r.Metadata, old.Metadata) {
		c.Scope = append(c.Scope, "Metadata")
	}
	if r.DeletionPolicy != old.Policies[0] {
		c.Scope = append(c.Scope, "DeletionPolicy")
	}
	if r.UpdateReplacePolicy != old.Policies[1] {
		c.Scope = append(c.Scope, "UpdateReplacePolicy")
	}
	return c
}

// ChangedProperties gives the names of the top-level properties that differ.
func ChangedProperties(before, after map[string]any) []string {
	var out []string
	for name, v := range after {
		if w, ok := before[name]; !ok || !Equal(v, w) {
			out = append(out, name)
		}
	}
	for name := range before {
		if _, ok := after[name]; !ok {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// causes finds what an unevaluated property comes from.
func (e *Evaluator) causes(v any) []Cause {
	var out []Cause
	w := walker{taken: e.Active, visit: func(r reference) error {
		c := Cause{Entity: r.name}
		switch {
		case r.kind == refAttribute:
			c.Entity += "." + r.attribute
			c.Source = "ResourceAttribute"
		case r.kind == refName && e.t.Resources[r.name] != nil:
			c.Source = "ResourceReference"
		case r.kind == refName && e.t.Parameters[r.name] != nil:
			c.Source = "ParameterReference"
		default:
			return nil
		}
		if !slices.Contains(out, c) {
			out = append(out, c)
		}
		return nil
	}}
	if w.value(v) != nil {
		return nil
	}
	return out
}
