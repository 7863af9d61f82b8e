package settings

import (
	"slices"
	"strings"
	"time"

	api "moln.dev/moln/api/cognitoidp"
	"moln.dev/moln/aws/smithy"
)

// Names of authentication flows, as clients ask for them and as app clients
// permit them.
const (
	FlowSRP           = "USER_SRP_AUTH"
	FlowPassword      = "USER_PASSWORD_AUTH"
	FlowAdminPassword = "ADMIN_USER_PASSWORD_AUTH"
	FlowAdminNoSRP    = "ADMIN_NO_SRP_AUTH"
	FlowRefresh       = "REFRESH_TOKEN_AUTH"
	FlowRefreshOld    = "REFRESH_TOKEN"
	FlowCustom        = "CUSTOM_AUTH"
	FlowUser          = "USER_AUTH"

	allowPrefix = "ALLOW_"
)

// Lifetimes of tokens and sessions.
const (
	defaultAccessValidity  = time.Hour
	DefaultRefreshValidity = 30 * 24 * time.Hour
	shortTokenMin          = 5 * time.Minute
	ShortTokenMax          = 24 * time.Hour
	refreshTokenMin        = time.Hour
	refreshTokenMax        = 10 * 365 * 24 * time.Hour
	defaultSessionMinutes  = 3
	sessionMinutesMin      = 3
	sessionMinutesMax      = 15

	existenceLegacy = "LEGACY"
	existenceHidden = "ENABLED"
)

// Client is what is stored of an app client: its settings as DescribeUserPool-
// Client gives them, without the secret.
type Client struct {
	Settings api.UserPoolClientType
	Secret   []byte // sealed; nil: a public client
}

// ID is the client id.
func (c *Client) ID() string { return smithy.Val(c.Settings.ClientId) }

// HidesUsers: the client must not learn which users exist.
func (c *Client) HidesUsers() bool {
	return smithy.Val(c.Settings.PreventUserExistenceErrors) == existenceHidden
}

// Revocable: refresh tokens can be revoked, and tokens say where they came from.
func (c *Client) Revocable() bool { return smithy.Val(c.Settings.EnableTokenRevocation) }

// SessionValidity is how long a challenge can be answered.
func (c *Client) SessionValidity() time.Duration {
	return time.Duration(smithy.Val(c.Settings.AuthSessionValidity)) * time.Minute
}

// Allows reports whether the client may use a flow. The older names of
// permissions have no prefix; refreshing is always permitted beside them.
func (c *Client) Allows(flow string) bool {
	permitted := c.Settings.ExplicitAuthFlows
	switch flow {
	case FlowRefresh, FlowRefreshOld:
		return slices.Contains(permitted, allowPrefix+FlowRefresh) || !slices.ContainsFunc(permitted, isAllow)
	case FlowSRP:
		return slices.Contains(permitted, allowPrefix+FlowSRP) || !slices.ContainsFunc(permitted, isAllow)
	case FlowAdminPassword, FlowAdminNoSRP:
		return slices.Contains(permitted, allowPrefix+FlowAdminPassword) || slices.Contains(permitted, FlowAdminNoSRP)
	}
	return slices.Contains(permitted, allowPrefix+flow) || slices.Contains(permitted, flow)
}

func isAllow(s string) bool { return strings.HasPrefix(s, allowPrefix) }

// MayWrite and mayRead judge one attribute. Without a list, a client has all
// standard and custom attributes.
func (c *Client) MayWrite(schema []api.SchemaAttributeType, name string) bool {
	if name == AttributeSub || name == AttributeEmailVerified || name == AttributePhoneVerified || strings.HasPrefix(name, DeveloperPrefix) {
		return false
	}
	if len(c.Settings.WriteAttributes) == 0 || slices.Contains(RequiredAttributes(schema), name) {
		return true
	}
	return slices.Contains(c.Settings.WriteAttributes, name)
}

// MayRead judges one attribute as MayWrite does.
func (c *Client) MayRead(name string) bool {
	if name == AttributeSub {
		return true
	}
	return len(c.Settings.ReadAttributes) == 0 || slices.Contains(c.Settings.ReadAttributes, name)
}

// AccessValidity is how long an access token is good.
func (c *Client) AccessValidity() time.Duration {
	return validity(c.Settings.AccessTokenValidity, c.units().AccessToken, time.Hour, defaultAccessValidity)
}

// IDValidity is how long an ID token is good.
func (c *Client) IDValidity() time.Duration {
	return validity(c.Settings.IdTokenValidity, c.units().IdToken, time.Hour, defaultAccessValidity)
}

// RefreshValidity is how long a refresh token is good.
func (c *Client) RefreshValidity() time.Duration {
	return validity(c.Settings.RefreshTokenValidity, c.units().RefreshToken, 24*time.Hour, DefaultRefreshValidity)
}

