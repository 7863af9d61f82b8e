package template

import (
	"context"
	"strings"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
)

// shared maps the values of AccessControl that let others in to canned lists.
// The others give a bucket's owner what he has anyway.
var shared = map[string]string{
	"PublicRead": "public-read", "PublicReadWrite": "public-read-write", "AuthenticatedRead": "authenticated-read",
	"LogDeliveryWrite": "log-delivery-write", "AwsExecRead": "aws-exec-read",
}

var unshared = map[string]bool{"": true, "Private": true, "BucketOwnerRead": true, "BucketOwnerFullControl": true}

// ownershipOf is the Object Ownership that a bucket is made with; nil: the
// default.
func ownershipOf(p *bucketProperties) *string {
	if p.OwnershipControls == nil || len(p.OwnershipControls.Rules) != 1 {
		return nil // applyOwnership sets what there is, or is refused
	}
	return p.OwnershipControls.Rules[0].ObjectOwnership
}

// withdrawList takes back what the old template shared and the new one does not,
// before Object Ownership may turn lists off.
func withdrawList(ctx context.Context, c *service.Call, name *string, p, old *bucketProperties) error {
	if shared[smithy.Val(old.AccessControl)] == "" || shared[smithy.Val(p.AccessControl)] != "" {
		return nil
	}
	_, err := service.Invoke(ctx, c, api.PutBucketAcl, &api.PutBucketAclInput{Bucket: name, ACL: new("private")})
	return err
}

// applyList shares the bucket, once its Object Ownership allows lists.
func applyList(ctx context.Context, c *service.Call, name *string, p, old *bucketProperties) error {
	control := smithy.Val(p.AccessControl)
	canned, ok := shared[control]
	switch {
	case !ok && !unshared[control]:
		return fault.New("ValidationError", 400, "%s is not a valid enum value for AccessControl", control)
	case !ok || control == smithy.Val(old.AccessControl):
		return nil
	}
	_, err := service.Invoke(ctx, c, api.PutBucketAcl, &api.PutBucketAclInput{Bucket: name, ACL: new(canned)})
	return err
}

// lowerName makes a generated name one that S3 accepts.
func lowerName(name string) string { return strings.ToLower(name) }
