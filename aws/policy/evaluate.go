package policy

import (
	"slices"
	"strings"

	"moln.dev/moln/aws/arn"
)

// Context gives the values of condition keys. Keys arrive lower-cased. ok is
// false for a key the request does not have.
type Context interface {
	Lookup(key string) (values []string, ok bool)
}

// Keys is a Context in a map; its keys must be lower-case.
type Keys map[string][]string

// Lookup implements Context.
func (k Keys) Lookup(key string) ([]string, bool) {
	values, ok := k[key]
	return values, ok
}

// Request is one action on one resource.
type Request struct {
	Principal Principal
	Action    string // "s3:GetObject"
	Resource  string // its ARN, or "*"

	// ResourceAccount owns the resource. When empty it is read from the
	// resource's ARN, and where that has none the resource is the caller's own.
	ResourceAccount string

	// ResourcePolicyMandatory is set for role trust and KMS keys (rule P5).
	ResourcePolicyMandatory bool

	Context Context // nil has no keys
}

// Set is every policy in force for a request. HasBoundary and HasSession say
// that such a layer exists, so that a policy that failed to load cannot pass
// for one that was never set.
type Set struct {
	Identity    []*Policy // of the user and its groups, or of the role
	Resource    *Policy   // nil: the resource has none
	Grants      *Policy   // what an access control list grants beside Resource; nil: nothing
	Boundary    *Policy
	Session     []*Policy
	HasBoundary bool
	HasSession  bool
}

// Layer is a kind of policy in force.
type Layer uint8

const (
	LayerNone Layer = iota
	LayerIdentity
	LayerResource
	LayerBoundary
	LayerSession
	LayerRoot // the account's root user, who needs no policy
)

func (l Layer) String() string {
	return [...]string{"none", "identity-based policy", "resource-based policy", "permissions boundary", "session policy", "account root"}[l]
}

// StatementRef names a statement.
type StatementRef struct {
	Layer  Layer
	Policy string // the policy's name or ARN
	Sid    string
	Index  int
	Effect Effect
}

// NearMiss is an Allow statement that names the caller, the action and the
// resource, and the first of its conditions that does not hold.
type NearMiss struct {
	Statement StatementRef
	Operator  string
	Key       string
	Want      []string // the policy's values, variables not replaced
	Got       []string // nil: the request has no such key
}

// Decision is the answer and its reasons.
type Decision struct {
	Allowed    bool
	Explicit   bool           // denied by a Deny statement
	Layer      Layer          // the layer that decided
	Statements []StatementRef // the Deny, or the Allows that together allowed
	Missing    []string       // condition keys looked up and absent, sorted
	Near       []NearMiss     // of an implicit denial
	Reason     string         // one sentence, for logs and the console
}

// evaluation is the working state of one Evaluate.
type evaluation struct {
	req     *Request
	action  string // lower-cased
	missing []string
	near    []NearMiss
}

func (e *evaluation) lookup(key string) ([]string, bool) {
	if e.req.Context != nil {
		if values, ok := e.req.Context.Lookup(key); ok {
			return values, true
		}
	}
	if !slices.Contains(e.missing, key) {
		e.missing = append(e.missing, key)
	}
	return nil, false
}

// hit is a statement that applies.
type hit struct {
	policy *Policy
	stmt   *statement
}

// verdict is what one layer says.
type verdict struct {
	layer Layer
	allow hit
	deny  hit
	grade grade // resource layer: how the best Allow names the caller
	lost  bool  // a policy of the layer is missing (rule P2)
}

func (v *verdict) denies() bool { return v.deny.stmt != nil || v.lost }
func (v *verdict) allows() bool { return v.allow.stmt != nil }

// Evaluate decides req under set.
func Evaluate(req Request, set Set) Decision {
	e := &evaluation{req: &req, action: strings.ToLower(req.Action)}
	v := verdicts{
		identity:      e.judge(LayerIdentity, set.Identity),
		boundary:      verdict{layer: LayerBoundary},
		session:       verdict{layer: LayerSession},
		resource:      verdict{layer: LayerResource},
		boundaryForce: set.HasBoundary || set.Boundary != nil,
		sessionForce:  set.HasSession || len(set.Session) > 0 || req.Principal.Kind == FederatedUser,
	}
	if set.Boundary != nil {
		v.boundary = e.judge(LayerBoundary, []*Policy{set.Boundary})
	}
	v.session = e.judge(LayerSession, set.Session)
	if resource := present(set.Resource, set.Grants); len(resource) > 0 {
		v.resource = e.judge(LayerResource, resource)
	}
	d := v.decide(&req)
	slices.Sort(e.missing)
	d.Missing = e.missing
	if !d.Allowed && !d.Explicit {
		d.Near = e.near
	}
	return d
}

