// Package arn reads and writes Amazon Resource Names:
// arn:partition:service:region:account:resource.
//
// It knows the form only. Whether a service exists, whether a resource of that
// kind carries a region, and how a pattern with wildcards matches are the
// business of the service and of aws/policy.
package arn

import (
	"errors"
	"strings"
)

// MaxBytes is the longest ARN accepted; AWS documents 2048 characters for the
// fields that carry one.
const MaxBytes = 2048

// fieldsBeforeResource counts arn, partition, service, region and account.
const fieldsBeforeResource = 5

// The reasons Parse gives. They are the caller's to word for its own protocol.
var (
	ErrPrefix   = errors.New("arn: does not begin with \"arn:\"")
	ErrFields   = errors.New("arn: fewer than six colon-separated fields")
	ErrEmpty    = errors.New("arn: partition, service or resource is empty")
	ErrTooLong  = errors.New("arn: longer than 2048 bytes")
	ErrBadBytes = errors.New("arn: contains a space or control character outside the resource")
)

// ARN is one Amazon Resource Name, in its fields. Region and Account may be
// empty (S3 buckets have neither); the others may not.
type ARN struct {
	Partition string
	Service   string
	Region    string
	Account   string
	Resource  string
}

// Parse splits s into its fields. The resource is everything after the fifth
// colon, colons included.
func Parse(s string) (ARN, error) {
	if len(s) > MaxBytes {
		return ARN{}, ErrTooLong
	}
	if !strings.HasPrefix(s, "arn:") {
		return ARN{}, ErrPrefix
	}
	parts := strings.SplitN(s, ":", fieldsBeforeResource+1)
	if len(parts) != fieldsBeforeResource+1 {
		return ARN{}, ErrFields
	}
	a := ARN{Partition: parts[1], Service: parts[2], Region: parts[3], Account: parts[4], Resource: parts[5]}
	if a.Partition == "" || a.Service == "" || a.Resource == "" {
		return ARN{}, ErrEmpty
	}
	head := s[:len(s)-len(a.Resource)]
	if strings.ContainsFunc(head, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return ARN{}, ErrBadBytes
	}
	return a, nil
}

// String writes the ARN. The zero ARN is the empty string, so that a field left
// unset does not print as a row of colons.
func (a ARN) String() string {
	if a == (ARN{}) {
		return ""
	}
	return "arn:" + a.Partition + ":" + a.Service + ":" + a.Region + ":" + a.Account + ":" + a.Resource
}

// IsZero reports whether a is the zero value.
func (a ARN) IsZero() bool { return a == ARN{} }

// SplitResource cuts the resource at its first "/" or ":", whichever comes
// first: "role/path/name" is ("role", "path/name") and "function:f:1" is
// ("function", "f:1"). A resource with neither is all id: ("", "bucket").
func (a ARN) SplitResource() (kind, id string) {
	i := strings.IndexAny(a.Resource, "/:")
	if i < 0 {
		return "", a.Resource
	}
	return a.Resource[:i], a.Resource[i+1:]
}

// Name is the part of the resource after its last "/": the name of an IAM user
// or role without its path. A resource without "/" is its own name.
func (a ARN) Name() string {
	return a.Resource[strings.LastIndexByte(a.Resource, '/')+1:]
}

// WithResource is a with another resource, for building the ARNs of children
// (a table's index, a function's version).
func (a ARN) WithResource(resource string) ARN {
	a.Resource = resource
	return a
}

// PartitionOf gives the partition a region belongs to. Regions that no
// partition claims, and the empty region of global services, are in "aws".
func PartitionOf(region string) string {
	switch {
	case strings.HasPrefix(region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(region, "us-gov-"):
		return "aws-us-gov"
	case strings.HasPrefix(region, "us-iso-"):
		return "aws-iso"
	case strings.HasPrefix(region, "us-isob-"):
		return "aws-iso-b"
	case strings.HasPrefix(region, "eu-isoe-"):
		return "aws-iso-e"
	case strings.HasPrefix(region, "us-isof-"), strings.HasPrefix(region, "eu-isof-"):
		return "aws-iso-f"
	case strings.HasPrefix(region, "eusc-"):
		return "aws-eusc"
	}
	return "aws"
}
