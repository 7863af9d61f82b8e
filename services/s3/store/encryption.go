package store

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
)

// Algorithms of server-side encryption. Every body is encrypted under a data key
// of its own, sealed with the server's key: that alone is EncryptionS3.
const (
	EncryptionS3   = "AES256"
	EncryptionKMS  = "aws:kms"
	EncryptionDual = "aws:kms:dsse" // two layers, under two data keys
)

// Encryption says whose key an object's data keys are wrapped under, besides the
// server's own.
type Encryption struct {
	Algorithm string
	// KeyARN, Wrapped and Context are the KMS key, the outer key as KMS
	// encrypted it, and the encryption context that it needs.
	KeyARN  string            `json:",omitempty"`
	Wrapped []byte            `json:",omitempty"`
	Context map[string]string `json:",omitempty"`
	// Given is the context as the request had it.
	Given string `json:",omitempty"`
	// BucketKey: Wrapped is a key of the bucket's, shared by its objects.
	BucketKey bool `json:",omitempty"`
	// Salt and Proof tell a customer's key when it comes again. It is not kept.
	Salt  []byte `json:",omitempty"`
	Proof []byte `json:",omitempty"`
}

// Customer reports whether the outer key is a customer's own (SSE-C).
func (e *Encryption) Customer() bool { return e != nil && e.Proof != nil }

// Protection is how a body's data key is kept.
type Protection struct {
	Outer []byte // the data key is wrapped under it; nil: under the server's only
	Dual  bool   // the body is encrypted twice
}

// Unlock gives the outer key that the object's bytes are to be read with.
func (o *Object) Unlock(outer []byte) { o.Body.outer = outer }

// under is a part's body with the outer key of its object.
func (b Body) under(outer []byte) Body {
	b.outer = outer
	return b
}

// errLocked: a body is read without its outer key. Those who read unlock first,
// so it is ours.
var errLocked = errors.New("s3: body is locked")

// Sizes of a wrapped data key: nonce, key, tag.
const (
	wrapNonceBytes = 12
	wrappedBytes   = wrapNonceBytes + dataKeyBytes + 16
)

// wrap encrypts a data key under an outer key, for one body.
func wrap(outer, nonce, key []byte, id string) ([]byte, error) {
	aead, err := gcm(outer)
	if err != nil {
		return nil, err
	}
	return aead.Seal(append([]byte(nil), nonce...), nonce, key, []byte(id)), nil
}

func unwrap(outer, wrapped []byte, id string) ([]byte, error) {
	if outer == nil {
		return nil, errLocked
	}
	aead, err := gcm(outer)
	if err != nil {
		return nil, err
	}
	key, err := aead.Open(nil, wrapped[:wrapNonceBytes], wrapped[wrapNonceBytes:], []byte(id))
	if err != nil {
		return nil, fmt.Errorf("s3: data key does not open under the outer key: %w", err)
	}
	return key, nil
}

func gcm(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// layers are streams over one body, one after the other.
type layers []cipher.Stream

// XORKeyStream implements cipher.Stream.
func (l layers) XORKeyStream(dst, src []byte) {
	for _, s := range l {
		s.XORKeyStream(dst, src)
		src = dst
	}
}
