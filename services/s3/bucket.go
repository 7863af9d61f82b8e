package s3

import (
	"crypto/sha256"
	"encoding/hex"
	"time"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/services/s3/tagging"
)

// Versioning states; the empty one has never been enabled.
const (
	versioningEnabled   = "Enabled"
	versioningSuspended = "Suspended"
)

// ownerEnforced is the ownership of new buckets: access control lists are off.
const ownerEnforced = "BucketOwnerEnforced"

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
	Tags       []tagging.Tag                  `json:",omitempty"`
	Encryption *api.ServerSideEncryptionRule  `json:",omitempty"`

	compiled *policy.Policy // of Policy; nil where there is none
	isPublic bool           // Policy grants to everyone
}

// publicAccess is the public access block.
type publicAccess struct {
	BlockACLs, IgnoreACLs, BlockPolicy, Restrict bool
}

func bucketARN(name string) string { return "arn:aws:s3:::" + name }

func objectARN(bucket, key string) string { return "arn:aws:s3:::" + bucket + "/" + key }

// ownerID is the canonical user id of an account, which S3 names owners by.
func ownerID(account string) string {
	sum := sha256.Sum256([]byte("canonical user of account " + account))
	return hex.EncodeToString(sum[:])
}

func ownerOf(account string) *api.Owner { return &api.Owner{ID: new(ownerID(account))} }
