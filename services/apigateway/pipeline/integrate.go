package pipeline

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	api "moln.dev/moln/api/apigateway"
	"moln.dev/moln/platform/functions"
	"moln.dev/moln/services/apigateway/vtl"
)

// Passthrough behaviours.
const (
	WhenNoMatch     = "WHEN_NO_MATCH"
	WhenNoTemplates = "WHEN_NO_TEMPLATES"
	never           = "NEVER"
)

// integration is a compiled integration.
type integration struct {
	proxy, mock bool
	function    string // ARN, with stage variables
	role        string
	timeout     time.Duration
	templates   map[string]*vtl.Template // by media type
	passthrough string
	content     string // content handling of the request
	// invocation and clientContext are the header mappings that Lambda heeds.
	invocation, clientContext string
	responses                 []*integrationResponse // those with patterns first
}

type integrationResponse struct {
	status  string
	pattern *regexp.Regexp // nil: the default
	headers map[string]string
	media   []string // media types of templates, in order
	bodies  map[string]*vtl.Template
	content string
}

var lambdaURI = regexp.MustCompile(`^arn:aws[a-z-]*:apigateway:[a-z0-9-]+:lambda:path/2015-03-31/functions/(.+)/invocations$`)

// CheckIntegration refuses what could not be served.
func CheckIntegration(m *api.Method, i *api.Integration) error {
	_, err := compileIntegration(m, i)
	return err
}

// CheckIntegrationResponse refuses what could not be served.
func CheckIntegrationResponse(r *api.IntegrationResponse) error {
	_, err := compileIntegrationResponse(r)
	return err
}

func compileIntegration(_ *api.Method, i *api.Integration) (*integration, error) {
	out := &integration{
		role: val(i.Credentials), timeout: time.Duration(val(i.TimeoutInMillis)) * time.Millisecond, passthrough: val(i.PassthroughBehavior),
		content: val(i.ContentHandling), templates: map[string]*vtl.Template{},
	}
	switch out.passthrough {
	case WhenNoMatch, WhenNoTemplates, never:
	default:
		return nil, fmt.Errorf("Invalid passthrough behavior specified: %s", out.passthrough)
	}
	switch t := val(i.Type); t {
	case "MOCK":
		out.mock = true
	case "AWS_PROXY", "AWS":
		out.proxy = t == "AWS_PROXY"
		var err error
		if out.function, err = functionOf(val(i.Uri), out.proxy); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("Integrations of type '%s' are not supported", t)
	}
	if strings.HasPrefix(out.role, "arn:aws:iam::*") {
		return nil, errors.New("caller credentials (arn:aws:iam::*:user/*) are not supported")
	}
	for mime, text := range i.RequestTemplates {
		t, err := vtl.Parse(text)
		if err != nil {
			return nil, fmt.Errorf("Invalid mapping template for %s: %w", mime, err)
		}
		out.templates[strings.ToLower(mime)] = t
	}
	if err := out.compileParameters(i.RequestParameters); err != nil {
		return nil, err
	}
	for _, r := range i.IntegrationResponses {
		c, err := compileIntegrationResponse(&r)
		if err != nil {
			return nil, err
		}
		out.responses = append(out.responses, c)
	}
	return out, nil
}

// functionOf reads the function from an integration's or authorizer's URI.
func functionOf(uri string, proxy bool) (string, error) {
	if m := lambdaURI.FindStringSubmatch(uri); m != nil {
		return m[1], nil
	}
	parts := strings.SplitN(uri, ":", 6)
	switch {
	case len(parts) < 6 || parts[0] != "arn" || parts[2] != "apigateway":
		return "", errors.New("Invalid ARN specified in the request")
	case !strings.HasPrefix(parts[5], "path/") && !strings.HasPrefix(parts[5], "action/"):
		return "", errors.New("AWS ARN for integration must contain path or action")
	case proxy:
		return "", errors.New("Integrations of type 'AWS_PROXY' currently only supports Lambda function and Firehose stream invocations.")
	}
	return "", fmt.Errorf("moln does not support integrations with %s yet, only with Lambda functions", parts[4])
}

