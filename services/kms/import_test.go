package kms

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"testing"
	"time"

	api "moln.dev/moln/api/kms"
)

// wrapped is material under the wrapping key that was asked for.
func wrapped(t *testing.T, p *api.GetParametersForImportOutput, m []byte) []byte {
	t.Helper()
	public, err := x509.ParsePKIXPublicKey(p.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	b, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, public.(*rsa.PublicKey), m, nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestImport(t *testing.T) {
	h := newHarness(t)
	k := h.key(api.CreateKeyInput{Origin: new("EXTERNAL")})
	if *k.KeyState != "PendingImport" || *k.Enabled || *k.Origin != "EXTERNAL" || k.CurrentKeyMaterialId != nil {
		t.Errorf("%+v", k)
	}
	pending := *k.Arn + " is pending import."
	encrypt := &api.EncryptInput{KeyId: k.KeyId, Plaintext: []byte("x")}
	fails(t, h.call(), api.Encrypt, encrypt, "KMSInvalidStateException", pending)
	fails(t, h.call(), api.EnableKey, &api.EnableKeyInput{KeyId: k.KeyId}, "KMSInvalidStateException", pending)
	fails(t, h.call(), api.RotateKeyOnDemand, &api.RotateKeyOnDemandInput{KeyId: k.KeyId}, "UnsupportedOperationException", *k.Arn+" origin is EXTERNAL which is not valid for this operation.")
	ask := &api.GetParametersForImportInput{KeyId: k.KeyId, WrappingAlgorithm: new("RSAES_OAEP_SHA_256"), WrappingKeySpec: new("RSA_2048")}
	own := h.key(api.CreateKeyInput{})
	fails(t, h.call(), api.GetParametersForImport, &api.GetParametersForImportInput{KeyId: own.KeyId, WrappingAlgorithm: ask.WrappingAlgorithm, WrappingKeySpec: ask.WrappingKeySpec},
		"UnsupportedOperationException", *own.Arn+" origin is AWS_KMS which is not valid for this operation.")
	p := must(t, h.call(), api.GetParametersForImport, ask)
	secret := bytes.Repeat([]byte{7}, 32)
	in := &api.ImportKeyMaterialInput{KeyId: k.KeyId, ImportToken: p.ImportToken, EncryptedKeyMaterial: wrapped(t, p, secret)}
	fails(t, h.call(), api.ImportKeyMaterial, in, "ValidationException", "A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES")
	in.ValidTo = new(h.clk.Now().Add(time.Hour))
	bad := *in
	bad.ImportToken = []byte("x")
	fails(t, h.call(), api.ImportKeyMaterial, &bad, "InvalidImportTokenException", "")
	bad = *in
	bad.EncryptedKeyMaterial = wrapped(t, p, secret[1:])
	fails(t, h.call(), api.ImportKeyMaterial, &bad, "IncorrectKeyMaterialException", "")
	bad.EncryptedKeyMaterial = []byte("x")
	fails(t, h.call(), api.ImportKeyMaterial, &bad, "InvalidCiphertextException", "")
	first := must(t, h.call(), api.ImportKeyMaterial, in)
	blob := must(t, h.call(), api.Encrypt, encrypt).CiphertextBlob
	if m := must(t, h.call(), api.DescribeKey, &api.DescribeKeyInput{KeyId: k.KeyId}).KeyMetadata; *m.KeyState != "Enabled" || *m.ExpirationModel != "KEY_MATERIAL_EXPIRES" || !m.ValidTo.Equal(*in.ValidTo) {
		t.Errorf("%+v", m)
	}

	// The material expires, at once and then in the store.
	h.clk.Advance(time.Hour)
	fails(t, h.call(), api.Decrypt, &api.DecryptInput{CiphertextBlob: blob}, "KMSInvalidStateException", pending)
	if err := h.s.tendOnce(context.Background()); err != nil {
		t.Fatal(err)
	}
	stored, err := h.s.store.key(context.Background(), place{account, region}, *k.KeyId)
	if err != nil || stored.imported() || stored.State != "PendingImport" {
		t.Errorf("%+v, %v", stored, err)
	}

	// Only the same material comes back, and with it what was encrypted.
	in.ValidTo, in.ExpirationModel = nil, new("KEY_MATERIAL_DOES_NOT_EXPIRE")
	bad = *in
	bad.EncryptedKeyMaterial = wrapped(t, p, bytes.Repeat([]byte{8}, 32))
	fails(t, h.call(), api.ImportKeyMaterial, &bad, "IncorrectKeyMaterialException", "")
	if again := must(t, h.call(), api.ImportKeyMaterial, in); *again.KeyMaterialId != *first.KeyMaterialId {
		t.Errorf("%+v", again)
	}
	if out := must(t, h.call(), api.Decrypt, &api.DecryptInput{CiphertextBlob: blob}); string(out.Plaintext) != "x" {
		t.Errorf("%+v", out)
	}
	must(t, h.call(), api.DeleteImportedKeyMaterial, &api.DeleteImportedKeyMaterialInput{KeyId: k.KeyId})
	fails(t, h.call(), api.Decrypt, &api.DecryptInput{CiphertextBlob: blob}, "KMSInvalidStateException", pending)
	must(t, h.call(), api.ScheduleKeyDeletion, &api.ScheduleKeyDeletionInput{KeyId: k.KeyId})
	must(t, h.call(), api.CancelKeyDeletion, &api.CancelKeyDeletionInput{KeyId: k.KeyId})
	fails(t, h.call(), api.Encrypt, encrypt, "KMSInvalidStateException", pending)
	h.clk.Advance(24 * time.Hour)
	fails(t, h.call(), api.ImportKeyMaterial, in, "ExpiredImportTokenException", "")
}
