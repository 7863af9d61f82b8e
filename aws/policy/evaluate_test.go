package policy

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const (
	acct  = "111111111111"
	other = "222222222222"
	aKey  = "arn:aws:s3:::b/k"
)

func user() Principal {
	return Principal{Kind: User, ARN: "arn:aws:iam::" + acct + ":user/ann", AccountID: acct, UserID: "AIDAEXAMPLEEXAMPLE000"}
}

func role() Principal {
	return Principal{Kind: AssumedRole, ARN: "arn:aws:sts::" + acct + ":assumed-role/r/s", RoleARN: "arn:aws:iam::" + acct + ":role/p/r", AccountID: acct, UserID: "AROAEXAMPLEEXAMPLE000:s"}
}

func fed() Principal {
	return Principal{Kind: FederatedUser, ARN: "arn:aws:sts::" + acct + ":federated-user/f", AccountID: acct}
}

func root() Principal {
	return Principal{Kind: Root, ARN: "arn:aws:iam::" + acct + ":root", AccountID: acct}
}

// to writes a resource policy statement about k for a principal.
func to(effect, principal string) string {
	return `{"Effect":"` + effect + `","Action":"s3:GetObject","Resource":"` + aKey + `","Principal":` + principal + `}`
}

func aws(name string) string { return `{"AWS":"` + name + `"}` }

const (
	get     = `{"Effect":"Allow","Action":"s3:Get*","Resource":"arn:aws:s3:::b/*"}`
	put     = `{"Effect":"Allow","Action":"s3:Put*","Resource":"*"}`
	denyGet = `{"Effect":"Deny","Action":"s3:GetObject","Resource":"*"}`
	none    = "" // the layer is not in force
	empty   = "-"
)

