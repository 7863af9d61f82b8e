package s3

import (
	"crypto/md5"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/sigv4"
	"moln.dev/moln/services/s3/grant"
	"moln.dev/moln/services/s3/naming"
)

// statements makes a policy about box for the other account, and what else is
// said.
func statements(more string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + stranger + `"},"Action":"s3:*","Resource":["arn:aws:s3:::box","arn:aws:s3:::box/*"]}` + more + `]}`
}

// A bucket's policy is its own account's, whatever the policy itself allows.
func TestPolicyIsTheOwners(t *testing.T) {
	g := newGate(t)
	g.open("box", grant.Enforced)
	g.want(204, "", request{who: "owner", method: "PUT", target: "/box?policy", body: statements("")})
	g.want(405, "MethodNotAllowed", request{who: "other", method: "GET", target: "/box?policy"})
	g.want(405, "MethodNotAllowed", request{who: "other", method: "PUT", target: "/box?policy", body: statements("")})
	g.want(405, "MethodNotAllowed", request{who: "other", method: "DELETE", target: "/box?policy"})
	g.want(200, "", request{who: "owner", method: "GET", target: "/box?policy"})
	g.want(403, "AccessDenied", request{who: "ann", method: "GET", target: "/box?policy"})
	g.want(403, "AccessDenied", request{method: "GET", target: "/box?policy"})
}

// Denials that rest on one condition key each.
func TestDenialsByCondition(t *testing.T) {
	deny := func(action, condition string) string {
		return statements(fmt.Sprintf(`,{"Effect":"Deny","Principal":"*","Action":%q,"Resource":"arn:aws:s3:::box/*","Condition":%s}`, action, condition))
	}
	creates := deny("s3:PutObject", `{"Null":{"s3:if-none-match":"true"},"Bool":{"s3:ObjectCreationOperation":"true"}}`)
	days := deny("s3:PutObjectRetention", `{"NumericGreaterThan":{"s3:object-lock-remaining-retention-days":"10"}}`)
	source := deny("s3:PutObject", `{"StringLike":{"s3:x-amz-copy-source":"box/secret/*"}}`)
	tags := deny("s3:PutObjectTagging", `{"StringEquals":{"s3:RequestObjectTag/class":"secret"}}`)
	until := func(date string) []string {
		return []string{"X-Amz-Object-Lock-Mode", "GOVERNANCE", "X-Amz-Object-Lock-Retain-Until-Date", date, "Content-Md5", md5Base64("x")}
	}
	tests := []struct {
		name, policy string
		q            request
		status       int
	}{
		{"created without a condition", creates, request{method: "PUT", target: "/box/k", body: "x"}, 403},
		{"created on a condition", creates, request{method: "PUT", target: "/box/k", body: "x", header: []string{"If-None-Match", "*"}}, 200},
		{"copied without a condition", creates, request{method: "PUT", target: "/box/k", header: []string{"X-Amz-Copy-Source", "box/secret/a"}}, 403},
		{"an upload creates nothing yet", creates, request{method: "POST", target: "/box/k?uploads"}, 200},
		{"retained for long", days, request{method: "PUT", target: "/box/k", body: "x", header: until("2040-01-01T00:00:00Z")}, 403},
		{"retained for ages", days, request{method: "PUT", target: "/box/k", body: "x", header: until("2900-01-01T00:00:00Z")}, 403},
		{"copied from there", source, request{method: "PUT", target: "/box/k", header: []string{"X-Amz-Copy-Source", "box/secret/a"}}, 403},
		{"copied from there, by a slash", source, request{method: "PUT", target: "/box/k", header: []string{"X-Amz-Copy-Source", "/box/secret/a"}}, 403},
		{"copied from there, in other letters", source, request{method: "PUT", target: "/box/k", header: []string{"X-Amz-Copy-Source", "box%2F%73ecret/a"}}, 403},
		{"copied from elsewhere", source, request{method: "PUT", target: "/box/k", header: []string{"X-Amz-Copy-Source", "/box/a"}}, 200},
		{"tagged so", tags, request{method: "PUT", target: "/box/k", body: "x", header: []string{"X-Amz-Tagging", "class=secret"}}, 403},
		{"tagged so beside a tag of nearly that name", tags, request{method: "PUT", target: "/box/k", body: "x", header: []string{"X-Amz-Tagging", "class=secret&Class=public"}}, 403},
		{"tagged otherwise", tags, request{method: "PUT", target: "/box/k", body: "x", header: []string{"X-Amz-Tagging", "class=public"}}, 200},
	}
	g := newGate(t)
	g.want(200, "", request{who: "owner", method: "PUT", target: "/box", header: []string{"X-Amz-Bucket-Object-Lock-Enabled", "true"}})
	g.want(200, "", request{who: "owner", method: "PUT", target: "/box/secret/a", body: "x"})
	g.want(200, "", request{who: "owner", method: "PUT", target: "/box/a", body: "x"})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			defer func(old *testing.T) { g.t, g.w.t = old, old }(g.t)
			g.t, g.w.t = t, t
			g.want(204, "", request{who: "owner", method: "PUT", target: "/box?policy", body: tt.policy})
			tt.q.who = "other"
			g.want(tt.status, "", tt.q)
			g.w.forget("box", "k")
		})
	}
}

