package cognitoidp

import (
	"context"
	"slices"
	"time"

	api "moln.dev/moln/api/cognitoidp"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/cognitoidp/settings"
)

const (
	messageResend   = "RESEND"
	messageSuppress = "SUPPRESS"
	mediumEmail     = "EMAIL"
)

// target is the user that an administrator's request names.
type target struct {
	place
	pool *pool
	key  string
	user *user
}

func (s *Service) targetOf(ctx context.Context, c *service.Call, poolID, name *string) (*target, error) {
	p := signed(c, poolID)
	r := s.reader(ctx)
	up, err := s.loadPool(r, p)
	if err != nil {
		return nil, err
	}
	key, u, err := s.getUser(r, p, up, smithy.Val(name))
	if err != nil {
		return nil, err
	}
	return &target{p, up, key, u}, nil
}

func (s *Service) adminCreateUser(ctx context.Context, c *service.Call, in *api.AdminCreateUserInput) (*api.AdminCreateUserOutput, error) {
	p := signed(c, in.UserPoolId)
	up, err := s.loadPool(s.reader(ctx), p)
	if err != nil {
		return nil, err
	}
	if len(in.DesiredDeliveryMediums) > 0 && !slices.Contains(in.DesiredDeliveryMediums, mediumEmail) && smithy.Val(in.MessageAction) != messageSuppress {
		return nil, settings.Unsupported("DesiredDeliveryMediums SMS (text messages)")
	}
	password := smithy.Val(in.TemporaryPassword)
	if password == "" {
		password = settings.TemporaryPassword(s.d.Ident, up.PasswordPolicy())
	}
	if err := settings.CheckPassword(up.PasswordPolicy(), password); err != nil {
		return nil, err
	}
	if smithy.Val(in.MessageAction) == messageResend {
		return s.resendInvitation(ctx, c, p, up, in, password)
	}
	attributes, err := settings.AttributeMap(in.UserAttributes)
	if err != nil {
		return nil, err
	}
	key, u, err := s.newUser(up, smithy.Val(in.Username), attributes)
	if err != nil {
		return nil, err
	}
	if _, other, err := s.findUser(s.reader(ctx), p, up, smithy.Val(in.Username)); err != nil {
		return nil, err
	} else if other != nil {
		return nil, api.ErrUsernameExistsException("User account already exists")
	}
	if _, err := s.preSignUp(ctx, c, p, up, "AdminCreateUser", "", u, in.ValidationData, in.ClientMetadata); err != nil {
		return nil, err
	}
	u.Created, u.Modified, u.Status = c.Now, c.Now, statusForceChange
	u.TemporaryUntil = c.Now.AddDate(0, 0, up.TemporaryDays())
	if u.Secret, err = s.newSecret(ctx, p, u.Username, password); err != nil {
		return nil, err
	}
	if err := s.insertUser(ctx, p, up, key, u, smithy.Val(in.ForceAliasCreation)); err != nil {
		return nil, err
	}
	if smithy.Val(in.MessageAction) != messageSuppress {
		if err := s.sendInvitation(ctx, up, u, smithy.Val(in.Username), password); err != nil {
			return nil, err
		}
	}
	out := u.describe(nil)
	return &api.AdminCreateUserOutput{User: &out}, nil
}

func (s *Service) resendInvitation(ctx context.Context, c *service.Call, p place, up *pool, in *api.AdminCreateUserInput, password string) (*api.AdminCreateUserOutput, error) {
	key, u, err := s.getUser(s.reader(ctx), p, up, smithy.Val(in.Username))
	if err != nil {
		return nil, err
	}
	if u.Status != statusForceChange {
		return nil, api.ErrUnsupportedUserStateException("Resend not possible. User status is not FORCE_CHANGE_PASSWORD")
	}
	if err := s.setTemporary(ctx, p, up, key, u.Username, password, c.Now); err != nil {
		return nil, err
	}
	if err := s.sendInvitation(ctx, up, u, smithy.Val(in.Username), password); err != nil {
		return nil, err
	}
	out := u.describe(nil)
	return &api.AdminCreateUserOutput{User: &out}, nil
}

// setTemporary gives a user a password that must be changed.
func (s *Service) setTemporary(ctx context.Context, p place, up *pool, key, username, password string, now time.Time) error {
	return s.setPassword(ctx, p, up, key, username, password, now, func(tx *kv.Tx, u *user) error {
		u.Status, u.TemporaryUntil = statusForceChange, now.AddDate(0, 0, up.TemporaryDays())
		if err := tx.Delete(p.key(kindGuard, key)); err != nil {
			return err
		}
		return endLogins(tx, p, key)
	})
}

