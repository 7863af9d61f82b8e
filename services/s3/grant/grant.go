// Package grant is S3's access control lists: what a request may say about one
// (canned names, grant headers, documents), what a list looks like in an
// answer, and what its grants mean as a resource-based policy.
//
// It decides nothing: Policy turns grants into a policy that aws/policy judges
// beside the bucket's own, so that an explicit denial wins over every grant.
// Whether a bucket uses lists at all is Object Ownership, which ownership.go
// words.
package grant

import (
	"slices"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/smithy"
)

// GrantsMax is how many grants a list has room for.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html
const GrantsMax = 100

// Permissions of grants.
const (
	FullControl = "FULL_CONTROL"
	Read        = "READ"
	ReadACP     = "READ_ACP"
	Write       = "WRITE"
	WriteACP    = "WRITE_ACP"
)

// Groups that grants may name.
const (
	AllUsers           = "http://acs.amazonaws.com/groups/global/AllUsers"
	AuthenticatedUsers = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"
	LogDelivery        = "http://acs.amazonaws.com/groups/s3/LogDelivery"
)

// Grant gives one permission to one grantee: an account, by its canonical user
// id, or a group. Exactly one of ID and Group is set.
type Grant struct {
	ID         string `json:",omitempty"`
	Group      string `json:",omitempty"`
	Permission string
}

// public reports whether the grantee is everyone, with or without credentials.
func (g Grant) public() bool { return g.Group == AllUsers || g.Group == AuthenticatedUsers }

// List is an access control list. Nil is the owner's own: full control for
// him, and nothing for anybody else.
type List []Grant

// Parties are the canonical user ids that canned lists speak of.
type Parties struct {
	Owner       string // of the bucket or object that the list belongs to
	BucketOwner string
}

// Owned is the list of somebody who shares nothing.
func Owned(owner string) List { return List{{ID: owner, Permission: FullControl}} }

// Private reports whether the list grants nothing to anybody but owner.
func (l List) Private(owner string) bool {
	return !slices.ContainsFunc(l, func(g Grant) bool { return g.ID != owner })
}

// Public reports whether the list grants anything to a group of everyone.
func (l List) Public() bool { return slices.ContainsFunc(l, Grant.public) }

// WithoutPublic is the list as IgnorePublicAcls leaves it.
func (l List) WithoutPublic() List {
	if !l.Public() {
		return l
	}
	return slices.DeleteFunc(slices.Clone(l), Grant.public)
}

// API is the list as answers show it.
func (l List) API(owner string) []api.Grant {
	if l == nil {
		l = Owned(owner)
	}
	out := make([]api.Grant, 0, len(l))
	for _, g := range l {
		grantee := &api.Grantee{Type: new("CanonicalUser"), ID: new(g.ID)}
		if g.Group != "" {
			grantee = &api.Grantee{Type: new("Group"), URI: new(g.Group)}
		}
		out = append(out, api.Grant{Grantee: grantee, Permission: new(g.Permission)})
	}
	return out
}

// canned are the lists with a name: what they grant beside the owner's full
// control. Names that only objects know are in cannedObject.
var canned = map[string][]Grant{
	"private":            nil,
	"public-read":        {{Group: AllUsers, Permission: Read}},
	"public-read-write":  {{Group: AllUsers, Permission: Read}, {Group: AllUsers, Permission: Write}},
	"authenticated-read": {{Group: AuthenticatedUsers, Permission: Read}},
	"log-delivery-write": {{Group: LogDelivery, Permission: Write}, {Group: LogDelivery, Permission: ReadACP}},
}

// cannedObject maps the names that speak of the bucket's owner to what he gets.
var cannedObject = map[string]string{"bucket-owner-read": Read, "bucket-owner-full-control": FullControl}

// Canned is the list that a name stands for. A bucket ignores the names that
// are about its own owner.
func Canned(name string, who Parties, object bool) (List, error) {
	list := Owned(who.Owner)
	if more, ok := canned[name]; ok && (name != "log-delivery-write" || !object) {
		return append(list, more...), nil
	}
	permission, ok := cannedObject[name]
	switch {
	case name == "aws-exec-read":
		return nil, errExecRead()
	case !ok:
		return nil, errCanned(name)
	case who.Owner != who.BucketOwner:
		list = append(list, Grant{ID: who.BucketOwner, Permission: permission})
	}
	return list, nil
}

