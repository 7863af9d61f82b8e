package apigateway

import (
	"context"
	"strconv"
	"strings"

	api "moln.dev/moln/api/apigateway"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/platform/service"
)

// methodProperties are AWS::ApiGateway::Method's: a method with its responses,
// its integration and that one's responses.
type methodProperties struct {
	RestApiId, ResourceId, HttpMethod *string
	AuthorizationType, AuthorizerId   *string
	ApiKeyRequired                    *bool
	RequestValidatorId, OperationName *string
	RequestParameters                 map[string]bool
	RequestModels                     map[string]string
	AuthorizationScopes               []string
	MethodResponses                   []api.MethodResponse
	Integration                       *integrationProperties
}

type integrationProperties struct {
	Type, IntegrationHttpMethod, Uri, ConnectionType *string
	Credentials, PassthroughBehavior                 *string
	ContentHandling, CacheNamespace                  *string
	RequestParameters, RequestTemplates              map[string]string
	CacheKeyParameters                               []string
	TimeoutInMillis                                  *int32
	IntegrationResponses                             []api.IntegrationResponse
}

func createMethodResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p := r.Properties.(*methodProperties)
	_, err := service.Invoke(ctx, c, api.PutMethod, &api.PutMethodInput{
		RestApiId: p.RestApiId, ResourceId: p.ResourceId, HttpMethod: p.HttpMethod, AuthorizationType: or(p.AuthorizationType, authNone), AuthorizerId: p.AuthorizerId,
		ApiKeyRequired: p.ApiKeyRequired, OperationName: p.OperationName, RequestParameters: p.RequestParameters, RequestModels: p.RequestModels,
		RequestValidatorId: p.RequestValidatorId, AuthorizationScopes: p.AuthorizationScopes,
	})
	if err != nil {
		return err
	}
	r.PhysicalID = strings.Join([]string{val(p.RestApiId), val(p.ResourceId), val(p.HttpMethod)}, "-")
	if err := fillMethod(ctx, c, p); err != nil {
		// A half-made method is taken back: the stack has no resource for it yet.
		if undo := deleteMethodResource(ctx, c, r); undo != nil {
			c.Note("taking back " + r.PhysicalID + ": " + undo.Error())
		}
		return err
	}
	return nil
}

