// Package cfn is CloudFormation's resource types of user pools: pools, app
// clients, groups, users and memberships, over the service's own operations.
//
// It holds no state; a property that the service would refuse is missing from
// the property structs, so that a deployment names it.
package cfn

import (
	"context"
	"maps"

	api "moln.dev/moln/api/cognitoidp"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/cognitoidp/settings"
)

const poolNameMax = 128

// ResourceTypes lists the types.
func ResourceTypes() []service.ResourceType {
	return []service.ResourceType{
		{
			Name: "AWS::Cognito::UserPool", New: func() any { return new(PoolProperties) },
			Replace: []string{"AliasAttributes", "UsernameAttributes", "UsernameConfiguration"},
			Create:  createPoolResource, Update: updatePoolResource, Delete: deletePoolResource,
		},
		{
			Name: "AWS::Cognito::UserPoolClient", New: func() any { return new(ClientProperties) },
			Replace: []string{"UserPoolId", "GenerateSecret"},
			Create:  createClientResource, Update: updateClientResource, Delete: deleteClientResource,
		},
		{
			Name: "AWS::Cognito::UserPoolGroup", New: func() any { return new(GroupProperties) },
			Replace: []string{"UserPoolId", "GroupName"},
			Create:  createGroupResource, Update: updateGroupResource, Delete: deleteGroupResource,
		},
		{
			Name: "AWS::Cognito::UserPoolUser", New: func() any { return new(UserProperties) },
			Create: createUserResource, Delete: deleteUserResource,
		},
		{
			Name: "AWS::Cognito::UserPoolUserToGroupAttachment", New: func() any { return new(MembershipProperties) },
			Create: createMembershipResource, Delete: deleteMembershipResource,
		},
	}
}

// PoolProperties lacks what the service refuses: the deployment then names the
// property.
type PoolProperties struct {
	UserPoolName                *string
	Policies                    *api.UserPoolPolicyType
	DeletionProtection          *string
	LambdaConfig                *api.LambdaConfigType
	AutoVerifiedAttributes      []string
	AliasAttributes             []string
	UsernameAttributes          []string
	SmsVerificationMessage      *string
	EmailVerificationMessage    *string
	EmailVerificationSubject    *string
	VerificationMessageTemplate *api.VerificationMessageTemplateType
	SmsAuthenticationMessage    *string
	MfaConfiguration            *string
	UserAttributeUpdateSettings *api.UserAttributeUpdateSettingsType
	EmailConfiguration          *api.EmailConfigurationType
	UserPoolTags                map[string]string
	AdminCreateUserConfig       *api.AdminCreateUserConfigType
	Schema                      []api.SchemaAttributeType
	UserPoolAddOns              *api.UserPoolAddOnsType
	UsernameConfiguration       *api.UsernameConfigurationType
	AccountRecoverySetting      *api.AccountRecoverySettingType
	UserPoolTier                *string
}

func (p *PoolProperties) tags(r *service.Resource) map[string]string {
	out := maps.Clone(r.Tags)
	if out == nil {
		out = map[string]string{}
	}
	maps.Copy(out, p.UserPoolTags)
	return out
}

func createPoolResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p := r.Properties.(*PoolProperties)
	name := p.UserPoolName
	if name == nil {
		name = ptr(r.GeneratedName(poolNameMax))
	}
	out, err := service.Invoke(ctx, c, api.CreateUserPool, &api.CreateUserPoolInput{
		PoolName: name, Policies: p.Policies, DeletionProtection: p.DeletionProtection, LambdaConfig: p.LambdaConfig,
		AutoVerifiedAttributes: p.AutoVerifiedAttributes, AliasAttributes: p.AliasAttributes, UsernameAttributes: p.UsernameAttributes,
		SmsVerificationMessage: p.SmsVerificationMessage, EmailVerificationMessage: p.EmailVerificationMessage,
		EmailVerificationSubject: p.EmailVerificationSubject, VerificationMessageTemplate: p.VerificationMessageTemplate,
		SmsAuthenticationMessage: p.SmsAuthenticationMessage, MfaConfiguration: p.MfaConfiguration,
		UserAttributeUpdateSettings: p.UserAttributeUpdateSettings, EmailConfiguration: p.EmailConfiguration, UserPoolTags: p.tags(r),
		AdminCreateUserConfig: p.AdminCreateUserConfig, Schema: p.Schema, UserPoolAddOns: p.UserPoolAddOns,
		UsernameConfiguration: p.UsernameConfiguration, AccountRecoverySetting: p.AccountRecoverySetting, UserPoolTier: p.UserPoolTier,
	})
	if err != nil {
		return err
	}
	r.PhysicalID = *out.UserPool.Id
	setPoolAttributes(c, r)
	return nil
}

