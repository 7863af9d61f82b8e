package gateway

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/sigv4"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/identity"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/wire"
)

// protocols of the fake services.
var protocolNames = []string{"json", "restjson", "query", "s3"}

// answer is what a test compares: status, code and message.
type answer struct {
	status        int
	code, message string
}

// readFault finds code and message in the body of any protocol.
func readFault(w *httptest.ResponseRecorder) answer {
	a, body := answer{status: w.Code}, w.Body.String()
	between := func(before, after string) string {
		_, rest, ok := strings.Cut(body, before)
		if !ok {
			return ""
		}
		v, _, _ := strings.Cut(rest, after)
		return v
	}
	if strings.HasPrefix(body, "{") {
		if a.code = between(`"__type":"`, `"`); a.code == "" {
			a.code, _, _ = strings.Cut(w.Header().Get("X-Amzn-Errortype"), ":")
		}
		a.message = between(`essage":"`, `"}`)
		if a.message == "" {
			a.message = between(`essage":"`, `"`)
		}
		a.message = strings.ReplaceAll(a.message, `\u0026`, "&")
		return a
	}
	unescape := strings.NewReplacer("&#34;", `"`, "&quot;", `"`, "&#39;", "'", "&apos;", "'", "&lt;", "<", "&gt;", ">", "&amp;", "&")
	a.code, a.message = between("<Code>", "</Code>"), unescape.Replace(between("<Message>", "</Message>"))
	return a
}

func (h *harness) wants(name string, r *http.Request, want answer) {
	h.t.Helper()
	w := h.serve(r)
	if got := readFault(w); got != want {
		h.t.Errorf("%s: got  %+v\nwant %+v\n%s", name, got, want, w.Body)
	}
}

func TestEcho(t *testing.T) {
	h := newHarness(t)
	for _, p := range protocolNames {
		w := h.serve(h.sign(request(p, "Echo", "hello"), "ROOT", p))
		if w.Code != 200 || (p != "s3" && !strings.Contains(w.Body.String(), "hello")) {
			t.Errorf("%s: %d %s", p, w.Code, w.Body)
		}
		if rec := h.last(); rec.Service != p || rec.Caller != root.ARN || rec.Region != "eu-west-1" || rec.AccessKey != "ROOT" || rec.Status != 200 {
			t.Errorf("%s: record %+v", p, rec)
		}
	}
	if h.f.stored["bucket/hello"] != "body" {
		t.Errorf("stored %v", h.f.stored)
	}
	if c := h.f.calls[0]; c.Region != "eu-west-1" || c.Account != account || c.Caller.AccessKeyID != "ROOT" {
		t.Errorf("call %+v", c)
	}
}

