package s3

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"moln.dev/moln/services/s3/grant"
	"moln.dev/moln/services/s3/naming"
)

// callers in the order of the columns below.
var callers = []string{"owner", "bob", "ann", "eve", "other", ""}

// Who may read, list, write and read the list of an object of the owner's, by
// what the bucket is set to. A column is a caller: y he may, - he may not.
//
//	o owner  b bob (same account, allowed)  a ann (same account, allowed nothing)
//	e eve (other account, allowed by hers)  r root of the other account  . nobody
func TestWhoMay(t *testing.T) {
	const policyFor = `{"Version":"2012-10-17","Statement":{"Effect":"%s","Principal":%s,"Action":%s,"Resource":["arn:aws:s3:::box","arn:aws:s3:::box/*"]}}`
	block := func(setting string) request {
		return request{who: "owner", method: "PUT", target: "/box?publicAccessBlock", body: "<PublicAccessBlockConfiguration><" + setting + ">true</" + setting + "></PublicAccessBlockConfiguration>"}
	}
	document := func(effect, principal, action string) request {
		return request{who: "owner", method: "PUT", target: "/box?policy", body: fmt.Sprintf(policyFor, effect, principal, action)}
	}
	list := func(target, canned string) request {
		return request{who: "owner", method: "PUT", target: "/box" + target + "?acl", header: []string{"X-Amz-Acl", canned}}
	}
	give := func(target, permission, id string) request {
		return request{who: "owner", method: "PUT", target: "/box" + target + "?acl", header: []string{"X-Amz-Grant-" + permission, "id=" + id}}
	}
	them := naming.OwnerID(stranger)
	const anyone, they = `"*"`, `{"AWS":"` + stranger + `"}`
	tests := []struct {
		name                  string
		set                   []request
		get, list, put, getAC string // columns o b a e r .
	}{
		{"private", nil, "yy----", "yy----", "yy----", "yy----"},
		{"object public-read", []request{list("/k", "public-read")}, "yyyyyy", "yy----", "yy----", "yy----"},
		{"object authenticated-read", []request{list("/k", "authenticated-read")}, "yyyyy-", "yy----", "yy----", "yy----"},
		{"bucket public-read", []request{list("", "public-read")}, "yy----", "yyyyyy", "yy----", "yy----"},
		{"bucket public-read-write", []request{list("", "public-read-write")}, "yy----", "yyyyyy", "yyyyyy", "yy----"},
		{"object to them", []request{give("/k", "read", them)}, "yy-yy-", "yy----", "yy----", "yy----"},
		{"object acp to them", []request{give("/k", "read-acp", them)}, "yy----", "yy----", "yy----", "yy-yy-"},
		{"object all to them", []request{give("/k", "full-control", them)}, "yy-yy-", "yy----", "yy----", "yy-yy-"},
		{"bucket write to them", []request{give("", "write", them)}, "yy----", "yy----", "yy-yy-", "yy----"},
		{"ignored", []request{list("/k", "public-read"), list("", "public-read-write"), block("IgnorePublicAcls")}, "yy----", "yy----", "yy----", "yy----"},
		{"ignored, named", []request{give("/k", "read", them), block("IgnorePublicAcls")}, "yy-yy-", "yy----", "yy----", "yy----"},
		{"blocked later", []request{list("/k", "public-read"), block("BlockPublicAcls")}, "yyyyyy", "yy----", "yy----", "yy----"},
		{"policy to anyone", []request{document("Allow", anyone, `"s3:GetObject"`)}, "yyyyyy", "yy----", "yy----", "yy----"},
		{"policy to them", []request{document("Allow", they, `["s3:GetObject","s3:ListBucket"]`)}, "yy-yy-", "yy-yy-", "yy----", "yy----"},
		{"policy to anyone, restricted", []request{document("Allow", anyone, `"s3:GetObject"`), block("RestrictPublicBuckets")}, "yyy---", "yy----", "yy----", "yy----"},
		{"restricted, lists as well", []request{list("/k", "public-read"), document("Allow", anyone, `"s3:GetObject"`), block("RestrictPublicBuckets")}, "yyy---", "yy----", "yy----", "yy----"},
		{"denied to anyone", []request{list("/k", "public-read"), list("", "public-read-write"), document("Deny", anyone, `["s3:GetObject","s3:ListBucket","s3:PutObject","s3:GetObjectAcl"]`)}, "------", "------", "------", "------"},
		{"denied to them", []request{list("/k", "public-read"), document("Deny", they, `"s3:*"`)}, "yyy--y", "yy----", "yy----", "yy----"},
		{"lists off", []request{list("/k", "public-read"), {who: "owner", method: "PUT", target: "/box?ownershipControls", body: "<OwnershipControls><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule></OwnershipControls>"}}, "yy----", "yy----", "yy----", "yy----"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := newGate(t)
			g.open("box", grant.Writer)
			g.want(200, "", request{who: "owner", method: "PUT", target: "/box/k", body: "x"})
			for _, q := range tt.set {
				if status, body := g.do(q); status >= 300 {
					t.Fatalf("%s %s: %d %s", q.method, q.target, status, body)
				}
			}
			for what, want := range map[string]string{"GET /box/k": tt.get, "GET /box?list-type=2": tt.list, "PUT /box/new": tt.put, "GET /box/k?acl": tt.getAC} {
				method, target, _ := strings.Cut(what, " ")
				got := ""
				for _, who := range callers {
					if status, _ := g.do(request{who: who, method: method, target: target, body: map[string]string{"PUT": "y"}[method]}); status == http.StatusOK {
						got += "y"
					} else if status == http.StatusForbidden {
						got += "-"
					} else {
						got += "?"
					}
				}
				if got != want {
					t.Errorf("%s: %s, want %s", what, got, want)
				}
			}
		})
	}
}

