package sse

import (
	"bytes"
	"context"
	"errors"

	kms "moln.dev/moln/api/kms"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/s3/naming"
	"moln.dev/moln/services/s3/store"
)

// errUnlike: KMS gives back another key than it gave.
var errUnlike = errors.New("s3: KMS decrypts a data key to another")

// Renew gets an outer key of a KMS key for an object that is stored under the
// server's key alone or under a KMS key, and makes the object's bytes readable.
// The caller needs all that AWS lists: kms:GenerateDataKey, Decrypt, Encrypt and
// ReEncrypt*. The new key is decrypted at once, so that no object is left under
// a key that its writer cannot have decrypted.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/update-sse-encryption.html
func Renew(ctx context.Context, c *service.Call, st *store.Store, b *store.Bucket, o *store.Object, keyARN string, bucketKey bool) (*store.Encryption, []byte, error) {
	if err := Unlock(ctx, c, st, b, o, Asked{}); err != nil {
		return nil, nil, err
	}
	e := &store.Encryption{Algorithm: store.EncryptionKMS, BucketKey: bucketKey, Context: bound(nil, naming.ObjectARN(b.Name, o.Key))}
	if bucketKey {
		e.Context = bound(nil, naming.BucketARN(b.Name))
	}
	got, err := generate(ctx, c, st, b, e, keyARN)
	if err != nil {
		return nil, nil, err
	}
	e.KeyARN, e.Wrapped = got.KeyARN, got.Wrapped
	if err := mayReplace(ctx, c, b, o, e, got.Plain); err != nil {
		return nil, nil, err
	}
	again, err := decrypt(ctx, c, st, b, e)
	if err == nil && !bytes.Equal(again, got.Plain) {
		err = errUnlike
	}
	return e, got.Plain, err
}

// mayReplace asks KMS whether the caller may encrypt under the new key, and have
// what is under the old one encrypted under it.
func mayReplace(ctx context.Context, c *service.Call, b *store.Bucket, o *store.Object, e *store.Encryption, plain []byte) error {
	_, err := service.Invoke(ctx, asked(c, b), kms.Encrypt, &kms.EncryptInput{
		KeyId: &e.KeyARN, Plaintext: plain, EncryptionContext: e.Context, DryRun: new(true),
	})
	if err := tried(c, err); err != nil {
		return err
	}
	from := o.SSE
	if from == nil {
		from = e // the server's own key is none of KMS
	}
	_, err = service.Invoke(ctx, asked(c, b), kms.ReEncrypt, &kms.ReEncryptInput{
		CiphertextBlob: from.Wrapped, SourceKeyId: &from.KeyARN, SourceEncryptionContext: from.Context,
		DestinationKeyId: &e.KeyARN, DestinationEncryptionContext: e.Context, DryRun: new(true),
	})
	return tried(c, err)
}

// tried is what a dry run comes to.
func tried(c *service.Call, err error) error {
	if f := fault.As(err); f != nil && f.Code == "DryRunOperationException" {
		return nil
	}
	if err == nil {
		return errors.New("s3: KMS did what it was only asked about")
	}
	return worded(c, err)
}