// compileParameters keeps the header mappings that Lambda heeds; what else
// there is has no effect on a function at AWS either, but must be well-formed.
func (i *integration) compileParameters(params map[string]string) error {
	for name, source := range params {
		header, isHeader := strings.CutPrefix(name, "integration.request.header.")
		known := isHeader || strings.HasPrefix(name, "integration.request.querystring.") || strings.HasPrefix(name, "integration.request.path.")
		if !known || !validSource(source, "method.request", "context", "stageVariables") {
			return fmt.Errorf("Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression parameter specified: %s]", name)
		}
		switch {
		case strings.EqualFold(header, "X-Amz-Invocation-Type"):
			i.invocation = source
		case strings.EqualFold(header, "X-Amz-Client-Context"):
			i.clientContext = source
		}
	}
	return nil
}

func compileIntegrationResponse(r *api.IntegrationResponse) (*integrationResponse, error) {
	out := &integrationResponse{status: val(r.StatusCode), headers: map[string]string{}, bodies: map[string]*vtl.Template{}, content: val(r.ContentHandling)}
	if _, err := strconv.Atoi(out.status); err != nil {
		return nil, errors.New("Status code should match the following regular expression: [1-5]\\d\\d")
	}
	if p := val(r.SelectionPattern); p != "" {
		re, err := regexp.Compile(`^(?s:` + p + `)$`)
		if err != nil {
			return nil, fmt.Errorf("Invalid selection pattern specified: %s: %w", p, err)
		}
		out.pattern = re
	}
	for name, source := range r.ResponseParameters {
		header := strings.TrimPrefix(strings.TrimPrefix(name, "method.response."), "multivalue")
		header, ok := strings.CutPrefix(header, "header.")
		if !ok || source != "integration.response.body" && !validSource(source, "integration.response.body", "context", "stageVariables", "integration.response.header", "integration.response.multivalueheader") {
			return nil, fmt.Errorf("Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression parameter specified: %s]", name)
		}
		out.headers[header] = source
	}
	for _, mime := range sortedKeys(r.ResponseTemplates) {
		t, err := vtl.Parse(r.ResponseTemplates[mime])
		if err != nil {
			return nil, fmt.Errorf("Invalid mapping template for %s: %w", mime, err)
		}
		out.media = append(out.media, mime)
		out.bodies[mime] = t
	}
	return out, nil
}

// integrate runs the integration.
func (x *exchange) integrate(ctx context.Context) (*Response, error) {
	i := x.m.integration
	if i.proxy {
		return x.lambdaProxy(ctx, i)
	}
	payload, err := x.requestBody(i)
	if err != nil {
		return nil, err
	}
	if i.mock {
		status, ok := mockStatus(payload)
		if !ok {
			return nil, &failure{kind: default5XX, status: 500, message: "Internal server error", cause: errors.New("mock: the request template gave no statusCode")}
		}
		return x.integrationResponse(i, strconv.Itoa(status), "", true)
	}
	resp, err := x.invoke(ctx, i, []byte(payload))
	if err != nil {
		return nil, err
	}
	selector := ""
	if resp.FunctionError != "" {
		selector = errorMessage(resp.Payload)
	}
	return x.integrationResponse(i, selector, string(resp.Payload), resp.FunctionError != "")
}

func errorMessage(payload []byte) string {
	var e struct {
		ErrorMessage string `json:"errorMessage"`
	}
	_ = json.Unmarshal(payload, &e) // an error without a message matches ""
	return e.ErrorMessage
}

