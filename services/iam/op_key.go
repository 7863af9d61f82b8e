package iam

import (
	"context"
	"slices"
	"time"

	api "moln.dev/moln/api/iam"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/platform/service"
)

// Lengths of AWS's access keys.
const (
	keyIDRandom  = 16
	secretLength = 40
)

func (s *Service) createAccessKey(ctx context.Context, c *service.Call, in *api.CreateAccessKeyInput) (*api.CreateAccessKeyOutput, error) {
	name, err := callerOr(c, in.UserName)
	if err != nil {
		return nil, err
	}
	secret := s.deps.Ident.Alnum(secretLength)
	k := accessKey{ID: "AKIA" + s.deps.Ident.Upper32(keyIDRandom), Account: c.Account, User: name, Created: c.Now.UTC().Truncate(time.Second)}
	k.Secret = s.deps.Seal.Seal(keyPurpose+k.ID, []byte(secret))
	err = s.store.change(ctx, c.Account, user, k.User, func(tx *kv.Tx, e *entity) error {
		if len(e.Keys) >= keysPerUser {
			return api.ErrLimitExceededException("Cannot exceed quota for AccessKeysPerUser: %d", keysPerUser)
		}
		k.User, e.Keys = e.Name, append(e.Keys, k.ID)
		return save(tx, keyKey(k.ID), k)
	})
	if err != nil {
		return nil, err
	}
	return &api.CreateAccessKeyOutput{AccessKey: &api.AccessKey{
		UserName: new(k.User), AccessKeyId: new(k.ID), SecretAccessKey: new(secret), Status: new(k.status()), CreateDate: new(k.Created),
	}}, nil
}

func (s *Service) listAccessKeys(ctx context.Context, c *service.Call, in *api.ListAccessKeysInput) (*api.ListAccessKeysOutput, error) {
	name, err := callerOr(c, in.UserName)
	if err != nil {
		return nil, err
	}
	e, err := s.store.entity(ctx, c.Account, user, name)
	if err != nil {
		return nil, err
	}
	ids, marker, err := pageInOrder(e.Keys, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	out := &api.ListAccessKeysOutput{AccessKeyMetadata: []api.AccessKeyMetadata{}, Marker: marker, IsTruncated: new(marker != nil)}
	for _, id := range ids {
		k, err := s.store.accessKey(ctx, id)
		if err != nil {
			return nil, err
		}
		out.AccessKeyMetadata = append(out.AccessKeyMetadata, api.AccessKeyMetadata{
			UserName: new(e.Name), AccessKeyId: new(k.ID), Status: new(k.status()), CreateDate: new(k.Created),
		})
	}
	return out, nil
}

func (s *Service) updateAccessKey(ctx context.Context, c *service.Call, in *api.UpdateAccessKeyInput) (*api.UpdateAccessKeyOutput, error) {
	return nil, s.changeKey(ctx, c, in.UserName, *in.AccessKeyId, func(tx *kv.Tx, _ *entity, k accessKey) error {
		k.Inactive = *in.Status != api.StatusTypeActive
		return save(tx, keyKey(k.ID), k)
	})
}

func (s *Service) deleteAccessKey(ctx context.Context, c *service.Call, in *api.DeleteAccessKeyInput) (*api.DeleteAccessKeyOutput, error) {
	return nil, s.changeKey(ctx, c, in.UserName, *in.AccessKeyId, func(tx *kv.Tx, e *entity, k accessKey) error {
		e.Keys = slices.DeleteFunc(e.Keys, func(id string) bool { return id == k.ID })
		return tx.Delete(keyKey(k.ID))
	})
}

// changeKey changes a key of a user; another user's key is not found.
func (s *Service) changeKey(ctx context.Context, c *service.Call, given *string, id string, change func(*kv.Tx, *entity, accessKey) error) error {
	name, err := callerOr(c, given)
	if err != nil {
		return err
	}
	missing := api.ErrNoSuchEntityException("The Access Key with id %s cannot be found.", id)
	return s.store.change(ctx, c.Account, user, name, func(tx *kv.Tx, e *entity) error {
		k, err := load[accessKey](tx, keyKey(id), missing)
		if err != nil {
			return err
		}
		if !slices.Contains(e.Keys, id) {
			return missing
		}
		return change(tx, e, k)
	})
}
