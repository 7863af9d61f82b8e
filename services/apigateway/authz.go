package apigateway

import (
	"context"
	"net/url"
	"reflect"
	"strings"

	api "moln.dev/moln/api/apigateway"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
)

// authorize names the request's own path: API Gateway's resources are the paths
// of its API, its actions the HTTP verbs.
func authorize(_ context.Context, c *service.Call, op *smithy.Operation, in any) ([]service.Check, error) {
	resource := "arn:aws:apigateway:" + c.Region + "::" + requestPath(op, in)
	out := make([]service.Check, len(op.Actions))
	for i, a := range op.Actions {
		out[i] = service.Check{Action: a, Resource: resource}
	}
	return out, nil
}

// requestPath fills the labels of the operation's path from the input.
func requestPath(op *smithy.Operation, in any) string {
	path, _, _ := strings.Cut(op.URI, "?")
	v := reflect.Indirect(reflect.ValueOf(in))
	for _, m := range api.Schema.Shape(op.Input).Members {
		if m.Location != smithy.InLabel {
			continue
		}
		s, _ := v.Field(int(m.Field)).Interface().(*string)
		path = strings.ReplaceAll(path, "{"+m.WireName+"}", url.PathEscape(val(s)))
	}
	return path
}

const servicePrincipal = "apigateway.amazonaws.com"

// judgeRole asks whether the caller may pass a role to API Gateway: who may
// write an integration must not thereby act as every role that trusts it.
func judgeRole(ctx context.Context, c *service.Call, role *string) error {
	if val(role) == "" {
		return nil
	}
	return c.Judge(ctx, service.Check{
		Action: "iam:PassRole", Resource: *role, Context: policy.Keys{"iam:passedtoservice": {servicePrincipal}},
	})
}

// judgePatchedRole is judgeRole for the role that a patch sets at a path.
func judgePatchedRole(ctx context.Context, c *service.Call, ops []api.PatchOperation, member string) error {
	for _, op := range ops {
		if unescapePointer(strings.TrimPrefix(val(op.Path), "/")) != member || val(op.Op) == "remove" {
			continue
		}
		if err := judgeRole(ctx, c, op.Value); err != nil {
			return err
		}
	}
	return nil
}
