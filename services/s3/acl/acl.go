// Package acl answers the operations on object ownership and on access control
// lists. The owner's own list is the only one there is.
package acl

import (
	"context"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/s3/naming"
	"moln.dev/moln/services/s3/op"
	"moln.dev/moln/services/s3/s3err"
	"moln.dev/moln/services/s3/store"
)

// Handlers answers them. It is safe for concurrent use.
type Handlers struct{ store *store.Store }

// New returns the handlers over a store.
func New(st *store.Store) *Handlers { return &Handlers{st} }

const noteACL = "the owner's own list is the only one: private and bucket-owner-full-control are accepted, everything else is refused"

// Operations are those on ownership and lists.
func (s *Handlers) Operations() []service.Operation {
	return service.Table[*Handlers]{
		service.Partial(api.PutBucketOwnershipControls, op.Verified((*Handlers).putBucketOwnershipControls), "kept and told; objects belong to the bucket's owner whatever it says, since there are no access control lists"),
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
		b.Ownership = smithy.Val(in.OwnershipControls.Rules[0].ObjectOwnership)
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

// ownerGrants is the access control list of every bucket and object.
func ownerGrants(account string) []api.Grant {
	return []api.Grant{{Grantee: &api.Grantee{ID: new(naming.OwnerID(account)), Type: new("CanonicalUser")}, Permission: new("FULL_CONTROL")}}
}

func (s *Handlers) getBucketACL(ctx context.Context, _ *service.Call, in *api.GetBucketAclInput) (*api.GetBucketAclOutput, error) {
	b, err := s.store.Bucket(ctx, smithy.Val(in.Bucket))
	if err != nil {
		return nil, err
	}
	return &api.GetBucketAclOutput{Owner: naming.Owner(b.Account), Grants: ownerGrants(b.Account)}, nil
}

func (s *Handlers) getObjectACL(ctx context.Context, c *service.Call, in *api.GetObjectAclInput) (*api.GetObjectAclOutput, error) {
	b, err := s.store.Bucket(ctx, smithy.Val(in.Bucket))
	if err != nil {
		return nil, err
	}
	if _, err := op.Find(ctx, c, s.store, b, smithy.Val(in.Key), in.VersionId); err != nil {
		return nil, err
	}
	return &api.GetObjectAclOutput{Owner: naming.Owner(b.Account), Grants: ownerGrants(b.Account)}, nil
}

func (s *Handlers) putBucketACL(ctx context.Context, _ *service.Call, in *api.PutBucketAclInput) (*api.PutBucketAclOutput, error) {
	b, err := s.store.Bucket(ctx, smithy.Val(in.Bucket))
	if err != nil {
		return nil, err
	}
	if err := op.CheckACL(smithy.Val(in.ACL), in.GrantFullControl, in.GrantRead, in.GrantReadACP, in.GrantWrite, in.GrantWriteACP); err != nil {
		return nil, err
	}
	return nil, checkACLDocument(in.AccessControlPolicy, b.Account)
}

func (s *Handlers) putObjectACL(ctx context.Context, c *service.Call, in *api.PutObjectAclInput) (*api.PutObjectAclOutput, error) {
	b, err := s.store.Bucket(ctx, smithy.Val(in.Bucket))
	if err != nil {
		return nil, err
	}
	if _, err := op.Find(ctx, c, s.store, b, smithy.Val(in.Key), in.VersionId); err != nil {
		return nil, err
	}
	if err := op.CheckACL(smithy.Val(in.ACL), in.GrantFullControl, in.GrantRead, in.GrantReadACP, in.GrantWrite, in.GrantWriteACP); err != nil {
		return nil, err
	}
	return nil, checkACLDocument(in.AccessControlPolicy, b.Account)
}

// checkACLDocument accepts the list that Get…Acl answers.
func checkACLDocument(p *api.AccessControlPolicy, account string) error {
	if p == nil {
		return nil
	}
	for _, g := range p.Grants {
		if g.Grantee == nil || smithy.Val(g.Grantee.ID) != naming.OwnerID(account) || smithy.Val(g.Permission) != "FULL_CONTROL" {
			return s3err.ACLNotSupported()
		}
	}
	return nil
}