func setPoolAttributes(c *service.Call, r *service.Resource) {
	provider := "cognito-idp." + c.Region + ".amazonaws.com/" + r.PhysicalID
	r.Attributes = map[string]any{
		"Arn":          "arn:aws:cognito-idp:" + c.Region + ":" + c.Account + ":userpool/" + r.PhysicalID,
		"ProviderName": provider, "ProviderURL": "https://" + provider, "UserPoolId": r.PhysicalID,
	}
}

func updatePoolResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p := r.Properties.(*PoolProperties)
	id := ptr(r.PhysicalID)
	if err := addNewAttributes(ctx, c, r); err != nil {
		return err
	}
	_, err := service.Invoke(ctx, c, api.UpdateUserPool, &api.UpdateUserPoolInput{
		UserPoolId: id, PoolName: p.UserPoolName, Policies: p.Policies, DeletionProtection: p.DeletionProtection, LambdaConfig: p.LambdaConfig,
		AutoVerifiedAttributes: p.AutoVerifiedAttributes,
		SmsVerificationMessage: p.SmsVerificationMessage, EmailVerificationMessage: p.EmailVerificationMessage,
		EmailVerificationSubject: p.EmailVerificationSubject, VerificationMessageTemplate: p.VerificationMessageTemplate,
		SmsAuthenticationMessage: p.SmsAuthenticationMessage, MfaConfiguration: p.MfaConfiguration,
		UserAttributeUpdateSettings: p.UserAttributeUpdateSettings, EmailConfiguration: p.EmailConfiguration, UserPoolTags: p.tags(r),
		AdminCreateUserConfig: p.AdminCreateUserConfig, UserPoolAddOns: p.UserPoolAddOns,
		AccountRecoverySetting: p.AccountRecoverySetting, UserPoolTier: p.UserPoolTier,
	})
	setPoolAttributes(c, r)
	return err
}

// addNewAttributes: custom attributes can be added and never changed.
func addNewAttributes(ctx context.Context, c *service.Call, r *service.Resource) error {
	old := map[string]bool{}
	if o, ok := r.Old.(*PoolProperties); ok {
		for _, a := range o.Schema {
			old[smithy.Val(a.Name)] = true
		}
	}
	var added []api.SchemaAttributeType
	for _, a := range r.Properties.(*PoolProperties).Schema {
		name := smithy.Val(a.Name)
		if old[name] {
			continue
		}
		if settings.FindAttribute(settings.StandardAttributes(), name) != nil {
			return api.ErrInvalidParameterException("Invalid AttributeDataType input, consider using the provided AttributeDataType enum: standard attribute %s cannot change after creation.", name)
		}
		added = append(added, a)
	}
	if len(added) == 0 {
		return nil
	}
	_, err := service.Invoke(ctx, c, api.AddCustomAttributes, &api.AddCustomAttributesInput{UserPoolId: ptr(r.PhysicalID), CustomAttributes: added})
	return err
}

func deletePoolResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	_, err := service.Invoke(ctx, c, api.DeleteUserPool, &api.DeleteUserPoolInput{UserPoolId: ptr(r.PhysicalID)})
	return unlessGone(err)
}

