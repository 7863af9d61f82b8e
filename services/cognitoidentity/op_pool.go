package cognitoidentity

import (
	"context"
	"maps"
	"strings"

	api "moln.dev/moln/api/cognitoidentity"
	"moln.dev/moln/aws/arn"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/platform/service"
)

const (
	tagsMax          = 50
	servicePrincipal = "cognito-identity.amazonaws.com"
)

func at(c *service.Call, poolID *string) place { return place{c.Account, c.Region, smithy.Val(poolID)} }

// checkPool refuses providers that do not exist here.
func checkPool(p *api.IdentityPool) error {
	for _, r := range []struct {
		setting string
		present bool
	}{
		{"SupportedLoginProviders", len(p.SupportedLoginProviders) > 0},
		{"DeveloperProviderName", smithy.Val(p.DeveloperProviderName) != ""},
		{"OpenIdConnectProviderARNs", len(p.OpenIdConnectProviderARNs) > 0},
		{"SamlProviderARNs", len(p.SamlProviderARNs) > 0},
	} {
		if r.present {
			return api.ErrInvalidParameterException("%s is not supported by this server: user pools are the only login providers.", r.setting)
		}
	}
	for _, cp := range p.CognitoIdentityProviders {
		name := smithy.Val(cp.ProviderName)
		if _, _, ok := splitProvider(name); !ok || smithy.Val(cp.ClientId) == "" {
			return api.ErrInvalidParameterException("Invalid Cognito Identity Provider: %s", name)
		}
	}
	if len(p.IdentityPoolTags) > tagsMax {
		return api.ErrInvalidParameterException("The number of tags exceeds the limit of %d.", tagsMax)
	}
	return nil
}

// splitProvider reads cognito-idp.REGION.amazonaws.com/POOL.
func splitProvider(name string) (region, userPool string, ok bool) {
	host, userPool, ok1 := strings.Cut(name, "/")
	rest, ok2 := strings.CutPrefix(host, "cognito-idp.")
	region, ok3 := strings.CutSuffix(rest, ".amazonaws.com")
	return region, userPool, ok1 && ok2 && ok3 && strings.HasPrefix(userPool, region+"_")
}

func (s *Service) createIdentityPool(ctx context.Context, c *service.Call, in *api.CreateIdentityPoolInput) (*api.CreateIdentityPoolOutput, error) {
	p := place{c.Account, c.Region, c.Region + ":" + s.d.Ident.UUID()}
	up := pool{Settings: api.IdentityPool{
		IdentityPoolId: &p.Pool, IdentityPoolName: in.IdentityPoolName, AllowUnauthenticatedIdentities: in.AllowUnauthenticatedIdentities,
		AllowClassicFlow: in.AllowClassicFlow, SupportedLoginProviders: in.SupportedLoginProviders, DeveloperProviderName: in.DeveloperProviderName,
		OpenIdConnectProviderARNs: in.OpenIdConnectProviderARNs, CognitoIdentityProviders: in.CognitoIdentityProviders,
		SamlProviderARNs: in.SamlProviderARNs, IdentityPoolTags: in.IdentityPoolTags,
	}}
	if err := checkPool(&up.Settings); err != nil {
		return nil, err
	}
	err := s.d.KV.Update(ctx, func(tx *kv.Tx) error {
		if err := put(tx, poolRefKey(p.Pool), p); err != nil {
			return err
		}
		return put(tx, p.poolKey(), up)
	})
	return &up.Settings, err
}

func (s *Service) describeIdentityPool(ctx context.Context, c *service.Call, in *api.DescribeIdentityPoolInput) (*api.DescribeIdentityPoolOutput, error) {
	up, err := loadPool(s.read(ctx), at(c, in.IdentityPoolId))
	if err != nil {
		return nil, err
	}
	return &up.Settings, nil
}

// changePool loads a pool, lets fn change it and stores it, in one transaction.
func (s *Service) changePool(ctx context.Context, p place, fn func(up *pool) error) (*pool, error) {
	var out *pool
	err := s.d.KV.Update(ctx, func(tx *kv.Tx) error {
		up, err := loadPool(tx.Get, p)
		if err != nil {
			return err
		}
		if err := fn(up); err != nil {
			return err
		}
		out = up
		return put(tx, p.poolKey(), up)
	}, p.poolKey())
	return out, err
}

