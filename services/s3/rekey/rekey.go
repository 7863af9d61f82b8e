// Package rekey answers UpdateObjectEncryption: it has the data keys of a stored
// version wrapped under another KMS key, or under a KMS key at all, where the
// version lies. The bytes, the ETag, the date and the class stay what they are,
// and nobody is notified. Package sse speaks to KMS, package store wraps.
package rekey

import (
	"context"
	"errors"
	"strings"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/arn"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/s3/op"
	"moln.dev/moln/services/s3/s3err"
	"moln.dev/moln/services/s3/sse"
	"moln.dev/moln/services/s3/store"
)

// triesMax is how often a version is read anew that others change meanwhile.
const triesMax = 5

// Handlers answers it. It is safe for concurrent use.
type Handlers struct{ store *store.Store }

// New returns the handlers over a store.
func New(st *store.Store) *Handlers { return &Handlers{st} }

// Operations is the one.
func (h *Handlers) Operations() []service.Operation {
	return service.Table[*Handlers]{
		service.Full(api.UpdateObjectEncryption, op.Verified((*Handlers).update)),
	}.Bind(h)
}

// update encrypts the data keys of a version anew.
//
// Errors: InvalidRequest, AccessDenied, NoSuchKey, NoSuchVersion, those of KMS,
// and OperationAborted where others change the version all the time.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_UpdateObjectEncryption.html
func (h *Handlers) update(ctx context.Context, c *service.Call, in *api.UpdateObjectEncryptionInput) (*api.UpdateObjectEncryptionOutput, error) {
	if in.ObjectEncryption == nil || in.ObjectEncryption.SSEKMS == nil {
		return nil, unknownType()
	}
	to := in.ObjectEncryption.SSEKMS
	b, err := h.store.Bucket(ctx, smithy.Val(in.Bucket))
	if err != nil {
		return nil, err
	}
	if err := checkKey(smithy.Val(to.KMSKeyArn), b.Account); err != nil {
		return nil, err
	}
	for range triesMax {
		o, err := op.Find(ctx, c, h.store, b, smithy.Val(in.Key), in.VersionId)
		if err != nil {
			return nil, err
		}
		if err := updatable(c, o); err != nil {
			return nil, err
		}
		e, outer, err := sse.Renew(ctx, c, h.store, b, o, *to.KMSKeyArn, smithy.Val(to.BucketKeyEnabled))
		if err != nil {
			return nil, err
		}
		err = h.store.Reseal(ctx, b, o, e, outer, func(now *store.Object) error { return updatable(c, now) })
		if !errors.Is(err, store.ErrChanged) {
			return &api.UpdateObjectEncryptionOutput{}, err
		}
	}
	return nil, fault.New("OperationAborted", 409, "A conflicting conditional operation is currently in progress against this resource. Please try again.")
}

// checkKey judges the key that is asked for.
func checkKey(key, account string) error {
	a, err := arn.Parse(key)
	switch {
	case err != nil || a.Service != "kms" || !strings.HasPrefix(a.Resource, "key/"):
		return badKey()
	case a.Account != account:
		return denied("The AWS KMS key in the request must be owned by the same account as the bucket. Modify the request to specify a KMS key from the same account, and then try again.")
	}
	return nil
}

// updatable tells whether a version's encryption may be changed.
func updatable(c *service.Call, o *store.Object) error {
	switch {
	case o.SSE.Customer() || o.SSE != nil && o.SSE.Algorithm == store.EncryptionDual:
		return s3err.InvalidRequest("The UpdateObjectEncryption operation doesn't support source objects with the encryption type DSSE-KMS or SSE-C. Only source objects encrypted with SSE-S3 or SSE-KMS are supported.")
	case o.Lock.Protects(false, c.Now):
		return denied("The encryption type for the specified object can’t be updated because that object is protected by S3 Object Lock. If the object has a governance-mode retention period or a legal hold, you must first remove the Object Lock status on the object before you issue your UpdateObjectEncryption request. You can't use the UpdateObjectEncryption operation with objects that have an Object Lock compliance mode retention period applied to them.")
	}
	return nil
}

// Invalid words what is wrong with a request that breaks the model's
// constraints.
func Invalid(v smithy.Violation) error {
	switch member := strings.ToLower(v.Path); {
	case !strings.HasSuffix(member, "kmskeyarn"):
		return unknownType()
	case v.Null:
		return missingKey()
	}
	return badKey()
}

func denied(message string) error { return api.ErrAccessDenied("%s", message) }

func unknownType() error {
	return s3err.InvalidRequest("Requests that modify an object encryption configuration require a valid new encryption type. Valid values are SSEKMS. Modify the request to specify SSE-KMS for the updated encryption type, and then try again.")
}

func missingKey() error {
	return s3err.InvalidRequest("Requests that modify an object's encryption type to SSE-KMS require an AWS KMS key Amazon Resource Name (ARN). Modify the request to specify a KMS key ARN, and then try again.")
}

func badKey() error {
	return s3err.InvalidRequest("Requests that modify an object's encryption type to SSE-KMS require a valid AWS KMS key Amazon Resource Name (ARN). Confirm that you have a correctly formatted KMS key ARN in your request, and then try again.")
}
