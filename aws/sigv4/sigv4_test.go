package sigv4

import (
	"bufio"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// The example key of AWS's documentation.
const (
	docKey    = "AKIAIOSFODNN7EXAMPLE"
	docSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
)

func docCreds() Credentials {
	return Credentials{AccessKeyID: docKey, SecretAccessKey: docSecret}
}

func at(t testing.TB, s string) time.Time {
	t.Helper()
	v, err := time.Parse(timeFormat, s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func kindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return 0
}

// The S3 documentation's examples: known signatures for known requests.
func TestDocumentedSignatures(t *testing.T) {
	tests := []struct {
		name, method, target, host string
		headers                    map[string]string
		payload, want              string
	}{
		{"get object with range", "GET", "/test.txt", "examplebucket.s3.amazonaws.com", map[string]string{"Range": "bytes=0-9"}, EmptyPayloadHash, "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"},
		{"put object", "PUT", "/test%24file.text", "examplebucket.s3.amazonaws.com", map[string]string{"Date": "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY"}, hashHex("Welcome to Amazon S3."), "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"},
		{"get bucket lifecycle", "GET", "/?lifecycle", "examplebucket.s3.amazonaws.com", nil, EmptyPayloadHash, "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
		{"list objects", "GET", "/?max-keys=2&prefix=J", "examplebucket.s3.amazonaws.com", nil, EmptyPayloadHash, "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
	}
	now := at(t, "20130524T000000Z")
	for _, tt := range tests {
		r := httptest.NewRequest(tt.method, tt.target, nil)
		r.Host = tt.host
		for name, value := range tt.headers {
			r.Header.Set(name, value)
		}
		Sign(r, docCreds(), "us-east-1", "s3", tt.payload, now)
		s, err := Parse(r)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if s.Signature != tt.want {
			t.Errorf("%s: signature %s, want %s", tt.name, s.Signature, tt.want)
		}
		if err := s.Verify(r, docSecret, s.PayloadHash, Options{Now: now, S3: true}); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestDocumentedPresign(t *testing.T) {
	now := at(t, "20130524T000000Z")
	r := httptest.NewRequest("GET", "/test.txt", nil)
	r.Host, r.RequestURI = "examplebucket.s3.amazonaws.com", ""
	Presign(r, docCreds(), "us-east-1", "s3", UnsignedPayload, now, 24*time.Hour)
	s, err := Parse(r)
	if err != nil {
		t.Fatal(err)
	}
	if want := "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"; s.Signature != want {
		t.Errorf("signature %s, want %s", s.Signature, want)
	}
	for _, tt := range []struct {
		after time.Duration
		want  Kind
	}{{0, 0}, {24 * time.Hour, 0}, {24*time.Hour + time.Second, KindExpired}, {-MaxSkew, 0}, {-MaxSkew - time.Second, KindNotYetValid}} {
		err := s.Verify(r, docSecret, UnsignedPayload, Options{Now: now.Add(tt.after), S3: true})
		if kindOf(err) != tt.want {
			t.Errorf("after %v: %v", tt.after, err)
		}
	}
}

// readRaw reads a request as the vectors write it, spaces and raw UTF-8 in the
// target included, which net/http would refuse.
func readRaw(t *testing.T, text string) (*http.Request, string) {
	t.Helper()
	head, body, _ := strings.Cut(text, "\n\n")
	lines := bufio.NewScanner(strings.NewReader(head))
	lines.Scan()
	first := strings.TrimSuffix(lines.Text(), " HTTP/1.1")
	method, target, _ := strings.Cut(first, " ")
	r := &http.Request{Method: method, RequestURI: target, Header: http.Header{}, URL: &url.URL{}}
	_, r.URL.RawQuery, _ = strings.Cut(target, "?")
	last := ""
	for lines.Scan() {
		line := lines.Text()
		if strings.HasPrefix(line, " ") && last != "" {
			values := r.Header[last]
			values[len(values)-1] += " " + strings.TrimSpace(line)
			continue
		}
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		last = http.CanonicalHeaderKey(name)
		if last == "Host" {
			r.Host = value
			continue
		}
		r.Header.Add(last, value)
	}
	return r, body
}

// AWS's test suite, read from outside the tree: MOLN_VECTORS names a directory
// that holds an unpacked botocore source distribution.
func TestVectors(t *testing.T) {
	root := os.Getenv("MOLN_VECTORS")
	if root == "" {
		t.Skip("MOLN_VECTORS is not set: it names a directory with botocore-*/tests/unit/auth/aws4_testsuite")
	}
	suites, _ := filepath.Glob(filepath.Join(root, "botocore-*/tests/unit/auth/aws4_testsuite"))
	if len(suites) == 0 {
		t.Fatalf("no aws4_testsuite below %s", root)
	}
	passed, skipped := 0, 0
	err := filepath.WalkDir(suites[0], func(name string, d os.DirEntry, err error) error {
		base, isRequest := strings.CutSuffix(name, ".sreq")
		if err != nil || !isRequest {
			return err
		}
		files := map[string]string{}
		for _, ext := range []string{"sreq", "creq", "sts", "authz"} {
			b, err := os.ReadFile(base + "." + ext)
			if err != nil {
				return err
			}
			files[ext] = strings.ReplaceAll(string(b), "\r\n", "\n")
		}
		r, body := readRaw(t, files["sreq"])
		// The .authz file is the suite's answer. The header inside .sreq repeats it,
		// but in one vector of the copy this was written with it holds other digits.
		r.Header.Set("Authorization", files["authz"])
		s, err := Parse(r)
		if err != nil {
			skipped++
			t.Logf("skipped %s: %v", filepath.Base(base), err)
			return nil
		}
		payload := hashHex(body)
		creq := string(canonicalRequest(r, s.SignedHeaders, r.Host, payload, false, false))
		if creq != files["creq"] {
			t.Errorf("%s: canonical request\n%s\nwant\n%s", filepath.Base(base), creq, files["creq"])
		}
		if sts := s.stringToSign(algorithm, hashHex(creq)); sts != files["sts"] {
			t.Errorf("%s: string to sign\n%s\nwant\n%s", filepath.Base(base), sts, files["sts"])
		}
		if err := s.Verify(r, "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", payload, Options{Now: s.Time}); err != nil {
			t.Errorf("%s: %v", filepath.Base(base), err)
			return nil
		}
		passed++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("vectors: %d passed, %d skipped", passed, skipped)
	if passed == 0 {
		t.Error("no vector passed")
	}
}

func TestParseErrors(t *testing.T) {
	const good = "AWS4-HMAC-SHA256 Credential=A/20130524/r/s/aws4_request,SignedHeaders=host;x-amz-date,Signature=ab"
	q := func(change, to string) string {
		v := url.Values{"X-Amz-Algorithm": {algorithm}, "X-Amz-Credential": {"A/20130524/r/s/aws4_request"}, "X-Amz-Date": {"20130524T000000Z"}, "X-Amz-Expires": {"60"}, "X-Amz-SignedHeaders": {"host"}, "X-Amz-Signature": {"ab"}}
		if to == "" {
			v.Del(change)
		} else {
			v.Set(change, to)
		}
		return "/?" + v.Encode()
	}
	tests := []struct {
		name, target, authorization, date string
		want                              Kind
		text                              string
	}{
		{"good header", "/", good, "20130524T000000Z", 0, ""},
		{"good query", q("X", "y"), "", "", 0, ""},
		{"nothing", "/", "", "", KindMissingToken, "Request is missing Authentication Token"},
		{"both", q("X", "y"), good, "20130524T000000Z", KindAmbiguous, "Only one auth mechanism"},
		{"bearer", "/", "Bearer x", "", KindUnsupported, "Unsupported AWS 'algorithm': 'Bearer'"},
		{"sigv4a", "/", "AWS4-ECDSA-P256-SHA256 Credential=A", "", KindUnsupported, "Unsupported AWS 'algorithm'"},
		{"everything missing", "/", "AWS4-HMAC-SHA256", "", KindIncomplete, "Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter. Authorization header requires 'SignedHeaders' parameter. Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."},
		{"no date", "/", good, "", KindDate, "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."},
		{"bad date", "/", good, "2013", KindDate, "Date must be in ISO-8601 'basic format'. Got '2013'"},
		{"no equal sign", "/", algorithm + " Credential", "20130524T000000Z", KindIncomplete, "Invalid key=value pair (missing equal-sign)"},
		{"twice", "/", good + ",Signature=cd", "20130524T000000Z", KindIncomplete, "more than once"},
		{"short scope", "/", strings.Replace(good, "/aws4_request", "", 1), "20130524T000000Z", KindIncomplete, "Credential must have exactly 5 slash-delimited elements"},
		{"empty region", "/", strings.Replace(good, "/r/", "//", 1), "20130524T000000Z", KindIncomplete, "Credential must have exactly 5"},
		{"query without expires", q("X-Amz-Expires", ""), "", "", KindQueryParameters, "AWS query-string parameters must include 'X-Amz-Expires'. Re-examine"},
		{"query without signature", q("X-Amz-Signature", ""), "", "", KindQueryParameters, "must include 'X-Amz-Signature'"},
		{"query twice", q("X", "y") + "&X-Amz-Date=20130524T000000Z", "", "", KindQueryParameters, "must include 'X-Amz-Date'"},
		{"query algorithm", q("X-Amz-Algorithm", "AWS4"), "", "", KindQueryParameters, "Unsupported AWS 'algorithm': 'AWS4'"},
		{"query date", q("X-Amz-Date", "20130524"), "", "", KindQueryParameters, "Date must be in ISO-8601"},
		{"query scope", q("X-Amz-Credential", "A/b"), "", "", KindQueryParameters, "Credential must have exactly 5"},
		{"expires nan", q("X-Amz-Expires", "1h"), "", "", KindQueryParameters, "X-Amz-Expires should be a number"},
		{"expires negative", q("X-Amz-Expires", "-1"), "", "", KindQueryParameters, "X-Amz-Expires must be non-negative"},
		{"expires a week", q("X-Amz-Expires", "604800"), "", "", 0, ""},
		{"expires over a week", q("X-Amz-Expires", "604801"), "", "", KindQueryParameters, "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds"},
	}
	for _, tt := range tests {
		r := httptest.NewRequest("GET", tt.target, nil)
		if tt.authorization != "" {
			r.Header.Set("Authorization", tt.authorization)
		}
		if tt.date != "" {
			r.Header.Set("X-Amz-Date", tt.date)
		}
		s, err := Parse(r)
		if kindOf(err) != tt.want || (err == nil) != (s != nil) || (err != nil && !strings.HasPrefix(err.Error(), tt.text) && !strings.Contains(err.Error(), tt.text)) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestVerifyRefuses(t *testing.T) {
	now := at(t, "20240601T120000Z")
	tests := []struct {
		name   string
		s3     bool
		change func(r *http.Request)
		secret string
		now    time.Duration
		want   Kind
	}{
		{name: "untouched"},
		{name: "untouched s3", s3: true},
		{name: "wrong secret", secret: "x", want: KindMismatch},
		{name: "method", change: func(r *http.Request) { r.Method = "DELETE" }, want: KindMismatch},
		{name: "path", change: func(r *http.Request) { r.RequestURI = "/other?q=1" }, want: KindMismatch},
		{name: "query", change: func(r *http.Request) { r.RequestURI = "/p?q=2" }, want: KindMismatch},
		{name: "host", change: func(r *http.Request) { r.Host = "other" }, want: KindMismatch},
		{name: "default port is the same host", change: func(r *http.Request) { r.Host += ":443" }},
		{name: "other port is another host", change: func(r *http.Request) { r.Host += ":444" }, want: KindMismatch},
		{name: "signed header", change: func(r *http.Request) { r.Header.Set("Content-Type", "x") }, want: KindMismatch},
		{name: "header twice", change: func(r *http.Request) { r.Header.Add("Content-Type", "text/plain") }, want: KindMismatch},
		{name: "unsigned header", change: func(r *http.Request) { r.Header.Set("User-Agent", "x") }},
		{name: "unsigned x-amz header, s3", s3: true, change: func(r *http.Request) { r.Header.Set("X-Amz-Acl", "public-read") }, want: KindUnsignedHeaders},
		{name: "unsigned token, s3", s3: true, change: func(r *http.Request) { r.Header.Set("X-Amz-Security-Token", "t") }, want: KindUnsignedHeaders},
		{name: "unsigned target", change: func(r *http.Request) { r.Header.Set("X-Amz-Target", "T.Op") }, want: KindMismatch},
		{name: "host not signed", change: func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), ";host", "", 1))
		}, want: KindMismatch},
		{name: "date of scope", change: func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "/20240601/", "/20240602/", 1))
		}, want: KindScopeDate},
		{name: "late", now: MaxSkew},
		{name: "too late", now: MaxSkew + time.Second, want: KindTimeSkewed},
		{name: "too early", now: -MaxSkew - time.Second, want: KindTimeSkewed},
	}
	keys := NewKeyCache(1)
	for _, tt := range tests {
		service := "dynamodb"
		if tt.s3 {
			service = "s3"
		}
		r := httptest.NewRequest("POST", "/p?q=1", nil)
		r.Host = "h.amazonaws.com"
		r.Header.Set("Content-Type", "text/plain")
		Sign(r, docCreds(), "eu-west-1", service, EmptyPayloadHash, now)
		if tt.change != nil {
			tt.change(r)
		}
		s, err := Parse(r)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		secret := docSecret
		if tt.secret != "" {
			secret = tt.secret
		}
		err = s.Verify(r, secret, EmptyPayloadHash, Options{Now: now.Add(tt.now), S3: tt.s3, Keys: keys})
		if kindOf(err) != tt.want || (err == nil) != (tt.want == 0) {
			t.Errorf("%s: %v", tt.name, err)
		}
		if len(keys.keys) > 1 {
			t.Errorf("the cache of one key holds %d", len(keys.keys))
		}
	}
}

func TestS3Message(t *testing.T) {
	if e := mismatch(); e.S3Message() == e.Error() {
		t.Error("S3 words a mismatch differently")
	}
	if e := queryError("x"); e.S3Message() != "x" {
		t.Errorf("got %q", e.S3Message())
	}
}

// What Sign signs, Verify accepts through a real request line, and a change of
// one byte of the signature it does not.
func TestSignVerifyRoundTrip(t *testing.T) {
	now := at(t, "20240601T120000Z")
	rapid.Check(t, func(t *rapid.T) {
		part := rapid.SampledFrom([]string{"a", "B9", "%2F", "%20", "+", "%E1%88%B4", "~", "*", "%25", "..", ".", "", "a:b", "@", "(x)", "=", "$&'", "%2B", "%7E", "%c3%a9"})
		path := "/" + strings.Join(rapid.SliceOfN(part, 0, 6).Draw(t, "path"), "/")
		param := rapid.SampledFrom([]string{"a", "a=", "a=1", "a=2", "A=1", "b=%20", "b=+", "c=%2F/", "%E1=%88", "list-type=2", "é=é", "x=a=b", "acl", "d=%zz"})
		query := strings.Join(rapid.SliceOfN(param, 0, 5).Draw(t, "query"), "&")
		service := rapid.SampledFrom([]string{"s3", "dynamodb"}).Draw(t, "service")
		creds := docCreds()
		creds.SessionToken = rapid.SampledFrom([]string{"", "tok+/=="}).Draw(t, "token")
		u := &url.URL{Scheme: "http", Host: "h:4566", RawQuery: query}
		var err error
		if u.Path, err = url.PathUnescape(path); err != nil {
			t.Fatal(err)
		}
		u.RawPath = path
		r := &http.Request{Method: "PUT", URL: u, Host: u.Host, Header: http.Header{"X-Custom": {" a   b ", "c"}}}
		presigned := rapid.Bool().Draw(t, "presigned")
		payload := UnsignedPayload
		if presigned {
			Presign(r, creds, "eu-west-1", service, payload, now, time.Hour)
		} else {
			Sign(r, creds, "eu-west-1", service, payload, now)
		}
		got := &http.Request{Method: r.Method, URL: r.URL, Host: r.Host, Header: r.Header, RequestURI: r.URL.RequestURI()}
		if strings.HasPrefix(path, "//") { // a server sees no scheme-relative target
			got.RequestURI = path + "?" + r.URL.RawQuery
		}
		s, err := Parse(got)
		if err != nil {
			t.Fatal(err)
		}
		if s.SessionToken != creds.SessionToken || s.AccessKeyID != docKey || s.Service != service || s.Presigned != presigned {
			t.Fatalf("parsed %+v", s)
		}
		opts := Options{Now: now, S3: service == "s3"}
		if err := s.Verify(got, docSecret, payload, opts); err != nil {
			t.Fatalf("%s: %v", got.RequestURI, err)
		}
		flipped := []byte(s.Signature)
		flipped[0] ^= 1
		s.Signature = string(flipped)
		if s.Verify(got, docSecret, payload, opts) == nil {
			t.Fatal("a changed signature verifies")
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add("AWS4-HMAC-SHA256 Credential=A/20130524/r/s/aws4_request,SignedHeaders=host,Signature=ab", "", "20130524T000000Z")
	f.Add("", "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=A%2F20130524%2Fr%2Fs%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=ab", "")
	f.Fuzz(func(t *testing.T, authorization, query, date string) {
		r := &http.Request{Method: "GET", URL: &url.URL{Path: "/", RawQuery: query}, Host: "h", Header: http.Header{"Authorization": {authorization}, "X-Amz-Date": {date}}}
		s, err := Parse(r)
		if err != nil {
			if kindOf(err) == 0 || err.Error() == "" {
				t.Fatalf("error without kind or text: %v", err)
			}
			return
		}
		if s.AccessKeyID == "" || s.Region == "" || s.Service == "" || s.Expires < 0 || s.Expires > MaxExpires {
			t.Fatalf("accepted %+v", s)
		}
		if s.Verify(r, "secret", UnsignedPayload, Options{Now: s.Time}) == nil {
			t.Fatalf("verified a signature nobody made: %+v", s)
		}
	})
}

func TestCollapseSpace(t *testing.T) {
	for in, want := range map[string]string{
		"": "", " ": "", "a": "a", "a ": "a", " a": "a", "a b": "a b", "a  b": "a b", "a\tb": "a b", "a\n": "a",
		"a b ": "a b", "a b  ": "a b", "é  b": "é b", "a\u00a0b": "a b",
	} {
		if got := collapseSpace(in); got != want {
			t.Errorf("collapseSpace(%q) = %q, want %q", in, got, want)
		}
	}
}
