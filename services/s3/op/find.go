package op

import (
	"context"
	"net/http"

	"moln.dev/moln/aws/fault"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/s3/s3err"
	"moln.dev/moln/services/s3/store"
)

// Locate finds the bucket and the version that a request is about, for reading.
func Locate(ctx context.Context, c *service.Call, st *store.Store, at Aim) (*store.Bucket, *store.Object, error) {
	b, err := st.Bucket(ctx, at.Bucket)
	if err != nil {
		return nil, nil, err
	}
	o, err := Find(ctx, c, st, b, at.Key, at.Version)
	return b, o, err
}

// Find finds the version that a request means, for reading.
func Find(ctx context.Context, c *service.Call, st *store.Store, b *store.Bucket, key string, version *string) (*store.Object, error) {
	if o := taken(c, b, key, version); o != nil {
		return o, nil
	}
	if version != nil {
		return findVersion(ctx, c, st, b, key, *version)
	}
	o, err := st.Current(ctx, b, key)
	if err != nil {
		return nil, err
	}
	if o != nil && !o.Marker {
		return o, nil
	}
	if err := MayKnow(ctx, c, b); err != nil {
		return nil, err
	}
	f := fault.As(s3err.NoSuchKey(key))
	if o != nil {
		f.Header = http.Header{"X-Amz-Delete-Marker": {"true"}, "X-Amz-Version-Id": {o.Version}}
	}
	return nil, f
}

func findVersion(ctx context.Context, c *service.Call, st *store.Store, b *store.Bucket, key, version string) (*store.Object, error) {
	if _, ok := store.SequenceOf(version); !ok && version != store.NullVersion {
		return nil, s3err.VersionID(version)
	}
	o, err := st.Version(ctx, b, key, version)
	if err != nil {
		return nil, err
	}
	if o == nil {
		if err := MayKnow(ctx, c, b); err != nil {
			return nil, err
		}
		return nil, s3err.NoSuchVersion()
	}
	if o.Marker {
		f := fault.New("MethodNotAllowed", http.StatusMethodNotAllowed, "The specified method is not allowed against this resource.")
		f.Header = http.Header{"X-Amz-Delete-Marker": {"true"}, "X-Amz-Version-Id": {o.Version}, "Allow": {"DELETE"}, "Last-Modified": {o.LastModified().Format(http.TimeFormat)}}
		return nil, f
	}
	return o, nil
}

// MayKnow tells whether the caller may learn that an object does not exist:
// only who may list the bucket.
func MayKnow(ctx context.Context, c *service.Call, b *store.Bucket) error {
	err := Ask{Bucket: b, Action: "s3:ListBucket"}.Judge(ctx, c)
	if fault.As(err) != nil {
		return s3err.AccessDenied()
	}
	return err
}
