package kms

import (
	"context"
	"errors"
	"strings"

	api "moln.dev/moln/api/kms"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
)

// checkAliasName refuses names that no alias may have; the model has checked the
// characters.
func checkAliasName(name string) error {
	switch {
	case !strings.HasPrefix(name, "alias/"):
		return badPrefix()
	case name == "alias/":
		return validation("Invalid identifier")
	case strings.HasPrefix(name, managedAliasPrefix):
		return api.ErrInvalidAliasNameException("Alias names beginning with %s are reserved for AWS managed keys.", managedAliasPrefix)
	case strings.Contains(name, ":"):
		return validation("%s contains invalid characters for an alias", name)
	}
	return nil
}

func badPrefix() error {
	return validation(`Alias must start with the prefix "alias/". Please see https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html`)
}

// ownAlias gives an alias of the call's account and region.
func (s *Service) ownAlias(ctx context.Context, c *service.Call, name string) (*alias, error) {
	a, err := s.store.alias(ctx, placeOf(c), name)
	if errors.Is(err, errAbsent) {
		if !strings.HasPrefix(name, "alias/") {
			return nil, badPrefix()
		}
		return nil, noAlias(aliasARN(c.Account, c.Region, name))
	}
	return a, err
}

// aliasTarget gives the key that an alias is to name: one of the same account
// and region.
func (s *Service) aliasTarget(ctx context.Context, c *service.Call, id string) (*key, error) {
	k, err := s.find(ctx, c, id, false)
	if err != nil {
		return nil, err
	}
	if k.place() != placeOf(c) {
		return nil, validation("The key must be in the account and region of the alias.")
	}
	return k.key, k.notPending()
}

func (s *Service) createAlias(ctx context.Context, c *service.Call, in *api.CreateAliasInput) (*api.CreateAliasOutput, error) {
	if err := checkAliasName(*in.AliasName); err != nil {
		return nil, err
	}
	k, err := s.aliasTarget(ctx, c, *in.TargetKeyId)
	if err != nil {
		return nil, err
	}
	err = s.store.setAlias(ctx, placeOf(c), *in.AliasName, "", k.ID, func(have *alias, target *key) (alias, error) {
		if have != nil {
			return alias{}, api.ErrAlreadyExistsException("An alias with the name %s already exists", aliasARN(c.Account, c.Region, *in.AliasName))
		}
		if len(target.Aliases) >= aliasesPerKeyMax {
			return alias{}, api.ErrLimitExceededException("A key can have at most %d aliases.", aliasesPerKeyMax)
		}
		now := c.Now.UTC()
		return alias{Name: *in.AliasName, KeyID: target.ID, Created: now, Updated: now}, target.notPending()
	})
	return nil, err
}

func (s *Service) updateAlias(ctx context.Context, c *service.Call, in *api.UpdateAliasInput) (*api.UpdateAliasOutput, error) {
	if err := checkAliasName(*in.AliasName); err != nil {
		return nil, err
	}
	old, err := s.ownAlias(ctx, c, *in.AliasName)
	if err != nil {
		return nil, err
	}
	k, err := s.aliasTarget(ctx, c, *in.TargetKeyId)
	if err != nil {
		return nil, err
	}
	was, err := s.store.key(ctx, placeOf(c), old.KeyID)
	if err != nil && !errors.Is(err, errAbsent) {
		return nil, err
	}
	if was != nil && (was.Usage != k.Usage || was.spec().Symmetric() != k.spec().Symmetric()) {
		return nil, validation("Alias cannot be changed from a key with usage %s to a key with usage %s", was.Usage, k.Usage)
	}
	err = s.store.setAlias(ctx, placeOf(c), old.Name, old.KeyID, k.ID, func(have *alias, target *key) (alias, error) {
		if have == nil || have.KeyID != old.KeyID {
			return alias{}, api.ErrDependencyTimeoutException("The alias was changed by another request.")
		}
		if have.KeyID != target.ID && len(target.Aliases) >= aliasesPerKeyMax {
			return alias{}, api.ErrLimitExceededException("A key can have at most %d aliases.", aliasesPerKeyMax)
		}
		return alias{Name: have.Name, KeyID: target.ID, Created: have.Created, Updated: c.Now.UTC()}, target.notPending()
	})
	return nil, err
}

func (s *Service) deleteAlias(ctx context.Context, c *service.Call, in *api.DeleteAliasInput) (*api.DeleteAliasOutput, error) {
	if strings.HasPrefix(*in.AliasName, managedAliasPrefix) {
		return nil, api.ErrInvalidAliasNameException("Alias names beginning with %s are reserved for AWS managed keys.", managedAliasPrefix)
	}
	a, err := s.ownAlias(ctx, c, *in.AliasName)
	if err != nil {
		return nil, err
	}
	err = s.store.deleteAlias(ctx, placeOf(c), a)
	if errors.Is(err, errAbsent) {
		err = noAlias(aliasARN(c.Account, c.Region, a.Name))
	}
	return nil, err
}

func (s *Service) listAliases(ctx context.Context, c *service.Call, in *api.ListAliasesInput) (*api.ListAliasesOutput, error) {
	limit := limitOf(in.Limit, 50, 100)
	only := ""
	if in.KeyId != nil {
		k, err := s.find(ctx, c, *in.KeyId, false)
		if err != nil {
			return nil, err
		}
		only = k.ID
	}
	out := &api.ListAliasesOutput{Aliases: []api.AliasListEntry{}, Truncated: new(false)}
	after := smithy.Val(in.Marker)
	for {
		found, err := s.store.aliases(ctx, placeOf(c), after, limit)
		if err != nil {
			return nil, err
		}
		for i := range found {
			a := &found[i]
			if only != "" && a.KeyID != only {
				after = a.Name
				continue
			}
			if len(out.Aliases) == limit {
				out.NextMarker, out.Truncated = &after, new(true)
				return out, nil
			}
			after = a.Name
			out.Aliases = append(out.Aliases, api.AliasListEntry{
				AliasName: &a.Name, AliasArn: new(aliasARN(c.Account, c.Region, a.Name)), TargetKeyId: &a.KeyID,
				CreationDate: &a.Created, LastUpdatedDate: &a.Updated,
			})
		}
		if len(found) <= limit {
			return out, nil
		}
	}
}
