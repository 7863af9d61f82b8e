package lambda

import (
	"context"
	"reflect"
	"strings"

	api "moln.dev/moln/api/lambda"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/lambda/fn"
)

// authorize names the function that a request is about. Requests about none
// are on "*".
func (s *Service) authorize(ctx context.Context, c *service.Call, op *smithy.Operation, in any) ([]service.Check, error) {
	if checks, ok, err := s.mappings.Authorize(ctx, c, op, in); ok || err != nil {
		return checks, err
	}
	check, ofLayer, err := s.layers.Check(ctx, c, in)
	if err != nil {
		return nil, err
	}
	if name, qualifier := subject(in); ofLayer {
		// It is said already.
	} else if check.Resource = "*"; name != nil {
		r, err := fn.RefOf(c, name, qualifier)
		if err != nil {
			return nil, err
		}
		if check, err = s.checkOn(ctx, r, in); err != nil {
			return nil, err
		}
	}
	out := make([]service.Check, len(op.Actions))
	for i, a := range op.Actions {
		out[i] = check
		out[i].Action = a
	}
	return out, nil
}

// subject finds the members that say which function is meant: every operation
// calls them the same, but for those on tags.
func subject(in any) (name, qualifier *string) {
	v := reflect.ValueOf(in).Elem()
	get := func(member string) *string {
		f := v.FieldByName(member)
		if !f.IsValid() {
			return nil
		}
		p, _ := f.Interface().(*string)
		return p
	}
	for _, member := range []string{"Resource", "ResourceArn"} {
		if name = get(member); name != nil {
			return name, nil
		}
	}
	return get("FunctionName"), get("Qualifier")
}

// checkOn is a check on a function, with its policy and tags where it exists.
func (s *Service) checkOn(ctx context.Context, r fn.Ref, in any) (service.Check, error) {
	check := service.Check{Resource: r.ARN(), Account: r.Account, Context: policy.Keys{}}
	if !judgedWithQualifier(in) {
		check.Resource = r.Unqualified().ARN()
	}
	requestKeys(check.Context, in)
	if err := s.urlKeys(ctx, check.Context, r, in); err != nil {
		return check, err
	}
	f, err := s.store.Find(ctx, r)
	if err != nil || f == nil {
		return check, err
	}
	for k, v := range f.Tags {
		check.Context["aws:resourcetag/"+strings.ToLower(k)] = []string{v}
	}
	check.Policy, err = s.compiledPolicy(ctx, r)
	return check, err
}

// judgedWithQualifier says that an operation's resource is the version or alias
// it names, and not the function.
func judgedWithQualifier(in any) bool {
	switch in.(type) {
	case *api.CreateFunctionInput, *api.TagResourceInput, *api.UntagResourceInput, *api.ListTagsInput, *api.ListVersionsByFunctionInput:
		return false
	}
	return true
}

// requestKeys are the condition keys which the request itself gives.
func requestKeys(keys policy.Keys, in any) {
	switch in := in.(type) {
	case *api.CreateFunctionInput:
		tagKeys(keys, in.Tags)
		layerKeys(keys, in.Layers)
	case *api.UpdateFunctionConfigurationInput:
		layerKeys(keys, in.Layers)
	case *api.TagResourceInput:
		tagKeys(keys, in.Tags)
	case *api.UntagResourceInput:
		keys["aws:tagkeys"] = in.TagKeys
	case *api.AddPermissionInput:
		keys["lambda:principal"] = []string{smithy.Val(in.Principal)}
		if in.FunctionUrlAuthType != nil {
			keys["lambda:functionurlauthtype"] = []string{*in.FunctionUrlAuthType}
		}
	}
}

// layerKeys gives lambda:Layer, which has many values.
func layerKeys(keys policy.Keys, arns []string) {
	if len(arns) > 0 {
		keys["lambda:layer"] = arns
	}
}

func tagKeys(keys policy.Keys, tags map[string]string) {
	for k, v := range tags {
		keys["aws:requesttag/"+strings.ToLower(k)] = []string{v}
		keys["aws:tagkeys"] = append(keys["aws:tagkeys"], k)
	}
}

// compiledPolicy is the policy of what r names, nil where it has none.
func (s *Service) compiledPolicy(ctx context.Context, r fn.Ref) (*policy.Policy, error) {
	if r.Qualifier == fn.Latest {
		r.Qualifier = ""
	}
	return s.store.Compiled(ctx, r)
}
