package policy

import (
	"strings"

	"moln.dev/moln/aws/arn"
)

// PrincipalKind says what sort of caller a Principal is.
type PrincipalKind uint8

// The zero kind is Anonymous, so that a Principal nobody filled in has no rights.
const (
	Anonymous     PrincipalKind = iota
	Root                        // the account's root user
	User                        // an IAM user
	AssumedRole                 // a role session
	FederatedUser               // a GetFederationToken session
	Service                     // an AWS service, e.g. events.amazonaws.com
	Federated                   // an identity provider, asking to assume a role
)

// Principal is who makes a request.
type Principal struct {
	Kind        PrincipalKind
	ARN         string // the user's, the role session's, the federated user's, or root's
	RoleARN     string // AssumedRole: the role's ARN, with its path
	AccountID   string
	UserID      string // AIDA…, or AROA…:session
	CanonicalID string // S3's id of the account, if the caller knows it
	Service     string // Service: the service principal's name
	Provider    string // Federated: the provider's ARN or name
}

// PrincipalRef is one principal as a document names it, for callers that check
// that it exists or replace it by its unique id.
type PrincipalRef struct{ Type, Value string }

// grade is how closely a Principal element names the caller; the order is the
// order of what it grants (rule P3).
type grade uint8

const (
	gradeNone    grade = iota
	gradeAccount       // by account: delegation only
	gradeLimited       // by role, or by wildcard
	gradeDirect        // by name
)

// principalSet is a compiled Principal or NotPrincipal element.
type principalSet struct {
	any       bool
	accounts  []string
	arns      []string
	ids       []string
	services  []string
	federated []string
	canonical []string
}

// add files one value under its type; false means AWS would not accept it.
func (s *principalSet) add(kind, value string) bool {
	if value == "*" && kind != "Service" && kind != "Federated" {
		s.any = true
		return true
	}
	if value == "" || strings.ContainsAny(value, "*?") {
		return false
	}
	switch kind {
	case "AWS":
		return s.addAWS(value)
	case "Service":
		s.services = append(s.services, strings.ToLower(value))
		return strings.Contains(value, ".")
	case "Federated":
		s.federated = append(s.federated, value)
		return true
	case "CanonicalUser":
		s.canonical = append(s.canonical, value)
		return true
	}
	return false
}

func (s *principalSet) addAWS(value string) bool {
	switch {
	case isAccountID(value):
		s.accounts = append(s.accounts, value)
		return true
	case isCanonicalID(value):
		s.canonical = append(s.canonical, value)
		return true
	case isUniqueID(value):
		s.ids = append(s.ids, value)
		return true
	}
	a, err := arn.Parse(value)
	if err != nil || a.Region != "" || !isAccountID(a.Account) {
		return false
	}
	kind, _ := a.SplitResource()
	switch {
	case a.Service == "iam" && a.Resource == "root":
		s.accounts = append(s.accounts, a.Account)
	case a.Service == "iam" && (kind == "user" || kind == "role"),
		a.Service == "sts" && (kind == "assumed-role" || kind == "federated-user"):
		s.arns = append(s.arns, value)
	default:
		return false
	}
	return true
}

const (
	accountIDDigits   = 12
	canonicalIDDigits = 64
	uniqueIDMinBytes  = 16
)

func isAccountID(s string) bool {
	return len(s) == accountIDDigits && strings.Trim(s, "0123456789") == ""
}

func isCanonicalID(s string) bool {
	return len(s) == canonicalIDDigits && strings.Trim(s, "0123456789abcdef") == ""
}

// isUniqueID recognises the ids that IAM puts in place of a user's or role's
// ARN once the principal is deleted.
func isUniqueID(s string) bool {
	return len(s) >= uniqueIDMinBytes && (strings.HasPrefix(s, "AIDA") || strings.HasPrefix(s, "AROA")) &&
		strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == ""
}

// match grades how the set names p.
func (s *principalSet) match(p *Principal) grade {
	best := gradeNone
	if s.any {
		best = gradeLimited
	}
	switch p.Kind {
	case Anonymous:
		return best
	case Service:
		if contains(s.services, strings.ToLower(p.Service)) {
			return gradeDirect
		}
		return best
	case Federated:
		if contains(s.federated, p.Provider) {
			return gradeDirect
		}
		return best
	}
	if best < gradeAccount && s.namesAccount(p) {
		best = gradeAccount
	}
	if s.namesRole(p) {
		best = max(best, gradeLimited)
	}
	if s.namesCaller(p) {
		best = gradeDirect
	}
	return best
}

func (s *principalSet) namesAccount(p *Principal) bool {
	return contains(s.accounts, p.AccountID) || contains(s.canonical, p.CanonicalID)
}

func (s *principalSet) namesRole(p *Principal) bool {
	if p.Kind != AssumedRole {
		return false
	}
	roleID, _, _ := strings.Cut(p.UserID, ":")
	return contains(s.arns, p.RoleARN) || contains(s.ids, roleID)
}

func (s *principalSet) namesCaller(p *Principal) bool {
	if p.Kind == Root {
		return s.namesAccount(p)
	}
	return contains(s.arns, p.ARN) || (p.Kind == User && contains(s.ids, p.UserID))
}

// exempts reports whether a NotPrincipal element leaves p out. AWS looks at
// every name a caller has: a role session is left out of a Deny only if its
// session, its role and its account are all listed. An Allow is left out by any
// of them. Services cannot be left out of a Deny.
func (s *principalSet) exempts(p *Principal, effect Effect) bool {
	if s.any {
		return true
	}
	if effect == Allow {
		return s.match(p) > gradeNone
	}
	switch p.Kind {
	case Root:
		return s.namesAccount(p)
	case User, FederatedUser:
		return s.namesAccount(p) && s.namesCaller(p)
	case AssumedRole:
		return s.namesAccount(p) && s.namesRole(p) && s.namesCaller(p)
	case Federated:
		return contains(s.federated, p.Provider)
	}
	return false
}

// contains never finds the empty string: an unset field of a Principal names nobody.
func contains(list []string, s string) bool {
	if s == "" {
		return false
	}
	for _, item := range list {
		if item == s {
			return true
		}
	}
	return false
}
