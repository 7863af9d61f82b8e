package kms

import (
	"context"
	"errors"

	api "moln.dev/moln/api/kms"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/kms/envelope"
	"moln.dev/moln/services/kms/material"
)

// forUse finds a key and refuses it where it is not for a use.
func (s *Service) forUse(ctx context.Context, c *service.Call, operation, id, usage string, tokens []string) (*key, error) {
	if err := s.checkTokens(tokens); err != nil {
		return nil, err
	}
	k, err := s.find(ctx, c, id, true)
	if err != nil {
		return nil, err
	}
	return k.key, k.usable(usage, operation)
}

// seal encrypts under a symmetric key's current material.
func (s *Service) seal(k *key, plain []byte, encryption map[string]string) ([]byte, error) {
	m, err := s.secret(k)
	if err != nil {
		return nil, err
	}
	h := envelope.Header{Account: k.Account, KeyID: k.ID, Generation: uint32(len(k.Materials) - 1)}
	return envelope.Seal(h, m, s.deps.Ident.Bytes(envelope.SaltBytes), encryption, plain)
}

// encrypt encrypts under any key for encryption.
func (s *Service) encryptWith(k *key, algorithm *string, plain []byte, encryption map[string]string) ([]byte, error) {
	name := *algorithmOf(algorithm)
	if err := k.runs(name); err != nil {
		return nil, err
	}
	if k.symmetric() {
		return s.seal(k, plain, encryption)
	}
	if len(encryption) > 0 {
		return nil, validation("EncryptionContext is not supported for asymmetric keys.")
	}
	m, err := s.secret(k)
	if err != nil {
		return nil, err
	}
	blob, err := k.spec().EncryptRSA(m, name, plain)
	return blob, refused(err)
}

// decryptWith is the inverse; it gives the material's id too.
func (s *Service) decryptWith(k *key, algorithm *string, blob []byte, encryption map[string]string) (plain []byte, materialID string, err error) {
	name := *algorithmOf(algorithm)
	if err := k.runs(name); err != nil {
		return nil, "", err
	}
	if k.symmetric() {
		return s.unseal(k, blob, encryption)
	}
	if len(encryption) > 0 {
		return nil, "", validation("EncryptionContext is not supported for asymmetric keys.")
	}
	m, err := s.secret(k)
	if err != nil {
		return nil, "", err
	}
	plain, err = k.spec().DecryptRSA(m, name, blob)
	if errors.Is(err, material.ErrDoesNotVerify) {
		err = badCiphertext()
	}
	return plain, "", err
}

func (s *Service) unseal(k *key, blob []byte, encryption map[string]string) ([]byte, string, error) {
	h, err := envelope.Parse(blob)
	if err != nil {
		return nil, "", badCiphertext()
	}
	if h.KeyID != k.ID || h.Account != k.Account {
		return nil, "", incorrectKey()
	}
	m, err := s.open(k, int(h.Generation))
	if errors.Is(err, errNoGeneration) {
		return nil, "", badCiphertext()
	}
	if err != nil {
		return nil, "", err
	}
	plain, err := envelope.Open(blob, m, encryption)
	if err != nil {
		return nil, "", badCiphertext()
	}
	return plain, k.Materials[h.Generation].ID, nil
}

func (s *Service) encrypt(ctx context.Context, c *service.Call, in *api.EncryptInput) (*api.EncryptOutput, error) {
	k, err := s.forUse(ctx, c, "Encrypt", *in.KeyId, api.KeyUsageTypeEncryptDecrypt, in.GrantTokens)
	if err != nil {
		return nil, err
	}
	blob, err := s.encryptWith(k, in.EncryptionAlgorithm, in.Plaintext, in.EncryptionContext)
	if err != nil {
		return nil, err
	}
	if smithy.Val(in.DryRun) {
		return nil, dryRun()
	}
	return &api.EncryptOutput{CiphertextBlob: blob, KeyId: new(k.arn()), EncryptionAlgorithm: algorithmOf(in.EncryptionAlgorithm)}, nil
}

