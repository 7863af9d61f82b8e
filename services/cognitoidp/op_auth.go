package cognitoidp

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	api "moln.dev/moln/api/cognitoidp"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/cognitoidp/settings"
	"moln.dev/moln/services/cognitoidp/srp"
)

const (
	challengePassword    = "PASSWORD_VERIFIER"
	challengeNewPassword = "NEW_PASSWORD_REQUIRED"

	// timestampSkew is how far a client's clock may be off.
	timestampSkew = 10 * time.Minute

	sourceAuthentication = "Authentication"
	sourceNewPassword    = "NewPasswordChallenge"
	sourceRefresh        = "RefreshTokens"
)

// authRequest is InitiateAuth or AdminInitiateAuth.
type authRequest struct {
	flow       string
	parameters map[string]string
	metadata   map[string]string
	admin      bool
}

// authAnswer is what all four operations answer.
type authAnswer = api.InitiateAuthOutput

func (s *Service) initiateAuth(ctx context.Context, c *service.Call, in *api.InitiateAuthInput) (*api.InitiateAuthOutput, error) {
	a, err := s.appOf(ctx, smithy.Val(in.ClientId))
	if err != nil {
		return nil, err
	}
	return s.initiate(ctx, c, a, authRequest{flow: smithy.Val(in.AuthFlow), parameters: in.AuthParameters, metadata: in.ClientMetadata})
}

func (s *Service) adminInitiateAuth(ctx context.Context, c *service.Call, in *api.AdminInitiateAuthInput) (*api.AdminInitiateAuthOutput, error) {
	a, err := s.appAt(ctx, signed(c, in.UserPoolId), smithy.Val(in.ClientId))
	if err != nil {
		return nil, err
	}
	out, err := s.initiate(ctx, c, a, authRequest{smithy.Val(in.AuthFlow), in.AuthParameters, in.ClientMetadata, true})
	if err != nil {
		return nil, err
	}
	return (*api.AdminInitiateAuthOutput)(out), nil
}

func (s *Service) initiate(ctx context.Context, c *service.Call, a *app, r authRequest) (*authAnswer, error) {
	switch r.flow {
	case settings.FlowUser, settings.FlowCustom:
		return nil, settings.Unsupported("AuthFlow " + r.flow)
	case settings.FlowAdminPassword, settings.FlowAdminNoSRP:
		if !r.admin {
			return nil, api.ErrInvalidParameterException("Initiate Auth method not supported.")
		}
	case settings.FlowPassword, settings.FlowSRP, settings.FlowRefresh, settings.FlowRefreshOld:
	default:
		return nil, api.ErrInvalidParameterException("Initiate Auth method not supported.")
	}
	if !a.client.Allows(r.flow) {
		return nil, api.ErrInvalidParameterException("%s flow not enabled for this client", r.flow)
	}
	if r.flow == settings.FlowRefresh || r.flow == settings.FlowRefreshOld {
		return s.refresh(ctx, c, a, r)
	}
	name := r.parameters["USERNAME"]
	if name == "" {
		return nil, errMissingParameter("USERNAME")
	}
	key, u, err := s.findUser(s.reader(ctx), a.place, a.pool, name)
	if err != nil {
		return nil, err
	}
	hashNames := []string{name}
	if u != nil {
		hashNames = append(hashNames, u.Username)
	}
	if err := s.checkSecretHash(a.client, r.parameters["SECRET_HASH"], hashNames...); err != nil {
		return nil, err
	}
	if u == nil && !a.client.HidesUsers() {
		return nil, errNoUser()
	}
	if u != nil && !u.Enabled {
		if a.client.HidesUsers() {
			return nil, errPassword()
		}
		return nil, errDisabled()
	}
	if err := s.preAuthentication(ctx, c, a, u, name, r.metadata); err != nil {
		return nil, err
	}
	if r.flow == settings.FlowSRP {
		return s.startSRP(ctx, c, a, key, u, r)
	}
	return s.signInByPassword(ctx, c, a, key, u, r)
}

// signInByPassword is the flow in which the password itself is sent.
func (s *Service) signInByPassword(ctx context.Context, c *service.Call, a *app, key string, u *user, r authRequest) (*authAnswer, error) {
	password, ok := r.parameters["PASSWORD"]
	if !ok {
		return nil, errMissingParameter("PASSWORD")
	}
	var kept *secret
	guardKey := key
	if u != nil {
		kept = u.Secret
	} else {
		var err error
		if guardKey, err = s.ghostGuard(ctx, a.place, r.parameters["USERNAME"]); err != nil {
			return nil, err
		}
	}
	if u != nil && u.Status == statusReset {
		return nil, errReset()
	}
	err := s.guarded(ctx, a.place, guardKey, c.Now, func() (bool, error) { return s.matches(ctx, kept, password) })
	if err != nil {
		return nil, err
	}
	return s.passwordProved(ctx, c, a, key, u, r.metadata)
}

