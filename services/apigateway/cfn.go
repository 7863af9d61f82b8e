package apigateway

import (
	"context"
	"maps"
	"slices"
	"strings"

	api "moln.dev/moln/api/apigateway"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
)

func resources() []service.ResourceType {
	return []service.ResourceType{
		{
			Name: "AWS::ApiGateway::RestApi", New: func() any { return new(apiProperties) },
			Create: createAPIResource, Update: updateAPIResource, Delete: deleteAPIResource,
		},
		{
			Name: "AWS::ApiGateway::Resource", New: func() any { return new(resourceProperties) },
			Replace: []string{"RestApiId", "ParentId", "PathPart"},
			Create:  createResourceResource, Delete: deleteResourceResource,
		},
		{
			Name: "AWS::ApiGateway::Method", New: func() any { return new(methodProperties) },
			Replace: []string{"RestApiId", "ResourceId", "HttpMethod"},
			Create:  createMethodResource, Update: updateMethodResource, Delete: deleteMethodResource,
		},
		{
			Name: "AWS::ApiGateway::Model", New: func() any { return new(modelProperties) },
			Replace: []string{"RestApiId", "Name", "ContentType"},
			Create:  createModelResource, Update: updateModelResource, Delete: deleteModelResource,
		},
		{
			Name: "AWS::ApiGateway::RequestValidator", New: func() any { return new(validatorProperties) },
			Replace: []string{"RestApiId", "Name"},
			Create:  createValidatorResource, Update: updateValidatorResource, Delete: deleteValidatorResource,
		},
		{
			Name: "AWS::ApiGateway::Authorizer", New: func() any { return new(authorizerProperties) },
			Replace: []string{"RestApiId"},
			Create:  createAuthorizerResource, Update: updateAuthorizerResource, Delete: deleteAuthorizerResource,
		},
		{
			Name: "AWS::ApiGateway::Deployment", New: func() any { return new(deploymentProperties) },
			Replace: []string{"RestApiId", "StageName", "StageDescription"},
			Create:  createDeploymentResource, Update: updateDeploymentResource, Delete: deleteDeploymentResource,
		},
		{
			Name: "AWS::ApiGateway::Stage", New: func() any { return new(stageProperties) },
			Replace: []string{"RestApiId", "StageName"},
			Create:  createStageResource, Update: updateStageResource, Delete: deleteStageResource,
		},
		{
			Name: "AWS::ApiGateway::GatewayResponse", New: func() any { return new(responseProperties) },
			Replace: []string{"RestApiId", "ResponseType"},
			Create:  putResponseResource, Update: putResponseResource, Delete: deleteResponseResource,
		},
	}
}

// gone takes a resource that is not there any more for deleted.
func gone[In, Out any](ctx context.Context, c *service.Call, op smithy.Op[In, Out], in *In) error {
	_, err := service.Invoke(ctx, c, op, in)
	if fault.Is(err, "NotFoundException") {
		return nil
	}
	return err
}

type tagProperties []struct{ Key, Value string }

