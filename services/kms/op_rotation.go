package kms

import (
	"context"
	"errors"
	"time"

	api "moln.dev/moln/api/kms"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
)

func (s *Service) enableKeyRotation(ctx context.Context, c *service.Call, in *api.EnableKeyRotationInput) (*api.EnableKeyRotationOutput, error) {
	_, err := s.changeShared(ctx, c, *in.KeyId, func(k *key) error {
		if err := k.rotatable(); err != nil {
			return err
		}
		k.Period = periodOf(in)
		k.Rotate = c.Now.UTC().Add(time.Duration(k.Period) * day)
		return nil
	})
	return nil, err
}

func (s *Service) disableKeyRotation(ctx context.Context, c *service.Call, in *api.DisableKeyRotationInput) (*api.DisableKeyRotationOutput, error) {
	_, err := s.changeShared(ctx, c, *in.KeyId, func(k *key) error {
		k.Period, k.Rotate = 0, time.Time{}
		return k.rotatable()
	})
	return nil, err
}

func (s *Service) getKeyRotationStatus(ctx context.Context, c *service.Call, in *api.GetKeyRotationStatusInput) (*api.GetKeyRotationStatusOutput, error) {
	k, err := s.find(ctx, c, *in.KeyId, false)
	if err != nil {
		return nil, err
	}
	if err := k.rotatable(); err != nil && !k.symmetric() {
		return nil, err
	}
	out := &api.GetKeyRotationStatusOutput{KeyId: &k.ID, KeyRotationEnabled: new(k.Period > 0 && k.State != api.KeyStatePendingDeletion)}
	if *out.KeyRotationEnabled {
		out.RotationPeriodInDays, out.NextRotationDate = &k.Period, &k.Rotate
	}
	return out, nil
}

func (s *Service) rotateKeyOnDemand(ctx context.Context, c *service.Call, in *api.RotateKeyOnDemandInput) (*api.RotateKeyOnDemandOutput, error) {
	k, err := s.changeShared(ctx, c, *in.KeyId, func(k *key) error {
		if err := k.rotatable(); err != nil {
			return err
		}
		n := 0
		for _, g := range k.Materials {
			if g.Kind == api.RotationTypeOnDemand {
				n++
			}
		}
		if n >= onDemandMax {
			return api.ErrLimitExceededException("The key was rotated on demand %d times, which is the limit.", onDemandMax)
		}
		return s.addMaterial(k, api.RotationTypeOnDemand)
	})
	if err != nil {
		return nil, err
	}
	return &api.RotateKeyOnDemandOutput{KeyId: &k.ID}, nil
}

func (s *Service) listKeyRotations(ctx context.Context, c *service.Call, in *api.ListKeyRotationsInput) (*api.ListKeyRotationsOutput, error) {
	k, err := s.find(ctx, c, *in.KeyId, false)
	if err != nil {
		return nil, err
	}
	if !k.symmetric() {
		return nil, k.rotatable()
	}
	all := smithy.Val(in.IncludeKeyMaterial) == api.IncludeKeyMaterialAllKeyMaterial
	limit := limitOf(in.Limit, 100, 1000)
	out := &api.ListKeyRotationsOutput{Rotations: []api.RotationsListEntry{}, Truncated: new(false)}
	seen := in.Marker == nil
	for i, g := range k.Materials {
		if !seen {
			seen = g.ID == *in.Marker
			continue
		}
		if g.Kind == "" && !all {
			continue
		}
		if len(out.Rotations) == limit {
			out.NextMarker, out.Truncated = out.Rotations[limit-1].KeyMaterialId, new(true)
			break
		}
		e := api.RotationsListEntry{KeyId: &k.ID, KeyMaterialId: &g.ID, KeyMaterialState: new(api.KeyMaterialStateNonCurrent)}
		if i == len(k.Materials)-1 {
			e.KeyMaterialState = new(api.KeyMaterialStateCurrent)
		}
		if g.Kind != "" {
			e.RotationDate, e.RotationType = &g.Created, text(g.Kind)
		}
		out.Rotations = append(out.Rotations, e)
	}
	if !seen {
		return nil, api.ErrInvalidMarkerException("The marker is not valid.")
	}
	return out, nil
}

// rotateDue rotates a key whose time has come, with its replicas.
func (s *Service) rotateDue(ctx context.Context, k key, now time.Time) error {
	rotate := func(k *key) error {
		if !k.due(now) {
			return nil
		}
		for !k.Rotate.After(now) {
			k.Rotate = k.Rotate.Add(time.Duration(k.Period) * day)
		}
		return s.addMaterial(k, api.RotationTypeAutomatic)
	}
	err := s.store.changeFamily(ctx, &k, func(f family) error {
		if err := rotate(f[k.Region]); err != nil {
			return err
		}
		if k.multi() {
			f.share(f[k.Region])
		}
		return nil
	})
	if errors.Is(err, errAbsent) {
		return nil
	}
	return err
}

// due reports whether an automatic rotation is. A disabled key waits until it is
// enabled.
func (k *key) due(now time.Time) bool {
	return k.Period > 0 && k.State == api.KeyStateEnabled && !k.replica() && !now.Before(k.Rotate)
}
