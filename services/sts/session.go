package sts

import (
	"encoding/json"
	"regexp"
	"strings"
	"time"

	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/platform/identity"
)

// Durations of sessions (AssumeRole, GetSessionToken in the STS API reference).
const (
	durationDefault     = time.Hour
	durationMin         = 15 * time.Minute
	durationChainedMax  = time.Hour
	durationSessionMax  = 36 * time.Hour
	durationUserDefault = 12 * time.Hour
	policyBytesMax      = 2048
	policyARNsMax       = 10
	tagsMax             = 50
)

// Lengths of what a session is made of.
const (
	keyRandom    = 16
	secretLength = 40
	// purpose binds sealed tokens to this use.
	purpose = "sts/session"
)

// session is what a token holds. Field names are short because the token
// travels with every request.
type session struct {
	Key       string               `json:"k"`
	Secret    string               `json:"s"`
	Kind      policy.PrincipalKind `json:"n"`
	ARN       string               `json:"a"`
	RoleARN   string               `json:"r,omitempty"`
	Account   string               `json:"c"`
	UserID    string               `json:"u"`
	UserName  string               `json:"w,omitempty"`
	Name      string               `json:"m,omitempty"`
	Issued    int64                `json:"i"` // unix seconds
	Expires   int64                `json:"e"`
	Policies  []string             `json:"p,omitempty"`
	Tags      map[string]string    `json:"t,omitempty"`
	Federated string               `json:"f,omitempty"`
	Web       map[string][]string  `json:"b,omitempty"`
}

// principal is who the session acts as.
func (s *session) principal() identity.Principal {
	return identity.Principal{
		Principal: policy.Principal{
			Kind: s.Kind, ARN: s.ARN, RoleARN: s.RoleARN, AccountID: s.Account, UserID: s.UserID,
		},
		AccessKeyID: s.Key, SessionName: s.Name, Issued: time.Unix(s.Issued, 0), Tags: s.Tags,
		SessionPolicies: s.Policies, Federated: s.Federated, WebKeys: s.Web, UserName: s.UserName,
	}
}

func (s *session) marshal() []byte {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // strings and numbers only
	}
	return b
}

var sessionName = regexp.MustCompile(`^[\w+=,.@-]{2,64}$`)

// roleNameOf gives the role's name, the last part of its path.
func roleNameOf(resource string) (string, bool) {
	rest, ok := strings.CutPrefix(resource, "role/")
	if !ok || rest == "" {
		return "", false
	}
	return rest[strings.LastIndexByte(rest, '/')+1:], true
}

// durationOf decides how long a session lasts. asked is zero for the default.
func durationOf(asked, roleMax time.Duration, chained bool) (time.Duration, error) {
	d := asked
	if d == 0 {
		d = durationDefault
	}
	switch {
	case d < durationMin:
		return 0, validation("1 validation error detected: Value '%d' at 'durationSeconds' failed to satisfy constraint: Member must have value greater than or equal to 900", int(d.Seconds()))
	case chained && d > durationChainedMax:
		return 0, validation("The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining")
	case roleMax > 0 && d > roleMax:
		return 0, validation("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	}
	return d, nil
}

func validation(format string, args ...any) *fault.Fault {
	return fault.New("ValidationError", 400, format, args...)
}