func errReset() error {
	return api.ErrPasswordResetRequiredException("Password reset required for the user")
}

// ghostGuard gives users that do not exist a lockout too: a few counters that
// they share, or every made-up name would be stored.
func (s *Service) ghostGuard(ctx context.Context, p place, name string) (string, error) {
	keys, err := s.keysOf(ctx, p)
	if err != nil {
		return "", err
	}
	b := ghost(keys.ghost, "guard", name)
	return "\x00ghost" + strconv.Itoa((int(b[0])<<8|int(b[1]))%ghostGuards), nil
}

// startSRP answers SRP_A with the challenge. A user that does not exist gets
// the same answer every time, and a proof that never verifies.
func (s *Service) startSRP(ctx context.Context, c *service.Call, a *app, key string, u *user, r authRequest) (*authAnswer, error) {
	text, ok := r.parameters["SRP_A"]
	if !ok {
		return nil, errMissingParameter("SRP_A")
	}
	public, err := s.group.ParsePublic(text)
	if err != nil {
		return nil, api.ErrInvalidParameterException("Invalid SRP_A value.")
	}
	if u != nil && u.Status == statusReset {
		return nil, errReset()
	}
	v := session{
		ID: s.d.Ident.UUID(), Pool: a.Pool, Client: a.client.ID(), User: key, Challenge: challengePassword,
		Ends: c.Now.Add(a.client.SessionValidity()).UnixMilli(), A: public.Bytes(), B: s.d.Ident.Bytes(srp.SecretBytes), Metadata: r.metadata,
	}
	salt, verifier, err := s.proofOf(ctx, a, u, r.parameters["USERNAME"], &v)
	if err != nil {
		return nil, err
	}
	token, err := s.sealSession(a.place, v)
	if err != nil {
		return nil, err
	}
	b := s.group.Public(verifier, new(big.Int).SetBytes(v.B))
	return &authAnswer{
		ChallengeName: ptr(challengePassword),
		ChallengeParameters: map[string]string{
			"SALT": srp.SaltHex(salt), "SRP_B": b.Text(16), "SECRET_BLOCK": blockOf(token),
			"USERNAME": v.Name, "USER_ID_FOR_SRP": v.Name,
		},
	}, nil
}

// proofOf gives the salt and verifier to answer with, and fills in who it is.
func (s *Service) proofOf(ctx context.Context, a *app, u *user, name string, v *session) ([]byte, *big.Int, error) {
	if u != nil && u.Secret != nil {
		v.Name = u.Username
		verifier, err := s.verifier(a.place, u.Username, u.Secret)
		return u.Secret.Salt, verifier, err
	}
	keys, err := s.keysOf(ctx, a.place)
	if err != nil {
		return nil, nil, err
	}
	v.Ghost, v.User, v.Name = true, name, name
	if a.pool.GeneratedNames() || a.pool.HasAlias(settings.AttributeEmail) && settings.IsEmail(name) {
		v.Name = ghostUUID(keys.ghost, a.pool.Fold(name))
	}
	if u != nil {
		v.Name = u.Username
	}
	salt := ghost(keys.ghost, "salt", a.pool.Fold(name))[:srp.SaltBytes]
	return salt, s.group.Verifier(a.name(), v.Name, string(ghost(keys.ghost, "password", a.pool.Fold(name))), salt), nil
}

func (s *Service) respondToAuthChallenge(ctx context.Context, c *service.Call, in *api.RespondToAuthChallengeInput) (*api.RespondToAuthChallengeOutput, error) {
	a, err := s.appOf(ctx, smithy.Val(in.ClientId))
	if err != nil {
		return nil, err
	}
	out, err := s.respond(ctx, c, a, smithy.Val(in.ChallengeName), smithy.Val(in.Session), in.ChallengeResponses, in.ClientMetadata)
	return (*api.RespondToAuthChallengeOutput)(out), err
}

func (s *Service) adminRespondToAuthChallenge(ctx context.Context, c *service.Call, in *api.AdminRespondToAuthChallengeInput) (*api.AdminRespondToAuthChallengeOutput, error) {
	a, err := s.appAt(ctx, signed(c, in.UserPoolId), smithy.Val(in.ClientId))
	if err != nil {
		return nil, err
	}
	out, err := s.respond(ctx, c, a, smithy.Val(in.ChallengeName), smithy.Val(in.Session), in.ChallengeResponses, in.ClientMetadata)
	return (*api.AdminRespondToAuthChallengeOutput)(out), err
}

