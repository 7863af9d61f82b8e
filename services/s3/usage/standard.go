package usage

import (
	api "moln.dev/moln/api/s3"
	"moln.dev/moln/services/s3/class"
)

// The keys of the requests that come most often.
const (
	StandardTier1 = class.Standard + "/" + Tier1
	StandardTier2 = class.Standard + "/" + Tier2
)

// Common tells what a read or a write of an object of STANDARD counts: the key of
// its request, and what was read. It is what Of would count, without making maps
// for each request; ok is false where Of must be asked.
func Common(in, out any) (key string, read int64, ok bool) {
	if put, isPut := in.(*api.PutObjectInput); isPut {
		return StandardTier1, 0, put.StorageClass == nil || *put.StorageClass == class.Standard
	}
	switch out := out.(type) {
	case *api.GetObjectOutput: // which tells no class for STANDARD
		if out.ContentLength != nil {
			read = *out.ContentLength
		}
		return StandardTier2, read, out.StorageClass == nil
	case *api.HeadObjectOutput:
		return StandardTier2, 0, out.StorageClass == nil
	}
	return "", 0, false
}

// CountCommon counts what Common told.
func (c *Counters) CountCommon(b Bucket, key string, read int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	to := c.at(b)
	if to == nil {
		return
	}
	add(&to.Requests, key, 1)
	add(&to.Read, class.Standard, read)
}
