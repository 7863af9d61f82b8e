package write

import (
	"time"

	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/s3/checksum"
	"moln.dev/moln/services/s3/class"
	"moln.dev/moln/services/s3/lock"
	"moln.dev/moln/services/s3/s3err"
	"moln.dev/moln/services/s3/store"
)

// aging reads the storage class and the lock that a request asks for.
func (a *Attributes) aging() (store.Aging, error) {
	name, err := class.Named(a.Class)
	if err != nil {
		return store.Aging{}, err
	}
	if a.LockEvent != nil {
		return store.Aging{}, s3err.NotImplemented("moln has no event holds")
	}
	state, err := lock.ReadHeaders(a.LockMode, a.LockUntil, a.LockHold, a.Now)
	return store.Aging{Class: class.Kept(name), Lock: state}, err
}

// CheckLock refuses, before its body is read, a request whose lock the bucket
// does not have, or that sends no digest for what is to be locked
// (API_PutObject.html). expect is nil where no body is sent.
//
// Errors: InvalidRequest, InvalidArgument.
func CheckLock(c *service.Call, b *store.Bucket, o *store.Object, expect *checksum.Expectation) error {
	if err := lockable(b, o); err != nil {
		return err
	}
	if o.Lock.IsZero() && b.Lock.Default(c.Now) == nil {
		return nil
	}
	if !o.Lock.IsZero() && c.Caller.Kind == policy.Anonymous {
		return s3err.InvalidArgument("Put Object requests with Object Lock parameters require AWS Signature Version 4")
	}
	if c.HTTP != nil && expect != nil && expect.MD5 == "" && len(expect.Sums) == 0 && len(expect.Trailers) == 0 {
		return s3err.InvalidRequest("Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters")
	}
	return nil
}

func lockable(b *store.Bucket, o *store.Object) error {
	if b.Lock == nil && !o.Lock.IsZero() {
		return s3err.InvalidRequest("Bucket is missing ObjectLockConfiguration")
	}
	return nil
}

// settle gives a version that is about to be stored what its class and its
// bucket add to it.
func settle(b *store.Bucket, o *store.Object, now time.Time) error {
	if o.Marker {
		return nil
	}
	if err := lockable(b, o); err != nil {
		return err
	}
	if o.Lock.Retention == nil {
		o.Lock.Retention = b.Lock.Default(now)
	}
	o.Tiering = nil
	if o.Class == class.IntelligentTiering {
		o.Tiering = &class.Tiering{Accessed: now}
	}
	return nil
}

// deletable refuses to delete a version that is locked.
func deletable(o *store.Object, bypass bool, now time.Time) error {
	if o != nil && !o.Marker && o.Lock.Protects(bypass, now) {
		return lock.Protected()
	}
	return nil
}

// SourceReadable refuses to copy what is archived and not restored.
func SourceReadable(b *store.Bucket, o *store.Object, now time.Time) error {
	err := o.Readable(b, now)
	if f := fault.As(err); f != nil {
		f.Message = "Operation is not valid for the source object's storage class"
	}
	return err
}
