package s3

import (
	"net/url"
	"strings"
	"testing"

	"moln.dev/moln/services/s3/grant"
	"moln.dev/moln/services/s3/naming"
)

const shut = "<PublicAccessBlockConfiguration><BlockPublicAcls>false</BlockPublicAcls></PublicAccessBlockConfiguration>"

// manage makes a request to S3 Control for an account.
func manage(who, account, method, target, body string) request {
	return request{who: who, method: method, target: "/v20180820/" + target, body: body, header: []string{"X-Amz-Account-Id", account}}
}

// between gives what stands between two texts.
func between(s, before, after string) string {
	_, s, _ = strings.Cut(s, before)
	s, _, _ = strings.Cut(s, after)
	return s
}

func (g *gate) point(name, bucket string) (alias string) {
	g.t.Helper()
	out := g.want(200, "", manage("owner", account, "PUT", "accesspoint/"+name, "<CreateAccessPointRequest><Bucket>"+bucket+"</Bucket>"+shut+"</CreateAccessPointRequest>"))
	return between(out, "<Alias>", "</Alias>")
}

func policyDocument(effect, principal, actions, resources string) string {
	return `{"Version":"2012-10-17","Statement":{"Effect":"` + effect + `","Principal":` + principal + `,"Action":` + actions + `,"Resource":` + resources + `}}`
}

func TestAccessPointLifecycle(t *testing.T) {
	g := newGate(t)
	g.open("box", grant.Enforced)
	alias := g.point("docs", "box")
	if !strings.HasPrefix(alias, "docs-") || !strings.HasSuffix(alias, naming.AliasSuffix) || len(alias) > naming.BucketMax {
		t.Errorf("alias %q", alias)
	}
	got := g.want(200, "", manage("owner", account, "GET", "accesspoint/docs", ""))
	for _, want := range []string{"<Bucket>box</Bucket>", "<NetworkOrigin>Internet</NetworkOrigin>", "<Alias>" + alias, "accesspoint/docs</AccessPointArn>"} {
		if !strings.Contains(got, want) {
			t.Errorf("%s lacks %s", got, want)
		}
	}
	create := "<CreateAccessPointRequest><Bucket>box</Bucket></CreateAccessPointRequest>"
	g.want(409, "AccessPointAlreadyOwnedByYou", manage("owner", account, "PUT", "accesspoint/docs", create))
	g.want(400, "InvalidRequest", manage("owner", account, "PUT", "accesspoint/No-Capitals", create))
	g.want(404, "NoSuchBucket", manage("owner", account, "PUT", "accesspoint/other", strings.Replace(create, "box", "none", 1)))
	g.want(403, "AccessDenied", manage("owner", stranger, "PUT", "accesspoint/other", create))
	g.want(403, "AccessDenied", manage("ann", account, "PUT", "accesspoint/other", create))
	g.want(403, "AccessDenied", manage("other", stranger, "PUT", "accesspoint/other", create)) // another's bucket
	g.want(501, "NotImplemented", manage("owner", account, "PUT", "accesspoint/vpc", "<CreateAccessPointRequest><Bucket>box</Bucket><VpcConfiguration><VpcId>vpc-12345678</VpcId></VpcConfiguration></CreateAccessPointRequest>"))
	g.want(404, "NoSuchAccessPoint", manage("owner", account, "GET", "accesspoint/none", ""))

	g.point("docs2", "box")
	if got := g.want(200, "", manage("owner", account, "GET", "accesspoint?maxResults=1", "")); !strings.Contains(got, "<NextToken>docs</NextToken>") || strings.Contains(got, "docs2") {
		t.Error(got)
	}
	if got := g.want(200, "", manage("owner", account, "GET", "accesspoint?bucket=box&nextToken=docs", "")); !strings.Contains(got, "<Name>docs2</Name>") || strings.Contains(got, "<Name>docs</Name>") {
		t.Error(got)
	}
	arn := naming.Point{Region: "us-east-1", Account: account, Name: "docs2"}.ARN()
	g.want(204, "", manage("owner", account, "POST", "tags/"+url.PathEscape(arn), "<TagResourceRequest><Tags><Tag><Key>a</Key><Value>1</Value></Tag></Tags></TagResourceRequest>"))
	if got := g.want(200, "", manage("owner", account, "GET", "tags/"+url.PathEscape(arn), "")); !strings.Contains(got, "<Key>a</Key><Value>1</Value>") {
		t.Error(got)
	}
	g.want(204, "", manage("owner", account, "DELETE", "tags/"+url.PathEscape(arn)+"?tagKeys=a", ""))

	g.want(400, "BucketHasAccessPointsAttached", request{who: "owner", method: "DELETE", target: "/box"})
	for _, name := range []string{"docs", "docs2"} {
		if status, body := g.do(manage("owner", account, "DELETE", "accesspoint/"+name, "")); status >= 300 {
			t.Errorf("delete %s: %d %s", name, status, body)
		}
	}
	g.want(404, "NoSuchBucket", request{who: "owner", method: "GET", target: "/" + alias + "/k"})
	g.want(204, "", request{who: "owner", method: "DELETE", target: "/box"})
}

