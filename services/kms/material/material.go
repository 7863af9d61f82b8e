// Package material is the cryptography of keys: what kinds there are, how their
// material is made, and what can be done with it. Material is bytes: raw for
// symmetric and HMAC keys, PKCS #8 for pairs.
//
// It keeps nothing, names nothing and judges nobody; the standard library does
// the mathematics. What it refuses is an *Error in the words of AWS, or ours.
package material

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"errors"
	"fmt"
	"hash"
	"slices"

	api "moln.dev/moln/api/kms"
	"moln.dev/moln/services/kms/envelope"
)

// Spec is a kind of key.
type Spec struct {
	Name string
	// Usages are the values of KeyUsage that the kind may have, the first its
	// own where there is only one.
	Usages []string
	// Algorithms of each use; of a kind that has no such use, none.
	Encryption, Signing, Agreement, MAC []string

	bits  int // RSA
	curve elliptic.Curve
	bytes int // symmetric and HMAC
}

// Symmetric reports whether the key has one secret and no public half.
func (s *Spec) Symmetric() bool { return s.bytes > 0 }

// Algorithms of s for a KeyUsage.
func (s *Spec) Algorithms(usage string) []string {
	switch usage {
	case api.KeyUsageTypeEncryptDecrypt:
		return s.Encryption
	case api.KeyUsageTypeSignVerify:
		return s.Signing
	case api.KeyUsageTypeKeyAgreement:
		return s.Agreement
	case api.KeyUsageTypeGenerateVerifyMac:
		return s.MAC
	}
	return nil
}

// Find gives the kind of a KeySpec; false where moln does not have it.
func Find(name string) (*Spec, bool) {
	for _, s := range specs() {
		if s.Name == name {
			return &s, true
		}
	}
	return nil, false
}

func specs() []Spec {
	encrypt, sign, agree, mac := api.KeyUsageTypeEncryptDecrypt, api.KeyUsageTypeSignVerify, api.KeyUsageTypeKeyAgreement, api.KeyUsageTypeGenerateVerifyMac
	rsa := func(name string, bits int) Spec {
		return Spec{
			Name: name, bits: bits, Usages: []string{encrypt, sign},
			Encryption: []string{api.EncryptionAlgorithmSpecRsaesOaepSha1, api.EncryptionAlgorithmSpecRsaesOaepSha256},
			Signing: []string{
				api.SigningAlgorithmSpecRsassaPkcs1V15Sha256, api.SigningAlgorithmSpecRsassaPkcs1V15Sha384, api.SigningAlgorithmSpecRsassaPkcs1V15Sha512,
				api.SigningAlgorithmSpecRsassaPssSha256, api.SigningAlgorithmSpecRsassaPssSha384, api.SigningAlgorithmSpecRsassaPssSha512,
			},
		}
	}
	curve := func(name string, c elliptic.Curve, algorithm string) Spec {
		return Spec{Name: name, curve: c, Usages: []string{sign, agree}, Signing: []string{algorithm}, Agreement: []string{api.KeyAgreementAlgorithmSpecEcdh}}
	}
	hmac := func(name, algorithm string, bytes int) Spec {
		return Spec{Name: name, bytes: bytes, Usages: []string{mac}, MAC: []string{algorithm}}
	}
	return []Spec{
		{Name: api.KeySpecSymmetricDefault, bytes: envelope.MaterialBytes, Usages: []string{encrypt}, Encryption: []string{api.EncryptionAlgorithmSpecSymmetricDefault}},
		rsa(api.KeySpecRsa2048, 2048), rsa(api.KeySpecRsa3072, 3072), rsa(api.KeySpecRsa4096, 4096),
		curve(api.KeySpecEccNistP256, elliptic.P256(), api.SigningAlgorithmSpecEcdsaSha256),
		curve(api.KeySpecEccNistP384, elliptic.P384(), api.SigningAlgorithmSpecEcdsaSha384),
		curve(api.KeySpecEccNistP521, elliptic.P521(), api.SigningAlgorithmSpecEcdsaSha512),
		{Name: api.KeySpecEccNistEdwards25519, Usages: []string{sign}, Signing: []string{api.SigningAlgorithmSpecEd25519Sha512, api.SigningAlgorithmSpecEd25519PhSha512}},
		hmac(api.KeySpecHmac224, api.MacAlgorithmSpecHmacSha224, 28), hmac(api.KeySpecHmac256, api.MacAlgorithmSpecHmacSha256, 32),
		hmac(api.KeySpecHmac384, api.MacAlgorithmSpecHmacSha384, 48), hmac(api.KeySpecHmac512, api.MacAlgorithmSpecHmacSha512, 64),
	}
}

