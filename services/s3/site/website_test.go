package site

import "testing"

func TestBucketOfHost(t *testing.T) {
	s := New(nil, nil, []string{"example.com"})
	for host, want := range map[string]string{
		"example.com": "example.com", "www.example.com": "www.example.com", "a.b.example.com": "a.b.example.com",
		"notexample.com": "", "example.com.evil.org": "", "example.org": "", "127.0.0.1": "",
		"docs.s3-website.localhost": "docs", "docs.s3-website-us-east-1.amazonaws.com": "docs",
	} {
		if got, ok := s.bucketOfHost(host); got != want || ok != (want != "") {
			t.Errorf("%s: %q, %v, want %q", host, got, ok, want)
		}
	}
	if _, ok := New(nil, nil, nil).bucketOfHost("www.example.com"); ok {
		t.Error("a host is a bucket though no domain was given")
	}
}
