package server

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/base64"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"moln.dev/moln/api/iam"
	"moln.dev/moln/api/kms"
	"moln.dev/moln/api/s3"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/identity"
	"moln.dev/moln/platform/service"
)

// marked is a text that is looked for on the disk.
const marked = "this-is-the-plaintext-of-an-object."

// vault is a server with a bucket, in one of the modes of encryption.
type vault struct {
	t      *testing.T
	c      *service.Call
	bucket string
}

func newVault(t *testing.T, s *Server, bucket string) *vault {
	v := &vault{t: t, c: s.Call(identity.DefaultAccount, identity.DefaultRegion).As(rootPrincipal(identity.DefaultAccount)), bucket: bucket}
	invoked(t, v.c, s3.CreateBucket, &s3.CreateBucketInput{Bucket: &bucket})
	return v
}

func refusedWith[In, Out any](t *testing.T, c *service.Call, op smithy.Op[In, Out], in *In, code, message string) {
	t.Helper()
	_, err := service.Invoke(context.Background(), c, op, in)
	if f := fault.As(err); f == nil || f.Code != code || !strings.Contains(f.Message, message) {
		t.Errorf("got %v, want %s: %s", err, code, message)
	}
}

// mode is a way to encrypt, as the members of requests have it.
type mode struct {
	name                            string
	sse, key, customer, customerMD5 *string
	customerAlgorithm               *string
	bucketKey                       *bool
}

func modes(keyID string) []mode {
	return []mode{
		{name: "sse-s3"},
		{name: "sse-kms, managed key", sse: new("aws:kms")},
		{name: "sse-kms", sse: new("aws:kms"), key: &keyID},
		{name: "sse-kms, bucket key", sse: new("aws:kms"), key: &keyID, bucketKey: new(true)},
		{name: "dsse", sse: new("aws:kms:dsse"), key: &keyID},
		customerMode('k'),
	}
}

func customerMode(letter byte) mode {
	key := bytes.Repeat([]byte{letter}, 32)
	sum := md5.Sum(key)
	return mode{
		name: "sse-c", customerAlgorithm: new("AES256"),
		customer: new(base64.StdEncoding.EncodeToString(key)), customerMD5: new(base64.StdEncoding.EncodeToString(sum[:])),
	}
}

func (m mode) put(v *vault, key, body string) *s3.PutObjectOutput {
	v.t.Helper()
	return invoked(v.t, v.c, s3.PutObject, &s3.PutObjectInput{
		Bucket: &v.bucket, Key: &key, Body: strings.NewReader(body), ServerSideEncryption: m.sse, SSEKMSKeyId: m.key, BucketKeyEnabled: m.bucketKey,
		SSECustomerAlgorithm: m.customerAlgorithm, SSECustomerKey: m.customer, SSECustomerKeyMD5: m.customerMD5,
	})
}

func (m mode) getInput(v *vault, key string) *s3.GetObjectInput {
	return &s3.GetObjectInput{Bucket: &v.bucket, Key: &key, SSECustomerAlgorithm: m.customerAlgorithm, SSECustomerKey: m.customer, SSECustomerKeyMD5: m.customerMD5}
}

func (m mode) get(v *vault, key, byteRange string) (string, *s3.GetObjectOutput) {
	v.t.Helper()
	in := m.getInput(v, key)
	if byteRange != "" {
		in.Range = &byteRange
	}
	out := invoked(v.t, v.c, s3.GetObject, in)
	got, err := io.ReadAll(out.Body)
	if err != nil {
		v.t.Fatalf("%s: %v", m.name, err)
	}
	if c, ok := out.Body.(io.Closer); ok {
		c.Close()
	}
	return string(got), out
}

