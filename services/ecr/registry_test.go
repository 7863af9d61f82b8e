package ecr

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	api "moln.dev/moln/api/ecr"
)

const indexType = "application/vnd.oci.image.index.v1+json"

func TestRegistry(t *testing.T) {
	w := newWorld(t)
	w.repository("team/app")
	cl := w.client(w.root())
	cl.want(200, "{}", "GET", "/v2/", "")
	manifest, digest := cl.image("team/app", "latest", "hello")
	for _, ref := range []string{"latest", digest} {
		got := cl.want(200, manifest, "GET", "/v2/team/app/manifests/"+ref, "")
		if got.header.Get("Docker-Content-Digest") != digest || got.header.Get("Content-Type") != "application/vnd.oci.image.manifest.v1+json" {
			t.Errorf("headers %v", got.header)
		}
		if head := cl.do("HEAD", "/v2/team/app/manifests/"+ref, ""); head.status != 200 || head.body != "" || head.header.Get("Content-Length") == "" {
			t.Errorf("HEAD: %+v", head)
		}
	}
	layer := digestOf([]byte("hello"))
	cl.want(200, "hello", "GET", "/v2/team/app/blobs/"+layer, "")
	cl.want(206, "ell", "GET", "/v2/team/app/blobs/"+layer, "", "Range", "bytes=1-3")
	if got := cl.do("HEAD", "/v2/team/app/blobs/"+layer, ""); got.status != 200 || got.header.Get("Content-Length") != "5" {
		t.Errorf("HEAD: %+v", got)
	}
	cl.want(404, "BLOB_UNKNOWN", "GET", "/v2/team/app/blobs/"+digestOf(nil), "")
	cl.want(404, "MANIFEST_UNKNOWN", "GET", "/v2/team/app/manifests/none", "")
	cl.want(404, "NAME_UNKNOWN", "GET", "/v2/none/manifests/none", "")
	cl.want(404, "NAME_UNKNOWN", "POST", "/v2/none/blobs/uploads/", "")
	cl.want(404, "NAME_UNKNOWN", "GET", "/v2/team/app/blobs/uploads/"+strings.Repeat("u", 6000), "")
	cl.want(400, "NAME_INVALID", "GET", "/v2/UP/tags/list", "")
	cl.want(405, "UNSUPPORTED", "POST", "/v2/team/app/manifests/x", "")
	cl.want(201, "", "PUT", "/v2/team/app/manifests/again", manifest, "Content-Type", "application/vnd.oci.image.manifest.v1+json")
	cl.want(201, "", "PUT", "/v2/team/app/manifests/again", manifest, "Content-Type", "application/vnd.oci.image.manifest.v1+json")
	cl.want(400, "MANIFEST_INVALID", "PUT", "/v2/team/app/manifests/x", "{}", "Content-Type", "application/json")
	cl.want(400, "MANIFEST_BLOB_UNKNOWN", "PUT", "/v2/team/app/manifests/x", `{"schemaVersion":2,"config":{"digest":"`+digestOf(nil)+`"}}`)
	cl.want(200, `{"name":"team/app","tags":["again","latest"]}`, "GET", "/v2/team/app/tags/list", "")
	page := cl.want(200, `["again"]`, "GET", "/v2/team/app/tags/list?n=1", "")
	if page.header.Get("Link") != `</v2/team/app/tags/list?n=1&last=again>; rel="next"` {
		t.Errorf("Link %s", page.header.Get("Link"))
	}
	cl.want(200, `["latest"]`, "GET", "/v2/team/app/tags/list?n=1&last=again", "")
	cl.want(200, `{"repositories":["team/app"]}`, "GET", "/v2/_catalog", "")
	cl.want(202, "", "DELETE", "/v2/team/app/manifests/again", "")
	cl.want(200, `["latest"]`, "GET", "/v2/team/app/tags/list", "")
	cl.want(202, "", "DELETE", "/v2/team/app/manifests/"+digest, "")
	cl.want(404, "MANIFEST_UNKNOWN", "GET", "/v2/team/app/manifests/latest", "")
}

