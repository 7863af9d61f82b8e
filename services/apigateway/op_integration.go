package apigateway

import (
	"context"
	"slices"

	api "moln.dev/moln/api/apigateway"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/apigateway/pipeline"
)

// Bounds of an integration's timeout, in milliseconds.
const (
	timeoutMin = 50
	timeoutMax = 29_000
)

func (s *Service) putIntegration(ctx context.Context, c *service.Call, in *api.PutIntegrationInput) (*api.Integration, error) {
	if err := judgeRole(ctx, c, in.Credentials); err != nil {
		return nil, err
	}
	out := api.Integration{
		Type: in.Type, HttpMethod: in.IntegrationHttpMethod, Uri: in.Uri, ConnectionType: in.ConnectionType, ConnectionId: in.ConnectionId,
		Credentials: in.Credentials, RequestParameters: in.RequestParameters, RequestTemplates: in.RequestTemplates,
		PassthroughBehavior: or(in.PassthroughBehavior, pipeline.WhenNoMatch), ContentHandling: in.ContentHandling,
		TimeoutInMillis: or(in.TimeoutInMillis, timeoutMax), CacheNamespace: or(in.CacheNamespace, val(in.ResourceId)), CacheKeyParameters: in.CacheKeyParameters,
		TlsConfig: in.TlsConfig, ResponseTransferMode: in.ResponseTransferMode, IntegrationTarget: in.IntegrationTarget,
	}
	if out.CacheKeyParameters == nil {
		out.CacheKeyParameters = []string{}
	}
	err := s.changeMethod(ctx, c, in.RestApiId, in.ResourceId, in.HttpMethod, func(_ *apiTx, m *api.Method) error {
		if err := checkIntegration(m, &out); err != nil {
			return err
		}
		m.MethodIntegration = &out
		return nil
	})
	return &out, err
}

// checkIntegration refuses what cannot be served; what is left compiles.
func checkIntegration(m *api.Method, i *api.Integration) error {
	if t := val(i.Type); t == "HTTP" || t == "HTTP_PROXY" {
		return errRefused("integrations of type " + t)
	}
	err := refuse(
		refusal{val(i.ConnectionType) == "VPC_LINK" || val(i.ConnectionId) != "" || val(i.IntegrationTarget) != "", "VPC links"},
		refusal{val(i.ResponseTransferMode) == "STREAM", "ResponseTransferMode STREAM"},
		refusal{i.TlsConfig != nil && val(i.TlsConfig.InsecureSkipVerification), "TlsConfig"},
		refusal{len(i.CacheKeyParameters) > 0, "CacheKeyParameters (response caches)"},
	)
	if err != nil {
		return err
	}
	if t := val(i.TimeoutInMillis); t < timeoutMin || t > timeoutMax {
		return api.ErrBadRequestException("Timeout should be between %d ms and %d ms", timeoutMin, timeoutMax)
	}
	if slices.Contains([]string{"AWS", "AWS_PROXY"}, val(i.Type)) {
		if val(i.HttpMethod) == "" {
			return api.ErrBadRequestException("Enumeration value for HttpMethod must be non-empty")
		}
	}
	if err := pipeline.CheckIntegration(m, i); err != nil {
		return api.ErrBadRequestException("%s", err.Error())
	}
	return nil
}

// changeIntegration edits a method's integration.
func (s *Service) changeIntegration(ctx context.Context, c *service.Call, id, resource, httpMethod *string, change func(m *api.Method, i *api.Integration) error) error {
	return s.changeMethod(ctx, c, id, resource, httpMethod, func(_ *apiTx, m *api.Method) error {
		if m.MethodIntegration == nil {
			return errNoIntegration()
		}
		return change(m, m.MethodIntegration)
	})
}

func (s *Service) getIntegration(ctx context.Context, c *service.Call, in *api.GetIntegrationInput) (*api.Integration, error) {
	m, err := s.getMethod(ctx, c, &api.GetMethodInput{RestApiId: in.RestApiId, ResourceId: in.ResourceId, HttpMethod: in.HttpMethod})
	if err != nil {
		return nil, err
	}
	if m.MethodIntegration == nil {
		return nil, errNoIntegration()
	}
	return m.MethodIntegration, nil
}

