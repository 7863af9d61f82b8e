package sigv4

import (
	"crypto/hmac"
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
	keys  map[scope][]byte
}

type scope struct{ secret, date, region, service string }

// NewKeyCache makes a cache of at most limit keys.
func NewKeyCache(limit int) *KeyCache {
	return &KeyCache{limit: max(limit, 1), keys: map[scope][]byte{}}
}

func (c *KeyCache) signingKey(s scope) []byte {
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

func deriveKey(s scope) []byte {
	key := hmacSHA256([]byte("AWS4"+s.secret), s.date)
	key = hmacSHA256(key, s.region)
	key = hmacSHA256(key, s.service)
	return hmacSHA256(key, terminator)
}

func hmacSHA256(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

func hashHex[T string | []byte](text T) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func signHex(key []byte, text string) string { return hex.EncodeToString(hmacSHA256(key, text)) }
