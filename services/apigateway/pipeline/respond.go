package pipeline

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	api "moln.dev/moln/api/apigateway"
)

// kind is a type of gateway response.
type kind string

// The kinds that requests can fail with here.
const (
	accessDenied      kind = "ACCESS_DENIED"
	badConfiguration  kind = "API_CONFIGURATION_ERROR"
	authorizerBad     kind = "AUTHORIZER_CONFIGURATION_ERROR"
	authorizerFailed  kind = "AUTHORIZER_FAILURE"
	badParameters     kind = "BAD_REQUEST_PARAMETERS"
	badBody           kind = "BAD_REQUEST_BODY"
	integrationFailed kind = "INTEGRATION_FAILURE"
	integrationSlow   kind = "INTEGRATION_TIMEOUT"
	missingToken      kind = "MISSING_AUTHENTICATION_TOKEN"
	tooLarge          kind = "REQUEST_TOO_LARGE"
	unauthorized      kind = "UNAUTHORIZED"
	unsupportedMedia  kind = "UNSUPPORTED_MEDIA_TYPE"
	forbidden         kind = "WAF_FILTERED"
	default4XX        kind = "DEFAULT_4XX"
	default5XX        kind = "DEFAULT_5XX"
)

// standard is one row of AWS's table of gateway responses.
type standard struct {
	kind      kind
	status    int // 0: whatever the failure says
	errorType string
}

var standards = []standard{
	{accessDenied, 403, "AccessDeniedException"},
	{badConfiguration, 500, "InternalServerErrorException"},
	{authorizerBad, 500, "AuthorizerConfigurationException"},
	{authorizerFailed, 500, "AuthorizerFailureException"},
	{badBody, 400, "BadRequestException"},
	{badParameters, 400, "BadRequestException"},
	{default4XX, 0, "BadRequestException"},
	{default5XX, 0, "InternalServerErrorException"},
	{"EXPIRED_TOKEN", 403, "ExpiredTokenException"},
	{integrationFailed, 504, "InternalServerErrorException"},
	{integrationSlow, 504, "InternalServerErrorException"},
	{"INVALID_API_KEY", 403, "ForbiddenException"},
	{"INVALID_SIGNATURE", 403, "InvalidSignatureException"},
	{missingToken, 403, "MissingAuthenticationTokenException"},
	{"QUOTA_EXCEEDED", 429, "LimitExceededException"},
	{tooLarge, 413, "RequestTooLargeException"},
	{"RESOURCE_NOT_FOUND", 404, "NotFoundException"},
	{"THROTTLED", 429, "TooManyRequestsException"},
	{unauthorized, 401, "UnauthorizedException"},
	{unsupportedMedia, 415, "BadRequestException"},
	{forbidden, 403, "ForbiddenException"},
}

func standardOf(k kind) *standard {
	i := slices.IndexFunc(standards, func(s standard) bool { return s.kind == k })
	if i < 0 {
		return nil
	}
	return &standards[i]
}

const defaultTemplate = `{"message":$context.error.messageString}`

// ResponseTypes lists the types of gateway responses.
func ResponseTypes() []string {
	var out []string
	for _, s := range standards {
		out = append(out, string(s.kind))
	}
	return out
}

// StandardResponse is what an API answers that defines none of a type; nil for
// a type that does not exist.
func StandardResponse(name string) *api.GatewayResponse {
	s := standardOf(kind(name))
	if s == nil {
		return nil
	}
	out := &api.GatewayResponse{ResponseType: &name, ResponseParameters: map[string]string{}, ResponseTemplates: map[string]string{"application/json": defaultTemplate}, DefaultResponse: new(true)}
	if s.status != 0 {
		out.StatusCode = new(strconv.Itoa(s.status))
	}
	return out
}

// failure is a request that ends in a gateway response.
type failure struct {
	kind       kind
	message    string
	null       bool // the message is null
	capital    bool // the default body says "Message"
	status     int  // for the default kinds
	validation string
	cause      error // for the log only
}

// Error implements error.
func (f *failure) Error() string { return string(f.kind) + ": " + f.message }

