package op

import (
	"context"

	"moln.dev/moln/aws/policy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/s3/naming"
	"moln.dev/moln/services/s3/store"
)

// Ask is one action that a request needs on a bucket or on an object in it.
type Ask struct {
	Bucket *store.Bucket
	Action string
	Key    string // of the object; empty: the bucket itself is meant
	// Object is the version that is there, whose owner and whose list decide
	// about what is done to it; nil: there is none, or the bucket decides.
	Object *store.Object
	Keys   policy.Keys
}

// ownersActions are those on which an object's owner decides, where he is not
// the bucket's. Whoever owns a bucket may delete whatever is in it.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/how-s3-evaluates-access-control.html
var ownersActions = map[string]bool{
	"s3:GetObject": true, "s3:GetObjectVersion": true, "s3:GetObjectAttributes": true, "s3:GetObjectVersionAttributes": true,
	"s3:GetObjectAcl": true, "s3:GetObjectVersionAcl": true, "s3:PutObjectAcl": true, "s3:PutObjectVersionAcl": true,
	"s3:GetObjectTagging": true, "s3:GetObjectVersionTagging": true, "s3:PutObjectTagging": true, "s3:PutObjectVersionTagging": true,
	"s3:DeleteObjectTagging": true, "s3:DeleteObjectVersionTagging": true,
}

func (a *Ask) resource() string {
	if a.Key == "" {
		return naming.BucketARN(a.Bucket.Name)
	}
	return naming.ObjectARN(a.Bucket.Name, a.Key)
}

// check is what the bucket and the object say, whichever way they are reached.
func (a *Ask) check(c *service.Call) (service.Check, error) {
	check := bucketCheck(c, a.Bucket, a.Action, a.resource(), a.Keys)
	if a.Object == nil || !ownersActions[a.Action] {
		return check, nil
	}
	if check.Account = a.Bucket.OwnerOf(a.Object); check.Account != a.Bucket.Account {
		// The bucket's policy cannot give what its owner does not have.
		check.Policy = a.Bucket.Compiled.Denials()
	}
	check.Grants = nil
	if cutOff(c, a.Bucket) {
		return check, nil
	}
	var err error
	check.Grants, err = a.Bucket.GrantsOf(a.Object)
	return check, err
}

// Checks are what the gateway must judge before the action is done: what the
// bucket says, and before it what the access point says that the call goes
// through.
func (a Ask) Checks(c *service.Call) ([]service.Check, error) {
	if p := PointOf(c); p != nil {
		a.Keys = pointKeys(p, a.Keys)
		first := a.pointCheck(c, p)
		a.Bucket = a.Bucket.Through(p)
		check, err := a.check(c)
		return []service.Check{first, check}, err
	}
	check, err := a.check(c)
	if err != nil {
		return nil, err
	}
	return []service.Check{check}, nil
}

// Judge judges the action now.
func (a Ask) Judge(ctx context.Context, c *service.Call) error {
	checks, err := a.Checks(c)
	if err != nil {
		return err
	}
	return c.Judge(ctx, checks...)
}

// cutOff reports that a bucket's public policy keeps the caller out:
// RestrictPublicBuckets leaves it to the bucket's own account and to services.
func cutOff(c *service.Call, b *store.Bucket) bool {
	return b.IsPublic && b.Block().Restrict && c.Caller.Kind != policy.Service && c.Caller.AccountID != b.Account
}

// Stored finds the version that a request is about, if there is one that is no
// delete marker.
func Stored(ctx context.Context, st *store.Store, b *store.Bucket, at Aim) (*store.Object, error) {
	if at.Key == "" {
		return nil, nil
	}
	o, err := st.Current(ctx, b, at.Key)
	if at.Version != nil {
		o, err = st.Version(ctx, b, at.Key, *at.Version)
	}
	if err != nil || o == nil || o.Marker {
		return nil, err
	}
	return o, nil
}

// WritersAccount is the account that owns what the caller writes where writers
// own their objects.
func WritersAccount(c *service.Call, b *store.Bucket) string {
	switch {
	case c.Caller.AccountID != "":
		return c.Caller.AccountID
	case c.Caller.Kind == policy.Anonymous:
		return naming.Anonymous
	}
	return b.Account // services write for whom they work
}
