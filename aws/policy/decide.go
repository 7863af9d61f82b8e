package policy

import "fmt"

// verdicts is what every layer says about a request: all that decide needs.
type verdicts struct {
	identity, resource, boundary, session verdict
	boundaryForce, sessionForce           bool
}

// decide combines the layers (rules P1 to P6).
func (v *verdicts) decide(req *Request) Decision {
	for _, layer := range []*verdict{&v.identity, &v.resource, &v.boundary, &v.session} {
		if layer.denies() {
			return explicitDeny(layer)
		}
	}
	switch req.Principal.Kind {
	case Service, Federated, Anonymous:
		if v.resource.grade == gradeNone {
			return implicitDeny(LayerResource)
		}
		return allowed(LayerResource, &v.resource)
	case Root, User, AssumedRole, FederatedUser:
		return v.decideMember(req)
	}
	return implicitDeny(LayerIdentity) // a kind nobody defined has no rights
}

// decideMember decides for a principal of an account.
func (v *verdicts) decideMember(req *Request) Decision {
	own := req.ownAccount()
	named := v.resource.grade
	if named == gradeNone && (!own || req.ResourcePolicyMandatory) {
		return implicitDeny(LayerResource)
	}
	if req.Principal.Kind == Root {
		return allowed(LayerRoot, &v.resource)
	}
	if own && named == gradeDirect {
		return allowed(LayerResource, &v.resource)
	}
	layer := LayerIdentity
	if own && named == gradeLimited {
		layer = LayerResource
	} else if !v.identity.allows() {
		return implicitDeny(LayerIdentity)
	}
	if v.boundaryForce && !v.boundary.allows() {
		return implicitDeny(LayerBoundary)
	}
	if v.sessionForce && !v.session.allows() {
		return implicitDeny(LayerSession)
	}
	return allowed(layer, &v.identity, &v.resource, &v.boundary, &v.session)
}

func explicitDeny(v *verdict) Decision {
	d := Decision{Explicit: true, Layer: v.layer}
	if v.deny.stmt == nil {
		d.Reason = fmt.Sprintf("a %s in force is missing", v.layer)
		return d
	}
	ref := refTo(v.layer, v.deny)
	d.Statements = []StatementRef{ref}
	d.Reason = fmt.Sprintf("denied by %s", ref)
	return d
}

func implicitDeny(layer Layer) Decision {
	return Decision{Layer: layer, Reason: fmt.Sprintf("no %s allows it", layer)}
}

func allowed(layer Layer, by ...*verdict) Decision {
	d := Decision{Allowed: true, Layer: layer, Reason: "the account's root user"}
	for _, v := range by {
		if v.allows() {
			d.Statements = append(d.Statements, refTo(v.layer, v.allow))
		}
	}
	if layer != LayerRoot {
		d.Reason = "allowed by a statement"
	}
	return d
}

// String names the statement as the console shows it.
func (r StatementRef) String() string {
	name := r.Sid
	if name == "" {
		name = fmt.Sprintf("#%d", r.Index)
	}
	return fmt.Sprintf("statement %s of %s %s", name, r.Layer, r.Policy)
}
