package cognitoidp

import (
	"context"
	"slices"

	api "moln.dev/moln/api/cognitoidp"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/cognitoidp/settings"
)

func (s *Service) getUserSelf(ctx context.Context, c *service.Call, in *api.GetUserInput) (*api.GetUserOutput, error) {
	b, err := s.bearerOf(ctx, smithy.Val(in.AccessToken), c.Now)
	if err != nil {
		return nil, err
	}
	return &api.GetUserOutput{Username: ptr(b.user.Username), UserAttributes: b.user.wire(b.client.MayRead)}, nil
}

// changes is a set of new attribute values, checked, and what of it waits for
// the new address to be verified.
type changes struct {
	now, later map[string]string
}

// planChanges checks values against the schema and splits off what must be
// verified first.
func planChanges(up *pool, u *user, given map[string]string) (changes, error) {
	out := changes{map[string]string{}, map[string]string{}}
	for name, value := range given {
		a := settings.FindAttribute(up.Settings.SchemaAttributes, name)
		if a != nil && !smithy.Val(a.Mutable) && u.Attributes[name] != value {
			return out, api.ErrInvalidParameterException("user.%s: Attribute cannot be updated.\n", name)
		}
		if err := settings.CheckAttribute(up.Settings.SchemaAttributes, name, value); err != nil {
			return out, err
		}
		if value == "" && slices.Contains(settings.RequiredAttributes(up.Settings.SchemaAttributes), name) {
			return out, settings.SchemaFault(name + ": The attribute is required")
		}
		if up.VerifiesBeforeUpdate(name) && u.verified(name) && u.Attributes[name] != value && value != "" {
			out.later[name] = value
			continue
		}
		out.now[name] = value
	}
	return out, nil
}

