package tokens

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"
)

func newKey(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestSignParseVerify(t *testing.T) {
	key, other := newKey(t), newKey(t)
	for _, alg := range []Alg{RS256, RS512} {
		token, err := Sign(alg, "k1", key, map[string]any{
			"token_use": "access", "sub": "s", "username": "u<&>", "client_id": "c", "scope": "a b", "exp": 1700000000, "iat": 1699990000,
			"cognito:groups": []string{"g1", "g2"},
		})
		if err != nil {
			t.Fatal(err)
		}
		u, err := Parse(token)
		if err != nil || u.KeyID != "k1" {
			t.Fatalf("Parse: %v, kid %q", err, u.KeyID)
		}
		if err := u.Verify(alg, &key.PublicKey); err != nil {
			t.Errorf("Verify: %v", err)
		}
		if err := u.Verify(alg, &other.PublicKey); !errors.Is(err, ErrBadSignature) {
			t.Errorf("other key: %v", err)
		}
		c, err := ReadClaims(u.Claims)
		if err != nil || c.Username != "u<&>" || c.ClientID != "c" || len(c.Scopes) != 2 || len(c.Groups) != 2 || c.Expires.Unix() != 1700000000 {
			t.Errorf("claims %+v, %v", c, err)
		}
	}
}

func TestVerifyDoesNotLetTheTokenChooseTheAlgorithm(t *testing.T) {
	key := newKey(t)
	token, _ := Sign(RS512, "k", key, map[string]any{"exp": 1})
	u, err := Parse(token)
	if err != nil {
		t.Fatal(err)
	}
	if err := u.Verify(RS256, &key.PublicKey); !errors.Is(err, ErrBadSignature) {
		t.Errorf("RS512 token under RS256: %v", err)
	}
}

func TestParseRefuses(t *testing.T) {
	part := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	for name, token := range map[string]string{
		"empty":      "",
		"two parts":  part(`{"alg":"RS256"}`) + "." + part(`{}`),
		"alg none":   part(`{"alg":"none"}`) + "." + part(`{}`) + ".",
		"hmac":       part(`{"alg":"HS256"}`) + "." + part(`{}`) + ".YQ",
		"critical":   part(`{"alg":"RS256","crit":["x"]}`) + "." + part(`{}`) + ".YQ",
		"null":       part(`{"alg":"RS256"}`) + "." + part(`null`) + ".YQ",
		"two values": part(`{"alg":"RS256"}`) + "." + part(`{}{}`) + ".YQ",
		"padding":    part(`{"alg":"RS256"}`) + "." + part(`{}`) + ".YQ==",
		"long":       strings.Repeat("a", TokenBytesMax+1),
	} {
		if _, err := Parse(token); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v, want ErrMalformed", name, err)
		}
	}
	if _, err := ReadClaims(map[string]any{"exp": "tomorrow"}); !errors.Is(err, ErrMalformed) {
		t.Errorf("claims without expiry: %v", err)
	}
}

func TestBrokerWithoutVerifierRefuses(t *testing.T) {
	var b Broker
	if _, err := b.VerifyToken(context.Background(), "", "", time.Time{}); !errors.Is(err, ErrUnbound) {
		t.Errorf("VerifyToken: %v", err)
	}
	if err := b.CheckSession(context.Background(), "", Claims{}); !errors.Is(err, ErrUnbound) {
		t.Errorf("CheckSession: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("eyJhbGciOiJSUzI1NiJ9.e30.YQ")
	f.Add("..")
	f.Fuzz(func(t *testing.T, s string) {
		u, err := Parse(s)
		if err != nil {
			return
		}
		if u.Claims == nil {
			t.Error("parsed without claims")
		}
		_, _ = ReadClaims(u.Claims)
	})
}