func (s *Service) updateIdentityPool(ctx context.Context, c *service.Call, in *api.UpdateIdentityPoolInput) (*api.UpdateIdentityPoolOutput, error) {
	if err := checkPool(in); err != nil {
		return nil, err
	}
	up, err := s.changePool(ctx, at(c, in.IdentityPoolId), func(up *pool) error {
		tags := up.Settings.IdentityPoolTags
		up.Settings = *in
		if in.IdentityPoolTags == nil {
			up.Settings.IdentityPoolTags = tags
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &up.Settings, nil
}

func (s *Service) deleteIdentityPool(ctx context.Context, c *service.Call, in *api.DeleteIdentityPoolInput) (*api.DeleteIdentityPoolOutput, error) {
	p := at(c, in.IdentityPoolId)
	if _, err := loadPool(s.read(ctx), p); err != nil {
		return nil, err
	}
	// Without its reference nobody finds the pool, so the rest may go in steps.
	if err := s.d.KV.Delete(ctx, poolRefKey(p.Pool)); err != nil {
		return nil, err
	}
	prefix := kv.Prefix(p.identitiesKey())
	err := s.d.KV.Each(ctx, prefix, func(it kv.Item) (bool, error) {
		i, err := get[id](s.read(ctx), it.Key)
		if err != nil || i == nil {
			return true, err
		}
		return true, s.d.KV.Delete(ctx, identityRefKey(i.ID))
	})
	if err != nil {
		return nil, err
	}
	var b kv.Batch
	b.DeleteRange(prefix.Start, prefix.End)
	logins := kv.Prefix(p.loginsKey())
	b.DeleteRange(logins.Start, logins.End)
	b.Delete(p.poolKey())
	return nil, s.d.KV.Apply(ctx, &b)
}

func (s *Service) listIdentityPools(ctx context.Context, c *service.Call, in *api.ListIdentityPoolsInput) (*api.ListIdentityPoolsOutput, error) {
	out := &api.ListIdentityPoolsOutput{IdentityPools: []api.IdentityPoolShortDescription{}}
	var err error
	out.NextToken, err = list(ctx, s, poolsKey(c.Account, c.Region), in.NextToken, int(smithy.Val(in.MaxResults)), func(up *pool) {
		out.IdentityPools = append(out.IdentityPools, api.IdentityPoolShortDescription{
			IdentityPoolId: up.Settings.IdentityPoolId, IdentityPoolName: up.Settings.IdentityPoolName,
		})
	})
	return out, err
}

// setIdentityPoolRoles replaces roles and mappings. The caller must be allowed
// to pass each role on.
func (s *Service) setIdentityPoolRoles(ctx context.Context, c *service.Call, in *api.SetIdentityPoolRolesInput) (*api.SetIdentityPoolRolesOutput, error) {
	if err := checkMappings(in.Roles, in.RoleMappings); err != nil {
		return nil, err
	}
	for _, role := range rolesOf(in.Roles, in.RoleMappings) {
		a, err := arn.Parse(role)
		if err != nil || a.Service != "iam" || !strings.HasPrefix(a.Resource, "role/") {
			return nil, api.ErrInvalidParameterException("Invalid role ARN: %s", role)
		}
		err = c.Judge(ctx, service.Check{Action: "iam:PassRole", Resource: role, Context: policy.Keys{"iam:passedtoservice": {servicePrincipal}}})
		if err != nil {
			return nil, err
		}
	}
	_, err := s.changePool(ctx, at(c, in.IdentityPoolId), func(up *pool) error {
		up.Roles, up.Mappings = in.Roles, in.RoleMappings
		return nil
	})
	return nil, err
}

func (s *Service) getIdentityPoolRoles(ctx context.Context, c *service.Call, in *api.GetIdentityPoolRolesInput) (*api.GetIdentityPoolRolesOutput, error) {
	up, err := loadPool(s.read(ctx), at(c, in.IdentityPoolId))
	if err != nil {
		return nil, err
	}
	return &api.GetIdentityPoolRolesOutput{IdentityPoolId: in.IdentityPoolId, Roles: up.Roles, RoleMappings: up.Mappings}, nil
}

// parseARN reads an identity pool's ARN.
func parseARN(text string) (place, bool) {
	a, err := arn.Parse(text)
	if err != nil || a.Service != "cognito-identity" {
		return place{}, false
	}
	poolID, ok := strings.CutPrefix(a.Resource, "identitypool/")
	return place{a.Account, a.Region, poolID}, ok
}

func poolOfARN(c *service.Call, text *string) (place, error) {
	p, ok := parseARN(smithy.Val(text))
	if !ok || p.Account != c.Account || p.Region != c.Region {
		return place{}, api.ErrInvalidParameterException("Invalid resource ARN: %s", smithy.Val(text))
	}
	return p, nil
}

func (s *Service) tagResource(ctx context.Context, c *service.Call, in *api.TagResourceInput) (*api.TagResourceOutput, error) {
	p, err := poolOfARN(c, in.ResourceArn)
	if err != nil {
		return nil, err
	}
	_, err = s.changePool(ctx, p, func(up *pool) error {
		tags := maps.Clone(up.Settings.IdentityPoolTags)
		if tags == nil {
			tags = map[string]string{}
		}
		maps.Copy(tags, in.Tags)
		up.Settings.IdentityPoolTags = tags
		return checkPool(&up.Settings)
	})
	return nil, err
}

func (s *Service) untagResource(ctx context.Context, c *service.Call, in *api.UntagResourceInput) (*api.UntagResourceOutput, error) {
	p, err := poolOfARN(c, in.ResourceArn)
	if err != nil {
		return nil, err
	}
	_, err = s.changePool(ctx, p, func(up *pool) error {
		for _, k := range in.TagKeys {
			delete(up.Settings.IdentityPoolTags, k)
		}
		return nil
	})
	return nil, err
}

func (s *Service) listTagsForResource(ctx context.Context, c *service.Call, in *api.ListTagsForResourceInput) (*api.ListTagsForResourceOutput, error) {
	p, err := poolOfARN(c, in.ResourceArn)
	if err != nil {
		return nil, err
	}
	up, err := loadPool(s.read(ctx), p)
	if err != nil {
		return nil, err
	}
	return &api.ListTagsForResourceOutput{Tags: up.Settings.IdentityPoolTags}, nil
}