// present leaves out the policies that a resource does not have.
func present(policies ...*Policy) []*Policy {
	return slices.DeleteFunc(policies, func(p *Policy) bool { return p == nil })
}

// judge runs a layer's policies. A Deny ends it: nothing can outweigh it.
func (e *evaluation) judge(layer Layer, policies []*Policy) verdict {
	v := verdict{layer: layer}
	for _, p := range policies {
		if p == nil {
			v.lost = true
			return v
		}
		for i := range p.statements {
			s := &p.statements[i]
			if s.effect == Allow && v.allows() && layer != LayerResource {
				continue // one Allow of a layer is enough; its Denies still count
			}
			g, ok := e.applies(layer, p, s)
			switch {
			case !ok:
			case s.effect == Deny:
				v.deny = hit{p, s}
				return v
			case !v.allows() || g > v.grade:
				v.allow, v.grade = hit{p, s}, g
			}
		}
	}
	return v
}

// applies reports whether a statement is about this request, and how closely its
// principal names the caller.
func (e *evaluation) applies(layer Layer, p *Policy, s *statement) (grade, bool) {
	if s.matchesAction(e.action) == s.notAction {
		return gradeNone, false
	}
	if !s.coversResource(e) {
		return gradeNone, false
	}
	g := gradeNone
	if s.principals != nil {
		if g = s.gradeOf(&e.req.Principal); g == gradeNone {
			return gradeNone, false
		}
	}
	for i := range s.conditions {
		c := &s.conditions[i]
		if c.holds(e) {
			continue
		}
		if s.effect == Allow {
			e.remember(layer, p, s, c)
		}
		return gradeNone, false
	}
	return g, true
}

func (s *statement) matchesAction(action string) bool {
	for _, pattern := range s.actions {
		if globMatch(pattern, action) {
			return true
		}
	}
	return false
}

// coversResource matches Resource or NotResource. A pattern with an unresolved
// variable matches nothing; in a NotResource that must not widen an Allow.
func (s *statement) coversResource(e *evaluation) bool {
	if len(s.resources) == 0 {
		return true // implied
	}
	for i := range s.resources {
		es, ok := s.resources[i].resolve(e)
		if !ok && s.notResource && s.effect == Allow {
			return false
		}
		if ok && globMatch(es, e.req.Resource) {
			return !s.notResource
		}
	}
	return s.notResource
}

func (s *statement) gradeOf(p *Principal) grade {
	if !s.notPrincipal {
		return s.principals.match(p)
	}
	if s.principals.exempts(p, s.effect) {
		return gradeNone
	}
	return gradeLimited
}

// maxNearMisses keeps a decision small when many statements come close.
const maxNearMisses = 8

func (e *evaluation) remember(layer Layer, p *Policy, s *statement, c *condition) {
	if len(e.near) >= maxNearMisses {
		return
	}
	miss := NearMiss{Statement: refTo(layer, hit{p, s}), Operator: c.spelled, Key: c.key}
	for i := range c.values {
		miss.Want = append(miss.Want, c.values[i].template.raw)
	}
	if e.req.Context != nil {
		miss.Got, _ = e.req.Context.Lookup(c.key)
	}
	e.near = append(e.near, miss)
}

func refTo(layer Layer, h hit) StatementRef {
	return StatementRef{Layer: layer, Policy: h.policy.name, Sid: h.stmt.sid, Index: h.stmt.index, Effect: h.stmt.effect}
}

// ownAccount reports whether caller and resource share an account. A caller
// without an account shares one with nobody.
func (r *Request) ownAccount() bool {
	owner := r.ResourceAccount
	if owner == "" {
		a, _ := arn.Parse(r.Resource)
		owner = a.Account
	}
	return r.Principal.AccountID != "" && (owner == "" || owner == r.Principal.AccountID)
}
