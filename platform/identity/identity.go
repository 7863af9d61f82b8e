// Package identity says who is calling: accounts, principals and credentials,
// and the interface through which the gateway asks for them.
//
// It stores nothing and judges nothing. The iam and sts services fulfil
// Directory; aws/policy judges.
package identity

import (
	"context"
	"time"

	"moln.dev/moln/aws/policy"
)

// DefaultAccount is the account of a moln that was told no other. Tools made
// for local emulators expect this number.
const DefaultAccount = "000000000000"

// DefaultRegion is used where a request names no region (anonymous requests,
// data planes that are found by host only).
const DefaultRegion = "us-east-1"

// Principal is the authenticated caller of a request.
type Principal struct {
	policy.Principal
	// AccessKeyID is the key that signed the request; empty for service
	// principals and anonymous callers.
	AccessKeyID string
	// SessionName, SessionIssued, Tags and Federated describe role sessions.
	SessionName string
	Issued      time.Time
	Tags        map[string]string
	// SessionPolicies are the documents passed when the session was made.
	SessionPolicies []string
	// Federated is the provider of a web identity session and WebKeys its
	// condition values ("cognito-identity.amazonaws.com:sub" -> id).
	Federated string
	WebKeys   map[string][]string
	// SourceARN and SourceAccount are set on service principals: the resource
	// on whose behalf the service acts (aws:SourceArn, aws:SourceAccount).
	SourceARN     string
	SourceAccount string
	// UserName is the IAM user's name, for aws:username; empty otherwise.
	UserName string
}

// Anonymous is the caller of an unsigned request.
func Anonymous() Principal {
	return Principal{Principal: policy.Principal{Kind: policy.Anonymous}}
}

// Service is the principal of one of moln's own services acting for a resource.
// name is AWS's service principal, "apigateway.amazonaws.com".
func Service(name, account, sourceARN string) Principal {
	return Principal{
		Principal:     policy.Principal{Kind: policy.Service, Service: name, AccountID: account},
		SourceARN:     sourceARN,
		SourceAccount: account,
	}
}

// Root is an account itself, for what moln does in its name whoever asked.
func Root(account string) Principal {
	return Principal{Principal: policy.Principal{Kind: policy.Root, AccountID: account, ARN: "arn:aws:iam::" + account + ":root", UserID: account}}
}

// Credential is what an access key id stands for.
type Credential struct {
	Secret    string
	Principal Principal
	// Expires is zero for long-term keys.
	Expires time.Time
	// Inactive keys exist and sign nothing.
	Inactive bool
}

// Policies are the documents that bear on a principal, compiled.
type Policies struct {
	Identity    []*policy.Policy
	Boundary    *policy.Policy
	HasBoundary bool
	Session     []*policy.Policy
	HasSession  bool
}

// Directory finds credentials and policies. Implementations are safe for
// concurrent use and fast: it is asked on every request.
type Directory interface {
	// Credential resolves an access key id and, for temporary keys, the session
	// token. ErrUnknownKey, ErrBadToken and ErrExpired tell why not.
	Credential(ctx context.Context, accessKeyID, sessionToken string) (Credential, error)
	// Policies returns what bears on p at this moment.
	Policies(ctx context.Context, p Principal) (Policies, error)
}

// Role is what a session of a role needs to know about it.
type Role struct {
	Name, Path, ARN, ID, Account string
	// Trust is the compiled trust policy.
	Trust              *policy.Policy
	MaxSessionDuration time.Duration
	Tags               map[string]string
}

// Roles finds roles; the iam service fulfils it for sts. A missing role is
// ErrNoRole.
type Roles interface {
	Role(ctx context.Context, account, name string) (Role, error)
}

// Keys resolves one family of access keys: the iam service long-term ones, the
// sts service temporary ones. ErrUnknownKey says that the key is not one of
// theirs.
type Keys interface {
	Credential(ctx context.Context, accessKeyID, sessionToken string) (Credential, error)
}