// Error is what a request asks of a key that cannot be; the text is AWS's.
type Error struct{ Message string }

func (e *Error) Error() string { return e.Message }

func refuse(format string, args ...any) error { return &Error{fmt.Sprintf(format, args...)} }

// ErrDoesNotVerify: the signature or ciphertext is not of this key and message.
var ErrDoesNotVerify = errors.New("material: does not verify")

// Generate makes fresh material. random gives n random bytes; key pairs are made
// by the standard library's own source.
func (s *Spec) Generate(random func(n int) []byte) ([]byte, error) {
	var key any
	var err error
	switch {
	case s.bytes > 0:
		return random(s.bytes), nil
	case s.bits > 0:
		key, err = rsa.GenerateKey(rand.Reader, s.bits)
	case s.curve != nil:
		key, err = ecdsa.GenerateKey(s.curve, rand.Reader)
	default:
		_, key, err = ed25519.GenerateKey(rand.Reader)
	}
	if err != nil {
		return nil, err
	}
	return x509.MarshalPKCS8PrivateKey(key)
}

// Public gives a pair's public half as a SubjectPublicKeyInfo.
func Public(material []byte) ([]byte, error) {
	key, err := private[crypto.Signer](material)
	if err != nil {
		return nil, err
	}
	return x509.MarshalPKIXPublicKey(key.Public())
}

func private[K any](material []byte) (K, error) {
	var none K
	parsed, err := x509.ParsePKCS8PrivateKey(material)
	if err != nil {
		return none, err
	}
	key, ok := parsed.(K)
	if !ok {
		return none, fmt.Errorf("material: a %T", parsed)
	}
	return key, nil
}

// EncryptRSA encrypts a message that fits into the key.
func (s *Spec) EncryptRSA(material []byte, algorithm string, plain []byte) ([]byte, error) {
	key, err := private[*rsa.PrivateKey](material)
	if err != nil {
		return nil, err
	}
	h := oaepHash(algorithm)
	if limit := key.Size() - 2*h.Size() - 2; len(plain) > limit {
		return nil, refuse("Algorithm %s and key spec %s cannot encrypt data larger than %d bytes.", algorithm, s.Name, limit)
	}
	return rsa.EncryptOAEP(h, rand.Reader, &key.PublicKey, plain, nil)
}

// DecryptRSA is the inverse; ErrDoesNotVerify where it is no ciphertext of the key.
func (s *Spec) DecryptRSA(material []byte, algorithm string, blob []byte) ([]byte, error) {
	key, err := private[*rsa.PrivateKey](material)
	if err != nil {
		return nil, err
	}
	return oaep(oaepHash(algorithm), key, blob)
}

func oaepHash(algorithm string) hash.Hash {
	if algorithm == api.EncryptionAlgorithmSpecRsaesOaepSha1 {
		return sha1.New()
	}
	return sha256.New()
}

// signature says how an algorithm signs.
type signature struct {
	hash crypto.Hash
	pss  bool
}

func signatureOf(algorithm string) signature {
	switch algorithm {
	case api.SigningAlgorithmSpecRsassaPssSha256:
		return signature{crypto.SHA256, true}
	case api.SigningAlgorithmSpecRsassaPssSha384:
		return signature{crypto.SHA384, true}
	case api.SigningAlgorithmSpecRsassaPssSha512:
		return signature{crypto.SHA512, true}
	case api.SigningAlgorithmSpecRsassaPkcs1V15Sha256, api.SigningAlgorithmSpecEcdsaSha256:
		return signature{crypto.SHA256, false}
	case api.SigningAlgorithmSpecRsassaPkcs1V15Sha384, api.SigningAlgorithmSpecEcdsaSha384:
		return signature{crypto.SHA384, false}
	}
	return signature{crypto.SHA512, false}
}