func (s *Service) updateIntegration(ctx context.Context, c *service.Call, in *api.UpdateIntegrationInput) (*api.Integration, error) {
	if err := judgePatchedRole(ctx, c, in.PatchOperations, "credentials"); err != nil {
		return nil, err
	}
	var out *api.Integration
	err := s.changeIntegration(ctx, c, in.RestApiId, in.ResourceId, in.HttpMethod, func(m *api.Method, i *api.Integration) error {
		out = i
		err := apply(i, in.PatchOperations, "httpMethod", "uri", "credentials", "requestParameters", "requestTemplates", "passthroughBehavior", "contentHandling",
			"timeoutInMillis", "cacheNamespace", "cacheKeyParameters", "connectionType", "connectionId", "responseTransferMode")
		if err != nil {
			return err
		}
		return checkIntegration(m, i)
	})
	return out, err
}

func (s *Service) deleteIntegration(ctx context.Context, c *service.Call, in *api.DeleteIntegrationInput) (*api.DeleteIntegrationOutput, error) {
	return nil, s.changeIntegration(ctx, c, in.RestApiId, in.ResourceId, in.HttpMethod, func(m *api.Method, _ *api.Integration) error {
		m.MethodIntegration = nil
		return nil
	})
}

func (s *Service) putIntegrationResponse(ctx context.Context, c *service.Call, in *api.PutIntegrationResponseInput) (*api.IntegrationResponse, error) {
	out := api.IntegrationResponse{
		StatusCode: in.StatusCode, SelectionPattern: in.SelectionPattern, ResponseParameters: in.ResponseParameters,
		ResponseTemplates: in.ResponseTemplates, ContentHandling: in.ContentHandling,
	}
	err := s.changeIntegration(ctx, c, in.RestApiId, in.ResourceId, in.HttpMethod, func(m *api.Method, i *api.Integration) error {
		if i.IntegrationResponses == nil {
			i.IntegrationResponses = map[string]api.IntegrationResponse{}
		}
		if err := checkIntegrationResponse(m, &out); err != nil {
			return err
		}
		i.IntegrationResponses[*in.StatusCode] = out
		return nil
	})
	return &out, err
}

// checkIntegrationResponse wants the method response to be declared, with every
// header that is mapped to.
func checkIntegrationResponse(m *api.Method, r *api.IntegrationResponse) error {
	declared, ok := m.MethodResponses[val(r.StatusCode)]
	if !ok {
		return errNoResponse()
	}
	for name := range r.ResponseParameters {
		if _, ok := declared.ResponseParameters[name]; !ok {
			return api.ErrBadRequestException("Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression parameter specified: %s]", name)
		}
	}
	if err := pipeline.CheckIntegrationResponse(r); err != nil {
		return api.ErrBadRequestException("%s", err.Error())
	}
	return nil
}

func (s *Service) getIntegrationResponse(ctx context.Context, c *service.Call, in *api.GetIntegrationResponseInput) (*api.IntegrationResponse, error) {
	i, err := s.getIntegration(ctx, c, &api.GetIntegrationInput{RestApiId: in.RestApiId, ResourceId: in.ResourceId, HttpMethod: in.HttpMethod})
	if err != nil {
		return nil, err
	}
	r, ok := i.IntegrationResponses[val(in.StatusCode)]
	if !ok {
		return nil, errNoResponse()
	}
	return &r, nil
}

func (s *Service) updateIntegrationResponse(ctx context.Context, c *service.Call, in *api.UpdateIntegrationResponseInput) (*api.IntegrationResponse, error) {
	var out api.IntegrationResponse
	err := s.changeIntegration(ctx, c, in.RestApiId, in.ResourceId, in.HttpMethod, func(m *api.Method, i *api.Integration) error {
		r, ok := i.IntegrationResponses[val(in.StatusCode)]
		if !ok {
			return errNoResponse()
		}
		if err := apply(&r, in.PatchOperations, "selectionPattern", "responseParameters", "responseTemplates", "contentHandling"); err != nil {
			return err
		}
		i.IntegrationResponses[*in.StatusCode], out = r, r
		return checkIntegrationResponse(m, &r)
	})
	return &out, err
}

func (s *Service) deleteIntegrationResponse(ctx context.Context, c *service.Call, in *api.DeleteIntegrationResponseInput) (*api.DeleteIntegrationResponseOutput, error) {
	return nil, s.changeIntegration(ctx, c, in.RestApiId, in.ResourceId, in.HttpMethod, func(_ *api.Method, i *api.Integration) error {
		if _, ok := i.IntegrationResponses[val(in.StatusCode)]; !ok {
			return errNoResponse()
		}
		delete(i.IntegrationResponses, *in.StatusCode)
		return nil
	})
}
