// Package access tells what a bucket policy means before anybody asks for
// anything: whether it is public, and whether it speaks of its own bucket only.
// Requests are judged by aws/policy.
package access

import (
	"encoding/json"
	"net/netip"
	"strings"
)

// IsPublic decides whether a bucket policy grants to everyone, by AWS's
// meaning of public: an Allow whose principal is not fixed, and that no
// condition binds to fixed values of a key that names callers. A document that
// cannot be read is public.
func IsPublic(document []byte) bool {
	var doc struct{ Statement oneOrMany[publicStatement] }
	if err := json.Unmarshal(document, &doc); err != nil {
		return true
	}
	for _, st := range doc.Statement {
		if st.Effect == "Allow" && st.everyone() && !st.bound() {
			return true
		}
	}
	return false
}

type publicStatement struct {
	Effect       string
	Principal    json.RawMessage
	NotPrincipal json.RawMessage
	Condition    map[string]map[string]oneOrMany[any]
}

// oneOrMany is a JSON value or a list of them.
type oneOrMany[T any] []T

// UnmarshalJSON implements json.Unmarshaler.
func (o *oneOrMany[T]) UnmarshalJSON(raw []byte) error {
	if len(raw) > 0 && raw[0] == '[' {
		return json.Unmarshal(raw, (*[]T)(o))
	}
	var one T
	if err := json.Unmarshal(raw, &one); err != nil {
		return err
	}
	*o = oneOrMany[T]{one}
	return nil
}

// everyone reports whether the statement's principal is not fixed.
func (s *publicStatement) everyone() bool {
	if s.NotPrincipal != nil {
		return true
	}
	var text string
	if json.Unmarshal(s.Principal, &text) == nil {
		return true // "*" is the only principal that is a text
	}
	var kinds map[string]oneOrMany[string]
	if err := json.Unmarshal(s.Principal, &kinds); err != nil {
		return true
	}
	for _, values := range kinds {
		for _, v := range values {
			if strings.ContainsAny(v, "*?$") {
				return true
			}
		}
	}
	return false
}

// boundKeys are the condition keys whose fixed values make a grant non-public.
var boundKeys = map[string]bool{
	"aws:sourcearn": true, "aws:sourcevpc": true, "aws:sourcevpce": true, "aws:sourceowner": true, "aws:sourceaccount": true,
	"aws:userid": true, "aws:principalorgid": true, "aws:principalorgpaths": true, "aws:principalaccount": true, "aws:principalarn": true,
	"s3:x-amz-server-side-encryption-aws-kms-key-id": true, "s3:dataaccesspointarn": true, "s3:dataaccesspointaccount": true,
}

// bound reports whether a condition holds for fixed callers only.
func (s *publicStatement) bound() bool {
	for operator, keys := range s.Condition {
		for key, values := range keys {
			if binds(strings.ToLower(operator), strings.ToLower(key), values) {
				return true
			}
		}
	}
	return false
}

func binds(operator, key string, values oneOrMany[any]) bool {
	operator = strings.TrimPrefix(operator, "foranyvalue:")
	if len(values) == 0 {
		return false
	}
	var fixed func(string) bool
	switch {
	case operator == "ipaddress" && key == "aws:sourceip":
		fixed = narrowNetwork
	case !boundKeys[key]:
		return false
	case operator == "stringequals" || operator == "stringlike" || operator == "stringequalsignorecase" || operator == "arnequals" || operator == "arnlike":
		fixed = func(v string) bool { return fixedValue(key, v) }
	default:
		return false
	}
	for _, v := range values {
		text, ok := v.(string)
		if !ok || !fixed(text) {
			return false
		}
	}
	return true
}

// fixedValue wants no wildcard and no variable, save where AWS lets a part vary
// that does not widen who is meant.
func fixedValue(key, v string) bool {
	if key == "aws:userid" {
		// AROAEXAMPLEID:* is every session of one role.
		if id, rest, ok := strings.Cut(v, ":"); ok && rest == "*" && id != "" && !strings.ContainsAny(id, "*?$") {
			return true
		}
	}
	if key == "s3:dataaccesspointarn" {
		// The account is fixed, the access point's name need not be.
		fields := strings.SplitN(v, ":", 6)
		return len(fields) == 6 && fields[4] != "" && !strings.ContainsAny(fields[4], "*?$")
	}
	return v != "" && !strings.ContainsAny(v, "*?$")
}

// Networks wider than these are as good as everyone.
const (
	networkBitsMin4 = 8
	networkBitsMin6 = 32
)

func narrowNetwork(v string) bool {
	p, err := netip.ParsePrefix(v)
	if err != nil {
		_, err := netip.ParseAddr(v)
		return err == nil
	}
	if p.Addr().Is4() {
		return p.Bits() >= networkBitsMin4
	}
	return p.Bits() >= networkBitsMin6
}

// OwnResources reports whether every resource of a policy is the bucket or in
// it, as S3 demands.
func OwnResources(document []byte, bucketName string) bool {
	var doc struct {
		Statement oneOrMany[struct{ Resource, NotResource oneOrMany[string] }]
	}
	if err := json.Unmarshal(document, &doc); err != nil {
		return false
	}
	arn := "arn:aws:s3:::" + bucketName
	for _, st := range doc.Statement {
		for _, r := range append(st.Resource, st.NotResource...) {
			if r != arn && !strings.HasPrefix(r, arn+"/") && !coversBucket(r, bucketName) {
				return false
			}
		}
	}
	return true
}

// OwnPoint reports whether every resource of a policy is the access point or
// what is reached through it.
func OwnPoint(document []byte, arn string) bool {
	var doc struct {
		Statement oneOrMany[struct{ Resource, NotResource oneOrMany[string] }]
	}
	if err := json.Unmarshal(document, &doc); err != nil {
		return false
	}
	for _, st := range doc.Statement {
		for _, r := range append(st.Resource, st.NotResource...) {
			if r != arn && !strings.HasPrefix(r, arn+"/object/") {
				return false
			}
		}
	}
	return true
}

// coversBucket accepts patterns whose bucket part matches the bucket's name.
func coversBucket(resource, bucketName string) bool {
	pattern, ok := strings.CutPrefix(resource, "arn:aws:s3:::")
	if !ok {
		return false
	}
	pattern, _, _ = strings.Cut(pattern, "/")
	if strings.Count(pattern, "*") > 1 || strings.Contains(pattern, "?") {
		return true // S3 checks these when they are asked; so does the judge
	}
	return strings.Contains(pattern, "*") && starMatches(pattern, bucketName)
}

// starMatches matches a pattern with one *.
func starMatches(pattern, s string) bool {
	before, after, _ := strings.Cut(pattern, "*")
	return len(s) >= len(before)+len(after) && strings.HasPrefix(s, before) && strings.HasSuffix(s, after)
}