// TestAuthenticationFaults wants AWS's answer to each kind of bad credentials,
// from each protocol, and no handler to have run (G1).
func TestAuthenticationFaults(t *testing.T) {
	skewed := func(h *harness, r *http.Request, p string) {
		h.signAt(r, sigv4.Credentials{AccessKeyID: "ROOT", SecretAccessKey: "secret"}, p, h.clk.Now().Add(-time.Hour))
	}
	by := func(key string) func(*harness, *http.Request, string) {
		return func(h *harness, r *http.Request, p string) { h.sign(r, key, p) }
	}
	const (
		mismatch = "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
		invalid  = "The security token included in the request is invalid."
		expired  = "The security token included in the request is expired"
	)
	for _, tt := range []struct {
		name    string
		prepare func(*harness, *http.Request, string)
		want    map[string]answer
	}{
		{"unsigned", func(*harness, *http.Request, string) {}, map[string]answer{
			"json":     {400, "MissingAuthenticationTokenException", "Missing Authentication Token"},
			"restjson": {403, "MissingAuthenticationTokenException", "Missing Authentication Token"},
			"query":    {403, "MissingAuthenticationToken", "Request is missing Authentication Token"},
			"s3":       {403, "AccessDenied", "Access Denied"},
		}},
		{"wrong secret", func(h *harness, r *http.Request, p string) {
			h.signAt(r, sigv4.Credentials{AccessKeyID: "ROOT", SecretAccessKey: "guess"}, p, h.clk.Now())
		}, map[string]answer{
			"json": {400, "InvalidSignatureException", mismatch}, "restjson": {403, "InvalidSignatureException", mismatch},
			"query": {403, "SignatureDoesNotMatch", mismatch},
			"s3":    {403, "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided. Check your key and signing method."},
		}},
		{"unknown key", by("NOBODY"), map[string]answer{
			"json": {400, "UnrecognizedClientException", invalid}, "restjson": {403, "UnrecognizedClientException", invalid},
			"query": {403, "InvalidClientTokenId", invalid}, "s3": {403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."},
		}},
		{"inactive key", by("INACTIVE"), map[string]answer{
			"json": {400, "UnrecognizedClientException", invalid}, "restjson": {403, "UnrecognizedClientException", invalid},
			"query": {403, "InvalidClientTokenId", invalid}, "s3": {403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."},
		}},
		{"token of another key", by("ASIABAD"), map[string]answer{
			"json": {400, "UnrecognizedClientException", invalid}, "restjson": {403, "UnrecognizedClientException", invalid},
			"query": {403, "InvalidClientTokenId", invalid}, "s3": {400, "InvalidToken", "The provided token is malformed or otherwise invalid."},
		}},
		{"expired session", by("ASIAEXPIRED"), map[string]answer{
			"json": {400, "ExpiredTokenException", expired}, "restjson": {403, "ExpiredTokenException", expired},
			"query": {403, "ExpiredToken", expired}, "s3": {400, "ExpiredToken", "The provided token has expired."},
		}},
		{"an hour ago", skewed, map[string]answer{
			"json":     {400, "InvalidSignatureException", "Signature expired: 20260102T020405Z is now earlier than 20260102T024905Z (20260102T030405Z - 15 min.)"},
			"restjson": {403, "InvalidSignatureException", "Signature expired: 20260102T020405Z is now earlier than 20260102T024905Z (20260102T030405Z - 15 min.)"},
			"query":    {403, "SignatureDoesNotMatch", "Signature expired: 20260102T020405Z is now earlier than 20260102T024905Z (20260102T030405Z - 15 min.)"},
			"s3":       {403, "RequestTimeTooSkewed", "The difference between the request time and the current time is too large."},
		}},
		{"for another service", func(h *harness, r *http.Request, p string) {
			h.sign(r, "ROOT", "elsewhere")
		}, map[string]answer{
			"json":     {400, "InvalidSignatureException", "Credential should be scoped to correct service: 'json'. "},
			"restjson": {403, "InvalidSignatureException", "Credential should be scoped to correct service: 'restjson'. "},
			"query":    {403, "SignatureDoesNotMatch", "Credential should be scoped to correct service: 'query'. "},
			"s3":       {404, "UnknownService", `moln has no service "elsewhere".`},
		}},
		{"no directory", by("DOWN"), map[string]answer{
			"json":     {500, "InternalFailure", "The request processing has failed because of an unknown error, exception or failure."},
			"restjson": {500, "InternalFailure", "The request processing has failed because of an unknown error, exception or failure."},
			"query":    {500, "InternalFailure", "The request processing has failed because of an unknown error, exception or failure."},
			"s3":       {500, "InternalError", "We encountered an internal error. Please try again."},
		}},
	} {
		for _, p := range protocolNames {
			h := newHarness(t)
			r := request(p, "Echo", "hello")
			tt.prepare(h, r, p)
			h.wants(tt.name+" "+p, r, tt.want[p])
			if len(h.f.calls) != 0 {
				t.Errorf("%s %s: the handler ran", tt.name, p)
			}
			if rec := h.last(); rec.Code != tt.want[p].code || rec.Status != tt.want[p].status || rec.RequestID == "" {
				t.Errorf("%s %s: record %+v", tt.name, p, rec)
			}
		}
	}
}

func TestIncompleteSignatures(t *testing.T) {
	for _, tt := range []struct {
		header string
		codes  map[string]answer // message is a part of it
	}{
		{"AWS4-HMAC-SHA256 Credential=ROOT/20260102/eu-west-1/json/aws4_request, SignedHeaders=host", map[string]answer{
			"json":     {400, "IncompleteSignatureException", "Authorization header requires 'Signature' parameter."},
			"restjson": {403, "IncompleteSignatureException", "Authorization header requires 'Signature' parameter."},
			"query":    {400, "IncompleteSignature", "Authorization header requires 'Signature' parameter."},
			"s3":       {400, "AuthorizationHeaderMalformed", "The authorization header is malformed; missing Signature."},
		}},
		{"AWS4-ECDSA-P256-SHA256 Credential=x", map[string]answer{
			"json":     {400, "IncompleteSignatureException", "Unsupported AWS 'algorithm'"},
			"restjson": {403, "IncompleteSignatureException", "Unsupported AWS 'algorithm'"},
			"query":    {400, "IncompleteSignature", "Unsupported AWS 'algorithm'"},
			"s3":       {400, "InvalidRequest", "Please use AWS4-HMAC-SHA256."},
		}},
	} {
		for _, p := range protocolNames {
			h := newHarness(t)
			r := request(p, "Echo", "hello")
			r.Header.Set("Authorization", tt.header)
			r.Header.Set("X-Amz-Date", "20260102T030405Z")
			got := readFault(h.serve(r))
			want := tt.codes[p]
			if got.status != want.status || got.code != want.code || !strings.Contains(got.message, want.message) {
				t.Errorf("%s: got  %+v\nwant %+v", p, got, want)
			}
		}
	}
	h := newHarness(t)
	r := request("s3", "", "key")
	r.Header.Set("Authorization", "AWS AKIA:c2lnbmF0dXJl")
	h.wants("version 2", r, answer{400, "InvalidRequest", "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256."})
}

func TestPresigned(t *testing.T) {
	creds := sigv4.Credentials{AccessKeyID: "ROOT", SecretAccessKey: "secret"}
	h := newHarness(t)
	presign := func() *http.Request {
		r := request("s3", "", "key")
		sigv4.Presign(r, creds, "eu-west-1", "s3", sigv4.UnsignedPayload, h.clk.Now(), time.Minute)
		return r
	}
	r := presign()
	if w := h.serve(r); w.Code != 200 || h.f.stored["bucket/key"] != "body" || !h.f.calls[0].HTTP.Presigned {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	r = presign()
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=x")
	if got := readFault(h.serve(r)); got.status != 400 || got.code != "InvalidArgument" {
		t.Errorf("signed twice: %+v", got)
	}
	r = presign()
	r.URL.RawQuery = strings.Replace(r.URL.RawQuery, "%2Fs3%2F", "%2Fjson%2F", 1)
	if got := readFault(h.serve(r)); got.status < 400 {
		t.Errorf("another service's query: %+v", got)
	}
	r = presign()
	h.clk.Advance(61 * time.Second)
	h.wants("expired", r, answer{403, "AccessDenied", "Request has expired"})
	// A presigned request of another service covers its body.
	r = request("query", "Echo", "hello")
	sigv4.Presign(r, creds, "eu-west-1", "query", hashOf(r), h.clk.Now(), time.Minute)
	if w := h.serve(r); w.Code != 200 {
		t.Errorf("presigned query: %d %s", w.Code, w.Body)
	}
	body := "Action=Echo&Version=2020-01-01-query&Message=other"
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
	if got := readFault(h.serve(r)); got.code != "SignatureDoesNotMatch" {
		t.Errorf("another body: %+v", got)
	}
}

// TestDenied is G5: AWS's text for the caller, the reasons for the operator.
func TestDenied(t *testing.T) {
	const text = "User: arn:aws:iam::000000000000:user/ann is not authorized to perform: %s:%s on resource: * because no identity-based policy allows the %s:%s action"
	for p, want := range map[string]answer{
		"json":     {400, "AccessDeniedException", fmt.Sprintf(text, p1("json")...)},
		"restjson": {403, "AccessDeniedException", fmt.Sprintf(text, p1("restjson")...)},
		"query":    {403, "AccessDenied", fmt.Sprintf(text, p1("query")...)},
		"s3":       {403, "AccessDenied", fmt.Sprintf(text, "s3", "PutObject", "s3", "PutObject")},
	} {
		h := newHarness(t)
		h.wants(p, h.sign(request(p, "Echo", "hello"), "ANN", p), want)
		if len(h.f.calls) != 0 {
			t.Errorf("%s: the handler ran", p)
		}
		rec := h.last()
		if len(rec.Decisions) != 1 {
			t.Fatalf("%s: record %+v", p, rec)
		}
		d := rec.Decisions[0]
		if d.Allowed || d.Reason == "" || !strings.Contains(d.Least, d.Action) || len(rec.Notes) == 0 {
			t.Errorf("%s: decision %+v, notes %v", p, d, rec.Notes)
		}
	}
}

func p1(name string) []any { return []any{name, "Echo", name, "Echo"} }

func TestAllowedByPolicy(t *testing.T) {
	h := newHarness(t)
	p, err := policy.Parse([]byte(`{"Version":"2012-10-17","Statement":[
		{"Sid":"Eu","Effect":"Allow","Action":"json:Echo","Resource":"*","Condition":{"StringEquals":{"aws:RequestedRegion":"eu-west-1","aws:username":"ann"}}},
		{"Effect":"Deny","Action":"query:*","Resource":"*"}]}`), policy.Identity)
	if err != nil {
		t.Fatal(err)
	}
	h.dir.policies = []*policy.Policy{p.Named("mine")}
	if w := h.serve(h.sign(request("json", "Echo", "hello"), "ANN", "json")); w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if d := h.last().Decisions; len(d) != 1 || !d[0].Allowed || len(d[0].Statements) != 1 || d[0].Least != "" {
		t.Errorf("decisions %+v", d)
	}
	h.wants("explicit", h.sign(request("query", "Echo", "hello"), "ANN", "query"), answer{403, "AccessDenied",
		"User: arn:aws:iam::000000000000:user/ann is not authorized to perform: query:Echo on resource: * with an explicit deny in an identity-based policy"})
}

// TestOrder: what is wrong with the caller is told before what is wrong with
// his input, and that before whether he may.
func TestOrder(t *testing.T) {
	h := newHarness(t)
	long := strings.Repeat("x", 65)
	for _, tt := range []struct {
		name string
		r    *http.Request
		want string
	}{
		{"unsigned and invalid", request("json", "Echo", long), "MissingAuthenticationTokenException"},
		{"unsigned and unreadable", unreadable(), "MissingAuthenticationTokenException"},
		{"wrong key and invalid", h.sign(request("json", "Echo", long), "NOBODY", "json"), "UnrecognizedClientException"},
		{"denied and unreadable", h.sign(unreadable(), "ANN", "json"), "SerializationException"},
		{"denied and invalid", h.sign(request("json", "Echo", long), "ANN", "json"), "ValidationException"},
		{"denied", h.sign(request("json", "Break", "x"), "ANN", "json"), "AccessDeniedException"},
		{"denied and absent", h.sign(request("json", "Absent", long), "ANN", "json"), "NotImplemented"},
		{"wrong key and absent", h.sign(request("json", "Absent", long), "NOBODY", "json"), "UnrecognizedClientException"},
		{"no operation", h.sign(request("json", "None", long), "ANN", "json"), "UnknownOperationException"},
	} {
		if got := readFault(h.serve(tt.r)); got.code != tt.want {
			t.Errorf("%s: %+v, want %s", tt.name, got, tt.want)
		}
	}
	if len(h.f.calls) != 0 {
		t.Error("a handler ran")
	}
}

func unreadable() *http.Request {
	r := request("json", "Echo", "")
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader("{")), 1
	return r
}

// TestInternalFailures is G3 and G4.
func TestInternalFailures(t *testing.T) {
	const text = "The request processing has failed because of an unknown error, exception or failure."
	for _, p := range []string{"json", "restjson", "query"} {
		for op, cause := range map[string]string{"Panic": "the handler broke", "Break": "disk on fire"} {
			h := newHarness(t)
			h.wants(p+" "+op, h.sign(request(p, op, "x"), "ROOT", p), answer{500, "InternalFailure", text})
			id := h.last().RequestID
			if log := h.log.String(); strings.Count(log, cause) != 1 || !strings.Contains(log, id) {
				t.Errorf("%s %s: log %s", p, op, log)
			}
			if w := h.serve(h.sign(request(p, "Echo", "x"), "ROOT", p)); w.Code != 200 {
				t.Errorf("%s after %s: %d", p, op, w.Code)
			}
		}
	}
}

func TestRequestIDs(t *testing.T) {
	h := newHarness(t)
	seen := map[string]bool{}
	for _, p := range protocolNames {
		w := h.serve(request(p, "Echo", "x")) // faults have them too
		id := w.Header().Get("X-Amz-Request-Id")
		if v := w.Header().Values("x-amzn-RequestId"); len(v) == 1 {
			id = v[0]
		}
		if id == "" || seen[id] || h.last().RequestID != id {
			t.Errorf("%s: request id %q, record %q", p, id, h.last().RequestID)
		}
		seen[id] = true
	}
}

func TestMetrics(t *testing.T) {
	h := newHarness(t)
	h.serve(h.sign(request("json", "Echo", "x"), "ROOT", "json"))
	h.serve(h.sign(request("json", "Break", "x"), "ROOT", "json"))
	h.serve(request("json", "Echo", "x"))
	var b bytes.Buffer
	if err := h.metrics.WritePrometheus(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`moln_requests_total{service="json",operation="Echo",status="200"} 1`,
		`moln_requests_total{service="json",operation="Break",status="500"} 1`,
		`moln_requests_total{service="json",operation="Echo",status="400"} 1`,
		`moln_request_seconds_count{service="json"} 3`,
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %s in\n%s", want, b.String())
		}
	}
}

func TestBodies(t *testing.T) {
	h := newHarness(t)
	zip := func(text string) *bytes.Buffer {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		z.Write([]byte(text))
		z.Close()
		return &b
	}
	with := func(body *bytes.Buffer) *http.Request {
		r := request("json", "Echo", "")
		r.Header.Set("Content-Encoding", "gzip")
		r.Body, r.ContentLength = io.NopCloser(body), int64(body.Len())
		return h.sign(r, "ROOT", "json")
	}
	if w := h.serve(with(zip(`{"Message":"zipped"}`))); w.Code != 200 || !strings.Contains(w.Body.String(), "zipped") {
		t.Errorf("gzip: %d %s", w.Code, w.Body)
	}
	h.wants("no gzip", with(bytes.NewBufferString("{}")), answer{400, "SerializationException", "The body is not gzip."})
	cut := zip(strings.Repeat(`{"Message":"zipped"}`, 100))
	cut.Truncate(cut.Len() - 9)
	h.wants("cut gzip", with(cut), answer{400, "SerializationException", "The body is not gzip."})
	r := request("json", "Echo", "x")
	r.ContentLength = wire.MaxBodyBytes + 1
	h.wants("announced too large", h.sign(r, "ROOT", "json"), answer{413, "RequestEntityTooLargeException", fmt.Sprintf("Request body is larger than %d bytes.", wire.MaxBodyBytes)})
	r = request("json", "Echo", "x")
	r.Body = io.NopCloser(io.MultiReader(strings.NewReader("{"), brokenReader{}))
	r.ContentLength = 100
	h.signAt(r, sigv4.Credentials{AccessKeyID: "ROOT", SecretAccessKey: "secret"}, "json", h.clk.Now())
	r.Body = io.NopCloser(brokenReader{})
	h.wants("broken off", r, answer{400, "IncompleteBody", "The request body terminated unexpectedly"})
}

// TestGzipBomb: what unpacks to more than a body may have is refused.
func TestGzipBomb(t *testing.T) {
	if testing.Short() {
		t.Skip("unpacks 96 MB")
	}
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	zeros := make([]byte, 1<<20)
	for range wire.MaxBodyBytes>>20 + 1 {
		z.Write(zeros)
	}
	z.Close()
	if _, err := gunzip(b.Bytes(), wire.MaxBodyBytes); !fault.Is(err, "RequestEntityTooLargeException") {
		t.Errorf("bomb: %v", err)
	}
}

type brokenReader struct{}

// Read fails as a lost connection does.
func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// TestS3Streams: a body that is not the one that was signed is never committed.
func TestS3Streams(t *testing.T) {
	put := func(h *harness, change func(r *http.Request)) *http.Request {
		r := request("s3", "", "key")
		h.sign(r, "ROOT", "s3")
		change(r)
		return r
	}
	body := func(text string, length int64) func(*http.Request) {
		return func(r *http.Request) {
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(text)), length
		}
	}
	for _, tt := range []struct {
		name string
		do   func(*http.Request)
		want string
	}{
		{"as signed", func(*http.Request) {}, ""},
		{"another body", body("doby", 4), "XAmzContentSHA256Mismatch"},
		{"a longer body", body("body and more", 13), "XAmzContentSHA256Mismatch"},
		{"a shorter body", body("bo", 2), "XAmzContentSHA256Mismatch"},
		{"without its hash", func(r *http.Request) { r.Header.Del("X-Amz-Content-Sha256") }, "InvalidRequest"},
		{"with another hash", func(r *http.Request) { r.Header.Set("X-Amz-Content-Sha256", sigv4.UnsignedPayload) }, "SignatureDoesNotMatch"},
	} {
		h := newHarness(t)
		w := h.serve(put(h, tt.do))
		if got := readFault(w); got.code != tt.want {
			t.Errorf("%s: %+v, want %q", tt.name, got, tt.want)
		}
		if _, ok := h.f.stored["bucket/key"]; ok != (tt.want == "") {
			t.Errorf("%s: stored = %v", tt.name, ok)
		}
	}
}

