package apigateway

import (
	"context"
	"regexp"

	api "moln.dev/moln/api/apigateway"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/apigateway/pipeline"
)

var modelName = regexp.MustCompile(`^[a-zA-Z0-9]+$`)

// defaultModels are what every new API has.
func (s *Service) defaultModels() []api.Model {
	model := func(name, description, schema string) api.Model {
		return api.Model{Id: new(s.deps.Ident.Lower(subIDLen)), Name: &name, Description: &description, Schema: &schema, ContentType: new("application/json")}
	}
	return []api.Model{
		model("Empty", "This is a default empty schema model", "{\n  \"$schema\": \"http://json-schema.org/draft-04/schema#\",\n  \"title\" : \"Empty Schema\",\n  \"type\" : \"object\"\n}"),
		model("Error", "This is a default error schema model", "{\n  \"$schema\" : \"http://json-schema.org/draft-04/schema#\",\n  \"title\" : \"Error Schema\",\n  \"type\" : \"object\",\n  \"properties\" : {\n    \"message\" : { \"type\" : \"string\" }\n  }\n}"),
	}
}

func (s *Service) createModel(ctx context.Context, c *service.Call, in *api.CreateModelInput) (*api.Model, error) {
	out := api.Model{Id: new(s.deps.Ident.Lower(subIDLen)), Name: in.Name, Description: in.Description, Schema: in.Schema, ContentType: in.ContentType}
	err := s.store.edit(ctx, placeOf(c), in.RestApiId, func(t *apiTx) error {
		if !modelName.MatchString(val(in.Name)) {
			return api.ErrBadRequestException("Model name must be alphanumeric: %s", val(in.Name))
		}
		old, err := load[api.Model](t, kindModel, *in.Name)
		if err != nil {
			return err
		}
		if old != nil {
			return api.ErrConflictException("Model name already exists for this REST API")
		}
		if val(in.Schema) == "" {
			return api.ErrBadRequestException("Model schema must have at least 1 property or array items defined")
		}
		return saveModel(t, &out)
	})
	return &out, err
}

// saveModel compiles the schema beside the API's other models, which it may
// refer to, and stores it.
func saveModel(t *apiTx, m *api.Model) error {
	others, err := all[api.Model](t, kindModel)
	if err != nil {
		return err
	}
	if err := pipeline.CheckModel(t.id, others, m); err != nil {
		return api.ErrBadRequestException("Invalid model specified: Validation Result: warnings : [], errors : [%s]", err.Error())
	}
	return t.save(kindModel, *m.Name, m)
}

func loadModel(t *apiTx, name *string) (*api.Model, error) {
	m, err := load[api.Model](t, kindModel, val(name))
	if err == nil && m == nil {
		return nil, api.ErrNotFoundException("Invalid model name specified: %s", val(name))
	}
	return m, err
}

func (s *Service) getModel(ctx context.Context, c *service.Call, in *api.GetModelInput) (*api.Model, error) {
	if val(in.Flatten) {
		return nil, errRefused("flatten")
	}
	var out *api.Model
	err := s.store.edit(ctx, placeOf(c), in.RestApiId, func(t *apiTx) (err error) {
		out, err = loadModel(t, in.ModelName)
		return err
	})
	return out, err
}

func (s *Service) getModels(ctx context.Context, c *service.Call, in *api.GetModelsInput) (*api.GetModelsOutput, error) {
	out := new(api.GetModelsOutput)
	err := s.store.edit(ctx, placeOf(c), in.RestApiId, func(t *apiTx) error {
		list, err := all[api.Model](t, kindModel)
		out.Items, out.Position = page(list, func(m *api.Model) string { return *m.Name }, in.Position, in.Limit)
		return err
	})
	return out, err
}

func (s *Service) updateModel(ctx context.Context, c *service.Call, in *api.UpdateModelInput) (*api.Model, error) {
	var out *api.Model
	err := s.store.edit(ctx, placeOf(c), in.RestApiId, func(t *apiTx) (err error) {
		if out, err = loadModel(t, in.ModelName); err != nil {
			return err
		}
		if err := apply(out, in.PatchOperations, "description", "schema"); err != nil {
			return err
		}
		return saveModel(t, out)
	})
	return out, err
}

