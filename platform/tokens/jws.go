package tokens

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	_ "crypto/sha256" // crypto.SHA256
	_ "crypto/sha512" // crypto.SHA512
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"time"
)

// TokenBytesMax bounds what is parsed: tokens come from anywhere.
const TokenBytesMax = 32 << 10

// Alg is a signature algorithm.
type Alg string

// The algorithms that Cognito uses.
const (
	RS256 Alg = "RS256" // user pools
	RS512 Alg = "RS512" // identity pools
)

func (a Alg) hash() (crypto.Hash, bool) {
	switch a {
	case RS256:
		return crypto.SHA256, true
	case RS512:
		return crypto.SHA512, true
	}
	return 0, false
}

// encoding is strict, so that a token has one spelling.
var encoding = base64.RawURLEncoding.Strict()

// Sign makes a compact JWS over claims.
func Sign(alg Alg, keyID string, key *rsa.PrivateKey, claims map[string]any) (string, error) {
	h, ok := alg.hash()
	if !ok {
		return "", fmt.Errorf("tokens: unknown algorithm %q", alg)
	}
	header, err := json.Marshal(struct {
		KeyID string `json:"kid"`
		Alg   Alg    `json:"alg"`
	}{keyID, alg})
	if err != nil {
		return "", err
	}
	body, err := marshal(claims)
	if err != nil {
		return "", err
	}
	text := encoding.EncodeToString(header) + "." + encoding.EncodeToString(body)
	digest := h.New()
	digest.Write([]byte(text))
	// PKCS #1 v1.5 signatures are deterministic: no randomness is needed.
	sig, err := rsa.SignPKCS1v15(nil, key, h, digest.Sum(nil))
	if err != nil {
		return "", err
	}
	return text + "." + encoding.EncodeToString(sig), nil
}

func marshal(claims map[string]any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(claims); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// Unverified is a token that was parsed and not yet believed.
type Unverified struct {
	Alg    Alg
	KeyID  string
	Claims map[string]any

	signed string
	sig    []byte
}

// Parse reads a compact JWS. Nothing in it is to be trusted before Verify.
func Parse(token string) (Unverified, error) {
	if len(token) > TokenBytesMax {
		return Unverified{}, ErrMalformed
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return Unverified{}, ErrMalformed
	}
	var header struct {
		Alg  Alg             `json:"alg"`
		Kid  string          `json:"kid"`
		Crit json.RawMessage `json:"crit"`
	}
	u := Unverified{signed: parts[0] + "." + parts[1]}
	if err := decodePart(parts[0], &header); err != nil || header.Crit != nil {
		return Unverified{}, ErrMalformed
	}
	if _, ok := header.Alg.hash(); !ok {
		return Unverified{}, ErrMalformed
	}
	u.Alg, u.KeyID = header.Alg, header.Kid
	if err := decodePart(parts[1], &u.Claims); err != nil || u.Claims == nil {
		return Unverified{}, ErrMalformed
	}
	var err error
	if u.sig, err = encoding.DecodeString(parts[2]); err != nil {
		return Unverified{}, ErrMalformed
	}
	return u, nil
}

func decodePart(text string, into any) error {
	raw, err := encoding.DecodeString(text)
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(into); err != nil {
		return err
	}
	if d.More() {
		return ErrMalformed
	}
	return nil
}

// Verify checks the signature by key, under the one algorithm that the issuer
// uses: the token does not choose.
func (u Unverified) Verify(alg Alg, key *rsa.PublicKey) error {
	h, ok := alg.hash()
	if !ok || u.Alg != alg {
		return ErrBadSignature
	}
	digest := h.New()
	digest.Write([]byte(u.signed))
	if rsa.VerifyPKCS1v15(key, h, digest.Sum(nil), u.sig) != nil {
		return ErrBadSignature
	}
	return nil
}

// ReadClaims gives claims their types. A missing or mistyped exp is malformed:
// no token lives for ever.
func ReadClaims(all map[string]any) (Claims, error) {
	c := Claims{
		Use: text(all["token_use"]), Issuer: text(all["iss"]), Subject: text(all["sub"]),
		Groups: list(all["cognito:groups"]), Roles: list(all["cognito:roles"]),
		PreferredRole: text(all["cognito:preferred_role"]), All: all,
	}
	switch c.Use {
	case UseID:
		c.ClientID, c.Username = text(all["aud"]), text(all["cognito:username"])
	case UseAccess:
		c.ClientID, c.Username = text(all["client_id"]), text(all["username"])
		c.Scopes = strings.Fields(text(all["scope"]))
	}
	var ok bool
	if c.Expires, ok = seconds(all["exp"]); !ok {
		return Claims{}, ErrMalformed
	}
	c.IssuedAt, _ = seconds(all["iat"])
	return c, nil
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

func list(v any) []string {
	items, _ := v.([]any)
	var out []string
	for _, item := range items {
		if s, ok := item.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

func seconds(v any) (time.Time, bool) {
	n, ok := v.(json.Number)
	if !ok {
		return time.Time{}, false
	}
	s, err := n.Int64()
	if err != nil {
		return time.Time{}, false
	}
	return time.Unix(s, 0).UTC(), true
}

// JWK is a public key as a key set lists it.
type JWK struct {
	Alg Alg    `json:"alg"`
	E   string `json:"e"`
	Kid string `json:"kid"`
	Kty string `json:"kty"`
	N   string `json:"n"`
	Use string `json:"use"`
}

// NewJWK describes a signing key.
func NewJWK(alg Alg, keyID string, key *rsa.PublicKey) JWK {
	return JWK{
		Alg: alg, Kid: keyID, Kty: "RSA", Use: "sig",
		N: encoding.EncodeToString(key.N.Bytes()),
		E: encoding.EncodeToString(big.NewInt(int64(key.E)).Bytes()),
	}
}