// TestEncryptionOfObjects writes, reads, copies and uploads in every mode, and
// looks for the plaintext on the disk.
func TestEncryptionOfObjects(t *testing.T) {
	cfg := ephemeral()
	cfg.Ephemeral, cfg.DataDir = false, t.TempDir()
	s := opened(t, cfg)
	v := newVault(t, s, "vault")
	key := invoked(t, v.c, kms.CreateKey, &kms.CreateKeyInput{}).KeyMetadata
	all := modes(*key.KeyId)
	small, large := strings.Repeat(marked, 3), strings.Repeat(marked, 4000)
	for _, m := range all {
		for _, body := range []string{"", small, large} {
			put := m.put(v, "o", body)
			got, out := m.get(v, "o", "")
			if got != body {
				t.Errorf("%s: %d bytes, want %d", m.name, len(got), len(body))
			}
			sum := md5.Sum([]byte(body))
			plain := strings.Trim(*put.ETag, `"`) == bytesHex(sum[:])
			if plain != (m.name == "sse-s3") {
				t.Errorf("%s: ETag %s", m.name, *put.ETag)
			}
			v.told(m, key.Arn, out)
			if body != "" {
				if got, _ := m.get(v, "o", "bytes=20-39"); got != body[20:40] {
					t.Errorf("%s: range is %q", m.name, got)
				}
			}
		}
		v.copies(m, all, large)
		v.upload(m)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := filepath.WalkDir(cfg.DataDir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, []byte(marked)) || bytes.Contains(b, bytes.Repeat([]byte{'k'}, 32)) {
			t.Errorf("plaintext or a customer's key is in %s", path)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

func bytesHex(b []byte) string {
	const digits = "0123456789abcdef"
	var out []byte
	for _, x := range b {
		out = append(out, digits[x>>4], digits[x&15])
	}
	return string(out)
}

// told checks what an answer says of the encryption.
func (v *vault) told(m mode, arn *string, out *s3.GetObjectOutput) {
	v.t.Helper()
	val := func(p *string) string { return smithy.Val(p) }
	switch {
	case m.customer != nil:
		if out.ServerSideEncryption != nil || val(out.SSECustomerAlgorithm) != "AES256" || val(out.SSECustomerKeyMD5) != *m.customerMD5 {
			v.t.Errorf("%s: %+v", m.name, out)
		}
	case m.sse == nil:
		if val(out.ServerSideEncryption) != "AES256" || out.SSEKMSKeyId != nil {
			v.t.Errorf("%s: %+v", m.name, out)
		}
	default:
		if val(out.ServerSideEncryption) != *m.sse || (m.key != nil && val(out.SSEKMSKeyId) != *arn) || (m.key == nil && !strings.HasPrefix(val(out.SSEKMSKeyId), "arn:aws:kms:us-east-1:000000000000:key/")) || smithy.Val(out.BucketKeyEnabled) != smithy.Val(m.bucketKey) {
			v.t.Errorf("%s: %+v", m.name, out)
		}
	}
}

// copies copies "o" from a mode into every other.
func (v *vault) copies(m mode, to []mode, body string) {
	v.t.Helper()
	for _, n := range to {
		invoked(v.t, v.c, s3.CopyObject, &s3.CopyObjectInput{
			Bucket: &v.bucket, Key: new("copy"), CopySource: new(v.bucket + "/o"), ServerSideEncryption: n.sse, SSEKMSKeyId: n.key, BucketKeyEnabled: n.bucketKey,
			SSECustomerAlgorithm: n.customerAlgorithm, SSECustomerKey: n.customer, SSECustomerKeyMD5: n.customerMD5,
			CopySourceSSECustomerAlgorithm: m.customerAlgorithm, CopySourceSSECustomerKey: m.customer, CopySourceSSECustomerKeyMD5: m.customerMD5,
		})
		if got, _ := n.get(v, "copy", ""); got != body {
			v.t.Errorf("%s to %s: %d bytes", m.name, n.name, len(got))
		}
	}
}

// upload makes an object of two parts, the second a copy, and reads across both.
func (v *vault) upload(m mode) {
	v.t.Helper()
	first := strings.Repeat("x", 5<<20) + marked
	m.put(v, "source", marked)
	id := invoked(v.t, v.c, s3.CreateMultipartUpload, &s3.CreateMultipartUploadInput{
		Bucket: &v.bucket, Key: new("parts"), ServerSideEncryption: m.sse, SSEKMSKeyId: m.key, BucketKeyEnabled: m.bucketKey,
		SSECustomerAlgorithm: m.customerAlgorithm, SSECustomerKey: m.customer, SSECustomerKeyMD5: m.customerMD5,
	}).UploadId
	one := &s3.UploadPartInput{
		Bucket: &v.bucket, Key: new("parts"), UploadId: id, PartNumber: new(int32(1)), Body: strings.NewReader(first),
		SSECustomerAlgorithm: m.customerAlgorithm, SSECustomerKey: m.customer, SSECustomerKeyMD5: m.customerMD5,
	}
	if m.customer != nil {
		other := customerMode('z')
		bad := *one
		bad.SSECustomerAlgorithm, bad.SSECustomerKey, bad.SSECustomerKeyMD5 = other.customerAlgorithm, other.customer, other.customerMD5
		refusedWith(v.t, v.c, s3.UploadPart, &bad, "InvalidRequest", "The provided encryption parameters did not match the ones used originally.")
		bad.SSECustomerAlgorithm, bad.SSECustomerKey, bad.SSECustomerKeyMD5 = nil, nil, nil
		refusedWith(v.t, v.c, s3.UploadPart, &bad, "InvalidRequest", "The multipart upload initiate requested encryption.")
	}
	etag1 := invoked(v.t, v.c, s3.UploadPart, one).ETag
	etag2 := invoked(v.t, v.c, s3.UploadPartCopy, &s3.UploadPartCopyInput{
		Bucket: &v.bucket, Key: new("parts"), UploadId: id, PartNumber: new(int32(2)), CopySource: new(v.bucket + "/source"),
		SSECustomerAlgorithm: m.customerAlgorithm, SSECustomerKey: m.customer, SSECustomerKeyMD5: m.customerMD5,
		CopySourceSSECustomerAlgorithm: m.customerAlgorithm, CopySourceSSECustomerKey: m.customer, CopySourceSSECustomerKeyMD5: m.customerMD5,
	}).CopyPartResult.ETag
	invoked(v.t, v.c, s3.CompleteMultipartUpload, &s3.CompleteMultipartUploadInput{
		Bucket: &v.bucket, Key: new("parts"), UploadId: id,
		MultipartUpload: &s3.CompletedMultipartUpload{Parts: []s3.CompletedPart{{PartNumber: new(int32(1)), ETag: etag1}, {PartNumber: new(int32(2)), ETag: etag2}}},
	})
	if got, _ := m.get(v, "parts", "bytes=5242880-"); got != marked+marked {
		v.t.Errorf("%s: parts end in %q", m.name, got)
	}
}

// TestEncryptionNeedsItsKey: without the KMS key, the permission to use it or
// the customer's key there are no bytes.
func TestEncryptionNeedsItsKey(t *testing.T) {
	s := opened(t, ephemeral())
	defer s.Close()
	v := newVault(t, s, "guarded")
	key := invoked(t, v.c, kms.CreateKey, &kms.CreateKeyInput{}).KeyMetadata
	m := mode{name: "sse-kms", sse: new("aws:kms"), key: key.KeyId}
	m.put(v, "o", marked)

	user := invoked(t, v.c, iam.CreateUser, &iam.CreateUserInput{UserName: new("bob")}).User
	bob := v.c.As(identity.Principal{Principal: policy.Principal{Kind: policy.User, ARN: *user.Arn, AccountID: identity.DefaultAccount, UserID: *user.UserId}, UserName: "bob"})
	allow := func(statements string) {
		t.Helper()
		invoked(t, v.c, iam.PutUserPolicy, &iam.PutUserPolicyInput{UserName: new("bob"), PolicyName: new("p"), PolicyDocument: new(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}` + statements + `]}`)})
	}
	allow("")
	refusedWith(t, bob, s3.GetObject, m.getInput(v, "o"), "AccessDenied", "is not authorized to perform: kms:Decrypt on resource: "+*key.Arn)
	invoked(t, bob, s3.HeadObject, &s3.HeadObjectInput{Bucket: &v.bucket, Key: new("o")})
	refusedWith(t, bob, s3.PutObject, &s3.PutObjectInput{Bucket: &v.bucket, Key: new("p"), Body: strings.NewReader("x"), ServerSideEncryption: m.sse, SSEKMSKeyId: m.key}, "AccessDenied", "kms:GenerateDataKey")
	allow(`,{"Effect":"Allow","Action":"kms:Decrypt","Resource":"*","Condition":{"StringEquals":{"kms:ViaService":"s3.us-east-1.amazonaws.com","kms:EncryptionContext:aws:s3:arn":"arn:aws:s3:::guarded/o"}}}`)
	invoked(t, bob, s3.GetObject, m.getInput(v, "o"))
	refusedWith(t, bob, kms.Decrypt, &kms.DecryptInput{CiphertextBlob: invoked(t, v.c, kms.Encrypt, &kms.EncryptInput{KeyId: key.KeyId, Plaintext: []byte("x")}).CiphertextBlob}, "AccessDeniedException", "kms:Decrypt")
	refusedWith(t, v.c.As(identity.Anonymous()), s3.GetObject, m.getInput(v, "o"), "AccessDenied", "")
	invoked(t, v.c, s3.DeletePublicAccessBlock, &s3.DeletePublicAccessBlockInput{Bucket: &v.bucket})
	invoked(t, v.c, s3.PutBucketPolicy, &s3.PutBucketPolicyInput{Bucket: &v.bucket, Policy: new(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::guarded/*"}]}`)})
	refusedWith(t, v.c.As(identity.Anonymous()), s3.GetObject, m.getInput(v, "o"), "InvalidArgument", "require AWS Signature Version 4.")

	invoked(t, v.c, kms.DisableKey, &kms.DisableKeyInput{KeyId: key.KeyId})
	refusedWith(t, v.c, s3.GetObject, m.getInput(v, "o"), "KMS.DisabledException", *key.Arn+" is disabled.")
	invoked(t, v.c, kms.ScheduleKeyDeletion, &kms.ScheduleKeyDeletionInput{KeyId: key.KeyId})
	refusedWith(t, v.c, s3.GetObject, m.getInput(v, "o"), "KMS.KMSInvalidStateException", "is pending deletion.")
	refusedWith(t, v.c, s3.PutObject, &s3.PutObjectInput{Bucket: &v.bucket, Key: new("p"), ServerSideEncryption: m.sse, SSEKMSKeyId: new("alias/none")}, "KMS.NotFoundException", "Alias arn:aws:kms:us-east-1:000000000000:alias/none is not found.")

	mine, other := customerMode('k'), customerMode('z')
	mine.put(v, "c", marked)
	refusedWith(t, v.c, s3.GetObject, mode{}.getInput(v, "c"), "InvalidRequest", "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object.")
	refusedWith(t, v.c, s3.GetObject, other.getInput(v, "c"), "AccessDenied", "Access Denied")
	refusedWith(t, v.c, s3.HeadObject, &s3.HeadObjectInput{Bucket: &v.bucket, Key: new("c")}, "InvalidRequest", "")
	refusedWith(t, v.c, s3.GetObjectAttributes, &s3.GetObjectAttributesInput{Bucket: &v.bucket, Key: new("c"), ObjectAttributes: []string{"ETag"}}, "InvalidRequest", "")
	refusedWith(t, v.c, s3.CopyObject, &s3.CopyObjectInput{Bucket: &v.bucket, Key: new("d"), CopySource: new(v.bucket + "/c")}, "InvalidRequest", "")
	half := mine.getInput(v, "c")
	half.SSECustomerKeyMD5 = other.customerMD5
	refusedWith(t, v.c, s3.GetObject, half, "InvalidArgument", "The calculated MD5 hash of the key did not match the hash that was provided.")
	mode{}.put(v, "plain", marked)
	refusedWith(t, v.c, s3.GetObject, mine.getInput(v, "plain"), "InvalidRequest", "The encryption parameters are not applicable to this object.")
}

// TestBucketDefaultsOfEncryption: a bucket's rule counts for requests that ask
// for nothing, and its key spares calls to KMS.
func TestBucketDefaultsOfEncryption(t *testing.T) {
	s := opened(t, ephemeral())
	defer s.Close()
	v := newVault(t, s, "defaults")
	key := invoked(t, v.c, kms.CreateKey, &kms.CreateKeyInput{}).KeyMetadata
	rule := s3.ServerSideEncryptionRule{
		ApplyServerSideEncryptionByDefault: &s3.ServerSideEncryptionByDefault{SSEAlgorithm: new("aws:kms"), KMSMasterKeyID: key.Arn}, BucketKeyEnabled: new(true),
		BlockedEncryptionTypes: &s3.BlockedEncryptionTypes{EncryptionType: []string{"SSE-C"}},
	}
	conf := &s3.ServerSideEncryptionConfiguration{Rules: []s3.ServerSideEncryptionRule{rule}}
	invoked(t, v.c, s3.PutBucketEncryption, &s3.PutBucketEncryptionInput{Bucket: &v.bucket, ServerSideEncryptionConfiguration: conf})
	got := invoked(t, v.c, s3.GetBucketEncryption, &s3.GetBucketEncryptionInput{Bucket: &v.bucket}).ServerSideEncryptionConfiguration.Rules[0]
	if *got.ApplyServerSideEncryptionByDefault.KMSMasterKeyID != *key.Arn || !*got.BucketKeyEnabled || got.BlockedEncryptionTypes == nil {
		t.Errorf("%+v", got)
	}
	if out := (mode{}).put(v, "o", marked); *out.ServerSideEncryption != "aws:kms" || *out.SSEKMSKeyId != *key.Arn || !*out.BucketKeyEnabled {
		t.Errorf("%+v", out)
	}
	if out := (mode{sse: new("AES256")}).put(v, "plain", marked); *out.ServerSideEncryption != "AES256" {
		t.Errorf("%+v", out)
	}
	refusedWith(t, v.c, s3.PutObject, &s3.PutObjectInput{Bucket: &v.bucket, Key: new("c"), SSECustomerAlgorithm: new("AES256")}, "AccessDenied", "SSE-C")
	// The bucket's key is at hand still: KMS is not asked about a disabled key.
	invoked(t, v.c, kms.DisableKey, &kms.DisableKeyInput{KeyId: key.KeyId})
	mode{}.put(v, "p", marked)
	refusedWith(t, v.c, s3.PutObject, &s3.PutObjectInput{Bucket: &v.bucket, Key: new("p"), BucketKeyEnabled: new(false)}, "KMS.DisabledException", "")
	invoked(t, v.c, s3.DeleteBucketEncryption, &s3.DeleteBucketEncryptionInput{Bucket: &v.bucket})
	if out := (mode{}).put(v, "o", marked); *out.ServerSideEncryption != "AES256" {
		t.Errorf("%+v", out)
	}
}
