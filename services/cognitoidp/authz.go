package cognitoidp

import (
	"context"
	"reflect"
	"strings"

	api "moln.dev/moln/api/cognitoidp"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
)

// authorize asks for the operation's action on the pool that the request names.
// Unsigned operations carry their own proof: a token, a code, a password.
func (s *Service) authorize(ctx context.Context, c *service.Call, op *smithy.Operation, in any) ([]service.Check, error) {
	if op.Auth == smithy.AuthNone {
		return nil, nil
	}
	resource, p := "*", place{}
	switch in := in.(type) {
	case *api.CreateUserPoolInput, *api.ListUserPoolsInput:
	case *api.TagResourceInput:
		resource = smithy.Val(in.ResourceArn)
	case *api.UntagResourceInput:
		resource = smithy.Val(in.ResourceArn)
	case *api.ListTagsForResourceInput:
		resource = smithy.Val(in.ResourceArn)
	default:
		if id := stringField(in, "UserPoolId"); id != nil {
			p = signed(c, id)
			resource = p.arn()
		}
	}
	if p.Pool == "" && resource != "*" {
		p, _ = parsePoolARN(resource) // a wrong ARN is the handler's to refuse
	}
	keys := requestTags(in)
	if p.Pool != "" {
		up, err := find[pool](s.reader(ctx), p.poolKey())
		if err != nil {
			return nil, err
		}
		if up != nil {
			for k, v := range up.Settings.UserPoolTags {
				keys["aws:resourcetag/"+strings.ToLower(k)] = []string{v}
			}
		}
	}
	var out []service.Check
	for _, action := range op.Actions {
		out = append(out, service.Check{Action: action, Resource: resource, Context: keys})
	}
	if out == nil {
		out = []service.Check{{Action: "cognito-idp:" + op.Name, Resource: resource, Context: keys}}
	}
	return out, nil
}

// requestTags gives the condition keys of tags in the request.
func requestTags(in any) policy.Keys {
	keys := policy.Keys{}
	add := func(tags map[string]string) {
		for k, v := range tags {
			keys["aws:requesttag/"+strings.ToLower(k)] = []string{v}
			keys["aws:tagkeys"] = append(keys["aws:tagkeys"], k)
		}
	}
	switch in := in.(type) {
	case *api.CreateUserPoolInput:
		add(in.UserPoolTags)
	case *api.UpdateUserPoolInput:
		add(in.UserPoolTags)
	case *api.TagResourceInput:
		add(in.Tags)
	case *api.UntagResourceInput:
		keys["aws:tagkeys"] = in.TagKeys
	}
	return keys
}

// stringField reads a string member that nearly all inputs have by one name.
func stringField(in any, name string) *string {
	v := reflect.ValueOf(in)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		return nil
	}
	f := v.Elem().FieldByName(name)
	if !f.IsValid() {
		return nil
	}
	text, _ := f.Interface().(*string)
	return text
}