func TestUploads(t *testing.T) {
	w := newWorld(t)
	w.repository("app")
	w.repository("from")
	cl := w.client(w.root())
	at := cl.want(202, "", "POST", "/v2/app/blobs/uploads/", "").header.Get("Location")
	if got := cl.want(202, "", "PATCH", at, "hel", "Content-Range", "0-2"); got.header.Get("Range") != "0-2" {
		t.Errorf("Range %s", got.header.Get("Range"))
	}
	cl.want(416, "BLOB_UPLOAD_INVALID", "PATCH", at, "hel", "Content-Range", "0-2")
	if got := cl.want(204, "", "GET", at, ""); got.header.Get("Range") != "0-2" {
		t.Errorf("Range %s", got.header.Get("Range"))
	}
	cl.want(202, "", "PATCH", at, "lo")
	digest := digestOf([]byte("hello!"))
	cl.want(400, "DIGEST_INVALID", "PUT", at+"?digest=sha256:x", "!")
	cl.want(400, "DIGEST_INVALID", "PUT", at+"?digest="+digest, "?")
	at = cl.want(202, "", "POST", "/v2/app/blobs/uploads/", "").header.Get("Location")
	cl.want(202, "", "PATCH", at, "hello")
	if got := cl.want(201, "", "PUT", at+"?digest="+digest, "!"); got.header.Get("Docker-Content-Digest") != digest {
		t.Errorf("headers %v", got.header)
	}
	cl.want(200, "hello!", "GET", "/v2/app/blobs/"+digest, "")
	cl.want(404, "BLOB_UPLOAD_UNKNOWN", "PATCH", at, "x")
	at = cl.want(202, "", "POST", "/v2/app/blobs/uploads/", "").header.Get("Location")
	cl.want(204, "", "DELETE", at, "")
	cl.want(404, "BLOB_UPLOAD_UNKNOWN", "DELETE", at, "")

	// All in one request, and a layer that another repository has.
	one := digestOf([]byte("one"))
	cl.want(201, "", "POST", "/v2/from/blobs/uploads/?digest="+one, "one")
	cl.want(201, "", "POST", "/v2/app/blobs/uploads/?mount="+one+"&from=from", "")
	cl.want(200, "one", "GET", "/v2/app/blobs/"+one, "")
	cl.want(202, "", "POST", "/v2/app/blobs/uploads/?mount="+digestOf([]byte("no"))+"&from=from", "")
}

func TestIndexes(t *testing.T) {
	w := newWorld(t)
	w.repository("app")
	cl := w.client(w.root())
	manifest, digest := cl.image("app", "", "hello")
	index := `{"schemaVersion":2,"mediaType":"` + indexType + `","manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"` + digest + `","size":3,"platform":{"os":"linux","architecture":"amd64"}}]}`
	cl.want(400, "MANIFEST_BLOB_UNKNOWN", "PUT", "/v2/app/manifests/all", strings.ReplaceAll(index, digest, digestOf(nil)), "Content-Type", indexType)
	cl.want(201, "", "PUT", "/v2/app/manifests/all", index, "Content-Type", indexType)
	cl.want(409, "referenced by manifest list", "DELETE", "/v2/app/manifests/"+digest, "")
	cl.want(202, "", "DELETE", "/v2/app/manifests/all", "")
	cl.want(200, manifest, "GET", "/v2/app/manifests/"+digest, "")
	subject := strings.Replace(manifest, `"schemaVersion":2,`, `"schemaVersion":2,"artifactType":"text/sbom","subject":{"mediaType":"x","digest":"`+digest+`","size":3},`, 1)
	if got := cl.want(201, "", "PUT", "/v2/app/manifests/"+digestOf([]byte(subject)), subject); got.header.Get("Oci-Subject") != digest {
		t.Errorf("headers %v", got.header)
	}
	var list struct {
		Manifests []struct{ Digest, ArtifactType string }
	}
	if err := json.Unmarshal([]byte(cl.want(200, "", "GET", "/v2/app/referrers/"+digest, "").body), &list); err != nil || len(list.Manifests) != 1 || list.Manifests[0].ArtifactType != "text/sbom" {
		t.Errorf("%+v, %v", list, err)
	}
}

