package policy

import (
	"fmt"
	"slices"
	"strings"
)

// Kind says where a document is used, which decides what its statements may and
// must contain.
type Kind uint8

const (
	Identity        Kind = iota // inline policy of a user, group or role
	Managed                     // managed policy: Identity, and Version must be 2012-10-17
	Resource                    // policy of a resource: names principals and resources
	ResourceImplied             // policy of a resource whose statements name no resource (ECR repositories)
	Trust                       // a role's trust policy
	Boundary                    // permissions boundary
	Session                     // policy passed to AssumeRole or GetFederationToken
)

func (k Kind) String() string {
	return [...]string{"identity", "managed", "resource", "resource", "trust", "boundary", "session"}[k]
}

func (k Kind) namesPrincipals() bool { return k == Resource || k == ResourceImplied || k == Trust }
func (k Kind) namesResources() bool  { return k != Trust && k != ResourceImplied }

// Version is a document's language version.
type Version string

const (
	Version2008 Version = "2008-10-17" // the default; no policy variables
	Version2012 Version = "2012-10-17"
)

// Effect is what a statement does when it applies.
type Effect string

const (
	Allow Effect = "Allow"
	Deny  Effect = "Deny"
)

// Reason classifies a Malformed error, for services with their own texts (S3).
type Reason uint8

const (
	ReasonSyntax Reason = iota
	ReasonVersion
	ReasonSid
	ReasonEffect
	ReasonAction
	ReasonResource
	ReasonPrincipal
	ReasonCondition
)

// Malformed is why a document is refused; its text is the one IAM answers with
// in MalformedPolicyDocument.
type Malformed struct {
	Reason  Reason
	Message string
	Detail  string // what exactly, for logs: IAM does not tell
}

func (m *Malformed) Error() string { return m.Message }

func malformed(reason Reason, format string, args ...any) *Malformed {
	return &Malformed{Reason: reason, Message: fmt.Sprintf(format, args...)}
}

func syntaxError(format string, args ...any) *Malformed {
	return &Malformed{Reason: ReasonSyntax, Message: "Syntax errors in policy.", Detail: fmt.Sprintf(format, args...)}
}

// Policy is a compiled document. It is immutable and may be shared.
type Policy struct {
	name       string
	kind       Kind
	version    Version
	statements []statement
}

// Name is what Named gave: a policy's ARN, or the name of an inline policy.
func (p *Policy) Name() string { return p.name }

// Kind is the kind the policy was parsed as.
func (p *Policy) Kind() Kind { return p.kind }

// Version is the document's language version.
func (p *Policy) Version() Version { return p.version }

// Named gives a copy of p that decisions will call by name.
func (p *Policy) Named(name string) *Policy {
	named := *p
	named.name = name
	return &named
}

// Denials gives what p denies and nothing that it allows, for resources that
// another account owns.
func (p *Policy) Denials() *Policy {
	if p == nil {
		return nil
	}
	out := *p
	out.statements = slices.DeleteFunc(slices.Clone(p.statements), func(s statement) bool { return s.effect != Deny })
	return &out
}

// Principals lists every principal the document names, wildcards left out.
func (p *Policy) Principals() []PrincipalRef {
	var out []PrincipalRef
	for i := range p.statements {
		out = append(out, p.statements[i].principalRefs...)
	}
	return out
}

// statement is a compiled Statement element.
type statement struct {
	index         int
	sid           string
	effect        Effect
	principals    *principalSet // nil in identity policies
	notPrincipal  bool
	principalRefs []PrincipalRef
	actions       [][]elem
	notAction     bool
	resources     []template // empty where the resource is implied
	notResource   bool
	conditions    []condition
}