// digest gives what is signed and the signer's options.
func digest(algorithm, messageType string, message []byte) ([]byte, crypto.SignerOpts, error) {
	how := signatureOf(algorithm)
	raw := messageType != api.MessageTypeDigest
	switch algorithm {
	case api.SigningAlgorithmSpecEd25519Sha512:
		if !raw {
			return nil, nil, refuse("Algorithm %s requires the message type RAW.", algorithm)
		}
		return message, &ed25519.Options{}, nil
	case api.SigningAlgorithmSpecEd25519PhSha512:
		if raw {
			return nil, nil, refuse("Algorithm %s requires the message type DIGEST.", algorithm)
		}
	}
	if raw {
		h := how.hash.New()
		h.Write(message)
		message = h.Sum(nil)
	} else if len(message) != how.hash.Size() {
		return nil, nil, refuse("Digest is invalid length for algorithm %s.", algorithm)
	}
	switch {
	case algorithm == api.SigningAlgorithmSpecEd25519PhSha512:
		return message, &ed25519.Options{Hash: crypto.SHA512}, nil
	case how.pss:
		return message, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: how.hash}, nil
	}
	return message, how.hash, nil
}

// Sign signs a message, or a digest where messageType says so.
func (s *Spec) Sign(material []byte, algorithm, messageType string, message []byte) ([]byte, error) {
	sum, opts, err := digest(algorithm, messageType, message)
	if err != nil {
		return nil, err
	}
	key, err := private[crypto.Signer](material)
	if err != nil {
		return nil, err
	}
	return key.Sign(rand.Reader, sum, opts)
}

// Verify checks a signature; ErrDoesNotVerify where it is not the key's.
func (s *Spec) Verify(material []byte, algorithm, messageType string, message, sig []byte) error {
	sum, opts, err := digest(algorithm, messageType, message)
	if err != nil {
		return err
	}
	signer, err := private[crypto.Signer](material)
	if err != nil {
		return err
	}
	ok := false
	switch key := signer.Public().(type) {
	case *rsa.PublicKey:
		if pss, is := opts.(*rsa.PSSOptions); is {
			ok = rsa.VerifyPSS(key, opts.HashFunc(), sum, sig, pss) == nil
		} else {
			ok = rsa.VerifyPKCS1v15(key, opts.HashFunc(), sum, sig) == nil
		}
	case *ecdsa.PublicKey:
		ok = ecdsa.VerifyASN1(key, sum, sig)
	case ed25519.PublicKey:
		ok = ed25519.VerifyWithOptions(key, sum, sig, opts.(*ed25519.Options)) == nil
	}
	if !ok {
		return ErrDoesNotVerify
	}
	return nil
}

// MAC gives a message's authentication code.
func MAC(material []byte, algorithm string, message []byte) []byte {
	makers := map[string]func() hash.Hash{
		api.MacAlgorithmSpecHmacSha224: sha256.New224, api.MacAlgorithmSpecHmacSha256: sha256.New,
		api.MacAlgorithmSpecHmacSha384: sha512.New384, api.MacAlgorithmSpecHmacSha512: sha512.New,
	}
	h := hmac.New(makers[algorithm], material)
	h.Write(message)
	return h.Sum(nil)
}

// Agree gives the secret shared with the holder of a public key, which is a
// SubjectPublicKeyInfo on the same curve.
func Agree(material, public []byte) ([]byte, error) {
	key, err := private[*ecdsa.PrivateKey](material)
	if err != nil {
		return nil, err
	}
	mine, err := key.ECDH()
	if err != nil {
		return nil, err
	}
	theirs, err := peer(public)
	if err != nil || theirs.Curve() != mine.Curve() {
		return nil, refuse("The public key is not valid for the key spec of the KMS key.")
	}
	return mine.ECDH(theirs)
}

func peer(der []byte) (*ecdh.PublicKey, error) {
	parsed, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, err
	}
	key, ok := parsed.(*ecdsa.PublicKey)
	if !ok {
		return nil, errors.New("material: no elliptic curve")
	}
	return key.ECDH()
}

// Allows reports whether the kind may have a use.
func (s *Spec) Allows(usage string) bool { return slices.Contains(s.Usages, usage) }