// sendInvitation mails a temporary password where there is an address.
func (s *Service) sendInvitation(ctx context.Context, up *pool, u *user, name, password string) error {
	address := u.Attributes[settings.AttributeEmail]
	if address == "" {
		return nil
	}
	subject, text := up.Invitation()
	shown := *u
	shown.Username = name
	return s.sendMail(ctx, up, &shown, address, subject, text, password)
}

func (s *Service) adminGetUser(ctx context.Context, c *service.Call, in *api.AdminGetUserInput) (*api.AdminGetUserOutput, error) {
	t, err := s.targetOf(ctx, c, in.UserPoolId, in.Username)
	if err != nil {
		return nil, err
	}
	d := t.user.describe(nil)
	return &api.AdminGetUserOutput{
		Username: d.Username, UserAttributes: d.Attributes, UserCreateDate: d.UserCreateDate, UserLastModifiedDate: d.UserLastModifiedDate,
		Enabled: d.Enabled, UserStatus: d.UserStatus,
	}, nil
}

func (s *Service) adminUpdateUserAttributes(ctx context.Context, c *service.Call, in *api.AdminUpdateUserAttributesInput) (*api.AdminUpdateUserAttributesOutput, error) {
	t, err := s.targetOf(ctx, c, in.UserPoolId, in.Username)
	if err != nil {
		return nil, err
	}
	given, err := settings.AttributeMap(in.UserAttributes)
	if err != nil {
		return nil, err
	}
	// An administrator who says that the new address is verified need not wait.
	trusted := given[settings.AttributeEmailVerified] == "true"
	plan, err := planChanges(t.pool, t.user, given)
	if err != nil {
		return nil, err
	}
	if trusted {
		for name, value := range plan.later {
			plan.now[name] = value
		}
		clear(plan.later)
	}
	before := t.user.Attributes[settings.AttributeEmail]
	u, err := s.changeUser(ctx, t.place, t.pool, t.key, c.Now, func(_ *kv.Tx, u *user) error {
		for _, name := range addressesFirst(plan.now) {
			u.set(name, plan.now[name])
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	address := plan.later[settings.AttributeEmail]
	if address == "" && u.Attributes[settings.AttributeEmail] != before && !trusted && t.pool.AutoVerifies(settings.AttributeEmail) {
		address = u.Attributes[settings.AttributeEmail]
	}
	if address == "" {
		return nil, nil
	}
	_, err = s.sendAttributeCode(ctx, t.place, t.pool, t.key, u, address, c)
	return nil, err
}

// addressesFirst orders names so that what says an address is verified comes
// after the address.
func addressesFirst(m map[string]string) []string {
	var first, rest []string
	for name := range m {
		if name == settings.AttributeEmail || name == settings.AttributePhone {
			first = append(first, name)
		} else {
			rest = append(rest, name)
		}
	}
	return append(first, rest...)
}

func (s *Service) adminDeleteUserAttributes(ctx context.Context, c *service.Call, in *api.AdminDeleteUserAttributesInput) (*api.AdminDeleteUserAttributesOutput, error) {
	t, err := s.targetOf(ctx, c, in.UserPoolId, in.Username)
	if err != nil {
		return nil, err
	}
	return nil, s.dropAttributes(ctx, c, t.place, t.pool, t.key, t.user, in.UserAttributeNames)
}

func (s *Service) adminDeleteUser(ctx context.Context, c *service.Call, in *api.AdminDeleteUserInput) (*api.AdminDeleteUserOutput, error) {
	t, err := s.targetOf(ctx, c, in.UserPoolId, in.Username)
	if err != nil {
		return nil, err
	}
	return nil, s.deleteUser(ctx, t.place, t.pool, t.key)
}

func (s *Service) setEnabled(ctx context.Context, c *service.Call, poolID, name *string, enabled bool) error {
	t, err := s.targetOf(ctx, c, poolID, name)
	if err != nil {
		return err
	}
	_, err = s.changeUser(ctx, t.place, t.pool, t.key, c.Now, func(tx *kv.Tx, u *user) error {
		u.Enabled = enabled
		if enabled {
			return nil
		}
		return endLogins(tx, t.place, t.key)
	})
	return err
}

func (s *Service) adminEnableUser(ctx context.Context, c *service.Call, in *api.AdminEnableUserInput) (*api.AdminEnableUserOutput, error) {
	return nil, s.setEnabled(ctx, c, in.UserPoolId, in.Username, true)
}

func (s *Service) adminDisableUser(ctx context.Context, c *service.Call, in *api.AdminDisableUserInput) (*api.AdminDisableUserOutput, error) {
	return nil, s.setEnabled(ctx, c, in.UserPoolId, in.Username, false)
}

func (s *Service) adminConfirmSignUp(ctx context.Context, c *service.Call, in *api.AdminConfirmSignUpInput) (*api.AdminConfirmSignUpOutput, error) {
	t, err := s.targetOf(ctx, c, in.UserPoolId, in.Username)
	if err != nil {
		return nil, err
	}
	u, err := s.changeUser(ctx, t.place, t.pool, t.key, c.Now, func(_ *kv.Tx, u *user) error {
		if u.Status != statusUnconfirmed {
			return api.ErrNotAuthorizedException("User cannot be confirmed. Current status is %s", u.Status)
		}
		u.Status = statusConfirmed
		return nil
	})
	if err != nil {
		return nil, err
	}
	return nil, s.postConfirmation(ctx, c, t.place, t.pool, "ConfirmSignUp", "", u, in.ClientMetadata)
}

func (s *Service) adminResetUserPassword(ctx context.Context, c *service.Call, in *api.AdminResetUserPasswordInput) (*api.AdminResetUserPasswordOutput, error) {
	t, err := s.targetOf(ctx, c, in.UserPoolId, in.Username)
	if err != nil {
		return nil, err
	}
	switch {
	case t.user.Status == statusForceChange || t.user.Status == statusUnconfirmed:
		return nil, api.ErrNotAuthorizedException("User password cannot be reset in the current state.")
	case !t.user.verified(settings.AttributeEmail):
		return nil, errNoRecovery()
	}
	u, err := s.changeUser(ctx, t.place, t.pool, t.key, c.Now, func(tx *kv.Tx, u *user) error {
		u.Status = statusReset
		return endLogins(tx, t.place, t.key)
	})
	if err != nil {
		return nil, err
	}
	_, err = s.sendForgotCode(ctx, t.place, t.pool, t.key, u, c.Now)
	return nil, err
}

func (s *Service) adminSetUserPassword(ctx context.Context, c *service.Call, in *api.AdminSetUserPasswordInput) (*api.AdminSetUserPasswordOutput, error) {
	t, err := s.targetOf(ctx, c, in.UserPoolId, in.Username)
	if err != nil {
		return nil, err
	}
	password := smithy.Val(in.Password)
	if err := settings.CheckPassword(t.pool.PasswordPolicy(), password); err != nil {
		return nil, err
	}
	if !smithy.Val(in.Permanent) {
		return nil, s.setTemporary(ctx, t.place, t.pool, t.key, t.user.Username, password, c.Now)
	}
	return nil, s.setPassword(ctx, t.place, t.pool, t.key, t.user.Username, password, c.Now, func(tx *kv.Tx, u *user) error {
		u.Status, u.TemporaryUntil = statusConfirmed, time.Time{}
		if err := tx.Delete(t.place.key(kindGuard, t.key)); err != nil {
			return err
		}
		return endLogins(tx, t.place, t.key)
	})
}

func (s *Service) adminUserGlobalSignOut(ctx context.Context, c *service.Call, in *api.AdminUserGlobalSignOutInput) (*api.AdminUserGlobalSignOutOutput, error) {
	t, err := s.targetOf(ctx, c, in.UserPoolId, in.Username)
	if err != nil {
		return nil, err
	}
	return nil, s.signOut(ctx, t.place, t.key)
}

func (s *Service) listUsers(ctx context.Context, c *service.Call, in *api.ListUsersInput) (*api.ListUsersOutput, error) {
	p := signed(c, in.UserPoolId)
	up, err := s.loadPool(s.reader(ctx), p)
	if err != nil {
		return nil, err
	}
	filter, err := parseFilter(smithy.Val(in.Filter))
	if err != nil {
		return nil, err
	}
	var wanted func(string) bool
	if len(in.AttributesToGet) > 0 {
		for _, name := range in.AttributesToGet {
			if settings.FindAttribute(up.Settings.SchemaAttributes, name) == nil {
				return nil, api.ErrInvalidParameterException("One or more requested attributes do not exist in user pool.")
			}
		}
		wanted = func(name string) bool { return slices.Contains(in.AttributesToGet, name) }
	}
	prefix := p.key(kindUser)
	after, err := s.openPage(in.PaginationToken, prefix)
	if err != nil {
		return nil, err
	}
	pg := page[api.UserType]{limit: limitOf(in.Limit), items: []api.UserType{}}
	err = each(ctx, s.d.KV, prefix, after, func(key []byte, u *user) (bool, error) {
		if !filter.matches(u, up.CaseSensitive()) {
			return true, nil
		}
		return pg.add(key, u.describe(wanted)), nil
	})
	if err != nil {
		return nil, err
	}
	return &api.ListUsersOutput{Users: pg.items, PaginationToken: s.pageToken(pg.next)}, nil
}
