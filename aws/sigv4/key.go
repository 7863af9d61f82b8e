package sigv4

import (
	"crypto/sha256"
	"encoding/hex"
	"sync"
)

// KeyCache remembers derived signing keys, which are good for a day, a region
// and a service. It is bounded: when full it forgets everything, which costs
// four HMACs per key to rebuild. A nil KeyCache derives every time.
type KeyCache struct {
	limit int
	mu    sync.Mutex
	keys  map[scope]*macKey
}

type scope struct{ secret, date, region, service string }

// NewKeyCache makes a cache of at most limit keys.
func NewKeyCache(limit int) *KeyCache {
	return &KeyCache{limit: max(limit, 1), keys: map[scope]*macKey{}}
}

func (c *KeyCache) signingKey(s scope) *macKey {
	if c == nil {
		return deriveKey(s)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if key, ok := c.keys[s]; ok {
		return key
	}
	if len(c.keys) >= c.limit {
		clear(c.keys)
	}
	key := deriveKey(s)
	c.keys[s] = key
	return key
}

func deriveKey(s scope) *macKey {
	key := newMACKey([]byte("AWS4" + s.secret))
	for _, text := range []string{s.date, s.region, s.service, terminator} {
		sum := key.sum([]byte(text))
		key = newMACKey(sum[:])
	}
	return key
}

// macKey is a key of HMAC-SHA256 (RFC 2104), as the two blocks that its inner
// and its outer digest begin with. With them a signature is two digests over
// memory of the stack; crypto/hmac makes five objects for each.
type macKey struct{ inner, outer [sha256.BlockSize]byte }

func newMACKey(secret []byte) *macKey {
	if len(secret) > sha256.BlockSize {
		sum := sha256.Sum256(secret)
		secret = sum[:]
	}
	k := new(macKey)
	copy(k.inner[:], secret)
	copy(k.outer[:], secret)
	for i := range k.inner {
		k.inner[i] ^= 0x36
		k.outer[i] ^= 0x5c
	}
	return k
}

// signBytes is room for a block and most texts that are signed.
const signBytes = 384

func (k *macKey) sum(text []byte) [sha256.Size]byte {
	var room [signBytes]byte
	sum := sha256.Sum256(append(append(room[:0], k.inner[:]...), text...))
	return sha256.Sum256(append(append(room[:0], k.outer[:]...), sum[:]...))
}

func hashHex[T string | []byte](text T) string {
	return toHex(sha256.Sum256([]byte(text)))
}

func signHex(key *macKey, text string) string {
	return toHex(key.sum([]byte(text)))
}

func toHex(sum [sha256.Size]byte) string {
	var room [2 * sha256.Size]byte
	return string(hex.AppendEncode(room[:0], sum[:]))
}