func TestChunkedStreams(t *testing.T) {
	chunked := func(h *harness, framed string) *http.Request {
		r := httptest.NewRequest("PUT", "http://127.0.0.1:4566/bucket/key", strings.NewReader(framed))
		r.Header.Set("Content-Encoding", "aws-chunked")
		r.Header.Set("X-Amz-Decoded-Content-Length", "4")
		return r
	}
	signed := func(h *harness, hash, framed string) *http.Request {
		r := chunked(h, framed)
		sigv4.Sign(r, sigv4.Credentials{AccessKeyID: "ROOT", SecretAccessKey: "secret"}, "eu-west-1", "s3", hash, h.clk.Now())
		return r
	}
	zeros := strings.Repeat("0", 64)
	for _, tt := range []struct {
		name string
		r    func(h *harness) *http.Request
		want string
	}{
		{"unsigned chunks", func(h *harness) *http.Request {
			return signed(h, sigv4.StreamingUnsignedTrailer, "4\r\nbody\r\n0\r\n\r\n")
		}, ""},
		{"wrong chunk signature", func(h *harness) *http.Request {
			return signed(h, sigv4.StreamingSigned, "4;chunk-signature="+zeros+"\r\nbody\r\n0;chunk-signature="+zeros+"\r\n\r\n")
		}, "SignatureDoesNotMatch"},
		{"no chunk signature", func(h *harness) *http.Request {
			return signed(h, sigv4.StreamingSigned, "4\r\nbody\r\n0\r\n\r\n")
		}, "any"},
		{"cut off", func(h *harness) *http.Request {
			return signed(h, sigv4.StreamingUnsignedTrailer, "4\r\nbo")
		}, "IncompleteBody"},
		{"more than announced", func(h *harness) *http.Request {
			return signed(h, sigv4.StreamingUnsignedTrailer, "6\r\nbodies\r\n0\r\n\r\n")
		}, "any"},
		{"no length", func(h *harness) *http.Request {
			r := chunked(h, "4\r\nbody\r\n0\r\n\r\n")
			r.Header.Set("X-Amz-Decoded-Content-Length", "four")
			return h.signChunks(r)
		}, "MissingContentLength"},
		{"anonymous with signed chunks", func(h *harness) *http.Request {
			r := chunked(h, "4\r\nbody\r\n0\r\n\r\n")
			r.Header.Set("X-Amz-Content-Sha256", sigv4.StreamingSigned)
			return r
		}, "AccessDenied"},
	} {
		h := newHarness(t)
		w := h.serve(tt.r(h))
		got := readFault(w)
		if (tt.want == "any" && got.status < 400) || (tt.want != "any" && got.code != tt.want) {
			t.Errorf("%s: %+v, want %q", tt.name, got, tt.want)
		}
		if _, ok := h.f.stored["bucket/key"]; ok != (tt.want == "") {
			t.Errorf("%s: stored = %v", tt.name, ok)
		}
	}
}

