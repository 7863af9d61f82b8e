package s3

import (
	"context"
	"encoding/base64"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/s3/grant"
	"moln.dev/moln/services/s3/listing"
	"moln.dev/moln/services/s3/lock"
	"moln.dev/moln/services/s3/naming"
	"moln.dev/moln/services/s3/op"
	"moln.dev/moln/services/s3/s3err"
	"moln.dev/moln/services/s3/store"
	"moln.dev/moln/services/s3/tagging"
)

func (s *Service) createBucket(ctx context.Context, c *service.Call, in *api.CreateBucketInput) (*api.CreateBucketOutput, error) {
	name := smithy.Val(in.Bucket)
	if err := naming.CheckBucket(name); err != nil {
		return nil, err
	}
	b, err := s.newBucket(c, in)
	if err != nil {
		return nil, err
	}
	taken, err := s.store.CreateBucket(ctx, b)
	if err != nil {
		return nil, err
	}
	if taken != nil {
		if err := takenBy(c, taken, b); err != nil {
			return nil, err
		}
	}
	return &api.CreateBucketOutput{Location: new("/" + name), BucketArn: new(naming.BucketARN(name))}, nil
}

// newBucket decides what a new bucket is: as at AWS since 2023, with access
// control lists off and public access blocked.
func (s *Service) newBucket(c *service.Call, in *api.CreateBucketInput) (*store.Bucket, error) {
	ownership := smithy.Val(in.ObjectOwnership)
	if ownership == "" {
		ownership = store.OwnerEnforced
	}
	list, err := newList(op.BucketList(in), ownership, naming.OwnerID(c.Account))
	if err != nil {
		return nil, err
	}
	conf := in.CreateBucketConfiguration
	constraint := ""
	var tags []tagging.Tag
	if conf != nil {
		if conf.Location != nil || conf.Bucket != nil {
			return nil, s3err.NotImplemented("moln has no directory buckets")
		}
		constraint = smithy.Val(conf.LocationConstraint)
		var err error
		if tags, err = tagging.Of(conf.Tags, tagging.BucketMax); err != nil {
			return nil, err
		}
		if tagging.Kept(nil, tags) != nil && c.HTTP != nil {
			return nil, fault.New("InvalidTag", 400, "User-defined tag keys can't start with \"aws:\". This prefix is reserved for system tags. Remove \"aws:\" from your tag keys and try again.")
		}
	}
	region, err := naming.Location(constraint, c.Region)
	if err != nil {
		return nil, err
	}
	b := &store.Bucket{
		Name: smithy.Val(in.Bucket), ID: s.deps.Ident.Sortable(), Account: c.Account, Region: region,
		Created: c.Now.UTC(), Ownership: ownership, ACL: list, Tags: tags,
		Public: &store.PublicAccess{BlockACLs: true, IgnoreACLs: true, BlockPolicy: true, Restrict: true},
	}
	if smithy.Val(in.ObjectLockEnabledForBucket) {
		b.Lock, b.Versioning = &lock.Configuration{}, store.VersioningEnabled
	}
	return b, nil
}

// newList is the access control list of a new bucket, to which public access is
// blocked.
func newList(asked grant.Request, ownership, owner string) (grant.List, error) {
	list, err := asked.List(grant.Parties{Owner: owner, BucketOwner: owner}, false)
	switch {
	case err != nil:
		return nil, err
	case ownership == grant.Enforced && !list.Private(owner):
		return nil, grant.ErrOwnership()
	case list.Public():
		return nil, grant.ErrPublicBlocked()
	case ownership == grant.Enforced:
		return nil, nil
	}
	return list, nil
}

