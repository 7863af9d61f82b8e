package gateway

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"moln.dev/moln/aws/sigv4"
)

// TestRouting finds the service by what a request shows of it.
func TestRouting(t *testing.T) {
	h := newHarness(t)
	for _, tt := range []struct {
		name              string
		method, url, host string
		signedFor, target string
		want              string // service; "": none
	}{
		{name: "target", method: "POST", url: "/", target: "Json_2020.Echo", want: "json"},
		{name: "target of nobody, unsigned", method: "POST", url: "/", target: "Other_1.Echo", want: "s3"},
		{name: "scope", method: "POST", url: "/", signedFor: "query", want: "query"},
		{name: "scope before host", method: "POST", url: "/", signedFor: "query", host: "s3.amazonaws.com", want: "query"},
		{name: "scope of nobody", method: "POST", url: "/", signedFor: "ec2", want: ""},
		{name: "host", method: "GET", url: "/", host: "query.us-east-1.amazonaws.com", want: "query"},
		{name: "host without region", method: "GET", url: "/", host: "query.amazonaws.com", want: "query"},
		{name: "host in capitals, with port", method: "GET", url: "/", host: "QUERY.us-east-1.AMAZONAWS.com:443", want: "query"},
		{name: "host of China", method: "GET", url: "/", host: "json.cn-north-1.amazonaws.com.cn", want: "json"},
		{name: "host below localhost", method: "GET", url: "/", host: "json.localhost:4566", want: "json"},
		{name: "host, not ours", method: "GET", url: "/", host: "json.example.com", want: "s3"},
		{name: "query version", method: "GET", url: "/?Action=Echo&Version=2020-01-01-query", want: "query"},
		{name: "path", method: "POST", url: "/2020/Echo/x", want: "restjson"},
		{name: "path of a bucket", method: "GET", url: "/2020", want: "s3"},
		{name: "path in a bucket's host", method: "POST", url: "/2020/Echo/x", host: "b.s3.amazonaws.com", want: "s3"},
		{name: "bucket host", method: "GET", url: "/k", host: "b.s3.eu-west-1.amazonaws.com", want: "s3"},
		{name: "bucket with dots", method: "GET", url: "/k", host: "a.b.s3.amazonaws.com", want: "s3"},
		{name: "bucket below localhost", method: "GET", url: "/k", host: "b.s3.localhost:4566", want: "s3"},
		{name: "S3 last", method: "GET", url: "/anything", want: "s3"},
	} {
		r := httptest.NewRequest(tt.method, "http://127.0.0.1:4566"+tt.url, nil)
		if tt.host != "" {
			r.Host = tt.host
		}
		if tt.target != "" {
			r.Header.Set("X-Amz-Target", tt.target)
		}
		if tt.signedFor != "" {
			h.sign(r, "ROOT", tt.signedFor)
		}
		h.serve(r)
		if got := h.last().Service; got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestBucketOfHost(t *testing.T) {
	for name, want := range map[string]string{
		"b.s3": "b", "b.s3.eu-west-1": "b", "b.s3-eu-west-1": "b", "b.s3.dualstack.eu-west-1": "b", "a.b.s3": "a.b",
		"my.s3bucket.s3": "my.s3bucket", "s3": "", "s3.eu-west-1": "", ".s3": "", "b.s3-website-eu-west-1": "", "b.s3website": "", "b": "", "": "",
	} {
		if got, ok := bucketOfHost(name); got != want || ok != (want != "") {
			t.Errorf("%q: %q, %v; want %q", name, got, ok, want)
		}
	}
}

// TestVirtualHosts: the bucket in the host name ends up in the input.
func TestVirtualHosts(t *testing.T) {
	h := newHarness(t)
	for host, bucket := range map[string]string{
		"b1.s3.amazonaws.com": "b1", "b2.s3.eu-west-1.amazonaws.com": "b2", "b.3.s3.localhost:4566": "b.3", "s3.localhost:4566": "p",
	} {
		path := "/dir/key%20one"
		if bucket == "p" {
			path = "/p" + path
		}
		r := httptest.NewRequest("PUT", "http://127.0.0.1:4566"+path, strings.NewReader("body"))
		r.Host = host
		if w := h.serve(h.sign(r, "ROOT", "s3")); w.Code != 200 || h.f.stored[bucket+"/dir/key one"] != "body" {
			t.Errorf("%s: %d %s, stored %v", host, w.Code, w.Body, h.f.stored)
		}
	}
}

func TestAnonymousRegion(t *testing.T) {
	h := newHarness(t)
	for host, want := range map[string]string{
		"json.ap-southeast-2.amazonaws.com": "ap-southeast-2", "json.amazonaws.com": "us-east-1", "127.0.0.1:4566": "us-east-1", "json.eu-west-1.localhost": "eu-west-1",
	} {
		r := request("json", "Open", "x")
		r.Host = host
		h.serve(r)
		if got := h.last().Region; got != want {
			t.Errorf("%s: %s, want %s", host, got, want)
		}
	}
}

// TestUnknownServices: clients of services that are not here can read why.
func TestUnknownServices(t *testing.T) {
	h := newHarness(t)
	for _, tt := range []struct{ header, value, contentType, part string }{
		{"X-Amz-Target", "Rekognition.Detect", "application/x-amz-json-1.1", `"__type":"UnknownService"`},
		{"Content-Type", "application/x-www-form-urlencoded; charset=utf-8", "text/xml", "<ErrorResponse"},
		{"Content-Type", "application/json", "application/json", `moln has no service \"rekognition\".`},
		{"Accept", "*/*", "application/xml", "<Code>UnknownService</Code>"},
	} {
		r := httptest.NewRequest("POST", "http://127.0.0.1:4566/", strings.NewReader("x"))
		r.Header.Set(tt.header, tt.value)
		w := h.serve(h.sign(r, "ROOT", "rekognition"))
		if w.Code != 404 || !strings.HasPrefix(w.Header().Get("Content-Type"), tt.contentType) || !strings.Contains(w.Body.String(), tt.part) {
			t.Errorf("%s: %d %s %s", tt.value, w.Code, w.Header().Get("Content-Type"), w.Body)
		}
	}
}

func TestFormValue(t *testing.T) {
	for body, want := range map[string]string{
		"Action=Echo&X=1": "Echo", "X=1&Action=Ec%68o": "Echo", "XAction=Echo": "", "": "", "Action": "", "&&Action=A": "A", "Action=%zz": "",
	} {
		if got := formValue([]byte(body), "Action"); got != want {
			t.Errorf("%q: %q, want %q", body, got, want)
		}
	}
}

// FuzzServeHTTP feeds the whole gateway what strangers may send. Nothing may
// break it: no panic, no InternalFailure, always a record.
func FuzzServeHTTP(f *testing.F) {
	f.Add("POST", "/", "127.0.0.1:4566", "Json_2020.Echo", "application/x-amz-json-1.1", `{"Message":"x"}`, "json")
	f.Add("POST", "/2020/Echo/x", "restjson.amazonaws.com", "", "application/json", "", "restjson")
	f.Add("POST", "/?Action=Echo", "query.localhost", "", "application/x-www-form-urlencoded", "Action=Echo&Version=2020-01-01-query&Message=x", "query")
	f.Add("PUT", "/bucket/key", "b.s3.amazonaws.com", "", "", "body", "s3")
	f.Add("OPTIONS", "/%2e%2e/", "[::1]:1", "x", "", "\x00\xff", "")
	f.Add("GET", "/?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a/b/c/d/e", "", "", "", "", "")
	f.Fuzz(func(t *testing.T, method, target, host, amzTarget, contentType, body, signFor string) {
		r, err := http.NewRequest(method, "http://127.0.0.1:4566"+target, strings.NewReader(body))
		if err != nil {
			return // net/http refuses it before a handler
		}
		r.Host, r.RemoteAddr, r.RequestURI = host, "127.0.0.1:1", target
		r.Header.Set("X-Amz-Target", amzTarget)
		r.Header.Set("Content-Type", contentType)
		if strings.HasPrefix(contentType, "AWS4") {
			r.Header.Set("Authorization", contentType)
		}
		h := newHarness(t)
		if signFor != "" {
			sigv4.Sign(r, sigv4.Credentials{AccessKeyID: "ROOT", SecretAccessKey: "secret"}, "eu-west-1", signFor, hashOf(r), h.clk.Now())
		}
		w := h.serve(r)
		rec := h.last()
		// Panic and Break fail by design.
		if w.Code >= 500 && w.Code != 501 && rec.Operation != "Panic" && rec.Operation != "Break" {
			t.Errorf("%d %s: %s", w.Code, w.Body, h.log.String())
		}
		if rec.Status != w.Code {
			t.Errorf("record of %d says %d", w.Code, rec.Status)
		}
	})
}

// BenchmarkServe is one signed request through everything.
func BenchmarkServe(b *testing.B) {
	h := newHarness(b)
	r := h.sign(request("query", "Echo", "hello"), "ROOT", "query")
	body := "Action=Echo&Version=2020-01-01-query&Message=hello"
	b.ReportAllocs()
	for b.Loop() {
		h.f.calls = h.f.calls[:0]
		r.Body = io.NopCloser(strings.NewReader(body))
		w := httptest.NewRecorder()
		h.g.ServeHTTP(w, r)
		if w.Code != 200 {
			b.Fatal(w.Body)
		}
	}
}
