// Package acl answers the operations on object ownership and on access control
// lists. What lists say and mean is in package grant; that they count is the
// gateway's business, which judges them beside the bucket's policy.
package acl

import (
	"context"
	"reflect"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/s3/grant"
	"moln.dev/moln/services/s3/naming"
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

const noteACL = "the canned list aws-exec-read, which is for Amazon EC2, is refused"

// Operations are those on ownership and lists.
func (s *Handlers) Operations() []service.Operation {
	return service.Table[*Handlers]{
		service.Full(api.PutBucketOwnershipControls, op.Verified((*Handlers).putBucketOwnershipControls)),
		service.Full(api.GetBucketOwnershipControls, (*Handlers).getBucketOwnershipControls),
		service.Full(api.DeleteBucketOwnershipControls, (*Handlers).deleteBucketOwnershipControls),
		service.Full(api.GetBucketAcl, (*Handlers).getBucketACL),
		service.Partial(api.PutBucketAcl, op.Verified((*Handlers).putBucketACL), noteACL),
		service.Full(api.GetObjectAcl, (*Handlers).getObjectACL),
		service.Partial(api.PutObjectAcl, op.Verified((*Handlers).putObjectACL), noteACL),
	}.Bind(s)
}

func (s *Handlers) putBucketOwnershipControls(ctx context.Context, _ *service.Call, in *api.PutBucketOwnershipControlsInput) (*api.PutBucketOwnershipControlsOutput, error) {
	if in.OwnershipControls == nil || len(in.OwnershipControls.Rules) != 1 {
		return nil, s3err.MalformedXML()
	}
	return nil, s.store.ChangeBucket(ctx, smithy.Val(in.Bucket), func(b *store.Bucket) error {
		ownership := smithy.Val(in.OwnershipControls.Rules[0].ObjectOwnership)
		switch ownership {
		case grant.Enforced, grant.Preferred, grant.Writer:
		default:
			return s3err.MalformedXML()
		}
		if ownership == grant.Enforced && b.HasLists() && !b.ACL.Private(naming.OwnerID(b.Account)) {
			return grant.ErrOwnership()
		}
		b.Ownership = ownership
		return nil
	})
}

func (s *Handlers) getBucketOwnershipControls(ctx context.Context, _ *service.Call, in *api.GetBucketOwnershipControlsInput) (*api.GetBucketOwnershipControlsOutput, error) {
	b, err := s.store.Bucket(ctx, smithy.Val(in.Bucket))
	if err != nil {
		return nil, err
	}
	if b.Ownership == "" {
		return nil, s3err.NotFound("OwnershipControlsNotFoundError", "The bucket ownership controls were not found")
	}
	return &api.GetBucketOwnershipControlsOutput{OwnershipControls: &api.OwnershipControls{
		Rules: []api.OwnershipControlsRule{{ObjectOwnership: new(b.Ownership)}},
	}}, nil
}

func (s *Handlers) deleteBucketOwnershipControls(ctx context.Context, _ *service.Call, in *api.DeleteBucketOwnershipControlsInput) (*api.DeleteBucketOwnershipControlsOutput, error) {
	return nil, s.store.ChangeBucket(ctx, smithy.Val(in.Bucket), func(b *store.Bucket) error {
		b.Ownership = ""
		return nil
	})
}

func (s *Handlers) getBucketACL(ctx context.Context, _ *service.Call, in *api.GetBucketAclInput) (*api.GetBucketAclOutput, error) {
	b, err := s.store.Bucket(ctx, smithy.Val(in.Bucket))
	if err != nil {
		return nil, err
	}
	return &api.GetBucketAclOutput{Owner: naming.Owner(b.Account), Grants: listOf(b).API(naming.OwnerID(b.Account))}, nil
}

// listOf is the bucket's list; where lists are off, the owner's own.
func listOf(b *store.Bucket) grant.List {
	if !b.HasLists() {
		return nil
	}
	return b.ACL
}

func (s *Handlers) getObjectACL(ctx context.Context, c *service.Call, in *api.GetObjectAclInput) (*api.GetObjectAclOutput, error) {
	b, o, err := op.Locate(ctx, c, s.store, op.AimOf(in))
	if err != nil {
		return nil, err
	}
	owner := b.OwnerOf(o)
	return &api.GetObjectAclOutput{Owner: naming.Owner(owner), Grants: b.ListOf(o).API(naming.OwnerID(owner))}, nil
}

func (s *Handlers) putBucketACL(ctx context.Context, c *service.Call, in *api.PutBucketAclInput) (*api.PutBucketAclOutput, error) {
	asked := grant.Request{
		Canned: in.ACL, FullControl: in.GrantFullControl, Read: in.GrantRead, ReadACP: in.GrantReadACP,
		Write: in.GrantWrite, WriteACP: in.GrantWriteACP, Document: in.AccessControlPolicy,
	}
	return nil, s.store.ChangeBucket(ctx, smithy.Val(in.Bucket), func(b *store.Bucket) error {
		owner := naming.OwnerID(b.Account)
		list, err := judge(c, b, asked, grant.Parties{Owner: owner, BucketOwner: owner}, "")
		if err == nil && b.HasLists() {
			b.ACL = list
		}
		return err
	})
}

func (s *Handlers) putObjectACL(ctx context.Context, c *service.Call, in *api.PutObjectAclInput) (*api.PutObjectAclOutput, error) {
	at := op.AimOf(in)
	b, _, err := op.Locate(ctx, c, s.store, at)
	if err != nil {
		return nil, err
	}
	asked := grant.Request{
		Canned: in.ACL, FullControl: in.GrantFullControl, Read: in.GrantRead, ReadACP: in.GrantReadACP,
		Write: in.GrantWrite, WriteACP: in.GrantWriteACP, Document: in.AccessControlPolicy,
	}
	return nil, s.store.Update(ctx, b, at.Key, func(tx *store.Tx) error {
		changed := false
		o, err := tx.Change(smithy.Val(in.VersionId), func(o *store.Object) error {
			if o.Marker {
				return s3err.NoSuchKey(at.Key)
			}
			who := grant.Parties{Owner: naming.OwnerID(tx.Bucket.OwnerOf(o)), BucketOwner: naming.OwnerID(tx.Bucket.Account)}
			list, err := judge(c, tx.Bucket, asked, who, at.Key)
			if changed = err == nil && tx.Bucket.HasLists() && !reflect.DeepEqual(o.ACL, list); changed {
				o.ACL = list
			}
			return err
		})
		if err == nil && o == nil {
			return s3err.NoSuchKey(at.Key)
		}
		if err != nil || !changed {
			return err
		}
		return s.events.Queue(tx, c, notify.Change{Event: "ObjectAcl:Put", Object: o})
	})
}

// judge reads the list that a request asks for, and refuses what Object
// Ownership or the public access block do not allow. key is empty for a bucket's
// list.
func judge(c *service.Call, b *store.Bucket, asked grant.Request, who grant.Parties, key string) (grant.List, error) {
	if !asked.Given() {
		return nil, grant.ErrNone()
	}
	if err := asked.Allowed(b.Ownership, who.BucketOwner); err != nil {
		return nil, err
	}
	list, err := asked.List(who, key != "")
	if err != nil {
		return nil, err
	}
	if list.Public() && b.Through(op.PointOf(c)).Block().BlockACLs {
		action, resource := "s3:PutBucketAcl", naming.BucketARN(b.Name)
		if key != "" {
			action, resource = "s3:PutObjectAcl", naming.ObjectARN(b.Name, key)
		}
		return nil, grant.ErrBlocked(c.Caller.ARN, action, resource)
	}
	return list, nil
}