func (s *Service) deleteModel(ctx context.Context, c *service.Call, in *api.DeleteModelInput) (*api.DeleteModelOutput, error) {
	return nil, s.store.edit(ctx, placeOf(c), in.RestApiId, func(t *apiTx) error {
		if _, err := loadModel(t, in.ModelName); err != nil {
			return err
		}
		list, err := all[api.Resource](t, kindResource)
		if err != nil {
			return err
		}
		for _, r := range list {
			for _, m := range r.ResourceMethods {
				if usesModel(&m, *in.ModelName) {
					return api.ErrConflictException("Cannot delete model '%s', is referenced in method request: %s/%s", *in.ModelName, val(r.Path), val(m.HttpMethod))
				}
			}
		}
		return t.remove(kindModel, *in.ModelName)
	})
}

func usesModel(m *api.Method, name string) bool {
	for _, model := range m.RequestModels {
		if model == name {
			return true
		}
	}
	return false
}

func (s *Service) createRequestValidator(ctx context.Context, c *service.Call, in *api.CreateRequestValidatorInput) (*api.RequestValidator, error) {
	out := api.RequestValidator{
		Id: new(s.deps.Ident.Lower(subIDLen)), Name: in.Name,
		ValidateRequestBody: or(in.ValidateRequestBody, false), ValidateRequestParameters: or(in.ValidateRequestParameters, false),
	}
	err := s.store.edit(ctx, placeOf(c), in.RestApiId, func(t *apiTx) error { return t.save(kindValidator, *out.Id, out) })
	return &out, err
}

func loadValidator(t *apiTx, id *string) (*api.RequestValidator, error) {
	v, err := load[api.RequestValidator](t, kindValidator, val(id))
	if err == nil && v == nil {
		return nil, api.ErrNotFoundException("Invalid Request Validator identifier specified")
	}
	return v, err
}

func (s *Service) getRequestValidator(ctx context.Context, c *service.Call, in *api.GetRequestValidatorInput) (*api.RequestValidator, error) {
	var out *api.RequestValidator
	err := s.store.edit(ctx, placeOf(c), in.RestApiId, func(t *apiTx) (err error) {
		out, err = loadValidator(t, in.RequestValidatorId)
		return err
	})
	return out, err
}

func (s *Service) getRequestValidators(ctx context.Context, c *service.Call, in *api.GetRequestValidatorsInput) (*api.GetRequestValidatorsOutput, error) {
	out := new(api.GetRequestValidatorsOutput)
	err := s.store.edit(ctx, placeOf(c), in.RestApiId, func(t *apiTx) error {
		list, err := all[api.RequestValidator](t, kindValidator)
		out.Items, out.Position = page(list, func(v *api.RequestValidator) string { return *v.Id }, in.Position, in.Limit)
		return err
	})
	return out, err
}

func (s *Service) updateRequestValidator(ctx context.Context, c *service.Call, in *api.UpdateRequestValidatorInput) (*api.RequestValidator, error) {
	var out *api.RequestValidator
	err := s.store.edit(ctx, placeOf(c), in.RestApiId, func(t *apiTx) (err error) {
		if out, err = loadValidator(t, in.RequestValidatorId); err != nil {
			return err
		}
		if err := apply(out, in.PatchOperations, "name", "validateRequestBody", "validateRequestParameters"); err != nil {
			return err
		}
		return t.save(kindValidator, *out.Id, out)
	})
	return out, err
}

func (s *Service) deleteRequestValidator(ctx context.Context, c *service.Call, in *api.DeleteRequestValidatorInput) (*api.DeleteRequestValidatorOutput, error) {
	return nil, s.store.edit(ctx, placeOf(c), in.RestApiId, func(t *apiTx) error {
		if _, err := loadValidator(t, in.RequestValidatorId); err != nil {
			return err
		}
		return t.remove(kindValidator, *in.RequestValidatorId)
	})
}

