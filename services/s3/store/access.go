package store

import (
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/services/s3/grant"
	"moln.dev/moln/services/s3/naming"
)

// Block is the public access block in force: the stricter of the bucket's and
// its account's.
func (b *Bucket) Block() PublicAccess {
	return b.Public.and(b.AccountPublic)
}

func (p *PublicAccess) and(q *PublicAccess) PublicAccess {
	var out PublicAccess
	for _, x := range []*PublicAccess{p, q} {
		if x != nil {
			out.BlockACLs = out.BlockACLs || x.BlockACLs
			out.IgnoreACLs = out.IgnoreACLs || x.IgnoreACLs
			out.BlockPolicy = out.BlockPolicy || x.BlockPolicy
			out.Restrict = out.Restrict || x.Restrict
		}
	}
	return out
}

// Through is the bucket as an access point shows it: what the access point's
// public access block forbids, besides the bucket's own.
func (b *Bucket) Through(p *AccessPoint) *Bucket {
	if p == nil {
		return b
	}
	out, point := *b, p.Block()
	own := b.Block()
	both := own.and(&point)
	out.Public, out.AccountPublic = &both, nil
	return &out
}

// HasLists reports whether access control lists count in the bucket.
func (b *Bucket) HasLists() bool { return b.Ownership != OwnerEnforced }

// OwnerOf is the account that owns an object of the bucket.
func (b *Bucket) OwnerOf(o *Object) string {
	if o.Owner == "" || !b.HasLists() {
		return b.Account
	}
	return o.Owner
}

// ListOf is an object's access control list.
func (b *Bucket) ListOf(o *Object) grant.List {
	if o.ACL == nil || !b.HasLists() {
		return grant.Owned(naming.OwnerID(b.OwnerOf(o)))
	}
	return o.ACL
}

// Grants is what the bucket's list gives to others than its owner; nil: nothing.
func (b *Bucket) Grants() *policy.Policy {
	switch {
	case !b.HasLists():
		return nil
	case b.Block().IgnoreACLs:
		return b.grantsNamed
	}
	return b.grants
}

// GrantsOf is what an object's list gives to others than its owner; nil: nothing.
func (b *Bucket) GrantsOf(o *Object) (*policy.Policy, error) {
	if o.ACL == nil || !b.HasLists() {
		return nil, nil
	}
	list := o.ACL
	if b.Block().IgnoreACLs {
		list = list.WithoutPublic()
	}
	return list.ObjectPolicy(naming.OwnerID(b.OwnerOf(o)))
}

// compile makes what Grants answers.
func (b *Bucket) compile() (err error) {
	owner := naming.OwnerID(b.Account)
	if b.grants, err = b.ACL.BucketPolicy(owner); err != nil {
		return err
	}
	b.grantsNamed, err = b.ACL.WithoutPublic().BucketPolicy(owner)
	return err
}
