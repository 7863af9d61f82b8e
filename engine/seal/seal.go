// Package seal keeps secrets unreadable at rest: a value sealed here can be
// opened only by a holder of the key-encryption key, and only for the purpose
// it was sealed for.
//
// It is not a key management service (nothing here has a name, a policy or a
// life cycle an account could see) and not a password hash: what is sealed can
// be opened again.
//
// # Envelope
//
//	version 1 byte | key id 8 bytes | nonce 24 bytes | ciphertext and tag
//
// The cipher is XChaCha20-Poly1305: its nonce is long enough to be drawn at
// random for ever. The key is derived by HKDF-SHA256 from the key-encryption
// key and the purpose; version, key id and purpose are associated data too, so
// that no field of the envelope can be exchanged. A purpose should name the
// record as well as the kind of secret ("cognito/client-secret/<client id>"):
// then a value copied from one record to another does not open.
//
// # Rotation
//
// A Sealer holds one or more keys. The newest seals, all open. [Sealer.Stale]
// tells which values still need the older ones.
//
// A Sealer is safe for concurrent use.
package seal

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"
)

// Sizes of a key and of the parts of an envelope.
const (
	KeyBytes   = chacha20poly1305.KeySize
	keyIDBytes = 8
	nonceBytes = chacha20poly1305.NonceSizeX

	headerBytes = 1 + keyIDBytes
	prefixBytes = headerBytes + nonceBytes

	// OverheadBytes is what Seal adds to the plaintext.
	OverheadBytes = prefixBytes + chacha20poly1305.Overhead

	// KeysMax bounds a key file: more live keys than this means that old values
	// were never sealed again.
	KeysMax = 64

	// TokenBytesMax bounds what OpenToken decodes: tokens come from outside.
	TokenBytesMax = 16 << 10
)

const version = 1

// Prefixes of the HKDF info, so that a key id can never equal a subkey.
const (
	infoKeyID   = "moln/seal/1/id"
	infoPurpose = "moln/seal/1/purpose/"
)

// Reasons Open refuses a value. Test with errors.Is.
var (
	// ErrMalformed: the bytes are no envelope of a version known here.
	ErrMalformed = errors.New("seal: not a sealed value")
	// ErrUnknownKey: sealed with a key this Sealer does not hold.
	ErrUnknownKey = errors.New("seal: sealed with an unknown key")
	// ErrNotAuthentic: altered, or sealed for another purpose.
	ErrNotAuthentic = errors.New("seal: value does not authenticate")
	// ErrKey: a key of the wrong size, no key at all, or too many.
	ErrKey = errors.New("seal: bad key")
)

type keyID [keyIDBytes]byte

// Sealer seals with its newest key and opens with any of its keys.
type Sealer struct {
	keys   map[keyID]*master
	newest keyID
}

// New returns a Sealer over keys of KeyBytes each, oldest first: the last one
// seals.
func New(keys ...[]byte) (*Sealer, error) {
	if len(keys) == 0 || len(keys) > KeysMax {
		return nil, fmt.Errorf("%w: %d keys, want 1 to %d", ErrKey, len(keys), KeysMax)
	}
	s := &Sealer{keys: make(map[keyID]*master, len(keys))}
	for _, key := range keys {
		if len(key) != KeyBytes {
			return nil, fmt.Errorf("%w: %d bytes, want %d", ErrKey, len(key), KeyBytes)
		}
		m := newMaster(key)
		id := keyID(m.derive(infoKeyID)[:keyIDBytes])
		s.keys[id] = m
		s.newest = id
	}
	return s, nil
}

// Seal encrypts plaintext for purpose. Sealing the same value twice gives
// different bytes.
func (s *Sealer) Seal(purpose string, plaintext []byte) []byte {
	out := make([]byte, prefixBytes, OverheadBytes+len(plaintext))
	out[0] = version
	copy(out[1:], s.newest[:])
	nonce := out[headerBytes:prefixBytes]
	// crypto/rand.Read ends the program rather than return short or weak bytes.
	_, _ = rand.Read(nonce)
	aead := s.keys[s.newest].aead(purpose)
	return aead.Seal(out, nonce, plaintext, associated(out, purpose))
}

// Open returns what was sealed for purpose. Its errors are ErrMalformed,
// ErrUnknownKey and ErrNotAuthentic.
func (s *Sealer) Open(purpose string, sealed []byte) ([]byte, error) {
	id, err := idOf(sealed)
	if err != nil {
		return nil, err
	}
	key, ok := s.keys[id]
	if !ok {
		return nil, fmt.Errorf("%w: id %x", ErrUnknownKey, id)
	}
	aead := key.aead(purpose)
	plain, err := aead.Open(nil, sealed[headerBytes:prefixBytes], sealed[prefixBytes:], associated(sealed, purpose))
	if err != nil {
		return nil, ErrNotAuthentic
	}
	return plain, nil
}

// Stale reports whether sealed should be sealed again because a newer key
// exists. What is malformed is not stale.
func (s *Sealer) Stale(sealed []byte) bool {
	id, err := idOf(sealed)
	return err == nil && id != s.newest
}

// SealToken seals plaintext into a string of URL-safe characters, for state
// that a client carries (session and continuation tokens). It has no expiry:
// put one into the plaintext.
func (s *Sealer) SealToken(purpose string, plaintext []byte) string {
	return tokenEncoding.EncodeToString(s.Seal(purpose, plaintext))
}

// OpenToken is the inverse of SealToken, with the errors of Open.
func (s *Sealer) OpenToken(purpose, token string) ([]byte, error) {
	if len(token) > TokenBytesMax {
		return nil, fmt.Errorf("%w: token of %d characters", ErrMalformed, len(token))
	}
	sealed, err := tokenEncoding.DecodeString(token)
	if err != nil {
		return nil, ErrMalformed
	}
	// DecodeString skips line breaks: without this one token has many spellings.
	if tokenEncoding.EncodedLen(len(sealed)) != len(token) {
		return nil, ErrMalformed
	}
	return s.Open(purpose, sealed)
}

// Strict: trailing bits must be zero, so a token has exactly one spelling.
var tokenEncoding = base64.RawURLEncoding.Strict()

func idOf(sealed []byte) (keyID, error) {
	if len(sealed) < OverheadBytes || sealed[0] != version {
		return keyID{}, ErrMalformed
	}
	return keyID(sealed[1:headerBytes]), nil
}

func associated(envelope []byte, purpose string) []byte {
	return append(append(make([]byte, 0, headerBytes+len(purpose)), envelope[:headerBytes]...), purpose...)
}
