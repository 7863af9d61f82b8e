package kms

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"time"

	api "moln.dev/moln/api/kms"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/kms/material"
)

// Limits of imports, from the API reference.
const (
	importTime    = 24 * time.Hour
	validTimeMost = 365 * day
)

// importToken is what an import token says; it is sealed.
type importToken struct {
	Key, Algorithm string
	Wrapping       []byte // the private half, PKCS #8
	Until          time.Time
}

func importPurpose(k *key) string { return "kms/import/" + k.ID }

// external refuses keys whose material moln made.
func (k *key) external() error {
	if k.origin() != api.OriginTypeExternal {
		return wrongOrigin(k)
	}
	return k.notPending()
}

func wrongOrigin(k *key) error {
	return api.ErrUnsupportedOperationException("%s origin is %s which is not valid for this operation.", k.arn(), k.origin())
}

func (k *key) origin() string {
	if k.Origin == "" {
		return api.OriginTypeAwsKms
	}
	return k.Origin
}

// expired reports whether imported material has outlived its time.
func (k *key) expired(now time.Time) bool { return !k.ValidTo.IsZero() && !now.Before(k.ValidTo) }

// forget drops imported material; the key knows it again by its fingerprint.
func (k *key) forget() {
	if k.State != api.KeyStatePendingDeletion {
		k.State = api.KeyStatePendingImport
	}
	k.Materials[0].Sealed, k.ValidTo = nil, time.Time{}
}

// imported reports whether the material is there.
func (k *key) imported() bool { return len(k.Materials) > 0 && k.Materials[0].Sealed != nil }

func (s *Service) getParametersForImport(ctx context.Context, c *service.Call, in *api.GetParametersForImportInput) (*api.GetParametersForImportOutput, error) {
	k, err := s.find(ctx, c, *in.KeyId, false)
	if err != nil {
		return nil, err
	}
	if err := k.external(); err != nil {
		return nil, err
	}
	switch *in.WrappingAlgorithm {
	case api.AlgorithmSpecRsaesOaepSha1, api.AlgorithmSpecRsaesOaepSha256:
		if !k.spec().Symmetric() {
			return nil, validation("The wrapping algorithm %s cannot be used with key spec %s.", *in.WrappingAlgorithm, k.Spec)
		}
	case api.AlgorithmSpecRsaAesKeyWrapSha1, api.AlgorithmSpecRsaAesKeyWrapSha256:
	default:
		return nil, api.ErrUnsupportedOperationException("moln has no wrapping algorithm %s", *in.WrappingAlgorithm)
	}
	spec, ok := material.Find(*in.WrappingKeySpec)
	if !ok {
		return nil, api.ErrUnsupportedOperationException("moln has no wrapping keys of the spec %s", *in.WrappingKeySpec)
	}
	t := importToken{Key: k.ID, Algorithm: *in.WrappingAlgorithm, Until: c.Now.UTC().Add(importTime)}
	if t.Wrapping, err = spec.Generate(s.deps.Ident.Bytes); err != nil {
		return nil, err
	}
	public, err := material.Public(t.Wrapping)
	if err != nil {
		return nil, err
	}
	return &api.GetParametersForImportOutput{
		KeyId: new(k.arn()), PublicKey: public, ImportToken: s.deps.Seal.Seal(importPurpose(k.key), encode(t)), ParametersValidTo: &t.Until,
	}, nil
}

// expiry decides until when imported material is good; zero: for ever.
func expiry(in *api.ImportKeyMaterialInput, now time.Time) (time.Time, error) {
	until := smithy.Val(in.ValidTo)
	if smithy.Val(in.ExpirationModel) == api.ExpirationModelTypeKeyMaterialDoesNotExpire {
		if in.ValidTo != nil {
			return until, validation("A validTo date cannot be set if the ExpirationModel is KEY_MATERIAL_DOES_NOT_EXPIRE")
		}
		return until, nil
	}
	switch {
	case in.ValidTo == nil:
		return until, validation("A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES")
	case !until.After(now) || until.After(now.Add(validTimeMost)):
		return until, validation("The validTo date must be in the future, and within 365 days.")
	}
	return until.UTC(), nil
}

