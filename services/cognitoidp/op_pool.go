package cognitoidp

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	api "moln.dev/moln/api/cognitoidp"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/ident"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/tuple"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/cognitoidp/settings"
)

const (
	listDefault = 60 // items of a page where the request names no number
	tagsMax     = 50
)

func (s *Service) createUserPool(ctx context.Context, c *service.Call, in *api.CreateUserPoolInput) (*api.CreateUserPoolOutput, error) {
	p := place{c.Account, c.Region, c.Region + "_" + s.d.Ident.Of(ident.AlphabetAlnum, poolNameSuffixCharacters)}
	up, err := newPool(p, in)
	if err != nil {
		return nil, err
	}
	up.Settings.CreationDate = ptr(c.Now)
	if err := up.Configure(c.Now); err != nil {
		return nil, err
	}
	keys, err := s.newKeys(p.Pool)
	if err != nil {
		return nil, err
	}
	err = s.d.KV.Update(ctx, func(tx *kv.Tx) error {
		if err := tx.Put(p.key(kindKey), keys); err != nil {
			return err
		}
		if err := put(tx, poolRefKey(p.Pool), p); err != nil {
			return err
		}
		return put(tx, p.poolKey(), up)
	})
	if err != nil {
		return nil, err
	}
	out := up.Settings
	out.EstimatedNumberOfUsers = ptr(int32(0))
	return &api.CreateUserPoolOutput{UserPool: &out}, nil
}

// newPool takes over what only creation can set.
func newPool(p place, in *api.CreateUserPoolInput) (*pool, error) {
	if len(in.AliasAttributes) > 0 && len(in.UsernameAttributes) > 0 {
		return nil, api.ErrInvalidParameterException("Only one of the aliasAttributes or usernameAttributes can be set in a user pool")
	}
	schema, err := settings.BuildSchema(in.Schema)
	if err != nil {
		return nil, err
	}
	if err := checkTags(in.UserPoolTags); err != nil {
		return nil, err
	}
	up := &pool{Settings: api.UserPoolType{
		Id: ptr(p.Pool), Arn: ptr(p.arn()), Name: in.PoolName, SchemaAttributes: schema,
		AliasAttributes: in.AliasAttributes, UsernameAttributes: in.UsernameAttributes, UsernameConfiguration: in.UsernameConfiguration,
	}}
	if u := up.Settings.UsernameConfiguration; u != nil && u.CaseSensitive == nil {
		u.CaseSensitive = ptr(false)
	}
	s := &up.Settings
	s.Policies, s.DeletionProtection, s.LambdaConfig = in.Policies, in.DeletionProtection, in.LambdaConfig
	s.AutoVerifiedAttributes, s.SmsVerificationMessage = in.AutoVerifiedAttributes, in.SmsVerificationMessage
	s.EmailVerificationMessage, s.EmailVerificationSubject = in.EmailVerificationMessage, in.EmailVerificationSubject
	s.VerificationMessageTemplate, s.SmsAuthenticationMessage = in.VerificationMessageTemplate, in.SmsAuthenticationMessage
	s.MfaConfiguration, s.UserAttributeUpdateSettings = in.MfaConfiguration, in.UserAttributeUpdateSettings
	s.DeviceConfiguration, s.EmailConfiguration, s.SmsConfiguration = in.DeviceConfiguration, in.EmailConfiguration, in.SmsConfiguration
	s.UserPoolTags, s.AdminCreateUserConfig, s.UserPoolAddOns = in.UserPoolTags, in.AdminCreateUserConfig, in.UserPoolAddOns
	s.DcrConfiguration, s.AccountRecoverySetting, s.UserPoolTier = in.DcrConfiguration, in.AccountRecoverySetting, in.UserPoolTier
	s.KeyConfiguration, s.IssuerConfiguration, s.AcrConfiguration = in.KeyConfiguration, in.IssuerConfiguration, in.AcrConfiguration
	return up, nil
}

