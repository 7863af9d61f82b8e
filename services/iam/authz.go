package iam

import (
	"context"
	"reflect"

	"moln.dev/moln/aws/arn"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
)

// authorize names the entity that a request is about. Most inputs say it in a
// field of a fixed name; the entity's path is looked up where it exists.
func (s *Service) authorize(ctx context.Context, c *service.Call, op *smithy.Operation, in any) ([]service.Check, error) {
	resource, err := s.subject(ctx, c, in)
	if err != nil {
		return nil, err
	}
	keys := policy.Keys{}
	if v, ok := stringField(in, "PolicyArn"); ok && resource != v {
		keys["iam:policyarn"] = []string{v}
	}
	if v, ok := stringField(in, "PermissionsBoundary"); ok {
		keys["iam:permissionsboundary"] = []string{v}
	}
	out := make([]service.Check, len(op.Actions))
	for i, a := range op.Actions {
		out[i] = service.Check{Action: a, Resource: resource, Context: keys}
	}
	return out, nil
}

func (s *Service) subject(ctx context.Context, c *service.Call, in any) (string, error) {
	for _, f := range []struct {
		field string
		kind  kind
	}{{"GroupName", group}, {"RoleName", role}, {"InstanceProfileName", profile}, {"UserName", user}} {
		name, ok := stringField(in, f.field)
		if !ok {
			continue
		}
		path, given := stringField(in, "Path")
		if !given {
			e, err := s.store.entity(ctx, c.Account, f.kind, name)
			if err == nil {
				return e.arn(c.Account, f.kind), nil
			}
			path = "/"
		}
		e := entity{Name: name, Path: path}
		return e.arn(c.Account, f.kind), nil
	}
	if v, ok := stringField(in, "PolicyArn"); ok {
		return v, nil
	}
	if name, ok := stringField(in, "PolicyName"); ok {
		path, _ := stringField(in, "Path")
		m := managed{Name: name, Path: orRoot(&path)}
		return m.arn(c.Account), nil
	}
	if c.Caller.Kind == policy.User && hasField(in, "UserName") {
		return c.Caller.ARN, nil
	}
	// Lists of a kind are judged on the account's resources of that kind.
	return arn.ARN{Partition: "aws", Service: "iam", Account: c.Account, Resource: "*"}.String(), nil
}

func hasField(in any, name string) bool {
	return reflect.ValueOf(in).Elem().FieldByName(name).IsValid()
}

func stringField(in any, name string) (string, bool) {
	f := reflect.ValueOf(in).Elem().FieldByName(name)
	if !f.IsValid() || f.Kind() != reflect.Pointer || f.IsNil() {
		return "", false
	}
	s, ok := f.Elem().Interface().(string)
	return s, ok
}