func (s *Service) respond(ctx context.Context, c *service.Call, a *app, challenge, sessionText string, responses, metadata map[string]string) (*authAnswer, error) {
	switch challenge {
	case challengePassword:
		return s.answerSRP(ctx, c, a, responses, metadata)
	case challengeNewPassword:
		return s.answerNewPassword(ctx, c, a, sessionText, responses, metadata)
	}
	return nil, settings.Unsupported("Challenge " + challenge)
}

// answerSRP checks the proof of a password.
func (s *Service) answerSRP(ctx context.Context, c *service.Call, a *app, responses, metadata map[string]string) (*authAnswer, error) {
	for _, name := range []string{"USERNAME", "PASSWORD_CLAIM_SECRET_BLOCK", "PASSWORD_CLAIM_SIGNATURE", "TIMESTAMP"} {
		if responses[name] == "" {
			return nil, errMissingParameter(name)
		}
	}
	token, block, err := tokenOfBlock(responses["PASSWORD_CLAIM_SECRET_BLOCK"])
	if err != nil {
		return nil, err
	}
	v, err := s.openSession(a, token, challengePassword, c.Now)
	if err != nil {
		return nil, err
	}
	if err := s.checkSecretHash(a.client, responses["SECRET_HASH"], v.Name, responses["USERNAME"]); err != nil {
		return nil, err
	}
	at, err := srp.ParseTimestamp(responses["TIMESTAMP"])
	if err != nil || at.Sub(c.Now).Abs() > timestampSkew {
		return nil, api.ErrInvalidParameterException("TIMESTAMP format should be EEE MMM d HH:mm:ss z yyyy in english.")
	}
	u, guardKey, verifier, err := s.claimant(ctx, a, v)
	if err != nil {
		return nil, err
	}
	if err := s.d.KV.Update(ctx, func(tx *kv.Tx) error { return s.useSession(tx, v) }); err != nil {
		return nil, err
	}
	proof := srp.Proof{
		PoolName: a.name(), UserID: v.Name, Verifier: verifier, Secret: new(big.Int).SetBytes(v.B), ClientPublic: new(big.Int).SetBytes(v.A),
		SecretBlock: block, Timestamp: responses["TIMESTAMP"],
	}
	err = s.guarded(ctx, a.place, guardKey, c.Now, func() (bool, error) {
		return s.group.Verify(proof, responses["PASSWORD_CLAIM_SIGNATURE"]) && u != nil, nil
	})
	if err != nil {
		return nil, err
	}
	return s.passwordProved(ctx, c, a, v.User, u, metadata)
}

// claimant finds who a password challenge was for: a user with its present
// verifier, or a ghost, whose proof is computed as well and never counts.
func (s *Service) claimant(ctx context.Context, a *app, v *session) (*user, string, *big.Int, error) {
	if v.Ghost {
		guardKey, err := s.ghostGuard(ctx, a.place, v.User)
		return nil, guardKey, big.NewInt(2), err
	}
	u, err := find[user](s.reader(ctx), a.key(kindUser, v.User))
	if err != nil {
		return nil, "", nil, err
	}
	if u == nil || u.Secret == nil {
		return nil, "", nil, errPassword()
	}
	verifier, err := s.verifier(a.place, u.Username, u.Secret)
	return u, v.User, verifier, err
}

// passwordProved goes on after a right password: refuse by state, ask for a new
// password, or sign in.
func (s *Service) passwordProved(ctx context.Context, c *service.Call, a *app, key string, u *user, metadata map[string]string) (*authAnswer, error) {
	switch {
	case u == nil:
		return nil, errPassword()
	case !u.Enabled:
		return nil, errDisabled()
	case u.Status == statusUnconfirmed:
		return nil, api.ErrUserNotConfirmedException("User is not confirmed.")
	case u.Status == statusReset:
		return nil, errReset()
	case u.Status != statusForceChange:
		return s.signIn(ctx, c, a, key, u, sourceAuthentication, metadata)
	case !u.TemporaryUntil.IsZero() && c.Now.After(u.TemporaryUntil):
		return nil, api.ErrNotAuthorizedException("Temporary password has expired and must be reset by an administrator.")
	}
	return s.askNewPassword(a, key, u, c.Now)
}