func TestEvaluate(t *testing.T) {
	service := Principal{Kind: Service, Service: "events.amazonaws.com"}
	provider := Principal{Kind: Federated, Provider: "arn:aws:iam::111111111111:oidc-provider/x"}
	tests := []struct {
		name                                  string
		who                                   Principal
		owner                                 string
		mandatory                             bool
		identity, resource, boundary, session string
		want                                  bool
		layer                                 Layer
		explicit                              bool
	}{
		{name: "nothing allows", who: user(), layer: LayerIdentity},
		{name: "identity allows", who: user(), identity: get, want: true, layer: LayerIdentity},
		{name: "identity allows another action", who: user(), identity: put, layer: LayerIdentity},
		{name: "identity denies", who: user(), identity: get + "," + denyGet, layer: LayerIdentity, explicit: true},
		{name: "deny before allow", who: user(), identity: denyGet + "," + get, layer: LayerIdentity, explicit: true},
		{name: "notaction", who: user(), identity: `{"Effect":"Allow","NotAction":"iam:*","Resource":"*"}`, want: true, layer: LayerIdentity},
		{name: "notaction names it", who: user(), identity: `{"Effect":"Allow","NotAction":"S3:*","Resource":"*"}`, layer: LayerIdentity},
		{name: "notresource", who: user(), identity: `{"Effect":"Allow","Action":"*","NotResource":"arn:aws:s3:::c/*"}`, want: true, layer: LayerIdentity},
		{name: "notresource names it", who: user(), identity: `{"Effect":"Allow","Action":"*","NotResource":"arn:aws:s3:::b/*"}`, layer: LayerIdentity},
		{name: "notresource unresolved does not widen", who: user(), identity: `{"Effect":"Allow","Action":"*","NotResource":"arn:aws:s3:::${x:y}"}`, layer: LayerIdentity},
		{name: "deny notresource unresolved", who: user(), identity: get + `,{"Effect":"Deny","Action":"*","NotResource":"arn:aws:s3:::${x:y}"}`, layer: LayerIdentity, explicit: true},
		{name: "resource variable", who: user(), identity: `{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::b/${x:y, 'k'}"}`, want: true, layer: LayerIdentity},
		{name: "resource variable unresolved", who: user(), identity: `{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::b/${x:y}*"}`, layer: LayerIdentity},
		{name: "short arn", who: user(), identity: `{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3"}`, want: true, layer: LayerIdentity},

		{name: "boundary allows too", who: user(), identity: get, boundary: get, want: true, layer: LayerIdentity},
		{name: "boundary silent", who: user(), identity: get, boundary: put, layer: LayerBoundary},
		{name: "boundary alone", who: user(), boundary: get, layer: LayerIdentity},
		{name: "boundary denies", who: user(), identity: get, boundary: denyGet, layer: LayerBoundary, explicit: true},
		{name: "boundary lost", who: user(), identity: get, boundary: empty, layer: LayerBoundary},
		{name: "session allows too", who: role(), identity: get, session: get, want: true, layer: LayerIdentity},
		{name: "session silent", who: role(), identity: get, session: put, layer: LayerSession},
		{name: "session denies", who: role(), identity: get, session: denyGet, layer: LayerSession, explicit: true},
		{name: "session empty", who: role(), identity: get, session: empty, layer: LayerSession},
		{name: "federated user without session policy", who: fed(), identity: get, layer: LayerSession},
		{name: "federated user with session policy", who: fed(), identity: get, session: get, want: true, layer: LayerIdentity},
		{name: "federated user named by resource", who: fed(), resource: to("Allow", aws(fed().ARN)), want: true, layer: LayerResource},

		{name: "resource names user", who: user(), resource: to("Allow", aws(user().ARN)), want: true, layer: LayerResource},
		{name: "resource names user id", who: user(), resource: to("Allow", aws(user().UserID)), want: true, layer: LayerResource},
		{name: "resource names another user", who: user(), resource: to("Allow", aws(user().ARN+"x")), layer: LayerIdentity},
		{name: "user past boundary", who: user(), resource: to("Allow", aws(user().ARN)), boundary: put, want: true, layer: LayerResource},
		{name: "user not past boundary deny", who: user(), resource: to("Allow", aws(user().ARN)), boundary: denyGet, layer: LayerBoundary, explicit: true},
		{name: "resource names account: delegation", who: user(), resource: to("Allow", aws(acct)), layer: LayerIdentity},
		{name: "delegation and identity", who: user(), resource: to("Allow", aws("arn:aws:iam::"+acct+":root")), identity: get, want: true, layer: LayerIdentity},
		{name: "resource names role", who: role(), resource: to("Allow", aws(role().RoleARN)), want: true, layer: LayerResource},
		{name: "resource names role id", who: role(), resource: to("Allow", aws("AROAEXAMPLEEXAMPLE000")), want: true, layer: LayerResource},
		{name: "role within boundary", who: role(), resource: to("Allow", aws(role().RoleARN)), boundary: put, layer: LayerBoundary},
		{name: "role within session policy", who: role(), resource: to("Allow", aws(role().RoleARN)), session: put, layer: LayerSession},
		{name: "session past boundary and session policy", who: role(), resource: to("Allow", aws(role().ARN)), boundary: put, session: put, want: true, layer: LayerResource},
		{name: "best grade wins", who: role(), resource: to("Allow", aws(role().RoleARN)) + "," + to("Allow", aws(role().ARN)), session: put, want: true, layer: LayerResource},
		{name: "wildcard", who: user(), resource: to("Allow", `"*"`), want: true, layer: LayerResource},
		{name: "wildcard within boundary", who: user(), resource: to("Allow", aws("*")), boundary: put, layer: LayerBoundary},
		{name: "resource denies user", who: user(), identity: get, resource: to("Deny", aws(user().ARN)), layer: LayerResource, explicit: true},
		{name: "resource denies account", who: user(), identity: get, resource: to("Deny", aws(acct)), layer: LayerResource, explicit: true},
		{name: "resource denies role", who: role(), identity: get, resource: to("Deny", aws(role().RoleARN)), layer: LayerResource, explicit: true},
		{name: "resource denies another", who: user(), identity: get, resource: to("Deny", aws(other)), want: true, layer: LayerIdentity},
		{name: "notprincipal exempts user with account", who: user(), identity: get, resource: `{"Effect":"Deny","NotPrincipal":{"AWS":["` + acct + `","` + user().ARN + `"]},"Action":"*","Resource":"*"}`, want: true, layer: LayerIdentity},
		{name: "notprincipal without account", who: user(), identity: get, resource: `{"Effect":"Deny","NotPrincipal":{"AWS":"` + user().ARN + `"},"Action":"*","Resource":"*"}`, layer: LayerResource, explicit: true},
		{name: "notprincipal exempts session", who: role(), identity: get, resource: `{"Effect":"Deny","NotPrincipal":{"AWS":["` + acct + `","` + role().ARN + `","` + role().RoleARN + `"]},"Action":"*","Resource":"*"}`, want: true, layer: LayerIdentity},
		{name: "notprincipal without session", who: role(), identity: get, resource: `{"Effect":"Deny","NotPrincipal":{"AWS":["` + acct + `","` + role().RoleARN + `"]},"Action":"*","Resource":"*"}`, layer: LayerResource, explicit: true},

		{name: "cross: identity only", who: user(), owner: other, identity: get, layer: LayerResource},
		{name: "cross: resource only", who: user(), owner: other, resource: to("Allow", aws(user().ARN)), layer: LayerIdentity},
		{name: "cross: both", who: user(), owner: other, identity: get, resource: to("Allow", aws(user().ARN)), want: true, layer: LayerIdentity},
		{name: "cross: both, by account", who: user(), owner: other, identity: get, resource: to("Allow", aws(acct)), want: true, layer: LayerIdentity},
		{name: "cross: boundary", who: user(), owner: other, identity: get, resource: to("Allow", aws(user().ARN)), boundary: put, layer: LayerBoundary},
		{name: "cross: session", who: role(), owner: other, identity: get, resource: to("Allow", aws(role().ARN)), session: put, layer: LayerSession},
		{name: "cross: root", who: root(), owner: other, layer: LayerResource},
		{name: "cross: root allowed", who: root(), owner: other, resource: to("Allow", aws(acct)), want: true, layer: LayerRoot},
		{name: "cross: wildcard needs identity", who: user(), owner: other, resource: to("Allow", `"*"`), layer: LayerIdentity},

		{name: "root", who: root(), want: true, layer: LayerRoot},
		{name: "root and resource deny", who: root(), resource: to("Deny", `"*"`), layer: LayerResource, explicit: true},
		{name: "root, mandatory, silent", who: root(), mandatory: true, layer: LayerResource},
		{name: "root, mandatory, delegated", who: root(), mandatory: true, resource: to("Allow", aws(acct)), want: true, layer: LayerRoot},
		{name: "mandatory: identity is not enough", who: user(), mandatory: true, identity: get, layer: LayerResource},
		{name: "mandatory: delegated", who: user(), mandatory: true, identity: get, resource: to("Allow", aws(acct)), want: true, layer: LayerIdentity},
		{name: "mandatory: delegated, identity silent", who: user(), mandatory: true, resource: to("Allow", aws(acct)), layer: LayerIdentity},
		{name: "mandatory: named", who: user(), mandatory: true, resource: to("Allow", aws(user().ARN)), want: true, layer: LayerResource},

		{name: "service, named", who: service, owner: acct, resource: to("Allow", `{"Service":"events.amazonaws.com"}`), want: true, layer: LayerResource},
		{name: "service, other", who: service, owner: acct, resource: to("Allow", `{"Service":"sns.amazonaws.com"}`), layer: LayerResource},
		{name: "service, identity does not count", who: service, owner: acct, identity: get, layer: LayerResource},
		{name: "service, by wildcard", who: service, owner: acct, resource: to("Allow", `"*"`), want: true, layer: LayerResource},
		{name: "service, denied by wildcard", who: service, owner: acct, resource: to("Allow", `{"Service":"events.amazonaws.com"}`) + "," + to("Deny", `"*"`), layer: LayerResource, explicit: true},
		{name: "service is not an account", who: service, owner: acct, resource: to("Allow", aws(acct)), layer: LayerResource},
		{name: "service not exempt by notprincipal", who: service, owner: acct, resource: to("Allow", `"*"`) + `,{"Effect":"Deny","NotPrincipal":{"Service":"events.amazonaws.com"},"Action":"*","Resource":"*"}`, layer: LayerResource, explicit: true},
		{name: "provider", who: provider, owner: acct, resource: to("Allow", `{"Federated":"`+provider.Provider+`"}`), want: true, layer: LayerResource},
		{name: "provider, other", who: provider, owner: acct, resource: to("Allow", `{"Federated":"accounts.google.com"}`), layer: LayerResource},
		{name: "anonymous", owner: acct, layer: LayerResource},
		{name: "anonymous, public", owner: acct, resource: to("Allow", `"*"`), want: true, layer: LayerResource},
		{name: "anonymous, account", owner: acct, resource: to("Allow", aws(acct)), layer: LayerResource},
		{name: "anonymous, identity does not count", owner: acct, identity: get, layer: LayerResource},
		{name: "user without account", who: Principal{Kind: User}, identity: get, layer: LayerResource},
		{name: "undefined kind", who: Principal{Kind: 99, AccountID: acct}, identity: get, resource: to("Allow", `"*"`), layer: LayerIdentity},
	}
	for _, tt := range tests {
		req := Request{Principal: tt.who, Action: "s3:GetObject", Resource: aKey, ResourceAccount: tt.owner, ResourcePolicyMandatory: tt.mandatory}
		set := Set{HasBoundary: tt.boundary != none, HasSession: tt.session != none}
		if tt.identity != none {
			set.Identity = []*Policy{mustParse(t, Identity, tt.identity)}
		}
		if tt.resource != none {
			set.Resource = mustParse(t, Resource, tt.resource)
		}
		if tt.boundary != none && tt.boundary != empty {
			set.Boundary = mustParse(t, Boundary, tt.boundary)
		}
		if tt.session != none && tt.session != empty {
			set.Session = []*Policy{mustParse(t, Session, tt.session)}
		}
		d := Evaluate(req, set)
		if d.Allowed != tt.want || d.Layer != tt.layer || d.Explicit != tt.explicit || d.Reason == "" {
			t.Errorf("%s: %+v", tt.name, d)
		}
	}
}