// Whose an object is that another account writes, and what follows.
func TestObjectOwnership(t *testing.T) {
	them, us := naming.OwnerID(stranger), naming.OwnerID(account)
	handed := []string{"X-Amz-Acl", "bucket-owner-full-control"}
	tests := []struct {
		name, ownership string
		header          []string
		status          int
		owner           string
		ownerReads      int // the bucket's owner reads the object
		otherReads      int
	}{
		{"writer", grant.Writer, nil, 200, them, 403, 200},
		{"writer hands over", grant.Writer, handed, 200, them, 200, 200},
		{"writer lets read", grant.Writer, []string{"X-Amz-Acl", "bucket-owner-read"}, 200, them, 200, 200},
		{"preferred", grant.Preferred, nil, 200, them, 403, 200},
		{"preferred, handed over", grant.Preferred, handed, 200, us, 200, 403},
		{"enforced", grant.Enforced, nil, 200, us, 200, 403},
		{"enforced, handed over", grant.Enforced, handed, 200, us, 200, 403},
		{"enforced, public", grant.Enforced, []string{"X-Amz-Acl", "public-read"}, 400, "", 403, 403},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := newGate(t)
			g.open("box", tt.ownership)
			g.want(204, "", request{who: "owner", method: "PUT", target: "/box?policy", body: `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"` + stranger + `"},"Action":["s3:PutObject","s3:PutObjectAcl"],"Resource":"arn:aws:s3:::box/*"}}`})
			g.want(tt.status, "", request{who: "other", method: "PUT", target: "/box/k", body: "x", header: tt.header})
			if tt.status != 200 {
				return
			}
			g.want(tt.ownerReads, "", request{who: "owner", method: "GET", target: "/box/k"})
			g.want(tt.otherReads, "", request{who: "other", method: "GET", target: "/box/k"})
			if _, body := g.do(request{who: "owner", method: "GET", target: "/box?list-type=2&fetch-owner=true"}); !strings.Contains(body, "<Owner><ID>"+tt.owner) {
				t.Errorf("listed: %s", body)
			}
			who := "owner"
			if tt.owner == them {
				who = "other"
			}
			if _, body := g.do(request{who: who, method: "GET", target: "/box/k?acl"}); !strings.Contains(body, "<Owner><ID>"+tt.owner) {
				t.Errorf("acl: %s", body)
			}
			// The bucket's owner may deny, and may delete whatever is in it.
			g.want(204, "", request{who: "owner", method: "PUT", target: "/box?policy", body: `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::box/*"}}`})
			g.want(403, "AccessDenied", request{who: "other", method: "GET", target: "/box/k"})
			g.want(204, "", request{who: "owner", method: "DELETE", target: "/box/k"})
		})
	}
}

