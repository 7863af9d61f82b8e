package store

import (
	"sync"
	"time"
)

// keysMax bounds KeyCache.
const keysMax = 1024

// KeyCache keeps the bucket keys that KMS has given, in memory and for a while
// only: with them many objects are written and read for one call to KMS.
type KeyCache struct {
	mu   sync.Mutex
	keys map[string]cachedKey
}

// CachedKey is a key in the clear and as KMS encrypted it.
type CachedKey struct {
	Plain, Wrapped []byte
	KeyARN         string
}

type cachedKey struct {
	CachedKey
	until time.Time
}

// Get gives the key under a name, while it lasts.
func (k *KeyCache) Get(name string, now time.Time) (CachedKey, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	e, ok := k.keys[name]
	return e.CachedKey, ok && now.Before(e.until)
}

// Put keeps a key until a time.
func (k *KeyCache) Put(name string, key CachedKey, until time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.keys == nil || len(k.keys) >= keysMax {
		k.keys = map[string]cachedKey{}
	}
	k.keys[name] = cachedKey{key, until}
}
