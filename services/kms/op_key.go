package kms

import (
	"context"
	"errors"
	"time"

	api "moln.dev/moln/api/kms"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/kms/material"
)

// materialIDBytes is half the digits of a key material's id.
const materialIDBytes = 32

func (s *Service) createKey(ctx context.Context, c *service.Call, in *api.CreateKeyInput) (*api.CreateKeyOutput, error) {
	if err := refuseForeign(in); err != nil {
		return nil, err
	}
	name := smithy.Val(in.KeySpec)
	if in.CustomerMasterKeySpec != nil {
		if name != "" {
			return nil, validation("You cannot specify KeySpec and CustomerMasterKeySpec in the same request. CustomerMasterKeySpec is deprecated.")
		}
		name = *in.CustomerMasterKeySpec
	}
	spec, usage, err := usageOf(name, smithy.Val(in.KeyUsage))
	if err != nil {
		return nil, err
	}
	tags, err := mergeTags(nil, in.Tags)
	if err != nil {
		return nil, err
	}
	doc := smithy.Val(in.Policy)
	if doc == "" {
		doc = defaultPolicy(c.Account, c.Region)
	}
	k, err := s.newKey(c, spec.Name, usage, smithy.Val(in.Origin), smithy.Val(in.MultiRegion))
	if err != nil {
		return nil, err
	}
	if smithy.Val(in.MultiRegion) {
		k.Primary, k.Regions = k.Region, []string{k.Region}
	}
	if err := s.admitPolicy(ctx, c, k, doc, smithy.Val(in.BypassPolicyLockoutSafetyCheck) || in.Policy == nil); err != nil {
		return nil, err
	}
	k.Description, k.Tags, k.Policy = smithy.Val(in.Description), tags, doc
	if err := s.store.createKey(ctx, k); err != nil {
		return nil, err
	}
	return &api.CreateKeyOutput{KeyMetadata: k.metadata()}, nil
}

// refuseForeign refuses keys whose material would be elsewhere.
func refuseForeign(in *api.CreateKeyInput) error {
	switch {
	case smithy.Val(in.MultiRegion) && smithy.Val(in.Origin) == api.OriginTypeExternal:
		return api.ErrUnsupportedOperationException("moln has no multi-region keys of imported material")
	case in.CustomKeyStoreId != nil || in.XksKeyId != nil:
		return api.ErrUnsupportedOperationException("moln has no custom key stores")
	case in.Origin != nil && *in.Origin != api.OriginTypeAwsKms && *in.Origin != api.OriginTypeExternal:
		return api.ErrUnsupportedOperationException("moln has no custom key stores: the origin %s is not there", *in.Origin)
	}
	return nil
}

// newKey makes a key, with fresh material unless that comes from outside; nothing
// is stored.
func (s *Service) newKey(c *service.Call, spec, usage, origin string, multi bool) (*key, error) {
	now := c.Now.UTC()
	k := &key{
		ID: s.newID(multi), Account: c.Account, Region: c.Region, Spec: spec, Usage: usage,
		State: api.KeyStateEnabled, Created: now,
	}
	if origin == api.OriginTypeExternal {
		k.Origin, k.State = origin, api.KeyStatePendingImport
		return k, nil
	}
	return k, s.addMaterial(k, "")
}

// addMaterial makes a key's next generation (K3).
func (s *Service) addMaterial(k *key, kind string) error {
	m, err := k.spec().Generate(s.deps.Ident.Bytes)
	if err != nil {
		return err
	}
	g := generation{ID: s.deps.Ident.Hex(materialIDBytes), Created: s.deps.Clock.Now().UTC(), Kind: kind}
	g.Sealed = s.deps.Seal.Seal(purpose(k, g.ID), m)
	k.Materials = append(k.Materials, g)
	return nil
}

// purpose binds sealed material to its key and generation.
func purpose(k *key, id string) string { return "kms/material/" + k.ID + "/" + id }

