package gateway

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"strings"

	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/sigv4"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/identity"
	"moln.dev/moln/wire"
	"moln.dev/moln/wire/protocols"
)

// route finds the service: by X-Amz-Target, then credential scope, then host,
// then a query API's version, then path, with S3 as the last resort. The
// operation is found later, once the body is there.
func (g *Gateway) route(x *exchange) error {
	if sigv4.IsSigned(x.r) {
		// What is wrong with a signature is told in the words of the service,
		// which must be found first.
		x.signed, x.unsignedWhy = sigv4.Parse(x.r)
	}
	x.target = g.findTarget(x)
	if x.target == nil {
		if x.signed != nil {
			return fault.New("UnknownService", http.StatusNotFound, "moln has no service %q.", x.signed.Service)
		}
		return fault.New("UnknownService", http.StatusNotFound, "moln has no service that answers this request.")
	}
	x.record.Service = x.target.def.Schema.Name
	x.codec = x.target.codec
	if x.signed != nil && x.signed.Service != x.target.def.Schema.SigningName {
		return g.wrongScope(x)
	}
	if x.signed != nil && !plausibleRegion(x.signed.Region) {
		return g.wrongRegion(x)
	}
	return nil
}

// regionMax is longer than any region's name.
const regionMax = 32

// plausibleRegion takes what could be a region's name. A region becomes part of
// ARNs, so one with a colon in it would speak of other resources than it has.
func plausibleRegion(s string) bool {
	for i := range len(s) {
		if c := s[i]; !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-') {
			return false
		}
	}
	return s != "" && len(s) <= regionMax
}

func (g *Gateway) wrongRegion(x *exchange) error {
	const message = "Credential should be scoped to a valid region. "
	switch {
	case x.target == g.s3:
		return g.wrongRegionS3(x)
	case x.target.json() || x.target.kind == smithy.RESTJSON1:
		return fault.New("InvalidSignatureException", g.authStatus(x), message)
	}
	return fault.New("SignatureDoesNotMatch", http.StatusForbidden, message)
}

// wrongRegionS3 tells the region to sign for, which clients such as s3cmd read
// and try again with.
func (g *Gateway) wrongRegionS3(x *exchange) error {
	right := x.call.Region
	const text = "%s; the region '%s' is wrong; expecting '%s'"
	f := fault.New("AuthorizationHeaderMalformed", http.StatusBadRequest, text, "The authorization header is malformed", x.signed.Region, right)
	if x.signed.Presigned {
		f = fault.New("AuthorizationQueryParametersError", http.StatusBadRequest, text, "Error parsing the X-Amz-Credential parameter", x.signed.Region, right)
	}
	f.Header = http.Header{"X-Amz-Bucket-Region": {right}}
	return f.WithBody(map[string]string{"Region": right})
}

// wrongScope answers a signature that was made for another service than the one
// that the rest of the request means.
func (g *Gateway) wrongScope(x *exchange) error {
	const s3 = `%s; incorrect service "%s". This endpoint belongs to "s3".`
	right := x.target.def.Schema.SigningName
	switch {
	case x.target == g.s3 && x.signed.Presigned:
		return fault.New("AuthorizationQueryParametersError", http.StatusBadRequest, s3, "Error parsing the X-Amz-Credential parameter", x.signed.Service)
	case x.target == g.s3:
		return fault.New("AuthorizationHeaderMalformed", http.StatusBadRequest, s3, "The authorization header is malformed", x.signed.Service)
	case x.target.json() || x.target.kind == smithy.RESTJSON1:
		return fault.New("InvalidSignatureException", g.authStatus(x), "Credential should be scoped to correct service: '%s'. ", right)
	}
	return fault.New("SignatureDoesNotMatch", http.StatusForbidden, "Credential should be scoped to correct service: '%s'. ", right)
}

// codecOf guesses the protocol of a request whose service is not known, so that
// its client can read the answer.
func codecOf(r *http.Request) wire.Codec {
	p := smithy.RESTXML
	switch {
	case r.Header.Get("X-Amz-Target") != "":
		p = smithy.AWSJSON11
	case strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded"):
		p = smithy.AWSQuery
	case strings.HasPrefix(r.Header.Get("Content-Type"), "application/json"):
		p = smithy.RESTJSON1
	}
	c, _ := protocols.For(p)
	return c
}

