package s3

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"mime/multipart"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"moln.dev/moln/aws/sigv4"
	"moln.dev/moln/services/s3/grant"
)

// post sends a form of fields, name, value, …, and the file.
func (g *gate) post(target, file string, fields ...string) *httptest.ResponseRecorder {
	g.t.Helper()
	var buf bytes.Buffer
	w := multipart.NewWriter(&buf)
	for i := 0; i < len(fields); i += 2 {
		if err := w.WriteField(fields[i], fields[i+1]); err != nil {
			g.t.Fatal(err)
		}
	}
	f, err := w.CreateFormFile("file", "f.txt")
	if err != nil {
		g.t.Fatal(err)
	}
	f.Write([]byte(file))
	w.Close()
	if strings.HasPrefix(target, "/") {
		target = "http://s3.localhost" + target
	}
	r := httptest.NewRequest("POST", target, &buf)
	r.Header.Set("Content-Type", w.FormDataContentType())
	r.Header.Set("Origin", "https://page.example.com")
	rec := httptest.NewRecorder()
	g.h.ServeHTTP(rec, r)
	return rec
}

// signed are the fields of a form that who signs.
func (g *gate) signed(who, conditions string, fields ...string) []string {
	at := g.now()
	date, credential := at.Format("20060102"), who+"/"+at.Format("20060102")+"/us-east-1/s3/aws4_request"
	conditions += fmt.Sprintf(`,{"x-amz-algorithm":"AWS4-HMAC-SHA256"},{"x-amz-credential":%q},{"x-amz-date":%q}`, credential, at.Format("20060102T150405Z"))
	policy := base64.StdEncoding.EncodeToString([]byte(`{"expiration":"` + at.Add(time.Minute).Format(time.RFC3339) + `","conditions":[` + conditions + `]}`))
	return append(fields, "policy", policy, "x-amz-algorithm", "AWS4-HMAC-SHA256", "x-amz-credential", credential, "x-amz-date", at.Format("20060102T150405Z"),
		"x-amz-signature", sigv4.SignText(who, date, "us-east-1", "s3", policy))
}

