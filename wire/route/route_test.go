package route_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/wire/route"
)

// s3like is a service with the ambiguities of S3.
func s3like() *smithy.Service {
	query := func(names ...string) (ms []smithy.Member) {
		for _, n := range names {
			ms = append(ms, smithy.Member{Name: n, WireName: n, Location: smithy.InQuery, Flags: smithy.Required})
		}
		return ms
	}
	source := smithy.Member{Name: "CopySource", WireName: "x-amz-copy-source", Location: smithy.InHeader, Flags: smithy.Required}
	ops := []struct {
		name, method, uri string
		members           []smithy.Member
	}{
		{"AbortMultipartUpload", "DELETE", "/{Bucket}/{Key+}", query("uploadId")},
		{"CopyObject", "PUT", "/{Bucket}/{Key+}", []smithy.Member{source}},
		{"CreateBucket", "PUT", "/{Bucket}", nil},
		{"DeleteObject", "DELETE", "/{Bucket}/{Key+}", nil},
		{"GetAnalytics", "GET", "/{Bucket}?analytics", query("id")},
		{"GetLifecycle", "GET", "/{Bucket}?lifecycle", nil},
		{"GetLifecycleConfiguration", "GET", "/{Bucket}?lifecycle", nil},
		{"GetObject", "GET", "/{Bucket}/{Key+}", nil},
		{"ListAnalytics", "GET", "/{Bucket}?analytics", nil},
		{"ListBuckets", "GET", "/", nil},
		{"ListDirectoryBuckets", "GET", "/", nil},
		{"ListObjects", "GET", "/{Bucket}", nil},
		{"ListObjectsV2", "GET", "/{Bucket}?list-type=2", nil},
		{"ListParts", "GET", "/{Bucket}/{Key+}", query("uploadId")},
		{"PutObject", "PUT", "/{Bucket}/{Key+}", nil},
		{"PutVersioning", "PUT", "/{Bucket}?versioning", nil},
		{"Select", "POST", "/{Bucket}/{Key+}?select&select-type=2", nil},
		{"UploadPart", "PUT", "/{Bucket}/{Key+}", query("partNumber", "uploadId")},
		{"UploadPartCopy", "PUT", "/{Bucket}/{Key+}", append(query("partNumber", "uploadId"), source)},
		{"Untag", "DELETE", "/2017/tags/{ARN}", query("tagKeys")},
		{"Untag2", "DELETE", "/2018/tags/{ARN}", query("tagKeys")},
		{"Mid", "POST", "/mid/{Any+}/end", nil},
		{"Slash", "POST", "/2015/functions/", nil},
	}
	svc := &smithy.Service{Name: "s3like"}
	for i, o := range ops {
		svc.Shapes = append(svc.Shapes, smithy.Shape{Name: o.name + "Input", Kind: smithy.KindStructure, Members: o.members, Payload: -1})
		svc.Operations = append(svc.Operations, smithy.Operation{
			Name: o.name, Method: o.method, URI: o.uri, Input: smithy.ShapeID(i), Deprecated: o.name == "GetLifecycle",
		})
	}
	return svc
}

