package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/sigv4"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/identity"
	"moln.dev/moln/wire"
)

// authenticate establishes the caller and prepares the body. A request without
// a signature is anonymous: only operations without authentication and S3's
// policies let it go further.
func (g *Gateway) authenticate(x *exchange) (*wire.Request, error) {
	if x.unsignedWhy != nil {
		return nil, g.signatureFault(x, x.unsignedWhy)
	}
	signed := x.signed
	if signed == nil && x.target == g.s3 {
		if err := unknownMechanism(x.r); err != nil {
			return nil, err
		}
	}
	if signed == nil {
		return g.anonymous(x)
	}
	if x.target == g.s3 {
		if err := signed.CheckDateForm(); err != nil {
			return nil, g.signatureFault(x, err)
		}
	}
	cred, err := g.cfg.Directory.Credential(x.r.Context(), signed.AccessKeyID, signed.SessionToken)
	x.record.AccessKey = signed.AccessKeyID
	if err == nil && cred.Inactive {
		err = identity.ErrUnknownKey
	}
	if err != nil {
		return nil, g.credentialFault(x, err)
	}
	req, hash, err := g.openBody(x, signed)
	if err != nil {
		return nil, err
	}
	opts := sigv4.Options{Now: g.cfg.Wall.Now(), S3: x.target.def.Schema.SigningName == "s3", Keys: g.keys}
	if err := signed.Verify(x.r, cred.Secret, hash, opts); err != nil {
		return nil, g.mismatch(x, signed, hash, g.signatureFault(x, err))
	}
	if signed.Presigned && x.target == g.s3 {
		hoist(x.r)
	}
	if err := g.openChunks(x, signed, cred.Secret, req); err != nil {
		return nil, err
	}
	g.setCaller(x, cred.Principal, signed)
	return req, nil
}

// hoist gives a presigned request to S3 the headers that who signed it put into
// the URL, as several SDKs do. The signature covers them there.
func hoist(r *http.Request) {
	for name, values := range r.URL.Query() {
		header := http.CanonicalHeaderKey(name)
		if hoisted(header) && len(r.Header[header]) == 0 {
			r.Header[header] = values[:1]
		}
	}
}

// hoisted tells which parameters of a presigned URL count as headers: not those
// that sign it, nor those that S3 ignores there. Those are tags, and checksums,
// which the JavaScript SDK signs into links before there is a body.
func hoisted(header string) bool {
	switch header {
	case "X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-Signedheaders",
		"X-Amz-Signature", "X-Amz-Security-Token", "X-Amz-Content-Sha256",
		"X-Amz-Tagging", "X-Amz-Sdk-Checksum-Algorithm":
		return false
	}
	return strings.HasPrefix(header, "X-Amz-") && !strings.HasPrefix(header, "X-Amz-Checksum-")
}

func (g *Gateway) setCaller(x *exchange, p identity.Principal, signed *sigv4.Signed) {
	c := x.call
	c.Caller = p
	c.Caller.AccessKeyID = signed.AccessKeyID
	if p.AccountID != "" {
		c.Account = p.AccountID
	}
	if signed.Region != "" {
		c.Region = signed.Region
	}
	c.HTTP.Presigned = signed.Presigned
	c.HTTP.SignedPayload = signed.PayloadHash
	x.record.Caller, x.record.Account, x.record.Region = callerName(p), c.Account, c.Region
}

// anonymous prepares an unsigned request. The operation is not known yet, so
// whether it may go on is judged in authorize: an anonymous principal passes
// only operations of AuthNone and resource policies that name everyone.
func (g *Gateway) anonymous(x *exchange) (*wire.Request, error) {
	x.record.Caller = "anonymous"
	if name, ok := g.cutSuffix(x.host); ok {
		if labels := strings.Split(name, "."); len(labels) > 1 && looksLikeRegion(labels[len(labels)-1]) {
			x.call.Region = labels[len(labels)-1]
			x.record.Region = x.call.Region
		}
	}
	req, _, err := g.openBody(x, nil)
	return req, err
}

// unknownMechanism refuses what callers of S3 put where a signature should be;
// taking them for anonymous ones would tell them nothing.
func unknownMechanism(r *http.Request) error {
	header := r.Header.Get("Authorization")
	const name = "Authorization"
	switch {
	case isSigV2(r):
		return fault.New("InvalidRequest", http.StatusBadRequest, "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.")
	case header == "":
		return nil
	case !strings.Contains(header, " "):
		return fault.New("InvalidArgument", http.StatusBadRequest, "Authorization header is invalid -- one and only one ' ' (space) required.").
			WithBody(map[string]string{"ArgumentName": name, "ArgumentValue": header})
	}
	return fault.New("InvalidArgument", http.StatusBadRequest, "Unsupported Authorization Type").
		WithBody(map[string]string{"ArgumentName": name, "ArgumentValue": header})
}

