// Package control is S3 Control as far as moln has what it controls: access
// points with their policies and tags, and the public access block of an
// account. It is a service of its own on the wire, and shares S3's store; what
// access points do to requests is in package op.
package control

import (
	"context"
	"net/http"
	"reflect"
	"strings"

	api "moln.dev/moln/api/s3control"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/ident"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/s3/naming"
	"moln.dev/moln/services/s3/s3err"
	"moln.dev/moln/services/s3/store"
)

// Handlers answers S3 Control. It is safe for concurrent use.
type Handlers struct {
	store *store.Store
	ids   *ident.Source
}

// New returns the handlers over S3's store.
func New(st *store.Store, ids *ident.Source) *Handlers { return &Handlers{st, ids} }

// Definition is the service as the gateway sees it.
func (h *Handlers) Definition() service.Definition {
	return service.Definition{Schema: &api.Schema, Operations: table().Bind(h), Authorize: h.authorize, Forgives: namesBucket}
}

// pointOf is the access point that a request is about.
func pointOf(c *service.Call, name *string) naming.Point {
	// An ARN serves as a name as well.
	if p, key, ok := naming.ParsePoint(smithy.Val(name)); ok && key == "" {
		return p
	}
	return naming.Point{Region: c.Region, Account: c.Account, Name: smithy.Val(name)}
}

// authorize says what a request needs. The account in its header must be the
// caller's own.
func (h *Handlers) authorize(ctx context.Context, c *service.Call, model *smithy.Operation, in any) ([]service.Check, error) {
	v := reflect.ValueOf(in).Elem()
	text := func(name string) *string {
		if f := v.FieldByName(name); f.IsValid() {
			p, _ := f.Interface().(*string)
			return p
		}
		return nil
	}
	if account := smithy.Val(text("AccountId")); account != c.Account || c.Caller.AccountID != "" && account != c.Caller.AccountID {
		return nil, s3err.AccessDenied()
	}
	check := service.Check{Action: model.Actions[0], Resource: "*", Account: c.Account}
	name := text("Name")
	if arn := text("ResourceArn"); arn != nil {
		if _, ok := bucketOf(arn); ok {
			return h.bucketChecks(ctx, c, arn, model.Actions[0], in)
		}
		name = arn
	}
	if name == nil {
		return []service.Check{check}, nil
	}
	p := pointOf(c, name)
	if p.Account != c.Account {
		return nil, s3err.AccessDenied()
	}
	check.Resource = p.ARN()
	keys, err := h.keys(ctx, p, in)
	check.Context = keys
	return []service.Check{check}, err
}

// keys are the condition keys of a request about an access point.
func (h *Handlers) keys(ctx context.Context, p naming.Point, in any) (policy.Keys, error) {
	keys := policy.Keys{
		"s3:dataaccesspointarn": {p.ARN()}, "s3:dataaccesspointaccount": {p.Account}, "s3:accesspointnetworkorigin": {"Internet"},
	}
	if in, ok := in.(*api.CreateAccessPointInput); ok && in.VpcConfiguration != nil {
		keys["s3:accesspointnetworkorigin"] = []string{"VPC"}
	}
	requestTags(in, keys)
	stored, err := h.store.Point(ctx, p)
	if s3err.IsNoSuchAccessPoint(err) {
		return keys, nil
	}
	if err != nil {
		return nil, err
	}
	for k, v := range stored.Tags {
		keys["aws:resourcetag/"+strings.ToLower(k)] = []string{v}
	}
	return keys, nil
}

// requestTags are the condition keys of the tags that a request sets or removes.
func requestTags(in any, keys policy.Keys) {
	var tags []api.Tag
	switch in := in.(type) {
	case *api.CreateAccessPointInput:
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

func invalidRequest(format string, args ...any) error {
	return fault.New("InvalidRequest", http.StatusBadRequest, format, args...)
}
