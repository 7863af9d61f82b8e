package write

import (
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/s3/grant"
	"moln.dev/moln/services/s3/naming"
	"moln.dev/moln/services/s3/op"
	"moln.dev/moln/services/s3/s3err"
	"moln.dev/moln/services/s3/store"
)

// Own decides whose a new object is and what its access control list says, by
// the bucket's Object Ownership and what the request asks for.
func Own(c *service.Call, b *store.Bucket, o *store.Object, asked grant.Request) error {
	if err := asked.Allowed(b.Ownership, naming.OwnerID(b.Account)); err != nil {
		return err
	}
	o.Owner, o.ACL = "", nil
	if !b.HasLists() {
		return nil
	}
	owner := grant.Owner(b.Ownership, op.WritersAccount(c, b), b.Account, &asked)
	list, err := asked.List(grant.Parties{Owner: naming.OwnerID(owner), BucketOwner: naming.OwnerID(b.Account)}, true)
	if err != nil {
		return err
	}
	if list.Public() && b.Through(op.PointOf(c)).Block().BlockACLs {
		return grant.ErrBlocked(c.Caller.ARN, "s3:PutObject", naming.ObjectARN(b.Name, o.Key))
	}
	if len(list) > 0 && owner == naming.Anonymous {
		return s3err.AccessDenied() // who is nobody can share nothing
	}
	if owner != b.Account {
		o.Owner = owner
	}
	o.ACL = list
	return nil
}
