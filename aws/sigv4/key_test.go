package sigv4

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestMACKeyIsHMAC(t *testing.T) {
	for _, secret := range []string{"", "k", strings.Repeat("k", 64), strings.Repeat("k", 65), strings.Repeat("k", 300)} {
		for _, text := range []string{"", "text", strings.Repeat("t", signBytes)} {
			h := hmac.New(sha256.New, []byte(secret))
			h.Write([]byte(text))
			got := newMACKey([]byte(secret)).sum([]byte(text))
			if !bytes.Equal(got[:], h.Sum(nil)) {
				t.Errorf("key of %d bytes, text of %d: not the HMAC", len(secret), len(text))
			}
		}
	}
}

func TestManyParametersAreRead(t *testing.T) {
	r := httptest.NewRequest("POST", "/", nil)
	r.Header.Set("X-Amz-Date", "20260102T030405Z")
	more := strings.Repeat("x=y,", 1)
	for i := range 20 {
		more += "x" + strings.Repeat("x", i) + "y=z,"
	}
	r.Header.Set("Authorization", algorithm+" "+more+"Credential=k/20260102/r/s/aws4_request,SignedHeaders=host,Signature=0")
	s, err := Parse(r)
	if err != nil || s.AccessKeyID != "k" || s.Signature != "0" {
		t.Errorf("%+v, %v", s, err)
	}
	r.Header.Set("Authorization", r.Header.Get("Authorization")+",Signature=1")
	if _, err := Parse(r); err == nil || !strings.Contains(err.Error(), "'Signature' more than once") {
		t.Errorf("two signatures: %v", err)
	}
}

func BenchmarkVerify(b *testing.B) {
	now := time.Now()
	r := httptest.NewRequest("POST", "http://127.0.0.1:4566/", nil)
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	r.Header.Set("X-Amz-Target", "DynamoDB_20120810.GetItem")
	creds := Credentials{AccessKeyID: "key", SecretAccessKey: "secret"}
	Sign(r, creds, "us-east-1", "dynamodb", EmptyPayloadHash, now)
	opts := Options{Now: now, Keys: NewKeyCache(8)}
	b.ReportAllocs()
	for b.Loop() {
		s, err := Parse(r)
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Verify(r, creds.SecretAccessKey, EmptyPayloadHash, opts); err != nil {
			b.Fatal(err)
		}
	}
}
