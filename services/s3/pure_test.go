package s3

import (
	"testing"
)

func TestCopySource(t *testing.T) {
	for header, want := range map[string]source{
		"/b/k": {bucket: "b", key: "k"}, "b/a%20b/c": {bucket: "b", key: "a b/c"}, "b/k?versionId=v1": {bucket: "b", key: "k", version: new("v1")}, "b/a+b": {bucket: "b", key: "a+b"},
	} {
		got, err := parseSource(header)
		if err != nil || got.bucket != want.bucket || got.key != want.key || (got.version == nil) != (want.version == nil) {
			t.Errorf("%s: %+v, %v", header, got, err)
		}
	}
	for _, header := range []string{"", "b", "b/", "/", "b/%zz"} {
		if got, err := parseSource(header); err == nil {
			t.Errorf("%q: %+v", header, got)
		}
	}
}

func FuzzParseSource(f *testing.F) {
	f.Add("b/k?versionId=v")
	f.Fuzz(func(t *testing.T, header string) {
		if s, err := parseSource(header); err == nil && (s.bucket == "" || s.key == "") {
			t.Errorf("%q: %+v", header, s)
		}
	})
}