// requestBody is the integration request's body: the template's output, or the
// body as it came.
func (x *exchange) requestBody(i *integration) (string, error) {
	body := string(x.req.Body)
	binary := x.api.isBinary(x.req.Header.Get("Content-Type"))
	switch {
	case i.content == "CONVERT_TO_TEXT" && binary:
		body = base64.StdEncoding.EncodeToString(x.req.Body)
	case i.content == "CONVERT_TO_BINARY" && !binary && body != "":
		b, err := base64.StdEncoding.DecodeString(body)
		if err != nil {
			return "", &failure{kind: default5XX, status: 500, message: "Internal server error", cause: err}
		}
		body = string(b)
	}
	t := i.templates[x.req.mediaType()]
	if t == nil {
		if i.passthrough == never || i.passthrough == WhenNoTemplates && len(i.templates) > 0 {
			return "", &failure{kind: unsupportedMedia, message: "Unsupported Media Type"}
		}
		return body, nil
	}
	in := x.input()
	in.Body = body
	out, err := x.render(t, in)
	if err != nil {
		return "", &failure{kind: default5XX, status: 500, message: "Internal server error", cause: err}
	}
	return out, nil
}

var looseStatus = regexp.MustCompile(`["']?statusCode["']?\s*:\s*["']?([1-5]\d\d)\b`)

// mockStatus reads the statusCode that a MOCK's template gave; names need not
// be quoted.
func mockStatus(s string) (int, bool) {
	m := looseStatus.FindStringSubmatch(s)
	if m == nil || !strings.HasPrefix(strings.TrimSpace(s), "{") {
		return 0, false
	}
	n, err := strconv.Atoi(m[1])
	return n, err == nil
}

// invoke calls the function with the integration's identity and timeout.
func (x *exchange) invoke(ctx context.Context, i *integration, payload []byte) (functions.Response, error) {
	arn, err := x.expand(i.function)
	if err != nil {
		return functions.Response{}, err
	}
	principal, err := x.functionSource(ctx, i.role, x.sourceARN())
	if err != nil {
		return functions.Response{}, &failure{kind: default5XX, status: 500, message: "Internal server error", cause: err}
	}
	req := functions.Request{Caller: principal, Account: x.stage.Account, Region: x.stage.Region, RequestID: x.req.RequestID, Depth: x.env.Depth + 1, Trace: x.req.TraceID, FunctionARN: arn, Payload: payload}
	if v, _ := x.source(i.invocation); v == "Event" {
		req.Kind = functions.Async
	}
	req.ClientContext, _ = x.source(i.clientContext)
	limited, cancel := x.env.Pause(ctx, i.timeout)
	defer cancel()
	resp, err := x.env.Invoke(limited, req)
	switch {
	case err == nil:
		return resp, nil
	case limited.Err() != nil && ctx.Err() == nil:
		return resp, &failure{kind: integrationSlow, message: "Endpoint request timed out", cause: err}
	}
	return resp, &failure{kind: default5XX, status: 500, message: "Internal server error", cause: err}
}

var stageVariable = regexp.MustCompile(`\$\{stageVariables\.([a-zA-Z0-9_]+)\}`)

// expand puts stage variables into an ARN.
func (x *exchange) expand(s string) (string, error) {
	missing := ""
	out := stageVariable.ReplaceAllStringFunc(s, func(ref string) string {
		name := stageVariable.FindStringSubmatch(ref)[1]
		v, ok := x.stage.Variables[name]
		if !ok {
			missing = name
		}
		return v
	})
	if missing != "" {
		return "", &failure{kind: default5XX, status: 500, message: "Internal server error", cause: fmt.Errorf("no stage variable %s", missing)}
	}
	return out, nil
}