func (g *Gateway) findTarget(x *exchange) *target {
	if prefix, _, ok := strings.Cut(x.r.Header.Get("X-Amz-Target"), "."); ok {
		if t := g.byTarget[prefix]; t != nil {
			return t
		}
	}
	if x.signed != nil {
		if ts := g.bySigning[x.signed.Service]; len(ts) > 0 {
			return g.pick(ts, x.r)
		}
	}
	if t := g.byHost(x); t != nil {
		return t
	}
	if isBrowserPreflight(x.r) {
		for _, t := range g.services {
			if t.def.CORS {
				return t
			}
		}
	}
	if v := queryVersion(x.r); v != "" {
		if ts := g.byVersion[v]; len(ts) > 0 {
			return g.pick(ts, x.r)
		}
	}
	for _, t := range g.services {
		if t.router == nil || t == g.s3 || !claims(t, x.r) {
			continue
		}
		if _, _, ok := t.router.Match(x.r.Method, x.r.URL.EscapedPath(), x.r.URL.Query(), x.r.Header); ok {
			return t
		}
	}
	if x.signed != nil {
		return nil // signed for a service that is not here; S3's own was found above
	}
	return g.s3
}

// pick chooses between services that share a signing name: API Gateway's two
// versions by path, others by the operation they know.
func (g *Gateway) pick(ts []*target, r *http.Request) *target {
	if len(ts) == 1 {
		return ts[0]
	}
	query := r.URL.Query()
	for _, t := range ts {
		if t.router != nil && claims(t, r) {
			if _, _, ok := t.router.Match(r.Method, r.URL.EscapedPath(), query, r.Header); ok {
				return t
			}
		}
		if t.query != nil && query.Get("Action") != "" && t.byName[query.Get("Action")] != nil {
			return t
		}
	}
	return ts[0]
}

// accountHeader is in every request of S3 Control, and tells its paths from
// those of S3, where a bucket could be called v20180820.
const accountHeader = "X-Amz-Account-Id"

func claims(t *target, r *http.Request) bool {
	return t.def.Schema.EndpointPrefix != "s3-control" || r.Header.Get(accountHeader) != ""
}

// byHost understands <prefix>.<region>.amazonaws.com and the same below the
// configured suffixes.
func (g *Gateway) byHost(x *exchange) *target {
	name, ok := g.cutSuffix(x.host)
	if !ok {
		return nil
	}
	labels := strings.Split(name, ".")
	for _, t := range g.services {
		if labels[0] == t.def.Schema.EndpointPrefix && len(labels) <= 2 {
			return t
		}
	}
	if _, ok := bucketOfHost(name); ok {
		return g.s3
	}
	return nil
}

// cutSuffix removes amazonaws.com or a configured suffix from a host name.
func (g *Gateway) cutSuffix(host string) (string, bool) {
	for _, s := range g.suffixes {
		if name, ok := strings.CutSuffix(host, s); ok {
			return name, true
		}
	}
	return "", false
}

// bucketOfHost finds the bucket in a virtual-hosted name whose suffix is gone:
// B.s3, B.s3.REGION, B.s3-REGION, B.s3.dualstack.REGION.
func bucketOfHost(name string) (string, bool) {
	for at := 0; ; {
		i := strings.Index(name[at:], ".s3")
		if i < 0 {
			return "", false
		}
		rest := name[at+i+len(".s3"):]
		if rest == "" || rest[0] == '.' || (rest[0] == '-' && !strings.HasPrefix(rest, "-website")) {
			bucket := name[:at+i]
			return bucket, bucket != ""
		}
		at += i + 1
	}
}

// formPeekMax is how much of an unsigned form is looked at for its Version.
// The longest such form is a web identity token of 20,000 characters.
const formPeekMax = 64 << 10

// queryVersion gives the Version of a query API request, which stands in the
// URL or, for an unsigned call such as AssumeRoleWithWebIdentity, in a form
// that is read ahead.
func queryVersion(r *http.Request) string {
	if r.Method == http.MethodGet && strings.Contains(r.URL.RawQuery, "Action=") {
		return r.URL.Query().Get("Version")
	}
	if r.Method != http.MethodPost || r.URL.Path != "/" || r.Body == nil ||
		!strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		return ""
	}
	head, err := io.ReadAll(io.LimitReader(r.Body, formPeekMax))
	r.Body = &peeked{Reader: io.MultiReader(bytes.NewReader(head), r.Body), Closer: r.Body}
	if err != nil {
		return ""
	}
	return formValue(head, "Version")
}

// peeked is a body of which a part was read ahead.
type peeked struct {
	io.Reader
	io.Closer
}

// identify finds the operation, and completes req with labels and query.
func (g *Gateway) identify(x *exchange, req *wire.Request) error {
	op := x.found
	if op == nil {
		var err error
		if op, err = g.operation(x, req); err != nil {
			return err
		}
	}
	b := g.ops[op]
	if b == nil {
		return fault.New("UnknownOperationException", http.StatusNotFound, "moln lists no operation %s.", op.Name)
	}
	x.op = b
	x.call.Service = b.target.def.Schema.EndpointPrefix
	x.record.Operation = op.Name
	return nil
}