func TestPostUploads(t *testing.T) {
	g := newGate(t)
	g.open("box", grant.Writer)
	g.want(200, "", request{who: "owner", method: "PUT", target: "/box?cors", body: "<CORSConfiguration><CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>POST</AllowedMethod></CORSRule></CORSConfiguration>"})
	const ok = `{"bucket":"box"},["starts-with","$key","up/"],["starts-with","$Content-Type",""],["starts-with","$x-amz-meta-a",""],["starts-with","$acl",""],["starts-with","$success_action_status",""],["content-length-range",1,10]`
	tests := []struct {
		name, target string
		fields       []string
		file         string
		status       int
		want         string
	}{
		{"signed", "/box", g.signed("owner", ok, "key", "up/${filename}", "Content-Type", "text/plain", "x-amz-meta-a", "b"), "file", 204, ""},
		{"by host", "http://box.s3.localhost/", g.signed("owner", ok, "key", "up/host"), "file", 204, ""},
		{"a user who may", "/box", g.signed("bob", ok, "key", "up/bob", "success_action_status", "201"), "file", 201, "<Key>up/bob</Key>"},
		{"a user who may not", "/box", g.signed("ann", ok, "key", "up/ann"), "file", 403, "<Code>AccessDenied</Code>"},
		{"another account", "/box", g.signed("eve", ok, "key", "up/eve"), "file", 403, "<Code>AccessDenied</Code>"},
		{"nobody", "/box", []string{"key", "up/nobody"}, "file", 403, "<Code>AccessDenied</Code><Message>Access Denied</Message>"},
		{"unknown key", "/box", g.signed("who", ok, "key", "up/x"), "file", 403, "<Code>InvalidAccessKeyId</Code>"},
		{"changed policy", "/box", append(g.signed("owner", ok, "key", "up/x"), "policy2", ""), "file", 403, "Extra input fields: policy2"},
		{"other key", "/box", g.signed("owner", ok, "key", "down/x"), "file", 403, `Invalid according to Policy: Policy Condition failed: [&#34;starts-with&#34;, &#34;$key&#34;, &#34;up/&#34;]`},
		{"other bucket", "/box2", g.signed("owner", ok, "key", "up/x"), "file", 403, "Policy Condition failed"},
		{"too large", "/box", g.signed("owner", ok, "key", "up/large"), "a file of bytes", 400, "<Code>EntityTooLarge</Code>"},
		{"too small", "/box", g.signed("owner", ok, "key", "up/small"), "", 400, "<Code>EntityTooSmall</Code>"},
		{"bad list", "/box", g.signed("owner", ok, "key", "up/x", "acl", "public"), "file", 400, "<Code>InvalidArgument</Code>"},
		{"no key", "/box", g.signed("owner", ok), "file", 400, "Bucket POST must contain a field named &#39;key&#39;"},
		{"signature", "/box", replace(g.signed("owner", ok, "key", "up/x"), "x-amz-signature", "00"), "file", 403, "<Code>SignatureDoesNotMatch</Code>"},
		{"no bucket", "/none", g.signed("owner", strings.Replace(ok, "box", "none", 1), "key", "up/x"), "file", 404, "<Code>NoSuchBucket</Code>"},
	}
	for _, tt := range tests {
		rec := g.post(tt.target, tt.file, tt.fields...)
		body := strings.NewReplacer("'", "&#39;", `"`, "&#34;").Replace(strings.NewReplacer("&#39;", "'", "&#34;", `"`, "&apos;", "'", "&quot;", `"`).Replace(rec.Body.String()))
		if rec.Code != tt.status || !strings.Contains(body, tt.want) {
			t.Errorf("%s: %d %s", tt.name, rec.Code, rec.Body)
		}
		if tt.status < 300 && rec.Header().Get("Access-Control-Allow-Origin") == "" {
			t.Errorf("%s: the page may not read the answer", tt.name)
		}
	}
	g.want(200, "file", request{who: "owner", method: "GET", target: "/box/up/f.txt"})
	rec := httptest.NewRecorder()
	g.h.ServeHTTP(rec, g.http(request{who: "owner", method: "HEAD", target: "/box/up/f.txt"}))
	if h := rec.Header(); h.Get("Content-Type") != "text/plain" || h.Get("X-Amz-Meta-A") != "b" && h["x-amz-meta-a"] == nil {
		t.Errorf("headers: %v", h)
	}
	for _, key := range []string{"large", "small", "x", "ann", "nobody"} {
		g.want(404, "", request{who: "owner", method: "HEAD", target: "/box/up/" + key})
	}

	late := g.signed("owner", ok, "key", "up/late")
	g.w.clock.Advance(2 * time.Minute)
	if rec := g.post("/box", "file", late...); rec.Code != 403 || !strings.Contains(rec.Body.String(), "Invalid according to Policy: Policy expired.") {
		t.Errorf("late: %d %s", rec.Code, rec.Body)
	}
}

func replace(fields []string, name, value string) []string {
	for i := 0; i < len(fields); i += 2 {
		if fields[i] == name {
			fields[i+1] = value
		}
	}
	return fields
}

// Conditions of a policy see a form's fields as they see headers.
func TestPostConditions(t *testing.T) {
	g := newGate(t)
	g.open("box", grant.Writer)
	g.want(204, "", request{who: "owner", method: "PUT", target: "/box?policy", body: `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Principal":"*","Action":"s3:PutObject","Resource":"arn:aws:s3:::box/open/*"},
		{"Effect":"Deny","Principal":"*","Action":"s3:PutObject","Resource":"arn:aws:s3:::box/*","Condition":{"StringEquals":{"s3:x-amz-storage-class":"GLACIER"}}},
		{"Effect":"Deny","Principal":"*","Action":"s3:PutObject","Resource":"arn:aws:s3:::box/noforms/*","Condition":{"StringEquals":{"s3:authType":"POST"}}}]}`})
	for _, tt := range []struct {
		fields []string
		status int
	}{
		{[]string{"key", "open/a"}, 204},
		{[]string{"key", "shut/a"}, 403},
		{[]string{"key", "open/a", "x-amz-storage-class", "GLACIER"}, 403},
		{g.signed("owner", `{"bucket":"box"},["starts-with","$key",""]`, "key", "noforms/a"), 403},
		{g.signed("owner", `{"bucket":"box"},["starts-with","$key",""]`, "key", "other/a"), 204},
	} {
		if rec := g.post("/box", "file", tt.fields...); rec.Code != tt.status {
			t.Errorf("%v: %d %s", tt.fields[:2], rec.Code, rec.Body)
		}
	}
	g.want(200, "", request{who: "owner", method: "PUT", target: "/box/noforms/a", body: "x"})
}
