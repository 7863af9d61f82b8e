package sse

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	kms "moln.dev/moln/api/kms"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/ident"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/s3/naming"
	"moln.dev/moln/services/s3/s3err"
	"moln.dev/moln/services/s3/store"
)

// bucketKeyTime is how long a requester's bucket key serves without a call to
// KMS.
const bucketKeyTime = 5 * time.Minute

// saltBytes is the length of the salt of a customer's key.
const saltBytes = 16

// managedAlias names the key that is taken where none is named.
const managedAlias = "alias/aws/s3"

// Begin decides how a new object is encrypted and gets its outer key. nil is
// AES256.
func Begin(ctx context.Context, c *service.Call, st *store.Store, ids *ident.Source, b *store.Bucket, key string, a Asked) (*store.Encryption, store.Protection, error) {
	p, err := decide(b, a)
	if err == nil && p.customer != nil {
		err = secure(c)
	}
	if err != nil {
		return nil, store.Protection{}, err
	}
	if p.customer != nil {
		e := &store.Encryption{Algorithm: store.EncryptionS3, Salt: ids.Bytes(saltBytes)}
		outer, proof, err := stretch(p.customer, e.Salt)
		e.Proof = proof
		return e, store.Protection{Outer: outer}, err
	}
	if p.algorithm == store.EncryptionS3 {
		return nil, store.Protection{}, nil
	}
	e := &store.Encryption{Algorithm: p.algorithm, BucketKey: p.bucketKey, Given: smithy.Val(a.Context)}
	e.Context = bound(p.context, naming.ObjectARN(b.Name, key))
	if p.bucketKey {
		e.Context = bound(p.context, naming.BucketARN(b.Name))
	}
	if p.keyID == "" {
		p.keyID = managedAlias
	}
	got, err := generate(ctx, c, st, b, e, p.keyID)
	if err != nil {
		return nil, store.Protection{}, err
	}
	e.KeyARN, e.Wrapped = got.KeyARN, got.Wrapped
	return e, store.Protection{Outer: got.Plain, Dual: p.algorithm == store.EncryptionDual}, nil
}

// generate gets a data key from KMS, or the bucket's that is still good.
func generate(ctx context.Context, c *service.Call, st *store.Store, b *store.Bucket, e *store.Encryption, keyID string) (store.CachedKey, error) {
	name := cacheName(c, append([]string{"generate", b.ID, keyID}, pairs(e.Context)...)...)
	if e.BucketKey {
		if have, ok := st.BucketKeys.Get(name, c.Now); ok {
			return have, nil
		}
	}
	out, err := service.Invoke(ctx, asked(c, b), kms.GenerateDataKey, &kms.GenerateDataKeyInput{
		KeyId: &keyID, KeySpec: new(kms.DataKeySpecAes256), EncryptionContext: e.Context,
	})
	if err != nil {
		return store.CachedKey{}, worded(c, err)
	}
	got := store.CachedKey{Plain: out.Plaintext, Wrapped: out.CiphertextBlob, KeyARN: *out.KeyId}
	if e.BucketKey {
		st.BucketKeys.Put(name, got, c.Now.Add(bucketKeyTime))
	}
	return got, nil
}

// decrypt gets an outer key back from KMS.
func decrypt(ctx context.Context, c *service.Call, st *store.Store, b *store.Bucket, e *store.Encryption) ([]byte, error) {
	name := cacheName(c, "decrypt", b.ID, string(e.Wrapped))
	if e.BucketKey {
		if have, ok := st.BucketKeys.Get(name, c.Now); ok {
			return have.Plain, nil
		}
	}
	out, err := service.Invoke(ctx, asked(c, b), kms.Decrypt, &kms.DecryptInput{CiphertextBlob: e.Wrapped, KeyId: &e.KeyARN, EncryptionContext: e.Context})
	if err != nil {
		return nil, worded(c, err)
	}
	if e.BucketKey {
		st.BucketKeys.Put(name, store.CachedKey{Plain: out.Plaintext}, c.Now.Add(bucketKeyTime))
	}
	return out.Plaintext, nil
}

// cacheName tells one requester's key from another's: KMS judges each of them.
func cacheName(c *service.Call, parts ...string) string {
	p := &c.Caller
	who := []string{p.ARN, p.AccessKeyID, p.Service, p.SourceARN, p.Issued.String()}
	return strings.Join(append(append(who, p.SessionPolicies...), parts...), "\x00")
}