func TestRegistryAccess(t *testing.T) {
	w := newWorld(t)
	w.repository("app")
	w.repository("from")
	root := w.client(w.root())
	root.image("app", "latest", "hello")
	secret := root.layer("from", "secret")
	anybody := client{w: w}
	if got := anybody.want(401, "UNAUTHORIZED", "GET", "/v2/", ""); !strings.HasPrefix(got.header.Get("Www-Authenticate"), "Basic realm=") {
		t.Errorf("headers %v", got.header)
	}
	wrong := client{w, base64.StdEncoding.EncodeToString([]byte("AWS:guess"))}
	wrong.want(401, "UNAUTHORIZED", "GET", "/v2/app/manifests/latest", "")

	pull := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"ecr:GetAuthorizationToken","Resource":"*"},
		{"Effect":"Allow","Action":["ecr:BatchGetImage","ecr:GetDownloadUrlForLayer"],"Resource":"arn:aws:ecr:us-east-1:000000000000:repository/app"}]}`
	ann := w.client(w.user("ann", pull))
	ann.want(200, "", "GET", "/v2/app/manifests/latest", "")
	ann.want(200, "hello", "GET", "/v2/app/blobs/"+digestOf([]byte("hello")), "")
	for _, q := range [][2]string{
		{"POST", "/v2/app/blobs/uploads/"}, {"PUT", "/v2/app/manifests/x"}, {"DELETE", "/v2/app/manifests/latest"}, {"GET", "/v2/app/tags/list"},
		{"GET", "/v2/_catalog"}, {"GET", "/v2/from/blobs/" + secret}, {"HEAD", "/v2/app/blobs/" + secret}, {"GET", "/v2/none/blobs/" + secret},
		{"PATCH", "/v2/app/blobs/uploads/x"}, {"PUT", "/v2/app/blobs/uploads/x?digest=" + secret}, {"GET", "/v2/app/blobs/uploads/x"}, {"DELETE", "/v2/app/blobs/uploads/x"},
	} {
		if got := ann.do(q[0], q[1], `{"schemaVersion":2}`); got.status != 403 {
			t.Errorf("%s %s: %d %s", q[0], q[1], got.status, got.body)
		}
	}
	// Who may push may not take what he may not read.
	push := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"ecr:GetAuthorizationToken","Resource":"*"},{"Effect":"Allow","Action":"ecr:*","Resource":"arn:aws:ecr:us-east-1:000000000000:repository/app"}]}`
	w.client(w.user("bob", push)).want(202, "", "POST", "/v2/app/blobs/uploads/?mount="+secret+"&from=from", "")

	// The host says the place, where it is an ECR host.
	root.want(404, "NAME_UNKNOWN", "GET", "/v2/app/manifests/latest", "", "Host", "000000000000.dkr.ecr.eu-west-1.amazonaws.com")
	root.want(200, "", "GET", "/v2/app/manifests/latest", "", "Host", "000000000000.dkr.ecr.us-east-1.localhost:4566")
	root.want(403, "DENIED", "GET", "/v2/app/manifests/latest", "", "Host", "111122223333.dkr.ecr.us-east-1.amazonaws.com")

	w.clk.Advance(tokenLife)
	root.want(401, "UNAUTHORIZED", "GET", "/v2/", "")
	if out := must(t, w.root(), api.GetAuthorizationToken, &api.GetAuthorizationTokenInput{}); *out.AuthorizationData[0].ProxyEndpoint != w.url {
		t.Errorf("endpoint %s", *out.AuthorizationData[0].ProxyEndpoint)
	}
}