func TestMatch(t *testing.T) {
	r := route.New(s3like())
	copying := http.Header{"X-Amz-Copy-Source": {"/a/b"}}
	tests := []struct {
		method, uri string
		header      http.Header
		op          string // "" for none
		labels      map[string]string
	}{
		{"GET", "/", nil, "ListBuckets", nil},
		{"GET", "", nil, "ListBuckets", nil},
		{"GET", "/?x-id=ListDirectoryBuckets", nil, "ListDirectoryBuckets", nil},
		{"GET", "/?x-id=GetObject", nil, "ListBuckets", nil},
		{"GET", "/b", nil, "ListObjects", map[string]string{"Bucket": "b"}},
		{"GET", "/b/", nil, "ListObjects", map[string]string{"Bucket": "b"}},
		{"GET", "/b?list-type=2&prefix=x", nil, "ListObjectsV2", nil},
		{"GET", "/b?list-type=1", nil, "ListObjects", nil},
		{"GET", "/b?list-type=2&x-id=ListObjects", nil, "ListObjectsV2", nil},
		{"GET", "/b?lifecycle", nil, "GetLifecycleConfiguration", nil},
		{"GET", "/b?lifecycle=", nil, "GetLifecycleConfiguration", nil},
		{"GET", "/b?analytics", nil, "ListAnalytics", nil},
		{"GET", "/b?analytics&id=1", nil, "GetAnalytics", nil},
		{"GET", "/b/k", nil, "GetObject", map[string]string{"Bucket": "b", "Key": "k"}},
		{"GET", "/b//k", nil, "GetObject", map[string]string{"Key": "/k"}},
		{"GET", "/b/k/", nil, "GetObject", map[string]string{"Key": "k/"}},
		{"GET", "/b/..//./a%2Fb%252F+%E2%82%AC", nil, "GetObject", map[string]string{"Key": "..//./a/b%2F+€"}},
		{"GET", "/b/100%", nil, "GetObject", map[string]string{"Key": "100%"}},
		{"GET", "/b/k?uploadId=1", nil, "ListParts", nil},
		{"GET", "//k", nil, "", nil},
		{"PUT", "/b", nil, "CreateBucket", nil},
		{"PUT", "/b?versioning", nil, "PutVersioning", nil},
		{"PUT", "/b/k", nil, "PutObject", nil},
		{"PUT", "/b/k?partNumber=1", nil, "PutObject", nil},
		{"PUT", "/b/k?partNumber=1&uploadId=2", nil, "UploadPart", nil},
		{"PUT", "/b/k", copying, "CopyObject", nil},
		{"PUT", "/b/k?partNumber=1&uploadId=2", copying, "UploadPartCopy", nil},
		{"DELETE", "/b/k", nil, "DeleteObject", nil},
		{"DELETE", "/b/k?uploadId=2", nil, "AbortMultipartUpload", nil},
		{"POST", "/b/k?select", nil, "", nil},
		{"POST", "/b/k?select&select-type=2", nil, "Select", nil},
		{"DELETE", "/2017/tags/arn%3Aaws%3Alambda?tagKeys=a", nil, "Untag", map[string]string{"ARN": "arn:aws:lambda"}},
		{"POST", "/mid/a/b/end", nil, "Mid", map[string]string{"Any": "a/b"}},
		{"POST", "/mid/end", nil, "", nil},
		{"POST", "/2015/functions", nil, "Slash", nil},
		{"POST", "/2015/functions/", nil, "Slash", nil},
		{"POST", "/2015/%66unctions/", nil, "Slash", nil},
		{"PATCH", "/b", nil, "", nil},
		{"GET", "b", nil, "", nil},
	}
	for _, tt := range tests {
		path, rawQuery, _ := strings.Cut(tt.uri, "?")
		query, err := url.ParseQuery(rawQuery)
		if err != nil {
			t.Fatal(err)
		}
		op, labels, ok := r.Match(tt.method, path, query, tt.header)
		got := ""
		if ok {
			got = op.Name
		}
		if got != tt.op {
			t.Errorf("%s %s means %q, want %q", tt.method, tt.uri, got, tt.op)
		}
		for name, want := range tt.labels {
			if labels[name] != want {
				t.Errorf("%s %s: %s is %q, want %q", tt.method, tt.uri, name, labels[name], want)
			}
		}
	}
}

// TestMatchWithoutRequiredMembers wants the operation, so that the constraint
// check can name what is missing.
func TestMatchWithoutRequiredMembers(t *testing.T) {
	svc := &smithy.Service{
		Shapes: []smithy.Shape{{Kind: smithy.KindStructure, Members: []smithy.Member{
			{WireName: "a", Location: smithy.InQuery, Flags: smithy.Required},
			{WireName: "b", Location: smithy.InQuery, Flags: smithy.Required},
		}}, {Kind: smithy.KindStructure, Members: []smithy.Member{
			{WireName: "a", Location: smithy.InQuery, Flags: smithy.Required},
		}}},
		Operations: []smithy.Operation{{Name: "Two", Method: "GET", URI: "/x", Input: 0}, {Name: "One", Method: "GET", URI: "/x", Input: 1}},
	}
	op, _, ok := route.New(svc).Match("GET", "/x", url.Values{}, nil)
	if !ok || op.Name != "One" {
		t.Errorf("means %v, want One", op)
	}
}

// FuzzMatch wants no panic, and no label with an empty value.
func FuzzMatch(f *testing.F) {
	f.Add("GET", "/b/..//%2F", "uploadId=1")
	f.Add("POST", "/mid///end", "select&select-type=2")
	r := route.New(s3like())
	f.Fuzz(func(t *testing.T, method, path, rawQuery string) {
		query, _ := url.ParseQuery(rawQuery)
		op, labels, ok := r.Match(method, path, query, http.Header{})
		if ok != (op != nil) {
			t.Fatal("an operation without a match")
		}
		for name, value := range labels {
			if value == "" {
				t.Errorf("%s: label %s is empty", path, name)
			}
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	r := route.New(s3like())
	query := url.Values{"partNumber": {"1"}, "uploadId": {"2"}}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, ok := r.Match("PUT", "/bucket/some/key", query, http.Header{}); !ok {
			b.Fatal("no match")
		}
	}
}
