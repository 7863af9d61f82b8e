package cloudformation

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	api "moln.dev/moln/api/cloudformation"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/cloudformation/stack"
	"moln.dev/moln/services/cloudformation/template"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func (s *Service) getTemplate(ctx context.Context, c *service.Call, in *api.GetTemplateInput) (*api.GetTemplateOutput, error) {
	var st *stack.Stack
	var err error
	id := ""
	if smithy.Val(in.ChangeSetName) != "" {
		var cs *stack.ChangeSet
		if st, cs, err = s.findSet(ctx, c, in.ChangeSetName, in.StackName); err == nil {
			id = cs.Target.TemplateID
		}
	} else if st, err = s.find(ctx, c, in.StackName, errNoStackID); err == nil {
		id = st.Deployed.TemplateID
	}
	if err != nil {
		return nil, err
	}
	text, err := s.store.Template(ctx, st.Place(), st.ID, id)
	if err != nil {
		return nil, err
	}
	return &api.GetTemplateOutput{TemplateBody: &text, StagesAvailable: []string{"Original", "Processed"}}, nil
}

func (s *Service) validateTemplate(ctx context.Context, c *service.Call, in *api.ValidateTemplateInput) (*api.ValidateTemplateOutput, error) {
	tpl, err := s.parse(ctx, c, in.TemplateBody, in.TemplateURL)
	if err != nil {
		return nil, err
	}
	// An empty list is written, which clients rely on.
	out := &api.ValidateTemplateOutput{Parameters: []api.TemplateParameter{}, Description: optional(tpl.Description), DeclaredTransforms: tpl.Transforms}
	out.Capabilities, out.CapabilitiesReason = capabilities(tpl)
	for _, name := range sortedKeys(tpl.Parameters) {
		p := tpl.Parameters[name]
		made := api.TemplateParameter{ParameterKey: &p.Name, NoEcho: &p.NoEcho, Description: optional(p.Description)}
		if p.HasDefault {
			made.DefaultValue = &p.Default
		}
		out.Parameters = append(out.Parameters, made)
	}
	return out, nil
}

func (s *Service) parse(ctx context.Context, c *service.Call, body, link *string) (*template.Template, error) {
	text, err := s.templateText(ctx, c, body, link, false, nil, nil)
	if err != nil {
		return nil, err
	}
	tpl, err := template.Parse(text)
	return tpl, templateFault(err)
}

func capabilities(tpl *template.Template) ([]string, *string) {
	need, types := tpl.Capabilities()
	if need == "" {
		return nil, nil
	}
	return []string{need}, new(fmt.Sprintf("The following resource(s) require capabilities: [%s]", strings.Join(types, ", ")))
}

func (s *Service) getTemplateSummary(ctx context.Context, c *service.Call, in *api.GetTemplateSummaryInput) (*api.GetTemplateSummaryOutput, error) {
	if smithy.Val(in.StackSetName) != "" {
		return nil, errUnsupported("A stack set")
	}
	body := in.TemplateBody
	if smithy.Val(in.StackName) != "" {
		st, err := s.findActive(ctx, c, in.StackName, errNoStackID)
		if err != nil {
			return nil, err
		}
		text, err := s.store.Template(ctx, st.Place(), st.ID, st.Deployed.TemplateID)
		if err != nil {
			return nil, err
		}
		tpl, err := template.Parse(text)
		if err != nil {
			return nil, templateFault(err)
		}
		return summary(tpl), nil
	}
	tpl, err := s.parse(ctx, c, body, in.TemplateURL)
	if err != nil {
		return nil, err
	}
	return summary(tpl), nil
}

func summary(tpl *template.Template) *api.GetTemplateSummaryOutput {
	out := &api.GetTemplateSummaryOutput{
		Parameters: []api.ParameterDeclaration{}, Description: optional(tpl.Description), ResourceTypes: tpl.Types(), Version: new("2010-09-09"), DeclaredTransforms: tpl.Transforms,
	}
	if tpl.Metadata != nil {
		out.Metadata = new(template.JSON(tpl.Metadata))
	}
	out.Capabilities, out.CapabilitiesReason = capabilities(tpl)
	for _, name := range sortedKeys(tpl.Parameters) {
		p := tpl.Parameters[name]
		made := api.ParameterDeclaration{ParameterKey: &p.Name, ParameterType: &p.Type, NoEcho: &p.NoEcho, Description: optional(p.Description)}
		if p.HasDefault {
			made.DefaultValue = &p.Default
		}
		if p.AllowedValues != nil {
			made.ParameterConstraints = &api.ParameterConstraints{AllowedValues: p.AllowedValues}
		}
		out.Parameters = append(out.Parameters, made)
	}
	return out
}
