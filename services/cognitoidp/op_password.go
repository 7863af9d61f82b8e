package cognitoidp

import (
	"context"
	"time"

	api "moln.dev/moln/api/cognitoidp"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/cognitoidp/settings"
)

func errNoRecovery() error {
	return api.ErrInvalidParameterException("Cannot reset password for the user as there is no registered/verified email or phone_number")
}

func (s *Service) forgotPassword(ctx context.Context, c *service.Call, in *api.ForgotPasswordInput) (*api.ForgotPasswordOutput, error) {
	a, err := s.appOf(ctx, smithy.Val(in.ClientId))
	if err != nil {
		return nil, err
	}
	key, u, err := s.namedUser(ctx, a, smithy.Val(in.Username), smithy.Val(in.SecretHash))
	if err != nil {
		return nil, err
	}
	if !a.pool.Recoverable() {
		return nil, api.ErrNotAuthorizedException("Contact administrator to reset password.")
	}
	if a.client.HidesUsers() && (u == nil || !u.Enabled || !u.verified(settings.AttributeEmail)) {
		d, err := s.pretendDelivery(ctx, a, smithy.Val(in.Username))
		return &api.ForgotPasswordOutput{CodeDeliveryDetails: d}, err
	}
	switch {
	case !u.Enabled:
		return nil, errDisabled()
	case u.Status == statusForceChange:
		return nil, api.ErrNotAuthorizedException("User password cannot be reset in the current state.")
	case !u.verified(settings.AttributeEmail):
		return nil, errNoRecovery()
	}
	if err := s.allow(ctx, a.place, key, "ForgotPassword", rateForgot, c.Now); err != nil {
		return nil, err
	}
	d, err := s.sendForgotCode(ctx, a.place, a.pool, key, u, c.Now)
	return &api.ForgotPasswordOutput{CodeDeliveryDetails: d}, err
}

func (s *Service) sendForgotCode(ctx context.Context, p place, up *pool, key string, u *user, now time.Time) (*api.CodeDeliveryDetailsType, error) {
	digits, err := s.issueCode(ctx, p, key, purposeForgot, "", now, forgotCodeValidity)
	if err != nil {
		return nil, err
	}
	return s.sendCode(ctx, up, u, u.Attributes[settings.AttributeEmail], digits)
}

func (s *Service) confirmForgotPassword(ctx context.Context, c *service.Call, in *api.ConfirmForgotPasswordInput) (*api.ConfirmForgotPasswordOutput, error) {
	a, err := s.appOf(ctx, smithy.Val(in.ClientId))
	if err != nil {
		return nil, err
	}
	key, u, err := s.namedUser(ctx, a, smithy.Val(in.Username), smithy.Val(in.SecretHash))
	if err != nil {
		return nil, err
	}
	if err := settings.CheckPassword(a.pool.PasswordPolicy(), smithy.Val(in.Password)); err != nil {
		return nil, err
	}
	if u == nil || !u.Enabled && a.client.HidesUsers() {
		return nil, errCodeMismatch()
	}
	if !u.Enabled {
		return nil, errDisabled()
	}
	if err := s.allow(ctx, a.place, key, "ConfirmForgotPassword", rateConfirmForgot, c.Now); err != nil {
		return nil, err
	}
	fresh, err := s.newSecret(ctx, a.place, u.Username, smithy.Val(in.Password))
	if err != nil {
		return nil, err
	}
	u, err = s.changeUser(ctx, a.place, a.pool, key, c.Now, func(tx *kv.Tx, u *user) error {
		if _, err := s.takeCode(tx, a.place, key, purposeForgot, smithy.Val(in.ConfirmationCode), c.Now); err != nil {
			return err
		}
		u.Secret, u.Status, u.TemporaryUntil = fresh, statusConfirmed, time.Time{}
		if err := tx.Delete(a.key(kindGuard, key)); err != nil {
			return err
		}
		return endLogins(tx, a.place, key)
	})
	if err != nil {
		return nil, s.countMiss(ctx, a.place, key, purposeForgot, err)
	}
	return nil, s.postConfirmation(ctx, c, a.place, a.pool, "ConfirmForgotPassword", a.client.ID(), u, in.ClientMetadata)
}

func (s *Service) changePassword(ctx context.Context, c *service.Call, in *api.ChangePasswordInput) (*api.ChangePasswordOutput, error) {
	b, err := s.bearerOf(ctx, smithy.Val(in.AccessToken), c.Now)
	if err != nil {
		return nil, err
	}
	if err := s.allow(ctx, b.place, b.key, "ChangePassword", rateChange, c.Now); err != nil {
		return nil, err
	}
	previous := smithy.Val(in.PreviousPassword)
	err = s.guarded(ctx, b.place, b.key, c.Now, func() (bool, error) { return s.matches(ctx, b.user.Secret, previous) })
	if err != nil {
		return nil, err
	}
	if err := settings.CheckPassword(b.pool.PasswordPolicy(), smithy.Val(in.ProposedPassword)); err != nil {
		return nil, err
	}
	return nil, s.setPassword(ctx, b.place, b.pool, b.key, b.user.Username, smithy.Val(in.ProposedPassword), c.Now, func(*kv.Tx, *user) error { return nil })
}

// setPassword stores a new password, and what else fn changes.
func (s *Service) setPassword(ctx context.Context, p place, up *pool, key, username, password string, now time.Time, fn func(tx *kv.Tx, u *user) error) error {
	fresh, err := s.newSecret(ctx, p, username, password)
	if err != nil {
		return err
	}
	_, err = s.changeUser(ctx, p, up, key, now, func(tx *kv.Tx, u *user) error {
		u.Secret = fresh
		return fn(tx, u)
	})
	return err
}
