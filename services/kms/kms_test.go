package kms

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	api "moln.dev/moln/api/kms"
	"moln.dev/moln/platform/service"
)

func TestTableListsEveryOperationOnce(t *testing.T) {
	seen := map[string]int{}
	for _, op := range newHarness(t).s.Definition().Operations {
		_, o := op.Of()
		seen[o.Name]++
	}
	for _, d := range api.Operations() {
		if _, o := d.Of(); seen[o.Name] != 1 {
			t.Errorf("%s is listed %d times", o.Name, seen[o.Name])
		}
	}
}

func TestSymmetric(t *testing.T) {
	h := newHarness(t)
	k := h.key(api.CreateKeyInput{Description: new("first")})
	if *k.KeySpec != "SYMMETRIC_DEFAULT" || *k.KeyUsage != "ENCRYPT_DECRYPT" || !*k.Enabled || *k.KeyState != "Enabled" || *k.KeyManager != "CUSTOMER" || *k.Origin != "AWS_KMS" {
		t.Fatalf("%+v", k)
	}
	context := map[string]string{"purpose": "test"}
	enc := must(t, h.call(), api.Encrypt, &api.EncryptInput{KeyId: k.KeyId, Plaintext: []byte("hello"), EncryptionContext: context})
	if *enc.KeyId != *k.Arn || bytes.Contains(enc.CiphertextBlob, []byte("hello")) {
		t.Errorf("%+v", enc)
	}
	dec := must(t, h.call(), api.Decrypt, &api.DecryptInput{CiphertextBlob: enc.CiphertextBlob, EncryptionContext: context})
	if string(dec.Plaintext) != "hello" || *dec.KeyId != *k.Arn || *dec.KeyMaterialId != *k.CurrentKeyMaterialId {
		t.Errorf("%+v", dec)
	}
	fails(t, h.call(), api.Decrypt, &api.DecryptInput{CiphertextBlob: enc.CiphertextBlob}, "InvalidCiphertextException", "")
	fails(t, h.call(), api.Decrypt, &api.DecryptInput{CiphertextBlob: []byte("x")}, "InvalidCiphertextException", "")
	other := h.key(api.CreateKeyInput{})
	fails(t, h.call(), api.Decrypt, &api.DecryptInput{CiphertextBlob: enc.CiphertextBlob, EncryptionContext: context, KeyId: other.KeyId},
		"IncorrectKeyException", "The key ID in the request does not identify a CMK that can perform this operation.")
	re := must(t, h.call(), api.ReEncrypt, &api.ReEncryptInput{CiphertextBlob: enc.CiphertextBlob, SourceEncryptionContext: context, DestinationKeyId: other.KeyId})
	if dec := must(t, h.call(), api.Decrypt, &api.DecryptInput{CiphertextBlob: re.CiphertextBlob}); string(dec.Plaintext) != "hello" || *dec.KeyId != *other.Arn {
		t.Errorf("%+v", dec)
	}
	fails(t, h.call(), api.Encrypt, &api.EncryptInput{KeyId: k.KeyId, Plaintext: []byte("x"), EncryptionAlgorithm: new("RSAES_OAEP_SHA_1")},
		"InvalidKeyUsageException", "Algorithm RSAES_OAEP_SHA_1 is incompatible with key spec SYMMETRIC_DEFAULT.")
	fails(t, h.call(), api.Encrypt, &api.EncryptInput{KeyId: k.KeyId, Plaintext: []byte("x"), DryRun: new(true)},
		"DryRunOperationException", "The request would have succeeded, but the DryRun option is set.")
	fails(t, h.call(), api.GetPublicKey, &api.GetPublicKeyInput{KeyId: k.KeyId}, "UnsupportedOperationException", "")
}

