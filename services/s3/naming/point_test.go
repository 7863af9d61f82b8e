package naming

import (
	"strings"
	"testing"
)

func TestParsePoint(t *testing.T) {
	p := Point{"us-east-1", "111122223333", "docs"}
	tests := []struct {
		text, key string
		ok        bool
	}{
		{p.ARN(), "", true},
		{strings.Replace(p.ARN(), "accesspoint/", "accesspoint:", 1), "", true},
		{p.ObjectARN("a/b"), "a/b", true},
		{p.ARN() + "/object/", "", false},
		{p.ARN() + "/other", "", false},
		{"arn:aws:s3:::bucket", "", false},
		{"arn:aws:s3:us-east-1:111122223333:accesspoint", "", false},
		{"arn:aws:s3:us-east-1:111122223333:accesspoint/No", "", false},
		{"arn:aws:sqs:us-east-1:111122223333:accesspoint/docs", "", false},
		{"docs", "", false},
	}
	for _, tt := range tests {
		got, key, ok := ParsePoint(tt.text)
		if ok != tt.ok || key != tt.key || ok && got != p {
			t.Errorf("%s: %v %q %v", tt.text, got, key, ok)
		}
	}
}

func TestCheckPoint(t *testing.T) {
	for name, ok := range map[string]bool{
		"abc": true, "a-1": true, strings.Repeat("a", 50): true, strings.Repeat("a", 51): false, "ab": false, "-abc": false, "abc-": false,
		"a.b": false, "Abc": false, "x-s3alias": false, "": false,
	} {
		if (CheckPoint(name) == nil) != ok {
			t.Errorf("%q", name)
		}
	}
	long := Point{Name: strings.Repeat("a", 19) + "-" + strings.Repeat("b", 30)}
	if alias := long.Alias(strings.Repeat("r", AliasRandom)); len(alias) > BucketMax || strings.Contains(alias, "--") || ValidBucket(alias) {
		t.Errorf("alias %s", alias)
	}
}
