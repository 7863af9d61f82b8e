package s3

import (
	"encoding/base64"
	"hash/crc32"
	"strings"
	"testing"
	"time"

	api "moln.dev/moln/api/s3"
)

func TestBucketNames(t *testing.T) {
	for name, want := range map[string]bool{
		"abc": true, "a-b.c1": true, "ab": false, "Abc": false, "-abc": false, "abc-": false, "a..b": false, "192.168.1.1": false,
		"xn--abc": false, "abc-s3alias": false, strings.Repeat("a", 63): true, strings.Repeat("a", 64): false, "a_b": false,
	} {
		if got := validBucketName(name); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestRanges(t *testing.T) {
	for _, tt := range []struct {
		header string
		size   int64
		want   span
		code   string
	}{
		{"", 10, span{0, 10, false}, ""},
		{"bytes=0-0", 10, span{0, 1, true}, ""},
		{"bytes=2-", 10, span{2, 8, true}, ""},
		{"bytes=2-99", 10, span{2, 8, true}, ""},
		{"bytes=-3", 10, span{7, 3, true}, ""},
		{"bytes=-99", 10, span{0, 10, true}, ""},
		{"bytes=-0", 10, span{0, 10, false}, "InvalidRange"},
		{"bytes=10-", 10, span{0, 10, false}, "InvalidRange"},
		{"bytes=0-", 0, span{0, 0, false}, "InvalidRange"},
		{"bytes=5-2", 10, span{0, 10, false}, ""},
		{"bytes=1-2,4-5", 10, span{0, 10, false}, ""},
		{"lines=1-2", 10, span{0, 10, false}, ""},
	} {
		got, err := parseRange(tt.header, tt.size)
		if got != tt.want || (tt.code == "") != (err == nil) || (err != nil && code(err) != tt.code) {
			t.Errorf("%q of %d: %+v, %v", tt.header, tt.size, got, err)
		}
	}
}

func FuzzParseRange(f *testing.F) {
	f.Add("bytes=1-2", int64(10))
	f.Fuzz(func(t *testing.T, header string, size int64) {
		if size < 0 {
			return
		}
		at, err := parseRange(header, size)
		if err == nil && (at.offset < 0 || at.length < 0 || at.offset > size-at.length) {
			t.Errorf("%q of %d: %+v", header, size, at)
		}
	})
}

func TestReadConditions(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	o := &object{ETag: "tag", Modified: now}
	before, after := now.Add(-time.Hour), now.Add(time.Hour)
	for i, tt := range []struct {
		c    conditions
		want outcome
	}{
		{conditions{}, proceed},
		{conditions{match: `"tag"`, unmodified: &before}, proceed},
		{conditions{match: `"x", "tag"`}, proceed},
		{conditions{match: `"x"`}, failed},
		{conditions{unmodified: &before}, failed},
		{conditions{noneMatch: `W/"tag"`, modifiedSince: &before}, notModified},
		{conditions{noneMatch: `"x"`, modifiedSince: &after}, proceed},
		{conditions{modifiedSince: &now}, notModified},
		{conditions{noneMatch: "*"}, notModified},
	} {
		if got := tt.c.judge(o); got != tt.want {
			t.Errorf("%d: %v, want %v", i, got, tt.want)
		}
	}
}

func TestPublicPolicies(t *testing.T) {
	for _, tt := range []struct {
		statement string
		want      bool
	}{
		{`{"Effect":"Allow","Principal":"*","Action":"s3:GetObject"}`, true},
		{`{"Effect":"Allow","Principal":{"AWS":"*"}}`, true},
		{`{"Effect":"Allow","Principal":{"AWS":["arn:aws:iam::111122223333:root","*"]}}`, true},
		{`{"Effect":"Deny","Principal":"*"}`, false},
		{`{"Effect":"Allow","Principal":{"AWS":"111122223333"}}`, false},
		{`{"Effect":"Allow","Principal":{"Service":"cloudfront.amazonaws.com"}}`, false},
		{`{"Effect":"Allow","NotPrincipal":{"AWS":"111122223333"}}`, true},
		{`{"Effect":"Allow","Principal":"*","Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}}`, false},
		{`{"Effect":"Allow","Principal":"*","Condition":{"IpAddress":{"aws:SourceIp":["10.0.0.0/8","0.0.0.0/0"]}}}`, true},
		{`{"Effect":"Allow","Principal":"*","Condition":{"NotIpAddress":{"aws:SourceIp":"10.0.0.0/8"}}}`, true},
		{`{"Effect":"Allow","Principal":"*","Condition":{"StringEquals":{"aws:SourceVpce":"vpce-1"}}}`, false},
		{`{"Effect":"Allow","Principal":"*","Condition":{"StringLike":{"aws:SourceVpce":"vpce-*"}}}`, true},
		{`{"Effect":"Allow","Principal":"*","Condition":{"StringNotEquals":{"aws:SourceVpce":"vpce-1"}}}`, true},
		{`{"Effect":"Allow","Principal":"*","Condition":{"StringEqualsIfExists":{"aws:SourceVpce":"vpce-1"}}}`, true},
		{`{"Effect":"Allow","Principal":"*","Condition":{"StringLike":{"aws:Referer":"https://x/*"}}}`, true},
		{`{"Effect":"Allow","Principal":"*","Condition":{"StringLike":{"aws:userid":"AROAX:*"}}}`, false},
		{`[{"Effect":"Deny","Principal":"*"},{"Effect":"Allow","Principal":"*"}]`, true},
		{`"garbage"`, true},
	} {
		if got := isPublic([]byte(`{"Statement":` + tt.statement + `}`)); got != tt.want {
			t.Errorf("%s: %v", tt.statement, got)
		}
	}
}

func FuzzIsPublic(f *testing.F) {
	f.Add([]byte(`{"Statement":{"Effect":"Allow","Principal":"*"}}`))
	f.Fuzz(func(_ *testing.T, doc []byte) {
		isPublic(doc)
		ownResources(doc, "abc")
	})
}

func TestOwnResources(t *testing.T) {
	for resource, want := range map[string]bool{
		"arn:aws:s3:::mine": true, "arn:aws:s3:::mine/*": true, "arn:aws:s3:::mi*": true, "arn:aws:s3:::other/*": false, "arn:aws:s3:::*": true, "*": false, "arn:aws:s3:::mine2": false,
	} {
		if got := ownResources([]byte(`{"Statement":[{"Resource":"`+resource+`"}]}`), "mine"); got != want {
			t.Errorf("%s: %v", resource, got)
		}
	}
}

func TestCORSRules(t *testing.T) {
	rules := []api.CORSRule{
		{AllowedOrigins: []string{"https://*.example.com"}, AllowedMethods: []string{"PUT"}, AllowedHeaders: []string{"x-amz-*", "Content-Type"}},
		{AllowedOrigins: []string{"*"}, AllowedMethods: []string{"GET"}},
	}
	for i, tt := range []struct {
		r    corsRequest
		want int
	}{
		{corsRequest{"https://a.example.com", "PUT", []string{"content-type", "X-Amz-Date"}}, 0},
		{corsRequest{"https://a.example.com", "PUT", []string{"authorization"}}, -1},
		{corsRequest{"https://example.com", "PUT", nil}, -1},
		{corsRequest{"https://example.com", "GET", nil}, 1},
		{corsRequest{"https://example.com", "GET", []string{"x-y"}}, -1},
		{corsRequest{"https://a.example.com", "DELETE", nil}, -1},
	} {
		got := corsRule(rules, tt.r)
		if (tt.want < 0) != (got == nil) || (got != nil && got != &rules[tt.want]) {
			t.Errorf("%d: %+v", i, got)
		}
	}
}

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

func TestCombinedCRC(t *testing.T) {
	parts := []string{"hello ", strings.Repeat("x", 12345), "", "end"}
	var sums []string
	var sizes []int64
	for _, p := range parts {
		v := crc32.ChecksumIEEE([]byte(p))
		sums = append(sums, base64.StdEncoding.EncodeToString([]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)}))
		sizes = append(sizes, int64(len(p)))
	}
	d := newDigester(algCRC32)
	d.w.Write([]byte(strings.Join(parts, "")))
	if got, ok := combinedCRC(algCRC32, sums, sizes); !ok || got != d.sums()[algCRC32] {
		t.Errorf("%s, %v", got, ok)
	}
	if _, ok := combinedCRC(algSHA1, sums, sizes); ok {
		t.Error("a SHA was joined")
	}
}