// takenBy answers a second creation. In us-east-1 AWS lets an owner create his
// bucket again.
func takenBy(c *service.Call, taken, b *store.Bucket) error {
	if taken.Account != c.Account {
		return api.ErrBucketAlreadyExists("The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again.").
			WithBody(&api.BucketAlreadyExists{BucketName: new(b.Name)})
	}
	if taken.Region == naming.RegionClassic && b.Region == naming.RegionClassic && c.Region == naming.RegionClassic {
		return nil
	}
	return api.ErrBucketAlreadyOwnedByYou("Your previous request to create the named bucket succeeded and you already own it.").
		WithBody(&api.BucketAlreadyOwnedByYou{BucketName: new(b.Name)})
}

func (s *Service) headBucket(ctx context.Context, c *service.Call, in *api.HeadBucketInput) (*api.HeadBucketOutput, error) {
	b, err := s.store.Bucket(ctx, smithy.Val(in.Bucket))
	if err != nil {
		return nil, err
	}
	return &api.HeadBucketOutput{BucketArn: new(naming.BucketARN(b.Name)), BucketRegion: new(b.Region), AccessPointAlias: new(op.PointOf(c) != nil)}, nil
}

func (s *Service) deleteBucket(ctx context.Context, _ *service.Call, in *api.DeleteBucketInput) (*api.DeleteBucketOutput, error) {
	notEmpty := fault.New("BucketNotEmpty", 409, "The bucket you tried to delete is not empty")
	if err := s.versionsLeft(ctx, smithy.Val(in.Bucket)); err != nil {
		return nil, err
	}
	return nil, s.store.DeleteBucket(ctx, smithy.Val(in.Bucket), notEmpty)
}

// versionsLeft gives the text that AWS has for a bucket whose objects are all
// hidden by delete markers.
func (s *Service) versionsLeft(ctx context.Context, name string) error {
	b, err := s.store.Bucket(ctx, name)
	if err != nil || b.Versioning == "" {
		return err
	}
	left := false
	_, err = s.store.ListVersions(ctx, b, &listing.Listing{Max: 1}, "", func(*store.Object, bool) { left = true })
	if err == nil && left {
		return fault.New("BucketNotEmpty", 409, "The bucket you tried to delete is not empty. You must delete all versions in the bucket.")
	}
	return err
}

func (s *Service) getBucketLocation(ctx context.Context, _ *service.Call, in *api.GetBucketLocationInput) (*api.GetBucketLocationOutput, error) {
	b, err := s.store.Bucket(ctx, smithy.Val(in.Bucket))
	if err != nil {
		return nil, err
	}
	if b.Region == naming.RegionClassic {
		return &api.GetBucketLocationOutput{}, nil
	}
	return &api.GetBucketLocationOutput{LocationConstraint: new(b.Region)}, nil
}

// bucketsMax is how many buckets an answer lists that names no limit.
const bucketsMax = 10_000

func (s *Service) listBuckets(ctx context.Context, c *service.Call, in *api.ListBucketsInput) (*api.ListBucketsOutput, error) {
	limit := bucketsMax
	if n := smithy.Val(in.MaxBuckets); n > 0 {
		limit = min(limit, int(n))
	}
	after, err := base64.RawURLEncoding.DecodeString(smithy.Val(in.ContinuationToken))
	if err != nil {
		return nil, s3err.InvalidArgument("The continuation token provided is incorrect")
	}
	out := &api.ListBucketsOutput{Owner: naming.Owner(c.Account), Prefix: in.Prefix, Buckets: []api.Bucket{}}
	err = s.store.Owned(ctx, c.Account, smithy.Val(in.Prefix), string(after), func(b *store.Bucket) (bool, error) {
		if want := smithy.Val(in.BucketRegion); want != "" && want != b.Region {
			return true, nil
		}
		if len(out.Buckets) == limit {
			last := *out.Buckets[limit-1].Name
			out.ContinuationToken = new(base64.RawURLEncoding.EncodeToString([]byte(last)))
			return false, nil
		}
		out.Buckets = append(out.Buckets, api.Bucket{
			Name: new(b.Name), CreationDate: new(b.Created), BucketRegion: new(b.Region), BucketArn: new(naming.BucketARN(b.Name)),
		})
		return true, nil
	})
	return out, err
}