// Every way to name an access point reaches the object, and only what access
// points allow is allowed.
func TestAccessPointForms(t *testing.T) {
	g := newGate(t)
	g.open("box", grant.Enforced)
	alias := g.point("docs", "box")
	arn := naming.Point{Region: "us-east-1", Account: account, Name: "docs"}.ARN()
	for i, target := range []string{
		"/" + alias + "/a/k", "/" + url.PathEscape(arn) + "/a/k", "/" + arn + "/a/k", "http://" + alias + ".s3.us-east-1.localhost/a/k",
		"http://docs-" + account + ".s3-accesspoint.us-east-1.amazonaws.com/a/k", "http://docs-" + account + ".localhost/a/k",
	} {
		body := strings.Repeat("x", i+1)
		g.want(200, "", request{who: "owner", method: "PUT", target: target, body: body})
		g.want(200, body, request{who: "owner", method: "GET", target: target})
		g.want(200, body, request{who: "owner", method: "GET", target: "/box/a/k"})
	}
	if got := g.want(200, "", request{who: "owner", method: "GET", target: "/" + alias + "?list-type=2"}); !strings.Contains(got, "<Name>"+alias+"</Name>") || !strings.Contains(got, "<Key>a/k</Key>") {
		t.Error(got)
	}
	for _, source := range []string{alias + "/a/k", url.PathEscape(arn + "/object/a/k")} {
		g.want(200, "", request{who: "owner", method: "PUT", target: "/" + alias + "/copy", header: []string{"X-Amz-Copy-Source", source}})
	}
	g.want(404, "NoSuchKey", request{who: "owner", method: "GET", target: "/" + alias + "/none"})
	g.want(405, "MethodNotAllowed", request{who: "owner", method: "DELETE", target: "/" + alias})
	g.want(405, "MethodNotAllowed", request{who: "owner", method: "PUT", target: "/" + alias + "?policy", body: "{}"})
	g.want(404, "NoSuchAccessPoint", request{who: "owner", method: "GET", target: "/" + url.PathEscape(strings.Replace(arn, "docs", "none", 1)) + "/k"})
	g.want(400, "InvalidRequest", request{who: "owner", method: "GET", target: "/" + url.PathEscape("arn:aws:s3:us-east-1:"+account+":other/x") + "/k"})
}

// Both the access point's policy and the bucket's must let a caller in.
func TestWhoMayThroughAccessPoints(t *testing.T) {
	arn := naming.Point{Region: "us-east-1", Account: account, Name: "docs"}.ARN()
	const anyone, they, ann = `"*"`, `{"AWS":"` + stranger + `"}`, `{"AWS":"arn:aws:iam::` + account + `:user/ann"}`
	delegate := strings.TrimSuffix(policyDocument("Allow", anyone, `"s3:GetObject"`, `"arn:aws:s3:::box/*"`), "}}") + `,"Condition":{"StringEquals":{"s3:DataAccessPointAccount":"` + account + `"}}}}`
	tests := []struct {
		name, bucket, point string
		through, direct     string // callers: owner bob ann eve other nobody
	}{
		{"neither", "", "", "yy----", "yy----"},
		{"bucket only", policyDocument("Allow", they, `"s3:GetObject"`, `"arn:aws:s3:::box/*"`), "", "yy----", "yy-yy-"},
		{"point only", "", policyDocument("Allow", they, `"s3:GetObject"`, `"`+arn+`/object/*"`), "yy----", "yy----"},
		{"both", policyDocument("Allow", they, `"s3:GetObject"`, `"arn:aws:s3:::box/*"`), policyDocument("Allow", they, `"s3:GetObject"`, `"`+arn+`/object/*"`), "yy-yy-", "yy-yy-"},
		{"delegated to the account's points", delegate, policyDocument("Allow", ann, `"s3:GetObject"`, `"`+arn+`/object/a/*"`), "yyy---", "yy----"},
		{"delegated, to anyone", delegate, policyDocument("Allow", anyone, `"s3:GetObject"`, `"`+arn+`/object/a/*"`), "yyyyyy", "yy----"},
		{"delegated, another key", delegate, policyDocument("Allow", anyone, `"s3:GetObject"`, `"`+arn+`/object/b/*"`), "yy----", "yy----"},
		{"point denies", "", policyDocument("Deny", anyone, `"s3:GetObject"`, `"`+arn+`/object/*"`), "------", "yy----"},
		{"bucket denies", policyDocument("Deny", anyone, `"s3:GetObject"`, `"arn:aws:s3:::box/*"`), policyDocument("Allow", anyone, `"s3:GetObject"`, `"`+arn+`/object/*"`), "------", "------"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := newGate(t)
			g.open("box", grant.Enforced)
			alias := g.point("docs", "box")
			g.want(200, "", request{who: "owner", method: "PUT", target: "/box/a/k", body: "x"})
			if tt.bucket != "" {
				g.want(204, "", request{who: "owner", method: "PUT", target: "/box?policy", body: tt.bucket})
			}
			if tt.point != "" {
				g.want(200, "", manage("owner", account, "PUT", "accesspoint/docs/policy", "<PutAccessPointPolicyRequest><Policy>"+tt.point+"</Policy></PutAccessPointPolicyRequest>"))
			}
			for target, want := range map[string]string{"/" + alias + "/a/k": tt.through, "/box/a/k": tt.direct} {
				got := ""
				for _, who := range callers {
					switch status, _ := g.do(request{who: who, method: "GET", target: target}); status {
					case 200:
						got += "y"
					case 403:
						got += "-"
					default:
						got += "?"
					}
				}
				if got != want {
					t.Errorf("%s: %s, want %s", target, got, want)
				}
			}
		})
	}
}

