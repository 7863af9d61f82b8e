package sigv4

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Signed is what a request says about its signature. Nothing in it is
// authentic until Verify has answered nil.
type Signed struct {
	AccessKeyID   string
	Date          string // of the credential scope, YYYYMMDD
	Region        string
	Service       string
	SignedHeaders []string // lower-case, in the order given
	Signature     string
	SessionToken  string
	Time          time.Time
	Presigned     bool
	Expires       time.Duration // presigned only

	// PayloadHash is x-amz-content-sha256 from the header, or from the query
	// where it is presigned; empty if there is none.
	PayloadHash string
}

// IsSigned reports whether the request carries a SigV4 signature or pieces of
// one, so that a gateway can tell anonymous callers and bearer tokens apart.
func IsSigned(r *http.Request) bool {
	return strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-") || hasQueryAuth(r)
}

func hasQueryAuth(r *http.Request) bool {
	return strings.Contains(r.URL.RawQuery, "X-Amz-Algorithm=") && queryValues(r).Has("X-Amz-Algorithm")
}

// queryValues parses the query keeping what can be read of a broken one.
func queryValues(r *http.Request) url.Values {
	values, _ := url.ParseQuery(r.URL.RawQuery)
	return values
}

// Parse reads the signature of r. Its error is an *Error.
func Parse(r *http.Request) (*Signed, error) {
	header := r.Header.Get("Authorization")
	inQuery := hasQueryAuth(r)
	var s *Signed
	var bad *Error
	switch {
	case header != "" && inQuery:
		bad = &Error{Kind: KindAmbiguous, Message: "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified"}
	case inQuery:
		s, bad = parseQuery(r)
	case header != "":
		s, bad = parseHeader(r, header)
	default:
		bad = &Error{Kind: KindMissingToken, Message: "Request is missing Authentication Token"}
	}
	if bad != nil {
		return nil, bad
	}
	return s, nil
}

// parseHeader reads "AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…".
func parseHeader(r *http.Request, header string) (*Signed, *Error) {
	name, rest, _ := strings.Cut(header, " ")
	if name != algorithm {
		return nil, unsupported(name)
	}
	params := make(authParams, 0, 4)
	for part := range strings.SplitSeq(rest, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		key, value, found := strings.Cut(part, "=")
		if !found {
			return nil, incomplete("Invalid key=value pair (missing equal-sign) in Authorization header", header, `the authorization component "`+part+`" is malformed.`)
		}
		if params.has(key) {
			return nil, incomplete("Authorization header has '"+key+"' more than once.", header, `the authorization component "`+part+`" is malformed.`)
		}
		params.set(key, value)
	}
	date := r.Header.Get("X-Amz-Date")
	if date == "" {
		date = r.Header.Get("Date")
	}
	if bad := params.missing(header, date); bad != nil {
		return nil, bad
	}
	at, ok := parseTime(date)
	if !ok {
		return nil, &Error{Kind: KindDate, Message: "Date must be in ISO-8601 'basic format'. Got '" + date + "'. See http://en.wikipedia.org/wiki/ISO_8601", s3: dateTextS3}
	}
	s := &Signed{
		Time: at, Signature: params.get("Signature"), SignedHeaders: splitHeaders(params.get("SignedHeaders")),
		SessionToken: r.Header.Get("X-Amz-Security-Token"), PayloadHash: r.Header.Get("X-Amz-Content-Sha256"),
	}
	if !s.setScope(params.get("Credential")) {
		return nil, &Error{Kind: KindIncomplete, Message: scopeText + " got '" + params.get("Credential") + "'", s3: malformedHeaderS3 + "; " + scopeFaultS3(params.get("Credential"))}
	}
	return s, nil
}

// authParams are the parameters of an Authorization header. They are three, so
// that looking through them costs less than a map.
type authParams [][2]string

// authParamsMax is how many are remembered; others are not looked at again.
const authParamsMax = 8

func (p *authParams) set(key, value string) {
	if len(*p) < authParamsMax || key == "Credential" || key == "Signature" || key == "SignedHeaders" {
		*p = append(*p, [2]string{key, value})
	}
}

func (p authParams) has(key string) bool {
	return slices.ContainsFunc(p, func(kv [2]string) bool { return kv[0] == key })
}

func (p authParams) get(key string) string {
	for _, kv := range p {
		if kv[0] == key {
			return kv[1]
		}
	}
	return ""
}

