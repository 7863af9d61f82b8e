package grant

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/policy"
)

var (
	owner = strings.Repeat("0a", 32)
	buck  = strings.Repeat("0b", 32)
	other = strings.Repeat("0c", 32)
)

func TestCanned(t *testing.T) {
	full := Grant{ID: owner, Permission: FullControl}
	tests := []struct {
		name    string
		object  bool
		owner   string
		want    List
		refused string
	}{
		{"private", false, owner, List{full}, ""},
		{"public-read", true, owner, List{full, {Group: AllUsers, Permission: Read}}, ""},
		{"public-read-write", true, owner, List{full, {Group: AllUsers, Permission: Read}, {Group: AllUsers, Permission: Write}}, ""},
		{"authenticated-read", false, owner, List{full, {Group: AuthenticatedUsers, Permission: Read}}, ""},
		{"log-delivery-write", false, owner, List{full, {Group: LogDelivery, Permission: Write}, {Group: LogDelivery, Permission: ReadACP}}, ""},
		{"log-delivery-write", true, owner, nil, "InvalidArgument"},
		{"bucket-owner-read", true, owner, List{full, {ID: buck, Permission: Read}}, ""},
		{"bucket-owner-full-control", true, owner, List{full, {ID: buck, Permission: FullControl}}, ""},
		{"bucket-owner-full-control", true, buck, Owned(buck), ""},
		{"aws-exec-read", false, owner, nil, "NotImplemented"},
		{"Private", false, owner, nil, "InvalidArgument"},
		{"", false, owner, nil, "InvalidArgument"},
	}
	for _, tt := range tests {
		got, err := Canned(tt.name, Parties{tt.owner, buck}, tt.object)
		if code(err) != tt.refused {
			t.Errorf("%s: %v", tt.name, err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
}

func code(err error) string {
	if f := fault.As(err); f != nil {
		return f.Code
	}
	return ""
}

func TestRequest(t *testing.T) {
	me := &api.Owner{ID: new(owner)}
	grant := func(kind, id, uri, permission string) api.Grant {
		return api.Grant{Permission: new(permission), Grantee: &api.Grantee{Type: new(kind), ID: new(id), URI: new(uri), EmailAddress: new("a@example.com")}}
	}
	doc := func(grants ...api.Grant) Request {
		return Request{Document: &api.AccessControlPolicy{Owner: me, Grants: grants}}
	}
	many := make([]api.Grant, GrantsMax+1)
	for i := range many {
		many[i] = grant("CanonicalUser", other, "", Read)
	}
	tests := []struct {
		name    string
		in      Request
		want    List
		refused string
	}{
		{"nothing", Request{}, nil, ""},
		{"id", Request{Read: new(`id="` + other + `"`)}, List{{ID: other, Permission: Read}}, ""},
		{"unquoted and more", Request{FullControl: new("id=" + other + ` , uri='` + AllUsers + `'`)}, List{{ID: other, Permission: FullControl}, {Group: AllUsers, Permission: FullControl}}, ""},
		{"headers in order", Request{WriteACP: new("id=" + owner), Read: new("id=" + other)}, List{{ID: other, Permission: Read}, {ID: owner, Permission: WriteACP}}, ""},
		{"e-mail", Request{Read: new(`emailAddress="a@example.com"`)}, nil, "MethodNotAllowed"},
		{"bad header", Request{Read: new("everyone")}, nil, "InvalidArgument"},
		{"bad kind", Request{Read: new("group=x")}, nil, "InvalidArgument"},
		{"bad id", Request{Read: new("id=111122223333")}, nil, "InvalidArgument"},
		{"bad uri", Request{Read: new("uri=http://example.com")}, nil, "InvalidArgument"},
		{"too many", Request{Read: new(strings.TrimSuffix(strings.Repeat("id="+other+",", GrantsMax+1), ","))}, nil, "MalformedACLError"},
		{"both", Request{Canned: new("private"), Read: new("id=" + other)}, nil, "InvalidRequest"},
		{"document and header", Request{Canned: new("private"), Document: &api.AccessControlPolicy{Owner: me}}, nil, "UnexpectedContent"},

		{"empty document", doc(), List{}, ""},
		{"document", doc(grant("CanonicalUser", other, "", Write), grant("Group", "", LogDelivery, ReadACP)), List{{ID: other, Permission: Write}, {Group: LogDelivery, Permission: ReadACP}}, ""},
		{"no owner", Request{Document: &api.AccessControlPolicy{}}, nil, "MalformedACLError"},
		{"other owner", Request{Document: &api.AccessControlPolicy{Owner: &api.Owner{ID: new(other)}}}, nil, "AccessDenied"},
		{"no grantee", doc(api.Grant{Permission: new(Read)}), nil, "MalformedACLError"},
		{"no type", doc(api.Grant{Permission: new(Read), Grantee: &api.Grantee{ID: new(other)}}), nil, "MalformedACLError"},
		{"permission", doc(grant("CanonicalUser", other, "", "ALL")), nil, "MalformedACLError"},
		{"document e-mail", doc(grant("AmazonCustomerByEmail", "", "", Read)), nil, "MethodNotAllowed"},
		{"document id", doc(grant("CanonicalUser", "x", "", Read)), nil, "InvalidArgument"},
		{"document uri", doc(grant("Group", "", "x", Read)), nil, "InvalidArgument"},
		{"document too many", doc(many...), nil, "MalformedACLError"},
		{"document full", doc(many[1:]...), slices.Repeat(List{{ID: other, Permission: Read}}, GrantsMax), ""},
	}
	for _, tt := range tests {
		got, err := tt.in.List(Parties{owner, buck}, true)
		if code(err) != tt.refused || (err != nil) != (tt.refused != "") {
			t.Errorf("%s: %v", tt.name, err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
}

func TestAllowed(t *testing.T) {
	tests := []struct {
		name string
		in   Request
		ok   bool
	}{
		{"nothing", Request{}, true},
		{"bucket-owner-full-control", Request{Canned: new("bucket-owner-full-control")}, true},
		{"private", Request{Canned: new("private")}, false},
		{"public", Request{Canned: new("public-read")}, false},
		{"owner's header", Request{FullControl: new("id=" + buck)}, true},
		{"owner's document", Request{Document: &api.AccessControlPolicy{Owner: &api.Owner{ID: new(buck)}, Grants: List{}.API(buck)}}, true},
		{"another's header", Request{FullControl: new("id=" + other)}, false},
		{"less", Request{Read: new("id=" + buck)}, false},
	}
	for _, tt := range tests {
		if err := tt.in.Allowed(Enforced, buck); (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.name, err)
		}
		if err := tt.in.Allowed(Writer, buck); err != nil {
			t.Errorf("%s: %v where lists are on", tt.name, err)
		}
	}
}

func TestOwner(t *testing.T) {
	handed := &Request{Canned: new("bucket-owner-full-control")}
	tests := []struct {
		ownership string
		in        *Request
		want      string
	}{
		{Enforced, &Request{}, "b"},
		{Preferred, &Request{}, "w"},
		{Preferred, handed, "b"},
		{Writer, handed, "w"},
		{"", handed, "w"},
	}
	for _, tt := range tests {
		if got := Owner(tt.ownership, "w", "b", tt.in); got != tt.want {
			t.Errorf("%s %v: %s", tt.ownership, tt.in.Canned, got)
		}
	}
}

// A grant counts for its grantee and its permission only.
func TestPolicies(t *testing.T) {
	anyone := policy.Principal{}
	stranger := policy.Principal{Kind: policy.Root, ARN: "arn:aws:iam::222222222222:root", AccountID: "222222222222", CanonicalID: other}
	logs := policy.Principal{Kind: policy.Service, Service: logDelivery}
	tests := []struct {
		name   string
		list   List
		object bool
		who    policy.Principal
		can    []string
	}{
		{"private", Owned(owner), true, anyone, nil},
		{"public read", List{{Group: AllUsers, Permission: Read}}, true, anyone, []string{"s3:GetObject", "s3:GetObjectVersion"}},
		{"public read, known", List{{Group: AllUsers, Permission: Read}}, true, stranger, []string{"s3:GetObject", "s3:GetObjectVersion"}},
		{"public list", List{{Group: AllUsers, Permission: Read}}, false, anyone, []string{"s3:ListBucket", "s3:ListBucketVersions", "s3:ListBucketMultipartUploads"}},
		{"public write", List{{Group: AllUsers, Permission: Write}}, false, anyone, []string{"s3:PutObject", "s3:DeleteObject"}},
		{"object write means nothing", List{{Group: AllUsers, Permission: Write}}, true, anyone, nil},
		{"authenticated, unknown", List{{Group: AuthenticatedUsers, Permission: Read}}, true, anyone, nil},
		{"authenticated, known", List{{Group: AuthenticatedUsers, Permission: Read}}, true, stranger, []string{"s3:GetObject", "s3:GetObjectVersion"}},
		{"named", List{{ID: other, Permission: WriteACP}}, true, stranger, []string{"s3:PutObjectAcl", "s3:PutObjectVersionAcl"}},
		{"named, another", List{{ID: buck, Permission: FullControl}}, true, stranger, nil},
		{"bucket acp", List{{ID: other, Permission: ReadACP}, {ID: other, Permission: WriteACP}}, false, stranger, []string{"s3:GetBucketAcl", "s3:PutBucketAcl"}},
		{"full control", List{{ID: other, Permission: FullControl}}, true, stranger, []string{"s3:GetObject", "s3:GetObjectVersion", "s3:GetObjectAcl", "s3:GetObjectVersionAcl", "s3:PutObjectAcl", "s3:PutObjectVersionAcl"}},
		{"logs", List{{Group: LogDelivery, Permission: Write}}, false, logs, []string{"s3:PutObject", "s3:DeleteObject"}},
		{"logs, others", List{{Group: LogDelivery, Permission: Write}}, false, anyone, nil},
	}
	var actions []string
	for _, m := range []map[string][]string{bucketActions, objectActions} {
		for _, list := range m {
			actions = append(actions, list...)
		}
	}
	for _, tt := range tests {
		make := tt.list.BucketPolicy
		if tt.object {
			make = tt.list.ObjectPolicy
		}
		p, err := make(owner)
		if err != nil {
			t.Fatal(tt.name, err)
		}
		for _, action := range actions {
			kind := "Anonymous"
			if tt.who.Kind != policy.Anonymous {
				kind = "Account"
			}
			d := policy.Evaluate(policy.Request{Principal: tt.who, Action: action, Resource: "arn:aws:s3:::b/k", ResourceAccount: "111111111111", Context: policy.Keys{"aws:principaltype": {kind}}}, policy.Set{Resource: p})
			if d.Allowed != slices.Contains(tt.can, action) {
				t.Errorf("%s: %s: %v", tt.name, action, d.Allowed)
			}
		}
	}
	full := slices.Repeat(List{{Group: AuthenticatedUsers, Permission: FullControl}}, GrantsMax)
	if _, err := full.BucketPolicy(owner); err != nil {
		t.Error("the longest list:", err)
	}
}

func TestPublic(t *testing.T) {
	l := List{{ID: owner, Permission: FullControl}, {Group: AllUsers, Permission: Read}, {Group: LogDelivery, Permission: Write}}
	if !l.Public() || l.WithoutPublic().Public() || len(l.WithoutPublic()) != 2 || len(l) != 3 {
		t.Error(l.WithoutPublic())
	}
	if l.Private(owner) || !Owned(owner).Private(owner) || !List(nil).Private(owner) {
		t.Error("private")
	}
}

func FuzzHeader(f *testing.F) {
	f.Add(`id="` + other + `", uri="` + AllUsers + `"`)
	f.Add(`id=`)
	f.Add(`id="`)
	f.Add(`=,=`)
	f.Fuzz(func(t *testing.T, value string) {
		in := Request{Read: &value}
		list, err := in.List(Parties{owner, buck}, true)
		if err != nil {
			if fault.As(err) == nil {
				t.Fatal(err)
			}
			return
		}
		if len(list) == 0 || len(list) > GrantsMax {
			t.Fatal(len(list))
		}
		if _, err := list.ObjectPolicy(owner); err != nil {
			t.Fatal(err)
		}
	})
}