func TestAccessPointPolicies(t *testing.T) {
	g := newGate(t)
	g.open("box", grant.Enforced)
	g.want(200, "", manage("owner", account, "PUT", "accesspoint/docs", "<CreateAccessPointRequest><Bucket>box</Bucket></CreateAccessPointRequest>"))
	arn := naming.Point{Region: "us-east-1", Account: account, Name: "docs"}.ARN()
	put := func(document string) request {
		return manage("owner", account, "PUT", "accesspoint/docs/policy", "<PutAccessPointPolicyRequest><Policy>"+document+"</Policy></PutAccessPointPolicyRequest>")
	}
	g.want(404, "NoSuchAccessPointPolicy", manage("owner", account, "GET", "accesspoint/docs/policy", ""))
	g.want(400, "MalformedPolicy", put("x"))
	g.want(400, "MalformedPolicy", put(policyDocument("Allow", `{"AWS":"`+stranger+`"}`, `"s3:GetObject"`, `"arn:aws:s3:::box/*"`)))
	g.want(403, "AccessDenied", put(policyDocument("Allow", `"*"`, `"s3:GetObject"`, `"`+arn+`/object/*"`))) // blocked by default
	g.want(200, "", put(policyDocument("Allow", `{"AWS":"`+stranger+`"}`, `"s3:GetObject"`, `"`+arn+`/object/*"`)))
	if got := g.want(200, "", manage("owner", account, "GET", "accesspoint/docs/policyStatus", "")); !strings.Contains(got, "<IsPublic>false</IsPublic>") {
		t.Error(got)
	}
	if status, body := g.do(manage("owner", account, "DELETE", "accesspoint/docs/policy", "")); status >= 300 {
		t.Errorf("%d %s", status, body)
	}
}

// The account's public access block holds in all of its buckets, in those that
// are made later as well.
func TestAccountPublicAccessBlock(t *testing.T) {
	g := newGate(t)
	g.open("old", grant.Writer)
	g.want(200, "", request{who: "owner", method: "PUT", target: "/old/k", body: "x", header: []string{"X-Amz-Acl", "public-read"}})
	g.want(200, "x", request{method: "GET", target: "/old/k"})
	g.want(404, "NoSuchPublicAccessBlockConfiguration", manage("owner", account, "GET", "configuration/publicAccessBlock", ""))
	g.want(403, "AccessDenied", manage("ann", account, "PUT", "configuration/publicAccessBlock", shut))
	all := strings.ReplaceAll("<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>true</IgnorePublicAcls><BlockPublicPolicy>true</BlockPublicPolicy><RestrictPublicBuckets>true</RestrictPublicBuckets></PublicAccessBlockConfiguration>", " ", "")
	if status, body := g.do(manage("owner", account, "PUT", "configuration/publicAccessBlock", all)); status >= 300 {
		t.Fatalf("%d %s", status, body)
	}
	g.want(403, "AccessDenied", request{method: "GET", target: "/old/k"})
	g.want(404, "NoSuchPublicAccessBlockConfiguration", request{who: "owner", method: "GET", target: "/old?publicAccessBlock"})
	g.open("new", grant.Writer)
	for _, name := range []string{"old", "new"} {
		g.want(403, "AccessDenied", request{who: "owner", method: "PUT", target: "/" + name + "?acl", header: []string{"X-Amz-Acl", "public-read"}})
		g.want(403, "AccessDenied", request{who: "owner", method: "PUT", target: "/" + name + "?policy", body: policyDocument("Allow", `"*"`, `"s3:GetObject"`, `"arn:aws:s3:::`+name+`/*"`)})
	}
	if status, body := g.do(manage("owner", account, "DELETE", "configuration/publicAccessBlock", "")); status >= 300 {
		t.Fatalf("%d %s", status, body)
	}
	g.want(200, "x", request{method: "GET", target: "/old/k"})
}