func (s *Service) importKeyMaterial(ctx context.Context, c *service.Call, in *api.ImportKeyMaterialInput) (*api.ImportKeyMaterialOutput, error) {
	k, err := s.find(ctx, c, *in.KeyId, false)
	if err != nil {
		return nil, err
	}
	if err := k.external(); err != nil {
		return nil, err
	}
	if smithy.Val(in.ImportType) == api.ImportTypeNewKeyMaterial && len(k.Materials) > 0 || in.KeyMaterialDescription != nil {
		return nil, api.ErrUnsupportedOperationException("moln keeps one material of an imported key, without a description")
	}
	until, err := expiry(in, c.Now)
	if err != nil {
		return nil, err
	}
	m, err := s.unwrap(k.key, in, c.Now)
	if err != nil {
		return nil, err
	}
	g := generation{ID: s.deps.Ident.Hex(materialIDBytes), Created: c.Now.UTC(), Print: material.Fingerprint(k.ID, m)}
	changed, err := s.change(ctx, c, *in.KeyId, func(k *key) error {
		if len(k.Materials) > 0 {
			if !bytes.Equal(k.Materials[0].Print, g.Print) {
				return api.ErrIncorrectKeyMaterialException("The key material is not the one that was imported into %s before.", k.arn())
			}
			g = k.Materials[0]
		}
		if in.KeyMaterialId != nil && *in.KeyMaterialId != g.ID {
			return api.ErrIncorrectKeyMaterialException("The key material is not the one named %s.", *in.KeyMaterialId)
		}
		g.Sealed = s.deps.Seal.Seal(purpose(k, g.ID), m)
		k.Materials, k.ValidTo = []generation{g}, until
		if k.State == api.KeyStatePendingImport {
			k.State = api.KeyStateEnabled
		}
		return k.notPending()
	})
	if err != nil {
		return nil, err
	}
	return &api.ImportKeyMaterialOutput{KeyId: new(changed.arn()), KeyMaterialId: &g.ID}, nil
}

// unwrap opens the token and the material that came with it.
func (s *Service) unwrap(k *key, in *api.ImportKeyMaterialInput, now time.Time) ([]byte, error) {
	var t importToken
	raw, err := s.deps.Seal.Open(importPurpose(k), in.ImportToken)
	if err != nil || json.Unmarshal(raw, &t) != nil || t.Key != k.ID {
		return nil, api.ErrInvalidImportTokenException("The import token is not valid.")
	}
	if !now.Before(t.Until) {
		return nil, api.ErrExpiredImportTokenException("The import token has expired.")
	}
	m, err := material.Unwrap(t.Wrapping, t.Algorithm, in.EncryptedKeyMaterial)
	if errors.Is(err, material.ErrDoesNotVerify) {
		return nil, badCiphertext()
	}
	if err == nil && !k.spec().Fits(m) {
		err = api.ErrIncorrectKeyMaterialException("The key material is not of the spec %s.", k.Spec)
	}
	return m, err
}

func (s *Service) deleteImportedKeyMaterial(ctx context.Context, c *service.Call, in *api.DeleteImportedKeyMaterialInput) (*api.DeleteImportedKeyMaterialOutput, error) {
	id := ""
	k, err := s.change(ctx, c, *in.KeyId, func(k *key) error {
		if err := k.external(); err != nil {
			return err
		}
		if len(k.Materials) == 0 {
			return nil
		}
		id = k.Materials[0].ID
		if in.KeyMaterialId != nil && *in.KeyMaterialId != id {
			return api.ErrNotFoundException("Key material %s does not exist", *in.KeyMaterialId)
		}
		k.forget()
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &api.DeleteImportedKeyMaterialOutput{KeyId: new(k.arn()), KeyMaterialId: text(id)}, nil
}

// importKeys are the condition keys about an import.
func importKeys(in *api.ImportKeyMaterialInput) policy.Keys {
	keys := one("kms:expirationmodel", in.ExpirationModel)
	if in.ValidTo != nil {
		keys = both(keys, policy.Keys{"kms:validto": {in.ValidTo.UTC().Format(time.RFC3339)}})
	}
	return keys
}
