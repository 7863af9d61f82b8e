package cognitoidentity

import (
	"context"
	"maps"

	api "moln.dev/moln/api/cognitoidentity"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
)

const poolNameMax = 128

func resourceTypes() []service.ResourceType {
	return []service.ResourceType{
		{
			Name: "AWS::Cognito::IdentityPool", New: func() any { return new(poolProperties) },
			Create: createPoolResource, Update: updatePoolResource, Delete: deletePoolResource,
		},
		{
			Name: "AWS::Cognito::IdentityPoolRoleAttachment", New: func() any { return new(rolesProperties) },
			Replace: []string{"IdentityPoolId"},
			Create:  setRolesResource, Update: setRolesResource, Delete: dropRolesResource,
		},
	}
}

// tag is a tag as this resource's template has it.
type tag struct{ Key, Value *string }

type poolProperties struct {
	IdentityPoolName               *string
	AllowUnauthenticatedIdentities *bool
	AllowClassicFlow               *bool
	CognitoIdentityProviders       []api.CognitoIdentityProvider
	IdentityPoolTags               []tag
}

func (p *poolProperties) tags(r *service.Resource) map[string]string {
	out := maps.Clone(r.Tags)
	if out == nil {
		out = map[string]string{}
	}
	for _, t := range p.IdentityPoolTags {
		out[smithy.Val(t.Key)] = smithy.Val(t.Value)
	}
	return out
}

// name: identity pools' names are words and spaces; a generated name's hyphens
// are allowed as well.
func (p *poolProperties) name(r *service.Resource) *string {
	if p.IdentityPoolName != nil {
		return p.IdentityPoolName
	}
	n := r.GeneratedName(poolNameMax)
	return &n
}

func createPoolResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p := r.Properties.(*poolProperties)
	out, err := service.Invoke(ctx, c, api.CreateIdentityPool, &api.CreateIdentityPoolInput{
		IdentityPoolName: p.name(r), AllowUnauthenticatedIdentities: p.AllowUnauthenticatedIdentities, AllowClassicFlow: p.AllowClassicFlow,
		CognitoIdentityProviders: p.CognitoIdentityProviders, IdentityPoolTags: p.tags(r),
	})
	if err != nil {
		return err
	}
	r.PhysicalID = *out.IdentityPoolId
	r.Attributes = map[string]any{"Id": r.PhysicalID, "Name": smithy.Val(out.IdentityPoolName)}
	return nil
}

func updatePoolResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p := r.Properties.(*poolProperties)
	out, err := service.Invoke(ctx, c, api.UpdateIdentityPool, &api.UpdateIdentityPoolInput{
		IdentityPoolId: &r.PhysicalID, IdentityPoolName: p.name(r), AllowUnauthenticatedIdentities: p.AllowUnauthenticatedIdentities,
		AllowClassicFlow: p.AllowClassicFlow, CognitoIdentityProviders: p.CognitoIdentityProviders, IdentityPoolTags: p.tags(r),
	})
	if err != nil {
		return err
	}
	r.Attributes = map[string]any{"Id": r.PhysicalID, "Name": smithy.Val(out.IdentityPoolName)}
	return nil
}

func deletePoolResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	_, err := service.Invoke(ctx, c, api.DeleteIdentityPool, &api.DeleteIdentityPoolInput{IdentityPoolId: &r.PhysicalID})
	return unlessGone(err)
}

func unlessGone(err error) error {
	if fault.Is(err, "ResourceNotFoundException") {
		return nil
	}
	return err
}

// mapping is a role mapping as templates have it: IdentityProvider names the
// provider where the key cannot (keys of templates cannot be computed).
type mapping struct {
	Type                    *string
	AmbiguousRoleResolution *string
	RulesConfiguration      *api.RulesConfigurationType
	IdentityProvider        *string
}

type rolesProperties struct {
	IdentityPoolId *string
	Roles          map[string]string
	RoleMappings   map[string]mapping
}

func setRolesResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p := r.Properties.(*rolesProperties)
	in := &api.SetIdentityPoolRolesInput{IdentityPoolId: p.IdentityPoolId, Roles: p.Roles, RoleMappings: map[string]api.RoleMapping{}}
	if in.Roles == nil {
		in.Roles = map[string]string{}
	}
	for name, m := range p.RoleMappings {
		if m.IdentityProvider != nil {
			name = *m.IdentityProvider
		}
		in.RoleMappings[name] = api.RoleMapping{Type: m.Type, AmbiguousRoleResolution: m.AmbiguousRoleResolution, RulesConfiguration: m.RulesConfiguration}
	}
	if _, err := service.Invoke(ctx, c, api.SetIdentityPoolRoles, in); err != nil {
		return err
	}
	r.PhysicalID = smithy.Val(p.IdentityPoolId)
	r.Attributes = map[string]any{"Id": r.PhysicalID}
	return nil
}

func dropRolesResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	_, err := service.Invoke(ctx, c, api.SetIdentityPoolRoles, &api.SetIdentityPoolRolesInput{
		IdentityPoolId: &r.PhysicalID, Roles: map[string]string{}, RoleMappings: map[string]api.RoleMapping{},
	})
	return unlessGone(err)
}
