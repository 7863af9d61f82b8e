package s3

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"strings"
	"time"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/policy"
)

// Versioning states; the empty one has never been enabled.
const (
	versioningEnabled   = "Enabled"
	versioningSuspended = "Suspended"
)

// ownerEnforced is the ownership of new buckets: access control lists are off.
const ownerEnforced = "BucketOwnerEnforced"

// regionClassic is the region whose buckets have no location constraint.
const regionClassic = "us-east-1"

// bucket is one bucket and its configuration. What store hands out is shared
// and must not be changed; mutate works on a copy.
type bucket struct {
	Name       string
	ID         string
	Account    string
	Region     string
	Created    time.Time
	Versioning string                         `json:",omitempty"`
	Ownership  string                         `json:",omitempty"`
	Policy     string                         `json:",omitempty"`
	Public     *publicAccess                  `json:",omitempty"`
	CORS       []api.CORSRule                 `json:",omitempty"`
	Website    *api.WebsiteConfiguration      `json:",omitempty"`
	Notify     *api.NotificationConfiguration `json:",omitempty"`
	Tags       []tag                          `json:",omitempty"`
	Encryption *api.ServerSideEncryptionRule  `json:",omitempty"`

	compiled *policy.Policy // of Policy; nil where there is none
	isPublic bool           // Policy grants to everyone
}

// publicAccess is the public access block.
type publicAccess struct {
	BlockACLs, IgnoreACLs, BlockPolicy, Restrict bool
}

// tag is one tag of a bucket or an object.
type tag struct{ Key, Value string }

func bucketARN(name string) string { return "arn:aws:s3:::" + name }

func objectARN(bucket, key string) string { return "arn:aws:s3:::" + bucket + "/" + key }

// ownerID is the canonical user id of an account, which S3 names owners by.
func ownerID(account string) string {
	sum := sha256.Sum256([]byte("canonical user of account " + account))
	return hex.EncodeToString(sum[:])
}

func ownerOf(account string) *api.Owner { return &api.Owner{ID: new(ownerID(account))} }

// Limits of a bucket name.
const (
	bucketNameMin = 3
	bucketNameMax = 63
)

// checkBucketName applies S3's naming rules for general purpose buckets.
func checkBucketName(name string) error {
	if validBucketName(name) {
		return nil
	}
	return fault.New("InvalidBucketName", 400, "The specified bucket is not valid.")
}

func validBucketName(name string) bool {
	if len(name) < bucketNameMin || len(name) > bucketNameMax {
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

// locationOf decides in which region a bucket is created.
func locationOf(constraint, endpointRegion string) (string, error) {
	switch {
	case constraint == "" && endpointRegion == regionClassic:
		return regionClassic, nil
	case constraint == "":
		return "", fault.New("IllegalLocationConstraintException", 400, "The unspecified location constraint is incompatible for the region specific endpoint this request was sent to.")
	case constraint == "EU":
		constraint = "eu-west-1"
	case constraint == regionClassic:
		return "", fault.New("InvalidLocationConstraint", 400, "The specified location-constraint is not valid")
	}
	if endpointRegion != regionClassic && endpointRegion != constraint {
		return "", fault.New("IllegalLocationConstraintException", 400, "The %s location constraint is incompatible for the region specific endpoint this request was sent to.", constraint)
	}
	return constraint, nil
}
