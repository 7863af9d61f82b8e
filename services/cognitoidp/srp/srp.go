// Package srp is the server's half of the password proof that Cognito's clients
// speak: SRP-6a over the 3072-bit group of RFC 3526 with SHA-256, Cognito's own
// padding, key derivation and signature.
//
// It is arithmetic only. It stores nothing, draws no randomness, knows no users
// and does not judge how old a timestamp may be beyond parsing it. Arithmetic
// is that of math/big, which is not constant-time: the verifier is only ever
// raised to powers that an attacker does not choose alone.
package srp

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"math/big"
	"strings"
	"time"
)

// Sizes of what the caller draws at random.
const (
	SaltBytes   = 16
	SecretBytes = 128 // of the server's ephemeral exponent

	// publicHexMax bounds SRP_A: 3072 bits are 768 hex digits, and clients may
	// send padding.
	publicHexMax = 1024
	keyBytes     = 16
)

// timestampLayout is what clients sign: the day is not padded.
const timestampLayout = "Mon Jan 2 15:04:05 MST 2006"

const derivedKeyInfo = "Caldera Derived Key"

// primeHex is the 3072-bit MODP prime of RFC 3526, group 15.
const primeHex = "" +
	"FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74" +
	"020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F1437" +
	"4FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED" +
	"EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF05" +
	"98DA48361C55D39A69163FA8FD24CF5F83655D23DCA3AD961C62F356208552BB" +
	"9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B" +
	"E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF695581718" +
	"3995497CEA956AE515D2261898FA051015728E5A8AAAC42DAD33170D04507A33" +
	"A85521ABDF1CBA64ECFB850458DBEF0A8AEA71575D060C7DB3970F85A6E1E4C7" +
	"ABF5AE8CDB0933D71E8C94E04A25619DCEE3D2261AD2EE6BF12FFA06D98A0864" +
	"D87602733EC86A64521F2B18177B200CBBE117577A615D6C770988C0BAD946E2" +
	"08E24FA074E5AB3143DB5BFCE0FD108E4B82D120A93AD2CAFFFFFFFFFFFFFFFF"

// Why a value of the client's is refused.
var (
	ErrPublic    = errors.New("srp: client's public value is not usable")
	ErrTimestamp = errors.New("srp: timestamp is not in the form clients sign")
)

// Group is the group and the multiplier, computed once by NewGroup; it is
// read-only and safe for concurrent use.
type Group struct {
	n, g, k *big.Int
}

// NewGroup returns Cognito's group.
func NewGroup() *Group {
	n, ok := new(big.Int).SetString(primeHex, 16)
	if !ok {
		panic("srp: prime is no number") // a typing error above
	}
	g := big.NewInt(2)
	return &Group{n: n, g: g, k: number(hash(pad(n), pad(g)))}
}

// Verifier returns v = g^x for a password: what the server keeps. poolName is
// the pool's id after the underscore, userID what USER_ID_FOR_SRP says.
func (g *Group) Verifier(poolName, userID, password string, salt []byte) *big.Int {
	inner := hash([]byte(poolName), []byte(userID), []byte(":"), []byte(password))
	x := number(hash(pad(number(salt)), inner))
	return new(big.Int).Exp(g.g, x, g.n)
}

// Public returns B = k*v + g^b for the server's secret exponent b.
func (g *Group) Public(v, b *big.Int) *big.Int {
	sum := new(big.Int).Mul(g.k, v)
	sum.Add(sum, new(big.Int).Exp(g.g, b, g.n))
	return sum.Mod(sum, g.n)
}

// ParsePublic reads SRP_A. Values that are zero in the group would let anybody
// in and are refused.
func (g *Group) ParsePublic(hexText string) (*big.Int, error) {
	if hexText == "" || len(hexText) > publicHexMax || strings.ContainsAny(hexText, "+-_xX") {
		return nil, ErrPublic
	}
	a, ok := new(big.Int).SetString(hexText, 16)
	if !ok || new(big.Int).Mod(a, g.n).Sign() == 0 {
		return nil, ErrPublic
	}
	return a, nil
}

// Proof is what one sign-in is checked with.
type Proof struct {
	PoolName, UserID string
	Verifier         *big.Int // v
	Secret           *big.Int // b
	ClientPublic     *big.Int // A
	SecretBlock      []byte
	Timestamp        string
}

// Signature returns PASSWORD_CLAIM_SIGNATURE as a client that knows the
// password computes it; ErrPublic when the scrambling parameter is zero.
func (g *Group) Signature(p Proof) (string, error) {
	u := number(hash(pad(p.ClientPublic), pad(g.Public(p.Verifier, p.Secret))))
	if u.Sign() == 0 {
		return "", ErrPublic
	}
	s := new(big.Int).Exp(p.Verifier, u, g.n)
	s.Mul(s, p.ClientPublic)
	s.Exp(s.Mod(s, g.n), p.Secret, g.n)
	return sign(sessionKey(s, u), p), nil
}

// Verify reports whether signature proves the password.
func (g *Group) Verify(p Proof, signature string) bool {
	want, err := g.Signature(p)
	return err == nil && subtle.ConstantTimeCompare([]byte(want), []byte(signature)) == 1
}

// ParseTimestamp reads the TIMESTAMP response.
func ParseTimestamp(text string) (time.Time, error) {
	t, err := time.Parse(timestampLayout, text)
	if err != nil || !strings.Contains(text, " UTC ") {
		return time.Time{}, ErrTimestamp
	}
	return t, nil
}

// SaltHex writes a salt as the SALT parameter carries it: the minimal hex form
// of the number, which is what the client's padding starts from.
func SaltHex(salt []byte) string { return number(salt).Text(16) }

// sessionKey is HKDF-SHA256 with one block of output.
func sessionKey(s, u *big.Int) []byte {
	extract := mac(pad(u), pad(s))
	return mac(extract, []byte(derivedKeyInfo), []byte{1})[:keyBytes]
}

func sign(key []byte, p Proof) string {
	sum := mac(key, []byte(p.PoolName), []byte(p.UserID), p.SecretBlock, []byte(p.Timestamp))
	return base64.StdEncoding.EncodeToString(sum)
}

// pad gives the bytes of Java's BigInteger.toByteArray for x >= 0: minimal, with
// a zero byte in front where the top bit is set.
func pad(x *big.Int) []byte {
	b := x.Bytes()
	if len(b) == 0 || b[0]&0x80 != 0 {
		return append([]byte{0}, b...)
	}
	return b
}

func number(b []byte) *big.Int { return new(big.Int).SetBytes(b) }

func hash(parts ...[]byte) []byte {
	h := sha256.New()
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}

func mac(key []byte, parts ...[]byte) []byte {
	m := hmac.New(sha256.New, key)
	for _, p := range parts {
		m.Write(p)
	}
	return m.Sum(nil)
}