// forget deletes all versions of a key that nothing locks.
func (w *world) forget(bucket, key string) {
	w.t.Helper()
	for _, v := range must[api.ListObjectVersionsOutput](w, "ListObjectVersions", &api.ListObjectVersionsInput{Bucket: new(bucket), Prefix: new(key)}).Versions {
		must[api.DeleteObjectOutput](w, "DeleteObject", &api.DeleteObjectInput{Bucket: new(bucket), Key: v.Key, VersionId: v.VersionId})
	}
}

// An access point's policy keeps those from bypassing governance who may through
// the bucket.
func TestBypassThroughAccessPoints(t *testing.T) {
	g := newGate(t)
	g.want(200, "", request{who: "owner", method: "PUT", target: "/box", header: []string{"X-Amz-Bucket-Object-Lock-Enabled", "true"}})
	alias := g.point("docs", "box")
	arn := naming.Point{Region: "us-east-1", Account: account, Name: "docs"}.ARN()
	g.want(200, "", manage("owner", account, "PUT", "accesspoint/docs/policy", "<PutAccessPointPolicyRequest><Policy>"+policyDocument("Deny", `"*"`, `"s3:BypassGovernanceRetention"`, `"`+arn+`/object/*"`)+"</Policy></PutAccessPointPolicyRequest>"))
	g.want(200, "", request{who: "owner", method: "PUT", target: "/box/k", body: "x", header: []string{
		"X-Amz-Object-Lock-Mode", "GOVERNANCE", "X-Amz-Object-Lock-Retain-Until-Date", "2040-01-01T00:00:00Z", "Content-Md5", md5Base64("x"),
	}})
	version := *must[api.ListObjectVersionsOutput](g.w, "ListObjectVersions", &api.ListObjectVersionsInput{Bucket: new("box")}).Versions[0].VersionId
	bypass := []string{"X-Amz-Bypass-Governance-Retention", "true"}
	g.want(403, "AccessDenied", request{who: "owner", method: "DELETE", target: "/" + alias + "/k?versionId=" + version, header: bypass})
	g.want(204, "", request{who: "owner", method: "DELETE", target: "/box/k?versionId=" + version, header: bypass})
}

// A bucket that is not deleted keeps its uploads.
func TestRefusedDeletionKeepsUploads(t *testing.T) {
	g := newGate(t)
	g.open("box", grant.Enforced)
	g.point("docs", "box")
	g.want(200, "", request{who: "owner", method: "POST", target: "/box/k?uploads"})
	if status, body := g.do(request{who: "owner", method: "DELETE", target: "/box"}); status < 400 {
		t.Fatalf("%d %s", status, body)
	}
	if got := g.want(200, "", request{who: "owner", method: "GET", target: "/box?uploads"}); !strings.Contains(got, "<UploadId>") {
		t.Errorf("the upload is gone: %s", got)
	}
}

// An access point's tags are none of the bucket's.
func TestTagsOfAccessPoints(t *testing.T) {
	g := newGate(t)
	g.open("box", grant.Enforced)
	g.want(200, "", request{who: "owner", method: "PUT", target: "/box/k", body: "x"})
	out := g.want(200, "", manage("owner", account, "PUT", "accesspoint/docs", "<CreateAccessPointRequest><Bucket>box</Bucket>"+shut+"<Tags><Tag><Key>open</Key><Value>yes</Value></Tag></Tags></CreateAccessPointRequest>"))
	alias := between(out, "<Alias>", "</Alias>")
	arn := naming.Point{Region: "us-east-1", Account: account, Name: "docs"}.ARN()
	tagged := func(resource string) string {
		return strings.TrimSuffix(policyDocument("Allow", `{"AWS":"arn:aws:iam::`+account+`:user/ann"}`, `"s3:GetObject"`, `"`+resource+`"`), "}}") + `,"Condition":{"StringEquals":{"aws:ResourceTag/open":"yes"}}}}`
	}
	g.want(200, "", manage("owner", account, "PUT", "accesspoint/docs/policy", "<PutAccessPointPolicyRequest><Policy>"+tagged(arn+"/object/*")+"</Policy></PutAccessPointPolicyRequest>"))
	g.want(204, "", request{who: "owner", method: "PUT", target: "/box?policy", body: tagged("arn:aws:s3:::box/*")})
	g.want(403, "AccessDenied", request{who: "ann", method: "GET", target: "/" + alias + "/k"})
}