func (c *Client) units() api.TokenValidityUnitsType { return smithy.Val(c.Settings.TokenValidityUnits) }

func validity(n *int32, unit *string, defaultUnit, missing time.Duration) time.Duration {
	if smithy.Val(n) == 0 {
		return missing
	}
	u := defaultUnit
	switch smithy.Val(unit) {
	case "seconds":
		u = time.Second
	case "minutes":
		u = time.Minute
	case "hours":
		u = time.Hour
	case "days":
		u = 24 * time.Hour
	}
	return time.Duration(*n) * u
}

// Configure checks the settings that creation and update take, and fills in
// defaults.
func (c *Client) Configure(p *Pool, now time.Time) error {
	s := &c.Settings
	for _, check := range []func(*api.UserPoolClientType) error{refuseOAuth, checkFlows, checkValidity} {
		if err := check(s); err != nil {
			return err
		}
	}
	for _, list := range [][]string{s.ReadAttributes, s.WriteAttributes} {
		for _, name := range list {
			if FindAttribute(p.Settings.SchemaAttributes, name) == nil {
				return api.ErrInvalidParameterException("Invalid write or read attribute specified while creating a client: %s", name)
			}
		}
	}
	setDefault(&s.PreventUserExistenceErrors, existenceLegacy)
	if s.EnableTokenRevocation == nil {
		s.EnableTokenRevocation = ptr(true)
	}
	if s.AuthSessionValidity == nil {
		s.AuthSessionValidity = ptr(int32(defaultSessionMinutes))
	}
	if v := *s.AuthSessionValidity; v < sessionMinutesMin || v > sessionMinutesMax {
		return api.ErrInvalidParameterException("AuthSessionValidity must be between %d and %d minutes.", sessionMinutesMin, sessionMinutesMax)
	}
	s.AllowedOAuthFlowsUserPoolClient = ptr(false)
	s.EnablePropagateAdditionalUserContextData = ptr(false)
	if smithy.Val(s.RefreshTokenValidity) == 0 {
		s.RefreshTokenValidity, s.TokenValidityUnits = defaultRefresh(s.TokenValidityUnits)
	}
	s.LastModifiedDate = &now
	return nil
}

// defaultRefresh states 30 days in whatever units the client asks for.
func defaultRefresh(u *api.TokenValidityUnitsType) (*int32, *api.TokenValidityUnitsType) {
	if u == nil || u.RefreshToken == nil {
		return ptr(int32(30)), u
	}
	v := *u
	v.RefreshToken = ptr("days")
	return ptr(int32(30)), &v
}

func refuseOAuth(s *api.UserPoolClientType) error {
	identityProviders := slices.DeleteFunc(slices.Clone(s.SupportedIdentityProviders), func(p string) bool { return p == "COGNITO" })
	for _, r := range []struct {
		setting string
		present bool
	}{
		{"AllowedOAuthFlows (hosted sign-in)", len(s.AllowedOAuthFlows) > 0},
		{"AllowedOAuthFlowsUserPoolClient (hosted sign-in)", smithy.Val(s.AllowedOAuthFlowsUserPoolClient)},
		{"AllowedOAuthScopes (hosted sign-in)", len(s.AllowedOAuthScopes) > 0},
		{"CallbackURLs (hosted sign-in)", len(s.CallbackURLs) > 0},
		{"LogoutURLs (hosted sign-in)", len(s.LogoutURLs) > 0},
		{"DefaultRedirectURI (hosted sign-in)", s.DefaultRedirectURI != nil},
		{"An identity provider other than COGNITO", len(identityProviders) > 0},
		{"AnalyticsConfiguration", s.AnalyticsConfiguration != nil},
		{"EnablePropagateAdditionalUserContextData", smithy.Val(s.EnablePropagateAdditionalUserContextData)},
		{"RefreshTokenRotation", s.RefreshTokenRotation != nil && smithy.Val(s.RefreshTokenRotation.Feature) == "ENABLED"},
	} {
		if r.present {
			return Unsupported(r.setting)
		}
	}
	return nil
}

// checkFlows fills in AWS's default. ALLOW_CUSTOM_AUTH belongs to it and is
// only a permission: the flow itself is refused when it is asked for.
func checkFlows(s *api.UserPoolClientType) error {
	if len(s.ExplicitAuthFlows) == 0 {
		s.ExplicitAuthFlows = []string{allowPrefix + FlowRefresh, allowPrefix + FlowSRP, allowPrefix + FlowCustom}
		return nil
	}
	if slices.Contains(s.ExplicitAuthFlows, allowPrefix+FlowUser) {
		return Unsupported("ALLOW_USER_AUTH (choice-based sign-in)")
	}
	if slices.Contains(s.ExplicitAuthFlows, "CUSTOM_AUTH_FLOW_ONLY") {
		return Unsupported("CUSTOM_AUTH_FLOW_ONLY")
	}
	allow := 0
	for _, f := range s.ExplicitAuthFlows {
		if isAllow(f) {
			allow++
		}
	}
	if allow > 0 && allow < len(s.ExplicitAuthFlows) {
		return api.ErrInvalidParameterException("Cannot use legacy and ALLOW_ ExplicitAuthFlows together.")
	}
	return nil
}

