package op

import (
	"crypto/tls"
	"reflect"
	"strconv"
	"strings"
	"time"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/s3/store"
)

// Aim is what a request is about, read from its input.
type Aim struct {
	Bucket, Key string
	Version     *string
}

// AimOf reads the members that every S3 operation names alike.
func AimOf(in any) Aim {
	switch in := in.(type) { // those that come most often
	case *api.GetObjectInput:
		return Aim{smithy.Val(in.Bucket), smithy.Val(in.Key), in.VersionId}
	case *api.HeadObjectInput:
		return Aim{smithy.Val(in.Bucket), smithy.Val(in.Key), in.VersionId}
	case *api.PutObjectInput:
		return Aim{smithy.Val(in.Bucket), smithy.Val(in.Key), nil}
	case *api.DeleteObjectInput:
		return Aim{smithy.Val(in.Bucket), smithy.Val(in.Key), in.VersionId}
	case *api.ListObjectsV2Input:
		return Aim{smithy.Val(in.Bucket), "", nil}
	}
	v := reflect.ValueOf(in).Elem()
	text := func(name string) *string {
		f := v.FieldByName(name)
		if !f.IsValid() {
			return nil
		}
		p, _ := f.Interface().(*string)
		return p
	}
	return Aim{Bucket: smithy.Val(text("Bucket")), Key: smithy.Val(text("Key")), Version: text("VersionId")}
}

// versioned are the actions that have another name when a version is named.
var versioned = map[string]string{
	"s3:GetObject":           "s3:GetObjectVersion",
	"s3:DeleteObject":        "s3:DeleteObjectVersion",
	"s3:GetObjectTagging":    "s3:GetObjectVersionTagging",
	"s3:PutObjectTagging":    "s3:PutObjectVersionTagging",
	"s3:DeleteObjectTagging": "s3:DeleteObjectVersionTagging",
	"s3:GetObjectAcl":        "s3:GetObjectVersionAcl",
	"s3:PutObjectAcl":        "s3:PutObjectVersionAcl",
	"s3:GetObjectAttributes": "s3:GetObjectVersionAttributes",
}

// ActionFor is an action on a version, where one is named.
func ActionFor(action string, version *string) string {
	if v, ok := versioned[action]; ok && version != nil {
		return v
	}
	return action
}

// bucketCheck is an action on a bucket, or on an object that its owner decides about.
// Neither policy nor list let anybody in from outside where public policies are
// restricted.
func bucketCheck(c *service.Call, b *store.Bucket, action, resource string, keys policy.Keys) service.Check {
	if keys == nil {
		keys = policy.Keys{}
	}
	keys["s3:resourceaccount"] = []string{b.Account}
	check := service.Check{Action: action, Resource: resource, Account: b.Account, Context: keys, Policy: b.Compiled, Grants: b.Grants()}
	if cutOff(c, b) {
		check.Policy, check.Grants = b.Compiled.Denials(), nil
	}
	return check
}

// keyHeaders are the headers that are condition keys, as net/http names them.
var keyHeaders = [...]struct{ header, key string }{
	{"X-Amz-Acl", "s3:x-amz-acl"},
	{"X-Amz-Server-Side-Encryption", "s3:x-amz-server-side-encryption"},
	{"X-Amz-Storage-Class", "s3:x-amz-storage-class"},
	{"X-Amz-Metadata-Directive", "s3:x-amz-metadata-directive"},
	{"X-Amz-Content-Sha256", "s3:x-amz-content-sha256"},
	{"X-Amz-Object-Ownership", "s3:x-amz-object-ownership"},
	{"X-Amz-Grant-Full-Control", "s3:x-amz-grant-full-control"},
	{"X-Amz-Grant-Read", "s3:x-amz-grant-read"},
	{"X-Amz-Grant-Read-Acp", "s3:x-amz-grant-read-acp"},
	{"X-Amz-Grant-Write", "s3:x-amz-grant-write"},
	{"X-Amz-Grant-Write-Acp", "s3:x-amz-grant-write-acp"},
	{"If-Match", "s3:if-match"},
	{"If-None-Match", "s3:if-none-match"},
	{"X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id", "s3:x-amz-server-side-encryption-aws-kms-key-id"},
	{"X-Amz-Server-Side-Encryption-Customer-Algorithm", "s3:x-amz-server-side-encryption-customer-algorithm"},
	{"X-Amz-Website-Redirect-Location", "s3:x-amz-website-redirect-location"},
}

// RequestKeys are the condition keys that headers and signature give.
func RequestKeys(c *service.Call) policy.Keys {
	keys := policy.Keys{}
	if c.HTTP == nil {
		return keys
	}
	r := c.HTTP.Request
	if r.TLS != nil {
		keys["s3:tlsversion"] = []string{strings.TrimPrefix(tls.VersionName(r.TLS.Version), "TLS ")}
	}
	signatureAge(c, keys)
	if c.Caller.Kind != policy.Anonymous {
		keys["s3:signatureversion"] = []string{"AWS4-HMAC-SHA256"}
		keys["s3:authtype"] = []string{"REST-HEADER"}
		switch {
		case c.HTTP.Form:
			keys["s3:authtype"] = []string{"POST"}
		case c.HTTP.Presigned:
			keys["s3:authtype"] = []string{"REST-QUERY-STRING"}
		}
	}
	for _, h := range keyHeaders {
		if v := r.Header[h.header]; len(v) > 0 && v[0] != "" {
			keys[h.key] = v[:1:1]
		}
	}
	return keys
}

// signatureAge is the condition key s3:signatureAge, in milliseconds.
func signatureAge(c *service.Call, keys policy.Keys) {
	if c.Caller.Kind == policy.Anonymous {
		return
	}
	text := c.HTTP.Request.Header.Get("X-Amz-Date")
	if c.HTTP.Presigned {
		text = c.HTTP.Request.URL.Query().Get("X-Amz-Date")
	}
	at, err := time.Parse("20060102T150405Z", text)
	if err != nil {
		return
	}
	keys["s3:signatureage"] = []string{strconv.FormatInt(max(0, c.Now.Sub(at).Milliseconds()), 10)}
}

// TagKeys are the condition keys of the tags that an object has.
func TagKeys(o *store.Object, keys policy.Keys) {
	if o == nil {
		return
	}
	for _, t := range o.Tags {
		key := "s3:existingobjecttag/" + strings.ToLower(t.Key)
		keys[key] = append(keys[key], t.Value)
	}
}
