package s3

import (
	"testing"
)

func TestCopySource(t *testing.T) {
	for header, want := range map[string]source{
		"/box/k": {bucket: "box", key: "k"}, "box/a%20b/c": {bucket: "box", key: "a b/c"}, "box/k?versionId=v1": {bucket: "box", key: "k", version: new("v1")}, "box/a+b": {bucket: "box", key: "a+b"},
	} {
		got, err := parseSource(header)
		if err != nil || got.bucket != want.bucket || got.key != want.key || (got.version == nil) != (want.version == nil) {
			t.Errorf("%s: %+v, %v", header, got, err)
		}
	}
	for _, header := range []string{"", "b", "box/", "/", "box/%zz"} {
		if got, err := parseSource(header); err == nil {
			t.Errorf("%q: %+v", header, got)
		}
	}
}

func FuzzParseSource(f *testing.F) {
	f.Add("box/k?versionId=v")
	f.Fuzz(func(t *testing.T, header string) {
		if s, err := parseSource(header); err == nil && (s.bucket == "" || s.key == "") {
			t.Errorf("%q: %+v", header, s)
		}
	})
}
