package seal

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"hash"
	"sync"

	"golang.org/x/crypto/chacha20poly1305"
)

// master is a key-encryption key, from which others are derived. Every object
// that is read opens an envelope, so what does not depend on the purpose is
// worked out once: HKDF's first half, and the state of the HMACs of its second.
type master struct{ macs sync.Pool }

func newMaster(key []byte) *master {
	secret, err := hkdf.Extract(sha256.New, key, nil)
	if err != nil {
		panic("seal: " + err.Error()) // only a hash that is not allowed
	}
	m := new(master)
	m.macs.New = func() any { return hmac.New(sha256.New, secret) }
	return m
}

// derive is HKDF-SHA256 of the key and info. What it makes is as long as the
// hash, so it is the first block of HKDF's output.
func (m *master) derive(info string) []byte {
	mac := m.macs.Get().(hash.Hash)
	defer m.macs.Put(mac)
	mac.Reset()
	_, _ = mac.Write(append([]byte(info), 1)) // a hash never fails
	return mac.Sum(make([]byte, 0, sha256.Size))
}

func (m *master) aead(purpose string) cipher.AEAD {
	aead, err := chacha20poly1305.NewX(m.derive(infoPurpose + purpose))
	if err != nil {
		panic("seal: " + err.Error()) // only a key of the wrong size
	}
	return aead
}
