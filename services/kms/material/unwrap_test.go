package material

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"slices"
	"testing"

	api "moln.dev/moln/api/kms"
)

// TestUnwrapAES has the examples of RFC 5649, section 6.
func TestUnwrapAES(t *testing.T) {
	from := func(s string) []byte {
		b, err := hex.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	kek := from("5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8")
	for plain, wrapped := range map[string]string{
		"c37b7e6492584340bed12207808941155068f738": "138bdeaa9b8fa7fc61f97742e72248ee5ae6ae5360d1ae6a5f54f373fa543b6a",
		"466f7250617369": "afbeb0f07dfbf5419200f2ccb50bb24f",
	} {
		got, err := unwrapAES(kek, from(wrapped))
		if err != nil || hex.EncodeToString(got) != plain {
			t.Errorf("%x, %v", got, err)
		}
		bad := from(wrapped)
		bad[len(bad)-1] ^= 1
		if _, err := unwrapAES(kek, bad); !errors.Is(err, ErrDoesNotVerify) {
			t.Errorf("altered: %v", err)
		}
	}
}

func TestUnwrap(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	wrapping, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	kek, err := hex.DecodeString("5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8")
	if err != nil {
		t.Fatal(err)
	}
	seal := func(plain []byte) []byte {
		b, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, &key.PublicKey, plain, nil)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	if got, err := Unwrap(wrapping, api.AlgorithmSpecRsaesOaepSha256, seal([]byte("plain"))); err != nil || string(got) != "plain" {
		t.Errorf("%q, %v", got, err)
	}
	inner, err := hex.DecodeString("afbeb0f07dfbf5419200f2ccb50bb24f")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Unwrap(wrapping, api.AlgorithmSpecRsaAesKeyWrapSha256, slices.Concat(seal(kek), inner)); err != nil || string(got) != "ForPasi" {
		t.Errorf("%q, %v", got, err)
	}
	for _, algorithm := range []string{api.AlgorithmSpecRsaesOaepSha1, api.AlgorithmSpecRsaAesKeyWrapSha256} {
		if _, err := Unwrap(wrapping, algorithm, []byte("short")); !errors.Is(err, ErrDoesNotVerify) {
			t.Errorf("%s: %v", algorithm, err)
		}
	}
}

func FuzzUnwrapAES(f *testing.F) {
	f.Add([]byte("afbeb0f07dfbf5419200f2ccb50bb24f"), []byte("k"))
	f.Fuzz(func(t *testing.T, blob, key []byte) {
		kek := sha256.Sum256(key)
		if got, err := unwrapAES(kek[:], blob); err == nil && len(got) > len(blob) {
			t.Fatalf("%d bytes out of %d", len(got), len(blob))
		}
	})
}
