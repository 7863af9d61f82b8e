package cloudformation

import (
	"context"
	"errors"
	"reflect"

	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/cloudformation/stack"
)

// authorize names the stack that a request means. Requests that name none, and
// reading templates, are judged on "*".
func (s *Service) authorize(ctx context.Context, c *service.Call, op *smithy.Operation, in any) ([]service.Check, error) {
	resource := "*"
	if name := member(in, "StackName"); name != "" && op.Name != "GetTemplateSummary" {
		arn, err := s.stackResource(ctx, c, name)
		if err != nil {
			return nil, err
		}
		resource = arn
	} else if name := member(in, "ChangeSetName"); name != "" {
		st, _, err := s.findSet(ctx, c, &name, nil)
		if err == nil {
			resource = st.ARN
		}
	}
	keys := conditionKeys(in)
	var checks []service.Check
	for _, action := range op.Actions {
		checks = append(checks, service.Check{Action: action, Resource: resource, Context: keys})
	}
	return checks, nil
}

// stackResource gives the ARN of a stack, or the one it would have.
func (s *Service) stackResource(ctx context.Context, c *service.Call, name string) (string, error) {
	st, err := s.lookUp(ctx, c, name)
	switch {
	case errors.Is(err, stack.ErrNotFound) && len(name) > 4 && name[:4] == "arn:":
		return name, nil
	case errors.Is(err, stack.ErrNotFound):
		return stackARN(place(c), name, "*"), nil
	case err != nil:
		return "", err
	}
	return st.ARN, nil
}

// member reads a string member of an input by name; "" where it has none.
func member(in any, name string) string {
	v := reflect.Indirect(reflect.ValueOf(in))
	if v.Kind() != reflect.Struct {
		return ""
	}
	f := v.FieldByName(name)
	if !f.IsValid() {
		return ""
	}
	p, _ := f.Interface().(*string)
	return smithy.Val(p)
}

func conditionKeys(in any) policy.Keys {
	keys := policy.Keys{}
	for key, name := range map[string]string{
		"cloudformation:rolearn": "RoleARN", "cloudformation:templateurl": "TemplateURL", "cloudformation:changesetname": "ChangeSetName",
	} {
		if v := member(in, name); v != "" {
			keys[key] = []string{v}
		}
	}
	if v := reflect.Indirect(reflect.ValueOf(in)).FieldByName("ResourceTypes"); v.IsValid() {
		if types, ok := v.Interface().([]string); ok && len(types) > 0 {
			keys["cloudformation:resourcetypes"] = types
		}
	}
	return keys
}

// judgeRole asks whether the caller may pass a role to CloudFormation.
func (s *Service) judgeRole(ctx context.Context, c *service.Call, role *string) error {
	if smithy.Val(role) == "" {
		return nil
	}
	return c.Judge(ctx, service.Check{
		Action: "iam:PassRole", Resource: *role,
		Context: policy.Keys{"iam:passedtoservice": {"cloudformation.amazonaws.com"}},
	})
}