func (s *Service) describeUserPool(ctx context.Context, c *service.Call, in *api.DescribeUserPoolInput) (*api.DescribeUserPoolOutput, error) {
	p := signed(c, in.UserPoolId)
	up, err := s.loadPool(s.reader(ctx), p)
	if err != nil {
		return nil, err
	}
	n := int32(0)
	r := kv.Prefix(p.key(kindUser))
	r.Limit = describedUsersMax
	err = s.d.KV.Each(ctx, r, func(kv.Item) (bool, error) { n++; return true, nil })
	if err != nil {
		return nil, err
	}
	up.Settings.EstimatedNumberOfUsers = &n
	return &api.DescribeUserPoolOutput{UserPool: &up.Settings}, nil
}

// changePool loads a pool, lets fn change it and stores it, in one transaction.
func (s *Service) changePool(ctx context.Context, p place, fn func(up *pool) (*pool, error)) error {
	return s.d.KV.Update(ctx, func(tx *kv.Tx) error {
		up, err := s.loadPool(txReader{tx}, p)
		if err != nil {
			return err
		}
		if up, err = fn(up); err != nil {
			return err
		}
		return put(tx, p.poolKey(), up)
	}, p.poolKey())
}

func (s *Service) updateUserPool(ctx context.Context, c *service.Call, in *api.UpdateUserPoolInput) (*api.UpdateUserPoolOutput, error) {
	if err := checkTags(in.UserPoolTags); err != nil {
		return nil, err
	}
	raw, err := json.Marshal(in) // fn may run twice, and configure changes what in points at
	if err != nil {
		return nil, err
	}
	return nil, s.changePool(ctx, signed(c, in.UserPoolId), func(up *pool) (*pool, error) {
		var again api.UpdateUserPoolInput
		if err := json.Unmarshal(raw, &again); err != nil {
			return nil, err
		}
		next := up.Updated(&again)
		if err := next.Configure(c.Now); err != nil {
			return nil, err
		}
		return next, nil
	})
}

func (s *Service) deleteUserPool(ctx context.Context, c *service.Call, in *api.DeleteUserPoolInput) (*api.DeleteUserPoolOutput, error) {
	p := signed(c, in.UserPoolId)
	err := s.d.KV.Update(ctx, func(tx *kv.Tx) error {
		up, err := s.loadPool(txReader{tx}, p)
		if err != nil {
			return err
		}
		if smithy.Val(up.Settings.DeletionProtection) == deletionProtectionOn {
			return api.ErrInvalidParameterException("The user pool cannot be deleted because deletion protection is activated. Deletion protection must be inactivated first.")
		}
		clients := kv.Prefix(p.key(kindClient))
		items, err := tx.Scan(clients)
		if err != nil {
			return err
		}
		for _, it := range items {
			id, err := lastPart(p.key(kindClient), it.Key)
			if err != nil {
				return err
			}
			if err := tx.Delete(clientRefKey(id)); err != nil {
				return err
			}
		}
		if err := dropPrefix(tx, tuple.Key(p.Account, p.Region, "in", p.Pool)); err != nil {
			return err
		}
		if err := tx.Delete(poolRefKey(p.Pool)); err != nil {
			return err
		}
		return tx.Delete(p.poolKey())
	}, p.poolKey())
	if err == nil {
		s.forgetKeys(p.Pool)
	}
	return nil, err
}

func (s *Service) listUserPools(ctx context.Context, c *service.Call, in *api.ListUserPoolsInput) (*api.ListUserPoolsOutput, error) {
	prefix := tuple.Key(c.Account, c.Region, "pool")
	after, err := s.openPage(in.NextToken, prefix)
	if err != nil {
		return nil, err
	}
	pg := page[api.UserPoolDescriptionType]{limit: int(smithy.Val(in.MaxResults)), items: []api.UserPoolDescriptionType{}}
	err = each(ctx, s.d.KV, prefix, after, func(key []byte, up *pool) (bool, error) {
		u := up.Settings
		return pg.add(key, api.UserPoolDescriptionType{
			Id: u.Id, Name: u.Name, LambdaConfig: u.LambdaConfig, LastModifiedDate: u.LastModifiedDate, CreationDate: u.CreationDate,
		}), nil
	})
	if err != nil {
		return nil, err
	}
	return &api.ListUserPoolsOutput{UserPools: pg.items, NextToken: s.pageToken(pg.next)}, nil
}