func (s *Service) decrypt(ctx context.Context, c *service.Call, in *api.DecryptInput) (*api.DecryptOutput, error) {
	if in.Recipient != nil {
		return nil, noAttestation()
	}
	if err := refuseModifiers(in.DryRunModifiers); err != nil {
		return nil, err
	}
	k, err := s.source(ctx, c, "Decrypt", in.KeyId, in.CiphertextBlob, in.GrantTokens)
	if err != nil {
		return nil, err
	}
	plain, id, err := s.decryptWith(k, in.EncryptionAlgorithm, in.CiphertextBlob, in.EncryptionContext)
	if err != nil {
		return nil, err
	}
	if smithy.Val(in.DryRun) {
		return nil, dryRun()
	}
	return &api.DecryptOutput{Plaintext: plain, KeyId: new(k.arn()), EncryptionAlgorithm: algorithmOf(in.EncryptionAlgorithm), KeyMaterialId: text(id)}, nil
}

// source gives the key of a ciphertext, which must be able to decrypt.
func (s *Service) source(ctx context.Context, c *service.Call, operation string, id *string, blob []byte, tokens []string) (*key, error) {
	if err := s.checkTokens(tokens); err != nil {
		return nil, err
	}
	k, err := s.decryptsWith(ctx, c, id, blob)
	if err != nil {
		return nil, err
	}
	if err := k.enabled(); err != nil {
		return nil, err
	}
	if h, err := envelope.Parse(blob); err == nil && (h.KeyID != k.ID || h.Account != k.Account) {
		return nil, incorrectKey()
	}
	return k.key, k.usable(api.KeyUsageTypeEncryptDecrypt, operation)
}

func incorrectKey() error {
	return api.ErrIncorrectKeyException("The key ID in the request does not identify a CMK that can perform this operation.")
}

func refuseModifiers(m []string) error {
	if len(m) > 0 {
		return api.ErrUnsupportedOperationException("moln has no dry run without the ciphertext")
	}
	return nil
}

func (s *Service) reEncrypt(ctx context.Context, c *service.Call, in *api.ReEncryptInput) (*api.ReEncryptOutput, error) {
	if err := refuseModifiers(in.DryRunModifiers); err != nil {
		return nil, err
	}
	from, err := s.source(ctx, c, "ReEncrypt", in.SourceKeyId, in.CiphertextBlob, in.GrantTokens)
	if err != nil {
		return nil, err
	}
	to, err := s.forUse(ctx, c, "ReEncrypt", *in.DestinationKeyId, api.KeyUsageTypeEncryptDecrypt, nil)
	if err != nil {
		return nil, err
	}
	plain, id, err := s.decryptWith(from, in.SourceEncryptionAlgorithm, in.CiphertextBlob, in.SourceEncryptionContext)
	if err != nil {
		return nil, err
	}
	blob, err := s.encryptWith(to, in.DestinationEncryptionAlgorithm, plain, in.DestinationEncryptionContext)
	if err != nil {
		return nil, err
	}
	if smithy.Val(in.DryRun) {
		return nil, dryRun()
	}
	out := &api.ReEncryptOutput{
		CiphertextBlob: blob, SourceKeyId: new(from.arn()), KeyId: new(to.arn()), SourceKeyMaterialId: text(id),
		SourceEncryptionAlgorithm: algorithmOf(in.SourceEncryptionAlgorithm), DestinationEncryptionAlgorithm: algorithmOf(in.DestinationEncryptionAlgorithm),
	}
	if to.symmetric() {
		out.DestinationKeyMaterialId = new(to.current().ID)
	}
	return out, nil
}

// dataKey is a fresh data key of n bytes, in the clear and sealed under a key.
func (s *Service) dataKey(ctx context.Context, c *service.Call, id string, spec *string, n *int32, encryption map[string]string, tokens []string) (plain, blob []byte, k *key, err error) {
	if (spec == nil) == (n == nil) {
		return nil, nil, nil, validation("Please specify either number of bytes or key spec.")
	}
	if k, err = s.wrapper(ctx, c, id, tokens); err != nil {
		return nil, nil, nil, err
	}
	size := 0
	switch smithy.Val(spec) {
	case api.DataKeySpecAes128:
		size = 16
	case api.DataKeySpecAes256:
		size = 32
	default:
		size = int(*n)
	}
	plain = s.deps.Ident.Bytes(size)
	blob, err = s.seal(k, plain, encryption)
	return plain, blob, k, err
}

