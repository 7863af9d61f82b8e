package apigateway

import (
	"context"
	"regexp"
	"slices"
	"strings"

	api "moln.dev/moln/api/apigateway"
	"moln.dev/moln/platform/service"
)

var (
	httpMethods   = []string{"GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "HEAD", "ANY"}
	requestParam  = regexp.MustCompile(`^method\.request\.(?:path|querystring|header|multivaluequerystring|multivalueheader)\.[a-zA-Z0-9._$\-\[\]]+$`)
	responseParam = regexp.MustCompile(`^method\.response\.(?:header|multivalueheader)\.[a-zA-Z0-9._$\-]+$`)
	statusPattern = regexp.MustCompile(`^[1-5]\d\d$`)
)

// Kinds of authorization that methods can have here.
const (
	authNone    = "NONE"
	authIAM     = "AWS_IAM"
	authCustom  = "CUSTOM"
	authCognito = "COGNITO_USER_POOLS"
)

// method finds a method of a resource for change; the resource is what is saved.
func loadMethod(t *apiTx, resource, httpMethod *string) (*api.Resource, api.Method, error) {
	r, err := loadResource(t, resource)
	if err != nil {
		return nil, api.Method{}, err
	}
	m, ok := r.ResourceMethods[strings.ToUpper(val(httpMethod))]
	if !ok {
		return nil, api.Method{}, errNoMethod()
	}
	return r, m, nil
}

// changeMethod edits one method and stores it.
func (s *Service) changeMethod(ctx context.Context, c *service.Call, id, resource, httpMethod *string, change func(t *apiTx, m *api.Method) error) error {
	return s.store.edit(ctx, placeOf(c), id, func(t *apiTx) error {
		r, m, err := loadMethod(t, resource, httpMethod)
		if err != nil {
			return err
		}
		if err := change(t, &m); err != nil {
			return err
		}
		r.ResourceMethods[*m.HttpMethod] = m
		return t.save(kindResource, *r.Id, r)
	})
}

func (s *Service) putMethod(ctx context.Context, c *service.Call, in *api.PutMethodInput) (*api.Method, error) {
	out := api.Method{
		HttpMethod: new(strings.ToUpper(val(in.HttpMethod))), AuthorizationType: new(strings.ToUpper(val(in.AuthorizationType))), AuthorizerId: in.AuthorizerId,
		ApiKeyRequired: or(in.ApiKeyRequired, false), RequestValidatorId: in.RequestValidatorId, OperationName: in.OperationName,
		RequestParameters: in.RequestParameters, RequestModels: in.RequestModels, AuthorizationScopes: in.AuthorizationScopes,
	}
	err := s.store.edit(ctx, placeOf(c), in.RestApiId, func(t *apiTx) error {
		r, err := loadResource(t, in.ResourceId)
		if err != nil {
			return err
		}
		if _, ok := r.ResourceMethods[*out.HttpMethod]; ok {
			return api.ErrConflictException("Method already exists for this resource")
		}
		if err := checkMethod(t, &out); err != nil {
			return err
		}
		if r.ResourceMethods == nil {
			r.ResourceMethods = map[string]api.Method{}
		}
		r.ResourceMethods[*out.HttpMethod] = out
		return t.save(kindResource, *r.Id, r)
	})
	return &out, err
}

// checkMethod refuses what cannot be served, and what refers to nothing.
func checkMethod(t *apiTx, m *api.Method) error {
	if !slices.Contains(httpMethods, val(m.HttpMethod)) {
		return api.ErrBadRequestException("Invalid HttpMethod specified. Valid options are GET,PUT,POST,DELETE,PATCH,OPTIONS,HEAD,ANY")
	}
	if val(m.ApiKeyRequired) {
		return errRefused("ApiKeyRequired: true (API keys and usage plans)")
	}
	if err := checkAuthorization(t, m); err != nil {
		return err
	}
	for name := range m.RequestParameters {
		if !requestParam.MatchString(name) {
			return api.ErrBadRequestException("Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression parameter specified: %s]", name)
		}
	}
	for _, name := range m.RequestModels {
		model, err := load[api.Model](t, kindModel, name)
		if err != nil {
			return err
		}
		if model == nil {
			return api.ErrBadRequestException("Invalid model identifier specified: %s", name)
		}
	}
	if val(m.RequestValidatorId) == "" {
		m.RequestValidatorId = nil
		return nil
	}
	v, err := load[api.RequestValidator](t, kindValidator, *m.RequestValidatorId)
	if err == nil && v == nil {
		return api.ErrBadRequestException("Invalid Request Validator identifier specified")
	}
	return err
}

func checkAuthorization(t *apiTx, m *api.Method) error {
	switch val(m.AuthorizationType) {
	case authNone:
		m.AuthorizerId = nil
		return nil
	case authIAM:
		return errRefused("AuthorizationType AWS_IAM")
	case authCustom, authCognito:
	default:
		return api.ErrBadRequestException("Invalid authorization type specified. Valid options are NONE, AWS_IAM, CUSTOM, COGNITO_USER_POOLS")
	}
	a, err := load[api.Authorizer](t, kindAuthorizer, val(m.AuthorizerId))
	if err != nil {
		return err
	}
	if a == nil || (*a.Type == authCognito) != (*m.AuthorizationType == authCognito) {
		return api.ErrBadRequestException("Invalid authorizer ID specified. Setting the authorization type to CUSTOM or COGNITO_USER_POOLS requires a valid authorizer.")
	}
	return nil
}

func (s *Service) getMethod(ctx context.Context, c *service.Call, in *api.GetMethodInput) (*api.Method, error) {
	var out api.Method
	err := s.store.edit(ctx, placeOf(c), in.RestApiId, func(t *apiTx) (err error) {
		_, out, err = loadMethod(t, in.ResourceId, in.HttpMethod)
		return err
	})
	return &out, err
}

func (s *Service) updateMethod(ctx context.Context, c *service.Call, in *api.UpdateMethodInput) (*api.Method, error) {
	var out api.Method
	err := s.changeMethod(ctx, c, in.RestApiId, in.ResourceId, in.HttpMethod, func(t *apiTx, m *api.Method) error {
		err := apply(m, in.PatchOperations, "authorizationType", "authorizerId", "apiKeyRequired", "requestValidatorId", "operationName", "requestParameters", "requestModels", "authorizationScopes")
		if err != nil {
			return err
		}
		out = *m
		return checkMethod(t, m)
	})
	return &out, err
}

func (s *Service) deleteMethod(ctx context.Context, c *service.Call, in *api.DeleteMethodInput) (*api.DeleteMethodOutput, error) {
	return nil, s.store.edit(ctx, placeOf(c), in.RestApiId, func(t *apiTx) error {
		r, m, err := loadMethod(t, in.ResourceId, in.HttpMethod)
		if err != nil {
			return err
		}
		delete(r.ResourceMethods, *m.HttpMethod)
		return t.save(kindResource, *r.Id, r)
	})
}

func (s *Service) putMethodResponse(ctx context.Context, c *service.Call, in *api.PutMethodResponseInput) (*api.MethodResponse, error) {
	out := api.MethodResponse{StatusCode: in.StatusCode, ResponseParameters: in.ResponseParameters, ResponseModels: in.ResponseModels}
	err := s.changeMethod(ctx, c, in.RestApiId, in.ResourceId, in.HttpMethod, func(t *apiTx, m *api.Method) error {
		if _, ok := m.MethodResponses[val(in.StatusCode)]; ok {
			return api.ErrConflictException("Response already exists for this resource")
		}
		if err := checkMethodResponse(&out); err != nil {
			return err
		}
		if m.MethodResponses == nil {
			m.MethodResponses = map[string]api.MethodResponse{}
		}
		m.MethodResponses[*in.StatusCode] = out
		return nil
	})
	return &out, err
}

func checkMethodResponse(r *api.MethodResponse) error {
	if !statusPattern.MatchString(val(r.StatusCode)) {
		return api.ErrBadRequestException("Status code should match the following regular expression: [1-5]\\d\\d")
	}
	for name := range r.ResponseParameters {
		if !responseParam.MatchString(name) {
			return api.ErrBadRequestException("Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression parameter specified: %s]", name)
		}
	}
	return nil
}

func (s *Service) getMethodResponse(ctx context.Context, c *service.Call, in *api.GetMethodResponseInput) (*api.MethodResponse, error) {
	m, err := s.getMethod(ctx, c, &api.GetMethodInput{RestApiId: in.RestApiId, ResourceId: in.ResourceId, HttpMethod: in.HttpMethod})
	if err != nil {
		return nil, err
	}
	r, ok := m.MethodResponses[val(in.StatusCode)]
	if !ok {
		return nil, errNoResponse()
	}
	return &r, nil
}

func (s *Service) updateMethodResponse(ctx context.Context, c *service.Call, in *api.UpdateMethodResponseInput) (*api.MethodResponse, error) {
	var out api.MethodResponse
	err := s.changeMethod(ctx, c, in.RestApiId, in.ResourceId, in.HttpMethod, func(_ *apiTx, m *api.Method) error {
		r, ok := m.MethodResponses[val(in.StatusCode)]
		if !ok {
			return errNoResponse()
		}
		if err := apply(&r, in.PatchOperations, "responseParameters", "responseModels"); err != nil {
			return err
		}
		m.MethodResponses[*in.StatusCode], out = r, r
		return checkMethodResponse(&r)
	})
	return &out, err
}

func (s *Service) deleteMethodResponse(ctx context.Context, c *service.Call, in *api.DeleteMethodResponseInput) (*api.DeleteMethodResponseOutput, error) {
	return nil, s.changeMethod(ctx, c, in.RestApiId, in.ResourceId, in.HttpMethod, func(_ *apiTx, m *api.Method) error {
		if _, ok := m.MethodResponses[val(in.StatusCode)]; !ok {
			return errNoResponse()
		}
		delete(m.MethodResponses, *in.StatusCode)
		return nil
	})
}