func TestNotificationConfigurations(t *testing.T) {
	conf := func(event, prefix, suffix string) api.LambdaFunctionConfiguration {
		return api.LambdaFunctionConfiguration{
			LambdaFunctionArn: new("arn:aws:lambda:us-east-1:111122223333:function:f"), Events: []string{event},
			Filter: &api.NotificationConfigurationFilter{Key: &api.S3KeyFilter{FilterRules: []api.FilterRule{{Name: new("prefix"), Value: new(prefix)}, {Name: new("suffix"), Value: new(suffix)}}}},
		}
	}
	for i, tt := range []struct {
		list []api.LambdaFunctionConfiguration
		want string
	}{
		{[]api.LambdaFunctionConfiguration{conf("s3:ObjectCreated:*", "a/", ""), conf("s3:ObjectCreated:Put", "b/", "")}, "<nil>"},
		{[]api.LambdaFunctionConfiguration{conf("s3:ObjectCreated:*", "a/", ""), conf("s3:ObjectCreated:Put", "a/b", "")}, "InvalidArgument"},
		{[]api.LambdaFunctionConfiguration{conf("s3:ObjectCreated:*", "", ".jpg"), conf("s3:ObjectCreated:*", "", ".png")}, "<nil>"},
		{[]api.LambdaFunctionConfiguration{conf("s3:ObjectCreated:*", "", "g"), conf("s3:ObjectCreated:*", "", ".jpg")}, "InvalidArgument"},
		{[]api.LambdaFunctionConfiguration{conf("s3:ObjectCreated:*", "", ""), conf("s3:ObjectRemoved:*", "", "")}, "<nil>"},
		{[]api.LambdaFunctionConfiguration{conf("s3:ReducedRedundancyLostObject", "", "")}, "NotImplemented"},
	} {
		if err := checkNotification(&api.NotificationConfiguration{LambdaFunctionConfigurations: tt.list}, "us-east-1"); code(err) != tt.want {
			t.Errorf("%d: %v", i, err)
		}
	}
}