func TestMissingPolicyDenies(t *testing.T) {
	set := Set{Identity: []*Policy{mustParse(t, Identity, get), nil}}
	d := Evaluate(Request{Principal: user(), Action: "s3:GetObject", Resource: aKey}, set)
	if d.Allowed || !d.Explicit || d.Layer != LayerIdentity {
		t.Errorf("%+v", d)
	}
}

func TestTrustPolicy(t *testing.T) {
	trust := mustParse(t, Trust, `{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"lambda.amazonaws.com"},"Condition":{"StringEquals":{"aws:SourceAccount":"`+acct+`"}}}`)
	req := Request{Principal: Principal{Kind: Service, Service: "lambda.amazonaws.com"}, Action: "sts:AssumeRole", Resource: role().RoleARN, ResourcePolicyMandatory: true, Context: Keys{"aws:sourceaccount": {acct}}}
	if d := Evaluate(req, Set{Resource: trust}); !d.Allowed {
		t.Errorf("%+v", d)
	}
	req.Context = Keys{"aws:sourceaccount": {other}}
	if d := Evaluate(req, Set{Resource: trust}); d.Allowed {
		t.Errorf("%+v", d)
	}
}

func TestDecisionSaysWhy(t *testing.T) {
	p := mustParse(t, Identity, `{"Sid":"Near","Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"StringEquals":{"aws:RequestedRegion":["eu-west-1","${x:y}"]}}}`).Named("inline")
	req := Request{Principal: user(), Action: "s3:GetObject", Resource: aKey, Context: Keys{"aws:requestedregion": {"us-east-1"}}}
	want := Decision{
		Layer: LayerIdentity, Missing: []string{"x:y"}, Reason: "no identity-based policy allows it",
		Near: []NearMiss{{
			Statement: StatementRef{LayerIdentity, "inline", "Near", 0, Allow},
			Operator:  "StringEquals", Key: "aws:requestedregion", Want: []string{"eu-west-1", "${x:y}"}, Got: []string{"us-east-1"},
		}},
	}
	if diff := cmp.Diff(want, Evaluate(req, Set{Identity: []*Policy{p}})); diff != "" {
		t.Error(diff)
	}
}

