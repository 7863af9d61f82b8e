package cfn

import (
	"context"
	"reflect"

	api "moln.dev/moln/api/lambda"
	"moln.dev/moln/platform/service"
)

// runtimeProperties are a function's RuntimeManagementConfig.
type runtimeProperties struct {
	UpdateRuntimeOn   *string
	RuntimeVersionArn *string
}

// functionAttributes are a function's for Fn::GetAtt.
func functionAttributes(arn string) map[string]any {
	return map[string]any{
		"Arn": arn, "SnapStartResponse.ApplyOn": api.SnapStartApplyOnNone,
		"SnapStartResponse.OptimizationStatus": api.SnapStartOptimizationStatusOff,
	}
}

// setBeside makes the settings that have operations of their own what the
// template says; what it no longer says goes back to its default.
func setBeside(ctx context.Context, c *service.Call, name string, p, old *functionProperties) error {
	if !reflect.DeepEqual(p.RecursiveLoop, old.RecursiveLoop) {
		_, err := service.Invoke(ctx, c, api.PutFunctionRecursionConfig, &api.PutFunctionRecursionConfigInput{
			FunctionName: &name, RecursiveLoop: or(p.RecursiveLoop, api.RecursiveLoopTerminate),
		})
		if err != nil {
			return err
		}
	}
	if reflect.DeepEqual(p.RuntimeManagementConfig, old.RuntimeManagementConfig) {
		return nil
	}
	in := &api.PutRuntimeManagementConfigInput{FunctionName: &name, UpdateRuntimeOn: new(api.UpdateRuntimeOnAuto)}
	if m := p.RuntimeManagementConfig; m != nil {
		in.UpdateRuntimeOn, in.RuntimeVersionArn = m.UpdateRuntimeOn, m.RuntimeVersionArn
	}
	_, err := service.Invoke(ctx, c, api.PutRuntimeManagementConfig, in)
	return err
}
