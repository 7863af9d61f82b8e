package s3

import (
	"net/url"
	"strings"
	"testing"

	"moln.dev/moln/services/s3/grant"
)

// Buckets are tagged through S3 Control as well; tags of the system stay, and
// another account's bucket is nobody's business.
func TestBucketTagsByControl(t *testing.T) {
	g := newGate(t)
	g.open("box", grant.Enforced)
	at := "tags/" + url.PathEscape("arn:aws:s3:::box")
	add := func(key string) string {
		return "<TagResourceRequest><Tags><Tag><Key>" + key + "</Key><Value>1</Value></Tag></Tags></TagResourceRequest>"
	}
	g.want(204, "", manage("owner", account, "POST", at, add("a")))
	g.want(204, "", manage("owner", account, "POST", at, add("b")))
	g.want(400, "InvalidTag", manage("owner", account, "POST", at, add("aws:b")))
	if got := g.want(200, "", request{who: "owner", method: "GET", target: "/box?tagging"}); !strings.Contains(got, "<Key>a</Key>") || !strings.Contains(got, "<Key>b</Key>") {
		t.Error(got)
	}
	g.want(204, "", manage("owner", account, "DELETE", at+"?tagKeys=a", ""))
	if got := g.want(200, "", manage("owner", account, "GET", at, "")); strings.Contains(got, "<Key>a</Key>") || !strings.Contains(got, "<Key>b</Key>") {
		t.Error(got)
	}
	g.want(403, "AccessDenied", manage("ann", account, "POST", at, add("c")))
	g.want(403, "AccessDenied", manage("other", stranger, "GET", at, ""))
	g.want(404, "NoSuchBucket", manage("owner", account, "GET", "tags/"+url.PathEscape("arn:aws:s3:::none"), ""))
	// S3 Control's own form names region and account, which must be the bucket's.
	long := func(region, account, name string) string {
		return "tags/" + url.PathEscape("arn:aws:s3:"+region+":"+account+":bucket/"+name)
	}
	if got := g.want(200, "", manage("owner", account, "GET", long("us-east-1", account, "box"), "")); !strings.Contains(got, "<Key>b</Key>") {
		t.Error(got)
	}
	g.want(404, "NoSuchBucket", manage("owner", account, "GET", long("us-east-1", account, "none"), ""))
	g.want(404, "NoSuchBucket", manage("owner", account, "GET", long("eu-west-1", account, "box"), ""))
	g.want(404, "NoSuchBucket", manage("owner", account, "GET", long("us-east-1", "999999999999", "box"), ""))
	g.want(501, "NotImplemented", manage("owner", account, "GET", "tags/"+url.PathEscape("arn:aws:s3:us-east-1:"+account+":storage-lens-group/g"), ""))
	g.want(400, "InvalidTag", request{who: "owner", method: "PUT", target: "/box?tagging", body: "<Tagging><TagSet><Tag><Key>aws:x</Key><Value>1</Value></Tag></TagSet></Tagging>"})
}

// What nobody is allowed without a signature, however public the bucket is, and
// what no request may look like.
func TestRefusedToAll(t *testing.T) {
	g := newGate(t)
	g.open("box", grant.Enforced)
	g.want(204, "", request{who: "owner", method: "PUT", target: "/box?policy", body: policyDocument("Allow", `"*"`, `"s3:*"`, `["arn:aws:s3:::box","arn:aws:s3:::box/*"]`)})
	g.want(200, "", request{method: "PUT", target: "/box/k", body: "x"})
	g.want(200, "x", request{method: "GET", target: "/box/k"})
	g.want(400, "InvalidRequest", request{method: "GET", target: "/box/k?response-content-type=text/html"})
	g.want(400, "", request{method: "HEAD", target: "/box/k?response-content-type=text/html"})
	g.want(200, "x", request{who: "owner", method: "GET", target: "/box/k?response-content-type=text/html"})
	g.want(403, "AccessDenied", request{method: "POST", target: "/box/k?uploads"})
	g.want(403, "AccessDenied", request{method: "PUT", target: "/box/k2", header: []string{"X-Amz-Copy-Source", "box/k"}})
	g.want(400, "RequestHeaderSectionTooLarge", request{who: "owner", method: "PUT", target: "/box/k", body: "x", header: []string{"X-Amz-Other", strings.Repeat("d", headerBytesMax)}})
	g.want(412, "PreconditionFailed", request{method: "POST", target: "/box", body: "x"})
	g.want(400, "MissingRequestBodyError", request{who: "owner", method: "PUT", target: "/box?tagging"})
	g.want(501, "NotImplemented", request{who: "owner", method: "PUT", target: "/box/k", body: "x", header: []string{"If-Match", "*", "If-None-Match", "*"}})
}

// Another account's access point does not keep a bucket from its owner.
func TestForeignPointAndDeletion(t *testing.T) {
	g := newGate(t)
	g.open("box", grant.Enforced)
	g.want(200, "", manage("other", stranger, "PUT", "accesspoint/theirs", `<CreateAccessPointRequest xmlns="http://awss3control.amazonaws.com/doc/2018-08-20/"><Bucket>box</Bucket><BucketAccountId>`+account+`</BucketAccountId></CreateAccessPointRequest>`))
	g.want(204, "", request{who: "owner", method: "DELETE", target: "/box"})
	g.want(200, "", manage("other", stranger, "DELETE", "accesspoint/theirs", ""))
}
