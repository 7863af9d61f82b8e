// Package sse decides whose key protects an object's bytes: the server's alone
// (AES256), a KMS key (aws:kms, aws:kms:dsse), or a key that the customer brings
// with every request (SSE-C). It reads the members of requests that ask for
// encryption, gets outer keys from KMS as the caller, and writes the members of
// answers that tell. Package store does the cryptography of bodies.
//
// It keeps no key but for a while in store.KeyCache, and no customer's key at
// all: a salted proof tells whether the same one comes again.
package sse

import (
	"crypto/hkdf"
	"crypto/md5"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"maps"
	"reflect"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/services/s3/s3err"
	"moln.dev/moln/services/s3/store"
)

// keyBytes is the length of customers' keys and of outer keys.
const keyBytes = 32

// contextARN is the member of encryption contexts that S3 sets itself.
const contextARN = "aws:s3:arn"

// Asked is what a request says about encryption.
type Asked struct {
	Algorithm, KeyID, Context *string
	BucketKey                 *bool
	Customer                  Customer
}

// Customer is a key that a request brings.
type Customer struct{ Algorithm, Key, MD5 *string }

// given reports whether a request says anything of a customer's key.
func (c Customer) given() bool { return c.Algorithm != nil || c.Key != nil || c.MD5 != nil }

// AskedBy reads the members of an input, which all operations name alike.
func AskedBy(in any) Asked {
	switch in := in.(type) { // those that come most often
	case *api.GetObjectInput:
		return Asked{Customer: Customer{in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5}}
	case *api.PutObjectInput:
		return Asked{
			Algorithm: in.ServerSideEncryption, KeyID: in.SSEKMSKeyId, Context: in.SSEKMSEncryptionContext, BucketKey: in.BucketKeyEnabled,
			Customer: Customer{in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5},
		}
	}
	v := reflect.ValueOf(in).Elem()
	return Asked{
		Algorithm: member[string](v, "ServerSideEncryption"), KeyID: member[string](v, "SSEKMSKeyId"),
		Context: member[string](v, "SSEKMSEncryptionContext"), BucketKey: member[bool](v, "BucketKeyEnabled"),
		Customer: customer(v, ""),
	}
}

// SourceOf reads the members about the source of a copy.
func SourceOf(in any) Asked {
	return Asked{Customer: customer(reflect.ValueOf(in).Elem(), "CopySource")}
}

func customer(v reflect.Value, prefix string) Customer {
	return Customer{
		Algorithm: member[string](v, prefix+"SSECustomerAlgorithm"), Key: member[string](v, prefix+"SSECustomerKey"), MD5: member[string](v, prefix+"SSECustomerKeyMD5"),
	}
}

func member[T any](v reflect.Value, name string) *T {
	f := v.FieldByName(name)
	if !f.IsValid() {
		return nil
	}
	p, _ := f.Interface().(*T)
	return p
}

// Tell writes into an answer how an object is encrypted; e nil is AES256. Where
// the answer has no place for something it is left out.
func Tell(out any, e *store.Encryption, a Asked) {
	v := reflect.ValueOf(out).Elem()
	set := func(name string, value any) {
		if f := v.FieldByName(name); f.IsValid() {
			f.Set(reflect.ValueOf(value))
		}
	}
	switch {
	case e == nil:
		set("ServerSideEncryption", new(store.EncryptionS3))
	case e.Customer():
		set("ServerSideEncryption", (*string)(nil))
		set("SSECustomerAlgorithm", new(store.EncryptionS3))
		set("SSECustomerKeyMD5", a.Customer.MD5)
	default:
		set("ServerSideEncryption", &e.Algorithm)
		set("SSEKMSKeyId", &e.KeyARN)
		if e.BucketKey {
			set("BucketKeyEnabled", new(true))
		}
		if e.Given != "" && a.Context != nil {
			set("SSEKMSEncryptionContext", &e.Given)
		}
	}
}

// key checks a customer's key by its length and MD5.
func (c Customer) key() ([]byte, error) {
	const must = "Requests specifying Server Side Encryption with Customer provided keys must provide "
	switch {
	case c.Algorithm == nil:
		return nil, s3err.InvalidArgument("%s", must+"a valid encryption algorithm.")
	case *c.Algorithm != store.EncryptionS3:
		return nil, fault.New("InvalidEncryptionAlgorithmError", 400, "The Encryption request you specified is not valid. Supported value: AES256.")
	case c.Key == nil:
		return nil, s3err.InvalidArgument("%s", must+"an appropriate secret key.")
	case c.MD5 == nil:
		return nil, s3err.InvalidArgument("%s", must+"the client calculated MD5 of the secret key.")
	}
	key, err := base64.StdEncoding.DecodeString(*c.Key)
	if err != nil || len(key) != keyBytes {
		return nil, s3err.InvalidArgument("The secret key was invalid for the specified algorithm.")
	}
	sum := md5.Sum(key)
	if base64.StdEncoding.EncodeToString(sum[:]) != *c.MD5 {
		return nil, s3err.InvalidArgument("The calculated MD5 hash of the key did not match the hash that was provided.")
	}
	return key, nil
}