// open gives a generation's material; errNoGeneration where the key has none of
// that number.
func (s *Service) open(k *key, n int) ([]byte, error) {
	if n >= len(k.Materials) {
		return nil, errNoGeneration
	}
	g := k.Materials[n]
	return s.deps.Seal.Open(purpose(k, g.ID), g.Sealed)
}

var errNoGeneration = errors.New("kms: no such generation")

// secret gives the current material.
func (s *Service) secret(k *key) ([]byte, error) { return s.open(k, len(k.Materials)-1) }

func (s *Service) describeKey(ctx context.Context, c *service.Call, in *api.DescribeKeyInput) (*api.DescribeKeyOutput, error) {
	if err := s.checkTokens(in.GrantTokens); err != nil {
		return nil, err
	}
	k, err := s.find(ctx, c, *in.KeyId, true)
	if err != nil {
		return nil, err
	}
	return &api.DescribeKeyOutput{KeyMetadata: k.metadata()}, nil
}

func (s *Service) listKeys(ctx context.Context, c *service.Call, in *api.ListKeysInput) (*api.ListKeysOutput, error) {
	for _, owner := range in.ResourceOwners {
		if owner != api.ResourceOwnerTypeSelf {
			return nil, api.ErrUnsupportedOperationException("moln shares no keys between accounts: ask for SELF")
		}
	}
	limit := limitOf(in.Limit, 100, 1000)
	found, err := s.store.keys(ctx, placeOf(c), smithy.Val(in.Marker), limit)
	if err != nil {
		return nil, err
	}
	out := &api.ListKeysOutput{Keys: []api.KeyListEntry{}, Truncated: new(len(found) > limit)}
	for i := range found[:min(limit, len(found))] {
		k := &found[i]
		out.NextMarker = nextMarker(*out.Truncated, k.ID)
		if !k.gone(c.Now) {
			out.Keys = append(out.Keys, api.KeyListEntry{KeyId: &k.ID, KeyArn: new(k.arn())})
		}
	}
	return out, nil
}

// limitOf is a page's size: what is asked for, at most max, or the default.
func limitOf(asked *int32, usual, most int) int {
	if asked == nil {
		return usual
	}
	return min(int(*asked), most)
}

// nextMarker is the last name of a page that others follow.
func nextMarker(more bool, name string) *string {
	if !more {
		return nil
	}
	return &name
}

// change changes a key that the request names by id or ARN.
func (s *Service) change(ctx context.Context, c *service.Call, id string, change func(*key) error) (*key, error) {
	k, err := s.find(ctx, c, id, false)
	if err != nil {
		return nil, err
	}
	var changed *key
	err = s.store.change(ctx, k.place(), k.ID, func(k *key) error {
		changed = k
		if k.expired(c.Now) {
			k.forget()
		}
		return change(k)
	})
	if errors.Is(err, errAbsent) {
		err = noKey(k.arn())
	}
	return changed, err
}

func (s *Service) enableKey(ctx context.Context, c *service.Call, in *api.EnableKeyInput) (*api.EnableKeyOutput, error) {
	return nil, s.switchKey(ctx, c, *in.KeyId, api.KeyStateEnabled)
}

func (s *Service) disableKey(ctx context.Context, c *service.Call, in *api.DisableKeyInput) (*api.DisableKeyOutput, error) {
	return nil, s.switchKey(ctx, c, *in.KeyId, api.KeyStateDisabled)
}

func (s *Service) switchKey(ctx context.Context, c *service.Call, id, state string) error {
	_, err := s.change(ctx, c, id, func(k *key) error {
		if err := k.notPending(); err != nil {
			return err
		}
		if k.State == api.KeyStatePendingImport {
			return pendingImport(k)
		}
		k.State = state
		return nil
	})
	return err
}

