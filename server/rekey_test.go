package server

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"moln.dev/moln/api/iam"
	"moln.dev/moln/api/kms"
	"moln.dev/moln/api/s3"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/platform/identity"
	"moln.dev/moln/platform/service"
)

// under asks for a version to be encrypted under a key.
func (v *vault) under(key, keyARN string, bucketKey bool) *s3.UpdateObjectEncryptionInput {
	return &s3.UpdateObjectEncryptionInput{Bucket: &v.bucket, Key: &key, ObjectEncryption: &s3.ObjectEncryption{
		SSEKMS: &s3.SSEKMSEncryption{KMSKeyArn: &keyARN, BucketKeyEnabled: new(bucketKey)},
	}}
}

// inParts uploads an object of two parts.
func (v *vault) inParts(key, first, second string) {
	v.t.Helper()
	u := invoked(v.t, v.c, s3.CreateMultipartUpload, &s3.CreateMultipartUploadInput{Bucket: &v.bucket, Key: &key})
	done := &s3.CompletedMultipartUpload{}
	for i, text := range []string{first, second} {
		n := new(int32(i + 1))
		part := invoked(v.t, v.c, s3.UploadPart, &s3.UploadPartInput{Bucket: &v.bucket, Key: &key, UploadId: u.UploadId, PartNumber: n, Body: strings.NewReader(text)})
		done.Parts = append(done.Parts, s3.CompletedPart{PartNumber: n, ETag: part.ETag})
	}
	invoked(v.t, v.c, s3.CompleteMultipartUpload, &s3.CompleteMultipartUploadInput{Bucket: &v.bucket, Key: &key, UploadId: u.UploadId, MultipartUpload: done})
}

