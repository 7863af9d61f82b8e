package material

import (
	"bytes"
	"crypto/aes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/binary"
	"hash"

	api "moln.dev/moln/api/kms"
)

// Unwrap opens key material that a customer encrypted under a wrapping key;
// ErrDoesNotVerify where it was not made for it.
func Unwrap(wrapping []byte, algorithm string, blob []byte) ([]byte, error) {
	key, err := private[*rsa.PrivateKey](wrapping)
	if err != nil {
		return nil, err
	}
	h := sha256.New()
	if algorithm == api.AlgorithmSpecRsaesOaepSha1 || algorithm == api.AlgorithmSpecRsaAesKeyWrapSha1 {
		h = sha1.New()
	}
	if algorithm == api.AlgorithmSpecRsaesOaepSha1 || algorithm == api.AlgorithmSpecRsaesOaepSha256 {
		return oaep(h, key, blob)
	}
	// The blob is an AES key under the RSA key, and the material under that.
	if len(blob) < key.Size() {
		return nil, ErrDoesNotVerify
	}
	kek, err := oaep(h, key, blob[:key.Size()])
	if err != nil {
		return nil, err
	}
	return unwrapAES(kek, blob[key.Size():])
}

// oaep decrypts what is as long as the key: one of 256 begins with a zero,
// which is a part of it (RFC 8017, 7.1.2).
func oaep(h hash.Hash, key *rsa.PrivateKey, blob []byte) ([]byte, error) {
	if len(blob) != key.Size() {
		return nil, ErrDoesNotVerify
	}
	plain, err := rsa.DecryptOAEP(h, nil, key, blob, nil)
	if err != nil {
		return nil, ErrDoesNotVerify
	}
	return plain, nil
}

// semiblock is the unit of AES key wrap.
const semiblock = 8

// unwrapAES is AES key wrap with padding (RFC 5649, section 4.2).
func unwrapAES(kek, blob []byte) ([]byte, error) {
	block, err := aes.NewCipher(kek)
	if err != nil || len(blob) < 2*semiblock || len(blob)%semiblock != 0 {
		return nil, ErrDoesNotVerify
	}
	a, r := bytes.Clone(blob[:semiblock]), bytes.Clone(blob[semiblock:])
	if len(r) == semiblock {
		both := make([]byte, aes.BlockSize)
		block.Decrypt(both, blob)
		a, r = both[:semiblock], both[semiblock:]
	} else {
		unwrapRounds(block.Decrypt, a, r)
	}
	size := int(binary.BigEndian.Uint32(a[4:]))
	if !bytes.Equal(a[:4], []byte{0xa6, 0x59, 0x59, 0xa6}) || size > len(r) || size <= len(r)-semiblock ||
		subtle.ConstantTimeCompare(r[size:], make([]byte, len(r)-size)) != 1 {
		return nil, ErrDoesNotVerify
	}
	return r[:size], nil
}

// unwrapRounds is the unwrapping of RFC 3394, section 2.2.2, in place.
func unwrapRounds(decrypt func(dst, src []byte), a, r []byte) {
	n := len(r) / semiblock
	var b [aes.BlockSize]byte
	for j := 5; j >= 0; j-- {
		for i := n; i >= 1; i-- {
			binary.BigEndian.PutUint64(a, binary.BigEndian.Uint64(a)^uint64(n*j+i))
			at := r[(i-1)*semiblock : i*semiblock]
			copy(b[:semiblock], a)
			copy(b[semiblock:], at)
			decrypt(b[:], b[:])
			copy(a, b[:semiblock])
			copy(at, b[semiblock:])
		}
	}
}

// Fits reports whether bytes from outside are material of this kind.
func (s *Spec) Fits(m []byte) bool {
	if s.bytes > 0 {
		return len(m) == s.bytes
	}
	key, err := x509.ParsePKCS8PrivateKey(m)
	if err != nil {
		return false
	}
	switch key := key.(type) {
	case *rsa.PrivateKey:
		return s.bits > 0 && key.N.BitLen() == s.bits
	case *ecdsa.PrivateKey:
		return s.curve != nil && key.Curve == s.curve
	case ed25519.PrivateKey:
		return s.Name == api.KeySpecEccNistEdwards25519
	}
	return false
}

// Fingerprint tells the material of one key from other material.
func Fingerprint(keyID string, m []byte) []byte {
	h := hmac.New(sha256.New, m)
	h.Write([]byte("moln/kms/imported/" + keyID))
	return h.Sum(nil)
}
