package service

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"time"

	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/identity"
)

// MaxDepth is how many services one request may pass through before it is taken
// for a loop, as AWS stops recursive function invocations after about 16 hops.
const MaxDepth = 16

// Call is one operation being carried out: who asks, where, when. It is passed
// explicitly to every handler; nothing of importance hides in a context value.
type Call struct {
	Caller    identity.Principal
	Account   string // the account whose resources are meant
	Region    string
	RequestID string
	Now       time.Time
	Log       *slog.Logger
	// Depth counts the services that the request has passed through.
	Depth int
	// Service is the endpoint prefix ("s3") of the service that carries the
	// call out; the gateway sets it. Via is the service that made the call in
	// its caller's name, empty where the caller came by himself.
	Service, Via string
	// HTTP is the request as it came in, and what the handler may add to the
	// answer; nil for calls from inside.
	HTTP *HTTP
	// Found is what Authorize found out about the request and leaves to the
	// handler of the same call, such as the access point that S3 was reached
	// through. Only the service knows its type.
	Found any
	// Routine marks what a worker asks again and again: it is judged and counted
	// as ever, and recorded where it fails.
	Routine bool
	// Trace collects what the audit record should say about the call.
	Trace *Trace

	backend Backend
}

// HTTP is the part of the wire that a few handlers need (S3 above all).
type HTTP struct {
	Request *http.Request
	// SignedPayload is the x-amz-content-sha256 value that the signature
	// covers, "" where there was none; Presigned and AuthType tell how.
	SignedPayload string
	Presigned     bool
	// Secure: the request crossed no network in the clear.
	Secure bool
	// Form: the request was made from a form's fields (S3's POST uploads).
	Form bool
	// Body is the decoded body stream (aws-chunked framing removed); Trailer
	// gives a trailer once Body has been read to the end. May be nil.
	Body    io.Reader
	Trailer func(name string) string
	// DecodedLength is the body's length without framing where the client
	// announced it; otherwise zero, and Request.ContentLength counts.
	DecodedLength int64
	// Status and Header override what the protocol would answer with.
	Status int
	Header http.Header
}

// Trace is what one call tells the audit record.
type Trace struct {
	Decisions []Decision
	Notes     []string
}

// Decision is one authorization decision with its reasons.
type Decision struct {
	Action   string
	Resource string
	policy.Decision
}

// Note adds a line to the audit record.
func (c *Call) Note(s string) {
	if c.Trace != nil && len(c.Trace.Notes) < 64 {
		c.Trace.Notes = append(c.Trace.Notes, s)
	}
}

// As returns a copy of the call made by another principal: a service principal
// acting for a resource, or a role that was assumed.
func (c *Call) As(p identity.Principal) *Call {
	d := *c
	d.Caller = p
	d.HTTP, d.Found = nil, nil
	return &d
}

// Backend carries out operations from inside; the gateway is one.
type Backend interface {
	// Dispatch authorizes, calls and records one operation.
	Dispatch(ctx context.Context, c *Call, op smithy.Descriptor, in any) (any, error)
	// Judge authorizes one action on one resource as c.Caller; the error is the
	// fault that the caller sees.
	Judge(ctx context.Context, c *Call, check Check) error
	// Assume returns the principal of a session of a role, after its trust
	// policy has been judged for c.Caller (a service principal or a web
	// identity session).
	Assume(ctx context.Context, c *Call, a Assume) (Session, error)
}

// Authenticator is a Backend that knows credentials; the gateway is one.
type Authenticator interface {
	// Authenticate makes the holder of a proof c.Caller; the error is the
	// fault that the caller sees.
	Authenticate(ctx context.Context, c *Call, p Proof) error
}

// RequestAuthenticator is a Backend that verifies the signature of a data
// plane's request; the gateway is one.
type RequestAuthenticator interface {
	// AuthenticateRequest returns who signed c's HTTP request; the error is the
	// fault that the caller sees, also where there is no signature.
	AuthenticateRequest(ctx context.Context, c *Call, s SignedRequest) (identity.Principal, error)
}

// SignedRequest is what the signature of a data plane's request must be for.
type SignedRequest struct {
	Service, Region string // of the credential's scope
	Body            []byte // the whole; unsigned payloads are not taken
}

// Proof is a signature over a text, as upload forms carry it where requests
// have a signed header.
type Proof struct {
	AccessKeyID, Token string
	Date, Region       string // of the credential's scope: "20260102", "us-east-1"
	Service            string
	Text, Signature    string
	// Expires is until when the text is good, by the clock that signatures are
	// judged by; afterwards Expired is the answer.
	Expires time.Time
	Expired error
}

