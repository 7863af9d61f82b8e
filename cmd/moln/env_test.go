package main

import (
	"os"
	"testing"
)

func TestAuthorityName(t *testing.T) {
	for _, c := range []struct{ endpoint, want string }{
		{"http://127.0.0.1:4566", "ca-127.0.0.1-4566.pem"},
		{"http://127.0.0.1:4567/", "ca-127.0.0.1-4567.pem"},
		{"https://moln.example.com", "ca-moln.example.com.pem"},
		{"http://[::1]:4566", "ca---1-4566.pem"},
		{"../../elsewhere", "ca-..%2F..%2Felsewhere.pem"},
	} {
		if got := authorityName(c.endpoint); got != c.want {
			t.Errorf("%s: %s, want %s", c.endpoint, got, c.want)
		}
	}
}

func TestAuthoritiesOfTwoServersStay(t *testing.T) {
	dir := t.TempDir()
	first, err := writeAuthority(dir, authorityName("http://127.0.0.1:1"), []byte("one"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := writeAuthority(dir, authorityName("http://127.0.0.1:2"), []byte("two")); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(first)
	if err != nil || string(got) != "one" {
		t.Errorf("the first moln's file holds %q, %v", got, err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 2 {
		t.Errorf("%d files, %v", len(left), err)
	}
}
