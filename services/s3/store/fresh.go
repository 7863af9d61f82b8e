package store

import (
	"sync"

	"moln.dev/moln/engine/kv"
)

// fresh are buckets that are known to be as they are stored, without reading,
// for as long as their marks stand. Every request needs its bucket; on a store
// of this process alone nearly none then reads it.
type fresh struct {
	mu      sync.RWMutex
	buckets map[string]freshBucket
}

type freshBucket struct {
	*Bucket
	mark kv.Mark // from before it was read
}

// get returns a bucket that is as it is stored; nil where that is not known.
func (f *fresh) get(name string) *Bucket {
	f.mu.RLock()
	have, ok := f.buckets[name]
	f.mu.RUnlock()
	if ok && have.mark.Stands() {
		return have.Bucket
	}
	return nil
}

func (f *fresh) put(name string, b *Bucket, mark kv.Mark) {
	if !mark.Stands() {
		return // the store cannot tell, or the bucket was changed meanwhile
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.buckets == nil || len(f.buckets) >= decodedMax {
		f.buckets = map[string]freshBucket{}
	}
	f.buckets[name] = freshBucket{b, mark}
}