// unlessGone: what is gone already is deleted.
func unlessGone(err error) error {
	if fault.Is(err, "ResourceNotFoundException", "UserNotFoundException") {
		return nil
	}
	return err
}

// ClientProperties are those of AWS::Cognito::UserPoolClient.
type ClientProperties struct {
	UserPoolId                      *string
	ClientName                      *string
	GenerateSecret                  *bool
	RefreshTokenValidity            *int32
	AccessTokenValidity             *int32
	IdTokenValidity                 *int32
	TokenValidityUnits              *api.TokenValidityUnitsType
	ReadAttributes                  []string
	WriteAttributes                 []string
	ExplicitAuthFlows               []string
	SupportedIdentityProviders      []string
	AllowedOAuthFlowsUserPoolClient *bool
	PreventUserExistenceErrors      *string
	EnableTokenRevocation           *bool
	AuthSessionValidity             *int32
}

func createClientResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p := r.Properties.(*ClientProperties)
	name := p.ClientName
	if name == nil {
		name = ptr(r.GeneratedName(poolNameMax))
	}
	out, err := service.Invoke(ctx, c, api.CreateUserPoolClient, &api.CreateUserPoolClientInput{
		UserPoolId: p.UserPoolId, ClientName: name, GenerateSecret: p.GenerateSecret,
		RefreshTokenValidity: p.RefreshTokenValidity, AccessTokenValidity: p.AccessTokenValidity, IdTokenValidity: p.IdTokenValidity,
		TokenValidityUnits: p.TokenValidityUnits, ReadAttributes: p.ReadAttributes, WriteAttributes: p.WriteAttributes,
		ExplicitAuthFlows: p.ExplicitAuthFlows, SupportedIdentityProviders: p.SupportedIdentityProviders,
		AllowedOAuthFlowsUserPoolClient: p.AllowedOAuthFlowsUserPoolClient, PreventUserExistenceErrors: p.PreventUserExistenceErrors,
		EnableTokenRevocation: p.EnableTokenRevocation, AuthSessionValidity: p.AuthSessionValidity,
	})
	if err != nil {
		return err
	}
	r.PhysicalID = *out.UserPoolClient.ClientId
	setClientAttributes(r, out.UserPoolClient)
	return nil
}

func setClientAttributes(r *service.Resource, cl *api.UserPoolClientType) {
	r.Attributes = map[string]any{"ClientId": r.PhysicalID, "Name": smithy.Val(cl.ClientName)}
	if cl.ClientSecret != nil {
		r.Attributes["ClientSecret"] = *cl.ClientSecret
	}
}

func updateClientResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p := r.Properties.(*ClientProperties)
	out, err := service.Invoke(ctx, c, api.UpdateUserPoolClient, &api.UpdateUserPoolClientInput{
		UserPoolId: p.UserPoolId, ClientId: ptr(r.PhysicalID), ClientName: p.ClientName,
		RefreshTokenValidity: p.RefreshTokenValidity, AccessTokenValidity: p.AccessTokenValidity, IdTokenValidity: p.IdTokenValidity,
		TokenValidityUnits: p.TokenValidityUnits, ReadAttributes: p.ReadAttributes, WriteAttributes: p.WriteAttributes,
		ExplicitAuthFlows: p.ExplicitAuthFlows, SupportedIdentityProviders: p.SupportedIdentityProviders,
		AllowedOAuthFlowsUserPoolClient: p.AllowedOAuthFlowsUserPoolClient, PreventUserExistenceErrors: p.PreventUserExistenceErrors,
		EnableTokenRevocation: p.EnableTokenRevocation, AuthSessionValidity: p.AuthSessionValidity,
	})
	if err != nil {
		return err
	}
	setClientAttributes(r, out.UserPoolClient)
	return nil
}

func deleteClientResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p := r.Properties.(*ClientProperties)
	_, err := service.Invoke(ctx, c, api.DeleteUserPoolClient, &api.DeleteUserPoolClientInput{UserPoolId: p.UserPoolId, ClientId: ptr(r.PhysicalID)})
	return unlessGone(err)
}

