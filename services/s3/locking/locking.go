// Package locking answers the operations of S3 Object Lock: the configuration
// of buckets, and retention and legal holds of versions. What may be set and
// what it protects is in package lock; deleting asks it in package write.
package locking

import (
	"context"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/s3/lock"
	"moln.dev/moln/services/s3/notify"
	"moln.dev/moln/services/s3/op"
	"moln.dev/moln/services/s3/s3err"
	"moln.dev/moln/services/s3/store"
)

// Handlers answers them. It is safe for concurrent use.
type Handlers struct {
	store  *store.Store
	events *notify.Notifier
}

// New returns the handlers over a store.
func New(st *store.Store, events *notify.Notifier) *Handlers { return &Handlers{st, events} }

const noteEventHolds = "event holds are refused"

// Operations are those of Object Lock.
func (s *Handlers) Operations() []service.Operation {
	return service.Table[*Handlers]{
		service.Partial(api.PutObjectLockConfiguration, op.Verified((*Handlers).putConfiguration), noteEventHolds),
		service.Full(api.GetObjectLockConfiguration, (*Handlers).getConfiguration),
		service.Partial(api.PutObjectRetention, op.Verified((*Handlers).putRetention), noteEventHolds),
		service.Full(api.GetObjectRetention, (*Handlers).getRetention),
		service.Full(api.PutObjectLegalHold, op.Verified((*Handlers).putLegalHold)),
		service.Full(api.GetObjectLegalHold, (*Handlers).getLegalHold),
	}.Bind(s)
}

func (s *Handlers) putConfiguration(ctx context.Context, _ *service.Call, in *api.PutObjectLockConfigurationInput) (*api.PutObjectLockConfigurationOutput, error) {
	conf, err := lock.ReadConfiguration(in.ObjectLockConfiguration)
	if err != nil {
		return nil, err
	}
	return nil, s.store.ChangeBucket(ctx, smithy.Val(in.Bucket), func(b *store.Bucket) error {
		if b.Versioning != store.VersioningEnabled {
			return fault.New("InvalidBucketState", 409, "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration")
		}
		b.Lock = conf
		return nil
	})
}

func (s *Handlers) getConfiguration(ctx context.Context, _ *service.Call, in *api.GetObjectLockConfigurationInput) (*api.GetObjectLockConfigurationOutput, error) {
	b, err := s.store.Bucket(ctx, smithy.Val(in.Bucket))
	if err != nil {
		return nil, err
	}
	if b.Lock == nil {
		return nil, s3err.NotFound("ObjectLockConfigurationNotFoundError", "Object Lock configuration does not exist for this bucket")
	}
	return &api.GetObjectLockConfigurationOutput{ObjectLockConfiguration: b.Lock.API()}, nil
}

// find finds the version that a request is about, in a bucket with Object Lock.
func (s *Handlers) find(ctx context.Context, c *service.Call, bucket, key, version *string) (*store.Bucket, *store.Object, error) {
	b, err := s.store.Bucket(ctx, smithy.Val(bucket))
	if err != nil {
		return nil, nil, err
	}
	if b.Lock == nil {
		return nil, nil, lock.NotEnabled()
	}
	o, err := op.Find(ctx, c, s.store, b, smithy.Val(key), version)
	return b, o, err
}

// change edits the lock of the version that o was, and queues the event (B3).
func (s *Handlers) change(ctx context.Context, c *service.Call, event string, b *store.Bucket, o *store.Object, edit func(l *lock.State) error) error {
	return s.store.Update(ctx, b, o.Key, func(tx *store.Tx) error {
		now, err := tx.Change(o.Version, func(o *store.Object) error {
			if o.Marker {
				return s3err.NoSuchVersion()
			}
			return edit(&o.Lock)
		})
		if err == nil && now == nil {
			return s3err.NoSuchVersion() // deleted meanwhile
		}
		if err != nil {
			return err
		}
		return s.events.Queue(tx, c, notify.Change{Event: event, Object: now})
	})
}

func (s *Handlers) putRetention(ctx context.Context, c *service.Call, in *api.PutObjectRetentionInput) (*api.PutObjectRetentionOutput, error) {
	next, err := lock.ReadRetention(in.Retention, c.Now)
	if err != nil {
		return nil, err
	}
	b, o, err := s.find(ctx, c, in.Bucket, in.Key, in.VersionId)
	if err != nil {
		return nil, err
	}
	bypass := false
	if smithy.Val(in.BypassGovernanceRetention) && lock.Change(o.Lock.Retention, next, false, c.Now) != nil {
		if bypass, err = Bypasses(ctx, c, b, o.Key, next); err != nil {
			return nil, err
		}
	}
	return nil, s.change(ctx, c, "ObjectRetention:Put", b, o, func(l *lock.State) error {
		if err := lock.Change(l.Retention, next, bypass, c.Now); err != nil {
			return err
		}
		l.Retention = next
		return nil
	})
}

// Bypasses tells whether the caller may bypass governance for an object; next
// is the retention that he asks for instead, nil for none.
func Bypasses(ctx context.Context, c *service.Call, b *store.Bucket, key string, next *lock.Retention) (bool, error) {
	keys := op.RequestKeys(c)
	if next != nil {
		lock.Keys(keys, &next.Mode, &next.Until, nil, c.Now)
	}
	err := op.Ask{Bucket: b, Action: "s3:BypassGovernanceRetention", Key: key, Keys: keys}.Judge(ctx, c)
	if fault.As(err) != nil {
		return false, nil
	}
	return err == nil, err
}

func (s *Handlers) getRetention(ctx context.Context, c *service.Call, in *api.GetObjectRetentionInput) (*api.GetObjectRetentionOutput, error) {
	_, o, err := s.find(ctx, c, in.Bucket, in.Key, in.VersionId)
	if err != nil {
		return nil, err
	}
	r := o.Lock.Retention
	if r == nil {
		return nil, lock.NotSet()
	}
	return &api.GetObjectRetentionOutput{Retention: &api.ObjectLockRetention{Mode: new(r.Mode), RetainUntilDate: new(r.Until)}}, nil
}

func (s *Handlers) putLegalHold(ctx context.Context, c *service.Call, in *api.PutObjectLegalHoldInput) (*api.PutObjectLegalHoldOutput, error) {
	hold, err := lock.ReadHold(in.LegalHold)
	if err != nil {
		return nil, err
	}
	b, o, err := s.find(ctx, c, in.Bucket, in.Key, in.VersionId)
	if err != nil {
		return nil, err
	}
	return nil, s.change(ctx, c, "ObjectLegalHold:Put", b, o, func(l *lock.State) error {
		l.Hold = hold
		return nil
	})
}

func (s *Handlers) getLegalHold(ctx context.Context, c *service.Call, in *api.GetObjectLegalHoldInput) (*api.GetObjectLegalHoldOutput, error) {
	_, o, err := s.find(ctx, c, in.Bucket, in.Key, in.VersionId)
	if err != nil {
		return nil, err
	}
	if o.Lock.Hold == "" {
		return nil, lock.NotSet()
	}
	return &api.GetObjectLegalHoldOutput{LegalHold: &api.ObjectLockLegalHold{Status: new(o.Lock.Hold)}}, nil
}
