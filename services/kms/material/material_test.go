package material

import (
	"encoding/hex"
	"errors"
	"slices"
	"testing"

	api "moln.dev/moln/api/kms"
)

// TestMAC is test case 2 of RFC 4231.
func TestMAC(t *testing.T) {
	for algorithm, want := range map[string]string{
		"HMAC_SHA_224": "a30e01098bc6dbbf45690f3a7e9e6d0f8bbea2a39e6148008fd05e44",
		"HMAC_SHA_256": "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
		"HMAC_SHA_384": "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649",
		"HMAC_SHA_512": "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
	} {
		if got := hex.EncodeToString(MAC([]byte("Jefe"), algorithm, []byte("what do ya want for nothing?"))); got != want {
			t.Errorf("%s: %s", algorithm, got)
		}
	}
}

func TestFind(t *testing.T) {
	for _, s := range specs() {
		got, ok := Find(s.Name)
		if !ok || got.Name != s.Name || len(got.Usages) == 0 {
			t.Errorf("%s: %+v", s.Name, got)
		}
		for _, u := range got.Usages {
			if len(got.Algorithms(u)) == 0 || !got.Allows(u) {
				t.Errorf("%s has no algorithm for %s", s.Name, u)
			}
		}
		if got.Symmetric() != slices.Contains([]string{"SYMMETRIC_DEFAULT", "HMAC_224", "HMAC_256", "HMAC_384", "HMAC_512"}, s.Name) {
			t.Errorf("%s: symmetric is %v", s.Name, got.Symmetric())
		}
	}
	if _, ok := Find("SM2"); ok {
		t.Error("SM2 is there")
	}
}

// TestEdwardsMessageTypes: each algorithm of Ed25519 has one.
func TestEdwardsMessageTypes(t *testing.T) {
	s, _ := Find(api.KeySpecEccNistEdwards25519)
	m, err := s.Generate(func(int) []byte { return nil })
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		algorithm, kind string
		ok              bool
	}{
		{"ED25519_SHA_512", "RAW", true}, {"ED25519_SHA_512", "DIGEST", false},
		{"ED25519_PH_SHA_512", "DIGEST", true}, {"ED25519_PH_SHA_512", "RAW", false},
	} {
		message := make([]byte, 64)
		sig, err := s.Sign(m, tt.algorithm, tt.kind, message)
		if (err == nil) != tt.ok {
			t.Errorf("%s %s: %v", tt.algorithm, tt.kind, err)
			continue
		}
		if _, refused := errors.AsType[*Error](err); !tt.ok && !refused {
			t.Errorf("%s %s: %v", tt.algorithm, tt.kind, err)
		}
		if tt.ok {
			if err := s.Verify(m, tt.algorithm, tt.kind, message, sig); err != nil {
				t.Error(err)
			}
			message[0] = 1
			if err := s.Verify(m, tt.algorithm, tt.kind, message, sig); !errors.Is(err, ErrDoesNotVerify) {
				t.Error(err)
			}
		}
	}
}
