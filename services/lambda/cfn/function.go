package cfn

import (
	"context"
	"maps"
	"reflect"

	api "moln.dev/moln/api/lambda"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/lambda/code/archive"
	"moln.dev/moln/services/lambda/fn"
)

// codeProperties are a function's Code; ZipFile is source text here.
type codeProperties struct {
	ZipFile         *string
	S3Bucket        *string
	S3Key           *string
	S3ObjectVersion *string
	ImageUri        *string
}

// functionProperties are AWS::Lambda::Function's. What the operations refuse in
// every form is not there (FileSystemConfigs …).
type functionProperties struct {
	FunctionName                 *string
	Code                         *codeProperties
	Handler                      *string
	Runtime                      *string
	Role                         *string
	Description                  *string
	MemorySize                   *int32
	Timeout                      *int32
	Environment                  *api.Environment
	EphemeralStorage             *api.EphemeralStorage
	Architectures                []string
	LoggingConfig                *api.LoggingConfig
	TracingConfig                *api.TracingConfig
	SnapStart                    *api.SnapStart
	Layers                       []string
	KmsKeyArn                    *string
	TenancyConfig                *api.TenancyConfig
	RecursiveLoop                *string
	RuntimeManagementConfig      *runtimeProperties
	VpcConfig                    *api.VpcConfig
	DeadLetterConfig             *api.DeadLetterConfig
	PackageType                  *string
	ImageConfig                  *api.ImageConfig
	ReservedConcurrentExecutions *int32
	Tags                         []struct{ Key, Value string }
}

// Resources are the types of Lambda.
func Resources() []service.ResourceType {
	return []service.ResourceType{
		{
			Name: "AWS::Lambda::Function", New: func() any { return new(functionProperties) },
			Replace: []string{"FunctionName", "PackageType", "TenancyConfig"},
			Create:  createFunctionResource, Update: updateFunctionResource, Delete: deleteFunctionResource,
		},
		{
			Name: "AWS::Lambda::Version", New: func() any { return new(versionProperties) },
			Create: createVersionResource, Delete: deleteVersionResource,
		},
		{
			Name: "AWS::Lambda::Alias", New: func() any { return new(aliasProperties) },
			Replace: []string{"FunctionName", "Name"},
			Create:  createAliasResource, Update: updateAliasResource, Delete: deleteAliasResource,
		},
		{
			Name: "AWS::Lambda::Url", New: func() any { return new(urlProperties) },
			Replace: []string{"TargetFunctionArn", "Qualifier"},
			Create:  createURLResource, Update: updateURLResource, Delete: deleteURLResource,
		},
		{
			Name: "AWS::Lambda::Permission", New: func() any { return new(permissionProperties) },
			Create: createPermissionResource, Delete: deletePermissionResource,
		},
		{
			Name: "AWS::Lambda::LayerVersion", New: func() any { return new(layerProperties) },
			Create: createLayerResource, Delete: deleteLayerResource,
		},
		{
			Name: "AWS::Lambda::LayerVersionPermission", New: func() any { return new(layerPermissionProperties) },
			Create: createLayerPermissionResource, Delete: deleteLayerPermissionResource,
		},
		{
			Name: "AWS::Lambda::EventInvokeConfig", New: func() any { return new(eventProperties) },
			Replace: []string{"FunctionName", "Qualifier"},
			Create:  putEventResource, Update: putEventResource, Delete: deleteEventResource,
		},
		mappingResource(),
	}
}

// code is where the function's code is.
func (p *functionProperties) code() (*api.FunctionCode, error) {
	if p.Code == nil {
		return nil, fn.Invalid("Please provide a source for function code.")
	}
	out := &api.FunctionCode{S3Bucket: p.Code.S3Bucket, S3Key: p.Code.S3Key, S3ObjectVersion: p.Code.S3ObjectVersion, ImageUri: p.Code.ImageUri}
	if p.Code.ZipFile == nil {
		return out, nil
	}
	var err error
	if out.ZipFile, err = archive.Inline(smithy.Val(p.Runtime), *p.Code.ZipFile); err != nil {
		return nil, fn.Invalid("%s", err)
	}
	return out, nil
}

func createFunctionResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p := r.Properties.(*functionProperties)
	code, err := p.code()
	if err != nil {
		return err
	}
	name := smithy.Val(p.FunctionName)
	if name == "" {
		name = r.GeneratedName(fn.FunctionNameMax)
	}
	in := &api.CreateFunctionInput{
		FunctionName: &name, Code: code, Handler: p.Handler, Runtime: p.Runtime, Role: p.Role, Description: p.Description,
		MemorySize: p.MemorySize, Timeout: p.Timeout, Environment: p.Environment, EphemeralStorage: p.EphemeralStorage,
		Architectures: p.Architectures, LoggingConfig: p.LoggingConfig, TracingConfig: p.TracingConfig, SnapStart: p.SnapStart,
		VpcConfig: p.VpcConfig, DeadLetterConfig: p.DeadLetterConfig, PackageType: p.PackageType, Layers: p.Layers, KMSKeyArn: p.KmsKeyArn, TenancyConfig: p.TenancyConfig,
		ImageConfig: p.ImageConfig,
	}
	if tags := r.TagsWith(p.Tags); len(tags) > 0 {
		in.Tags = tags
	}
	out, err := service.Invoke(ctx, c, api.CreateFunction, in)
	if err != nil {
		return err
	}
	r.PhysicalID = name
	r.Attributes = functionAttributes(*out.FunctionArn)
	if err := setBeside(ctx, c, name, p, new(functionProperties)); err != nil {
		return err
	}
	return setReserved(ctx, c, name, p.ReservedConcurrentExecutions, nil)
}

// setReserved makes the reservation what the template says.
func setReserved(ctx context.Context, c *service.Call, name string, want, have *int32) error {
	switch {
	case want != nil && (have == nil || *have != *want):
		_, err := service.Invoke(ctx, c, api.PutFunctionConcurrency, &api.PutFunctionConcurrencyInput{FunctionName: &name, ReservedConcurrentExecutions: want})
		return err
	case want == nil && have != nil:
		_, err := service.Invoke(ctx, c, api.DeleteFunctionConcurrency, &api.DeleteFunctionConcurrencyInput{FunctionName: &name})
		return err
	}
	return nil
}

func updateFunctionResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p, old := r.Properties.(*functionProperties), r.Old.(*functionProperties)
	name := r.PhysicalID
	arn := fn.FunctionARN(fn.PlaceOf(c), name)
	r.Attributes = functionAttributes(arn)
	if !reflect.DeepEqual(p.Code, old.Code) || !reflect.DeepEqual(p.Architectures, old.Architectures) {
		code, err := p.code()
		if err != nil {
			return err
		}
		in := &api.UpdateFunctionCodeInput{FunctionName: &name, ZipFile: code.ZipFile, S3Bucket: code.S3Bucket, S3Key: code.S3Key, S3ObjectVersion: code.S3ObjectVersion, ImageUri: code.ImageUri, Architectures: p.Architectures}
		if len(in.Architectures) == 0 && in.ImageUri == nil {
			in.Architectures = []string{api.ArchitectureX8664}
		}
		if _, err := service.Invoke(ctx, c, api.UpdateFunctionCode, in); err != nil {
			return err
		}
	}
	if !p.sameConfiguration(old) {
		if _, err := service.Invoke(ctx, c, api.UpdateFunctionConfiguration, p.configuration(name)); err != nil {
			return err
		}
	}
	if err := setBeside(ctx, c, name, p, old); err != nil {
		return err
	}
	if err := setReserved(ctx, c, name, p.ReservedConcurrentExecutions, old.ReservedConcurrentExecutions); err != nil {
		return err
	}
	return updateTags(ctx, c, arn, r.TagsWith(p.Tags))
}