// isSigV2 recognises the signature version that S3 gave up; taking its holder
// for an anonymous caller would tell him nothing.
func isSigV2(r *http.Request) bool {
	return strings.HasPrefix(r.Header.Get("Authorization"), "AWS ") || strings.Contains(r.URL.RawQuery, "AWSAccessKeyId=")
}

func looksLikeRegion(s string) bool {
	return strings.Count(s, "-") >= 2 && s[len(s)-1] >= '0' && s[len(s)-1] <= '9'
}

// callerName is how the audit record and messages name a principal.
func callerName(p identity.Principal) string {
	switch p.Kind {
	case policy.Anonymous:
		return "anonymous"
	case policy.Service:
		return p.Service
	}
	return p.ARN
}

// credentialFault words a failed look-up of the access key as each protocol's
// services do.
func (g *Gateway) credentialFault(x *exchange, err error) error {
	s3, json := x.target == g.s3, x.target.json() || x.target.kind == smithy.RESTJSON1
	switch {
	case errors.Is(err, identity.ErrExpired) && s3:
		return fault.New("ExpiredToken", http.StatusBadRequest, "The provided token has expired.")
	case errors.Is(err, identity.ErrExpired) && json:
		return fault.New("ExpiredTokenException", g.authStatus(x), "The security token included in the request is expired")
	case errors.Is(err, identity.ErrExpired):
		return fault.New("ExpiredToken", http.StatusForbidden, "The security token included in the request is expired")
	case errors.Is(err, identity.ErrBadToken) && s3:
		return fault.New("InvalidToken", http.StatusBadRequest, "The provided token is malformed or otherwise invalid.")
	case !errors.Is(err, identity.ErrUnknownKey) && !errors.Is(err, identity.ErrBadToken):
		return err
	case s3:
		return fault.New("InvalidAccessKeyId", http.StatusForbidden, "The AWS Access Key Id you provided does not exist in our records.").
			WithBody(map[string]string{"AWSAccessKeyId": x.signed.AccessKeyID})
	case json:
		return fault.New("UnrecognizedClientException", g.authStatus(x), "The security token included in the request is invalid.")
	}
	return fault.New("InvalidClientTokenId", http.StatusForbidden, "The security token included in the request is invalid.")
}

// authStatus is 400 for awsJson services and 403 for REST ones, as AWS answers.
func (g *Gateway) authStatus(x *exchange) int {
	if x.target.json() {
		return http.StatusBadRequest
	}
	return http.StatusForbidden
}

// s3Codes are S3's codes for what can be wrong with a signature.
var s3Codes = map[sigv4.Kind]struct {
	code   string
	status int
}{
	sigv4.KindMissingToken:     {"AccessDenied", http.StatusForbidden},
	sigv4.KindIncomplete:       {"AuthorizationHeaderMalformed", http.StatusBadRequest},
	sigv4.KindQueryParameters:  {"AuthorizationQueryParametersError", http.StatusBadRequest},
	sigv4.KindAmbiguous:        {"InvalidArgument", http.StatusBadRequest},
	sigv4.KindUnsupported:      {"InvalidRequest", http.StatusBadRequest},
	sigv4.KindMismatch:         {"SignatureDoesNotMatch", http.StatusForbidden},
	sigv4.KindTimeSkewed:       {"RequestTimeTooSkewed", http.StatusForbidden},
	sigv4.KindExpired:          {"AccessDenied", http.StatusForbidden},
	sigv4.KindNotYetValid:      {"AccessDenied", http.StatusForbidden},
	sigv4.KindUnsignedHeaders:  {"AccessDenied", http.StatusForbidden},
	sigv4.KindPayloadMismatch:  {"XAmzContentSHA256Mismatch", http.StatusBadRequest},
	sigv4.KindIncompleteBody:   {"IncompleteBody", http.StatusBadRequest},
	sigv4.KindInvalidChunk:     {"IncompleteBody", http.StatusBadRequest},
	sigv4.KindInvalidChunkSize: {"InvalidChunkSizeError", http.StatusForbidden},
	sigv4.KindMalformedTrailer: {"MalformedTrailerError", http.StatusBadRequest},
	sigv4.KindDate:             {"AccessDenied", http.StatusForbidden},
	sigv4.KindScopeDate:        {"AuthorizationHeaderMalformed", http.StatusBadRequest},
}

