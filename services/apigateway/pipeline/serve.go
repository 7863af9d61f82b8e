package pipeline

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"moln.dev/moln/aws/policy"
	"moln.dev/moln/platform/functions"
	"moln.dev/moln/platform/identity"
	"moln.dev/moln/platform/tokens"
	"moln.dev/moln/services/apigateway/vtl"
)

// Limits of a request.
const (
	BodyMax   = 10 << 20 // bytes
	HeaderMax = 10_240   // bytes of names and values
)

// Request is what a client sent, its stage taken off the path.
type Request struct {
	Method    string
	Path      string // escaped, begins with a slash, without the stage
	FullPath  string // as the client sent it: with the stage on AWS's own host
	Query     url.Values
	Header    http.Header
	Body      []byte
	TooLarge  bool // the body or the headers were
	Host      string
	Protocol  string
	SourceIP  string
	RequestID string
	// Secure: the request crossed no network in the clear.
	Secure bool
	// ExtendedID and TraceID are sent back and handed on.
	ExtendedID, TraceID string
	Time                time.Time
}

func (r *Request) mediaType() string {
	t, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	if t = strings.ToLower(strings.TrimSpace(t)); t == "" {
		return "application/json"
	}
	return t
}

// Response is the answer.
type Response struct {
	Status  int
	Header  http.Header
	Body    []byte
	Failure error // why, where a gateway response answers; for the log
}

// Stage is where an API is served.
type Stage struct {
	Account, Region, Name, DeploymentID string
	// Version changes whenever the stage does.
	Version   string
	Variables map[string]string
}

// Env is what a request needs from its node.
type Env struct {
	Invoke func(ctx context.Context, req functions.Request) (functions.Response, error)
	Assume func(ctx context.Context, roleARN string) (identity.Principal, error)
	Tokens tokens.Verifier
	Cache  *AuthCache
	Depth  int
	// Pause returns a context that ends after d, by the node's clock.
	Pause func(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc)
}

// exchange is one request on its way.
type exchange struct {
	api    *API
	env    *Env
	stage  *Stage
	req    *Request
	m      *method // nil until matched
	params map[string]string
	auth   *authResult
	failed *failure

	context *vtl.Map // made when first asked for
}

// Serve answers one request.
func (a *API) Serve(ctx context.Context, env *Env, st *Stage, req *Request) *Response {
	x := &exchange{api: a, env: env, stage: st, req: req}
	resp, err := x.serve(ctx)
	if err != nil {
		var f *failure
		if !errors.As(err, &f) {
			f = &failure{kind: integrationFailed, status: http.StatusInternalServerError, message: "Internal server error", cause: err}
		}
		resp = x.fail(f)
		resp.Failure = f
		if f.cause != nil {
			resp.Failure = f.cause
		}
	}
	h := resp.Header
	h.Set("X-Amzn-Requestid", req.RequestID)
	h.Set("X-Amz-Apigw-Id", req.ExtendedID)
	return resp
}

func (x *exchange) serve(ctx context.Context) (*Response, error) {
	switch {
	case x.api.disabled:
		return nil, &failure{kind: forbidden, message: "Forbidden"}
	case x.req.TooLarge:
		return nil, &failure{kind: tooLarge, message: "Request Too Long"}
	}
	x.m, x.params = x.api.match(x.req.Method, x.req.Path)
	if x.m == nil {
		return nil, &failure{kind: missingToken, message: "Missing Authentication Token"}
	}
	if err := x.authorize(ctx); err != nil {
		return nil, err
	}
	if err := x.validate(); err != nil {
		return nil, err
	}
	return x.integrate(ctx)
}

// arn names the request's method for policies: its real path, its real verb.
func (x *exchange) arn() string {
	return "arn:aws:execute-api:" + x.stage.Region + ":" + x.stage.Account + ":" + x.api.id + "/" + x.stage.Name + "/" + x.req.Method + decode(x.req.Path)
}

// sourceARN names the method for functions' policies: the resource's path, with
// variables as wildcards.
func (x *exchange) sourceARN() string {
	path := x.m.resourcePath
	if strings.Contains(path, "{") {
		parts := strings.Split(path, "/")
		for i, p := range parts {
			if strings.HasPrefix(p, "{") {
				parts[i] = "*"
			}
		}
		path = strings.Join(parts, "/")
	}
	return "arn:aws:execute-api:" + x.stage.Region + ":" + x.stage.Account + ":" + x.api.id + "/" + x.stage.Name + "/" + x.req.Method + path
}

// conditions are the condition keys of a request.
func (x *exchange) conditions() policy.Keys {
	k := policy.Keys{
		"aws:sourceip":        {x.req.SourceIP},
		"aws:securetransport": {strconv.FormatBool(x.req.Secure)},
		"aws:currenttime":     {x.req.Time.UTC().Format(time.RFC3339)},
		"aws:requestedregion": {x.stage.Region},
		"aws:resourceaccount": {x.stage.Account},
	}
	if ua := x.req.Header.Get("User-Agent"); ua != "" {
		k["aws:useragent"] = []string{ua}
	}
	if ref := x.req.Header.Get("Referer"); ref != "" {
		k["aws:referer"] = []string{ref}
	}
	return k
}

// param reads a request parameter: the last value of several.
func (x *exchange) param(where, name string) string {
	switch where {
	case "path":
		return x.params[name]
	case "querystring":
		if v := x.req.Query[name]; len(v) > 0 {
			return v[len(v)-1]
		}
	case "multivaluequerystring":
		return strings.Join(x.req.Query[name], ",")
	case "header":
		if v := x.req.Header.Values(name); len(v) > 0 {
			return v[len(v)-1]
		}
	case "multivalueheader":
		return strings.Join(x.req.Header.Values(name), ",")
	}
	return ""
}

// functionSource is the principal that invokes functions: the service on behalf
// of arn, or a role's session.
func (x *exchange) functionSource(ctx context.Context, role, arn string) (identity.Principal, error) {
	if role == "" {
		return identity.Service("apigateway.amazonaws.com", x.stage.Account, arn), nil
	}
	return x.env.Assume(ctx, role)
}
