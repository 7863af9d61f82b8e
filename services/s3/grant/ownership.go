package grant

// Object Ownership settings of a bucket.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/about-object-ownership.html
const (
	// Enforced turns lists off: the bucket's owner owns every object.
	Enforced = "BucketOwnerEnforced"
	// Preferred gives the bucket's owner what is handed over to him.
	Preferred = "BucketOwnerPreferred"
	// Writer leaves objects to who wrote them. A bucket whose ownership
	// controls were deleted behaves so.
	Writer = "ObjectWriter"
)

// Owner decides who owns a new object: the writer's account or the bucket's.
func Owner(ownership, writer, bucketOwner string, r *Request) string {
	switch ownership {
	case Enforced:
		return bucketOwner
	case Preferred:
		if r.BucketOwnerFullControl() {
			return bucketOwner
		}
	}
	return writer
}

// Allowed refuses what a request says about a list where lists are off: only
// the bucket owner's full control, which he has anyway, may be asked for.
func (r *Request) Allowed(ownership, owner string) error {
	if ownership != Enforced || !r.Given() || r.BucketOwnerFullControl() {
		return nil
	}
	if r.Canned != nil {
		return ErrNotSupported()
	}
	list, err := r.List(Parties{owner, owner}, true)
	if err != nil {
		return err
	}
	for _, g := range list {
		if g.ID != owner || g.Permission != FullControl {
			return ErrNotSupported()
		}
	}
	return nil
}