func TestMessage(t *testing.T) {
	managed := StatementRef{LayerIdentity, "arn:aws:iam::1:policy/p", "", 2, Deny}
	tests := []struct {
		d    Decision
		want string
	}{
		{Decision{Allowed: true}, ""},
		{Decision{Layer: LayerIdentity}, "User: U is not authorized to perform: s3:GetObject on resource: R because no identity-based policy allows the s3:GetObject action"},
		{Decision{Layer: LayerResource}, "User: U is not authorized to perform: s3:GetObject on resource: R because no resource-based policy allows the s3:GetObject action"},
		{Decision{Layer: LayerBoundary}, "User: U is not authorized to perform: s3:GetObject on resource: R because no permissions boundary allows the s3:GetObject action"},
		{Decision{Layer: LayerSession}, "User: U is not authorized to perform: s3:GetObject on resource: R because no session policy allows the s3:GetObject action"},
		{Decision{Explicit: true, Layer: LayerResource}, "User: U is not authorized to perform: s3:GetObject on resource: R with an explicit deny in a resource-based policy"},
		{Decision{Explicit: true, Layer: LayerIdentity, Statements: []StatementRef{managed}}, "User: U is not authorized to perform: s3:GetObject on resource: R with an explicit deny in an identity-based policy: arn:aws:iam::1:policy/p"},
	}
	for _, tt := range tests {
		if got := tt.d.Message("U", "s3:GetObject", "R"); got != tt.want {
			t.Errorf("got  %q\nwant %q", got, tt.want)
		}
	}
}