func (s *Service) scheduleKeyDeletion(ctx context.Context, c *service.Call, in *api.ScheduleKeyDeletionInput) (*api.ScheduleKeyDeletionOutput, error) {
	window := windowOf(in)
	if window < windowDaysMin || window > windowDaysMax {
		return nil, validation("PendingWindowInDays must be between %d and %d (inclusive).", windowDaysMin, windowDaysMax)
	}
	k, err := s.change(ctx, c, *in.KeyId, func(k *key) error {
		if err := k.notPending(); err != nil {
			return err
		}
		if k.multi() && !k.replica() && len(k.Regions) > 1 {
			k.State, k.Window = api.KeyStatePendingReplicaDeletion, window
			return nil
		}
		k.State, k.Window, k.Deleted = api.KeyStatePendingDeletion, window, c.Now.UTC().Add(day*time.Duration(window))
		return nil
	})
	if err != nil {
		return nil, err
	}
	out := &api.ScheduleKeyDeletionOutput{KeyId: new(k.arn()), KeyState: &k.State, PendingWindowInDays: &k.Window}
	if !k.Deleted.IsZero() {
		out.DeletionDate = &k.Deleted
	}
	return out, nil
}

func (s *Service) cancelKeyDeletion(ctx context.Context, c *service.Call, in *api.CancelKeyDeletionInput) (*api.CancelKeyDeletionOutput, error) {
	k, err := s.change(ctx, c, *in.KeyId, func(k *key) error {
		if k.State != api.KeyStatePendingDeletion && k.State != api.KeyStatePendingReplicaDeletion {
			return api.ErrKMSInvalidStateException("%s is not pending deletion.", k.arn())
		}
		k.State, k.Window, k.Deleted = api.KeyStateDisabled, 0, time.Time{}
		if k.origin() == api.OriginTypeExternal && !k.imported() {
			k.State = api.KeyStatePendingImport
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &api.CancelKeyDeletionOutput{KeyId: new(k.arn())}, nil
}

func (s *Service) updateKeyDescription(ctx context.Context, c *service.Call, in *api.UpdateKeyDescriptionInput) (*api.UpdateKeyDescriptionOutput, error) {
	_, err := s.change(ctx, c, *in.KeyId, func(k *key) error {
		k.Description = *in.Description
		return k.notPending()
	})
	return nil, err
}

func (s *Service) getPublicKey(ctx context.Context, c *service.Call, in *api.GetPublicKeyInput) (*api.GetPublicKeyOutput, error) {
	if err := s.checkTokens(in.GrantTokens); err != nil {
		return nil, err
	}
	k, err := s.find(ctx, c, *in.KeyId, true)
	if err != nil {
		return nil, err
	}
	if k.spec().Symmetric() {
		return nil, api.ErrUnsupportedOperationException("%s is not an asymmetric key.", k.arn())
	}
	if err := k.enabled(); err != nil {
		return nil, err
	}
	m, err := s.secret(k.key)
	if err != nil {
		return nil, err
	}
	public, err := material.Public(m)
	if err != nil {
		return nil, err
	}
	out := &api.GetPublicKeyOutput{KeyId: new(k.arn()), PublicKey: public, KeySpec: &k.Spec, CustomerMasterKeySpec: &k.Spec, KeyUsage: &k.Usage}
	out.EncryptionAlgorithms, out.SigningAlgorithms, out.KeyAgreementAlgorithms, _ = k.algorithms()
	return out, nil
}

func (s *Service) generateRandom(_ context.Context, _ *service.Call, in *api.GenerateRandomInput) (*api.GenerateRandomOutput, error) {
	switch {
	case in.CustomKeyStoreId != nil:
		return nil, api.ErrCustomKeyStoreNotFoundException("moln has no custom key stores")
	case in.Recipient != nil:
		return nil, noAttestation()
	case in.NumberOfBytes == nil:
		return nil, validation("NumberOfBytes is required.")
	}
	return &api.GenerateRandomOutput{Plaintext: s.deps.Ident.Bytes(int(*in.NumberOfBytes))}, nil
}

func noAttestation() error {
	return api.ErrUnsupportedOperationException("moln has no enclaves: Recipient is refused")
}