func TestDataKeys(t *testing.T) {
	h := newHarness(t)
	k := h.key(api.CreateKeyInput{})
	for _, in := range []api.GenerateDataKeyInput{{KeySpec: new("AES_256")}, {KeySpec: new("AES_128")}, {NumberOfBytes: new(int32(1024))}} {
		in.KeyId, in.EncryptionContext = k.Arn, map[string]string{"a": "b"}
		out := must(t, h.call(), api.GenerateDataKey, &in)
		dec := must(t, h.call(), api.Decrypt, &api.DecryptInput{CiphertextBlob: out.CiphertextBlob, EncryptionContext: in.EncryptionContext})
		if !bytes.Equal(dec.Plaintext, out.Plaintext) || len(out.Plaintext) < 16 {
			t.Errorf("%d bytes, %d bytes", len(dec.Plaintext), len(out.Plaintext))
		}
	}
	fails(t, h.call(), api.GenerateDataKey, &api.GenerateDataKeyInput{KeyId: k.KeyId}, "ValidationException", "Please specify either number of bytes or key spec.")
	without := must(t, h.call(), api.GenerateDataKeyWithoutPlaintext, &api.GenerateDataKeyWithoutPlaintextInput{KeyId: k.KeyId, NumberOfBytes: new(int32(8))})
	if dec := must(t, h.call(), api.Decrypt, &api.DecryptInput{CiphertextBlob: without.CiphertextBlob}); len(dec.Plaintext) != 8 {
		t.Errorf("%d bytes", len(dec.Plaintext))
	}
	pair := must(t, h.call(), api.GenerateDataKeyPair, &api.GenerateDataKeyPairInput{KeyId: k.KeyId, KeyPairSpec: new("ECC_NIST_P256")})
	if dec := must(t, h.call(), api.Decrypt, &api.DecryptInput{CiphertextBlob: pair.PrivateKeyCiphertextBlob}); !bytes.Equal(dec.Plaintext, pair.PrivateKeyPlaintext) {
		t.Error("the private key differs")
	}
	if _, err := x509.ParsePKIXPublicKey(pair.PublicKey); err != nil {
		t.Error(err)
	}
	if out := must(t, h.call(), api.GenerateDataKeyPairWithoutPlaintext, &api.GenerateDataKeyPairWithoutPlaintextInput{KeyId: k.KeyId, KeyPairSpec: new("ECC_NIST_EDWARDS25519")}); len(out.PublicKey) == 0 {
		t.Error("no public key")
	}
	fails(t, h.call(), api.GenerateDataKeyPair, &api.GenerateDataKeyPairInput{KeyId: k.KeyId, KeyPairSpec: new("SM2")}, "UnsupportedOperationException", "moln makes no key pairs of the spec SM2")
	if out := must(t, h.call(), api.GenerateRandom, &api.GenerateRandomInput{NumberOfBytes: new(int32(33))}); len(out.Plaintext) != 33 {
		t.Errorf("%d bytes", len(out.Plaintext))
	}
}

func TestSignVerify(t *testing.T) {
	h := newHarness(t)
	message := []byte("a message")
	sum := sha256.Sum256(message)
	for _, tt := range []struct{ spec, algorithm string }{
		{"RSA_2048", "RSASSA_PSS_SHA_256"}, {"RSA_2048", "RSASSA_PKCS1_V1_5_SHA_512"}, {"ECC_NIST_P256", "ECDSA_SHA_256"},
		{"ECC_NIST_P384", "ECDSA_SHA_384"}, {"ECC_NIST_P521", "ECDSA_SHA_512"}, {"ECC_NIST_EDWARDS25519", "ED25519_SHA_512"},
	} {
		k := h.key(api.CreateKeyInput{KeySpec: &tt.spec, KeyUsage: new("SIGN_VERIFY")})
		sig := must(t, h.call(), api.Sign, &api.SignInput{KeyId: k.KeyId, Message: message, SigningAlgorithm: &tt.algorithm}).Signature
		in := &api.VerifyInput{KeyId: k.KeyId, Message: message, SigningAlgorithm: &tt.algorithm, Signature: sig}
		if out := must(t, h.call(), api.Verify, in); !*out.SignatureValid {
			t.Errorf("%+v", out)
		}
		if strings.HasSuffix(tt.algorithm, "SHA_256") {
			in.Message, in.MessageType = sum[:], new("DIGEST")
			must(t, h.call(), api.Verify, in)
			in.Message = sum[:5]
			fails(t, h.call(), api.Verify, in, "ValidationException", "Digest is invalid length for algorithm "+tt.algorithm+".")
		}
		in.Message, in.MessageType = []byte("another"), nil
		fails(t, h.call(), api.Verify, in, "KMSInvalidSignatureException", "")
		if pub := must(t, h.call(), api.GetPublicKey, &api.GetPublicKeyInput{KeyId: k.KeyId}); !slices.Contains(pub.SigningAlgorithms, tt.algorithm) {
			t.Errorf("%+v", pub)
		}
		fails(t, h.call(), api.Encrypt, &api.EncryptInput{KeyId: k.KeyId, Plaintext: message}, "InvalidKeyUsageException", *k.Arn+" key usage is SIGN_VERIFY which is not valid for Encrypt.")
		fails(t, h.call(), api.Sign, &api.SignInput{KeyId: k.KeyId, Message: message, SigningAlgorithm: new("SM2DSA")}, "InvalidKeyUsageException", "Algorithm SM2DSA is incompatible with key spec "+tt.spec+".")
	}
}

