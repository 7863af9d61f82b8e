package apigateway

import (
	"context"

	api "moln.dev/moln/api/apigateway"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/apigateway/pipeline"
)

// Bounds of an authorizer's cache, in seconds, and how many an API may have.
const (
	authTTLDefault = 300
	authTTLMax     = 3600
	authorizersMax = 10
)

func (s *Service) createAuthorizer(ctx context.Context, c *service.Call, in *api.CreateAuthorizerInput) (*api.Authorizer, error) {
	if in.JwtConfiguration != nil {
		return nil, errRefused("JwtConfiguration")
	}
	if err := judgeRole(ctx, c, in.AuthorizerCredentials); err != nil {
		return nil, err
	}
	out := api.Authorizer{
		Id: new(s.deps.Ident.Lower(subIDLen)), Name: in.Name, Type: in.Type, ProviderARNs: in.ProviderARNs, AuthType: in.AuthType,
		AuthorizerUri: in.AuthorizerUri, AuthorizerCredentials: in.AuthorizerCredentials, IdentitySource: in.IdentitySource,
		IdentityValidationExpression: in.IdentityValidationExpression, AuthorizerResultTtlInSeconds: in.AuthorizerResultTtlInSeconds,
	}
	err := s.store.edit(ctx, placeOf(c), in.RestApiId, func(t *apiTx) error {
		list, err := all[api.Authorizer](t, kindAuthorizer)
		if err != nil {
			return err
		}
		for _, a := range list {
			if val(a.Name) == val(in.Name) {
				return api.ErrConflictException("Authorizer name must be unique. Authorizer %s already exists in this RestApi.", val(in.Name))
			}
		}
		if len(list) >= authorizersMax {
			return api.ErrLimitExceededException("Maximum number of Authorizers for this API has been reached. Please contact AWS if you need additional Authorizers.")
		}
		return saveAuthorizer(t, &out)
	})
	return &out, err
}

// saveAuthorizer fills defaults, checks and stores.
func saveAuthorizer(t *apiTx, a *api.Authorizer) error {
	if val(a.Name) == "" {
		return api.ErrBadRequestException("Authorizer name is required")
	}
	switch val(a.Type) {
	case "TOKEN", "REQUEST":
		a.AuthType = or(a.AuthType, "custom")
		a.AuthorizerResultTtlInSeconds = or(a.AuthorizerResultTtlInSeconds, authTTLDefault)
	case authCognito:
		a.AuthType = or(a.AuthType, "cognito_user_pools")
		if len(a.ProviderARNs) == 0 {
			return api.ErrBadRequestException("Invalid Authorizer: ProviderARNs must contain at least one user pool")
		}
	default:
		return api.ErrBadRequestException("Invalid authorizer type specified: %s", val(a.Type))
	}
	if ttl := val(a.AuthorizerResultTtlInSeconds); ttl < 0 || ttl > authTTLMax {
		return api.ErrBadRequestException("Authorizer result TTL should be between 0 and %d seconds", authTTLMax)
	}
	if val(a.IdentitySource) == "" && *a.Type != "REQUEST" {
		a.IdentitySource = new("method.request.header.Authorization")
	}
	if err := pipeline.CheckAuthorizer(a); err != nil {
		return api.ErrBadRequestException("%s", err.Error())
	}
	return t.save(kindAuthorizer, *a.Id, a)
}

func loadAuthorizer(t *apiTx, id *string) (*api.Authorizer, error) {
	a, err := load[api.Authorizer](t, kindAuthorizer, val(id))
	if err == nil && a == nil {
		return nil, api.ErrNotFoundException("Invalid Authorizer identifier specified %s:%s:%s", t.p.Account, t.id, val(id))
	}
	return a, err
}

func (s *Service) getAuthorizer(ctx context.Context, c *service.Call, in *api.GetAuthorizerInput) (*api.Authorizer, error) {
	var out *api.Authorizer
	err := s.store.edit(ctx, placeOf(c), in.RestApiId, func(t *apiTx) (err error) {
		out, err = loadAuthorizer(t, in.AuthorizerId)
		return err
	})
	return out, err
}

func (s *Service) getAuthorizers(ctx context.Context, c *service.Call, in *api.GetAuthorizersInput) (*api.GetAuthorizersOutput, error) {
	out := new(api.GetAuthorizersOutput)
	err := s.store.edit(ctx, placeOf(c), in.RestApiId, func(t *apiTx) error {
		list, err := all[api.Authorizer](t, kindAuthorizer)
		out.Items, out.Position = page(list, func(a *api.Authorizer) string { return *a.Id }, in.Position, in.Limit)
		return err
	})
	return out, err
}

func (s *Service) updateAuthorizer(ctx context.Context, c *service.Call, in *api.UpdateAuthorizerInput) (*api.Authorizer, error) {
	if err := judgePatchedRole(ctx, c, in.PatchOperations, "authorizerCredentials"); err != nil {
		return nil, err
	}
	var out *api.Authorizer
	err := s.store.edit(ctx, placeOf(c), in.RestApiId, func(t *apiTx) (err error) {
		if out, err = loadAuthorizer(t, in.AuthorizerId); err != nil {
			return err
		}
		err = apply(out, in.PatchOperations, "name", "type", "authType", "authorizerUri", "authorizerCredentials", "identitySource",
			"identityValidationExpression", "authorizerResultTtlInSeconds", "providerARNs")
		if err != nil {
			return err
		}
		return saveAuthorizer(t, out)
	})
	return out, err
}

func (s *Service) deleteAuthorizer(ctx context.Context, c *service.Call, in *api.DeleteAuthorizerInput) (*api.DeleteAuthorizerOutput, error) {
	return nil, s.store.edit(ctx, placeOf(c), in.RestApiId, func(t *apiTx) error {
		if _, err := loadAuthorizer(t, in.AuthorizerId); err != nil {
			return err
		}
		list, err := all[api.Resource](t, kindResource)
		if err != nil {
			return err
		}
		for _, r := range list {
			for _, m := range r.ResourceMethods {
				if val(m.AuthorizerId) == *in.AuthorizerId {
					return api.ErrConflictException("Cannot delete authorizer '%s', is referenced in method: %s", *in.AuthorizerId, val(m.HttpMethod))
				}
			}
		}
		return t.remove(kindAuthorizer, *in.AuthorizerId)
	})
}