func (h *harness) signChunks(r *http.Request) *http.Request {
	sigv4.Sign(r, sigv4.Credentials{AccessKeyID: "ROOT", SecretAccessKey: "secret"}, "eu-west-1", "s3", sigv4.StreamingUnsignedTrailer, h.clk.Now())
	return r
}

func TestHeadFaultsHaveNoBody(t *testing.T) {
	h := newHarness(t)
	for _, r := range []*http.Request{
		h.sign(httptest.NewRequest("HEAD", "http://127.0.0.1/bucket/none", nil), "ROOT", "s3"),
		httptest.NewRequest("HEAD", "http://127.0.0.1/bucket/none", nil),
	} {
		if w := h.serve(r); w.Code < 400 || w.Body.Len() != 0 {
			t.Errorf("%d, %d bytes", w.Code, w.Body.Len())
		}
	}
}

func TestPreflight(t *testing.T) {
	h := newHarness(t)
	r := httptest.NewRequest("OPTIONS", "http://127.0.0.1:4566/", nil)
	r.Header.Set("Origin", "https://app.example")
	r.Header.Set("Access-Control-Request-Method", "POST")
	r.Header.Set("Access-Control-Request-Headers", "content-type,x-amz-target")
	w := h.serve(r)
	if w.Code != 200 || w.Header().Get("Access-Control-Allow-Origin") != "*" || w.Header().Get("Access-Control-Allow-Headers") != "content-type,x-amz-target" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	if rec := h.last(); rec.Service != "browser" || rec.Operation != "preflight" {
		t.Errorf("record %+v", rec)
	}
	// Answers and faults of the service are for browsers, those of others not.
	for p, want := range map[string]string{"browser": "*", "json": ""} {
		for _, op := range []string{"Open", "Echo"} {
			if got := h.serve(request(p, op, "x")).Header().Get("Access-Control-Allow-Origin"); got != want {
				t.Errorf("%s %s: Access-Control-Allow-Origin %q, want %q", p, op, got, want)
			}
		}
	}
}