// fillMethod puts what belongs to a method: responses are declared before they
// are mapped to.
func fillMethod(ctx context.Context, c *service.Call, p *methodProperties) error {
	for _, m := range p.MethodResponses {
		_, err := service.Invoke(ctx, c, api.PutMethodResponse, &api.PutMethodResponseInput{
			RestApiId: p.RestApiId, ResourceId: p.ResourceId, HttpMethod: p.HttpMethod,
			StatusCode: m.StatusCode, ResponseParameters: m.ResponseParameters, ResponseModels: m.ResponseModels,
		})
		if err != nil {
			return err
		}
	}
	i := p.Integration
	if i == nil {
		return nil
	}
	_, err := service.Invoke(ctx, c, api.PutIntegration, &api.PutIntegrationInput{
		RestApiId: p.RestApiId, ResourceId: p.ResourceId, HttpMethod: p.HttpMethod, Type: i.Type, IntegrationHttpMethod: i.IntegrationHttpMethod,
		Uri: i.Uri, ConnectionType: i.ConnectionType, Credentials: i.Credentials, RequestParameters: i.RequestParameters, RequestTemplates: i.RequestTemplates,
		PassthroughBehavior: i.PassthroughBehavior, ContentHandling: i.ContentHandling, CacheNamespace: i.CacheNamespace,
		CacheKeyParameters: i.CacheKeyParameters, TimeoutInMillis: i.TimeoutInMillis,
	})
	if err != nil {
		return err
	}
	for _, m := range i.IntegrationResponses {
		_, err := service.Invoke(ctx, c, api.PutIntegrationResponse, &api.PutIntegrationResponseInput{
			RestApiId: p.RestApiId, ResourceId: p.ResourceId, HttpMethod: p.HttpMethod, StatusCode: m.StatusCode, SelectionPattern: m.SelectionPattern,
			ResponseParameters: m.ResponseParameters, ResponseTemplates: m.ResponseTemplates, ContentHandling: m.ContentHandling,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// updateMethodResource puts the method anew: deployments that are served are
// snapshots and do not notice.
func updateMethodResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	if err := deleteMethodResource(ctx, c, r); err != nil {
		return err
	}
	err := createMethodResource(ctx, c, r)
	if err != nil && r.Old != nil {
		old := *r
		old.Properties, old.Old = r.Old, nil
		if undo := createMethodResource(ctx, c, &old); undo != nil {
			c.Note("putting back " + r.PhysicalID + ": " + undo.Error())
		}
	}
	return err
}

func deleteMethodResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p := r.Properties.(*methodProperties)
	return gone(ctx, c, api.DeleteMethod, &api.DeleteMethodInput{RestApiId: p.RestApiId, ResourceId: p.ResourceId, HttpMethod: p.HttpMethod})
}

type authorizerProperties struct {
	RestApiId, Name, Type, AuthType, AuthorizerUri, AuthorizerCredentials, IdentitySource, IdentityValidationExpression *string
	AuthorizerResultTtlInSeconds                                                                                        *int32
	ProviderARNs                                                                                                        []string
}

func createAuthorizerResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p := r.Properties.(*authorizerProperties)
	out, err := service.Invoke(ctx, c, api.CreateAuthorizer, &api.CreateAuthorizerInput{
		RestApiId: p.RestApiId, Name: p.Name, Type: p.Type, AuthType: p.AuthType, AuthorizerUri: p.AuthorizerUri, AuthorizerCredentials: p.AuthorizerCredentials,
		IdentitySource: p.IdentitySource, IdentityValidationExpression: p.IdentityValidationExpression,
		AuthorizerResultTtlInSeconds: p.AuthorizerResultTtlInSeconds, ProviderARNs: p.ProviderARNs,
	})
	if err != nil {
		return err
	}
	r.PhysicalID, r.Attributes = *out.Id, map[string]any{"AuthorizerId": *out.Id}
	return nil
}

func updateAuthorizerResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p, old := r.Properties.(*authorizerProperties), r.Old.(*authorizerProperties)
	var ops patches
	ops.scalar("/name", old.Name, p.Name)
	ops.scalar("/type", old.Type, p.Type)
	ops.scalar("/authType", old.AuthType, p.AuthType)
	ops.scalar("/authorizerUri", old.AuthorizerUri, p.AuthorizerUri)
	ops.scalar("/authorizerCredentials", old.AuthorizerCredentials, p.AuthorizerCredentials)
	ops.scalar("/identitySource", old.IdentitySource, p.IdentitySource)
	ops.scalar("/identityValidationExpression", old.IdentityValidationExpression, p.IdentityValidationExpression)
	ops.list("/providerARNs", old.ProviderARNs, p.ProviderARNs, false)
	if p.AuthorizerResultTtlInSeconds != nil {
		ops.replace("/authorizerResultTtlInSeconds", new(strconv.Itoa(int(*p.AuthorizerResultTtlInSeconds))))
	}
	r.Attributes = map[string]any{"AuthorizerId": r.PhysicalID}
	_, err := service.Invoke(ctx, c, api.UpdateAuthorizer, &api.UpdateAuthorizerInput{RestApiId: p.RestApiId, AuthorizerId: &r.PhysicalID, PatchOperations: ops})
	return err
}

func deleteAuthorizerResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p := r.Properties.(*authorizerProperties)
	return gone(ctx, c, api.DeleteAuthorizer, &api.DeleteAuthorizerInput{RestApiId: p.RestApiId, AuthorizerId: &r.PhysicalID})
}

// deploymentProperties has of StageDescription what stages honour.
type deploymentProperties struct {
	RestApiId, StageName, Description *string
	StageDescription                  *stageDescription
}

type stageDescription struct {
	Description *string
	Variables   map[string]string
	Tags        tagProperties
}

func createDeploymentResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p := r.Properties.(*deploymentProperties)
	in := &api.CreateDeploymentInput{RestApiId: p.RestApiId, StageName: p.StageName, Description: p.Description}
	d := p.StageDescription
	if d != nil {
		in.StageDescription, in.Variables = d.Description, d.Variables
	}
	out, err := service.Invoke(ctx, c, api.CreateDeployment, in)
	if err != nil {
		return err
	}
	r.PhysicalID, r.Attributes = *out.Id, map[string]any{"DeploymentId": *out.Id}
	if d == nil || p.StageName == nil || len(d.Tags) == 0 {
		return nil
	}
	return retag(ctx, c, stageARN(c, p.RestApiId, *p.StageName), nil, d.Tags.with(nil))
}

