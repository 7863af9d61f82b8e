package cognitoidp

import (
	"crypto/subtle"
	"slices"
	"strings"
	"time"

	api "moln.dev/moln/api/cognitoidp"
	"moln.dev/moln/aws/smithy"
)

// Names of authentication flows, as clients ask for them and as app clients
// permit them.
const (
	flowSRP           = "USER_SRP_AUTH"
	flowPassword      = "USER_PASSWORD_AUTH"
	flowAdminPassword = "ADMIN_USER_PASSWORD_AUTH"
	flowAdminNoSRP    = "ADMIN_NO_SRP_AUTH"
	flowRefresh       = "REFRESH_TOKEN_AUTH"
	flowRefreshOld    = "REFRESH_TOKEN"
	flowCustom        = "CUSTOM_AUTH"
	flowUser          = "USER_AUTH"

	allowPrefix = "ALLOW_"
)

// Lifetimes of tokens and sessions.
const (
	defaultAccessValidity  = time.Hour
	defaultRefreshValidity = 30 * 24 * time.Hour
	shortTokenMin          = 5 * time.Minute
	shortTokenMax          = 24 * time.Hour
	refreshTokenMin        = time.Hour
	refreshTokenMax        = 10 * 365 * 24 * time.Hour
	defaultSessionMinutes  = 3
	sessionMinutesMin      = 3
	sessionMinutesMax      = 15

	existenceLegacy = "LEGACY"
	existenceHidden = "ENABLED"
)

// client is what is stored of an app client: its settings as DescribeUserPool-
// Client gives them, without the secret.
type client struct {
	Settings api.UserPoolClientType
	Secret   []byte // sealed; nil: a public client
}

func (c *client) id() string { return smithy.Val(c.Settings.ClientId) }

func (c *client) hidesUsers() bool {
	return smithy.Val(c.Settings.PreventUserExistenceErrors) == existenceHidden
}

func (c *client) revocable() bool { return smithy.Val(c.Settings.EnableTokenRevocation) }

func (c *client) sessionValidity() time.Duration {
	return time.Duration(smithy.Val(c.Settings.AuthSessionValidity)) * time.Minute
}

// allows reports whether the client may use a flow. The older names of
// permissions have no prefix; refreshing is always permitted beside them.
func (c *client) allows(flow string) bool {
	permitted := c.Settings.ExplicitAuthFlows
	switch flow {
	case flowRefresh, flowRefreshOld:
		return slices.Contains(permitted, allowPrefix+flowRefresh) || !slices.ContainsFunc(permitted, isAllow)
	case flowSRP:
		return slices.Contains(permitted, allowPrefix+flowSRP) || !slices.ContainsFunc(permitted, isAllow)
	case flowAdminPassword, flowAdminNoSRP:
		return slices.Contains(permitted, allowPrefix+flowAdminPassword) || slices.Contains(permitted, flowAdminNoSRP)
	}
	return slices.Contains(permitted, allowPrefix+flow) || slices.Contains(permitted, flow)
}

func isAllow(s string) bool { return strings.HasPrefix(s, allowPrefix) }

// mayWrite and mayRead judge one attribute. Without a list, a client has all
// standard and custom attributes.
func (c *client) mayWrite(schema []api.SchemaAttributeType, name string) bool {
	if name == attributeSub || name == attributeEmailVerified || name == attributePhoneVerified || strings.HasPrefix(name, developerPrefix) {
		return false
	}
	if len(c.Settings.WriteAttributes) == 0 || slices.Contains(requiredAttributes(schema), name) {
		return true
	}
	return slices.Contains(c.Settings.WriteAttributes, name)
}

func (c *client) mayRead(name string) bool {
	if name == attributeSub {
		return true
	}
	return len(c.Settings.ReadAttributes) == 0 || slices.Contains(c.Settings.ReadAttributes, name)
}

func (c *client) accessValidity() time.Duration {
	return validity(c.Settings.AccessTokenValidity, c.units().AccessToken, time.Hour, defaultAccessValidity)
}

func (c *client) idValidity() time.Duration {
	return validity(c.Settings.IdTokenValidity, c.units().IdToken, time.Hour, defaultAccessValidity)
}

func (c *client) refreshValidity() time.Duration {
	return validity(c.Settings.RefreshTokenValidity, c.units().RefreshToken, 24*time.Hour, defaultRefreshValidity)
}

func (c *client) units() api.TokenValidityUnitsType { return smithy.Val(c.Settings.TokenValidityUnits) }

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

// configure checks the settings that creation and update take, and fills in
// defaults.
func (c *client) configure(p *pool, now time.Time) error {
	s := &c.Settings
	for _, check := range []func(*api.UserPoolClientType) error{refuseOAuth, checkFlows, checkValidity} {
		if err := check(s); err != nil {
			return err
		}
	}
	for _, list := range [][]string{s.ReadAttributes, s.WriteAttributes} {
		for _, name := range list {
			if findAttribute(p.Settings.SchemaAttributes, name) == nil {
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
			return unsupported(r.setting)
		}
	}
	return nil
}

// checkFlows fills in AWS's default. ALLOW_CUSTOM_AUTH belongs to it and is
// only a permission: the flow itself is refused when it is asked for.
func checkFlows(s *api.UserPoolClientType) error {
	if len(s.ExplicitAuthFlows) == 0 {
		s.ExplicitAuthFlows = []string{allowPrefix + flowRefresh, allowPrefix + flowSRP, allowPrefix + flowCustom}
		return nil
	}
	if slices.Contains(s.ExplicitAuthFlows, allowPrefix+flowUser) {
		return unsupported("ALLOW_USER_AUTH (choice-based sign-in)")
	}
	if slices.Contains(s.ExplicitAuthFlows, "CUSTOM_AUTH_FLOW_ONLY") {
		return unsupported("CUSTOM_AUTH_FLOW_ONLY")
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
	c := client{Settings: *s}
	access, id, refresh := c.accessValidity(), c.idValidity(), c.refreshValidity()
	for _, v := range []struct {
		name   string
		d      time.Duration
		lo, hi time.Duration
	}{
		{"AccessTokenValidity", access, shortTokenMin, shortTokenMax},
		{"IdTokenValidity", id, shortTokenMin, shortTokenMax},
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

func purposeClientSecret(id string) string { return "cognitoidp/client-secret/" + id }

// clientSecret opens a client's secret; "" for a public client.
func (s *Service) clientSecret(c *client) (string, error) {
	if c.Secret == nil {
		return "", nil
	}
	raw, err := s.d.Seal.Open(purposeClientSecret(c.id()), c.Secret)
	return string(raw), err
}

// checkSecretHash demands SECRET_HASH of clients with a secret. names are the
// names under which the user may be known to the client.
func (s *Service) checkSecretHash(c *client, given string, names ...string) error {
	secret, err := s.clientSecret(c)
	if err != nil {
		return err
	}
	if secret == "" {
		if given != "" {
			return api.ErrNotAuthorizedException("Client %s is not configured for secret but secret hash was received", c.id())
		}
		return nil
	}
	if given == "" {
		return api.ErrNotAuthorizedException("Client %s is configured with secret but SECRET_HASH was not received", c.id())
	}
	for _, name := range names {
		if subtle.ConstantTimeCompare([]byte(secretHash(secret, name, c.id())), []byte(given)) == 1 {
			return nil
		}
	}
	return api.ErrNotAuthorizedException("Unable to verify secret hash for client %s", c.id())
}