// TestUpdateObjectEncryption takes objects of every size from the server's key to
// a KMS key, to a bucket key and to another KMS key, and then disables keys: the
// bytes hang on the last one, and on it only. A read that has begun ends.
func TestUpdateObjectEncryption(t *testing.T) {
	s := opened(t, ephemeral())
	defer s.Close()
	v := newVault(t, s, "vault")
	var keys []*s3Key
	for range 2 {
		meta := invoked(t, v.c, kms.CreateKey, &kms.CreateKeyInput{}).KeyMetadata
		keys = append(keys, &s3Key{*meta.KeyId, *meta.Arn})
	}
	plain := mode{name: "sse-s3"}
	bodies := map[string]string{"beside": marked, "inline": strings.Repeat(marked, 300), "blob": strings.Repeat(marked, 3000)}
	for name, body := range bodies {
		plain.put(v, name, body)
	}
	first, second := strings.Repeat("1", 5<<20), strings.Repeat("2", 1000)
	bodies["parts"] = first + second
	v.inParts("parts", first, second)

	for name, body := range bodies {
		_, before := plain.get(v, name, "")
		old, err := service.Invoke(context.Background(), v.c, s3.GetObject, plain.getInput(v, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range []struct {
			key       *s3Key
			bucketKey bool
		}{{keys[0], false}, {keys[0], true}, {keys[1], false}} {
			invoked(t, v.c, s3.UpdateObjectEncryption, v.under(name, step.key.arn, step.bucketKey))
			got, out := plain.get(v, name, "")
			if got != body {
				t.Errorf("%s: %d bytes, want %d", name, len(got), len(body))
			}
			v.told(mode{name: name, sse: new("aws:kms"), key: &step.key.id, bucketKey: new(step.bucketKey)}, &step.key.arn, out)
			if *out.ETag != *before.ETag || !out.LastModified.Equal(*before.LastModified) {
				t.Errorf("%s: ETag %s of %s", name, *out.ETag, *before.ETag)
			}
			if got, _ := plain.get(v, name, fmt.Sprintf("bytes=%d-", len(body)-20)); got != body[len(body)-20:] {
				t.Errorf("%s: range is %q", name, got)
			}
		}
		if all, err := io.ReadAll(old.Body); err != nil || string(all) != body {
			t.Errorf("%s: the read that had begun: %d bytes, %v", name, len(all), err)
		}
		old.Body.(io.Closer).Close()
	}
	invoked(t, v.c, kms.DisableKey, &kms.DisableKeyInput{KeyId: &keys[0].id})
	for name, body := range bodies {
		if got, _ := plain.get(v, name, ""); got != body {
			t.Errorf("%s: without the first key: %d bytes", name, len(got))
		}
	}
	invoked(t, v.c, kms.DisableKey, &kms.DisableKeyInput{KeyId: &keys[1].id})
	for name := range bodies {
		refusedWith(t, v.c, s3.GetObject, plain.getInput(v, name), "KMS.DisabledException", "is disabled")
	}
}

type s3Key struct{ id, arn string }

// TestUpdateObjectEncryptionRefuses is who may not, and what there is not.
func TestUpdateObjectEncryptionRefuses(t *testing.T) {
	s := opened(t, ephemeral())
	defer s.Close()
	v := newVault(t, s, "vault")
	key := *invoked(t, v.c, kms.CreateKey, &kms.CreateKeyInput{}).KeyMetadata.Arn
	plain, dual, customer := mode{}, mode{sse: new("aws:kms:dsse"), key: &key}, customerMode('k')
	plain.put(v, "o", marked)
	dual.put(v, "dual", marked)
	customer.put(v, "customer", marked)
	refused := func(in *s3.UpdateObjectEncryptionInput, code, message string) {
		t.Helper()
		refusedWith(t, v.c, s3.UpdateObjectEncryption, in, code, message)
	}
	refused(v.under("absent", key, false), "NoSuchKey", "The specified key does not exist.")
	refused(v.under("dual", key, false), "InvalidRequest", "doesn't support source objects with the encryption type DSSE-KMS or SSE-C")
	refused(v.under("customer", key, false), "InvalidRequest", "doesn't support source objects with the encryption type DSSE-KMS or SSE-C")
	nameless := v.under("o", "", false)
	nameless.ObjectEncryption.SSEKMS.KMSKeyArn = nil
	refused(nameless, "InvalidRequest", "require an AWS KMS key")
	refused(v.under("o", "", false), "InvalidRequest", "require a valid AWS KMS key")
	refused(v.under("o", "arn:aws:kms:us-east-1:000000000000:alias/aws/s3", false), "InvalidRequest", "require a valid AWS KMS key")
	refused(v.under("o", strings.Replace(key, identity.DefaultAccount, "111111111111", 1), false), "AccessDenied", "must be owned by the same account as the bucket")
	refused(v.under("o", key[:len(key)-4]+"0000", false), "KMS.NotFoundException", "")
	none := v.under("o", key, false)
	none.ObjectEncryption.SSEKMS = nil
	refused(none, "InvalidRequest", "Valid values are SSEKMS")

	locked := "locked"
	invoked(t, v.c, s3.CreateBucket, &s3.CreateBucketInput{Bucket: &locked, ObjectLockEnabledForBucket: new(true)})
	l := &vault{t: t, c: v.c, bucket: locked}
	plain.put(l, "o", marked)
	invoked(t, v.c, s3.PutObjectLegalHold, &s3.PutObjectLegalHoldInput{Bucket: &locked, Key: new("o"), LegalHold: &s3.ObjectLockLegalHold{Status: new("ON")}})
	refused(l.under("o", key, false), "AccessDenied", "protected by S3 Object Lock")
	invoked(t, v.c, s3.PutObjectLegalHold, &s3.PutObjectLegalHoldInput{Bucket: &locked, Key: new("o"), LegalHold: &s3.ObjectLockLegalHold{Status: new("OFF")}})
	invoked(t, v.c, s3.UpdateObjectEncryption, l.under("o", key, false))

	// Every action that AWS lists is needed.
	needed := []string{"s3:UpdateObjectEncryption", "s3:PutObject", "kms:GenerateDataKey", "kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*"}
	made := invoked(t, v.c, iam.CreateUser, &iam.CreateUserInput{UserName: new("u")}).User
	u := v.c.As(identity.Principal{Principal: policy.Principal{Kind: policy.User, ARN: *made.Arn, AccountID: identity.DefaultAccount, UserID: *made.UserId}, UserName: "u"})
	for i := range needed {
		rest := append(append([]string{}, needed[:i]...), needed[i+1:]...)
		permit(t, v.c, "u", rest)
		if _, err := service.Invoke(context.Background(), u, s3.UpdateObjectEncryption, v.under("o", key, false)); err == nil {
			t.Errorf("without %s it is done", needed[i])
		}
	}
	permit(t, v.c, "u", needed)
	invoked(t, u, s3.UpdateObjectEncryption, v.under("o", key, false))
}

func permit(t *testing.T, c *service.Call, name string, actions []string) {
	t.Helper()
	invoked(t, c, iam.PutUserPolicy, &iam.PutUserPolicyInput{UserName: &name, PolicyName: new("p"), PolicyDocument: new(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["` + strings.Join(actions, `","`) + `"],"Resource":"*"}]}`)})
}
