package url

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	api "moln.dev/moln/api/lambda"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/engine/clock"
	"moln.dev/moln/engine/ident"
	"moln.dev/moln/platform/identity"
	"moln.dev/moln/platform/service"
)

func TestEvent(t *testing.T) {
	r := httptest.NewRequest("POST", "http://abc.lambda-url.eu-west-1.localhost:4566/a%20b/c?x=1&y=2&x=3&z&bad=%zz", nil)
	r.Header = http.Header{"Cookie": {"a=1; b=2", "c=3"}, "X-Two": {"p", "q"}, "Content-Type": {"application/json"}, "User-Agent": {"tester"}, "Connection": {"close"}}
	a := &asked{
		http: r, body: []byte(`{"k":"<&>"}`), id: "abc", host: "abc.lambda-url.eu-west-1.localhost", path: "/a%20b/c", sourceIP: "10.0.0.1",
		requestID: "req", traceID: "Root=1-2", now: time.UnixMilli(1583348638390), caller: identity.Anonymous(),
	}
	raw, err := eventOf(a)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"version": "2.0", "routeKey": "$default", "rawPath": "/a%20b/c", "rawQueryString": "x=1&y=2&x=3&z&bad=%zz",
		"cookies": []any{"a=1", "b=2", "c=3"},
		"headers": map[string]any{
			"host": "abc.lambda-url.eu-west-1.localhost:4566", "x-two": "p,q", "content-type": "application/json", "user-agent": "tester",
			"x-forwarded-for": "10.0.0.1", "x-forwarded-proto": "http", "x-forwarded-port": "4566", "x-amzn-trace-id": "Root=1-2",
		},
		"queryStringParameters": map[string]any{"x": "1,3", "y": "2", "z": "", "bad": "%zz"},
		"requestContext": map[string]any{
			"accountId": "anonymous", "apiId": "abc", "domainName": "abc.lambda-url.eu-west-1.localhost", "domainPrefix": "abc",
			"http":      map[string]any{"method": "POST", "path": "/a%20b/c", "protocol": "HTTP/1.1", "sourceIp": "10.0.0.1", "userAgent": "tester"},
			"requestId": "req", "routeKey": "$default", "stage": "$default", "time": "04/Mar/2020:19:03:58 +0000", "timeEpoch": 1583348638390.0,
		},
		"body": `{"k":"<&>"}`, "isBase64Encoded": false,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	a.caller = identity.Principal{AccessKeyID: "AKIA1", Principal: policy.Principal{Kind: policy.User, AccountID: "111122223333", ARN: "arn:aws:iam::111122223333:user/x", UserID: "AIDA1"}}
	a.body, r.Header = nil, http.Header{}
	if raw, err = eventOf(a); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{
		`"authorizer":{"iam":{"accessKey":"AKIA1","accountId":"111122223333","callerId":"AIDA1","cognitoIdentity":null,"principalOrgId":null,"userArn":"arn:aws:iam::111122223333:user/x","userId":"AIDA1"}}`,
		`"requestContext":{"accountId":"111122223333"`, `"isBase64Encoded":false`,
	} {
		if !strings.Contains(string(raw), part) {
			t.Errorf("no %s in %s", part, raw)
		}
	}
	if strings.Contains(string(raw), `"body"`) || strings.Contains(string(raw), `"cookies"`) || strings.Contains(string(raw), "userAgent") {
		t.Errorf("what is not there: %s", raw)
	}
}

func TestIsBinary(t *testing.T) {
	for _, tc := range []struct {
		contentType, body string
		want              bool
	}{
		{"application/json", "{}", false}, {"application/json; charset=utf-8", "{}", false}, {"text/html", "x", false}, {"", "plain", false},
		{"application/vnd.api+json", "{}", false}, {"image/svg+xml", "<a/>", false}, {"application/xml", "<a/>", false}, {"APPLICATION/JSON", "{}", false},
		{"application/x-www-form-urlencoded", "a=b", true}, {"multipart/form-data; boundary=x", "--x", true}, {"application/octet-stream", "x", true},
		{"image/png", "x", true}, {"", "\xff", true}, {"text/plain", "\xff", true}, {"image/png", "", false}, {"nonsense;;", "x", true},
	} {
		if got := isBinary(tc.contentType, []byte(tc.body)); got != tc.want {
			t.Errorf("%q %q: %t", tc.contentType, tc.body, got)
		}
	}
}