func (s *Service) askNewPassword(a *app, key string, u *user, now time.Time) (*authAnswer, error) {
	token, err := s.sealSession(a.place, session{
		ID: s.d.Ident.UUID(), Pool: a.Pool, Client: a.client.ID(), User: key, Name: u.Username, Challenge: challengeNewPassword,
		Ends: now.Add(a.client.SessionValidity()).UnixMilli(),
	})
	if err != nil {
		return nil, err
	}
	missing := []string{}
	for _, name := range settings.RequiredAttributes(a.pool.Settings.SchemaAttributes) {
		if u.Attributes[name] == "" {
			missing = append(missing, "userAttributes."+name)
		}
	}
	visible := map[string]string{}
	for name, value := range u.Attributes {
		if a.client.MayRead(name) {
			visible[name] = value
		}
	}
	required, err := json.Marshal(missing)
	if err != nil {
		return nil, err
	}
	attributes, err := json.Marshal(visible)
	if err != nil {
		return nil, err
	}
	return &authAnswer{
		ChallengeName: ptr(challengeNewPassword), Session: &token,
		ChallengeParameters: map[string]string{
			"USER_ID_FOR_SRP": u.Username, "requiredAttributes": string(required), "userAttributes": string(attributes),
		},
	}, nil
}

// answerNewPassword replaces a temporary password.
func (s *Service) answerNewPassword(ctx context.Context, c *service.Call, a *app, sessionText string, responses, metadata map[string]string) (*authAnswer, error) {
	for _, name := range []string{"USERNAME", "NEW_PASSWORD"} {
		if responses[name] == "" {
			return nil, errMissingParameter(name)
		}
	}
	v, err := s.openSession(a, sessionText, challengeNewPassword, c.Now)
	if err != nil {
		return nil, err
	}
	if err := s.checkSecretHash(a.client, responses["SECRET_HASH"], v.Name, responses["USERNAME"]); err != nil {
		return nil, err
	}
	if err := settings.CheckPassword(a.pool.PasswordPolicy(), responses["NEW_PASSWORD"]); err != nil {
		return nil, err
	}
	given, err := givenAttributes(a, responses)
	if err != nil {
		return nil, err
	}
	fresh, err := s.newSecret(ctx, a.place, v.Name, responses["NEW_PASSWORD"])
	if err != nil {
		return nil, err
	}
	u, err := s.changeUser(ctx, a.place, a.pool, v.User, c.Now, func(tx *kv.Tx, u *user) error {
		if u.Status != statusForceChange {
			return errSessionUsed()
		}
		if err := applyNewAttributes(a.pool, u, given); err != nil {
			return err
		}
		u.Secret, u.Status, u.TemporaryUntil = fresh, statusConfirmed, time.Time{}
		return s.useSession(tx, v)
	})
	if err != nil {
		return nil, err
	}
	return s.signIn(ctx, c, a, v.User, u, sourceNewPassword, metadata)
}

// givenAttributes are the userAttributes.NAME answers.
func givenAttributes(a *app, responses map[string]string) (map[string]string, error) {
	given := map[string]string{}
	for name, value := range responses {
		attribute, ok := strings.CutPrefix(name, "userAttributes.")
		if !ok {
			continue
		}
		if !a.client.MayWrite(a.pool.Settings.SchemaAttributes, attribute) {
			return nil, api.ErrNotAuthorizedException("A client attempted to write unauthorized attribute")
		}
		if err := settings.CheckAttribute(a.pool.Settings.SchemaAttributes, attribute, value); err != nil {
			return nil, err
		}
		given[attribute] = value
	}
	return given, nil
}

func applyNewAttributes(up *pool, u *user, given map[string]string) error {
	required := settings.RequiredAttributes(up.Settings.SchemaAttributes)
	for name, value := range given {
		if slices.Contains(required, name) && u.Attributes[name] != "" && u.Attributes[name] != value {
			return api.ErrInvalidParameterException("Cannot modify an already provided %s", name)
		}
		u.set(name, value)
	}
	return settings.CheckRequired(up.Settings.SchemaAttributes, u.Attributes)
}

// signIn issues the tokens of a new sign-in.
func (s *Service) signIn(ctx context.Context, c *service.Call, a *app, key string, u *user, source string, metadata map[string]string) (*authAnswer, error) {
	loginID := s.d.Ident.UUID()
	result, err := s.issue(ctx, c, a, key, u, loginID, c.Now, source, metadata)
	if err != nil {
		return nil, err
	}
	if err := s.postAuthentication(ctx, c, a, u, metadata); err != nil {
		return nil, err
	}
	token, err := s.startLogin(ctx, a, key, loginID, c.Now)
	if err != nil {
		return nil, err
	}
	result.RefreshToken = &token
	return &authAnswer{AuthenticationResult: result, ChallengeParameters: map[string]string{}}, nil
}