// The least policy must itself allow what was denied, in the layer that denied.
func TestLeastPolicy(t *testing.T) {
	for _, resource := range []string{"*", aKey, "arn:aws:s3:::b/odd*?${x}"} {
		for _, who := range []Principal{user(), role(), {Kind: Service, Service: "sns.amazonaws.com"}, {}} {
			req := Request{Principal: who, Action: "s3:GetObject", Resource: resource, ResourcePolicyMandatory: true}
			d := Evaluate(req, Set{})
			p, err := Parse([]byte(d.LeastPolicy(who, req.Action, resource)), Resource)
			if err != nil {
				t.Fatal(err)
			}
			if !Evaluate(req, Set{Resource: p}).Allowed {
				t.Errorf("least resource policy for %v on %s does not allow", who.Kind, resource)
			}
		}
		p, err := Parse([]byte(LeastPolicy("s3:GetObject", resource)), Managed)
		if err != nil {
			t.Fatal(err)
		}
		req := Request{Principal: user(), Action: "s3:GetObject", Resource: resource}
		if !Evaluate(req, Set{Identity: []*Policy{p}}).Allowed {
			t.Errorf("least identity policy on %s does not allow", resource)
		}
		if resource != "*" {
			req.Resource += "x"
			if Evaluate(req, Set{Identity: []*Policy{p}}).Allowed {
				t.Errorf("least policy on %s allows more", resource)
			}
		}
	}
	if got := (Decision{Explicit: true}).LeastPolicy(user(), "a:b", "*"); got != "" {
		t.Errorf("an explicit deny has a least policy: %s", got)
	}
}