// GroupProperties are those of AWS::Cognito::UserPoolGroup.
type GroupProperties struct {
	UserPoolId  *string
	GroupName   *string
	Description *string
	RoleArn     *string
	Precedence  *int32
}

func createGroupResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p := r.Properties.(*GroupProperties)
	name := p.GroupName
	if name == nil {
		name = ptr(r.GeneratedName(poolNameMax))
	}
	_, err := service.Invoke(ctx, c, api.CreateGroup, &api.CreateGroupInput{
		UserPoolId: p.UserPoolId, GroupName: name, Description: p.Description, RoleArn: p.RoleArn, Precedence: p.Precedence,
	})
	if err == nil {
		r.PhysicalID = *name
	}
	return err
}

func updateGroupResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p := r.Properties.(*GroupProperties)
	_, err := service.Invoke(ctx, c, api.UpdateGroup, &api.UpdateGroupInput{
		UserPoolId: p.UserPoolId, GroupName: ptr(r.PhysicalID), Description: p.Description, RoleArn: p.RoleArn, Precedence: p.Precedence,
	})
	return err
}

func deleteGroupResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p := r.Properties.(*GroupProperties)
	_, err := service.Invoke(ctx, c, api.DeleteGroup, &api.DeleteGroupInput{UserPoolId: p.UserPoolId, GroupName: ptr(r.PhysicalID)})
	return unlessGone(err)
}

// UserProperties are those of AWS::Cognito::UserPoolUser.
type UserProperties struct {
	UserPoolId             *string
	Username               *string
	UserAttributes         []api.AttributeType
	ValidationData         []api.AttributeType
	ForceAliasCreation     *bool
	MessageAction          *string
	DesiredDeliveryMediums []string
	ClientMetadata         map[string]string
}

func createUserResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p := r.Properties.(*UserProperties)
	name := p.Username
	if name == nil {
		name = ptr(r.GeneratedName(poolNameMax))
	}
	out, err := service.Invoke(ctx, c, api.AdminCreateUser, &api.AdminCreateUserInput{
		UserPoolId: p.UserPoolId, Username: name, UserAttributes: p.UserAttributes, ValidationData: p.ValidationData,
		ForceAliasCreation: p.ForceAliasCreation, MessageAction: p.MessageAction, DesiredDeliveryMediums: p.DesiredDeliveryMediums, ClientMetadata: p.ClientMetadata,
	})
	if err == nil {
		r.PhysicalID = *out.User.Username
	}
	return err
}

func deleteUserResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p := r.Properties.(*UserProperties)
	_, err := service.Invoke(ctx, c, api.AdminDeleteUser, &api.AdminDeleteUserInput{UserPoolId: p.UserPoolId, Username: ptr(r.PhysicalID)})
	return unlessGone(err)
}

// MembershipProperties are those of AWS::Cognito::UserPoolUserToGroupAttachment.
type MembershipProperties struct {
	UserPoolId *string
	Username   *string
	GroupName  *string
}

func createMembershipResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p := r.Properties.(*MembershipProperties)
	_, err := service.Invoke(ctx, c, api.AdminAddUserToGroup, &api.AdminAddUserToGroupInput{UserPoolId: p.UserPoolId, Username: p.Username, GroupName: p.GroupName})
	if err == nil {
		r.PhysicalID = smithy.Val(p.UserPoolId) + "|" + smithy.Val(p.GroupName) + "|" + smithy.Val(p.Username)
	}
	return err
}

func deleteMembershipResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p := r.Properties.(*MembershipProperties)
	_, err := service.Invoke(ctx, c, api.AdminRemoveUserFromGroup, &api.AdminRemoveUserFromGroupInput{UserPoolId: p.UserPoolId, Username: p.Username, GroupName: p.GroupName})
	return unlessGone(err)
}

func ptr[T any](v T) *T { return &v }