func TestRSAEncryption(t *testing.T) {
	h := newHarness(t)
	k := h.key(api.CreateKeyInput{KeySpec: new("RSA_2048"), KeyUsage: new("ENCRYPT_DECRYPT")})
	for _, algorithm := range []string{"RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"} {
		enc := must(t, h.call(), api.Encrypt, &api.EncryptInput{KeyId: k.KeyId, Plaintext: []byte("hi"), EncryptionAlgorithm: &algorithm})
		dec := must(t, h.call(), api.Decrypt, &api.DecryptInput{KeyId: k.KeyId, CiphertextBlob: enc.CiphertextBlob, EncryptionAlgorithm: &algorithm})
		if string(dec.Plaintext) != "hi" {
			t.Errorf("%q", dec.Plaintext)
		}
		// As a number it is the same without a zero at its beginning.
		for enc.CiphertextBlob[0] != 0 {
			enc = must(t, h.call(), api.Encrypt, &api.EncryptInput{KeyId: k.KeyId, Plaintext: []byte("hi"), EncryptionAlgorithm: &algorithm})
		}
		fails(t, h.call(), api.Decrypt, &api.DecryptInput{KeyId: k.KeyId, CiphertextBlob: enc.CiphertextBlob[1:], EncryptionAlgorithm: &algorithm}, "InvalidCiphertextException", "")
	}
	fails(t, h.call(), api.Encrypt, &api.EncryptInput{KeyId: k.KeyId, Plaintext: make([]byte, 191), EncryptionAlgorithm: new("RSAES_OAEP_SHA_256")},
		"ValidationException", "Algorithm RSAES_OAEP_SHA_256 and key spec RSA_2048 cannot encrypt data larger than 190 bytes.")
	fails(t, h.call(), api.GenerateDataKey, &api.GenerateDataKeyInput{KeyId: k.KeyId, KeySpec: new("AES_256")}, "InvalidKeyUsageException", "")
}

