package apigateway

import (
	"context"
	"maps"
	"strings"

	api "moln.dev/moln/api/apigateway"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/apigateway/pipeline"
)

// Lengths of generated ids.
const (
	apiIDLen      = 10
	resourceIDLen = 10
	subIDLen      = 6
	policyMax     = 8192 // characters of a resource policy
)

func (s *Service) createRestApi(ctx context.Context, c *service.Call, in *api.CreateRestApiInput) (*api.RestApi, error) {
	if val(in.Name) == "" {
		return nil, api.ErrBadRequestException("Name is required")
	}
	now := c.Now
	a := api.RestApi{
		Id: new(s.deps.Ident.Lower(apiIDLen)), Name: in.Name, Description: in.Description, CreatedDate: &now, Version: in.Version,
		BinaryMediaTypes: in.BinaryMediaTypes, ApiKeySource: or(in.ApiKeySource, "HEADER"), Policy: in.Policy, Tags: in.Tags,
		EndpointConfiguration: in.EndpointConfiguration, DisableExecuteApiEndpoint: or(in.DisableExecuteApiEndpoint, false),
		MinimumCompressionSize: in.MinimumCompressionSize, SecurityPolicy: in.SecurityPolicy, EndpointAccessMode: in.EndpointAccessMode,
		RootResourceId: new(s.deps.Ident.Lower(resourceIDLen)), ApiStatus: new("AVAILABLE"),
	}
	if val(in.CloneFrom) != "" {
		return nil, errRefused("CloneFrom")
	}
	if err := settleAPI(&a); err != nil {
		return nil, err
	}
	root := api.Resource{Id: a.RootResourceId, Path: new("/")}
	if err := s.store.createAPI(ctx, placeOf(c), a, root, s.defaultModels()); err != nil {
		return nil, err
	}
	return &a, nil
}

// settleAPI fills defaults and refuses what is not honoured.
func settleAPI(a *api.RestApi) error {
	if a.EndpointConfiguration == nil {
		a.EndpointConfiguration = &api.EndpointConfiguration{}
	}
	e := a.EndpointConfiguration
	if len(e.Types) == 0 {
		e.Types = []string{"EDGE"}
	}
	e.IpAddressType = or(e.IpAddressType, "ipv4")
	if len(e.Types) > 1 {
		return api.ErrBadRequestException("Cannot create an api with multiple Endpoint Types.")
	}
	err := refuse(
		refusal{e.Types[0] == "PRIVATE" || len(e.VpcEndpointIds) > 0, "private endpoints"},
		refusal{*e.IpAddressType != "ipv4", "dual-stack endpoints"},
		refusal{a.MinimumCompressionSize != nil, "MinimumCompressionSize"},
		refusal{val(a.ApiKeySource) != "HEADER", "the API key source AUTHORIZER"},
		refusal{val(a.SecurityPolicy) != "", "SecurityPolicy"},
		refusal{val(a.EndpointAccessMode) != "", "EndpointAccessMode"},
	)
	if err != nil {
		return err
	}
	for _, t := range a.BinaryMediaTypes {
		if !strings.Contains(t, "/") {
			return api.ErrBadRequestException("Invalid binary media type specified: %s", t)
		}
	}
	return checkPolicy(a)
}

func checkPolicy(a *api.RestApi) error {
	if val(a.Policy) == "" {
		a.Policy = nil
		return nil
	}
	if len(*a.Policy) > policyMax {
		return api.ErrBadRequestException("Invalid policy document. Please check the policy syntax and ensure that Principals are valid.")
	}
	if _, err := policy.Parse([]byte(pipeline.ExpandPolicy(*a.Policy, "", "", "")), policy.Resource); err != nil {
		return api.ErrBadRequestException("Invalid policy document. Please check the policy syntax and ensure that Principals are valid.")
	}
	return nil
}

func (s *Service) getRestApi(ctx context.Context, c *service.Call, in *api.GetRestApiInput) (*api.RestApi, error) {
	var out *api.RestApi
	err := s.store.edit(ctx, placeOf(c), in.RestApiId, func(t *apiTx) (err error) {
		out, err = load[api.RestApi](t, kindAPI, "")
		return err
	})
	return out, err
}

func (s *Service) getRestApis(ctx context.Context, c *service.Call, in *api.GetRestApisInput) (*api.GetRestApisOutput, error) {
	n := pageSize(in.Limit)
	list, err := s.store.apis(ctx, placeOf(c), val(in.Position), n+1)
	if err != nil {
		return nil, err
	}
	out := &api.GetRestApisOutput{Items: list}
	if len(list) > n {
		out.Items, out.Position = list[:n], list[n-1].Id
	}
	return out, nil
}