// Assume asks for a session of a role.
type Assume struct {
	RoleARN     string
	SessionName string
	Duration    time.Duration // zero: one hour
	// Action is the judged action; empty: sts:AssumeRole.
	Action string
	// Policy scopes the session down; empty: no session policy.
	Policy string
	// Web is set for web identity sessions: the provider and its keys.
	Web *WebIdentity
}

// WebIdentity is a verified identity from outside IAM.
type WebIdentity struct {
	Provider string              // "cognito-identity.amazonaws.com"
	Keys     map[string][]string // "cognito-identity.amazonaws.com:sub" -> …
}

// WebTokens verifies identity tokens from outside IAM; services that issue such
// tokens fulfil it for sts.
type WebTokens interface {
	// VerifyWebToken gives what token says once it is proven; a token of
	// another issuer is (nil, nil). Its errors are those of platform/tokens, or
	// ours.
	VerifyWebToken(ctx context.Context, c *Call, token string) (*WebToken, error)
}

// WebToken is a verified token.
type WebToken struct {
	WebIdentity
	Subject, Audience string
}

// Session is a set of temporary credentials and the principal they stand for.
type Session struct {
	Principal                                  identity.Principal
	AccessKeyID, SecretAccessKey, SessionToken string
	Expires                                    time.Time
}

// Assumer makes sessions of roles; the sts service is the one.
type Assumer interface {
	AssumeRole(ctx context.Context, c *Call, a Assume) (Session, error)
}

// NewCall returns a call that operations can be invoked from.
func NewCall(b Backend, c Call) *Call {
	c.backend = b
	if c.Trace == nil {
		c.Trace = new(Trace)
	}
	return &c
}

// Invoke calls another service's operation as c.Caller: authorized, metered and
// recorded like any other request.
func Invoke[In, Out any](ctx context.Context, c *Call, op smithy.Op[In, Out], in *In) (*Out, error) {
	if c.Depth >= MaxDepth {
		return nil, fault.New("RecursiveInvocationException", 400, "Recursive invocation: the request has passed %d services.", c.Depth)
	}
	if c.backend == nil {
		return nil, errors.New("service: call has no backend")
	}
	d := *c
	d.Depth++
	d.HTTP, d.Found = nil, nil
	d.Via = c.Service
	out, err := c.backend.Dispatch(ctx, &d, op, in)
	if err != nil {
		return nil, err
	}
	return out.(*Out), nil
}

// Judge authorizes actions beside the operation's own, all of them, as c.Caller
// (iam:PassRole, each item of a transaction). The error is that of the first
// that is not allowed.
func (c *Call) Judge(ctx context.Context, checks ...Check) error {
	if c.backend == nil {
		return errors.New("service: call has no backend")
	}
	for _, check := range checks {
		if err := c.backend.Judge(ctx, c, check); err != nil {
			return err
		}
	}
	return nil
}

// Authenticate makes the holder of a proof the caller of c, as the gateway does
// for signed requests. Data planes whose requests are not signed as AWS's API
// wants it use it.
func (c *Call) Authenticate(ctx context.Context, p Proof) error {
	backend, ok := c.backend.(Authenticator)
	if !ok {
		return errors.New("service: call has no backend that knows credentials")
	}
	return backend.Authenticate(ctx, c, p)
}

// AuthenticateRequest returns who signed the HTTP request of c, a data plane's.
// It leaves c as it is.
func (c *Call) AuthenticateRequest(ctx context.Context, s SignedRequest) (identity.Principal, error) {
	backend, ok := c.backend.(RequestAuthenticator)
	if !ok {
		return identity.Anonymous(), errors.New("service: call has no backend that knows credentials")
	}
	return backend.AuthenticateRequest(ctx, c, s)
}

// Serve carries out an operation that a data plane's request means, as c.Caller:
// validated, authorized and recorded as if it had come as an API request.
func Serve[In, Out any](ctx context.Context, c *Call, op smithy.Op[In, Out], in *In) (*Out, error) {
	if c.backend == nil {
		return nil, errors.New("service: call has no backend")
	}
	out, err := c.backend.Dispatch(ctx, c, op, in)
	if err != nil {
		return nil, err
	}
	return out.(*Out), nil
}

// AssumeRole opens a session of a role as c.Caller.
func (c *Call) AssumeRole(ctx context.Context, a Assume) (Session, error) {
	if c.backend == nil {
		return Session{}, errors.New("service: call has no backend")
	}
	return c.backend.Assume(ctx, c, a)
}
