package sse

import (
	"crypto/md5"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/s3/store"
)

func TestDecide(t *testing.T) {
	key := strings.Repeat("k", keyBytes)
	sum := md5.Sum([]byte(key))
	mine := Customer{Algorithm: new("AES256"), Key: new(base64.StdEncoding.EncodeToString([]byte(key))), MD5: new(base64.StdEncoding.EncodeToString(sum[:]))}
	short := mine
	short.Key = new("a2V5")
	kms := &store.Bucket{Encryption: &api.ServerSideEncryptionRule{
		ApplyServerSideEncryptionByDefault: &api.ServerSideEncryptionByDefault{SSEAlgorithm: new("aws:kms"), KMSMasterKeyID: new("K")}, BucketKeyEnabled: new(true),
	}}
	blocks := &store.Bucket{Encryption: &api.ServerSideEncryptionRule{BlockedEncryptionTypes: &api.BlockedEncryptionTypes{EncryptionType: []string{"SSE-C"}}}}
	context := new(base64.StdEncoding.EncodeToString([]byte(`{"a":"b"}`)))
	for name, tt := range map[string]struct {
		bucket *store.Bucket
		asked  Asked
		want   plan
		code   string
	}{
		"nothing":               {want: plan{algorithm: "AES256"}},
		"bucket's default":      {bucket: kms, want: plan{algorithm: "aws:kms", keyID: "K", bucketKey: true, context: map[string]string{}}},
		"over the default":      {bucket: kms, asked: Asked{Algorithm: new("AES256")}, want: plan{algorithm: "AES256"}},
		"kms without a key":     {bucket: kms, asked: Asked{Algorithm: new("aws:kms")}, want: plan{algorithm: "aws:kms", bucketKey: true, context: map[string]string{}}},
		"no bucket key":         {bucket: kms, asked: Asked{BucketKey: new(false)}, want: plan{algorithm: "aws:kms", keyID: "K", context: map[string]string{}}},
		"context":               {asked: Asked{Algorithm: new("aws:kms"), KeyID: new("X"), Context: context}, want: plan{algorithm: "aws:kms", keyID: "X", context: map[string]string{"a": "b"}}},
		"dsse":                  {asked: Asked{Algorithm: new("aws:kms:dsse")}, want: plan{algorithm: "aws:kms:dsse", context: map[string]string{}}},
		"dsse with bucket key":  {asked: Asked{Algorithm: new("aws:kms:dsse"), BucketKey: new(true)}, code: "InvalidArgument"},
		"key without algorithm": {asked: Asked{KeyID: new("X")}, code: "InvalidArgument"},
		"key with AES256":       {asked: Asked{Algorithm: new("AES256"), KeyID: new("X")}, code: "InvalidArgument"},
		"unknown":               {asked: Asked{Algorithm: new("rot13")}, code: "InvalidArgument"},
		"bad context":           {asked: Asked{Algorithm: new("aws:kms"), Context: new("e30x")}, code: "InvalidArgument"},
		"null context":          {asked: Asked{Algorithm: new("aws:kms"), Context: new(base64.StdEncoding.EncodeToString([]byte("null")))}, code: "InvalidArgument"},
		"customer":              {asked: Asked{Customer: mine}, want: plan{customer: []byte(key)}},
		"customer and KMS":      {asked: Asked{Algorithm: new("aws:kms"), Customer: mine}, code: "InvalidArgument"},
		"blocked":               {bucket: blocks, asked: Asked{Customer: mine}, code: "AccessDenied"},
		"short key":             {asked: Asked{Customer: short}, code: "InvalidArgument"},
		"no key":                {asked: Asked{Customer: Customer{Algorithm: mine.Algorithm}}, code: "InvalidArgument"},
		"no MD5":                {asked: Asked{Customer: Customer{Algorithm: mine.Algorithm, Key: mine.Key}}, code: "InvalidArgument"},
		"no algorithm":          {asked: Asked{Customer: Customer{Key: mine.Key, MD5: mine.MD5}}, code: "InvalidArgument"},
		"other algorithm":       {asked: Asked{Customer: Customer{Algorithm: new("AES128"), Key: mine.Key, MD5: mine.MD5}}, code: "InvalidEncryptionAlgorithmError"},
		"wrong MD5":             {asked: Asked{Customer: Customer{Algorithm: mine.Algorithm, Key: mine.Key, MD5: mine.Key}}, code: "InvalidArgument"},
	} {
		if tt.bucket == nil {
			tt.bucket = &store.Bucket{}
		}
		got, err := decide(tt.bucket, tt.asked)
		if tt.code != "" {
			if !fault.Is(err, tt.code) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(plan{})); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
	}
}

func TestSecure(t *testing.T) {
	for _, ok := range []bool{true, false} {
		if err := secure(&service.Call{HTTP: &service.HTTP{Request: new(http.Request), Secure: ok}}); (err == nil) != ok {
			t.Errorf("%v: %v", ok, err)
		}
	}
}

func FuzzReadContext(f *testing.F) {
	f.Add("eyJhIjoiYiJ9")
	f.Add("bnVsbA==")
	f.Fuzz(func(t *testing.T, header string) {
		got, err := readContext(&header)
		if (err == nil) != (got != nil) {
			t.Fatalf("%v, %v", got, err)
		}
	})
}