func TestOpenOperations(t *testing.T) {
	h := newHarness(t)
	if w := h.serve(request("json", "Open", "x")); w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if rec := h.last(); rec.Caller != "anonymous" || len(rec.Decisions) != 0 {
		t.Errorf("record %+v", rec)
	}
}

func TestAbsentOperations(t *testing.T) {
	h := newHarness(t)
	h.wants("absent", h.sign(request("json", "Absent", "x"), "ROOT", "json"), answer{501, "NotImplemented", "moln does not implement json Absent: nobody wrote it"})
}

func TestEndpoints(t *testing.T) {
	serve := map[string]http.HandlerFunc{
		"/silent": func(http.ResponseWriter, *http.Request) {},
		"/text":   func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "text") },
		"/teapot": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(418) },
		"/hints":  func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(103); w.WriteHeader(404) },
		"/panic":  func(http.ResponseWriter, *http.Request) { panic("endpoint broke") },
		"/late":   func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "half"); panic("endpoint broke") },
	}
	h := newHarness(t, service.Endpoint{
		Name:  "site",
		Match: func(_ *http.Request, host string) bool { return host == "site.localhost" },
		Serve: func(w http.ResponseWriter, r *http.Request, c *service.Call) {
			if c.Caller.Kind != policy.Anonymous {
				t.Errorf("caller %+v", c.Caller)
			}
			serve[r.URL.Path](w, r)
		},
	})
	for path, want := range map[string]int{"/silent": 200, "/text": 200, "/teapot": 418, "/hints": 404, "/panic": 500} {
		w := h.serve(httptest.NewRequest("GET", "http://SITE.localhost:4566"+path, nil))
		if rec := h.last(); rec.Service != "site" || rec.Status != want || (path != "/hints" && w.Code != want) {
			t.Errorf("%s: %d, record %+v", path, w.Code, rec)
		}
	}
	func() {
		defer func() {
			if v := recover(); v != http.ErrAbortHandler {
				t.Errorf("a broken answer ends in %v", v)
			}
		}()
		h.serve(httptest.NewRequest("GET", "http://site.localhost/late", nil))
	}()
	if rec := h.last(); rec.Code != "InternalFailure" {
		t.Errorf("record %+v", rec)
	}
}

