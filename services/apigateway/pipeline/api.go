package pipeline

import (
	"fmt"
	"strings"

	jsonschema "github.com/santhosh-tekuri/jsonschema/v6"

	api "moln.dev/moln/api/apigateway"
	"moln.dev/moln/aws/policy"
)

// Snapshot is all that a deployment freezes.
type Snapshot struct {
	Account, Region string
	API             api.RestApi
	Resources       []api.Resource
	Models          []api.Model
	Validators      []api.RequestValidator
	Authorizers     []api.Authorizer
	Responses       []api.GatewayResponse
}

// API is a compiled snapshot. It is immutable and safe for concurrent use.
type API struct {
	id        string
	disabled  bool
	binary    []string
	policy    *policy.Policy
	root      *resource
	responses map[string]*gatewayResponse
}

// method is a compiled method.
type method struct {
	resourceID, resourcePath string
	operation                string
	authorizer               *authorizer // nil: none
	scopes                   []string
	required                 []string // parameters that must be there
	models                   map[string]*jsonschema.Schema
	integration              *integration
	headers                  map[string]map[string]bool // status -> declared response headers
}

// Compile turns a snapshot into an API, or says what cannot be served.
func Compile(s *Snapshot) (*API, error) {
	a := &API{
		id: val(s.API.Id), disabled: val(s.API.DisableExecuteApiEndpoint), binary: s.API.BinaryMediaTypes,
		root: newResource(), responses: map[string]*gatewayResponse{},
	}
	if doc := val(s.API.Policy); doc != "" {
		p, err := policy.Parse([]byte(ExpandPolicy(doc, s.Region, s.Account, a.id)), policy.Resource)
		if err != nil {
			return nil, fmt.Errorf("resource policy: %w", err)
		}
		a.policy = p.Named("arn:aws:apigateway:" + s.Region + "::/restapis/" + a.id)
	}
	if err := a.compileResponses(s.Responses); err != nil {
		return nil, err
	}
	models, err := compileModels(a.id, s.Models)
	if err != nil {
		return nil, err
	}
	authorizers := map[string]*authorizer{}
	for i := range s.Authorizers {
		z, err := compileAuthorizer(&s.Authorizers[i])
		if err != nil {
			return nil, fmt.Errorf("authorizer %s: %w", val(s.Authorizers[i].Name), err)
		}
		authorizers[z.id] = z
	}
	validators := map[string]api.RequestValidator{}
	for _, v := range s.Validators {
		validators[val(v.Id)] = v
	}
	for _, r := range s.Resources {
		if err := a.compileResource(&r, models, authorizers, validators); err != nil {
			return nil, fmt.Errorf("%s: %w", val(r.Path), err)
		}
	}
	return a, nil
}

func (a *API) compileResource(r *api.Resource, models map[string]*jsonschema.Schema, authorizers map[string]*authorizer, validators map[string]api.RequestValidator) error {
	node := a.root.at(val(r.Path))
	for verb, m := range r.ResourceMethods {
		c := &method{resourceID: val(r.Id), resourcePath: val(r.Path), operation: val(m.OperationName), scopes: m.AuthorizationScopes, headers: map[string]map[string]bool{}}
		switch t := val(m.AuthorizationType); t {
		case "NONE":
		case "CUSTOM", "COGNITO_USER_POOLS":
			if c.authorizer = authorizers[val(m.AuthorizerId)]; c.authorizer == nil {
				return fmt.Errorf("%s: no authorizer %s", verb, val(m.AuthorizerId))
			}
		default:
			return fmt.Errorf("%s: authorization type %s is not supported", verb, t)
		}
		if val(m.ApiKeyRequired) {
			return fmt.Errorf("%s: API keys are not supported", verb)
		}
		if err := c.compileValidator(&m, models, validators); err != nil {
			return fmt.Errorf("%s: %w", verb, err)
		}
		for status, r := range m.MethodResponses {
			c.headers[status] = map[string]bool{}
			for name := range r.ResponseParameters {
				c.headers[status][name] = true
			}
		}
		if m.MethodIntegration == nil {
			return fmt.Errorf("%s: no integration", verb)
		}
		i, err := compileIntegration(&m, m.MethodIntegration)
		if err != nil {
			return fmt.Errorf("%s: %w", verb, err)
		}
		c.integration = i
		node.methods[verb] = c
	}
	return nil
}

// ExpandPolicy completes the short form of resources, execute-api:/stage/….
func ExpandPolicy(doc, region, account, id string) string {
	full := `"arn:aws:execute-api:` + region + ":" + account + ":" + id + "/"
	return strings.NewReplacer(`"execute-api:/`, full, `"execute-api:\/`, full).Replace(doc)
}

// val is what p points at, or the zero value.
func val[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