// wrapper finds a symmetric key for data keys.
func (s *Service) wrapper(ctx context.Context, c *service.Call, id string, tokens []string) (*key, error) {
	k, err := s.forUse(ctx, c, "GenerateDataKey", id, api.KeyUsageTypeEncryptDecrypt, tokens)
	if err == nil && !k.symmetric() {
		err = api.ErrInvalidKeyUsageException("You cannot generate a data key with an asymmetric CMK")
	}
	return k, err
}

func (s *Service) generateDataKey(ctx context.Context, c *service.Call, in *api.GenerateDataKeyInput) (*api.GenerateDataKeyOutput, error) {
	if in.Recipient != nil {
		return nil, noAttestation()
	}
	plain, blob, k, err := s.dataKey(ctx, c, *in.KeyId, in.KeySpec, in.NumberOfBytes, in.EncryptionContext, in.GrantTokens)
	if err != nil {
		return nil, err
	}
	if smithy.Val(in.DryRun) {
		return nil, dryRun()
	}
	return &api.GenerateDataKeyOutput{Plaintext: plain, CiphertextBlob: blob, KeyId: new(k.arn()), KeyMaterialId: new(k.current().ID)}, nil
}

func (s *Service) generateDataKeyWithoutPlaintext(ctx context.Context, c *service.Call, in *api.GenerateDataKeyWithoutPlaintextInput) (*api.GenerateDataKeyWithoutPlaintextOutput, error) {
	_, blob, k, err := s.dataKey(ctx, c, *in.KeyId, in.KeySpec, in.NumberOfBytes, in.EncryptionContext, in.GrantTokens)
	if err != nil {
		return nil, err
	}
	if smithy.Val(in.DryRun) {
		return nil, dryRun()
	}
	return &api.GenerateDataKeyWithoutPlaintextOutput{CiphertextBlob: blob, KeyId: new(k.arn()), KeyMaterialId: new(k.current().ID)}, nil
}

// dataPair is a fresh key pair, its private half in the clear and sealed.
type dataPair struct {
	key                   *key
	private, public, blob []byte
}

func (s *Service) dataPair(ctx context.Context, c *service.Call, id, spec string, encryption map[string]string, tokens []string, dry *bool) (*dataPair, error) {
	k, err := s.wrapper(ctx, c, id, tokens)
	if err != nil {
		return nil, err
	}
	kind, ok := material.Find(spec)
	if !ok {
		return nil, api.ErrUnsupportedOperationException("moln makes no key pairs of the spec %s", spec)
	}
	if smithy.Val(dry) {
		return nil, dryRun()
	}
	p := &dataPair{key: k}
	if p.private, err = kind.Generate(s.deps.Ident.Bytes); err != nil {
		return nil, err
	}
	if p.public, err = material.Public(p.private); err != nil {
		return nil, err
	}
	p.blob, err = s.seal(k, p.private, encryption)
	return p, err
}

func (s *Service) generateDataKeyPair(ctx context.Context, c *service.Call, in *api.GenerateDataKeyPairInput) (*api.GenerateDataKeyPairOutput, error) {
	if in.Recipient != nil {
		return nil, noAttestation()
	}
	p, err := s.dataPair(ctx, c, *in.KeyId, *in.KeyPairSpec, in.EncryptionContext, in.GrantTokens, in.DryRun)
	if err != nil {
		return nil, err
	}
	return &api.GenerateDataKeyPairOutput{
		PrivateKeyCiphertextBlob: p.blob, PrivateKeyPlaintext: p.private, PublicKey: p.public,
		KeyId: new(p.key.arn()), KeyPairSpec: in.KeyPairSpec, KeyMaterialId: new(p.key.current().ID),
	}, nil
}

func (s *Service) generateDataKeyPairWithoutPlaintext(ctx context.Context, c *service.Call, in *api.GenerateDataKeyPairWithoutPlaintextInput) (*api.GenerateDataKeyPairWithoutPlaintextOutput, error) {
	p, err := s.dataPair(ctx, c, *in.KeyId, *in.KeyPairSpec, in.EncryptionContext, in.GrantTokens, in.DryRun)
	if err != nil {
		return nil, err
	}
	return &api.GenerateDataKeyPairWithoutPlaintextOutput{
		PrivateKeyCiphertextBlob: p.blob, PublicKey: p.public,
		KeyId: new(p.key.arn()), KeyPairSpec: in.KeyPairSpec, KeyMaterialId: new(p.key.current().ID),
	}, nil
}