// TestExpectationWithoutBody: who expects 100 Continue gets it though there is no
// body to send.
func TestExpectationWithoutBody(t *testing.T) {
	h := newHarness(t, service.Endpoint{
		Name:  "site",
		Match: func(*http.Request, string) bool { return true },
		Serve: func(w http.ResponseWriter, _ *http.Request, _ *service.Call) { io.WriteString(w, "done") },
	})
	srv := httptest.NewServer(h.g)
	defer srv.Close()
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	for _, q := range []struct{ expect, want string }{{"Expect: 100-continue\r\n", "HTTP/1.1 100 Continue"}, {"", "HTTP/1.1 200 OK"}} {
		fmt.Fprintf(conn, "PUT / HTTP/1.1\r\nHost: x\r\n%sContent-Length: 0\r\n\r\n", q.expect)
		line, err := in.ReadString('\n')
		if err != nil || strings.TrimSpace(line) != q.want {
			t.Fatalf("%q: %q, %v", q.expect, line, err)
		}
		if q.expect != "" {
			in.ReadString('\n') // the end of the interim answer
		}
		if q.expect != "" {
			resp, err := http.ReadResponse(in, nil)
			if err != nil || resp.StatusCode != 200 {
				t.Fatalf("%v, %v", resp, err)
			}
			io.Copy(io.Discard, resp.Body)
		}
	}
}