// integrationResponse picks the response by selector and maps it. failed says
// that patterns are tried: for functions, only their errors are matched.
func (x *exchange) integrationResponse(i *integration, selector, body string, failed bool) (*Response, error) {
	var chosen *integrationResponse
	for _, r := range i.responses {
		switch {
		case r.pattern == nil:
			if chosen == nil {
				chosen = r
			}
		case failed && r.pattern.MatchString(selector):
			chosen = r
		}
		if chosen != nil && chosen.pattern != nil {
			break
		}
	}
	if chosen == nil {
		return nil, &failure{kind: badConfiguration, message: "Internal server error", cause: errors.New("no integration response matches")}
	}
	return x.mapResponse(chosen, body)
}

func (x *exchange) mapResponse(r *integrationResponse, body string) (*Response, error) {
	status, _ := strconv.Atoi(r.status)
	out := &Response{Status: status, Header: http.Header{}}
	out.Header.Set("Content-Type", "application/json")
	for name, source := range r.headers {
		if v, ok := x.responseSource(source, body); ok {
			out.Header.Set(name, v)
		}
	}
	text := body
	if mime, t, ok := chooseTemplate(r, x.req.Header.Get("Accept")); ok {
		rendered, err := x.render(t, &vtl.Input{Body: body, Header: x.input().Header, Path: x.input().Path, Querystring: x.input().Querystring})
		if err != nil {
			return nil, &failure{kind: default5XX, status: 500, message: "Internal server error", cause: err}
		}
		text = rendered
		if _, mapped := r.headers["Content-Type"]; !mapped {
			out.Header.Set("Content-Type", mime)
		}
	}
	x.override(out)
	out.Body = []byte(text)
	if r.content == "CONVERT_TO_BINARY" || r.content == "" && text != "" && x.api.wantsBinary(x.req.Header.Get("Accept")) && len(x.api.binary) > 0 && r.content != "CONVERT_TO_TEXT" {
		b, err := base64.StdEncoding.DecodeString(strings.Trim(text, `"`))
		if err == nil {
			out.Body = b
		} else if r.content == "CONVERT_TO_BINARY" {
			return nil, &failure{kind: default5XX, status: 500, message: "Internal server error", cause: err}
		}
	}
	return out, nil
}

// responseSource evaluates a mapping expression over the integration response.
func (x *exchange) responseSource(source, body string) (string, bool) {
	rest, ok := strings.CutPrefix(source, "integration.response.")
	switch {
	case !ok:
		return x.source(source)
	case rest == "body":
		return body, true
	case strings.HasPrefix(rest, "body."):
		return bodyPath([]byte(body), strings.TrimPrefix(rest, "body."))
	}
	return "", false // functions and mocks have no headers
}

// override applies what templates set in $context.responseOverride.
func (x *exchange) override(out *Response) {
	if x.context == nil {
		return
	}
	o, _ := x.context.Get("responseOverride").(*vtl.Map)
	if o == nil {
		return
	}
	if n, err := strconv.Atoi(vtl.Text(o.Get("status"))); err == nil && n >= 100 && n < 600 {
		out.Status = n
	}
	if h, ok := o.Get("header").(*vtl.Map); ok {
		for _, name := range h.Keys() {
			if v := h.Get(name); v != nil {
				out.Header.Set(name, vtl.Text(v))
			}
		}
	}
}

// chooseTemplate takes the template of the first accepted media type, that of
// JSON, or the first.
func chooseTemplate(r *integrationResponse, accept string) (string, *vtl.Template, bool) {
	mime, t, ok := chooseByAccept(r.bodies, accept)
	if !ok && len(r.media) > 0 {
		return r.media[0], r.bodies[r.media[0]], true
	}
	return mime, t, ok
}

func chooseByAccept[T any](templates map[string]T, accept string) (string, T, bool) {
	first, _, _ := strings.Cut(accept, ",")
	first, _, _ = strings.Cut(first, ";")
	first = strings.TrimSpace(first)
	for _, mime := range []string{first, "application/json"} {
		if t, ok := templates[mime]; ok {
			return mime, t, true
		}
	}
	for _, mime := range sortedKeys(templates) {
		return mime, templates[mime], true
	}
	var none T
	return "", none, false
}