// pairs are the names and values of a context, in the order of the names.
func pairs(context map[string]string) []string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(context)) {
		out = append(out, k, context[k])
	}
	return out
}

// secure refuses customers' keys that came in the clear over a network.
func secure(c *service.Call) error {
	if c.HTTP == nil || c.HTTP.Secure {
		return nil
	}
	return s3err.InvalidRequest("Requests specifying Server Side Encryption with Customer provided keys must be made over a secure connection.")
}

// asked is the call in the bucket's region, whose keys its objects are under.
func asked(c *service.Call, b *store.Bucket) *service.Call {
	d := *c
	d.Region = b.Region
	return &d
}

// worded is a fault of KMS as S3 tells it.
func worded(c *service.Call, err error) error {
	f := fault.As(err)
	switch {
	case f == nil:
		return err
	case c.Caller.Kind == policy.Anonymous:
		return s3err.InvalidArgument("Requests specifying Server Side Encryption with AWS KMS managed keys require AWS Signature Version 4.")
	case f.Code == "AccessDeniedException":
		d := fault.New("AccessDenied", http.StatusForbidden, "%s", f.Message)
		d.Why = f.Why
		return d
	}
	return fault.New("KMS."+f.Code, http.StatusBadRequest, "%s", f.Message)
}

// Unlock checks what a request brings against what an object needs, and makes
// its bytes readable.
func Unlock(ctx context.Context, c *service.Call, st *store.Store, b *store.Bucket, o *store.Object, a Asked) error {
	if err := Check(c, o, a); err != nil || o.SSE == nil {
		return err
	}
	outer, err := outerKey(ctx, c, st, b, o.SSE, a)
	o.Unlock(outer)
	return err
}

// Check is the part of Unlock that needs no KMS: reading properties is allowed
// to who may not read the bytes.
func Check(c *service.Call, o *store.Object, a Asked) error {
	switch {
	case !o.SSE.Customer():
		if a.Customer.given() {
			return s3err.InvalidRequest("The encryption parameters are not applicable to this object.")
		}
		return nil
	case !a.Customer.given():
		return s3err.InvalidRequest("The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object.")
	}
	if err := secure(c); err != nil {
		return err
	}
	key, err := a.Customer.key()
	if err != nil {
		return err
	}
	_, ok, err := match(o.SSE, key)
	if err == nil && !ok {
		err = s3err.AccessDenied()
	}
	return err
}

func outerKey(ctx context.Context, c *service.Call, st *store.Store, b *store.Bucket, e *store.Encryption, a Asked) ([]byte, error) {
	if !e.Customer() {
		return decrypt(ctx, c, st, b, e)
	}
	key, err := a.Customer.key()
	if err != nil {
		return nil, err
	}
	outer, _, err := match(e, key)
	return outer, err
}

// Part gives the protection of an upload's part: the one that the upload began
// with.
func Part(ctx context.Context, c *service.Call, st *store.Store, b *store.Bucket, u *store.Upload, a Asked) (store.Protection, error) {
	e := u.Template.SSE
	if err := checkPart(c, e, a); err != nil || e == nil {
		return store.Protection{}, err
	}
	outer, err := outerKey(ctx, c, st, b, e, a)
	return store.Protection{Outer: outer, Dual: e.Algorithm == store.EncryptionDual}, err
}

func checkPart(c *service.Call, e *store.Encryption, a Asked) error {
	switch {
	case !e.Customer():
		if a.Customer.given() {
			return s3err.InvalidRequest("The encryption parameters are not applicable to this object.")
		}
		return nil
	case !a.Customer.given():
		return s3err.InvalidRequest("The multipart upload initiate requested encryption. Subsequent part requests must include the appropriate encryption parameters.")
	}
	if err := secure(c); err != nil {
		return err
	}
	key, err := a.Customer.key()
	if err != nil {
		return err
	}
	_, ok, err := match(e, key)
	if err == nil && !ok {
		err = s3err.InvalidRequest("The provided encryption parameters did not match the ones used originally.")
	}
	return err
}

// Finish checks the key that a completion may bring.
func Finish(c *service.Call, u *store.Upload, a Asked) error {
	if !a.Customer.given() {
		return nil
	}
	return checkPart(c, u.Template.SSE, a)
}
