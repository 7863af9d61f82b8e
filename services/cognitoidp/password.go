package cognitoidp

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"strings"

	"golang.org/x/crypto/argon2"

	"moln.dev/moln/services/cognitoidp/srp"
)

// Parameters of the slow hash: OWASP's second choice for Argon2id, small enough
// that a laptop does not notice.
const (
	hashTime      = 3
	hashKiB       = 12 << 10
	hashThreads   = 1
	hashBytes     = 32
	hashSaltBytes = 16
	hashPrefix    = "$argon2id$v=19$m=12288,t=3,p=1$"

	// hashesAtOnce bounds memory: each hash at work takes hashKiB.
	hashesAtOnce = 2
)

// secret is what is kept of a password: nothing from which it can be computed.
type secret struct {
	Salt     []byte // of the verifier
	Verifier []byte // sealed
	Hash     string // Argon2id, with its parameters
}

// newSecret prepares a password for storage. It is slow on purpose: call it
// outside of transactions.
func (s *Service) newSecret(ctx context.Context, p place, username, password string) (*secret, error) {
	hash, err := s.hash(ctx, password, s.d.Ident.Bytes(hashSaltBytes))
	if err != nil {
		return nil, err
	}
	salt := s.d.Ident.Bytes(srp.SaltBytes)
	v := s.group.Verifier(p.name(), username, password, salt)
	return &secret{Salt: salt, Verifier: s.d.Seal.Seal(purposeVerifier(p, username), v.Bytes()), Hash: hash}, nil
}

func purposeVerifier(p place, username string) string {
	return "cognitoidp/verifier/" + p.Pool + "/" + username
}

func (s *Service) verifier(p place, username string, k *secret) (*big.Int, error) {
	raw, err := s.d.Seal.Open(purposeVerifier(p, username), k.Verifier)
	if err != nil {
		return nil, fmt.Errorf("cognitoidp: verifier: %w", err)
	}
	return new(big.Int).SetBytes(raw), nil
}

// hash waits for one of a few places to compute Argon2id.
func (s *Service) hash(ctx context.Context, password string, salt []byte) (string, error) {
	select {
	case s.hashing <- struct{}{}:
	case <-ctx.Done():
		return "", ctx.Err()
	}
	defer func() { <-s.hashing }()
	sum := argon2.IDKey([]byte(password), salt, hashTime, hashKiB, hashThreads, hashBytes)
	return hashPrefix + base64.RawStdEncoding.EncodeToString(salt) + "$" + base64.RawStdEncoding.EncodeToString(sum), nil
}

// matches compares a password with a kept one. Nil is a user that does not
// exist or has no password: the same time is spent.
func (s *Service) matches(ctx context.Context, k *secret, password string) (bool, error) {
	salt := make([]byte, hashSaltBytes)
	if k != nil {
		rest, ok := strings.CutPrefix(k.Hash, hashPrefix)
		text, _, ok2 := strings.Cut(rest, "$")
		decoded, err := base64.RawStdEncoding.DecodeString(text)
		if !ok || !ok2 || err != nil {
			return false, errors.New("cognitoidp: password hash of an unknown form")
		}
		salt = decoded
	}
	got, err := s.hash(ctx, password, salt)
	if err != nil || k == nil {
		return false, err
	}
	return subtle.ConstantTimeCompare([]byte(got), []byte(k.Hash)) == 1, nil
}

// secretHash is SECRET_HASH for a client with a secret.
func secretHash(clientSecret, username, clientID string) string {
	m := hmac.New(sha256.New, []byte(clientSecret))
	m.Write([]byte(username + clientID))
	return base64.StdEncoding.EncodeToString(m.Sum(nil))
}

// ghost derives what a user that does not exist would have: the same for the
// same name for ever, and nothing an outsider could compute.
func ghost(key []byte, what, name string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(what))
	m.Write([]byte{0})
	m.Write([]byte(name))
	return m.Sum(nil)
}

// ghostUUID has the form of a sub.
func ghostUUID(key []byte, name string) string {
	b := ghost(key, "sub", name)
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	h := hex.EncodeToString(b[:16])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