// Request is what one request says about a list. At most one way of saying it
// may be used.
type Request struct {
	Canned      *string
	FullControl *string
	Read        *string
	ReadACP     *string
	Write       *string
	WriteACP    *string
	Document    *api.AccessControlPolicy
}

// headers gives the grant headers by permission, in the order of AWS's answers.
func (r *Request) headers() []header {
	return []header{
		{"x-amz-grant-read", Read, r.Read}, {"x-amz-grant-write", Write, r.Write},
		{"x-amz-grant-read-acp", ReadACP, r.ReadACP}, {"x-amz-grant-write-acp", WriteACP, r.WriteACP},
		{"x-amz-grant-full-control", FullControl, r.FullControl},
	}
}

func (r *Request) granted() bool {
	return slices.ContainsFunc(r.headers(), func(h header) bool { return h.value != nil })
}

// Given reports whether the request says anything about a list.
func (r *Request) Given() bool { return r.Canned != nil || r.Document != nil || r.granted() }

// List reads the list that the request asks for; nil where it asks for none.
func (r *Request) List(who Parties, object bool) (List, error) {
	switch {
	case r.Document != nil && (r.Canned != nil || r.granted()):
		return nil, errUnexpectedContent()
	case r.Canned != nil && r.granted():
		return nil, errCannedAndHeaders()
	case r.Document != nil:
		return fromDocument(r.Document, who.Owner)
	case r.Canned != nil:
		return Canned(*r.Canned, who, object)
	case r.granted():
		return fromHeaders(r.headers())
	}
	return nil, nil
}

// BucketOwnerFullControl reports whether the request is the canned list that
// hands an object over to the bucket's owner.
func (r *Request) BucketOwnerFullControl() bool {
	return smithy.Val(r.Canned) == "bucket-owner-full-control"
}

func fromDocument(doc *api.AccessControlPolicy, owner string) (List, error) {
	if doc.Owner == nil || smithy.Val(doc.Owner.ID) == "" {
		return nil, errMalformed()
	}
	if *doc.Owner.ID != owner {
		return nil, errOtherOwner()
	}
	if len(doc.Grants) > GrantsMax {
		return nil, errMalformed()
	}
	list := make(List, 0, len(doc.Grants))
	for i := range doc.Grants {
		g, err := fromGrant(&doc.Grants[i])
		if err != nil {
			return nil, err
		}
		list = append(list, g)
	}
	return list, nil
}

func fromGrant(in *api.Grant) (Grant, error) {
	g := Grant{Permission: smithy.Val(in.Permission)}
	switch g.Permission {
	case FullControl, Read, ReadACP, Write, WriteACP:
	default:
		return g, errMalformed()
	}
	if in.Grantee == nil {
		return g, errMalformed()
	}
	switch smithy.Val(in.Grantee.Type) {
	case "CanonicalUser":
		g.ID = smithy.Val(in.Grantee.ID)
		if !validID(g.ID) {
			return g, errGrantee("CanonicalUser/ID", g.ID, "Invalid id")
		}
	case "Group":
		g.Group = smithy.Val(in.Grantee.URI)
		if !validGroup(g.Group) {
			return g, errGrantee("Group/URI", g.Group, "Invalid group uri")
		}
	case "AmazonCustomerByEmail":
		return g, errEmail()
	default:
		return g, errMalformed()
	}
	return g, nil
}

// canonicalDigits is the length of a canonical user id, in hexadecimal digits.
const canonicalDigits = 64

// validID takes what could be a canonical user id: moln keeps no list of the
// accounts of the world, and an id of nobody grants to nobody.
func validID(id string) bool {
	if len(id) != canonicalDigits {
		return false
	}
	for i := range len(id) {
		if c := id[i]; !('0' <= c && c <= '9' || 'a' <= c && c <= 'f') {
			return false
		}
	}
	return true
}

func validGroup(uri string) bool {
	return uri == AllUsers || uri == AuthenticatedUsers || uri == LogDelivery
}
