package pipeline

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"moln.dev/moln/services/apigateway/vtl"
)

// event is the Lambda proxy event, format 1.0. Absent parts are null.
type event struct {
	Type                            string              `json:"type,omitempty"`      // authorizers only
	MethodArn                       string              `json:"methodArn,omitempty"` // authorizers only
	Resource                        string              `json:"resource"`
	Path                            string              `json:"path"`
	HTTPMethod                      string              `json:"httpMethod"`
	Headers                         map[string]string   `json:"headers"`
	MultiValueHeaders               map[string][]string `json:"multiValueHeaders"`
	QueryStringParameters           map[string]string   `json:"queryStringParameters"`
	MultiValueQueryStringParameters map[string][]string `json:"multiValueQueryStringParameters"`
	PathParameters                  map[string]string   `json:"pathParameters"`
	StageVariables                  map[string]string   `json:"stageVariables"`
	RequestContext                  requestContext      `json:"requestContext"`
}

type requestContext struct {
	ResourceID        string          `json:"resourceId"`
	Authorizer        json.RawMessage `json:"authorizer,omitempty"`
	ResourcePath      string          `json:"resourcePath"`
	OperationName     string          `json:"operationName,omitempty"`
	HTTPMethod        string          `json:"httpMethod"`
	ExtendedRequestID string          `json:"extendedRequestId"`
	RequestTime       string          `json:"requestTime"`
	Path              string          `json:"path"`
	AccountID         string          `json:"accountId"`
	Protocol          string          `json:"protocol"`
	Stage             string          `json:"stage"`
	DomainPrefix      string          `json:"domainPrefix"`
	RequestTimeEpoch  int64           `json:"requestTimeEpoch"`
	RequestID         string          `json:"requestId"`
	Identity          caller          `json:"identity"`
	DomainName        string          `json:"domainName"`
	DeploymentID      string          `json:"deploymentId"`
	APIID             string          `json:"apiId"`
}

// caller is requestContext.identity; without IAM most of it is null.
type caller struct {
	CognitoIdentityPoolID         *string `json:"cognitoIdentityPoolId"`
	AccountID                     *string `json:"accountId"`
	CognitoIdentityID             *string `json:"cognitoIdentityId"`
	Caller                        *string `json:"caller"`
	SourceIP                      string  `json:"sourceIp"`
	PrincipalOrgID                *string `json:"principalOrgId"`
	AccessKey                     *string `json:"accessKey"`
	CognitoAuthenticationType     *string `json:"cognitoAuthenticationType"`
	CognitoAuthenticationProvider *string `json:"cognitoAuthenticationProvider"`
	UserArn                       *string `json:"userArn"`
	UserAgent                     *string `json:"userAgent"`
	User                          *string `json:"user"`
}

// newEvent makes the event of a request without its body.
func (x *exchange) newEvent() *event {
	r := x.req
	e := &event{
		Resource: x.m.resourcePath, Path: r.Path, HTTPMethod: r.Method, PathParameters: orNil(x.params), StageVariables: orNil(x.stage.Variables),
		Headers: map[string]string{}, MultiValueHeaders: map[string][]string{},
		RequestContext: requestContext{
			ResourceID: x.m.resourceID, ResourcePath: x.m.resourcePath, OperationName: x.m.operation, HTTPMethod: r.Method,
			ExtendedRequestID: r.ExtendedID, RequestTime: r.Time.UTC().Format(clf), Path: r.FullPath, AccountID: x.stage.Account,
			Protocol: r.Protocol, Stage: x.stage.Name, DomainPrefix: domainPrefix(r.Host), RequestTimeEpoch: r.Time.UnixMilli(),
			RequestID: r.RequestID, Identity: caller{SourceIP: r.SourceIP}, DomainName: r.Host, DeploymentID: x.stage.DeploymentID, APIID: x.api.id,
		},
	}
	if ua := r.Header.Get("User-Agent"); ua != "" {
		e.RequestContext.Identity.UserAgent = &ua
	}
	for name, values := range r.Header {
		e.Headers[name] = values[len(values)-1]
		e.MultiValueHeaders[name] = values
	}
	if len(r.Query) > 0 {
		e.QueryStringParameters, e.MultiValueQueryStringParameters = map[string]string{}, r.Query
		for name, values := range r.Query {
			e.QueryStringParameters[name] = values[len(values)-1]
		}
	}
	if x.auth != nil {
		e.RequestContext.Authorizer = json.RawMessage(vtl.JSON(x.auth.context))
	}
	return e
}

// proxyEvent is the payload of a proxy integration.
func (x *exchange) proxyEvent() ([]byte, error) {
	type withBody struct {
		*event
		Body            *string `json:"body"`
		IsBase64Encoded bool    `json:"isBase64Encoded"`
	}
	out := withBody{event: x.newEvent()}
	body := string(x.req.Body)
	if x.api.isBinary(x.req.Header.Get("Content-Type")) {
		out.IsBase64Encoded = len(body) > 0
		body = base64.StdEncoding.EncodeToString(x.req.Body)
	}
	if body != "" {
		out.Body = &body
	}
	return encode(out)
}

// encode writes JSON without escaping <, > and &, as AWS does.
func encode(v any) ([]byte, error) {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return []byte(strings.TrimSuffix(b.String(), "\n")), nil
}

func orNil(m map[string]string) map[string]string {
	if len(m) == 0 {
		return nil
	}
	return m
}

func sortedKeys[V any, M ~map[string]V](m M) []string { return slices.Sorted(maps.Keys(m)) }

// isBinary reports whether a content type is one of the API's binary ones.
func (a *API) isBinary(contentType string) bool {
	t, _, _ := strings.Cut(contentType, ";")
	t = strings.ToLower(strings.TrimSpace(t))
	for _, b := range a.binary {
		if b == "*/*" || t != "" && strings.EqualFold(b, t) {
			return true
		}
	}
	return false
}

// wantsBinary asks the first media type that the client accepts.
func (a *API) wantsBinary(accept string) bool {
	first, _, _ := strings.Cut(accept, ",")
	return a.isBinary(first)
}