func (s *Service) updateRestApi(ctx context.Context, c *service.Call, in *api.UpdateRestApiInput) (*api.RestApi, error) {
	var out *api.RestApi
	err := s.store.edit(ctx, placeOf(c), in.RestApiId, func(t *apiTx) (err error) {
		if out, err = load[api.RestApi](t, kindAPI, ""); err != nil {
			return err
		}
		var rest []api.PatchOperation
		for _, op := range in.PatchOperations {
			// The only structure among the members: one list of one element.
			if strings.HasPrefix(val(op.Path), "/endpointConfiguration/types") {
				out.EndpointConfiguration.Types = []string{val(op.Value)}
				continue
			}
			rest = append(rest, op)
		}
		err = apply(out, rest, "name", "description", "policy", "binaryMediaTypes", "disableExecuteApiEndpoint", "apiKeySource", "minimumCompressionSize", "version")
		if err != nil {
			return err
		}
		if val(out.Name) == "" {
			return api.ErrBadRequestException("Name is required")
		}
		if err := settleAPI(out); err != nil {
			return err
		}
		return t.save(kindAPI, "", out)
	})
	return out, err
}

func (s *Service) deleteRestApi(ctx context.Context, c *service.Call, in *api.DeleteRestApiInput) (*api.DeleteRestApiOutput, error) {
	return nil, s.store.deleteAPI(ctx, placeOf(c), in.RestApiId)
}

func (s *Service) getAccount(context.Context, *service.Call, *api.GetAccountInput) (*api.Account, error) {
	return &api.Account{Features: []string{}, ApiKeyVersion: new("4")}, nil
}

// taggedOf splits the ARN of an API or stage.
func taggedOf(arn *string) (id, stage string, err error) {
	_, path, ok := strings.Cut(val(arn), "::/restapis/")
	if !ok || !strings.HasPrefix(val(arn), "arn:aws:apigateway:") {
		return "", "", api.ErrBadRequestException("Invalid ARN specified in the request")
	}
	id, rest, _ := strings.Cut(path, "/")
	if rest == "" {
		return id, "", nil
	}
	stage, ok = strings.CutPrefix(rest, "stages/")
	if !ok || strings.Contains(stage, "/") {
		return "", "", api.ErrBadRequestException("Invalid ARN specified in the request")
	}
	return id, stage, nil
}

// changeTags edits the tags of an API or a stage and gives what they are then.
func (s *Service) changeTags(ctx context.Context, c *service.Call, arn *string, change func(map[string]string)) (map[string]string, error) {
	id, stage, err := taggedOf(arn)
	if err != nil {
		return nil, err
	}
	var tags map[string]string
	err = s.store.edit(ctx, placeOf(c), &id, func(t *apiTx) error {
		if stage == "" {
			a, err := load[api.RestApi](t, kindAPI, "")
			if err != nil {
				return err
			}
			tags = maps.Clone(a.Tags)
			return changeTagged(t, kindAPI, "", a, &tags, &a.Tags, change)
		}
		st, err := loadStage(t, &stage)
		if err != nil {
			return err
		}
		tags = maps.Clone(st.Tags)
		return changeTagged(t, kindStage, stage, st, &tags, &st.Tags, change)
	})
	return tags, err
}

func changeTagged(t *apiTx, kind, id string, whole any, tags, field *map[string]string, change func(map[string]string)) error {
	if *tags == nil {
		*tags = map[string]string{}
	}
	if change == nil {
		return nil
	}
	change(*tags)
	*field = *tags
	return t.save(kind, id, whole)
}

func (s *Service) tagResource(ctx context.Context, c *service.Call, in *api.TagResourceInput) (*api.TagResourceOutput, error) {
	_, err := s.changeTags(ctx, c, in.ResourceArn, func(tags map[string]string) { maps.Copy(tags, in.Tags) })
	return nil, err
}

func (s *Service) untagResource(ctx context.Context, c *service.Call, in *api.UntagResourceInput) (*api.UntagResourceOutput, error) {
	_, err := s.changeTags(ctx, c, in.ResourceArn, func(tags map[string]string) {
		for _, k := range in.TagKeys {
			delete(tags, k)
		}
	})
	return nil, err
}

func (s *Service) getTags(ctx context.Context, c *service.Call, in *api.GetTagsInput) (*api.GetTagsOutput, error) {
	tags, err := s.changeTags(ctx, c, in.ResourceArn, nil)
	return &api.GetTagsOutput{Tags: tags}, err
}
