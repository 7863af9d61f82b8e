package url

import (
	"encoding/base64"
	"encoding/json"
	"mime"
	"net/http"
	neturl "net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"moln.dev/moln/aws/policy"
	"moln.dev/moln/platform/identity"
)

// event is a request in payload format 2.0. What a request does not have is left
// out.
type event struct {
	Version        string            `json:"version"`
	RouteKey       string            `json:"routeKey"`
	RawPath        string            `json:"rawPath"`
	RawQuery       string            `json:"rawQueryString"`
	Cookies        []string          `json:"cookies,omitempty"`
	Headers        map[string]string `json:"headers"`
	Query          map[string]string `json:"queryStringParameters,omitempty"`
	RequestContext requestContext    `json:"requestContext"`
	Body           string            `json:"body,omitempty"`
	Base64         bool              `json:"isBase64Encoded"`
}

type requestContext struct {
	AccountID    string      `json:"accountId"`
	APIID        string      `json:"apiId"`
	Authorizer   *authorizer `json:"authorizer,omitempty"`
	DomainName   string      `json:"domainName"`
	DomainPrefix string      `json:"domainPrefix"`
	HTTP         httpContext `json:"http"`
	RequestID    string      `json:"requestId"`
	RouteKey     string      `json:"routeKey"`
	Stage        string      `json:"stage"`
	Time         string      `json:"time"`
	TimeEpoch    int64       `json:"timeEpoch"` // milliseconds
}

type httpContext struct {
	Method    string `json:"method"`
	Path      string `json:"path"`
	Protocol  string `json:"protocol"`
	SourceIP  string `json:"sourceIp"`
	UserAgent string `json:"userAgent,omitempty"`
}

type authorizer struct {
	IAM iamContext `json:"iam"`
}

type iamContext struct {
	AccessKey       string  `json:"accessKey"`
	AccountID       string  `json:"accountId"`
	CallerID        string  `json:"callerId"`
	CognitoIdentity *string `json:"cognitoIdentity"`
	PrincipalOrgID  *string `json:"principalOrgId"`
	UserARN         string  `json:"userArn"`
	UserID          string  `json:"userId"`
}

// asked is a request as the data plane found it.
type asked struct {
	http      *http.Request
	body      []byte
	id        string // of the URL
	host      string // no port
	path      string // escaped
	sourceIP  string
	requestID string
	traceID   string
	now       time.Time
	caller    identity.Principal
}

const (
	formatVersion = "2.0"
	defaultRoute  = "$default"
	timeForm      = "02/Jan/2006:15:04:05 -0700"
)

// eventOf makes the event of a request.
func eventOf(a *asked) ([]byte, error) {
	r := a.http
	e := event{
		Version: formatVersion, RouteKey: defaultRoute, RawPath: a.path, RawQuery: r.URL.RawQuery,
		Cookies: cookiesOf(r.Header), Headers: headersOf(a), Query: queryOf(r.URL.RawQuery),
		RequestContext: requestContext{
			AccountID: "anonymous", APIID: a.id, DomainName: a.host, DomainPrefix: a.id, RequestID: a.requestID,
			HTTP:     httpContext{Method: r.Method, Path: a.path, Protocol: r.Proto, SourceIP: a.sourceIP, UserAgent: r.UserAgent()},
			RouteKey: defaultRoute, Stage: defaultRoute, Time: a.now.UTC().Format(timeForm), TimeEpoch: a.now.UnixMilli(),
		},
	}
	if p := a.caller; p.Kind != policy.Anonymous {
		e.RequestContext.AccountID = p.AccountID
		e.RequestContext.Authorizer = &authorizer{iamContext{
			AccessKey: p.AccessKeyID, AccountID: p.AccountID, CallerID: p.UserID, UserARN: p.ARN, UserID: p.UserID,
		}}
	}
	if e.Base64 = isBinary(r.Header.Get("Content-Type"), a.body); e.Base64 {
		e.Body = base64.StdEncoding.EncodeToString(a.body)
	} else {
		e.Body = string(a.body)
	}
	return json.Marshal(&e)
}

// isBinary says that a body goes in base64: all that is not text by its media
// type, forms among it, or by its bytes.
func isBinary(contentType string, body []byte) bool {
	if len(body) == 0 {
		return false
	}
	if !utf8.Valid(body) {
		return true
	}
	if contentType == "" {
		return false
	}
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		media, _, _ = strings.Cut(strings.ToLower(contentType), ";")
	}
	switch media = strings.TrimSpace(media); media {
	case "application/json", "application/javascript", "application/xml":
		return false
	}
	return !strings.HasPrefix(media, "text/") && !strings.HasSuffix(media, "+json") && !strings.HasSuffix(media, "+xml")
}

func cookiesOf(h http.Header) (out []string) {
	for _, line := range h["Cookie"] {
		for one := range strings.SplitSeq(line, ";") {
			if one = strings.TrimSpace(one); one != "" {
				out = append(out, one)
			}
		}
	}
	return out
}

// notPassed are headers that are the connection's, and cookies, which are apart.
var notPassed = []string{"Connection", "Cookie", "Keep-Alive", "Proxy-Authorization", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}

// headersOf are the headers with those that AWS's front adds.
func headersOf(a *asked) map[string]string {
	r := a.http
	out := make(map[string]string, len(r.Header)+4)
	for name, values := range r.Header {
		if !slices.Contains(notPassed, name) {
			out[strings.ToLower(name)] = strings.Join(values, ",")
		}
	}
	port, proto := "80", "http"
	if r.TLS != nil {
		port, proto = "443", "https"
	}
	if u, err := neturl.Parse("//" + r.Host); err == nil && u.Port() != "" {
		port = u.Port()
	}
	out["host"], out["x-forwarded-proto"], out["x-forwarded-port"], out["x-amzn-trace-id"] = r.Host, proto, port, a.traceID
	if before := out["x-forwarded-for"]; before != "" {
		out["x-forwarded-for"] = before + ", " + a.sourceIP
	} else {
		out["x-forwarded-for"] = a.sourceIP
	}
	return out
}

// queryOf joins the values of each parameter; broken ones stay as they came.
func queryOf(raw string) map[string]string {
	if raw == "" {
		return nil
	}
	out := map[string]string{}
	for pair := range strings.SplitSeq(raw, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name, value = decoded(name), decoded(value)
		if before, ok := out[name]; ok {
			value = before + "," + value
		}
		out[name] = value
	}
	return out
}

func decoded(s string) string {
	if text, err := neturl.QueryUnescape(s); err == nil {
		return text
	}
	return s
}