// malformedProxy is what an unusable proxy result or failed function ends in.
func malformedProxy(why string) *failure {
	return &failure{kind: default5XX, status: http.StatusBadGateway, message: "Internal server error", cause: fmt.Errorf("malformed proxy response: %s", why)}
}

// gatewayResponse is a compiled definition of the API's own.
type gatewayResponse struct {
	status    int
	headers   map[string]string // header -> expression
	templates map[string]string
}

var gatewayHeader = regexp.MustCompile(`^gatewayresponse\.header\.([a-zA-Z0-9._$\-]+)$`)

// CheckGatewayResponse refuses what could not be served.
func CheckGatewayResponse(r *api.GatewayResponse) error {
	_, err := compileResponse(r)
	return err
}

func compileResponse(r *api.GatewayResponse) (*gatewayResponse, error) {
	out := &gatewayResponse{headers: map[string]string{}, templates: r.ResponseTemplates}
	if s := val(r.StatusCode); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 100 || n > 599 {
			return nil, fmt.Errorf("Status code should match the following regular expression: [1-5]\\d\\d")
		}
		out.status = n
	}
	for name, value := range r.ResponseParameters {
		m := gatewayHeader.FindStringSubmatch(name)
		if m == nil || !validSource(value, "method.request", "context", "stageVariables") {
			return nil, fmt.Errorf("Invalid parameter mapping for gateway response: %s, %s", name, value)
		}
		out.headers[m[1]] = value
	}
	return out, nil
}

func (a *API) compileResponses(list []api.GatewayResponse) error {
	for i := range list {
		r, err := compileResponse(&list[i])
		if err != nil {
			return fmt.Errorf("gateway response %s: %w", val(list[i].ResponseType), err)
		}
		a.responses[val(list[i].ResponseType)] = r
	}
	return nil
}

// fail words a failure: by the API's response of its kind, by its default for
// the class, or by AWS's.
func (x *exchange) fail(f *failure) *Response {
	s := standardOf(f.kind)
	status := f.status
	if s.status != 0 {
		status = s.status
	}
	x.failed = f
	r := x.api.responses[string(f.kind)]
	if r == nil {
		fallback := default4XX
		if status >= 500 {
			fallback = default5XX
		}
		if r = x.api.responses[string(fallback)]; r != nil && r.status != 0 {
			status = r.status
		}
	} else if r.status != 0 {
		status = r.status
	}
	out := &Response{Status: status, Header: http.Header{}, Failure: f}
	out.Header.Set("Content-Type", "application/json")
	out.Header.Set("X-Amzn-Errortype", s.errorType)
	template := defaultTemplate
	if r != nil {
		for name, source := range r.headers {
			if v, ok := x.source(source); ok {
				out.Header.Set(name, v)
			}
		}
		if mime, t, ok := chooseByAccept(r.templates, x.req.Header.Get("Accept")); ok {
			template = t
			out.Header.Set("Content-Type", mime)
		}
	}
	if f.capital && template == defaultTemplate {
		template = `{"Message":$context.error.messageString}`
	}
	out.Body = []byte(x.substitute(template))
	return out
}

// variable is what the templates of gateway responses, which are no VTL, refer to.
const variable = `(?:context|stageVariables)(?:\.[a-zA-Z0-9_\-]+)+|input\.params\(['"][^'"]+['"]\)|method\.request\.[a-zA-Z0-9_.\-]+`

var substitution = regexp.MustCompile(`\$\{(?:` + variable + `)\}|\$(?:` + variable + `)`)

func (x *exchange) substitute(template string) string {
	return substitution.ReplaceAllStringFunc(template, func(ref string) string {
		name := strings.Trim(strings.TrimPrefix(ref, "$"), "{}")
		if v, ok := x.source(name); ok {
			return v
		}
		return ""
	})
}

// jsonText is a string in JSON, or null.
func jsonText(s string, null bool) string {
	if null {
		return "null"
	}
	b, err := json.Marshal(s)
	if err != nil {
		return "null"
	}
	return string(b)
}