func (s *Service) updateUserAttributes(ctx context.Context, c *service.Call, in *api.UpdateUserAttributesInput) (*api.UpdateUserAttributesOutput, error) {
	b, err := s.bearerOf(ctx, smithy.Val(in.AccessToken), c.Now)
	if err != nil {
		return nil, err
	}
	given, err := settings.AttributeMap(in.UserAttributes)
	if err != nil {
		return nil, err
	}
	for name := range given {
		if !b.client.MayWrite(b.pool.Settings.SchemaAttributes, name) {
			return nil, api.ErrNotAuthorizedException("A client attempted to write unauthorized attribute")
		}
	}
	plan, err := planChanges(b.pool, b.user, given)
	if err != nil {
		return nil, err
	}
	oldEmail := b.user.Attributes[settings.AttributeEmail]
	u, err := s.changeUser(ctx, b.place, b.pool, b.key, c.Now, func(_ *kv.Tx, u *user) error {
		for name, value := range plan.now {
			u.set(name, value)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	address := plan.later[settings.AttributeEmail]
	if address == "" && u.Attributes[settings.AttributeEmail] != oldEmail {
		address = u.Attributes[settings.AttributeEmail]
	}
	out := &api.UpdateUserAttributesOutput{CodeDeliveryDetailsList: []api.CodeDeliveryDetailsType{}}
	if address == "" || !b.pool.AutoVerifies(settings.AttributeEmail) {
		return out, nil
	}
	d, err := s.sendAttributeCode(ctx, b.place, b.pool, b.key, u, address, c)
	if err != nil {
		return nil, err
	}
	out.CodeDeliveryDetailsList = append(out.CodeDeliveryDetailsList, *d)
	return out, nil
}

func (s *Service) sendAttributeCode(ctx context.Context, p place, up *pool, key string, u *user, address string, c *service.Call) (*api.CodeDeliveryDetailsType, error) {
	digits, err := s.issueCode(ctx, p, key, purposeAttribute+settings.AttributeEmail, address, c.Now, signUpCodeValidity)
	if err != nil {
		return nil, err
	}
	return s.sendCode(ctx, up, u, address, digits)
}

func (s *Service) deleteUserAttributes(ctx context.Context, c *service.Call, in *api.DeleteUserAttributesInput) (*api.DeleteUserAttributesOutput, error) {
	b, err := s.bearerOf(ctx, smithy.Val(in.AccessToken), c.Now)
	if err != nil {
		return nil, err
	}
	for _, name := range in.UserAttributeNames {
		if !b.client.MayWrite(b.pool.Settings.SchemaAttributes, name) {
			return nil, api.ErrNotAuthorizedException("A client attempted to write unauthorized attribute")
		}
	}
	return nil, s.dropAttributes(ctx, c, b.place, b.pool, b.key, b.user, in.UserAttributeNames)
}

func (s *Service) dropAttributes(ctx context.Context, c *service.Call, p place, up *pool, key string, u *user, names []string) error {
	given := map[string]string{}
	for _, name := range names {
		given[name] = ""
	}
	if _, err := planChanges(up, u, given); err != nil {
		return err
	}
	_, err := s.changeUser(ctx, p, up, key, c.Now, func(_ *kv.Tx, u *user) error {
		for _, name := range names {
			u.set(name, "")
		}
		return nil
	})
	return err
}

func (s *Service) deleteUserSelf(ctx context.Context, c *service.Call, in *api.DeleteUserInput) (*api.DeleteUserOutput, error) {
	b, err := s.bearerOf(ctx, smithy.Val(in.AccessToken), c.Now)
	if err != nil {
		return nil, err
	}
	return nil, s.deleteUser(ctx, b.place, b.pool, b.key)
}

func (s *Service) getUserAttributeVerificationCode(ctx context.Context, c *service.Call, in *api.GetUserAttributeVerificationCodeInput) (*api.GetUserAttributeVerificationCodeOutput, error) {
	b, err := s.bearerOf(ctx, smithy.Val(in.AccessToken), c.Now)
	if err != nil {
		return nil, err
	}
	address, err := verifiable(b.user, smithy.Val(in.AttributeName))
	if err != nil {
		return nil, err
	}
	// A change that waits for its code is asked for again.
	waiting, err := find[code](s.reader(ctx), b.place.key(kindCode, b.key, purposeAttribute+settings.AttributeEmail))
	if err != nil {
		return nil, err
	}
	if waiting != nil && waiting.Value != "" && b.pool.VerifiesBeforeUpdate(settings.AttributeEmail) {
		address = waiting.Value
	}
	if err := s.allow(ctx, b.place, b.key, "GetUserAttributeVerificationCode", rateAttributeCode, c.Now); err != nil {
		return nil, err
	}
	d, err := s.sendAttributeCode(ctx, b.place, b.pool, b.key, b.user, address, c)
	return &api.GetUserAttributeVerificationCodeOutput{CodeDeliveryDetails: d}, err
}

// verifiable is the address that a code for an attribute can be sent to.
func verifiable(u *user, attribute string) (string, error) {
	switch {
	case attribute == settings.AttributePhone:
		return "", settings.Unsupported("Verification of phone_number (text messages)")
	case attribute != settings.AttributeEmail:
		return "", api.ErrInvalidParameterException("Invalid attribute name: only email and phone_number can be verified")
	case u.Attributes[attribute] == "":
		return "", api.ErrInvalidParameterException("User does not have an email to verify")
	}
	return u.Attributes[attribute], nil
}

func (s *Service) verifyUserAttribute(ctx context.Context, c *service.Call, in *api.VerifyUserAttributeInput) (*api.VerifyUserAttributeOutput, error) {
	b, err := s.bearerOf(ctx, smithy.Val(in.AccessToken), c.Now)
	if err != nil {
		return nil, err
	}
	if _, err := verifiable(b.user, smithy.Val(in.AttributeName)); err != nil {
		return nil, err
	}
	if err := s.allow(ctx, b.place, b.key, "VerifyUserAttribute", rateVerify, c.Now); err != nil {
		return nil, err
	}
	const purpose = purposeAttribute + settings.AttributeEmail
	_, err = s.changeUser(ctx, b.place, b.pool, b.key, c.Now, func(tx *kv.Tx, u *user) error {
		code, err := s.takeCode(tx, b.place, b.key, purpose, smithy.Val(in.Code), c.Now)
		if err != nil {
			return err
		}
		// The address may have changed since: the code proves the one it was
		// sent to, and only pools that wait for it take that one over now.
		if u.Attributes[settings.AttributeEmail] != code.Value {
			if !b.pool.VerifiesBeforeUpdate(settings.AttributeEmail) {
				return errCodeExpired()
			}
			u.set(settings.AttributeEmail, code.Value)
		}
		u.Attributes[settings.AttributeEmailVerified] = "true"
		return nil
	})
	return nil, s.countMiss(ctx, b.place, b.key, purpose, err)
}
