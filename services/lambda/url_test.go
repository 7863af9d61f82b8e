package lambda

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	neturl "net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	api "moln.dev/moln/api/lambda"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/platform/identity"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/lambda/fn"
)

// front serves the data plane as the gateway does, and returns a client that
// reaches every host there.
func (w *world) front() *http.Client {
	endpoint := w.s.urls.Endpoint()
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		host, _, _ := strings.Cut(r.Host, ":")
		if !endpoint.Match(r, host) {
			http.NotFound(rw, r)
			return
		}
		endpoint.Serve(rw, r, service.NewCall(w, service.Call{
			Caller: identity.Anonymous(), Account: "000000000000", Region: "us-east-1", Now: w.clock.Now(), Log: slog.New(slog.DiscardHandler),
			RequestID: w.s.deps.Ident.UUID(), HTTP: &service.HTTP{Request: r},
		}))
	}))
	w.t.Cleanup(srv.Close)
	return &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, srv.Listener.Addr().String())
	}}}
}

// public gives a function a URL that anyone may call.
func (w *world) public(name string, change ...func(*api.CreateFunctionUrlConfigInput)) string {
	w.t.Helper()
	in := &api.CreateFunctionUrlConfigInput{FunctionName: &name, AuthType: new("NONE")}
	for _, f := range change {
		f(in)
	}
	out := must(w, api.CreateFunctionUrlConfig, in)
	w.permit(name, in.Qualifier)
	return *out.FunctionUrl
}

func (w *world) permit(name string, qualifier *string) {
	w.t.Helper()
	must(w, api.AddPermission, &api.AddPermissionInput{FunctionName: &name, Qualifier: qualifier, StatementId: new("url"), Action: new("lambda:InvokeFunctionUrl"), Principal: new("*"), FunctionUrlAuthType: new("NONE")})
	must(w, api.AddPermission, &api.AddPermissionInput{FunctionName: &name, Qualifier: qualifier, StatementId: new("invoke"), Action: new("lambda:InvokeFunction"), Principal: new("*"), InvokedViaFunctionUrl: new(true)})
}

func fetch(t *testing.T, c *http.Client, method, url, body string, header ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Logf("body: %v", err)
	}
	return resp, string(text)
}

