package op

import (
	"crypto/tls"
	"net/http/httptest"
	"testing"
	"time"

	"moln.dev/moln/aws/policy"
	"moln.dev/moln/platform/identity"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/s3/store"
)

// What of a request gives which condition key its value.
func TestRequestKeys(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	tests := []struct {
		key, want string
		header    []string
		set       func(c *service.Call)
	}{
		{"s3:x-amz-acl", "public-read", []string{"X-Amz-Acl", "public-read"}, nil},
		{"s3:x-amz-grant-read", "id=1", []string{"X-Amz-Grant-Read", "id=1"}, nil},
		{"s3:x-amz-grant-write-acp", "id=1", []string{"X-Amz-Grant-Write-Acp", "id=1"}, nil},
		{"s3:x-amz-server-side-encryption", "aws:kms", []string{"X-Amz-Server-Side-Encryption", "aws:kms"}, nil},
		{"s3:x-amz-server-side-encryption-aws-kms-key-id", "k", []string{"X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id", "k"}, nil},
		{"s3:x-amz-server-side-encryption-customer-algorithm", "AES256", []string{"X-Amz-Server-Side-Encryption-Customer-Algorithm", "AES256"}, nil},
		{"s3:x-amz-storage-class", "GLACIER", []string{"X-Amz-Storage-Class", "GLACIER"}, nil},
		{"s3:x-amz-metadata-directive", "REPLACE", []string{"X-Amz-Metadata-Directive", "REPLACE"}, nil},
		{"s3:x-amz-content-sha256", "UNSIGNED-PAYLOAD", []string{"X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD"}, nil},
		{"s3:x-amz-object-ownership", "ObjectWriter", []string{"X-Amz-Object-Ownership", "ObjectWriter"}, nil},
		{"s3:x-amz-website-redirect-location", "/x", []string{"X-Amz-Website-Redirect-Location", "/x"}, nil},
		{"s3:if-match", `"e"`, []string{"If-Match", `"e"`}, nil},
		{"s3:if-none-match", "*", []string{"If-None-Match", "*"}, nil},
		{"s3:signatureversion", "AWS4-HMAC-SHA256", nil, nil},
		{"s3:signatureversion", "", nil, func(c *service.Call) { c.Caller = identity.Anonymous() }},
		{"s3:authtype", "REST-HEADER", nil, nil},
		{"s3:authtype", "REST-QUERY-STRING", nil, func(c *service.Call) { c.HTTP.Presigned = true }},
		{"s3:authtype", "POST", nil, func(c *service.Call) { c.HTTP.Form = true }},
		{"s3:signatureage", "5000", []string{"X-Amz-Date", "20260102T030400Z"}, nil},
		{"s3:signatureage", "", []string{"X-Amz-Date", "today"}, nil},
		{"s3:tlsversion", "1.3", nil, func(c *service.Call) { c.HTTP.Request.TLS = &tls.ConnectionState{Version: tls.VersionTLS13} }},
		{"s3:tlsversion", "", nil, nil},
	}
	for _, tt := range tests {
		r := httptest.NewRequest("PUT", "/b/k", nil)
		for i := 0; i < len(tt.header); i += 2 {
			r.Header.Set(tt.header[i], tt.header[i+1])
		}
		c := &service.Call{Now: now, HTTP: &service.HTTP{Request: r}, Caller: identity.Principal{Principal: policy.Principal{Kind: policy.User}}}
		if tt.set != nil {
			tt.set(c)
		}
		got := RequestKeys(c)[tt.key]
		if tt.want == "" && got != nil || tt.want != "" && (len(got) != 1 || got[0] != tt.want) {
			t.Errorf("%s %v: %v", tt.key, tt.header, got)
		}
	}
	check := bucketCheck(&service.Call{}, &store.Bucket{Name: "b", Account: "111122223333"}, "s3:ListBucket", "arn:aws:s3:::b", nil)
	if v, _ := check.Context.Lookup("s3:resourceaccount"); len(v) != 1 || v[0] != "111122223333" {
		t.Errorf("s3:ResourceAccount: %v", v)
	}
}
