package checks

import (
	"bytes"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"moln.dev/moln/api/apigateway"
	"moln.dev/moln/api/apigatewayv2"
	"moln.dev/moln/api/lambda"
	"moln.dev/moln/api/s3"
	"moln.dev/moln/api/s3control"
	"moln.dev/moln/api/scheduler"
	"moln.dev/moln/api/sesv2"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/wire/route"
)

// restServices are the services whose operations have URIs.
func restServices() []*smithy.Service {
	return []*smithy.Service{&apigateway.Schema, &apigatewayv2.Schema, &lambda.Schema, &s3.Schema, &s3control.Schema, &scheduler.Schema, &sesv2.Schema}
}

// shadowed are the operations that no request can tell apart from another one:
// by operation, the one that such a request means.
func shadowed() map[string]string {
	return map[string]string{
		"s3.GetBucketLifecycle":    "GetBucketLifecycleConfiguration",
		"s3.PutBucketLifecycle":    "PutBucketLifecycleConfiguration",
		"s3.GetBucketNotification": "GetBucketNotificationConfiguration",
		"s3.PutBucketNotification": "PutBucketNotificationConfiguration",
		"s3.ListDirectoryBuckets":  "ListBuckets",
	}
}

// TestRESTServicesAreAllRouted wants every service with URIs in the list above.
func TestRESTServicesAreAllRouted(t *testing.T) {
	listed := map[string]bool{}
	for _, svc := range restServices() {
		listed[svc.Name] = true
	}
	files, err := filepath.Glob("../api/*/schema.gen.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no schema tables under api: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(filepath.Dir(file))
		if rest := bytes.Contains(text, []byte("smithy.RESTJSON1")) || bytes.Contains(text, []byte("smithy.RESTXML")); rest && !listed[name] {
			t.Errorf("api/%s has URIs and is not in restServices", name)
		}
	}
}

// TestEveryOperationRoutesToItself fills each operation's own URI with sample
// values and required parameters.
func TestEveryOperationRoutesToItself(t *testing.T) {
	for _, svc := range restServices() {
		r := route.New(svc)
		for i := range svc.Operations {
			op := &svc.Operations[i]
			want := op.Name
			if other, ok := shadowed()[svc.Name+"."+op.Name]; ok {
				want = other
			}
			path, query, header, labels := sample(svc, op)
			got, gotLabels, ok := r.Match(op.Method, path, query, header)
			if !ok || got.Name != want {
				t.Errorf("%s: %s %s?%s means %v, want %s", svc.Name, op.Method, path, query.Encode(), got, want)
				continue
			}
			for name, value := range labels {
				if gotLabels[name] != value {
					t.Errorf("%s.%s: label %s is %q, want %q", svc.Name, op.Name, name, gotLabels[name], value)
				}
			}
			query.Set("x-id", op.Name)
			if got, _, _ := r.Match(op.Method, path, query, header); want != op.Name && !op.Deprecated && got.Name != op.Name {
				t.Errorf("%s.%s: with x-id, the request means %s", svc.Name, op.Name, got.Name)
			}
		}
	}
}

// sample makes a request for an operation: its URI, the labels filled, and the
// required members of the query and the headers.
func sample(svc *smithy.Service, op *smithy.Operation) (path string, query url.Values, header http.Header, labels map[string]string) {
	path, rawQuery, _ := strings.Cut(op.URI, "?")
	query, _ = url.ParseQuery(rawQuery)
	header, labels = http.Header{}, map[string]string{}
	in := svc.Shape(op.Input)
	for i := range in.Members {
		m := &in.Members[i]
		switch {
		case m.Location == smithy.InLabel:
			if greedy := "{" + m.WireName + "+}"; strings.Contains(path, greedy) {
				labels[m.WireName] = "a b/../c//d%2F"
				path = strings.Replace(path, greedy, "a%20b/../c//d%252F", 1)
				continue
			}
			labels[m.WireName] = "arn:aws:x/y+z"
			path = strings.Replace(path, "{"+m.WireName+"}", "arn:aws:x%2Fy+z", 1)
		case m.Location == smithy.InQuery && m.Has(smithy.Required):
			query.Set(m.WireName, "1")
		case m.Location == smithy.InHeader && m.Has(smithy.Required):
			header.Set(m.WireName, "1")
		}
	}
	return path, query, header, labels
}