func TestMACAndAgreement(t *testing.T) {
	h := newHarness(t)
	for _, n := range []string{"224", "256", "384", "512"} {
		k := h.key(api.CreateKeyInput{KeySpec: new("HMAC_" + n), KeyUsage: new("GENERATE_VERIFY_MAC")})
		out := must(t, h.call(), api.GenerateMac, &api.GenerateMacInput{KeyId: k.KeyId, Message: []byte("m"), MacAlgorithm: new("HMAC_SHA_" + n)})
		must(t, h.call(), api.VerifyMac, &api.VerifyMacInput{KeyId: k.KeyId, Message: []byte("m"), MacAlgorithm: new("HMAC_SHA_" + n), Mac: out.Mac})
		fails(t, h.call(), api.VerifyMac, &api.VerifyMacInput{KeyId: k.KeyId, Message: []byte("n"), MacAlgorithm: new("HMAC_SHA_" + n), Mac: out.Mac}, "KMSInvalidMacException", "")
	}
	k := h.key(api.CreateKeyInput{KeySpec: new("ECC_NIST_P256"), KeyUsage: new("KEY_AGREEMENT")})
	mine, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(mine.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	shared := must(t, h.call(), api.DeriveSharedSecret, &api.DeriveSharedSecretInput{KeyId: k.KeyId, KeyAgreementAlgorithm: new("ECDH"), PublicKey: der}).SharedSecret
	public, err := x509.ParsePKIXPublicKey(must(t, h.call(), api.GetPublicKey, &api.GetPublicKeyInput{KeyId: k.KeyId}).PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := public.(interface {
		ECDH() (*ecdh.PublicKey, error)
	}).ECDH()
	if err != nil {
		t.Fatal(err)
	}
	if want, err := mine.ECDH(theirs); err != nil || !bytes.Equal(shared, want) {
		t.Errorf("%x, want %x (%v)", shared, want, err)
	}
	fails(t, h.call(), api.DeriveSharedSecret, &api.DeriveSharedSecretInput{KeyId: k.KeyId, KeyAgreementAlgorithm: new("ECDH"), PublicKey: []byte("x")}, "ValidationException", "")
}

func TestCreateKeyRefuses(t *testing.T) {
	h := newHarness(t)
	for _, tt := range []struct {
		in            api.CreateKeyInput
		code, message string
	}{
		{api.CreateKeyInput{KeySpec: new("RSA_2048")}, "ValidationException", "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys."},
		{api.CreateKeyInput{KeySpec: new("ECC_NIST_P256"), KeyUsage: new("ENCRYPT_DECRYPT")}, "ValidationException", "KeyUsage ENCRYPT_DECRYPT is not compatible with KeySpec ECC_NIST_P256"},
		{api.CreateKeyInput{KeySpec: new("ECC_SECG_P256K1"), KeyUsage: new("SIGN_VERIFY")}, "UnsupportedOperationException", "moln has no keys of the spec ECC_SECG_P256K1"},
		{api.CreateKeyInput{MultiRegion: new(true), Origin: new("EXTERNAL")}, "UnsupportedOperationException", ""},
		{api.CreateKeyInput{Origin: new("AWS_CLOUDHSM")}, "UnsupportedOperationException", ""},
		{api.CreateKeyInput{CustomKeyStoreId: new("cks")}, "UnsupportedOperationException", "moln has no custom key stores"},
		{api.CreateKeyInput{Policy: new("{")}, "MalformedPolicyDocumentException", ""},
		{api.CreateKeyInput{Policy: new(keyPolicyFor("someone"))}, "MalformedPolicyDocumentException", "The new key policy will not allow you to update the key policy in the future."},
		{api.CreateKeyInput{Tags: []api.Tag{{TagKey: new("aws:x"), TagValue: new("y")}}}, "TagException", ""},
		{api.CreateKeyInput{Tags: []api.Tag{{TagKey: new("x"), TagValue: new("y")}, {TagKey: new("x"), TagValue: new("y")}}}, "TagException", "Duplicate tag keys"},
	} {
		fails(t, h.call(), api.CreateKey, &tt.in, tt.code, tt.message)
	}
	if keys := must(t, h.call(), api.ListKeys, &api.ListKeysInput{}).Keys; len(keys) != 0 {
		t.Errorf("%d keys were made", len(keys))
	}
	h.key(api.CreateKeyInput{Policy: new(keyPolicyFor("someone")), BypassPolicyLockoutSafetyCheck: new(true)})
}

func keyPolicyFor(user string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + userARN(user) + `"},"Action":"kms:*","Resource":"*"}]}`
}

func TestStates(t *testing.T) {
	h := newHarness(t)
	k := h.key(api.CreateKeyInput{})
	encrypt := &api.EncryptInput{KeyId: k.KeyId, Plaintext: []byte("x")}
	must(t, h.call(), api.DisableKey, &api.DisableKeyInput{KeyId: k.KeyId})
	fails(t, h.call(), api.Encrypt, encrypt, "DisabledException", *k.Arn+" is disabled.")
	fails(t, h.call(), api.CancelKeyDeletion, &api.CancelKeyDeletionInput{KeyId: k.KeyId}, "KMSInvalidStateException", *k.Arn+" is not pending deletion.")
	must(t, h.call(), api.EnableKey, &api.EnableKeyInput{KeyId: k.KeyId})
	blob := must(t, h.call(), api.Encrypt, encrypt).CiphertextBlob
	must(t, h.call(), api.CreateAlias, &api.CreateAliasInput{AliasName: new("alias/dying"), TargetKeyId: k.KeyId})
	fails(t, h.call(), api.ScheduleKeyDeletion, &api.ScheduleKeyDeletionInput{KeyId: k.KeyId, PendingWindowInDays: new(int32(6))}, "ValidationException", "")
	out := must(t, h.call(), api.ScheduleKeyDeletion, &api.ScheduleKeyDeletionInput{KeyId: k.KeyId, PendingWindowInDays: new(int32(7))})
	if *out.KeyState != "PendingDeletion" || !out.DeletionDate.Equal(h.clk.Now().Add(7*day)) {
		t.Errorf("%+v", out)
	}
	for _, err := range []func(){
		func() {
			fails(t, h.call(), api.Encrypt, encrypt, "KMSInvalidStateException", *k.Arn+" is pending deletion.")
		},
		func() {
			fails(t, h.call(), api.EnableKey, &api.EnableKeyInput{KeyId: k.KeyId}, "KMSInvalidStateException", *k.Arn+" is pending deletion.")
		},
		func() {
			fails(t, h.call(), api.TagResource, &api.TagResourceInput{KeyId: k.KeyId, Tags: []api.Tag{{TagKey: new("a"), TagValue: new("b")}}}, "KMSInvalidStateException", "")
		},
	} {
		err()
	}
	must(t, h.call(), api.CancelKeyDeletion, &api.CancelKeyDeletionInput{KeyId: k.KeyId})
	if m := must(t, h.call(), api.DescribeKey, &api.DescribeKeyInput{KeyId: k.KeyId}).KeyMetadata; *m.KeyState != "Disabled" || m.DeletionDate != nil {
		t.Errorf("%+v", m)
	}
	must(t, h.call(), api.ScheduleKeyDeletion, &api.ScheduleKeyDeletionInput{KeyId: k.KeyId})
	h.clk.Advance(30*day - time.Second)
	must(t, h.call(), api.DescribeKey, &api.DescribeKeyInput{KeyId: k.KeyId})
	h.clk.Advance(time.Second)
	fails(t, h.call(), api.DescribeKey, &api.DescribeKeyInput{KeyId: k.KeyId}, "NotFoundException", "Key '"+*k.Arn+"' does not exist")
	fails(t, h.call(), api.Decrypt, &api.DecryptInput{CiphertextBlob: blob}, "AccessDeniedException", noAccess().Message)
	if err := h.s.tendOnce(context.Background()); err != nil {
		t.Fatal(err)
	}
	if aliases := must(t, h.call(), api.ListAliases, &api.ListAliasesInput{}).Aliases; len(aliases) != 0 {
		t.Errorf("%+v", aliases)
	}
}

func TestAliases(t *testing.T) {
	h := newHarness(t)
	a, b := h.key(api.CreateKeyInput{}), h.key(api.CreateKeyInput{})
	mac := h.key(api.CreateKeyInput{KeySpec: new("HMAC_256"), KeyUsage: new("GENERATE_VERIFY_MAC")})
	create := func(name string, to *string) *api.CreateAliasInput {
		return &api.CreateAliasInput{AliasName: &name, TargetKeyId: to}
	}
	must(t, h.call(), api.CreateAlias, create("alias/one", a.KeyId))
	fails(t, h.call(), api.CreateAlias, create("alias/one", b.KeyId), "AlreadyExistsException", "An alias with the name arn:aws:kms:us-east-1:000000000000:alias/one already exists")
	fails(t, h.call(), api.CreateAlias, create("one", a.KeyId), "ValidationException", badPrefix().Error()[len("ValidationException: "):])
	fails(t, h.call(), api.CreateAlias, create("alias/aws/mine", a.KeyId), "InvalidAliasNameException", "")
	fails(t, h.call(), api.CreateAlias, create("alias/two", new("alias/one")), "ValidationException", "Aliases must refer to keys. Not aliases")
	fails(t, h.call(), api.Encrypt, &api.EncryptInput{KeyId: new("alias/none"), Plaintext: []byte("x")}, "NotFoundException", "Alias arn:aws:kms:us-east-1:000000000000:alias/none is not found.")
	fails(t, h.call(), api.Encrypt, &api.EncryptInput{KeyId: new("nonsense"), Plaintext: []byte("x")}, "NotFoundException", "Invalid keyId 'nonsense'")
	fails(t, h.call(), api.DisableKey, &api.DisableKeyInput{KeyId: new("alias/one")}, "NotFoundException", "Invalid keyId 'alias/one'")
	for _, id := range []string{"alias/one", "arn:aws:kms:us-east-1:000000000000:alias/one"} {
		if out := must(t, h.call(), api.Encrypt, &api.EncryptInput{KeyId: &id, Plaintext: []byte("x")}); *out.KeyId != *a.Arn {
			t.Errorf("%s is %s", id, *out.KeyId)
		}
	}
	must(t, h.call(), api.UpdateAlias, &api.UpdateAliasInput{AliasName: new("alias/one"), TargetKeyId: b.KeyId})
	fails(t, h.call(), api.UpdateAlias, &api.UpdateAliasInput{AliasName: new("alias/one"), TargetKeyId: mac.KeyId}, "ValidationException", "")
	if got := must(t, h.call(), api.ListAliases, &api.ListAliasesInput{KeyId: a.KeyId}).Aliases; len(got) != 0 {
		t.Errorf("%+v", got)
	}
	must(t, h.call(), api.CreateAlias, create("alias/two", b.KeyId))
	first := must(t, h.call(), api.ListAliases, &api.ListAliasesInput{KeyId: b.KeyId, Limit: new(int32(1))})
	second := must(t, h.call(), api.ListAliases, &api.ListAliasesInput{KeyId: b.KeyId, Limit: new(int32(1)), Marker: first.NextMarker})
	if *first.Aliases[0].AliasName != "alias/one" || !*first.Truncated || *second.Aliases[0].AliasName != "alias/two" || *second.Truncated {
		t.Errorf("%+v %+v", first, second)
	}
	must(t, h.call(), api.DeleteAlias, &api.DeleteAliasInput{AliasName: new("alias/one")})
	fails(t, h.call(), api.DeleteAlias, &api.DeleteAliasInput{AliasName: new("alias/one")}, "NotFoundException", "Alias arn:aws:kms:us-east-1:000000000000:alias/one is not found.")
	k, err := h.s.store.key(context.Background(), place{account, region}, *b.KeyId)
	if err != nil || !slices.Equal(k.Aliases, []string{"alias/two"}) {
		t.Errorf("%v, %v", k.Aliases, err)
	}
}

func TestRotation(t *testing.T) {
	h := newHarness(t)
	k := h.key(api.CreateKeyInput{})
	status := func() *api.GetKeyRotationStatusOutput {
		return must(t, h.call(), api.GetKeyRotationStatus, &api.GetKeyRotationStatusInput{KeyId: k.KeyId})
	}
	if *status().KeyRotationEnabled {
		t.Error("rotation is on")
	}
	old := must(t, h.call(), api.Encrypt, &api.EncryptInput{KeyId: k.KeyId, Plaintext: []byte("old")}).CiphertextBlob
	must(t, h.call(), api.EnableKeyRotation, &api.EnableKeyRotationInput{KeyId: k.KeyId, RotationPeriodInDays: new(int32(90))})
	if st := status(); !*st.KeyRotationEnabled || *st.RotationPeriodInDays != 90 || !st.NextRotationDate.Equal(h.clk.Now().Add(90*day)) {
		t.Errorf("%+v", st)
	}
	h.clk.Advance(90 * day)
	if err := h.s.tendOnce(context.Background()); err != nil {
		t.Fatal(err)
	}
	must(t, h.call(), api.RotateKeyOnDemand, &api.RotateKeyOnDemandInput{KeyId: k.KeyId})
	rotations := must(t, h.call(), api.ListKeyRotations, &api.ListKeyRotationsInput{KeyId: k.KeyId}).Rotations
	kinds := []string{}
	for _, r := range rotations {
		kinds = append(kinds, *r.RotationType+" "+*r.KeyMaterialState)
	}
	if diff := cmp.Diff([]string{"AUTOMATIC NON_CURRENT", "ON_DEMAND CURRENT"}, kinds); diff != "" {
		t.Error(diff)
	}
	if all := must(t, h.call(), api.ListKeyRotations, &api.ListKeyRotationsInput{KeyId: k.KeyId, IncludeKeyMaterial: new("ALL_KEY_MATERIAL")}).Rotations; len(all) != 3 {
		t.Errorf("%d materials", len(all))
	}
	for _, blob := range [][]byte{old, must(t, h.call(), api.Encrypt, &api.EncryptInput{KeyId: k.KeyId, Plaintext: []byte("new")}).CiphertextBlob} {
		must(t, h.call(), api.Decrypt, &api.DecryptInput{CiphertextBlob: blob})
	}
	must(t, h.call(), api.DisableKeyRotation, &api.DisableKeyRotationInput{KeyId: k.KeyId})
	mac := h.key(api.CreateKeyInput{KeySpec: new("HMAC_256"), KeyUsage: new("GENERATE_VERIFY_MAC")})
	fails(t, h.call(), api.EnableKeyRotation, &api.EnableKeyRotationInput{KeyId: mac.KeyId}, "UnsupportedOperationException", "")
}

func TestTagsAndDescription(t *testing.T) {
	h := newHarness(t)
	k := h.key(api.CreateKeyInput{Tags: []api.Tag{{TagKey: new("b"), TagValue: new("1")}}})
	must(t, h.call(), api.TagResource, &api.TagResourceInput{KeyId: k.Arn, Tags: []api.Tag{{TagKey: new("a"), TagValue: new("2")}}})
	must(t, h.call(), api.UntagResource, &api.UntagResourceInput{KeyId: k.Arn, TagKeys: []string{"b"}})
	want := []api.Tag{{TagKey: new("a"), TagValue: new("2")}}
	if diff := cmp.Diff(want, must(t, h.call(), api.ListResourceTags, &api.ListResourceTagsInput{KeyId: k.KeyId}).Tags); diff != "" {
		t.Error(diff)
	}
	must(t, h.call(), api.UpdateKeyDescription, &api.UpdateKeyDescriptionInput{KeyId: k.KeyId, Description: new("d")})
	if m := must(t, h.call(), api.DescribeKey, &api.DescribeKeyInput{KeyId: k.KeyId}).KeyMetadata; *m.Description != "d" {
		t.Errorf("%+v", m)
	}
	if out := must(t, h.call(), api.ListKeyPolicies, &api.ListKeyPoliciesInput{KeyId: k.KeyId}); !slices.Equal(out.PolicyNames, []string{"default"}) {
		t.Errorf("%+v", out)
	}
	fails(t, h.call(), api.GetKeyPolicy, &api.GetKeyPolicyInput{KeyId: k.KeyId, PolicyName: new("x")}, "NotFoundException", "No such policy exists")
}

// TestMaterialIsSealed looks for secrets in what is stored.
func TestMaterialIsSealed(t *testing.T) {
	h := newHarness(t)
	m := h.key(api.CreateKeyInput{})
	k, err := h.s.store.key(context.Background(), place{account, region}, *m.KeyId)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := h.s.secret(k)
	if err != nil {
		t.Fatal(err)
	}
	if stored, err := json.Marshal(k); err != nil || bytes.Contains(stored, secret) || bytes.Contains(k.current().Sealed, secret) {
		t.Errorf("the material stands in the store (%v)", err)
	}
}

// TestResources goes through the life of CloudFormation resources.
func TestResources(t *testing.T) {
	h := newHarness(t)
	ctx, c := context.Background(), h.call()
	r := &service.Resource{Type: "AWS::KMS::Key", StackName: "s", LogicalID: "K", Token: "T", Tags: map[string]string{"aws": "no"}}
	p := &keyProperties{Description: new("d"), EnableKeyRotation: new(true), RotationPeriodInDays: new(int32(100)), Enabled: new(false), Tags: []struct{ Key, Value string }{{"a", "b"}}}
	p.Enabled = new(true)
	r.Properties = p
	if err := createKeyResource(ctx, c, r); err != nil {
		t.Fatal(err)
	}
	next := *p
	next.Enabled, next.EnableKeyRotation, next.Tags, next.Description = new(false), nil, nil, nil
	next.KeyPolicy = map[string]any{"Version": "2012-10-17", "Statement": []any{map[string]any{"Effect": "Allow", "Principal": map[string]any{"AWS": "*"}, "Action": "kms:*", "Resource": "*"}}}
	r.Old, r.Properties = p, &next
	if err := updateKeyResource(ctx, c, r); err != nil {
		t.Fatal(err)
	}
	k, err := h.s.store.key(ctx, place{account, region}, r.PhysicalID)
	if err != nil || k.State != "Disabled" || k.Period != 0 || k.Description != "" || len(k.Tags) != 1 {
		t.Errorf("%+v, %v", k, err)
	}
	a := &service.Resource{Properties: &aliasProperties{AliasName: "alias/x", TargetKeyId: r.PhysicalID}}
	if err := createAliasResource(ctx, c, a); err != nil {
		t.Fatal(err)
	}
	if err := updateAliasResource(ctx, c, a); err != nil {
		t.Fatal(err)
	}
	for range 2 { // what is gone is no error
		if err := deleteAliasResource(ctx, c, a); err != nil {
			t.Fatal(err)
		}
		if err := deleteKeyResource(ctx, c, r); err != nil {
			t.Fatal(err)
		}
	}
}