// What is missing in a document is told, and breaks nothing.
func TestEmptyDocuments(t *testing.T) {
	g := newGate(t)
	g.want(200, "", request{who: "owner", method: "PUT", target: "/box", header: []string{"X-Amz-Bucket-Object-Lock-Enabled", "true"}})
	g.want(200, "", request{who: "owner", method: "PUT", target: "/box/k", body: "x"})
	g.point("docs", "box")
	var all []request
	for _, body := range []string{"", "<X/>", "<X><Y/></X>"} {
		md5 := []string{"Content-Md5", md5Base64(body)}
		for _, target := range []string{"configuration/publicAccessBlock", "accesspoint/docs/policy", "tags/x", "accesspoint/new"} {
			all = append(all, manage("owner", account, "PUT", target, body))
			all = append(all, manage("owner", account, "POST", target, body))
		}
		for _, sub := range []string{"policy", "acl", "versioning", "cors", "website", "tagging", "encryption", "lifecycle", "object-lock", "publicAccessBlock", "ownershipControls", "notification", "intelligent-tiering&id=a"} {
			all = append(all, request{who: "owner", method: "PUT", target: "/box?" + sub, body: body, header: md5})
		}
		for _, sub := range []string{"acl", "tagging", "retention", "legal-hold"} {
			all = append(all, request{who: "owner", method: "PUT", target: "/box/k?" + sub, body: body, header: md5})
		}
		all = append(all, request{who: "owner", method: "POST", target: "/box/k?restore", body: body, header: md5},
			request{who: "owner", method: "POST", target: "/box?delete", body: body, header: md5},
			request{who: "owner", method: "POST", target: "/box/k?uploadId=x", body: body})
	}
	for _, n := range []string{"-1", "0", "2147483647", "-2147483648", "99999999999"} {
		for _, sub := range []string{"/box/k?partNumber=", "/box/k?attributes&max-parts=", "/box?list-type=2&max-keys=", "/box?versions&max-keys=", "/box?uploads&max-uploads=", "/box/k?uploadId=x&part-number-marker=", "/?max-buckets="} {
			all = append(all, request{who: "owner", method: "GET", target: sub + n, header: []string{"X-Amz-Object-Attributes", "ObjectParts"}})
		}
		all = append(all, request{who: "owner", method: "PUT", target: "/box/k?uploadId=x&partNumber=" + n, body: "x"})
	}
	for _, q := range all {
		if status, body := g.do(q); status == http.StatusInternalServerError {
			t.Errorf("%s %s %q: %d %s", q.method, q.target, q.body, status, body)
		}
	}
}

// What a presigned URL says beside its signature counts as headers do, but for
// tags and checksums, as at AWS.
func TestPresignedHeaders(t *testing.T) {
	g := newGate(t)
	g.want(200, "", request{who: "owner", method: "PUT", target: "/box", header: []string{"X-Amz-Bucket-Object-Lock-Enabled", "true"}})
	put := func(who, query, body string) (int, string) {
		t.Helper()
		r := httptest.NewRequest("PUT", "http://s3.localhost/box/k?"+query, strings.NewReader(body))
		sum := md5.Sum([]byte(body)) // of what is to be locked some digest is needed
		r.Header.Set("Content-Md5", base64.StdEncoding.EncodeToString(sum[:]))
		if who != "" {
			sigv4.Presign(r, sigv4.Credentials{AccessKeyID: who, SecretAccessKey: who}, "us-east-1", "s3", sigv4.UnsignedPayload, g.w.clock.Now(), time.Hour)
		}
		rec := httptest.NewRecorder()
		g.h.ServeHTTP(rec, r)
		return rec.Code, rec.Body.String()
	}
	if status, body := put("owner", "x-amz-tagging=a%3Db&x-amz-meta-colour=red&x-amz-object-lock-legal-hold=ON&x-amz-sdk-checksum-algorithm=CRC32&x-amz-checksum-crc32=AAAAAA%3D%3D", "x"); status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	o := must[api.HeadObjectOutput](g.w, "HeadObject", &api.HeadObjectInput{Bucket: new("box"), Key: new("k")})
	if o.Metadata["colour"] != "red" || o.ObjectLockLegalHoldStatus == nil || *o.ObjectLockLegalHoldStatus != "ON" || o.TagCount != nil {
		t.Errorf("%+v", o)
	}
	g.want(204, "", request{who: "owner", method: "PUT", target: "/box?policy", body: statements(`,{"Effect":"Deny","Principal":"*","Action":"s3:PutObjectLegalHold","Resource":"arn:aws:s3:::box/*"}`)})
	if status, body := put("other", "x-amz-object-lock-legal-hold=ON", "x"); status != 403 {
		t.Errorf("a hold that is denied: %d %s", status, body)
	}
	if status, body := put("", "x-amz-object-lock-legal-hold=ON", "x"); status != 403 {
		t.Errorf("nobody: %d %s", status, body)
	}
}
