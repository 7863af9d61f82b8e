package cfn

import (
	"context"

	api "moln.dev/moln/api/lambda"
	"moln.dev/moln/platform/service"
)

// urlProperties are AWS::Lambda::Url's.
type urlProperties struct {
	TargetFunctionArn *string
	Qualifier         *string
	AuthType          *string
	InvokeMode        *string
	Cors              *api.Cors
}

func createURLResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p := r.Properties.(*urlProperties)
	out, err := service.Invoke(ctx, c, api.CreateFunctionUrlConfig, &api.CreateFunctionUrlConfigInput{
		FunctionName: p.TargetFunctionArn, Qualifier: p.Qualifier, AuthType: p.AuthType, InvokeMode: p.InvokeMode, Cors: p.Cors,
	})
	if err != nil {
		return err
	}
	r.PhysicalID = *out.FunctionArn
	r.Attributes = map[string]any{"FunctionArn": *out.FunctionArn, "FunctionUrl": *out.FunctionUrl}
	return nil
}

func updateURLResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p := r.Properties.(*urlProperties)
	cors := p.Cors
	if cors == nil {
		cors = new(api.Cors) // what the template no longer says is no more
	}
	out, err := service.Invoke(ctx, c, api.UpdateFunctionUrlConfig, &api.UpdateFunctionUrlConfigInput{
		FunctionName: &r.PhysicalID, AuthType: p.AuthType, InvokeMode: or(p.InvokeMode, api.InvokeModeBuffered), Cors: cors,
	})
	if err != nil {
		return err
	}
	r.Attributes = map[string]any{"FunctionArn": *out.FunctionArn, "FunctionUrl": *out.FunctionUrl}
	return nil
}

func deleteURLResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	_, err := service.Invoke(ctx, c, api.DeleteFunctionUrlConfig, &api.DeleteFunctionUrlConfigInput{FunctionName: &r.PhysicalID})
	return unlessGone(err)
}