func TestAnswer(t *testing.T) {
	json := http.Header{"Content-Type": {"application/json"}}
	for _, tc := range []struct {
		name, payload, contentType string
		status                     int
		header                     http.Header
		body                       string
	}{
		{"string", `"Hello, world!"`, jsonType, 200, json, "Hello, world!"},
		{"object", `{"message": "Hello"}`, jsonType, 200, json, `{"message": "Hello"}`},
		{"null", `null`, jsonType, 200, json, "null"},
		{"number", `5`, jsonType, 200, json, "5"},
		{"array", `[1]`, jsonType, 200, json, "[1]"},
		{"full", `{"statusCode":201,"headers":{"content-type":"text/html","X-N":5,"x-b":true},"body":"<p>","cookies":["a=1; Secure","b=2"]}`, jsonType, 201,
			http.Header{"Content-Type": {"text/html"}, "X-N": {"5"}, "X-B": {"true"}, "Set-Cookie": {"a=1; Secure", "b=2"}}, "<p>"},
		{"default type", `{"statusCode":404,"body":"no"}`, jsonType, 404, json, "no"},
		{"no body", `{"statusCode":204}`, jsonType, 204, json, ""},
		{"null body", `{"statusCode":200,"body":null}`, jsonType, 200, json, ""},
		{"base64", `{"statusCode":200,"body":"AP8=","isBase64Encoded":true}`, jsonType, 200, json, "\x00\xff"},
		{"text status", `{"statusCode":"202"}`, jsonType, 202, json, ""},
		{"own length", `{"statusCode":200,"headers":{"Content-Length":"99","Transfer-Encoding":"x","Date":"d"},"body":"ab"}`, jsonType, 200, http.Header{"Content-Type": {"application/json"}, "X-Amzn-Remapped-Date": {"d"}}, "ab"},
		{"streamed text", `not json`, "text/plain", 200, http.Header{"Content-Type": {"text/plain"}}, "not json"},
		{"streamed metadata", "{\"statusCode\":418,\"headers\":{\"X-A\":\"1\"},\"cookies\":[\"c\"]}\x00\x00\x00\x00\x00\x00\x00\x00rest\x00", integrationType, 418,
			http.Header{"X-A": {"1"}, "Set-Cookie": {"c"}, "Content-Type": {"application/octet-stream"}}, "rest\x00"},
		{"streamed metadata, no status", "{}\x00\x00\x00\x00\x00\x00\x00\x00", integrationType, 200, http.Header{"Content-Type": {"application/octet-stream"}}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a, err := answerOf([]byte(tc.payload), tc.contentType)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.header, a.header); a.status != tc.status || string(a.body) != tc.body || diff != "" {
				t.Errorf("%d %q %s", a.status, a.body, diff)
			}
		})
	}
	for name, payload := range map[string]string{
		"object as body": `{"statusCode":200,"body":{"a":1}}`, "status 42": `{"statusCode":42}`, "status 101": `{"statusCode":101}`, "status 2.5": `{"statusCode":200.5}`, "status text": `{"statusCode":"ok"}`,
		"status null": `{"statusCode":[1]}`, "split header": `{"statusCode":200,"headers":{"a":"b\r\nc: d"}}`, "header name": `{"statusCode":200,"headers":{"a b":"c"}}`,
		"header object": `{"statusCode":200,"headers":{"a":{}}}`, "headers list": `{"statusCode":200,"headers":[]}`, "cookie": `{"statusCode":200,"cookies":["a\nb"]}`,
		"bad base64": `{"statusCode":200,"body":"!","isBase64Encoded":true}`, "not JSON": `nonsense`,
	} {
		if a, err := answerOf([]byte(payload), jsonType); !errors.Is(err, errAnswer) {
			t.Errorf("%s: %+v %v", name, a, err)
		}
	}
}

