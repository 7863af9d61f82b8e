package deploy

import (
	"context"
	"fmt"

	"moln.dev/moln/aws/fault"
	"moln.dev/moln/platform/service"
)

// builtIn are CloudFormation's own resource types.
func (e *Engine) builtIn() []service.ResourceType {
	nothing := func(context.Context, *service.Call, *service.Resource) error { return nil }
	type none struct{}
	return []service.ResourceType{
		{
			// Nothing but bookkeeping for CDK, at AWS as well.
			Name:   "AWS::CDK::Metadata",
			New:    func() any { return &struct{ Analytics string }{} },
			Create: func(_ context.Context, _ *service.Call, r *service.Resource) error { return named(r) },
			Update: nothing, Delete: nothing,
		},
		{
			// A handle alone does nothing; what waits for it is refused.
			Name:   "AWS::CloudFormation::WaitConditionHandle",
			New:    func() any { return &none{} },
			Create: func(_ context.Context, _ *service.Call, r *service.Resource) error { return e.waitHandle(r) },
			Update: nothing, Delete: nothing,
		},
		{
			Name: customType, New: func() any { return &map[string]any{} },
			Replace: []string{"ServiceToken"},
			Create:  e.customCreate, Update: e.customUpdate, Delete: e.customDelete,
		},
		{
			Name: StackType, New: func() any { return &NestedStack{} },
			Create: e.nestedCreate, Update: e.nestedUpdate, Delete: e.nestedDelete,
		},
	}
}

func named(r *service.Resource) error {
	r.PhysicalID = r.GeneratedName(255)
	return nil
}

func (e *Engine) waitHandle(r *service.Resource) error {
	r.PhysicalID = fmt.Sprintf("%s/_moln/wait-handle/%s", e.deps.Site.Endpoint, r.Token)
	return nil
}

// failed is a resource's failure with a text of its own.
func failed(format string, args ...any) error {
	return fault.New("GeneralServiceException", 400, format, args...)
}
