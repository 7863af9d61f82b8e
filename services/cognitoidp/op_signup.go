package cognitoidp

import (
	"context"

	api "moln.dev/moln/api/cognitoidp"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/cognitoidp/settings"
)

// newUser checks a name and attributes as a new user of the pool has them, and
// gives the user without password, with the key it is to be stored under.
func (s *Service) newUser(up *pool, name string, attributes map[string]string) (string, *user, error) {
	schema := up.Settings.SchemaAttributes
	for attribute, value := range attributes {
		if attribute == settings.AttributeSub {
			return "", nil, settings.SchemaFault("sub: The attribute cannot be set")
		}
		if err := settings.CheckAttribute(schema, attribute, value); err != nil {
			return "", nil, err
		}
	}
	u := &user{Username: name, Sub: s.d.Ident.UUID(), Attributes: map[string]string{}, Enabled: true}
	for attribute, value := range attributes {
		if value != "" {
			u.Attributes[attribute] = value
		}
	}
	if up.GeneratedNames() {
		if err := nameFromAttribute(up, u, name); err != nil {
			return "", nil, err
		}
	} else if up.HasAlias(settings.AttributeEmail) && settings.IsEmail(name) {
		return "", nil, api.ErrInvalidParameterException("Username cannot be of email format, since user pool is configured for email alias.")
	} else if up.HasAlias(settings.AttributePhone) && settings.IsPhone(name) {
		return "", nil, api.ErrInvalidParameterException("Username cannot be of phone number format, since user pool is configured for phone number alias.")
	}
	if err := settings.CheckRequired(schema, u.Attributes); err != nil {
		return "", nil, err
	}
	for _, a := range []string{settings.AttributeEmail, settings.AttributePhone} {
		if _, ok := u.Attributes[a+"_verified"]; u.Attributes[a] != "" && !ok {
			u.Attributes[a+"_verified"] = "false"
		}
	}
	return up.Fold(u.Username), u, nil
}

// nameFromAttribute makes the sub the username and keeps the given name as the
// attribute that it is.
func nameFromAttribute(up *pool, u *user, name string) error {
	attribute := ""
	switch {
	case up.SignsInWith(settings.AttributeEmail) && settings.IsEmail(name):
		attribute = settings.AttributeEmail
	case up.SignsInWith(settings.AttributePhone) && settings.IsPhone(name):
		attribute = settings.AttributePhone
	case !up.SignsInWith(settings.AttributePhone):
		return api.ErrInvalidParameterException("Username should be an email.")
	case !up.SignsInWith(settings.AttributeEmail):
		return api.ErrInvalidParameterException("Username should be a phone number.")
	default:
		return api.ErrInvalidParameterException("Username should be either an email or a phone number.")
	}
	if given := u.Attributes[attribute]; given != "" && up.Fold(given) != up.Fold(name) {
		return api.ErrInvalidParameterException("User %s and username must be the same.", attribute)
	}
	if u.Attributes[attribute] == "" {
		u.Attributes[attribute] = name
	}
	u.Username = u.Sub
	return nil
}

// insertUser stores a new user, which must not exist.
func (s *Service) insertUser(ctx context.Context, p place, up *pool, key string, u *user, force bool) error {
	k := p.key(kindUser, key)
	err := s.d.KV.Update(ctx, func(tx *kv.Tx) error {
		if _, err := s.loadPool(txReader{tx}, p); err != nil {
			return err
		}
		taken, err := exists(txReader{tx}, k)
		if err != nil {
			return err
		}
		if taken {
			return api.ErrUsernameExistsException("User already exists")
		}
		return s.saveUser(tx, p, up, key, nil, u, force)
	}, k)
	return aliasExists(up, err)
}

// aliasExists: in a pool whose usernames are attributes a taken name is a taken
// username.
func aliasExists(up *pool, err error) error {
	err = aliasFault(err)
	if up.GeneratedNames() && isFault(err, "AliasExistsException") {
		return api.ErrUsernameExistsException("User already exists")
	}
	return err
}