func TestMetadataInPieces(t *testing.T) {
	whole := "{\"statusCode\":201}" + string(preludeEnd) + "body"
	for name, r := range map[string]io.Reader{"whole": strings.NewReader(whole), "bytes": iotest.OneByteReader(strings.NewReader(whole))} {
		br := bufio.NewReaderSize(r, preludeMax+len(preludeEnd))
		a, err := readMetadata(br)
		rest, _ := io.ReadAll(br)
		if err != nil || a.status != 201 || string(rest) != "body" {
			t.Errorf("%s: %+v %v %q", name, a, err, rest)
		}
	}
	for name, text := range map[string]string{"no end": `{"statusCode":200}`, "nothing": "", "too long": strings.Repeat("x", preludeMax+100), "no JSON": "x" + string(preludeEnd)} {
		if _, err := readMetadata(bufio.NewReaderSize(strings.NewReader(text), preludeMax+len(preludeEnd))); !errors.Is(err, errAnswer) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCors(t *testing.T) {
	some := &api.Cors{
		AllowOrigins: []string{"https://a.example", "http://localhost:60905"}, AllowMethods: []string{"GET", "PUT"}, AllowHeaders: []string{"x-one", "x-two"},
		ExposeHeaders: []string{"x-three"}, MaxAge: new(int32(60)), AllowCredentials: new(true),
	}
	all := &api.Cors{AllowOrigins: []string{"*"}, AllowMethods: []string{"*"}, AllowHeaders: []string{"*"}}
	for _, tc := range []struct {
		name           string
		cors           *api.Cors
		origin, method string
		preflight      http.Header
		shared         http.Header
	}{
		{"allowed", some, "https://a.example", "PUT", http.Header{
			"Vary": {"Origin"}, "Access-Control-Allow-Origin": {"https://a.example"}, "Access-Control-Allow-Credentials": {"true"}, "Access-Control-Allow-Methods": {"GET,PUT"},
			"Access-Control-Allow-Headers": {"x-one,x-two"}, "Access-Control-Max-Age": {"60"},
		}, http.Header{"Vary": {"Origin"}, "Access-Control-Allow-Origin": {"https://a.example"}, "Access-Control-Allow-Credentials": {"true"}, "Access-Control-Expose-Headers": {"x-three"}}},
		{"other origin", some, "https://b.example", "PUT", http.Header{"Vary": {"Origin"}}, http.Header{"Vary": {"Origin"}}},
		{"other method", some, "https://a.example", "DELETE", http.Header{"Vary": {"Origin"}}, nil},
		{"wildcards", all, "https://b.example", "PATCH", http.Header{
			"Vary": {"Origin"}, "Access-Control-Allow-Origin": {"https://b.example"}, "Access-Control-Allow-Methods": {"PATCH"}, "Access-Control-Allow-Headers": {"x-asked"},
		}, http.Header{"Vary": {"Origin"}, "Access-Control-Allow-Origin": {"https://b.example"}}},
	} {
		r := httptest.NewRequest("OPTIONS", "/", nil)
		r.Header = http.Header{"Origin": {tc.origin}, "Access-Control-Request-Method": {tc.method}, "Access-Control-Request-Headers": {"x-asked"}}
		if !isPreflight(r) {
			t.Errorf("%s: no preflight", tc.name)
		}
		h := http.Header{}
		preflight(tc.cors, r, h)
		if diff := cmp.Diff(tc.preflight, h); diff != "" {
			t.Errorf("%s: %s", tc.name, diff)
		}
		h = http.Header{}
		if share(tc.cors, r, h); tc.shared != nil && !cmp.Equal(tc.shared, h) {
			t.Errorf("%s: %s", tc.name, cmp.Diff(tc.shared, h))
		}
	}
	// What the function says stays beside it.
	h := http.Header{"Access-Control-Allow-Origin": {"mine"}}
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Origin", "https://a.example")
	if share(some, r, h); len(h["Access-Control-Allow-Origin"]) != 2 {
		t.Errorf("%v", h)
	}
}

func TestAddress(t *testing.T) {
	for endpoint, want := range map[string]string{
		"http://127.0.0.1:4566":      "http://ID.lambda-url.eu-west-1.localhost:4566/",
		"http://[::1]:4566":          "http://ID.lambda-url.eu-west-1.localhost:4566/",
		"http://localhost:4566":      "http://ID.lambda-url.eu-west-1.localhost:4566/",
		"https://moln.example":       "https://ID.lambda-url.eu-west-1.moln.example/",
		"https://moln.example:8443/": "https://ID.lambda-url.eu-west-1.moln.example:8443/",
	} {
		u := &URLs{deps: service.Deps{Site: service.Site{Endpoint: endpoint, Port: "4566"}}}
		if got := u.address("eu-west-1", "ID"); got != want {
			t.Errorf("%s: %s", endpoint, got)
		}
	}
}

func TestTarget(t *testing.T) {
	id := ident.NewSeeded(1, clock.System()).Of(idAlphabet, idLen)
	for _, tc := range []struct {
		host, path, rest string
		byHost, ok       bool
	}{
		{id + ".lambda-url.us-east-1.on.aws", "/a%20b", "/a%20b", true, true},
		{id + ".lambda-url.us-east-1.localhost", "/", "/", true, true},
		{"localhost", pathPrefix + id + "/a%20b", "/a%20b", false, true},
		{"localhost", pathPrefix + id, "/", false, true},
		{"localhost", pathPrefix + "short/x", "", false, false},
		{"x.lambda-url.us-east-1.on.aws", "/", "", false, false},
		{id + ".execute-api.us-east-1.amazonaws.com", "/", "", false, false},
		{id, "/", "", false, false}, {"localhost", "/", "", false, false},
	} {
		got, rest, byHost, ok := targetOf(tc.host, tc.path)
		if ok != tc.ok || ok && (got != id || rest != tc.rest || byHost != tc.byHost) {
			t.Errorf("%s %s: %s %s %t %t", tc.host, tc.path, got, rest, byHost, ok)
		}
	}
}

func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{`"x"`, `{"statusCode":200,"headers":{"a":"b"},"cookies":["c"],"body":"d"}`, `{"statusCode":"7"}`, "{}\x00\x00\x00\x00\x00\x00\x00\x00x", "", "nope"} {
		f.Add([]byte(seed), "application/json")
		f.Add([]byte(seed), integrationType)
	}
	f.Fuzz(func(t *testing.T, payload []byte, contentType string) {
		a, err := answerOf(payload, contentType)
		if err != nil {
			return
		}
		if a.status < statusMin || a.status > statusMax {
			t.Errorf("status %d", a.status)
		}
		var b bytes.Buffer
		if err := a.header.Write(&b); err != nil {
			t.Error(err)
		}
		for name := range a.header {
			if !validName(name) {
				t.Errorf("header %q", name)
			}
		}
	})
}