// Parse reads and compiles a document. Its error is a *Malformed.
func Parse(doc []byte, kind Kind) (*Policy, error) {
	o, err := decodeDocument(doc)
	if err != nil {
		return nil, syntaxError("%v", err)
	}
	p := &Policy{kind: kind, version: Version2008}
	raw, bad := p.readTop(o)
	if bad != nil {
		return nil, bad
	}
	for i, v := range raw {
		if err := checkShape(v, kind); err != nil {
			err.Detail = fmt.Sprintf("statement %d: %s", i, err.Detail)
			return nil, err
		}
	}
	if kind == Managed && p.version != Version2012 {
		return nil, malformed(ReasonVersion, "Policy document must be version 2012-10-17 or greater.")
	}
	seen := map[string]bool{}
	for i, v := range raw {
		s, bad := compileStatement(v.(object), kind, p.version)
		if bad != nil {
			return nil, bad
		}
		if s.sid != "" && seen[s.sid] {
			return nil, malformed(ReasonSid, "Statement IDs (SID) in a single policy must be unique.")
		}
		seen[s.sid] = true
		s.index = i
		p.statements = append(p.statements, s)
	}
	return p, nil
}

// readTop reads the elements beside the statements and gives the statements.
func (p *Policy) readTop(o object) ([]any, *Malformed) {
	for _, m := range o {
		switch m.key {
		case "Version":
			v, _ := m.value.(string)
			p.version = Version(v)
			if p.version != Version2008 && p.version != Version2012 {
				return nil, syntaxError("unknown Version")
			}
		case "Id":
			if _, ok := m.value.(string); !ok {
				return nil, syntaxError("Id is not a string")
			}
		case "Statement":
		default:
			return nil, syntaxError("unknown element %q", m.key)
		}
	}
	v, _ := o.get("Statement")
	switch v := v.(type) {
	case object:
		return []any{v}, nil
	case []any:
		if len(v) > 0 {
			return v, nil
		}
	}
	return nil, syntaxError("no statement")
}

// checkShape checks a statement's elements and their JSON types, before any
// meaning: IAM reports syntax first.
func checkShape(v any, kind Kind) *Malformed {
	o, ok := v.(object)
	if !ok {
		return syntaxError("not an object")
	}
	for _, m := range o {
		ok := true
		switch m.key {
		case "Sid":
			_, ok = m.value.(string)
		case "Effect":
			ok = m.value == string(Allow) || m.value == string(Deny)
		case "Action", "NotAction", "Resource", "NotResource":
			_, ok = stringList(m.value)
		case "Principal", "NotPrincipal":
			ok = principalShape(m.value)
		case "Condition":
			ok = conditionShape(m.value)
		default:
			return syntaxError("unknown element %q", m.key)
		}
		if !ok {
			return syntaxError("%s has the wrong form", m.key)
		}
	}
	for _, name := range []string{"Action", "Resource", "Principal"} {
		_, has := o.get(name)
		_, hasNot := o.get("Not" + name)
		if has && hasNot {
			return syntaxError("both %s and Not%s", name, name)
		}
	}
	if _, has := o.get("Effect"); !has {
		if kind.namesPrincipals() {
			return malformed(ReasonEffect, "Missing required field Effect")
		}
		return syntaxError("no Effect")
	}
	return nil
}

func principalShape(v any) bool {
	o, ok := v.(object)
	if !ok {
		_, ok = v.(string)
		return ok
	}
	for _, m := range o {
		if _, ok := stringList(m.value); !ok {
			return false
		}
	}
	return true
}

func conditionShape(v any) bool {
	o, ok := v.(object)
	if !ok {
		return false
	}
	for _, operator := range o {
		keys, ok := operator.value.(object)
		if !ok {
			return false
		}
		for _, key := range keys {
			if _, ok := scalarList(key.value); !ok {
				return false
			}
		}
	}
	return true
}

// validSid follows IAM's rule; other services also take spaces and punctuation.
func validSid(sid string, kind Kind) bool {
	if kind == Resource || kind == ResourceImplied {
		return true
	}
	return !strings.ContainsFunc(sid, func(r rune) bool {
		return !('0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z')
	})
}

// With gives a policy of p's statements and more's, for a resource whose rights
// come from two places (a key's policy and its grants). A nil policy adds none.
func (p *Policy) With(more *Policy) *Policy {
	if more == nil {
		return p
	}
	if p == nil {
		return more
	}
	both := *p
	both.statements = append(append([]statement(nil), p.statements...), more.statements...)
	return &both
}