func TestListsAreRefused(t *testing.T) {
	g := newGate(t)
	g.want(200, "", request{who: "owner", method: "PUT", target: "/enforced"})
	g.want(200, "", request{who: "owner", method: "PUT", target: "/enforced/k", body: "x"})
	public := []string{"X-Amz-Acl", "public-read"}
	for _, target := range []string{"/enforced?acl", "/enforced/k?acl"} {
		g.want(400, "AccessControlListNotSupported", request{who: "owner", method: "PUT", target: target, header: public})
		g.want(400, "AccessControlListNotSupported", request{who: "owner", method: "PUT", target: target, header: []string{"X-Amz-Acl", "private"}})
		g.want(200, "", request{who: "owner", method: "PUT", target: target, header: []string{"X-Amz-Acl", "bucket-owner-full-control"}})
		g.want(400, "MissingSecurityHeader", request{who: "owner", method: "PUT", target: target})
	}
	g.want(400, "AccessControlListNotSupported", request{who: "owner", method: "PUT", target: "/enforced/k", header: public})
	g.want(400, "AccessControlListNotSupported", request{who: "owner", method: "POST", target: "/enforced/k?uploads", header: public})
	g.want(400, "AccessControlListNotSupported", request{who: "owner", method: "PUT", target: "/enforced/c", header: append([]string{"X-Amz-Copy-Source", "/enforced/k"}, public...)})
	g.want(400, "InvalidBucketAclWithObjectOwnership", request{who: "owner", method: "PUT", target: "/more", header: public})
	g.want(200, "", request{who: "owner", method: "PUT", target: "/more", header: []string{"X-Amz-Acl", "private"}})
	g.want(400, "InvalidBucketAclWithBlockPublicAccessError", request{who: "owner", method: "PUT", target: "/most", header: append([]string{"X-Amz-Object-Ownership", "ObjectWriter"}, public...)})

	g.open("box", grant.Preferred)
	g.want(200, "", request{who: "owner", method: "PUT", target: "/box?acl", header: public})
	enforce := request{who: "owner", method: "PUT", target: "/box?ownershipControls", body: "<OwnershipControls><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule></OwnershipControls>"}
	g.want(400, "InvalidBucketAclWithObjectOwnership", enforce)
	g.want(200, "", request{who: "owner", method: "PUT", target: "/box?acl", header: []string{"X-Amz-Acl", "private"}})
	g.want(200, "", enforce)

	g.open("shut", grant.Writer)
	g.want(200, "", request{who: "owner", method: "PUT", target: "/shut?publicAccessBlock", body: "<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls></PublicAccessBlockConfiguration>"})
	g.want(403, "AccessDenied", request{who: "owner", method: "PUT", target: "/shut?acl", header: public})
	g.want(403, "AccessDenied", request{who: "owner", method: "PUT", target: "/shut/k", header: public})
	g.want(403, "AccessDenied", request{who: "owner", method: "PUT", target: "/shut/k", header: []string{"X-Amz-Grant-Read", `uri="` + grant.AllUsers + `"`}})
	g.want(200, "", request{who: "owner", method: "PUT", target: "/shut/k", header: []string{"X-Amz-Grant-Read", "id=" + naming.OwnerID(stranger)}})
}

// A list comes back as it was set, for the version it was set for.
func TestListsOfVersions(t *testing.T) {
	g := newGate(t)
	g.open("box", grant.Writer)
	g.want(200, "", request{who: "owner", method: "PUT", target: "/box?versioning", body: "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"})
	g.want(200, "", request{who: "owner", method: "PUT", target: "/box/k", body: "1"})
	versions := g.want(200, "", request{who: "owner", method: "GET", target: "/box?versions"})
	_, rest, _ := strings.Cut(versions, "<VersionId>")
	first, _, _ := strings.Cut(rest, "</VersionId>")
	g.want(200, "", request{who: "owner", method: "PUT", target: "/box/k", body: "2"})
	me, them := naming.OwnerID(account), naming.OwnerID(stranger)
	document := `<AccessControlPolicy><Owner><ID>` + me + `</ID></Owner><AccessControlList>` +
		`<Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser"><ID>` + them + `</ID></Grantee><Permission>READ</Permission></Grant>` +
		`<Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="Group"><URI>` + grant.AllUsers + `</URI></Grantee><Permission>READ_ACP</Permission></Grant>` +
		`</AccessControlList></AccessControlPolicy>`
	g.want(200, "", request{who: "owner", method: "PUT", target: "/box/k?acl&versionId=" + first, body: document})
	got := g.want(200, "", request{method: "GET", target: "/box/k?acl&versionId=" + first})
	for _, want := range []string{them, grant.AllUsers, "READ_ACP", `xsi:type="Group"`, "<Owner><ID>" + me} {
		if !strings.Contains(got, want) {
			t.Errorf("%s lacks %s", got, want)
		}
	}
	g.want(200, "1", request{who: "other", method: "GET", target: "/box/k?versionId=" + first})
	g.want(403, "AccessDenied", request{who: "other", method: "GET", target: "/box/k"})
	g.want(403, "AccessDenied", request{method: "GET", target: "/box/k?acl"})
	g.want(400, "MalformedACLError", request{who: "owner", method: "PUT", target: "/box/k?acl", body: strings.Replace(document, "READ_ACP", "ALL", 1)})
	g.want(403, "AccessDenied", request{who: "owner", method: "PUT", target: "/box/k?acl", body: strings.Replace(document, me, them, 1)})

	empty := `<AccessControlPolicy><Owner><ID>` + me + `</ID></Owner><AccessControlList></AccessControlList></AccessControlPolicy>`
	g.want(200, "", request{who: "owner", method: "PUT", target: "/box?acl", body: empty})
	if got := g.want(200, "", request{who: "owner", method: "GET", target: "/box?acl"}); strings.Contains(got, "<Grant>") {
		t.Errorf("an empty list came back as %s", got)
	}
}