// issue asks the pre-token trigger and signs the ID and access token.
func (s *Service) issue(ctx context.Context, c *service.Call, a *app, key string, u *user, loginID string, authTime time.Time, source string, metadata map[string]string) (*api.AuthenticationResultType, error) {
	g, err := s.grantsOf(ctx, a.place, key)
	if err != nil {
		return nil, err
	}
	o, err := s.preToken(ctx, c, a, u, source, g, metadata)
	if err != nil {
		return nil, err
	}
	return s.mint(ctx, a, u, loginID, authTime, c.Now, g, o)
}

// refresh gives new ID and access tokens for a refresh token.
func (s *Service) refresh(ctx context.Context, c *service.Call, a *app, r authRequest) (*authAnswer, error) {
	text := r.parameters["REFRESH_TOKEN"]
	if text == "" {
		return nil, errMissingParameter("REFRESH_TOKEN")
	}
	t, err := s.openRefresh(text)
	if err != nil || t.Pool != a.Pool || t.Client != a.client.ID() {
		return nil, api.ErrNotAuthorizedException("Invalid Refresh Token")
	}
	if c.Now.Unix() >= t.Ends {
		return nil, api.ErrNotAuthorizedException("Refresh Token has expired")
	}
	reader := s.reader(ctx)
	l, err := find[login](reader, a.key(kindLogin, t.User, t.Login))
	if err != nil {
		return nil, err
	}
	u, err := find[user](reader, a.key(kindUser, t.User))
	if err != nil {
		return nil, err
	}
	if l == nil || u == nil {
		return nil, api.ErrNotAuthorizedException("Refresh Token has been revoked")
	}
	if !u.Enabled {
		return nil, errDisabled()
	}
	if err := s.checkSecretHash(a.client, r.parameters["SECRET_HASH"], u.Username, u.Sub, u.Attributes[settings.AttributeEmail]); err != nil {
		return nil, err
	}
	result, err := s.issue(ctx, c, a, t.User, u, t.Login, l.AuthTime, sourceRefresh, r.metadata)
	if err != nil {
		return nil, err
	}
	return &authAnswer{AuthenticationResult: result, ChallengeParameters: map[string]string{}}, nil
}

func (s *Service) openRefresh(text string) (*refreshToken, error) {
	raw, err := s.d.Seal.OpenToken(purposeRefresh, text)
	if err != nil {
		return nil, err
	}
	t := new(refreshToken)
	return t, json.Unmarshal(raw, t)
}

// revokeToken ends the sign-in of a refresh token. Tokens that are over
// already are no error.
func (s *Service) revokeToken(ctx context.Context, _ *service.Call, in *api.RevokeTokenInput) (*api.RevokeTokenOutput, error) {
	a, err := s.appOf(ctx, smithy.Val(in.ClientId))
	if err != nil {
		return nil, err
	}
	if in.RevokeAssociatedSessions != nil {
		return nil, settings.Unsupported("RevokeAssociatedSessions")
	}
	secret, err := s.clientSecret(a.client)
	if err != nil {
		return nil, err
	}
	if secret != "" && subtle.ConstantTimeCompare([]byte(secret), []byte(smithy.Val(in.ClientSecret))) != 1 {
		return nil, api.ErrUnauthorizedException("Invalid client secret")
	}
	if !a.client.Revocable() {
		return nil, api.ErrUnsupportedOperationException("Token revocation is disabled for this client")
	}
	t, err := s.openRefresh(smithy.Val(in.Token))
	if err != nil {
		return nil, api.ErrUnsupportedTokenTypeException("Only refresh tokens can be revoked")
	}
	if t.Pool != a.Pool || t.Client != a.client.ID() {
		return nil, api.ErrUnauthorizedException("Invalid token")
	}
	return nil, s.d.KV.Delete(ctx, a.key(kindLogin, t.User, t.Login))
}

func (s *Service) globalSignOut(ctx context.Context, c *service.Call, in *api.GlobalSignOutInput) (*api.GlobalSignOutOutput, error) {
	b, err := s.bearerOf(ctx, smithy.Val(in.AccessToken), c.Now)
	if err != nil {
		return nil, err
	}
	return nil, s.signOut(ctx, b.place, b.key)
}

func (s *Service) signOut(ctx context.Context, p place, key string) error {
	return s.d.KV.Update(ctx, func(tx *kv.Tx) error { return endLogins(tx, p, key) })
}