// sameConfiguration says that nothing but code, tags and reservation differs.
func (p *functionProperties) sameConfiguration(old *functionProperties) bool {
	x, y := *p, *old
	for _, f := range []*functionProperties{&x, &y} {
		f.Code, f.Architectures, f.Tags, f.ReservedConcurrentExecutions = nil, nil, nil, nil
		f.RecursiveLoop, f.RuntimeManagementConfig = nil, nil
	}
	return reflect.DeepEqual(x, y)
}

// configuration is the whole configuration: what the template leaves out goes
// back to its default.
func (p *functionProperties) configuration(name string) *api.UpdateFunctionConfigurationInput {
	in := &api.UpdateFunctionConfigurationInput{
		FunctionName: &name, Handler: p.Handler, Runtime: p.Runtime, Role: p.Role, SnapStart: p.SnapStart,
		TracingConfig: or(p.TracingConfig, api.TracingConfig{Mode: new(api.TracingModePassThrough)}),
		VpcConfig:     p.VpcConfig, DeadLetterConfig: or(p.DeadLetterConfig, api.DeadLetterConfig{TargetArn: new("")}),
		Description: or(p.Description, ""), MemorySize: or(p.MemorySize, fn.MemoryDefaultMB), Timeout: or(p.Timeout, fn.TimeoutDefault),
		Environment: &api.Environment{Variables: map[string]string{}}, EphemeralStorage: or(p.EphemeralStorage, api.EphemeralStorage{Size: new(int32(fn.EphemeralDefault))}),
	}
	if e := p.Environment; e != nil && e.Variables != nil {
		in.Environment = e
	}
	logging := api.LoggingConfig{LogFormat: new(api.LogFormatText), LogGroup: new("/aws/lambda/" + name)}
	if l := p.LoggingConfig; l != nil {
		logging.LogFormat = or(l.LogFormat, *logging.LogFormat)
		logging.LogGroup = or(l.LogGroup, *logging.LogGroup)
		logging.ApplicationLogLevel, logging.SystemLogLevel = l.ApplicationLogLevel, l.SystemLogLevel
	}
	in.LoggingConfig = &logging
	in.KMSKeyArn = or(p.KmsKeyArn, "")
	if smithy.Val(p.PackageType) == api.PackageTypeImage {
		in.ImageConfig = or(p.ImageConfig, api.ImageConfig{})
	}
	if in.Layers = p.Layers; in.Layers == nil {
		in.Layers = []string{}
	}
	return in
}

func or[T any](p *T, otherwise T) *T {
	if p != nil {
		return p
	}
	return &otherwise
}

func updateTags(ctx context.Context, c *service.Call, arn string, want map[string]string) error {
	have, err := service.Invoke(ctx, c, api.ListTags, &api.ListTagsInput{Resource: &arn})
	if err != nil {
		return err
	}
	if maps.Equal(have.Tags, want) {
		return nil
	}
	var gone []string
	for k := range have.Tags {
		if _, ok := want[k]; !ok {
			gone = append(gone, k)
		}
	}
	if len(gone) > 0 {
		if _, err := service.Invoke(ctx, c, api.UntagResource, &api.UntagResourceInput{Resource: &arn, TagKeys: gone}); err != nil {
			return err
		}
	}
	if len(want) == 0 {
		return nil
	}
	_, err = service.Invoke(ctx, c, api.TagResource, &api.TagResourceInput{Resource: &arn, Tags: want})
	return err
}

func deleteFunctionResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	_, err := service.Invoke(ctx, c, api.DeleteFunction, &api.DeleteFunctionInput{FunctionName: &r.PhysicalID})
	return unlessGone(err)
}

func unlessGone(err error) error {
	if fault.Is(err, "ResourceNotFoundException") {
		return nil
	}
	return err
}