func (s *Service) signUp(ctx context.Context, c *service.Call, in *api.SignUpInput) (*api.SignUpOutput, error) {
	a, err := s.appOf(ctx, smithy.Val(in.ClientId))
	if err != nil {
		return nil, err
	}
	if err := s.checkSecretHash(a.client, smithy.Val(in.SecretHash), smithy.Val(in.Username)); err != nil {
		return nil, err
	}
	if a.pool.AdminOnlySignUp() {
		return nil, api.ErrNotAuthorizedException("SignUp is not permitted for this user pool")
	}
	key, u, err := s.signUpUser(a, in)
	if err != nil {
		return nil, err
	}
	// Asked before the trigger runs; insertUser decides.
	if _, other, err := s.findUser(s.reader(ctx), a.place, a.pool, smithy.Val(in.Username)); err != nil {
		return nil, err
	} else if other != nil {
		return nil, api.ErrUsernameExistsException("User already exists")
	}
	auto, err := s.preSignUp(ctx, c, a.place, a.pool, "SignUp", a.client.ID(), u, in.ValidationData, in.ClientMetadata)
	if err != nil {
		return nil, err
	}
	u.Created, u.Modified, u.Status = c.Now, c.Now, statusUnconfirmed
	if auto.AutoConfirmUser {
		u.Status = statusConfirmed
	}
	if auto.AutoVerifyEmail {
		u.Attributes[settings.AttributeEmailVerified] = "true"
	}
	if auto.AutoVerifyPhone {
		u.Attributes[settings.AttributePhoneVerified] = "true"
	}
	if u.Secret, err = s.newSecret(ctx, a.place, u.Username, smithy.Val(in.Password)); err != nil {
		return nil, err
	}
	if err := s.insertUser(ctx, a.place, a.pool, key, u, false); err != nil {
		return nil, err
	}
	out := &api.SignUpOutput{UserConfirmed: ptr(auto.AutoConfirmUser), UserSub: ptr(u.Sub)}
	if auto.AutoConfirmUser {
		return out, s.postConfirmation(ctx, c, a.place, a.pool, "ConfirmSignUp", a.client.ID(), u, in.ClientMetadata)
	}
	out.CodeDeliveryDetails, err = s.sendSignUpCode(ctx, c, a, key, u)
	return out, err
}

// signUpUser judges what the client may set.
func (s *Service) signUpUser(a *app, in *api.SignUpInput) (string, *user, error) {
	attributes, err := settings.AttributeMap(in.UserAttributes)
	if err != nil {
		return "", nil, err
	}
	for name := range attributes {
		if !a.client.MayWrite(a.pool.Settings.SchemaAttributes, name) {
			return "", nil, api.ErrNotAuthorizedException("A client attempted to write unauthorized attribute")
		}
	}
	if in.Password == nil {
		return "", nil, api.ErrInvalidParameterException("Password is required: this user pool has no passwordless sign-in.")
	}
	if err := settings.CheckPassword(a.pool.PasswordPolicy(), *in.Password); err != nil {
		return "", nil, err
	}
	return s.newUser(a.pool, smithy.Val(in.Username), attributes)
}

// sendSignUpCode mails the code of a sign-up; nil details where the pool
// verifies nothing that the user has.
func (s *Service) sendSignUpCode(ctx context.Context, c *service.Call, a *app, key string, u *user) (*api.CodeDeliveryDetailsType, error) {
	address := u.Attributes[settings.AttributeEmail]
	if !a.pool.AutoVerifies(settings.AttributeEmail) || address == "" {
		return nil, nil
	}
	digits, err := s.issueCode(ctx, a.place, key, purposeSignUp, address, c.Now, signUpCodeValidity)
	if err != nil {
		return nil, err
	}
	return s.sendCode(ctx, a.pool, u, address, digits)
}