func (t tagProperties) with(stack map[string]string) map[string]string {
	out := maps.Clone(stack)
	if out == nil {
		out = map[string]string{}
	}
	for _, tag := range t {
		out[tag.Key] = tag.Value
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// retag makes the tags of arn be want.
func retag(ctx context.Context, c *service.Call, arn string, have, want map[string]string) error {
	var drop []string
	for k := range have {
		if _, ok := want[k]; !ok {
			drop = append(drop, k)
		}
	}
	slices.Sort(drop)
	if len(drop) > 0 {
		if _, err := service.Invoke(ctx, c, api.UntagResource, &api.UntagResourceInput{ResourceArn: &arn, TagKeys: drop}); err != nil {
			return err
		}
	}
	if len(want) == 0 || maps.Equal(have, want) {
		return nil
	}
	_, err := service.Invoke(ctx, c, api.TagResource, &api.TagResourceInput{ResourceArn: &arn, Tags: want})
	return err
}

// patches builds patch operations.
type patches []api.PatchOperation

func (p *patches) replace(path string, v *string) {
	if v != nil {
		*p = append(*p, api.PatchOperation{Op: new("replace"), Path: &path, Value: v})
	}
}

// scalar replaces a member, or removes it where the template has it no more.
func (p *patches) scalar(path string, old, now *string) {
	switch {
	case now != nil && (old == nil || *old != *now):
		p.replace(path, now)
	case now == nil && old != nil:
		*p = append(*p, api.PatchOperation{Op: new("remove"), Path: &path})
	}
}

func (p *patches) list(path string, old, now []string, inPath bool) {
	op := func(verb, item string) {
		at, value := path, &item
		if inPath {
			at, value = path+"/"+escapePointer(item), nil
		}
		*p = append(*p, api.PatchOperation{Op: &verb, Path: &at, Value: value})
	}
	for _, item := range old {
		if !slices.Contains(now, item) {
			op("remove", item)
		}
	}
	for _, item := range now {
		if !slices.Contains(old, item) {
			op("add", item)
		}
	}
}

func (p *patches) strings(path string, old, now map[string]string) {
	for _, k := range slices.Sorted(maps.Keys(old)) {
		if _, ok := now[k]; !ok {
			*p = append(*p, api.PatchOperation{Op: new("remove"), Path: new(path + "/" + escapePointer(k))})
		}
	}
	for _, k := range slices.Sorted(maps.Keys(now)) {
		*p = append(*p, api.PatchOperation{Op: new("replace"), Path: new(path + "/" + escapePointer(k)), Value: new(now[k])})
	}
}

func escapePointer(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "~", "~0"), "/", "~1")
}

func text(b *bool) *string {
	if b == nil {
		return nil
	}
	if *b {
		return new("true")
	}
	return new("false")
}

type apiProperties struct {
	Name                      *string
	Description               *string
	EndpointConfiguration     *api.EndpointConfiguration
	Policy                    any
	BinaryMediaTypes          []string
	ApiKeySourceType          *string
	DisableExecuteApiEndpoint *bool
	Tags                      tagProperties
}

func createAPIResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p := r.Properties.(*apiProperties)
	doc, err := service.Document(p.Policy)
	if err != nil {
		return err
	}
	out, err := service.Invoke(ctx, c, api.CreateRestApi, &api.CreateRestApiInput{
		Name: p.Name, Description: p.Description, EndpointConfiguration: p.EndpointConfiguration, Policy: doc, BinaryMediaTypes: p.BinaryMediaTypes,
		ApiKeySource: p.ApiKeySourceType, DisableExecuteApiEndpoint: p.DisableExecuteApiEndpoint, Tags: p.Tags.with(r.Tags),
	})
	if err != nil {
		return err
	}
	setAPI(r, out)
	return nil
}

func setAPI(r *service.Resource, out *api.RestApi) {
	r.PhysicalID = *out.Id
	r.Attributes = map[string]any{"RootResourceId": *out.RootResourceId, "RestApiId": *out.Id}
}

func updateAPIResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p, old := r.Properties.(*apiProperties), r.Old.(*apiProperties)
	was, err := service.Document(old.Policy)
	if err != nil {
		return err
	}
	doc, err := service.Document(p.Policy)
	if err != nil {
		return err
	}
	var ops patches
	ops.scalar("/name", old.Name, p.Name)
	ops.scalar("/description", old.Description, p.Description)
	ops.scalar("/policy", was, doc)
	ops.scalar("/apiKeySource", nil, or(p.ApiKeySourceType, "HEADER"))
	ops.scalar("/disableExecuteApiEndpoint", nil, text(or(p.DisableExecuteApiEndpoint, false)))
	ops.list("/binaryMediaTypes", old.BinaryMediaTypes, p.BinaryMediaTypes, true)
	if p.EndpointConfiguration != nil && len(p.EndpointConfiguration.Types) == 1 {
		ops.replace("/endpointConfiguration/types/0", &p.EndpointConfiguration.Types[0])
	}
	out, err := service.Invoke(ctx, c, api.UpdateRestApi, &api.UpdateRestApiInput{RestApiId: &r.PhysicalID, PatchOperations: ops})
	if err != nil {
		return err
	}
	setAPI(r, out)
	return retag(ctx, c, "arn:aws:apigateway:"+c.Region+"::/restapis/"+r.PhysicalID, out.Tags, p.Tags.with(r.Tags))
}

func deleteAPIResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	return gone(ctx, c, api.DeleteRestApi, &api.DeleteRestApiInput{RestApiId: &r.PhysicalID})
}

type resourceProperties struct{ RestApiId, ParentId, PathPart *string }

func createResourceResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p := r.Properties.(*resourceProperties)
	out, err := service.Invoke(ctx, c, api.CreateResource, &api.CreateResourceInput{RestApiId: p.RestApiId, ParentId: p.ParentId, PathPart: p.PathPart})
	if err != nil {
		return err
	}
	r.PhysicalID, r.Attributes = *out.Id, map[string]any{"ResourceId": *out.Id}
	return nil
}

func deleteResourceResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p := r.Properties.(*resourceProperties)
	return gone(ctx, c, api.DeleteResource, &api.DeleteResourceInput{RestApiId: p.RestApiId, ResourceId: &r.PhysicalID})
}

type modelProperties struct {
	RestApiId, Name, Description, ContentType *string
	Schema                                    any
}

func createModelResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p := r.Properties.(*modelProperties)
	if p.Name == nil {
		p.Name = new(strings.ReplaceAll(r.GeneratedName(128), "-", ""))
	}
	schema, err := service.Document(p.Schema)
	if err != nil {
		return err
	}
	out, err := service.Invoke(ctx, c, api.CreateModel, &api.CreateModelInput{
		RestApiId: p.RestApiId, Name: p.Name, Description: p.Description, ContentType: or(p.ContentType, "application/json"), Schema: schema,
	})
	if err != nil {
		return err
	}
	r.PhysicalID = *out.Name
	return nil
}

func updateModelResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p, old := r.Properties.(*modelProperties), r.Old.(*modelProperties)
	schema, err := service.Document(p.Schema)
	if err != nil {
		return err
	}
	var ops patches
	ops.scalar("/description", old.Description, p.Description)
	ops.replace("/schema", schema)
	_, err = service.Invoke(ctx, c, api.UpdateModel, &api.UpdateModelInput{RestApiId: p.RestApiId, ModelName: &r.PhysicalID, PatchOperations: ops})
	return err
}

func deleteModelResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p := r.Properties.(*modelProperties)
	return gone(ctx, c, api.DeleteModel, &api.DeleteModelInput{RestApiId: p.RestApiId, ModelName: &r.PhysicalID})
}

type validatorProperties struct {
	RestApiId, Name                                *string
	ValidateRequestBody, ValidateRequestParameters *bool
}

func createValidatorResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p := r.Properties.(*validatorProperties)
	out, err := service.Invoke(ctx, c, api.CreateRequestValidator, &api.CreateRequestValidatorInput{
		RestApiId: p.RestApiId, Name: p.Name, ValidateRequestBody: p.ValidateRequestBody, ValidateRequestParameters: p.ValidateRequestParameters,
	})
	if err != nil {
		return err
	}
	r.PhysicalID, r.Attributes = *out.Id, map[string]any{"RequestValidatorId": *out.Id}
	return nil
}

func updateValidatorResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p := r.Properties.(*validatorProperties)
	var ops patches
	ops.replace("/validateRequestBody", text(or(p.ValidateRequestBody, false)))
	ops.replace("/validateRequestParameters", text(or(p.ValidateRequestParameters, false)))
	r.Attributes = map[string]any{"RequestValidatorId": r.PhysicalID}
	_, err := service.Invoke(ctx, c, api.UpdateRequestValidator, &api.UpdateRequestValidatorInput{RestApiId: p.RestApiId, RequestValidatorId: &r.PhysicalID, PatchOperations: ops})
	return err
}

func deleteValidatorResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p := r.Properties.(*validatorProperties)
	return gone(ctx, c, api.DeleteRequestValidator, &api.DeleteRequestValidatorInput{RestApiId: p.RestApiId, RequestValidatorId: &r.PhysicalID})
}
