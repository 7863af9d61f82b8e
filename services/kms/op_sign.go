package kms

import (
	"context"
	"crypto/subtle"
	"errors"

	api "moln.dev/moln/api/kms"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/kms/material"
)

// signer finds a key that signs with an algorithm, and its material.
func (s *Service) signer(ctx context.Context, c *service.Call, operation, id, usage, algorithm string, tokens []string) (*key, []byte, error) {
	k, err := s.forUse(ctx, c, operation, id, usage, tokens)
	if err != nil {
		return nil, nil, err
	}
	if err := k.runs(algorithm); err != nil {
		return nil, nil, err
	}
	m, err := s.secret(k)
	return k, m, err
}

func (s *Service) sign(ctx context.Context, c *service.Call, in *api.SignInput) (*api.SignOutput, error) {
	if *messageType(in.MessageType) == api.MessageTypeExternalMu {
		return nil, validation("The message type EXTERNAL_MU is for ML-DSA keys only.")
	}
	k, m, err := s.signer(ctx, c, "Sign", *in.KeyId, api.KeyUsageTypeSignVerify, *in.SigningAlgorithm, in.GrantTokens)
	if err != nil {
		return nil, err
	}
	sig, err := k.spec().Sign(m, *in.SigningAlgorithm, *messageType(in.MessageType), in.Message)
	if err != nil {
		return nil, refused(err)
	}
	if smithy.Val(in.DryRun) {
		return nil, dryRun()
	}
	return &api.SignOutput{KeyId: new(k.arn()), Signature: sig, SigningAlgorithm: in.SigningAlgorithm}, nil
}

func (s *Service) verify(ctx context.Context, c *service.Call, in *api.VerifyInput) (*api.VerifyOutput, error) {
	if *messageType(in.MessageType) == api.MessageTypeExternalMu {
		return nil, validation("The message type EXTERNAL_MU is for ML-DSA keys only.")
	}
	k, m, err := s.signer(ctx, c, "Verify", *in.KeyId, api.KeyUsageTypeSignVerify, *in.SigningAlgorithm, in.GrantTokens)
	if err != nil {
		return nil, err
	}
	err = k.spec().Verify(m, *in.SigningAlgorithm, *messageType(in.MessageType), in.Message, in.Signature)
	if errors.Is(err, material.ErrDoesNotVerify) {
		return nil, api.ErrKMSInvalidSignatureException("")
	}
	if err != nil {
		return nil, refused(err)
	}
	if smithy.Val(in.DryRun) {
		return nil, dryRun()
	}
	return &api.VerifyOutput{KeyId: new(k.arn()), SignatureValid: new(true), SigningAlgorithm: in.SigningAlgorithm}, nil
}

func (s *Service) generateMac(ctx context.Context, c *service.Call, in *api.GenerateMacInput) (*api.GenerateMacOutput, error) {
	k, m, err := s.signer(ctx, c, "GenerateMac", *in.KeyId, api.KeyUsageTypeGenerateVerifyMac, *in.MacAlgorithm, in.GrantTokens)
	if err != nil {
		return nil, err
	}
	if smithy.Val(in.DryRun) {
		return nil, dryRun()
	}
	return &api.GenerateMacOutput{KeyId: new(k.arn()), MacAlgorithm: in.MacAlgorithm, Mac: material.MAC(m, *in.MacAlgorithm, in.Message)}, nil
}

func (s *Service) verifyMac(ctx context.Context, c *service.Call, in *api.VerifyMacInput) (*api.VerifyMacOutput, error) {
	k, m, err := s.signer(ctx, c, "VerifyMac", *in.KeyId, api.KeyUsageTypeGenerateVerifyMac, *in.MacAlgorithm, in.GrantTokens)
	if err != nil {
		return nil, err
	}
	if subtle.ConstantTimeCompare(material.MAC(m, *in.MacAlgorithm, in.Message), in.Mac) != 1 {
		return nil, api.ErrKMSInvalidMacException("")
	}
	if smithy.Val(in.DryRun) {
		return nil, dryRun()
	}
	return &api.VerifyMacOutput{KeyId: new(k.arn()), MacAlgorithm: in.MacAlgorithm, MacValid: new(true)}, nil
}

func (s *Service) deriveSharedSecret(ctx context.Context, c *service.Call, in *api.DeriveSharedSecretInput) (*api.DeriveSharedSecretOutput, error) {
	if in.Recipient != nil {
		return nil, noAttestation()
	}
	k, m, err := s.signer(ctx, c, "DeriveSharedSecret", *in.KeyId, api.KeyUsageTypeKeyAgreement, *in.KeyAgreementAlgorithm, in.GrantTokens)
	if err != nil {
		return nil, err
	}
	shared, err := material.Agree(m, in.PublicKey)
	if err != nil {
		return nil, refused(err)
	}
	if smithy.Val(in.DryRun) {
		return nil, dryRun()
	}
	return &api.DeriveSharedSecretOutput{
		KeyId: new(k.arn()), SharedSecret: shared, KeyAgreementAlgorithm: in.KeyAgreementAlgorithm, KeyOrigin: new(k.origin()),
	}, nil
}