func TestClientGoesAway(t *testing.T) {
	h := newHarness(t)
	ctx, cancel := context.WithCancel(context.Background())
	h.f.handle = func(ctx context.Context, _ *service.Call, _ string) (string, error) {
		cancel()
		return "", ctx.Err()
	}
	h.serve(h.sign(request("json", "Echo", "x"), "ROOT", "json").WithContext(ctx))
	if rec := h.last(); rec.Code != "RequestCanceled" || strings.Contains(h.log.String(), "internal failure") {
		t.Errorf("record %+v, log %s", rec, h.log.String())
	}
}

// TestInvoke: calls between services are authorized as the given principal,
// validated, recorded, and end somewhere.
func TestInvoke(t *testing.T) {
	h := newHarness(t)
	ctx := context.Background()
	echoJSON := smithy.Op[echo, echo]{Service: h.g.byTarget["Json_2020"].def.Schema}
	breakJSON := smithy.Op[echo, echo]{Service: echoJSON.Service, Index: 2}
	panicJSON := smithy.Op[echo, echo]{Service: echoJSON.Service, Index: 1}
	absent := smithy.Op[echo, echo]{Service: echoJSON.Service, Index: 4}
	c := service.NewCall(h.g, service.Call{Caller: root, Account: account, Region: "eu-west-1", Now: h.clk.Now(), RequestID: "outer"})
	out, err := service.Invoke(ctx, c, echoJSON, &echo{new("hi")})
	if err != nil || *out.Message != "hi" {
		t.Fatalf("%v, %v", out, err)
	}
	if rec := h.last(); rec.Depth != 1 || rec.RequestID != "outer" || rec.Operation != "Echo" || rec.Status != 200 {
		t.Errorf("record %+v", rec)
	}
	if len(c.Trace.Decisions) != 1 {
		t.Errorf("the caller's trace has %d decisions", len(c.Trace.Decisions))
	}
	routine := c.As(root)
	routine.Routine, routine.RequestID = true, "routine"
	if _, err := service.Invoke(ctx, routine, echoJSON, &echo{new("hi")}); err != nil {
		t.Fatal(err)
	}
	if rec := h.last(); rec.RequestID != "outer" {
		t.Errorf("routine is recorded: %+v", rec)
	}
	routine.Caller = ann
	if _, err := service.Invoke(ctx, routine, echoJSON, &echo{new("hi")}); !fault.Is(err, "AccessDeniedException") || h.last().RequestID != "routine" {
		t.Errorf("routine that is denied: %v, %+v", err, h.last())
	}
	if _, err := service.Invoke(ctx, c.As(ann), echoJSON, &echo{new("hi")}); !fault.Is(err, "AccessDeniedException") {
		t.Errorf("as ann: %v", err)
	}
	if _, err := service.Invoke(ctx, c.As(identity.Anonymous()), echoJSON, &echo{new("hi")}); !fault.Is(err, "MissingAuthenticationTokenException") {
		t.Errorf("as nobody: %v", err)
	}
	if _, err := service.Invoke(ctx, c.As(identity.Service("x.amazonaws.com", account, "")), echoJSON, &echo{new("hi")}); !fault.Is(err, "AccessDeniedException") {
		t.Errorf("as a service: %v", err)
	}
	if _, err := service.Invoke(ctx, c, echoJSON, &echo{}); !fault.Is(err, "ValidationException") {
		t.Errorf("without message: %v", err)
	}
	if _, err := service.Invoke(ctx, c, absent, &echo{new("hi")}); !fault.Is(err, "NotImplemented") {
		t.Errorf("absent: %v", err)
	}
	if _, err := service.Invoke(ctx, c, breakJSON, &echo{new("hi")}); err == nil || fault.As(err) != nil {
		t.Errorf("break: %v", err)
	}
	if _, err := service.Invoke(ctx, c, panicJSON, &echo{new("hi")}); err == nil || !strings.Contains(err.Error(), "the handler broke") {
		t.Errorf("panic: %v", err)
	}
	if rec := h.last(); rec.Status != 500 || rec.Code != "InternalFailure" {
		t.Errorf("record %+v", rec)
	}
	foreign := smithy.Op[echo, echo]{Service: schemaOf("foreign", smithy.AWSJSON11)}
	if _, err := service.Invoke(ctx, c, foreign, &echo{new("hi")}); !fault.Is(err, "UnknownOperationException") {
		t.Errorf("a service that is not here: %v", err)
	}
}

