package read

import (
	"context"
	"time"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/s3/class"
	"moln.dev/moln/services/s3/op"
	"moln.dev/moln/services/s3/store"
)

// Touch is called before the bytes of an object are read: it refuses those that
// are archived, and tells of the access.
//
// Errors: InvalidObjectState.
func (s *Handlers) Touch(b *store.Bucket, o *store.Object, now time.Time) error {
	if err := o.Readable(b, now); err != nil {
		return err
	}
	if s.Accessed != nil {
		s.Accessed(b, o, now)
	}
	return nil
}

// showLock tells what locks a version to those who may ask for it.
func showLock(ctx context.Context, c *service.Call, b *store.Bucket, o *store.Object, out *api.GetObjectOutput) {
	may := func(action string) bool {
		return op.Ask{Bucket: b, Action: action, Key: o.Key, Object: o, Keys: op.RequestKeys(c)}.Judge(ctx, c) == nil
	}
	if r := o.Lock.Retention; r != nil && may("s3:GetObjectRetention") {
		out.ObjectLockMode, out.ObjectLockRetainUntilDate = new(r.Mode), new(r.Until)
	}
	if o.Lock.Hold != "" && may("s3:GetObjectLegalHold") {
		out.ObjectLockLegalHoldStatus = new(o.Lock.Hold)
	}
}

// archiveStatus is x-amz-archive-status: the archive tier of
// INTELLIGENT_TIERING that an object is in.
func archiveStatus(b *store.Bucket, o *store.Object, now time.Time) *string {
	if tier := o.Tier(b, now); class.ArchiveTier(tier) {
		return new(tier)
	}
	return nil
}