func (g *Gateway) operation(x *exchange, req *wire.Request) (*smithy.Operation, error) {
	t := x.target
	if t.rest() {
		return g.restOperation(x, req)
	}
	if header := x.r.Header.Get("X-Amz-Target"); header != "" {
		_, name, _ := strings.Cut(header, ".")
		if op := t.byName[name]; op != nil && t.json() {
			return op, nil
		}
		return nil, fault.New("UnknownOperationException", http.StatusNotFound, "")
	}
	if t.query == nil {
		return nil, fault.New("UnknownOperationException", http.StatusNotFound, "")
	}
	x.codec = t.query
	action := req.Query.Get("Action")
	if action == "" {
		action = formValue(req.Body, "Action")
	}
	if op := t.byName[action]; op != nil {
		return op, nil
	}
	if action == "" {
		return nil, fault.New("MissingAction", http.StatusBadRequest, "Missing Action")
	}
	return nil, fault.New("InvalidAction", http.StatusBadRequest, "Could not find operation %s for version %s", action, t.def.Schema.Version)
}

// formValue reads one parameter of a form without decoding all of it.
func formValue(form []byte, name string) string {
	for rest := form; len(rest) > 0; {
		pair, tail, _ := bytes.Cut(rest, []byte("&"))
		if v, ok := bytes.CutPrefix(pair, []byte(name+"=")); ok {
			s, _ := url.QueryUnescape(string(v))
			return s
		}
		rest = tail
	}
	return ""
}

func (g *Gateway) restOperation(x *exchange, req *wire.Request) (*smithy.Operation, error) {
	path := x.r.URL.EscapedPath()
	if x.target == g.s3 {
		path = g.bucketPath(x, path)
	}
	op, labels, ok := x.target.router.Match(x.r.Method, path, req.Query, x.r.Header)
	if !ok {
		if x.target == g.s3 {
			return nil, noS3Operation(x.r)
		}
		return nil, fault.New("UnknownOperationException", http.StatusNotFound, "Unable to determine service/operation name to be authorized")
	}
	req.Labels = labels
	return op, nil
}

// noS3Operation words a method that S3 does not have. Forms and preflights of
// buckets that exist are endpoints of their own.
func noS3Operation(r *http.Request) error {
	switch {
	case r.Method == http.MethodPost && r.URL.RawQuery == "":
		return fault.New("PreconditionFailed", http.StatusPreconditionFailed, "At least one of the pre-conditions you specified did not hold").
			WithBody(map[string]string{"Condition": "Bucket POST must be of the enclosure-type multipart/form-data"})
	case r.Method == http.MethodOptions && r.Header.Get("Origin") != "":
		return fault.New("NoSuchBucket", http.StatusNotFound, "The specified bucket does not exist")
	}
	return fault.New("MethodNotAllowed", http.StatusMethodNotAllowed, "The specified method is not allowed against this resource.")
}

// bucketPath puts the bucket of a virtual-hosted request in front of its path;
// for an access point its ARN.
func (g *Gateway) bucketPath(x *exchange, path string) string {
	name, ok := g.cutSuffix(x.host)
	if !ok {
		return path
	}
	bucket, ok := pointOfHost(name, x)
	if !ok {
		bucket, ok = bucketOfHost(name)
	}
	if !ok {
		return path
	}
	if path == "" {
		path = "/"
	}
	return "/" + url.PathEscape(bucket) + path
}

// accountDigits is the length of an account's id.
const accountDigits = 12

// pointOfHost finds the access point in a host name whose suffix is gone:
// NAME-ACCOUNT.s3-accesspoint.REGION, or NAME-ACCOUNT alone, which SDKs put in
// front of an endpoint of their user's.
func pointOfHost(host string, x *exchange) (arn string, ok bool) {
	first, rest, _ := strings.Cut(host, ".")
	region := identity.DefaultRegion
	if x.signed != nil && plausibleRegion(x.signed.Region) {
		region = x.signed.Region
	}
	if rest != "" {
		if rest, ok = strings.CutPrefix(rest, "s3-accesspoint."); !ok {
			return "", false
		}
		if region = strings.TrimPrefix(rest, "dualstack."); !plausibleRegion(region) {
			return "", false
		}
	}
	at := len(first) - accountDigits - 1
	if at <= 0 || first[at] != '-' || strings.Trim(first[at+1:], "0123456789") != "" {
		return "", false
	}
	return "arn:aws:s3:" + region + ":" + first[at+1:] + ":accesspoint/" + first[:at], true
}
