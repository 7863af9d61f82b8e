package esm

import (
	"context"
	"strings"

	api "moln.dev/moln/api/lambda"
	"moln.dev/moln/aws/arn"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/lambda/fn"
)

// functionKey is the condition key that says which function a mapping is for.
const functionKey = "lambda:functionarn"

// Authorize says what a request about mappings needs; ok is false where the
// request is about something else.
func (s *Service) Authorize(ctx context.Context, c *service.Call, op *smithy.Operation, in any) (checks []service.Check, ok bool, err error) {
	check := service.Check{Resource: "*", Context: policy.Keys{}}
	switch in := in.(type) {
	case *api.CreateEventSourceMappingInput:
		ref, err := fn.RefOf(c, in.FunctionName, nil)
		if err != nil {
			return nil, true, err
		}
		check.Context[functionKey] = []string{ref.Unqualified().ARN()}
		for k, v := range in.Tags {
			check.Context["aws:requesttag/"+strings.ToLower(k)] = []string{v}
			check.Context["aws:tagkeys"] = append(check.Context["aws:tagkeys"], k)
		}
	case *api.ListEventSourceMappingsInput:
	case *api.GetEventSourceMappingInput:
		err = s.about(ctx, c, &check, smithy.Val(in.UUID), nil)
	case *api.DeleteEventSourceMappingInput:
		err = s.about(ctx, c, &check, smithy.Val(in.UUID), nil)
	case *api.UpdateEventSourceMappingInput:
		err = s.about(ctx, c, &check, smithy.Val(in.UUID), in.FunctionName)
	case *api.TagResourceInput:
		for k, v := range in.Tags {
			check.Context["aws:requesttag/"+strings.ToLower(k)] = []string{v}
			check.Context["aws:tagkeys"] = append(check.Context["aws:tagkeys"], k)
		}
		ok, err = s.tagged(ctx, c, &check, in.Resource)
		if !ok {
			return nil, false, nil
		}
	case *api.UntagResourceInput:
		check.Context["aws:tagkeys"] = in.TagKeys
		if ok, err = s.tagged(ctx, c, &check, in.Resource); !ok {
			return nil, false, nil
		}
	case *api.ListTagsInput:
		if ok, err = s.tagged(ctx, c, &check, in.Resource); !ok {
			return nil, false, nil
		}
	default:
		return nil, false, nil
	}
	for _, a := range op.Actions {
		one := check
		one.Action = a
		checks = append(checks, one)
	}
	return checks, true, err
}

// about makes a check one on a mapping. function is the one that the mapping is
// to get.
func (s *Service) about(ctx context.Context, c *service.Call, check *service.Check, uuid string, function *string) error {
	p := fn.PlaceOf(c)
	check.Resource = arnOf(p, uuid)
	m, err := s.store.mapping(ctx, p, uuid)
	if err != nil {
		return err
	}
	if m != nil {
		check.Context[functionKey] = []string{m.ref().Unqualified().ARN()}
		for k, v := range m.Tags {
			check.Context["aws:resourcetag/"+strings.ToLower(k)] = []string{v}
		}
	}
	if function != nil {
		ref, err := fn.RefOf(c, function, nil)
		if err != nil {
			return err
		}
		check.Context[functionKey] = []string{ref.Unqualified().ARN()}
	}
	return nil
}

func (s *Service) tagged(ctx context.Context, c *service.Call, check *service.Check, resource *string) (bool, error) {
	_, uuid, ok := ParseARN(smithy.Val(resource))
	if !ok {
		return false, nil
	}
	return true, s.about(ctx, c, check, uuid, nil)
}

// ParseARN reads the ARN of a mapping; false where it is of something else.
func ParseARN(text string) (fn.Place, string, bool) {
	a, err := arn.Parse(text)
	uuid, ok := strings.CutPrefix(a.Resource, arnKind)
	if err != nil || !ok || a.Service != "lambda" || uuid == "" {
		return fn.Place{}, "", false
	}
	return fn.Place{Account: a.Account, Region: a.Region}, uuid, true
}