func TestRoutingRules(t *testing.T) {
	rules := []api.RoutingRule{
		{Condition: &api.Condition{KeyPrefixEquals: new("docs/")}, Redirect: &api.Redirect{ReplaceKeyPrefixWith: new("documents/")}},
		{Condition: &api.Condition{HttpErrorCodeReturnedEquals: new("404"), KeyPrefixEquals: new("x/")}, Redirect: &api.Redirect{HostName: new("h"), ReplaceKeyWith: new("k")}},
	}
	if r := routingRule(rules, "docs/a", 0); r != &rules[0] {
		t.Errorf("%+v", r)
	}
	var to redirection
	if to.of(&rules[0], "docs/a"); to.key != "documents/a" || to.status != 301 {
		t.Errorf("%+v", to)
	}
	if r := routingRule(rules, "x/a", 404); r != &rules[1] || routingRule(rules, "x/a", 403) != nil || routingRule(rules, "x/a", 0) != nil {
		t.Errorf("%+v", r)
	}
}

func TestSequencesDescend(t *testing.T) {
	a, b := "01JD3ZK7Q8ABCDEFGHJKMNPQRS", "01JD3ZK7Q8ABCDEFGHJKMNPQRT"
	if !(descending(a) > descending(b)) || descending(descending(a)) != a || sequencer(a) >= sequencer(b) {
		t.Error("sequences are out of order")
	}
}