func TestURLConfigs(t *testing.T) {
	w := newWorld(t, Options{})
	w.node("f", `exports.handler = async () => 1`)
	must(w, api.PublishVersion, &api.PublishVersionInput{FunctionName: new("f")})
	must(w, api.CreateAlias, &api.CreateAliasInput{FunctionName: new("f"), Name: new("live"), FunctionVersion: new("1")})
	create := func(qualifier string, change func(*api.CreateFunctionUrlConfigInput)) (*api.CreateFunctionUrlConfigOutput, error) {
		in := &api.CreateFunctionUrlConfigInput{FunctionName: new("f"), AuthType: new("AWS_IAM")}
		if qualifier != "" {
			in.Qualifier = &qualifier
		}
		if change != nil {
			change(in)
		}
		return do(w, api.CreateFunctionUrlConfig, in)
	}
	out, err := create("", func(in *api.CreateFunctionUrlConfigInput) {
		in.Cors = &api.Cors{AllowOrigins: []string{"https://a.example"}, MaxAge: new(int32(5))}
	})
	if err != nil {
		t.Fatal(err)
	}
	u, err := neturl.Parse(*out.FunctionUrl)
	if err != nil || !strings.HasSuffix(u.Host, ".lambda-url.eu-west-1.localhost:4566") || *out.FunctionArn != "arn:aws:lambda:eu-west-1:123456789012:function:f" || *out.InvokeMode != "BUFFERED" || *out.Cors.MaxAge != 5 {
		t.Errorf("%+v %v", out, err)
	}
	alias, err := create("live", func(in *api.CreateFunctionUrlConfigInput) { in.InvokeMode = new("RESPONSE_STREAM") })
	if err != nil || *alias.FunctionArn != "arn:aws:lambda:eu-west-1:123456789012:function:f:live" || *alias.FunctionUrl == *out.FunctionUrl {
		t.Errorf("%+v %v", alias, err)
	}
	for _, tc := range []struct {
		name, qualifier, code string
		change                func(*api.CreateFunctionUrlConfigInput)
	}{
		{"again", "", "ResourceConflictException", nil}, {"alias again", "live", "ResourceConflictException", nil},
		{"no alias", "gone", "ResourceNotFoundException", nil},
		{"no function", "", "ResourceNotFoundException", func(in *api.CreateFunctionUrlConfigInput) { in.FunctionName = new("none") }},
		{"version in the name", "", "ValidationException", func(in *api.CreateFunctionUrlConfigInput) { in.FunctionName = new("f:1") }},
		{"method", "", "InvalidParameterValueException", func(in *api.CreateFunctionUrlConfigInput) { in.Cors = &api.Cors{AllowMethods: []string{"TRACE"}} }},
		{"origin", "", "InvalidParameterValueException", func(in *api.CreateFunctionUrlConfigInput) { in.Cors = &api.Cors{AllowOrigins: []string{"a.example"}} }},
	} {
		if _, err := create(tc.qualifier, tc.change); !fault.Is(err, tc.code) {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
	for name, in := range map[string]*api.CreateFunctionUrlConfigInput{
		"auth type": {FunctionName: new("f"), AuthType: new("OPEN")}, "mode": {FunctionName: new("f"), AuthType: new("NONE"), InvokeMode: new("FAST")},
		"version": {FunctionName: new("f"), AuthType: new("NONE"), Qualifier: new("1")}, "latest": {FunctionName: new("f"), AuthType: new("NONE"), Qualifier: new("$LATEST")},
		"age": {FunctionName: new("f"), AuthType: new("NONE"), Cors: &api.Cors{MaxAge: new(int32(86401))}}, "options": {FunctionName: new("f"), AuthType: new("NONE"), Cors: &api.Cors{AllowMethods: []string{"OPTIONS"}}},
	} {
		if _, err := do(w, api.CreateFunctionUrlConfig, in); fault.As(err) == nil || fault.As(err).Status != 400 {
			t.Errorf("%s: %v", name, err)
		}
	}
	w.clock.Advance(time.Minute)
	changed := must(w, api.UpdateFunctionUrlConfig, &api.UpdateFunctionUrlConfigInput{FunctionName: new("f"), AuthType: new("NONE"), Cors: &api.Cors{}})
	got := must(w, api.GetFunctionUrlConfig, &api.GetFunctionUrlConfigInput{FunctionName: new("f")})
	if *changed.AuthType != "NONE" || changed.Cors != nil || *got.FunctionUrl != *out.FunctionUrl || *got.CreationTime != *out.CreationTime || *got.LastModifiedTime == *got.CreationTime {
		t.Errorf("%+v %+v", changed, got)
	}
	page := must(w, api.ListFunctionUrlConfigs, &api.ListFunctionUrlConfigsInput{FunctionName: new("f"), MaxItems: new(int32(1))})
	rest := must(w, api.ListFunctionUrlConfigs, &api.ListFunctionUrlConfigsInput{FunctionName: new("f"), Marker: page.NextMarker})
	if len(page.FunctionUrlConfigs) != 1 || len(rest.FunctionUrlConfigs) != 1 || *rest.FunctionUrlConfigs[0].FunctionUrl != *alias.FunctionUrl || rest.NextMarker != nil {
		t.Errorf("%+v %+v", page, rest)
	}
	// The alias takes its URL with it, and the function all of them.
	must(w, api.DeleteAlias, &api.DeleteAliasInput{FunctionName: new("f"), Name: new("live")})
	if _, err := do(w, api.GetFunctionUrlConfig, &api.GetFunctionUrlConfigInput{FunctionName: new("f"), Qualifier: new("live")}); !fault.Is(err, "ResourceNotFoundException") {
		t.Errorf("after the alias: %v", err)
	}
	must(w, api.DeleteFunctionUrlConfig, &api.DeleteFunctionUrlConfigInput{FunctionName: new("f")})
	if _, err := do(w, api.DeleteFunctionUrlConfig, &api.DeleteFunctionUrlConfigInput{FunctionName: new("f")}); !fault.Is(err, "ResourceNotFoundException") {
		t.Errorf("deleted twice: %v", err)
	}
	address := w.public("f")
	must(w, api.DeleteFunction, &api.DeleteFunctionInput{FunctionName: new("f")})
	if resp, _ := fetch(t, w.front(), "GET", address, ""); resp.StatusCode != 403 {
		t.Errorf("the URL of a deleted function: %d", resp.StatusCode)
	}
}

const echo = `exports.handler = async (event, context) => {
	if (event.rawPath === "/fail") throw new Error("secret");
	if (event.rawPath === "/bad") return {statusCode: 99};
	if (event.rawPath === "/text") return {statusCode: 202, headers: {"content-type": "text/plain", "access-control-allow-origin": "own"}, cookies: ["a=1"], body: "hi"};
	return {event, arn: context.invokedFunctionArn, id: context.awsRequestId};
}`

func TestURL(t *testing.T) {
	w := newWorld(t, Options{})
	w.node("f", echo)
	address, c := w.public("f", func(in *api.CreateFunctionUrlConfigInput) {
		in.Cors = &api.Cors{AllowOrigins: []string{"https://a.example"}, AllowMethods: []string{"*"}}
	}), w.front()
	resp, text := fetch(t, c, "POST", address+"x/y?q=1", "\x00\x01", "Content-Type", "image/png", "Cookie", "k=v")
	var got struct {
		Event struct {
			RawPath, RawQueryString, Body string
			Cookies                       []string
			IsBase64Encoded               bool
			RequestContext                struct{ AccountID, DomainName, RequestID string }
		}
		ARN, ID string
	}
	if err := json.Unmarshal([]byte(text), &got); err != nil || resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "application/json" {
		t.Fatalf("%d %s %v", resp.StatusCode, text, err)
	}
	e := got.Event
	if e.RawPath != "/x/y" || e.RawQueryString != "q=1" || e.Body != "AAE=" || !e.IsBase64Encoded || !cmp.Equal(e.Cookies, []string{"k=v"}) ||
		e.RequestContext.AccountID != "anonymous" || e.RequestContext.RequestID != got.ID || resp.Header.Get("X-Amzn-Requestid") != got.ID ||
		got.ARN != "arn:aws:lambda:eu-west-1:123456789012:function:f" || !strings.HasSuffix(e.RequestContext.DomainName, ".lambda-url.eu-west-1.localhost") {
		t.Errorf("%s", text)
	}
	resp, text = fetch(t, c, "GET", address+"text", "", "Origin", "https://a.example")
	if resp.StatusCode != 202 || text != "hi" || !cmp.Equal(resp.Header["Access-Control-Allow-Origin"], []string{"own", "https://a.example"}) || resp.Header.Get("Set-Cookie") != "a=1" {
		t.Errorf("%d %q %v", resp.StatusCode, text, resp.Header)
	}
	for _, tc := range []struct {
		name, method, url, body string
		status                  int
		text, errorType         string
		header                  []string
	}{
		{"failure", "GET", address + "fail", "", 502, "Internal Server Error", "", nil},
		{"bad answer", "GET", address + "bad", "", 502, "Internal Server Error", "", nil},
		{"too large", "POST", address, strings.Repeat("x", 6<<20+1), 413, `{"Message":"Request must be smaller than 6291456 bytes for the InvokeFunction operation"}`, "RequestTooLargeException", nil},
		{"too large as an event", "POST", address, strings.Repeat("x", 6<<20-10), 413, `{"Message":"Request must be smaller than 6291456 bytes for the InvokeFunction operation"}`, "RequestTooLargeException", nil},
		{"preflight", "OPTIONS", address + "fail", "", 200, "", "", []string{"Origin", "https://a.example", "Access-Control-Request-Method", "PUT"}},
		{"no such URL", "GET", "http://" + strings.Repeat("a", 32) + ".lambda-url.eu-west-1.on.aws/", "", 403, forbiddenBody, "AccessDeniedException", nil},
		{"head", "HEAD", address + "text", "", 202, "", "", nil},
	} {
		resp, text := fetch(t, c, tc.method, tc.url, tc.body, tc.header...)
		if resp.StatusCode != tc.status || text != tc.text || resp.Header.Get("X-Amzn-Errortype") != tc.errorType {
			t.Errorf("%s: %d %s %v", tc.name, resp.StatusCode, text, resp.Header)
		}
	}
	must(w, api.PutFunctionConcurrency, &api.PutFunctionConcurrencyInput{FunctionName: new("f"), ReservedConcurrentExecutions: new(int32(0))})
	resp, text = fetch(t, c, "GET", address, "")
	if resp.StatusCode != 429 || text != `{"Reason":"ReservedFunctionConcurrentInvocationLimitExceeded","Type":"User","Message":"Rate Exceeded."}` || resp.Header.Get("X-Amzn-Errortype") != "TooManyRequestsException" {
		t.Errorf("throttled: %d %s", resp.StatusCode, text)
	}
}

const forbiddenBody = `{"Message":"Forbidden. For troubleshooting Function URL authorization issues, see: https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html"}`

// A URL is open only to whom the function's policy names, for both actions.
func TestURLPolicy(t *testing.T) {
	w := newWorld(t, Options{})
	w.node("f", `exports.handler = async () => "in"`)
	out := must(w, api.CreateFunctionUrlConfig, &api.CreateFunctionUrlConfigInput{FunctionName: new("f"), AuthType: new("NONE")})
	c := w.front()
	want := func(what string, status int) {
		t.Helper()
		if resp, text := fetch(t, c, "GET", *out.FunctionUrl, ""); resp.StatusCode != status || (status == 403 && text != forbiddenBody) {
			t.Errorf("%s: %d %s", what, resp.StatusCode, text)
		}
	}
	add := func(sid, action, authType string, viaURL bool) {
		t.Helper()
		in := &api.AddPermissionInput{FunctionName: new("f"), StatementId: &sid, Action: &action, Principal: new("*")}
		if authType != "" {
			in.FunctionUrlAuthType = &authType
		}
		if viaURL {
			in.InvokedViaFunctionUrl = new(true)
		}
		must(w, api.AddPermission, in)
	}
	want("no policy", 403)
	add("a", "lambda:InvokeFunctionUrl", "NONE", false)
	want("one action", 403)
	add("b", "lambda:InvokeFunction", "", true)
	want("both", 200)
	must(w, api.RemovePermission, &api.RemovePermissionInput{FunctionName: new("f"), StatementId: new("a")})
	add("c", "lambda:InvokeFunctionUrl", "AWS_IAM", false)
	want("for the other auth type", 403)
	// What is allowed by the URL is not by the API.
	anyone := w.call()
	anyone.Caller = identity.Anonymous()
	if _, err := doContext(t.Context(), w, anyone, api.Invoke, &api.InvokeInput{FunctionName: new("f")}); !fault.Is(err, "AccessDeniedException") {
		t.Errorf("Invoke by anyone: %v", err)
	}
	must(w, api.UpdateFunctionUrlConfig, &api.UpdateFunctionUrlConfigInput{FunctionName: new("f"), AuthType: new("AWS_IAM")})
	want("unsigned, where a signature is wanted", 403)
}

func TestURLOfAlias(t *testing.T) {
	w := newWorld(t, Options{})
	w.node("f", `exports.handler = async (e, c) => c.functionVersion + " " + c.invokedFunctionArn`)
	must(w, api.PublishVersion, &api.PublishVersionInput{FunctionName: new("f")})
	must(w, api.CreateAlias, &api.CreateAliasInput{FunctionName: new("f"), Name: new("live"), FunctionVersion: new("1")})
	address := w.public("f", func(in *api.CreateFunctionUrlConfigInput) { in.Qualifier = new("live") })
	if resp, text := fetch(t, w.front(), "GET", address, ""); resp.StatusCode != 200 || text != "1 arn:aws:lambda:eu-west-1:123456789012:function:f:live" {
		t.Errorf("%d %s", resp.StatusCode, text)
	}
}

func TestURLStream(t *testing.T) {
	w := newWorld(t, Options{})
	w.node("s", `exports.handler = awslambda.streamifyResponse(async (event, out) => {
		const wait = (ms) => new Promise((r) => setTimeout(r, ms));
		switch (event.rawPath) {
		case "/early": throw new Error("early");
		case "/raw": out.setContentType("text/plain"); out.write("one "); await wait(20); out.end("two"); return;
		case "/unfinished": out = awslambda.HttpResponseStream.from(out, {statusCode: 200}); out.write("half"); await wait(50); throw new Error("late");
		}
		out = awslambda.HttpResponseStream.from(out, {statusCode: 201, headers: {"Content-Type": "text/event-stream", "x-own": "1"}, cookies: ["a=1", "b=2"]});
		out.write("data: 1\n\n");
		await wait(400);
		out.end("data: 2\n\n");
	});`)
	w.node("b", `exports.handler = async (event) => { if (event.rawPath === "/early") throw new Error("x"); return {statusCode: 201, body: "b"}; }`)
	mode := func(in *api.CreateFunctionUrlConfigInput) { in.InvokeMode = new("RESPONSE_STREAM") }
	streaming, buffered, c := w.public("s", mode), w.public("b", mode), w.front()
	began := time.Now()
	resp, err := c.Get(streaming)
	if err != nil {
		t.Fatal(err)
	}
	br := bufio.NewReader(resp.Body)
	line, err := br.ReadString('\n')
	first := time.Since(began)
	rest, _ := io.ReadAll(br)
	last := time.Since(began)
	if err != nil || resp.StatusCode != 201 || resp.Header.Get("Content-Type") != "text/event-stream" || resp.Header.Get("X-Own") != "1" || len(resp.Header["Set-Cookie"]) != 2 ||
		line != "data: 1\n" || string(rest) != "\ndata: 2\n\n" || last-first < 200*time.Millisecond {
		t.Errorf("%d %v %q %q, first %v last %v", resp.StatusCode, resp.Header, line, rest, first, last)
	}
	for _, tc := range []struct {
		url, contentType, text string
		status                 int
	}{
		{streaming + "raw", "text/plain", "one two", 200},
		{streaming + "early", "application/json", "Internal Server Error", 502},
		{buffered, "application/json", `{"statusCode":201,"body":"b"}`, 200},
		{buffered + "early", "application/json", "Internal Server Error", 502},
	} {
		if resp, text := fetch(t, c, "GET", tc.url, ""); resp.StatusCode != tc.status || text != tc.text || resp.Header.Get("Content-Type") != tc.contentType {
			t.Errorf("%s: %d %q %v", tc.url, resp.StatusCode, text, resp.Header)
		}
	}
	// What breaks off is not taken for whole.
	resp, err = c.Get(streaming + "unfinished")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, err := io.ReadAll(resp.Body); resp.StatusCode != 200 || string(text) != "half" || err == nil {
		t.Errorf("%d %q %v", resp.StatusCode, text, err)
	}
	// A function that streams, behind a URL that does not.
	must(w, api.UpdateFunctionUrlConfig, &api.UpdateFunctionUrlConfigInput{FunctionName: new("s"), InvokeMode: new("BUFFERED")})
	if resp, text := fetch(t, c, "GET", streaming, ""); resp.StatusCode != 201 || text != "data: 1\n\ndata: 2\n\n" || resp.Header.Get("X-Own") != "1" {
		t.Errorf("%d %q %v", resp.StatusCode, text, resp.Header)
	}
	if resp, text := fetch(t, c, "GET", streaming+"raw", ""); resp.StatusCode != 200 || text != "one two" || resp.Header.Get("Content-Type") != "text/plain" {
		t.Errorf("%d %q %v", resp.StatusCode, text, resp.Header)
	}
}

// A response that nobody takes to its end does not hold its function.
func TestURLStreamNotTaken(t *testing.T) {
	w := newWorld(t, Options{})
	w.node("s", `exports.handler = awslambda.streamifyResponse(async (event, out) => {
		if (event.rawPath === "/prelude") out.setContentType("application/vnd.awslambda.http-integration-response");
		else out = awslambda.HttpResponseStream.from(out, {statusCode: 204, headers: {"Service-Worker-Allowed": "/"}});
		out.end("x".repeat(1 << 20));
	});`)
	must(w, api.UpdateFunctionConfiguration, &api.UpdateFunctionConfigurationInput{FunctionName: new("s"), Timeout: new(int32(30))})
	at, c := w.public("s", func(in *api.CreateFunctionUrlConfigInput) { in.InvokeMode = new("RESPONSE_STREAM") }), w.front()
	began := time.Now()
	if resp, text := fetch(t, c, "GET", at, ""); resp.StatusCode != 204 || text != "" || resp.Header.Get("Service-Worker-Allowed") != "/" {
		t.Errorf("no content: %d %q", resp.StatusCode, text)
	}
	host, _, _ := strings.Cut(strings.TrimPrefix(at, "http://"), ".")
	byPath := "http://127.0.0.1/_aws/lambda-url/" + host + "/"
	if resp, _ := fetch(t, c, "GET", byPath, ""); resp.StatusCode != 204 || resp.Header.Get("Service-Worker-Allowed") != "" {
		t.Errorf("by path: %d %v", resp.StatusCode, resp.Header)
	}
	if resp, _ := fetch(t, c, "GET", at+"prelude", ""); resp.StatusCode != 502 {
		t.Errorf("metadata without an end: %d", resp.StatusCode)
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("the function was held for %v", took)
	}
}

func TestURLResource(t *testing.T) {
	w := newWorld(t, Options{Sandbox: "none"})
	w.node("f", "1")
	ctx, c := t.Context(), w.call()
	rt, r := resource(t, "AWS::Lambda::Url", "Url", `{"TargetFunctionArn":"arn:aws:lambda:eu-west-1:123456789012:function:f","AuthType":"NONE","InvokeMode":"RESPONSE_STREAM","Cors":{"AllowOrigins":["*"],"MaxAge":9}}`)
	if err := rt.Create(ctx, c, r); err != nil {
		t.Fatal(err)
	}
	got := must(w, api.GetFunctionUrlConfig, &api.GetFunctionUrlConfigInput{FunctionName: new("f")})
	if r.PhysicalID != *got.FunctionArn || r.Attributes["FunctionUrl"] != *got.FunctionUrl || *got.InvokeMode != "RESPONSE_STREAM" || *got.Cors.MaxAge != 9 {
		t.Errorf("%s %v %+v", r.PhysicalID, r.Attributes, got)
	}
	_, next := resource(t, "AWS::Lambda::Url", "Url", `{"TargetFunctionArn":"arn:aws:lambda:eu-west-1:123456789012:function:f","AuthType":"AWS_IAM"}`)
	r.Old, r.Properties = r.Properties, next.Properties
	if err := rt.Update(ctx, c, r); err != nil {
		t.Fatal(err)
	}
	now := must(w, api.GetFunctionUrlConfig, &api.GetFunctionUrlConfigInput{FunctionName: new("f")})
	if *now.AuthType != "AWS_IAM" || *now.InvokeMode != "BUFFERED" || now.Cors != nil || *now.FunctionUrl != *got.FunctionUrl {
		t.Errorf("what the template left out stayed: %+v", now)
	}
	for range 2 { // gone already is no error
		if err := rt.Delete(ctx, c, r); err != nil {
			t.Fatal(err)
		}
	}
}

// Conditions can tell requests on open URLs from others.
func TestURLKeys(t *testing.T) {
	w := newWorld(t, Options{Sandbox: "none"})
	w.node("f", "1")
	asked := func(in any) (string, string) {
		t.Helper()
		check, err := w.s.checkOn(t.Context(), fn.At(fn.Place{Account: account, Region: region}, "f", ""), in)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(check.Context["lambda:functionurlauthtype"], ","), strings.Join(check.Context["lambda:functionarn"], ",")
	}
	arn := "arn:aws:lambda:eu-west-1:123456789012:function:f"
	if a, f := asked(&api.CreateFunctionUrlConfigInput{AuthType: new("NONE")}); a != "NONE" || f != arn {
		t.Errorf("create %q %q", a, f)
	}
	if a, f := asked(&api.DeleteFunctionUrlConfigInput{}); a != "" || f != arn {
		t.Errorf("delete without a URL %q %q", a, f)
	}
	must(w, api.CreateFunctionUrlConfig, &api.CreateFunctionUrlConfigInput{FunctionName: new("f"), AuthType: new("AWS_IAM")})
	if a, _ := asked(&api.DeleteFunctionUrlConfigInput{}); a != "AWS_IAM" {
		t.Errorf("delete %q", a)
	}
	if a, _ := asked(&api.UpdateFunctionUrlConfigInput{AuthType: new("NONE")}); a != "NONE" {
		t.Errorf("update %q", a)
	}
	if a, f := asked(&api.InvokeInput{}); a != "" || f != "" {
		t.Errorf("another operation %q %q", a, f)
	}
}
