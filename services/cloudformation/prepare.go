package cloudformation

import (
	"context"
	"slices"
	"strings"

	api "moln.dev/moln/api/cloudformation"
	"moln.dev/moln/api/ssm"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/cloudformation/stack"
	"moln.dev/moln/services/cloudformation/template"
)

// ask is what requests that deploy have in common.
type ask struct {
	stackName             string
	templateBody          *string
	templateURL           *string
	usePrevious           bool
	parameters            []api.Parameter
	tags                  []api.Tag
	capabilities          []string
	resourceTypes         []string
	notificationARNs      []string
	rollbackConfiguration *api.RollbackConfiguration
	deploymentConfig      *api.DeploymentConfig
}

// plan is an ask that was found sound.
type plan struct {
	tpl    *template.Template
	target stack.Target
	env    template.Env
}

// prepare reads the template and its parameters and checks all that can be
// before resources exist. st is the stack as it will be named; previous what it
// had deployed, nil for new stacks.
func (s *Service) prepare(ctx context.Context, c *service.Call, a ask, st *stack.Stack, previous *stack.Target) (*plan, error) {
	if err := a.check(); err != nil {
		return nil, err
	}
	text, err := s.templateText(ctx, c, a.templateBody, a.templateURL, a.usePrevious, st, previous)
	if err != nil {
		return nil, err
	}
	p := &plan{}
	if p.tpl, err = template.Parse(text); err != nil {
		return nil, templateFault(err)
	}
	if err := checkCapabilities(p.tpl, a); err != nil {
		return nil, err
	}
	p.target = stack.Target{
		TemplateID: s.deps.Ident.Lower(16), Description: p.tpl.Description, Capabilities: a.capabilities,
		Notify: slices.DeleteFunc(slices.Clone(a.notificationARNs), func(arn string) bool { return arn == "" }),
	}
	if p.target.Tags, err = stackTags(a.tags); err != nil {
		return nil, err
	}
	if a.tags == nil && previous != nil {
		p.target.Tags = previous.Tags
	}
	if a.notificationARNs == nil && previous != nil {
		p.target.Notify = previous.Notify
	}
	if err := s.fill(ctx, c, p, a.parameters, previous); err != nil {
		return nil, err
	}
	if p.env, err = s.engine.Env(st, &p.target, p.tpl); err != nil {
		return nil, templateFault(err)
	}
	eval := template.NewEvaluator(p.tpl, p.env)
	if err := eval.CheckRules(); err != nil {
		return nil, templateFault(err)
	}
	if _, err := eval.Conditions(); err != nil {
		return nil, templateFault(err)
	}
	if _, err := eval.Graph(); err != nil {
		return nil, templateFault(err)
	}
	return p, nil
}

// check refuses what is asked for and not there.
func (a ask) check() error {
	if r := a.rollbackConfiguration; r != nil && (len(r.RollbackTriggers) > 0 || smithy.Val(r.MonitoringTimeInMinutes) > 0) {
		return errUnsupported("RollbackConfiguration")
	}
	if mode := a.deploymentConfig; mode != nil && mode.Mode != nil && *mode.Mode != "STANDARD" {
		return errUnsupported("The deployment mode " + *mode.Mode)
	}
	return nil
}

// fill chooses the parameters' values and asks SSM where their types say so.
func (s *Service) fill(ctx context.Context, c *service.Call, p *plan, given []api.Parameter, previous *stack.Target) error {
	asked := map[string]template.Given{}
	for _, g := range given {
		if key := smithy.Val(g.ParameterKey); key != "" {
			asked[key] = template.Given{Value: smithy.Val(g.ParameterValue), UsePrevious: smithy.Val(g.UsePreviousValue)}
		}
	}
	var before map[string]string
	if previous != nil {
		before = previous.Parameters
	}
	var err error
	if p.target.Parameters, err = p.tpl.Choose(asked, before); err != nil {
		return templateFault(err)
	}
	p.target.Resolved = map[string]string{}
	for name, decl := range p.tpl.Parameters {
		if decl.NoEcho {
			p.target.Hidden = append(p.target.Hidden, name)
		}
		if !decl.FromSSM() {
			continue
		}
		if p.target.Resolved[name], err = lookUpParameter(ctx, c, p.target.Parameters[name]); err != nil {
			return err
		}
	}
	slices.Sort(p.target.Hidden)
	return nil
}

func lookUpParameter(ctx context.Context, c *service.Call, name string) (string, error) {
	out, err := service.Invoke(ctx, c, ssm.GetParameter, &ssm.GetParameterInput{Name: &name})
	if fault.Is(err, "ParameterNotFound") {
		return "", invalid("Unable to fetch parameters [%s] from parameter store for this account.", name)
	}
	if err != nil {
		return "", err
	}
	if out.Parameter == nil {
		return "", invalid("Unable to fetch parameters [%s] from parameter store for this account.", name)
	}
	return smithy.Val(out.Parameter.Value), nil
}

func checkCapabilities(tpl *template.Template, a ask) error {
	if len(a.resourceTypes) > 0 {
		for _, t := range tpl.Types() {
			if !slices.ContainsFunc(a.resourceTypes, func(pattern string) bool { return typeMatches(pattern, t) }) {
				return invalid("Resource type %s is not among the ResourceTypes of the request", t)
			}
		}
	}
	need, _ := tpl.Capabilities()
	named := slices.Contains(a.capabilities, "CAPABILITY_NAMED_IAM")
	if need == "" || named || need == "CAPABILITY_IAM" && slices.Contains(a.capabilities, "CAPABILITY_IAM") {
		return nil
	}
	return api.ErrInsufficientCapabilitiesException("Requires capabilities : [%s]", need)
}

// typeMatches takes "AWS::EC2::*", "AWS::*" and "Custom::*" besides full names.
func typeMatches(pattern, name string) bool {
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(name, prefix)
	}
	return pattern == name
}

// maxTags is AWS's limit of tags on a stack.
const maxTags = 50

func stackTags(in []api.Tag) ([]stack.Tag, error) {
	if len(in) > maxTags {
		return nil, invalid("Number of tags, %d, is greater than maximum allowed, %d", len(in), maxTags)
	}
	var out []stack.Tag
	for _, t := range in {
		key := smithy.Val(t.Key)
		if key == "" {
			continue // an empty list arrives as one empty member
		}
		if strings.HasPrefix(strings.ToLower(key), "aws:") {
			return nil, invalid("aws: prefixed tag key names are not allowed for external use.")
		}
		if slices.ContainsFunc(out, func(o stack.Tag) bool { return o.Key == key }) {
			return nil, invalid("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		}
		out = append(out, stack.Tag{Key: key, Value: smithy.Val(t.Value)})
	}
	slices.SortFunc(out, func(a, b stack.Tag) int { return strings.Compare(a.Key, b.Key) })
	return out, nil
}