func (s *Service) putGatewayResponse(ctx context.Context, c *service.Call, in *api.PutGatewayResponseInput) (*api.GatewayResponse, error) {
	var out api.GatewayResponse
	err := s.store.edit(ctx, placeOf(c), in.RestApiId, func(t *apiTx) error {
		out = api.GatewayResponse{
			ResponseType: in.ResponseType, StatusCode: in.StatusCode, ResponseParameters: in.ResponseParameters,
			ResponseTemplates: in.ResponseTemplates, DefaultResponse: new(false),
		}
		return saveResponse(t, &out)
	})
	return &out, err
}

func saveResponse(t *apiTx, r *api.GatewayResponse) error {
	standard := pipeline.StandardResponse(val(r.ResponseType))
	if standard == nil {
		return api.ErrBadRequestException("Invalid response type specified: %s", val(r.ResponseType))
	}
	if val(r.StatusCode) == "" {
		r.StatusCode = standard.StatusCode
	}
	if r.ResponseTemplates == nil {
		r.ResponseTemplates = standard.ResponseTemplates
	}
	if r.ResponseParameters == nil {
		r.ResponseParameters = map[string]string{}
	}
	if err := pipeline.CheckGatewayResponse(r); err != nil {
		return api.ErrBadRequestException("%s", err.Error())
	}
	return t.save(kindResponse, *r.ResponseType, r)
}

// effectiveResponse is the API's own response of a type, or AWS's.
func effectiveResponse(t *apiTx, kind *string) (*api.GatewayResponse, error) {
	r, err := load[api.GatewayResponse](t, kindResponse, val(kind))
	if err != nil || r != nil {
		return r, err
	}
	if r = pipeline.StandardResponse(val(kind)); r == nil {
		return nil, api.ErrNotFoundException("Invalid response type specified: %s", val(kind))
	}
	return r, nil
}

func (s *Service) getGatewayResponse(ctx context.Context, c *service.Call, in *api.GetGatewayResponseInput) (*api.GatewayResponse, error) {
	var out *api.GatewayResponse
	err := s.store.edit(ctx, placeOf(c), in.RestApiId, func(t *apiTx) (err error) {
		out, err = effectiveResponse(t, in.ResponseType)
		return err
	})
	return out, err
}

func (s *Service) getGatewayResponses(ctx context.Context, c *service.Call, in *api.GetGatewayResponsesInput) (*api.GetGatewayResponsesOutput, error) {
	out := new(api.GetGatewayResponsesOutput)
	err := s.store.edit(ctx, placeOf(c), in.RestApiId, func(t *apiTx) error {
		for _, kind := range pipeline.ResponseTypes() {
			r, err := effectiveResponse(t, &kind)
			if err != nil {
				return err
			}
			out.Items = append(out.Items, *r)
		}
		return nil
	})
	return out, err
}

func (s *Service) updateGatewayResponse(ctx context.Context, c *service.Call, in *api.UpdateGatewayResponseInput) (*api.GatewayResponse, error) {
	var out *api.GatewayResponse
	err := s.store.edit(ctx, placeOf(c), in.RestApiId, func(t *apiTx) (err error) {
		if out, err = effectiveResponse(t, in.ResponseType); err != nil {
			return err
		}
		out.DefaultResponse = new(false)
		if err := apply(out, in.PatchOperations, "statusCode", "responseParameters", "responseTemplates"); err != nil {
			return err
		}
		return saveResponse(t, out)
	})
	return out, err
}

func (s *Service) deleteGatewayResponse(ctx context.Context, c *service.Call, in *api.DeleteGatewayResponseInput) (*api.DeleteGatewayResponseOutput, error) {
	return nil, s.store.edit(ctx, placeOf(c), in.RestApiId, func(t *apiTx) error {
		r, err := load[api.GatewayResponse](t, kindResponse, val(in.ResponseType))
		if err != nil {
			return err
		}
		if r == nil {
			return api.ErrNotFoundException("Gateway response type not defined on api")
		}
		return t.remove(kindResponse, *in.ResponseType)
	})
}
