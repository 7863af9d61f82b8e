package ecr

import (
	"context"
	"errors"
	"reflect"
	"strings"

	api "moln.dev/moln/api/ecr"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
)

// authorize names the repositories that a request is about, with their policies
// and tags. Requests about none are on "*".
func (s *Service) authorize(ctx context.Context, c *service.Call, op *smithy.Operation, in any) ([]service.Check, error) {
	subjects := s.subjects(c, in)
	if subjects == nil {
		return actionsOn(op, service.Check{Resource: "*"}), nil
	}
	var out []service.Check
	for _, one := range subjects {
		check, err := s.checkOn(ctx, one)
		if err != nil {
			return nil, err
		}
		requestTags(check.Context, in)
		out = append(out, actionsOn(op, check)...)
	}
	return out, nil
}

func actionsOn(op *smithy.Operation, check service.Check) []service.Check {
	out := make([]service.Check, len(op.Actions))
	for i, a := range op.Actions {
		out[i] = check
		out[i].Action = a
	}
	return out
}

// subjects are the repositories of a request; nil: it is about none.
func (s *Service) subjects(c *service.Call, in any) []repositoryKey {
	v := reflect.ValueOf(in).Elem()
	text := func(member string) *string {
		f := v.FieldByName(member)
		if !f.IsValid() {
			return nil
		}
		p, _ := f.Interface().(*string)
		return p
	}
	p := placeOf(c, text("RegistryId"))
	if d, ok := in.(*api.DescribeRepositoriesInput); ok {
		if len(d.RepositoryNames) == 0 {
			return []repositoryKey{{p, "*"}}
		}
		var out []repositoryKey
		for _, name := range d.RepositoryNames {
			out = append(out, repositoryKey{p, name})
		}
		return out
	}
	if name := text("RepositoryName"); name != nil {
		return []repositoryKey{{p, *name}}
	}
	if resource := text("ResourceArn"); resource != nil {
		if at, name, ok := repositoryOf(*resource); ok {
			return []repositoryKey{{at, name}}
		}
		return []repositoryKey{{p, "*"}}
	}
	return nil
}

// checkOn is a check on a repository, or where there is none on the ARN it would
// have.
func (s *Service) checkOn(ctx context.Context, k repositoryKey) (service.Check, error) {
	check := service.Check{Resource: repositoryARN(k.place, k.name), Account: k.account, Context: policy.Keys{}}
	r, err := s.store.repository(ctx, k.place, k.name)
	if errors.Is(err, errAbsent) {
		return check, nil
	}
	if err != nil {
		return check, err
	}
	check.Policy, check.Context = r.compiled, r.conditionKeys()
	return check, nil
}

// conditionKeys are those that a repository's tags give.
func (r *repository) conditionKeys() policy.Keys {
	keys := policy.Keys{}
	for key, value := range r.Tags {
		keys["aws:resourcetag/"+strings.ToLower(key)] = []string{value}
		keys["ecr:resourcetag/"+strings.ToLower(key)] = []string{value}
	}
	return keys
}

func requestTags(keys policy.Keys, in any) {
	var tags []api.Tag
	switch in := in.(type) {
	case *api.CreateRepositoryInput:
		tags = in.Tags
	case *api.TagResourceInput:
		tags = in.Tags
	case *api.UntagResourceInput:
		keys["aws:tagkeys"] = in.TagKeys
	}
	for _, t := range tags {
		keys["aws:requesttag/"+strings.ToLower(smithy.Val(t.Key))] = []string{smithy.Val(t.Value)}
		keys["aws:tagkeys"] = append(keys["aws:tagkeys"], smithy.Val(t.Key))
	}
}

// judge asks for a permission that a request to the registry needs besides those
// of operations.
func (s *Service) judge(ctx context.Context, c *service.Call, action string, r *repository) error {
	check, err := s.checkOn(ctx, repositoryKey{r.at, r.Name})
	if err != nil {
		return err
	}
	check.Action = "ecr:" + action
	return c.Judge(ctx, check)
}
