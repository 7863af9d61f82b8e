// Package naming has the rules for names: of buckets, the regions they are
// created in, their owners and ARNs.
package naming

import (
	"net/netip"
	"net/url"
	"strings"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/platform/identity"
)

// RegionClassic is the region whose buckets have no location constraint.
const RegionClassic = "us-east-1"

// Limits of a bucket name.
const (
	bucketMin = 3
	BucketMax = 63
)

// CheckBucket applies S3's naming rules for general purpose buckets.
func CheckBucket(name string) error {
	if ValidBucket(name) {
		return nil
	}
	return fault.New("InvalidBucketName", 400, "The specified bucket is not valid.")
}

// ValidBucket reports whether S3 accepts the name.
func ValidBucket(name string) bool {
	if len(name) < bucketMin || len(name) > BucketMax {
		return false
	}
	for i := range len(name) {
		c := name[i]
		letter := c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
		edge := i == 0 || i == len(name)-1
		if !letter && (edge || c != '-' && c != '.') {
			return false
		}
	}
	if strings.Contains(name, "..") {
		return false
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return false
	}
	for _, prefix := range []string{"xn--", "sthree-", "amzn-s3-demo-"} {
		if strings.HasPrefix(name, prefix) {
			return false
		}
	}
	for _, suffix := range []string{"-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"} {
		if strings.HasSuffix(name, suffix) {
			return false
		}
	}
	return true
}

// Location decides in which region a bucket is created.
func Location(constraint, endpointRegion string) (string, error) {
	switch {
	case constraint == "" && endpointRegion == RegionClassic:
		return RegionClassic, nil
	case constraint == "":
		return "", fault.New("IllegalLocationConstraintException", 400, "The unspecified location constraint is incompatible for the region specific endpoint this request was sent to.")
	case constraint == "EU":
		constraint = "eu-west-1"
	case constraint == RegionClassic:
		return "", fault.New("InvalidLocationConstraint", 400, "The specified location-constraint is not valid")
	}
	if endpointRegion != RegionClassic && endpointRegion != constraint {
		return "", fault.New("IllegalLocationConstraintException", 400, "The %s location constraint is incompatible for the region specific endpoint this request was sent to.", constraint)
	}
	return constraint, nil
}

// AliasSuffix ends the names by which access points stand for buckets.
const AliasSuffix = "-s3alias"

// BucketARN names a bucket.
func BucketARN(name string) string { return "arn:aws:s3:::" + name }

// ObjectARN names an object.
func ObjectARN(bucket, key string) string { return "arn:aws:s3:::" + bucket + "/" + key }

// Anonymous stands for the account of callers without one: what they write where
// the writer owns it belongs to nobody.
const Anonymous = "anonymous"

// anonymousID is the canonical user id by which S3 names them.
const anonymousID = "65a011a29cdf8ec533ec3d1ccaae921c"

// OwnerID is the canonical user id of an account, which S3 names owners by.
func OwnerID(account string) string {
	if account == Anonymous {
		return anonymousID
	}
	return identity.CanonicalID(account)
}

// Owner is how answers name the owner of a bucket or an object.
func Owner(account string) *api.Owner { return &api.Owner{ID: new(OwnerID(account))} }

// URLEncode is S3's form of percent-encoding keys in answers and events.
func URLEncode(s string) string {
	return strings.NewReplacer("%2F", "/", "%2A", "*").Replace(url.QueryEscape(s))
}