// missing names the parameters that a header lacks.
func (p authParams) missing(header, date string) *Error {
	var missing []string
	var first string
	for _, key := range [...]string{"Credential", "Signature", "SignedHeaders"} {
		if p.get(key) == "" {
			missing = append(missing, "Authorization header requires '"+key+"' parameter.")
			if first == "" {
				first = key
			}
		}
	}
	absent := len(missing)
	if date == "" {
		missing = append(missing, "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
	}
	switch {
	case len(missing) == 0:
		return nil
	case absent == 0:
		bad := incomplete(strings.Join(missing, " "), header, "")
		bad.Kind, bad.s3 = KindDate, dateTextS3
		return bad
	case len(p) == 0:
		return incomplete(strings.Join(missing, " "), header, "the authorization header requires three components: Credential, SignedHeaders, and Signature.")
	}
	return incomplete(strings.Join(missing, " "), header, "missing "+first+".")
}

// What S3 says where the others say what follows in Message.
const (
	malformedHeaderS3 = "The authorization header is malformed"
	malformedQueryS3  = "Error parsing the X-Amz-Credential parameter"
	dateTextS3        = "AWS authentication requires a valid Date or x-amz-date header"
)

// scopeFaultS3 is what S3 finds wrong with a credential.
func scopeFaultS3(credential string) string {
	parts := strings.Split(credential, "/")
	switch {
	case len(parts) != scopeParts || slices.Contains(parts, ""):
		return `the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".`
	case parts[4] != terminator:
		return `incorrect terminal "` + parts[4] + `". This endpoint uses "aws4_request".`
	}
	return `incorrect date format "` + parts[1] + `". This date in the credential must be in the format "yyyyMMdd".`
}

const scopeText = "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term,"

// incomplete adds the header's digest, as AWS does so as not to echo secrets.
func incomplete(text, header, s3 string) *Error {
	sum := sha256.Sum256([]byte(header))
	return &Error{
		Kind: KindIncomplete, Message: text + " (Hashed with SHA-256 and encoded with Base64) Authorization=" + base64.StdEncoding.EncodeToString(sum[:]),
		s3: malformedHeaderS3 + "; " + s3,
	}
}

func unsupported(name string) *Error {
	return &Error{
		Kind: KindUnsupported, Message: "Unsupported AWS 'algorithm': '" + name + "'",
		s3: "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.",
	}
}

// scopeParts are those of keyid/date/region/service/aws4_request.
const scopeParts = 5

// setScope reads keyid/date/region/service/aws4_request.
func (s *Signed) setScope(credential string) bool {
	var parts [scopeParts]string
	n := 0
	for part := range strings.SplitSeq(credential, "/") {
		if n == scopeParts || part == "" {
			return false
		}
		parts[n] = part
		n++
	}
	if n != scopeParts || parts[4] != terminator {
		return false
	}
	s.AccessKeyID, s.Date, s.Region, s.Service = parts[0], parts[1], parts[2], parts[3]
	return true
}

func splitHeaders(list string) []string {
	return strings.Split(strings.ToLower(list), ";")
}

// parseTime reads X-Amz-Date's form, and what a Date header may hold.
func parseTime(s string) (time.Time, bool) {
	for _, layout := range []string{timeFormat, http.TimeFormat, time.RFC1123Z, time.RFC3339} {
		if at, err := time.Parse(layout, s); err == nil {
			return at.UTC(), true
		}
	}
	return time.Time{}, false
}

// parseQuery reads a presigned request.
func parseQuery(r *http.Request) (*Signed, *Error) {
	q := queryValues(r)
	var missing []string
	for _, name := range []string{"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature", "X-Amz-SignedHeaders", "X-Amz-Date", "X-Amz-Expires"} {
		if len(q[name]) != 1 || q[name][0] == "" {
			missing = append(missing, "AWS query-string parameters must include '"+name+"'.")
		}
	}
	if len(missing) > 0 {
		bad := queryError(strings.Join(missing, " ") + " Re-examine the query-string parameters.")
		bad.s3 = "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters."
		return nil, bad
	}
	if q.Get("X-Amz-Algorithm") != algorithm {
		bad := queryError("Unsupported AWS 'algorithm': '" + q.Get("X-Amz-Algorithm") + "'")
		bad.s3 = `X-Amz-Algorithm only supports "AWS4-HMAC-SHA256 and AWS4-ECDSA-P256-SHA256"`
		return nil, bad
	}
	at, err := time.Parse(timeFormat, q.Get("X-Amz-Date"))
	if err != nil {
		bad := queryError("Date must be in ISO-8601 'basic format'. Got '" + q.Get("X-Amz-Date") + "'. See http://en.wikipedia.org/wiki/ISO_8601")
		bad.s3 = `X-Amz-Date must be in the ISO8601 Long Format "yyyyMMdd'T'HHmmss'Z'"`
		return nil, bad
	}
	expires, bad := parseExpires(q.Get("X-Amz-Expires"))
	if bad != nil {
		return nil, bad
	}
	s := &Signed{
		Presigned: true, Time: at, Expires: expires, Signature: q.Get("X-Amz-Signature"), SignedHeaders: splitHeaders(q.Get("X-Amz-SignedHeaders")),
		SessionToken: q.Get("X-Amz-Security-Token"), PayloadHash: q.Get("X-Amz-Content-Sha256"),
	}
	if s.PayloadHash == "" {
		s.PayloadHash = r.Header.Get("X-Amz-Content-Sha256")
	}
	if s.SessionToken == "" {
		s.SessionToken = r.Header.Get("X-Amz-Security-Token")
	}
	if !s.setScope(q.Get("X-Amz-Credential")) {
		bad := queryError(scopeText + " got '" + q.Get("X-Amz-Credential") + "'")
		bad.s3 = malformedQueryS3 + "; " + scopeFaultS3(q.Get("X-Amz-Credential"))
		return nil, bad
	}
	return s, nil
}

func queryError(text string) *Error { return &Error{Kind: KindQueryParameters, Message: text} }

func parseExpires(text string) (time.Duration, *Error) {
	seconds, err := strconv.ParseInt(text, 10, 64)
	limit := int64(MaxExpires / time.Second)
	switch {
	case err != nil:
		return 0, queryError("X-Amz-Expires should be a number")
	case seconds < 0:
		return 0, queryError("X-Amz-Expires must be non-negative")
	case seconds > limit:
		return 0, queryError("X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than " + strconv.FormatInt(limit, 10) + " seconds")
	}
	return time.Duration(seconds) * time.Second, nil
}