func checkValidity(s *api.UserPoolClientType) error {
	c := Client{Settings: *s}
	access, id, refresh := c.AccessValidity(), c.IDValidity(), c.RefreshValidity()
	for _, v := range []struct {
		name   string
		d      time.Duration
		lo, hi time.Duration
	}{
		{"AccessTokenValidity", access, shortTokenMin, ShortTokenMax},
		{"IdTokenValidity", id, shortTokenMin, ShortTokenMax},
		{"RefreshTokenValidity", refresh, refreshTokenMin, refreshTokenMax},
	} {
		if v.d < v.lo || v.d > v.hi {
			return api.ErrInvalidParameterException("Invalid range for token validity: %s must be between %s and %s.", v.name, v.lo, v.hi)
		}
	}
	if access > refresh || id > refresh {
		return api.ErrInvalidParameterException("Invalid range for token validity: RefreshTokenValidity must be greater than the validity of access and ID tokens.")
	}
	return nil
}

// NewClient takes over what creation can set.
func NewClient(in *api.CreateUserPoolClientInput) *Client {
	return &Client{Settings: api.UserPoolClientType{
		UserPoolId: in.UserPoolId, ClientName: in.ClientName,
		RefreshTokenValidity: in.RefreshTokenValidity, AccessTokenValidity: in.AccessTokenValidity, IdTokenValidity: in.IdTokenValidity,
		TokenValidityUnits: in.TokenValidityUnits, ReadAttributes: in.ReadAttributes, WriteAttributes: in.WriteAttributes,
		ExplicitAuthFlows: in.ExplicitAuthFlows, SupportedIdentityProviders: in.SupportedIdentityProviders,
		CallbackURLs: in.CallbackURLs, LogoutURLs: in.LogoutURLs, DefaultRedirectURI: in.DefaultRedirectURI,
		AllowedOAuthFlows: in.AllowedOAuthFlows, AllowedOAuthScopes: in.AllowedOAuthScopes,
		AllowedOAuthFlowsUserPoolClient: in.AllowedOAuthFlowsUserPoolClient, AnalyticsConfiguration: in.AnalyticsConfiguration,
		PreventUserExistenceErrors: in.PreventUserExistenceErrors, EnableTokenRevocation: in.EnableTokenRevocation,
		EnablePropagateAdditionalUserContextData: in.EnablePropagateAdditionalUserContextData,
		AuthSessionValidity:                      in.AuthSessionValidity, RefreshTokenRotation: in.RefreshTokenRotation,
	}}
}

// Updated is the client after an update: what the request omits returns to its
// default, except name, secret and whether tokens can be revoked.
func (c *Client) Updated(in *api.UpdateUserPoolClientInput) *Client {
	next := NewClient(&api.CreateUserPoolClientInput{
		UserPoolId: c.Settings.UserPoolId, ClientName: c.Settings.ClientName,
		RefreshTokenValidity: in.RefreshTokenValidity, AccessTokenValidity: in.AccessTokenValidity, IdTokenValidity: in.IdTokenValidity,
		TokenValidityUnits: in.TokenValidityUnits, ReadAttributes: in.ReadAttributes, WriteAttributes: in.WriteAttributes,
		ExplicitAuthFlows: in.ExplicitAuthFlows, SupportedIdentityProviders: in.SupportedIdentityProviders,
		CallbackURLs: in.CallbackURLs, LogoutURLs: in.LogoutURLs, DefaultRedirectURI: in.DefaultRedirectURI,
		AllowedOAuthFlows: in.AllowedOAuthFlows, AllowedOAuthScopes: in.AllowedOAuthScopes,
		AllowedOAuthFlowsUserPoolClient: in.AllowedOAuthFlowsUserPoolClient, AnalyticsConfiguration: in.AnalyticsConfiguration,
		PreventUserExistenceErrors: in.PreventUserExistenceErrors, EnableTokenRevocation: in.EnableTokenRevocation,
		EnablePropagateAdditionalUserContextData: in.EnablePropagateAdditionalUserContextData,
		AuthSessionValidity:                      in.AuthSessionValidity, RefreshTokenRotation: in.RefreshTokenRotation,
	})
	keep(&next.Settings.ClientName, in.ClientName)
	if in.EnableTokenRevocation == nil {
		next.Settings.EnableTokenRevocation = c.Settings.EnableTokenRevocation
	}
	next.Settings.ClientId, next.Settings.CreationDate, next.Secret = c.Settings.ClientId, c.Settings.CreationDate, c.Secret
	return next
}