func TestLoopsEnd(t *testing.T) {
	h := newHarness(t)
	op := smithy.Op[echo, echo]{Service: h.g.byTarget["Json_2020"].def.Schema}
	depth := 0
	h.f.handle = func(ctx context.Context, c *service.Call, m string) (string, error) {
		depth = max(depth, c.Depth)
		out, err := service.Invoke(ctx, c, op, &echo{&m})
		if err != nil {
			return "", err
		}
		return *out.Message, nil
	}
	w := h.serve(h.sign(request("json", "Echo", "x"), "ROOT", "json"))
	if got := readFault(w); got.status != 400 || got.code != "RecursiveInvocationException" || depth != service.MaxDepth {
		t.Errorf("%+v at depth %d", got, depth)
	}
}

func TestJudge(t *testing.T) {
	h := newHarness(t)
	c := service.NewCall(h.g, service.Call{Caller: ann, Account: account})
	err := c.Judge(context.Background(), service.Check{Action: "json:Pass", Resource: "arn:aws:json:::x"})
	if f := fault.As(err); f == nil || f.Code != "AccessDeniedException" || f.Status != 400 || f.Why == "" {
		t.Errorf("judged %v", err)
	}
	own := errors.New("own words")
	if err := c.Judge(context.Background(), service.Check{Action: "json:Pass", Resource: "x", Fault: func(policy.Decision) error { return own }}); err != own {
		t.Errorf("judged %v", err)
	}
}