func (s *Service) confirmSignUp(ctx context.Context, c *service.Call, in *api.ConfirmSignUpInput) (*api.ConfirmSignUpOutput, error) {
	a, err := s.appOf(ctx, smithy.Val(in.ClientId))
	if err != nil {
		return nil, err
	}
	key, u, err := s.namedUser(ctx, a, smithy.Val(in.Username), smithy.Val(in.SecretHash))
	if err != nil {
		return nil, err
	}
	if u == nil {
		return nil, errCodeExpired()
	}
	if u.Status != statusUnconfirmed {
		return nil, api.ErrNotAuthorizedException("User cannot be confirmed. Current status is %s", u.Status)
	}
	if err := s.allow(ctx, a.place, key, "ConfirmSignUp", rateConfirmSignUp, c.Now); err != nil {
		return nil, err
	}
	u, err = s.changeUserForce(ctx, a.place, a.pool, key, c.Now, smithy.Val(in.ForceAliasCreation), func(tx *kv.Tx, u *user) error {
		code, err := s.takeCode(tx, a.place, key, purposeSignUp, smithy.Val(in.ConfirmationCode), c.Now)
		if err != nil {
			return err
		}
		if u.Attributes[settings.AttributeEmail] == code.Value {
			u.Attributes[settings.AttributeEmailVerified] = "true"
		}
		u.Status = statusConfirmed
		return nil
	})
	if err != nil {
		return nil, s.countMiss(ctx, a.place, key, purposeSignUp, err)
	}
	return nil, s.postConfirmation(ctx, c, a.place, a.pool, "ConfirmSignUp", a.client.ID(), u, in.ClientMetadata)
}

// namedUser finds the user of an unsigned request, checked against the client's
// secret. Without an error and a user, the client hides that there is none.
func (s *Service) namedUser(ctx context.Context, a *app, name, hash string) (string, *user, error) {
	key, u, err := s.findUser(s.reader(ctx), a.place, a.pool, name)
	if err != nil {
		return "", nil, err
	}
	names := []string{name}
	if u != nil {
		names = append(names, u.Username)
	}
	if err := s.checkSecretHash(a.client, hash, names...); err != nil {
		return "", nil, err
	}
	if u == nil && !a.client.HidesUsers() {
		return "", nil, errNoUser()
	}
	return key, u, nil
}

// pretendDelivery is what a hidden missing user is answered: an address made
// from the name, where the name is one.
func (s *Service) pretendDelivery(ctx context.Context, a *app, name string) (*api.CodeDeliveryDetailsType, error) {
	if settings.IsEmail(name) {
		return deliveryTo(name), nil
	}
	keys, err := s.keysOf(ctx, a.place)
	if err != nil {
		return nil, err
	}
	const letters = "abcdefghijklmnopqrstuvwxyz"
	b := ghost(keys.ghost, "address", a.pool.Fold(name))
	return deliveryTo(letters[b[0]%26:][:1] + "@" + letters[b[1]%26:][:1]), nil
}

func (s *Service) resendConfirmationCode(ctx context.Context, c *service.Call, in *api.ResendConfirmationCodeInput) (*api.ResendConfirmationCodeOutput, error) {
	a, err := s.appOf(ctx, smithy.Val(in.ClientId))
	if err != nil {
		return nil, err
	}
	key, u, err := s.namedUser(ctx, a, smithy.Val(in.Username), smithy.Val(in.SecretHash))
	if err != nil {
		return nil, err
	}
	if u == nil || !u.Enabled && a.client.HidesUsers() {
		d, err := s.pretendDelivery(ctx, a, smithy.Val(in.Username))
		return &api.ResendConfirmationCodeOutput{CodeDeliveryDetails: d}, err
	}
	if u.Status != statusUnconfirmed {
		return nil, api.ErrInvalidParameterException("User is already confirmed.")
	}
	if err := s.allow(ctx, a.place, key, "ResendConfirmationCode", rateResend, c.Now); err != nil {
		return nil, err
	}
	d, err := s.sendSignUpCode(ctx, c, a, key, u)
	if err == nil && d == nil {
		return nil, api.ErrInvalidParameterException("Cannot resend codes. Auto verification not turned on.")
	}
	return &api.ResendConfirmationCodeOutput{CodeDeliveryDetails: d}, err
}