// signatureFault words what sigv4 found wrong; errors that are not its own are
// returned as they are.
func (g *Gateway) signatureFault(x *exchange, err error) error {
	var e *sigv4.Error
	if !errors.As(err, &e) {
		return err
	}
	if x.target == g.s3 {
		return g.s3SignatureFault(x, e)
	}
	json := x.target.json() || x.target.kind == smithy.RESTJSON1
	incomplete := e.Kind == sigv4.KindIncomplete || e.Kind == sigv4.KindQueryParameters || e.Kind == sigv4.KindUnsupported || e.Kind == sigv4.KindDate
	switch {
	case e.Kind == sigv4.KindMissingToken:
		return g.missingToken(x.target)
	case incomplete && json:
		return fault.New("IncompleteSignatureException", g.authStatus(x), "%s", e.Message)
	case incomplete:
		return fault.New("IncompleteSignature", http.StatusBadRequest, "%s", e.Message)
	case json:
		return fault.New("InvalidSignatureException", g.authStatus(x), "%s", e.Message)
	}
	return fault.New("SignatureDoesNotMatch", http.StatusForbidden, "%s", e.Message)
}

// s3SignatureFault adds what S3 says beside its message.
func (g *Gateway) s3SignatureFault(x *exchange, e *sigv4.Error) error {
	c := s3Codes[e.Kind]
	f := fault.New(c.code, c.status, "%s", e.S3Message())
	switch e.Kind {
	case sigv4.KindInvalidChunk:
		f.Message = brokenBody
	case sigv4.KindUnsignedHeaders:
		return f.WithBody(map[string]string{"HeadersNotSigned": e.Detail})
	case sigv4.KindPayloadMismatch:
		return f.WithBody(map[string]string{"ClientComputedContentSHA256": payloadHash(x.r, x.signed), "S3ComputedContentSHA256": e.Detail})
	case sigv4.KindScopeDate:
		if x.signed.Presigned {
			f.Code = "AuthorizationQueryParametersError"
		}
	case sigv4.KindExpired:
		return f.WithBody(map[string]string{
			"X-Amz-Expires": strconv.Itoa(int(x.signed.Expires.Seconds())), "Expires": x.signed.Time.Add(x.signed.Expires).Format(time.RFC3339), "ServerTime": g.cfg.Wall.Now().UTC().Format(time.RFC3339),
		})
	case sigv4.KindTimeSkewed:
		return f.WithBody(map[string]string{
			"RequestTime": x.signed.Time.Format("20060102T150405Z"), "ServerTime": g.cfg.Wall.Now().UTC().Format(time.RFC3339), "MaxAllowedSkewMilliseconds": strconv.FormatInt(sigv4.MaxSkew.Milliseconds(), 10),
		})
	}
	return f
}

// mismatch tells a caller of S3 what his signature should have been made of.
// There is no secret in it: all of it is in his own request.
func (g *Gateway) mismatch(x *exchange, signed *sigv4.Signed, hash string, err error) error {
	f := fault.As(err)
	if x.target != g.s3 || f == nil || f.Code != "SignatureDoesNotMatch" {
		return err
	}
	canonical, toSign := signed.Texts(x.r, hash, true)
	return f.WithBody(map[string]string{
		"AWSAccessKeyId": signed.AccessKeyID, "SignatureProvided": signed.Signature, "StringToSign": toSign, "StringToSignBytes": hexBytes(toSign),
		"CanonicalRequest": canonical, "CanonicalRequestBytes": hexBytes(canonical),
	})
}

// hexBytes writes a text as S3 does: "41 57 53".
func hexBytes(s string) string { return fmt.Sprintf("% x", s) }

// missingToken is the answer to an anonymous caller where AWS wants a signature.
func (g *Gateway) missingToken(t *target) error {
	switch t.kind {
	case smithy.AWSJSON10, smithy.AWSJSON11:
		return fault.New("MissingAuthenticationTokenException", http.StatusBadRequest, "Missing Authentication Token")
	case smithy.RESTJSON1:
		return fault.New("MissingAuthenticationTokenException", http.StatusForbidden, "Missing Authentication Token")
	}
	return fault.New("MissingAuthenticationToken", http.StatusForbidden, "Request is missing Authentication Token")
}

// policies asks the directory, which keeps compiled policies, for each check; it
// is not asked about callers who have none.
func (g *Gateway) policies(ctx context.Context, p identity.Principal) (identity.Policies, error) {
	switch p.Kind {
	case policy.Anonymous, policy.Service, policy.Root:
		return identity.Policies{}, nil
	}
	return g.cfg.Directory.Policies(ctx, p)
}
