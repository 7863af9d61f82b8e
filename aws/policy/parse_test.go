package policy

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	okAllow = `"Effect":"Allow","Action":"s3:GetObject"`
	okID    = okAllow + `,"Resource":"*"`
	okRes   = okID + `,"Principal":"*"`
	okTrust = `"Effect":"Allow","Action":"sts:AssumeRole"`
)

// doc wraps statements in a 2012 document.
func doc(statements string) string {
	return `{"Version":"2012-10-17","Statement":[` + statements + `]}`
}

func mustParse(t testing.TB, kind Kind, statements string) *Policy {
	t.Helper()
	p, err := Parse([]byte(doc(statements)), kind)
	if err != nil {
		var m *Malformed
		errors.As(err, &m)
		t.Fatalf("Parse(%s): %v (%s)", statements, err, m.Detail)
	}
	return p
}

func TestParseAccepts(t *testing.T) {
	tests := []struct {
		name string
		kind Kind
		doc  string
	}{
		{"statement as object", Identity, `{"Statement":{` + okID + `}}`},
		{"no version", Identity, `{"Statement":[{` + okID + `}]}`},
		{"2008 inline", Identity, `{"Version":"2008-10-17","Statement":[{` + okID + `}]}`},
		{"id and sid", Managed, `{"Version":"2012-10-17","Id":"x","Statement":[{"Sid":"A1",` + okID + `}]}`},
		{"empty sids", Identity, doc(`{"Sid":"",` + okID + `},{"Sid":"",` + okID + `}`)},
		{"all actions", Identity, doc(`{"Effect":"Allow","Action":"*","Resource":"*"}`)},
		{"short arn", Identity, doc(`{` + okAllow + `,"Resource":"arn:aws:s3"}`)},
		{"other partition", Identity, doc(`{` + okAllow + `,"Resource":"arn:aws-cn:s3:::b"}`)},
		{"condition with scalars", Identity, doc(`{` + okID + `,"Condition":{"Bool":{"aws:SecureTransport":true},"NumericLessThan":{"s3:max-keys":[10,"20"]}}}`)},
		{"resource policy", Resource, doc(`{` + okRes + `}`)},
		{"resource policy sid with spaces", Resource, doc(`{"Sid":"a b",` + okRes + `}`)},
		{"upper-case vendor", Resource, doc(`{"Effect":"Allow","Action":"SQS:SendMessage","Resource":"arn:aws:sqs:::q","Principal":{"AWS":"*"}}`)},
		{"implied resource", ResourceImplied, doc(`{` + okAllow + `,"Principal":"*"}`)},
		{"trust a service", Trust, doc(`{` + okTrust + `,"Principal":{"Service":["lambda.amazonaws.com","events.amazonaws.com"]}}`)},
		{"trust a provider", Trust, doc(`{"Effect":"Allow","Action":["sts:AssumeRoleWithWebIdentity","sts:TagSession"],"Principal":{"Federated":"arn:aws:iam::111111111111:oidc-provider/x"}}`)},
		{"trust pattern", Trust, doc(`{"Effect":"Allow","Action":"sts:Assume*","Principal":{"AWS":"111111111111"}}`)},
		{"every aws principal", Resource, doc(`{` + okID + `,"Principal":{"AWS":["111111111111","arn:aws:iam::111111111111:root","arn:aws:iam::111111111111:user/p/u","arn:aws:iam::111111111111:role/r","arn:aws:sts::111111111111:assumed-role/r/s","arn:aws:sts::111111111111:federated-user/f","AIDAEXAMPLEEXAMPLE123"],"CanonicalUser":"` + strings.Repeat("ab", 32) + `"}}`)},
	}
	for _, tt := range tests {
		if _, err := Parse([]byte(tt.doc), tt.kind); err != nil {
			var m *Malformed
			errors.As(err, &m)
			t.Errorf("%s: %v (%s)", tt.name, err, m.Detail)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	const syntax = "Syntax errors in policy."
	tests := []struct {
		name, doc string
		kind      Kind
		want      string
		reason    Reason
	}{
		{"not json", `hello`, Identity, syntax, ReasonSyntax},
		{"empty", ``, Identity, syntax, ReasonSyntax},
		{"not an object", `[]`, Identity, syntax, ReasonSyntax},
		{"text after", doc(`{`+okID+`}`) + `x`, Identity, syntax, ReasonSyntax},
		{"duplicate key", `{"Statement":[],"Statement":{` + okID + `}}`, Identity, syntax, ReasonSyntax},
		{"duplicate effect", doc(`{"Effect":"Deny",` + okID + `}`), Identity, syntax, ReasonSyntax},
		{"duplicate condition key", doc(`{` + okID + `,"Condition":{"Bool":{"a:b":"true","a:b":"false"}}}`), Identity, syntax, ReasonSyntax},
		{"unknown version", `{"Version":"2020-01-01","Statement":{` + okID + `}}`, Identity, syntax, ReasonSyntax},
		{"unknown element", `{"Statements":{` + okID + `}}`, Identity, syntax, ReasonSyntax},
		{"element in lower case", doc(`{"effect":"Allow","Action":"*","Resource":"*"}`), Identity, syntax, ReasonSyntax},
		{"unknown in statement", doc(`{` + okID + `,"Foo":1}`), Identity, syntax, ReasonSyntax},
		{"no statement", `{"Version":"2012-10-17"}`, Identity, syntax, ReasonSyntax},
		{"empty statements", doc(``), Identity, syntax, ReasonSyntax},
		{"no effect", doc(`{"Action":"*","Resource":"*"}`), Identity, syntax, ReasonSyntax},
		{"effect in lower case", doc(`{"Effect":"allow","Action":"*","Resource":"*"}`), Identity, syntax, ReasonSyntax},
		{"action and notaction", doc(`{` + okID + `,"NotAction":"*"}`), Identity, syntax, ReasonSyntax},
		{"resource is an object", doc(`{` + okAllow + `,"Resource":{"Ref":"x"}}`), Identity, syntax, ReasonSyntax},
		{"condition is a list", doc(`{` + okID + `,"Condition":[]}`), Identity, syntax, ReasonSyntax},
		{"condition value null", doc(`{` + okID + `,"Condition":{"Bool":{"a:b":null}}}`), Identity, syntax, ReasonSyntax},
		{"too deep", strings.Repeat(`[`, 100), Identity, syntax, ReasonSyntax},
		{"not utf-8", "{\"Id\":\"\xff\"}", Identity, syntax, ReasonSyntax},
		{"too long", `{"Id":"` + strings.Repeat("x", MaxDocumentBytes) + `"}`, Identity, syntax, ReasonSyntax},
		{"managed 2008", `{"Statement":{` + okID + `}}`, Managed, "Policy document must be version 2012-10-17 or greater.", ReasonVersion},
		{"same sid", doc(`{"Sid":"a",` + okID + `},{"Sid":"a",` + okID + `}`), Identity, "Statement IDs (SID) in a single policy must be unique.", ReasonSid},
		{"bad sid", doc(`{"Sid":"a b",` + okID + `}`), Identity, "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*", ReasonSid},
		{"no action", doc(`{"Effect":"Allow","Resource":"*"}`), Identity, "Policy statement must contain actions.", ReasonAction},
		{"empty actions", doc(`{"Effect":"Allow","Action":[],"Resource":"*"}`), Identity, "Policy statement must contain actions.", ReasonAction},
		{"no resource", doc(`{` + okAllow + `}`), Identity, "Policy statement must contain resources.", ReasonResource},
		{"empty resources", doc(`{` + okAllow + `,"Resource":[]}`), Identity, "Policy statement must contain resources.", ReasonResource},
		{"action without vendor", doc(`{"Effect":"Allow","Action":"GetObject","Resource":"*"}`), Identity, "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.", ReasonAction},
		{"action with two colons", doc(`{"Effect":"Allow","Action":"a:b:c","Resource":"*"}`), Identity, "Actions/Condition can contain only one colon.", ReasonAction},
		{"wildcard vendor", doc(`{"Effect":"Allow","Action":"s*:Get","Resource":"*"}`), Identity, "Vendor s* is not valid", ReasonAction},
		{"bare resource", doc(`{` + okAllow + `,"Resource":"bucket"}`), Identity, `Resource bucket must be in ARN format or "*".`, ReasonResource},
		{"bad partition", doc(`{` + okAllow + `,"Resource":"arn:other:s3:::b"}`), Identity, `Partition "other" is not valid for resource "arn:other:s3:::b".`, ReasonResource},
		{"bad partition, short", doc(`{` + okAllow + `,"Resource":"arn:*"}`), Identity, `Partition "*" is not valid for resource "arn:*:*:*:*:*".`, ReasonResource},
		{"wildcard service", doc(`{` + okAllow + `,"Resource":"arn:aws:s*:::b"}`), Identity, "Resource vendor must be fully qualified and cannot contain regexes.", ReasonResource},
		{"principal in identity", doc(`{` + okRes + `}`), Identity, "Policy document should not specify a principal.", ReasonPrincipal},
		{"principal in session", doc(`{` + okRes + `}`), Session, "Policy document should not specify a principal.", ReasonPrincipal},
		{"no principal", doc(`{` + okID + `}`), Resource, "Missing required field Principal", ReasonPrincipal},
		{"empty principal", doc(`{` + okID + `,"Principal":{}}`), Resource, "Missing required field Principal cannot be empty!", ReasonPrincipal},
		{"partial wildcard principal", doc(`{` + okID + `,"Principal":{"AWS":"arn:aws:iam::111111111111:role/*"}}`), Resource, `Invalid principal in policy: "AWS":"arn:aws:iam::111111111111:role/*"`, ReasonPrincipal},
		{"group principal", doc(`{` + okID + `,"Principal":{"AWS":"arn:aws:iam::111111111111:group/g"}}`), Resource, `Invalid principal in policy: "AWS":"arn:aws:iam::111111111111:group/g"`, ReasonPrincipal},
		{"principal type", doc(`{` + okID + `,"Principal":{"Aws":"111111111111"}}`), Resource, `Invalid principal in policy: "Aws":"111111111111"`, ReasonPrincipal},
		{"service wildcard", doc(`{` + okID + `,"Principal":{"Service":"*"}}`), Resource, `Invalid principal in policy: "Service":"*"`, ReasonPrincipal},
		{"resource policy without resource", doc(`{` + okAllow + `,"Principal":"*"}`), Resource, "Missing required field Resource", ReasonResource},
		{"trust with resource", doc(`{` + okTrust + `,"Resource":"*","Principal":"*"}`), Trust, "Has prohibited field Resource", ReasonResource},
		{"trust other action", doc(`{"Effect":"Allow","Action":"s3:GetObject","Principal":"*"}`), Trust, "AssumeRole policy may only specify STS AssumeRole actions.", ReasonAction},
		{"trust everything", doc(`{"Effect":"Allow","Action":"*","Principal":"*"}`), Trust, "AssumeRole policy may only specify STS AssumeRole actions.", ReasonAction},
		{"trust notprincipal", doc(`{` + okTrust + `,"NotPrincipal":"*"}`), Trust, "Has prohibited field NotPrincipal", ReasonPrincipal},
		{"unknown operator", doc(`{` + okID + `,"Condition":{"StringEqual":{"a:b":"c"}}}`), Identity, "Invalid Condition type : StringEqual.", ReasonCondition},
		{"null if exists", doc(`{` + okID + `,"Condition":{"NullIfExists":{"a:b":"true"}}}`), Identity, "Invalid Condition type : NullIfExists.", ReasonCondition},
		{"key without vendor", doc(`{` + okID + `,"Condition":{"Bool":{"b":"true"}}}`), Identity, "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.", ReasonCondition},
	}
	for _, tt := range tests {
		p, err := Parse([]byte(tt.doc), tt.kind)
		var m *Malformed
		if !errors.As(err, &m) {
			t.Errorf("%s: accepted", tt.name)
			continue
		}
		if p != nil || m.Message != tt.want || m.Reason != tt.reason {
			t.Errorf("%s: %q (%d), want %q (%d)", tt.name, m.Message, m.Reason, tt.want, tt.reason)
		}
	}
}

func TestPolicyAccessors(t *testing.T) {
	p := mustParse(t, Trust, `{`+okTrust+`,"Principal":{"AWS":["*","arn:aws:iam::111111111111:user/u"],"Service":"a.amazonaws.com"}}`)
	named := p.Named("arn:aws:iam::1:policy/p")
	if p.Name() != "" || named.Name() != "arn:aws:iam::1:policy/p" || named.Kind() != Trust || named.Version() != Version2012 {
		t.Errorf("got %q %q %v %v", p.Name(), named.Name(), named.Kind(), named.Version())
	}
	want := []PrincipalRef{{"AWS", "arn:aws:iam::111111111111:user/u"}, {"Service", "a.amazonaws.com"}}
	if diff := cmp.Diff(want, p.Principals()); diff != "" {
		t.Error(diff)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(doc(`{`+okRes+`}`)), byte(Resource))
	f.Add([]byte(doc(`{`+okAllow+`,"Resource":"arn:aws:s3:::${aws:username, 'x}'}/${*}*","Condition":{"ForAllValues:StringLikeIfExists":{"a:b":["${q}","?"]},"NumericEquals":{"a:n":"1e999"},"DateLessThan":{"a:d":"2020"},"IpAddress":{"a:i":"::/0"},"ArnLike":{"a:r":"arn:*:${a:b}:*"}}}`)), byte(Identity))
	f.Add([]byte(`{"Statement":{"Effect":"Deny","NotAction":"a:*","NotResource":["*"],"NotPrincipal":{"AWS":"111111111111"}}}`), byte(Resource))
	f.Fuzz(func(t *testing.T, document []byte, kind byte) {
		p, err := Parse(document, Kind(kind%7))
		if (p == nil) == (err == nil) {
			t.Fatalf("policy %v with error %v", p, err)
		}
		if err != nil {
			var m *Malformed
			if !errors.As(err, &m) || m.Message == "" {
				t.Fatalf("error %v has no text", err)
			}
			return
		}
		req := Request{Principal: Principal{Kind: User, AccountID: "1", ARN: "arn:aws:iam::1:user/u"}, Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k",
			Context: Keys{"a:b": {"x", "y"}, "a:n": {"1"}, "a:d": {"2020-01-01"}, "a:i": {"::1"}, "a:r": {"arn:aws:s3:::b"}}}
		set := Set{Identity: []*Policy{p}}
		if p.Kind().namesPrincipals() {
			set = Set{Resource: p}
		}
		if d := Evaluate(req, set); d.Allowed && len(d.Statements) == 0 {
			t.Fatalf("allowed by nothing: %+v", d)
		}
	})
}
