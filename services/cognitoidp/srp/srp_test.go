package srp

import (
	"encoding/hex"
	"fmt"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// client is an independent client: it knows the password, never the verifier.
type client struct {
	g *Group
	a *big.Int
}

func (c client) public() *big.Int { return new(big.Int).Exp(c.g.g, c.a, c.g.n) }

func (c client) sign(pool, user, password string, salt []byte, b *big.Int, block []byte, ts string) string {
	x := number(hash(pad(number(salt)), hash([]byte(pool+user+":"+password))))
	u := number(hash(pad(c.public()), pad(b)))
	base := new(big.Int).Exp(c.g.g, x, c.g.n)
	base.Sub(b, base.Mul(base, c.g.k))
	base.Mod(base, c.g.n)
	s := base.Exp(base, new(big.Int).Add(c.a, u.Mul(u, x)), c.g.n)
	return sign(sessionKey(s, number(hash(pad(c.public()), pad(b)))), Proof{PoolName: pool, UserID: user, SecretBlock: block, Timestamp: ts})
}

func TestMultiplier(t *testing.T) {
	const want = "538282c4354742d7cbbde2359fcf67f9f5b3a6b08791e5011b43b8a5b66d9ee6"
	if got := hex.EncodeToString(NewGroup().k.Bytes()); got != want {
		t.Errorf("k = %s, want %s", got, want)
	}
}

// The vector on which amazon-cognito-identity-js agrees.
func TestVector(t *testing.T) {
	g := NewGroup()
	salt, _ := hex.DecodeString("800102030405060708090a0b0c0d0e0f")
	c := client{g: g, a: number([]byte(strings.Repeat("a", 128)))}
	p := Proof{
		PoolName: "AbCdEfGhI", UserID: "0a1b2c3d-uuid",
		Verifier:     g.Verifier("AbCdEfGhI", "0a1b2c3d-uuid", "Correct-Horse-9", salt),
		Secret:       number([]byte(strings.Repeat("b", 128))),
		ClientPublic: c.public(),
		SecretBlock:  []byte("secret-block"),
		Timestamp:    time.Date(2026, 11, 3, 4, 5, 6, 0, time.UTC).Format(timestampLayout),
	}
	if p.Timestamp != "Tue Nov 3 04:05:06 UTC 2026" {
		t.Fatalf("timestamp %q", p.Timestamp)
	}
	const want = "cAWgyDdfDwqP0aX56s7YleCV06fwr1nboPvSuLt3DbU="
	if got, err := g.Signature(p); err != nil || got != want {
		t.Errorf("server signature %q, %v; want %q", got, err, want)
	}
	if got := c.sign(p.PoolName, p.UserID, "Correct-Horse-9", salt, g.Public(p.Verifier, p.Secret), p.SecretBlock, p.Timestamp); got != want {
		t.Errorf("client signature %q, want %q", got, want)
	}
}

func TestRoundTrip(t *testing.T) {
	g := NewGroup()
	rnd := rand.NewChaCha8([32]byte{7})
	draw := func(n int) []byte {
		b := make([]byte, n)
		_, _ = rnd.Read(b)
		return b
	}
	for i := range 40 {
		user, salt := fmt.Sprint("user-", i), draw(SaltBytes)
		c := client{g: g, a: number(draw(128))}
		p := Proof{
			PoolName: "PoOl", UserID: user, Verifier: g.Verifier("PoOl", user, "pässword", salt),
			Secret: number(draw(SecretBytes)), ClientPublic: c.public(), SecretBlock: draw(50), Timestamp: "Tue Nov 3 04:05:06 UTC 2026",
		}
		b := g.Public(p.Verifier, p.Secret)
		if !g.Verify(p, c.sign("PoOl", user, "pässword", salt, b, p.SecretBlock, p.Timestamp)) {
			t.Fatalf("round %d: right password refused", i)
		}
		if g.Verify(p, c.sign("PoOl", user, "passwort", salt, b, p.SecretBlock, p.Timestamp)) {
			t.Fatalf("round %d: wrong password accepted", i)
		}
	}
}

func TestParsePublicRefusesZeroInTheGroup(t *testing.T) {
	g := NewGroup()
	twice := new(big.Int).Lsh(g.n, 1).Text(16)
	for _, bad := range []string{"", "0", "00", g.n.Text(16), twice, "-1", "xyz", "0x12", "1_0", strings.Repeat("1", publicHexMax+1)} {
		if _, err := g.ParsePublic(bad); err == nil {
			t.Errorf("ParsePublic(%.20q) accepted", bad)
		}
	}
	if a, err := g.ParsePublic("00ff"); err != nil || a.Int64() != 255 {
		t.Errorf("ParsePublic(00ff) = %v, %v", a, err)
	}
}

func TestParseTimestamp(t *testing.T) {
	for text, ok := range map[string]bool{
		"Tue Nov 3 04:05:06 UTC 2026":   true,
		"Mon Nov 23 10:00:00 UTC 2026":  true,
		"Tue Nov 3 04:05:06 CEST 2026":  false,
		"2026-11-03T04:05:06Z":          false,
		"":                              false,
		"Tue Nov 33 04:05:06 UTC 2026":  false,
		"Tue Nov 3 04:05:06 UTC 2026 x": false,
	} {
		if _, err := ParseTimestamp(text); (err == nil) != ok {
			t.Errorf("ParseTimestamp(%q): %v, want ok %v", text, err, ok)
		}
	}
}

func FuzzParsePublic(f *testing.F) {
	g := NewGroup()
	f.Add("ff")
	f.Add(g.n.Text(16))
	f.Fuzz(func(t *testing.T, s string) {
		a, err := g.ParsePublic(s)
		if err == nil && (a.Sign() <= 0 || new(big.Int).Mod(a, g.n).Sign() == 0) {
			t.Errorf("ParsePublic(%q) = %v", s, a)
		}
	})
}