func (s *Service) addCustomAttributes(ctx context.Context, c *service.Call, in *api.AddCustomAttributesInput) (*api.AddCustomAttributesOutput, error) {
	return nil, s.changePool(ctx, signed(c, in.UserPoolId), func(up *pool) (*pool, error) {
		schema, err := settings.AddCustom(up.Settings.SchemaAttributes, slices.Clone(in.CustomAttributes))
		up.Settings.SchemaAttributes, up.Settings.LastModifiedDate = schema, ptr(c.Now)
		return up, err
	})
}

func (s *Service) getUserPoolMfaConfig(ctx context.Context, c *service.Call, in *api.GetUserPoolMfaConfigInput) (*api.GetUserPoolMfaConfigOutput, error) {
	up, err := s.loadPool(s.reader(ctx), signed(c, in.UserPoolId))
	if err != nil {
		return nil, err
	}
	return &api.GetUserPoolMfaConfigOutput{MfaConfiguration: up.Settings.MfaConfiguration}, nil
}

func (s *Service) setUserPoolMfaConfig(ctx context.Context, c *service.Call, in *api.SetUserPoolMfaConfigInput) (*api.SetUserPoolMfaConfigOutput, error) {
	if _, err := s.loadPool(s.reader(ctx), signed(c, in.UserPoolId)); err != nil {
		return nil, err
	}
	totp := in.SoftwareTokenMfaConfiguration
	off := smithy.Val(in.MfaConfiguration) == settings.MultiFactorOff || in.MfaConfiguration == nil
	if !off || in.SmsMfaConfiguration != nil || in.EmailMfaConfiguration != nil || in.WebAuthnConfiguration != nil || totp != nil && smithy.Val(totp.Enabled) {
		return nil, settings.Unsupported("Multi-factor authentication")
	}
	return &api.SetUserPoolMfaConfigOutput{MfaConfiguration: ptr(settings.MultiFactorOff)}, nil
}

// poolOfARN is the pool that a tag operation names; it must be the caller's.
func poolOfARN(c *service.Call, text *string) (place, error) {
	p, err := parsePoolARN(smithy.Val(text))
	if err != nil || p.Account != c.Account || p.Region != c.Region {
		return place{}, api.ErrInvalidParameterException("Invalid resource ARN: %s", smithy.Val(text))
	}
	return p, nil
}

func checkTags(tags map[string]string) error {
	if len(tags) > tagsMax {
		return api.ErrInvalidParameterException("The number of tags exceeds the limit of %d.", tagsMax)
	}
	for k := range tags {
		if strings.HasPrefix(strings.ToLower(k), "aws:") && !strings.HasPrefix(k, "aws:cloudformation:") {
			return api.ErrInvalidParameterException("Tag keys must not begin with aws:")
		}
	}
	return nil
}

func (s *Service) tagResource(ctx context.Context, c *service.Call, in *api.TagResourceInput) (*api.TagResourceOutput, error) {
	p, err := poolOfARN(c, in.ResourceArn)
	if err != nil {
		return nil, err
	}
	return nil, s.changePool(ctx, p, func(up *pool) (*pool, error) {
		tags := maps.Clone(up.Settings.UserPoolTags)
		if tags == nil {
			tags = map[string]string{}
		}
		maps.Copy(tags, in.Tags)
		up.Settings.UserPoolTags = tags
		return up, checkTags(tags)
	})
}

func (s *Service) untagResource(ctx context.Context, c *service.Call, in *api.UntagResourceInput) (*api.UntagResourceOutput, error) {
	p, err := poolOfARN(c, in.ResourceArn)
	if err != nil {
		return nil, err
	}
	return nil, s.changePool(ctx, p, func(up *pool) (*pool, error) {
		for _, k := range in.TagKeys {
			delete(up.Settings.UserPoolTags, k)
		}
		return up, nil
	})
}

func (s *Service) listTagsForResource(ctx context.Context, c *service.Call, in *api.ListTagsForResourceInput) (*api.ListTagsForResourceOutput, error) {
	p, err := poolOfARN(c, in.ResourceArn)
	if err != nil {
		return nil, err
	}
	up, err := s.loadPool(s.reader(ctx), p)
	if err != nil {
		return nil, err
	}
	return &api.ListTagsForResourceOutput{Tags: up.Settings.UserPoolTags}, nil
}
