package cloudformation

import (
	"context"
	"errors"
	"slices"

	api "moln.dev/moln/api/cloudformation"
	"moln.dev/moln/services/cloudformation/deploy"
	"moln.dev/moln/services/cloudformation/stack"
	"moln.dev/moln/services/cloudformation/template"
)

// difference is what a plan would change.
type difference struct {
	changes []template.Change
	// others says that something besides resources changes: outputs, tags.
	others bool
}

func (d difference) empty() bool { return len(d.changes) == 0 && !d.others }

// diff compares a plan with what a stack has.
func (s *Service) diff(ctx context.Context, st *stack.Stack, p *plan) (difference, error) {
	list, err := s.store.Resources(ctx, st.Place(), st.ID)
	if err != nil {
		return difference{}, err
	}
	old := map[string]template.Deployed{}
	for i := range list {
		if r := &list[i]; r.Live() {
			old[r.LogicalID] = template.Deployed{
				Type: r.Current.Type, PhysicalID: r.Current.ID, Properties: r.Current.Properties, Metadata: r.Metadata,
				Attributes: r.Current.Attributes, Ref: r.Current.RefValue(), Policies: r.Current.Policies,
			}
		}
	}
	env := p.env
	env.Import = func(name string) (any, error) {
		e, err := s.store.Export(ctx, st.Place(), name)
		if errors.Is(err, stack.ErrNotFound) {
			return nil, template.Error("No export named " + name + " found")
		}
		if err != nil {
			return nil, err
		}
		return e.Value, nil
	}
	eval := template.NewEvaluator(p.tpl, env)
	var retag func(string) bool
	d := difference{others: !slices.Equal(p.target.Tags, st.Deployed.Tags)}
	if d.others {
		retag = s.engine.Taggable
	}
	if d.changes, err = eval.Diff(old, s.engine.Replaces, retag); err != nil {
		return difference{}, err
	}
	outputs, err := deploy.Outputs(p.tpl, eval)
	if err != nil {
		return difference{}, err
	}
	d.others = d.others || !slices.Equal(outputs, st.Outputs)
	return d, nil
}

// wireChanges gives changes as the API describes them, with or without the
// properties' values.
func wireChanges(changes []template.Change, values bool) []api.Change {
	out := make([]api.Change, 0, len(changes))
	for _, c := range changes {
		rc := &api.ResourceChange{
			Action: new(string(c.Action)), LogicalResourceId: new(c.LogicalID), ResourceType: new(c.Type), Scope: c.Scope,
			Details: wireDetails(c, values),
		}
		if c.PhysicalID != "" {
			rc.PhysicalResourceId = new(c.PhysicalID)
		}
		switch {
		case c.Action == template.Modify && c.Replace:
			rc.Replacement, rc.PolicyAction = new("True"), new("ReplaceAndDelete")
		case c.Action == template.Modify:
			rc.Replacement = new("False")
		case c.Action == template.Remove:
			rc.PolicyAction = new("Delete")
			if c.Retained {
				rc.PolicyAction = new("Retain")
			}
		}
		if values && c.Before != nil {
			rc.BeforeContext = new(template.JSON(map[string]any{"Properties": c.Before}))
		}
		if values && c.After != nil {
			rc.AfterContext = new(template.JSON(map[string]any{"Properties": c.After}))
		}
		out = append(out, api.Change{Type: new("Resource"), ResourceChange: rc})
	}
	return out
}

func wireDetails(c template.Change, values bool) []api.ResourceChangeDetail {
	var out []api.ResourceChangeDetail
	for _, d := range c.Details {
		target := func() *api.ResourceTargetDefinition {
			t := &api.ResourceTargetDefinition{Attribute: new("Properties"), Name: new(d.Property), RequiresRecreation: new("Never")}
			if d.Replaces {
				t.RequiresRecreation = new("Always")
			}
			if values {
				t.Path = new("/Properties/" + d.Property)
				t.AttributeChangeType = new(changeType(d))
				if d.Before != nil {
					t.BeforeValue = new(template.Display(d.Before))
				}
				if d.After != nil {
					t.AfterValue = new(template.Display(d.After))
				}
			}
			return t
		}
		if d.Static {
			out = append(out, api.ResourceChangeDetail{Target: target(), Evaluation: new("Static"), ChangeSource: new("DirectModification")})
		}
		for _, cause := range d.Causes {
			evaluation := "Dynamic"
			if cause.Source == "ParameterReference" {
				evaluation = "Static"
			}
			out = append(out, api.ResourceChangeDetail{Target: target(), Evaluation: &evaluation, ChangeSource: new(cause.Source), CausingEntity: new(cause.Entity)})
		}
		if !d.Static && len(d.Causes) == 0 {
			out = append(out, api.ResourceChangeDetail{Target: target(), Evaluation: new("Dynamic"), ChangeSource: new("DirectModification")})
		}
	}
	for _, scope := range c.Scope {
		if scope != "Properties" {
			out = append(out, api.ResourceChangeDetail{
				Target:     &api.ResourceTargetDefinition{Attribute: new(scope), RequiresRecreation: new("Never")},
				Evaluation: new("Static"), ChangeSource: new("DirectModification"),
			})
		}
	}
	return out
}

func changeType(d template.Detail) string {
	switch {
	case d.Before == nil:
		return "Add"
	case d.After == nil:
		return "Remove"
	}
	return "Modify"
}