// Rule P1 as a property: adding a Deny to any layer never allows more.
func TestDenyIsMonotone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		statement := func(label string, principals bool) string {
			s := `{"Effect":"` + rapid.SampledFrom([]string{"Allow", "Deny"}).Draw(t, label) + `"`
			s += `,"` + rapid.SampledFrom([]string{"Action", "NotAction"}).Draw(t, label) + `":"` + rapid.SampledFrom([]string{"*", "s3:*", "s3:GetObject", "s3:P?t*"}).Draw(t, label) + `"`
			s += `,"` + rapid.SampledFrom([]string{"Resource", "NotResource"}).Draw(t, label) + `":"` + rapid.SampledFrom([]string{"*", aKey, "arn:aws:s3:::b/${a:b}", "arn:aws:s3:::c/*"}).Draw(t, label) + `"`
			if principals {
				s += `,"` + rapid.SampledFrom([]string{"Principal", "NotPrincipal"}).Draw(t, label) + `":` + rapid.SampledFrom([]string{`"*"`, aws(acct), aws(user().ARN), aws(role().RoleARN), aws(role().ARN), `{"Service":"a.b"}`}).Draw(t, label)
			}
			if rapid.Bool().Draw(t, label) {
				s += `,"Condition":{"` + rapid.SampledFrom([]string{"StringEquals", "StringNotLike", "ForAllValues:StringLike", "Null"}).Draw(t, label) + `":{"a:b":"` + rapid.SampledFrom([]string{"k", "true", "*"}).Draw(t, label) + `"}}`
			}
			return s + "}"
		}
		parse := func(kind Kind, statements string) *Policy {
			p, err := Parse([]byte(doc(statements)), kind)
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
		who := rapid.SampledFrom([]Principal{user(), role(), fed(), root(), {Kind: Service, Service: "a.b"}, {}}).Draw(t, "who")
		req := Request{Principal: who, Action: "s3:GetObject", Resource: aKey, ResourceAccount: rapid.SampledFrom([]string{acct, other}).Draw(t, "owner"), ResourcePolicyMandatory: rapid.Bool().Draw(t, "mandatory")}
		if rapid.Bool().Draw(t, "key") {
			req.Context = Keys{"a:b": {"k"}}
		}
		texts := map[Kind]string{Identity: statement("identity", false), Resource: statement("resource", true), Boundary: statement("boundary", false), Session: statement("session", false)}
		build := func() Set {
			return Set{Identity: []*Policy{parse(Identity, texts[Identity])}, Resource: parse(Resource, texts[Resource]), Boundary: parse(Boundary, texts[Boundary]), Session: []*Policy{parse(Session, texts[Session])}}
		}
		before := Evaluate(req, build())
		kind := rapid.SampledFrom([]Kind{Identity, Resource, Boundary, Session}).Draw(t, "layer")
		extra := `{"Effect":"Deny"` + statement("extra", kind == Resource)[len(`{"Effect":"Deny"`):]
		if extra[len(`{"Effect":"Deny"`)] != ',' { // the drawn statement began with the longer "Allow"
			extra = `{"Effect":"Deny"` + extra[len(`{"Effect":"Deny"`)+1:]
		}
		texts[kind] += "," + extra
		after := Evaluate(req, build())
		if after.Allowed && !before.Allowed {
			t.Fatalf("adding %s to %s allowed it", extra, kind)
		}
	})
}

func BenchmarkEvaluate20Statements(b *testing.B) {
	var statements string
	for i := range 19 {
		statements += `{"Effect":"Allow","Action":["dynamodb:GetItem","dynamodb:Query"],"Resource":"arn:aws:dynamodb:us-east-1:111111111111:table/t` + string(rune('a'+i)) + `","Condition":{"StringEquals":{"aws:PrincipalTag/team":"red"}}},`
	}
	p := mustParse(b, Identity, statements+`{"Effect":"Allow","Action":"dynamodb:*","Resource":"arn:aws:dynamodb:*:*:table/${aws:username}*","Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}}`)
	req := Request{Principal: user(), Action: "dynamodb:GetItem", Resource: "arn:aws:dynamodb:us-east-1:111111111111:table/ann-1", Context: Keys{"aws:username": {"ann"}, "aws:sourceip": {"10.1.2.3"}, "aws:principaltag/team": {"blue"}}}
	set := Set{Identity: []*Policy{p}}
	b.ReportAllocs()
	for b.Loop() {
		if !Evaluate(req, set).Allowed {
			b.Fatal("denied")
		}
	}
}
