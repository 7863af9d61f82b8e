package kms

import (
	"testing"

	api "moln.dev/moln/api/kms"
)

// BenchmarkGenerateDataKey goes through validation, judgement and the call, as
// S3 does for an object.
func BenchmarkGenerateDataKey(b *testing.B) {
	h := newHarness(b)
	id := *h.key(api.CreateKeyInput{}).KeyId
	c := h.call()
	for b.Loop() {
		if _, err := do(c, api.GenerateDataKey, &api.GenerateDataKeyInput{KeyId: &id, KeySpec: new("AES_256"), EncryptionContext: map[string]string{"aws:s3:arn": "arn:aws:s3:::bucket/key"}}); err != nil {
			b.Fatal(err)
		}
	}
}