// stretch makes the outer key and the proof of a customer's key.
func stretch(key, salt []byte) (outer, proof []byte, err error) {
	both, err := hkdf.Key(sha256.New, key, salt, "moln/s3/sse-c/1", 2*keyBytes)
	if err != nil {
		return nil, nil, err
	}
	return both[:keyBytes], both[keyBytes:], nil
}

// match gives the outer key, or false where it is not the key of e.
func match(e *store.Encryption, key []byte) ([]byte, bool, error) {
	outer, proof, err := stretch(key, e.Salt)
	if err != nil {
		return nil, false, err
	}
	return outer, subtle.ConstantTimeCompare(proof, e.Proof) == 1, nil
}

// plan is what a request and its bucket's defaults come to.
type plan struct {
	algorithm, keyID string
	context          map[string]string
	bucketKey        bool
	customer         []byte
}

// decide says how an object is to be encrypted. It does no I/O.
func decide(b *store.Bucket, a Asked) (plan, error) {
	if a.Customer.given() {
		if a.Algorithm != nil {
			return plan{}, s3err.InvalidArgument("Server Side Encryption with Customer provided key is incompatible with the encryption method specified")
		}
		if blocked(b, "SSE-C") {
			return plan{}, fault.New("AccessDenied", 403, "The bucket blocks server-side encryption with customer-provided keys (SSE-C)")
		}
		key, err := a.Customer.key()
		return plan{customer: key}, err
	}
	p := plan{algorithm: smithy.Val(a.Algorithm), keyID: smithy.Val(a.KeyID)}
	if a.Algorithm == nil {
		if a.KeyID != nil || a.Context != nil {
			return plan{}, s3err.InvalidArgument("Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms")
		}
		p.algorithm, p.keyID = defaults(b)
	}
	switch p.algorithm {
	case store.EncryptionS3:
		if a.KeyID != nil || a.Context != nil {
			return plan{}, s3err.InvalidArgument("Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms")
		}
		return p, nil
	case store.EncryptionKMS:
		p.bucketKey = b.Encryption != nil && smithy.Val(b.Encryption.BucketKeyEnabled)
		if a.BucketKey != nil {
			p.bucketKey = *a.BucketKey
		}
	case store.EncryptionDual:
		if smithy.Val(a.BucketKey) {
			return plan{}, s3err.InvalidArgument("Bucket Key is not supported with aws:kms:dsse")
		}
	default:
		return plan{}, fault.New("InvalidArgument", 400, "The encryption method specified is not supported")
	}
	var err error
	p.context, err = readContext(a.Context)
	return p, err
}

// defaults are the bucket's: AES256 unless it has others.
func defaults(b *store.Bucket) (algorithm, keyID string) {
	if b.Encryption == nil || b.Encryption.ApplyServerSideEncryptionByDefault == nil {
		return store.EncryptionS3, ""
	}
	d := b.Encryption.ApplyServerSideEncryptionByDefault
	return smithy.Val(d.SSEAlgorithm), smithy.Val(d.KMSMasterKeyID)
}

func blocked(b *store.Bucket, kind string) bool {
	if b.Encryption == nil || b.Encryption.BlockedEncryptionTypes == nil {
		return false
	}
	for _, t := range b.Encryption.BlockedEncryptionTypes.EncryptionType {
		if t == kind {
			return true
		}
	}
	return false
}

// contextBytesMax bounds an encryption context as the header has it.
const contextBytesMax = 8 << 10

// readContext reads x-amz-server-side-encryption-context: base64 of a flat JSON
// object of strings.
func readContext(header *string) (map[string]string, error) {
	out := map[string]string{}
	if header == nil {
		return out, nil
	}
	bad := s3err.InvalidArgument("The header 'x-amz-server-side-encryption-context' shall be Base64-encoded UTF-8 string holding JSON which represents a string-string map")
	raw, err := base64.StdEncoding.DecodeString(*header)
	if err != nil || len(raw) > contextBytesMax || json.Unmarshal(raw, &out) != nil || out == nil {
		return nil, bad
	}
	return out, nil
}

// bound is a context with the ARN that S3 adds.
func bound(context map[string]string, arn string) map[string]string {
	out := maps.Clone(context)
	if out == nil {
		out = map[string]string{}
	}
	out[contextARN] = arn
	return out
}