func stageARN(c *service.Call, id *string, stage string) string {
	return "arn:aws:apigateway:" + c.Region + "::/restapis/" + val(id) + "/stages/" + stage
}

func updateDeploymentResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p := r.Properties.(*deploymentProperties)
	r.Attributes = map[string]any{"DeploymentId": r.PhysicalID}
	_, err := service.Invoke(ctx, c, api.UpdateDeployment, &api.UpdateDeploymentInput{
		RestApiId: p.RestApiId, DeploymentId: &r.PhysicalID,
		PatchOperations: []api.PatchOperation{{Op: new("replace"), Path: new("/description"), Value: or(p.Description, "")}},
	})
	return err
}

// deleteDeploymentResource removes the stage first where the deployment made it
// and it still points there.
func deleteDeploymentResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p := r.Properties.(*deploymentProperties)
	if p.StageName != nil {
		st, err := service.Invoke(ctx, c, api.GetStage, &api.GetStageInput{RestApiId: p.RestApiId, StageName: p.StageName})
		if err != nil && !fault.Is(err, "NotFoundException") {
			return err
		}
		if err == nil && val(st.DeploymentId) == r.PhysicalID {
			if err := gone(ctx, c, api.DeleteStage, &api.DeleteStageInput{RestApiId: p.RestApiId, StageName: p.StageName}); err != nil {
				return err
			}
		}
	}
	return gone(ctx, c, api.DeleteDeployment, &api.DeleteDeploymentInput{RestApiId: p.RestApiId, DeploymentId: &r.PhysicalID})
}

type stageProperties struct {
	RestApiId, StageName, DeploymentId, Description *string
	Variables                                       map[string]string
	CacheClusterEnabled, TracingEnabled             *bool
	Tags                                            tagProperties
}

func createStageResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p := r.Properties.(*stageProperties)
	if p.StageName == nil {
		p.StageName = new("default")
	}
	out, err := service.Invoke(ctx, c, api.CreateStage, &api.CreateStageInput{
		RestApiId: p.RestApiId, StageName: p.StageName, DeploymentId: p.DeploymentId, Description: p.Description, Variables: p.Variables,
		CacheClusterEnabled: p.CacheClusterEnabled, TracingEnabled: p.TracingEnabled, Tags: p.Tags.with(r.Tags),
	})
	if err != nil {
		return err
	}
	r.PhysicalID = *out.StageName
	return nil
}

func updateStageResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p, old := r.Properties.(*stageProperties), r.Old.(*stageProperties)
	var ops patches
	ops.replace("/deploymentId", p.DeploymentId)
	ops.scalar("/description", old.Description, p.Description)
	ops.strings("/variables", old.Variables, p.Variables)
	ops.replace("/cacheClusterEnabled", text(p.CacheClusterEnabled))
	ops.replace("/tracingEnabled", text(p.TracingEnabled))
	out, err := service.Invoke(ctx, c, api.UpdateStage, &api.UpdateStageInput{RestApiId: p.RestApiId, StageName: &r.PhysicalID, PatchOperations: ops})
	if err != nil {
		return err
	}
	return retag(ctx, c, stageARN(c, p.RestApiId, r.PhysicalID), out.Tags, p.Tags.with(r.Tags))
}

func deleteStageResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p := r.Properties.(*stageProperties)
	return gone(ctx, c, api.DeleteStage, &api.DeleteStageInput{RestApiId: p.RestApiId, StageName: &r.PhysicalID})
}

type responseProperties struct {
	RestApiId, ResponseType, StatusCode   *string
	ResponseParameters, ResponseTemplates map[string]string
}

func putResponseResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p := r.Properties.(*responseProperties)
	_, err := service.Invoke(ctx, c, api.PutGatewayResponse, &api.PutGatewayResponseInput{
		RestApiId: p.RestApiId, ResponseType: p.ResponseType, StatusCode: p.StatusCode, ResponseParameters: p.ResponseParameters, ResponseTemplates: p.ResponseTemplates,
	})
	r.PhysicalID = val(p.RestApiId) + "-" + val(p.ResponseType)
	r.Attributes = map[string]any{"Id": r.PhysicalID}
	return err
}

func deleteResponseResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p := r.Properties.(*responseProperties)
	return gone(ctx, c, api.DeleteGatewayResponse, &api.DeleteGatewayResponseInput{RestApiId: p.RestApiId, ResponseType: p.ResponseType})
}
