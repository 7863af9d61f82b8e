package store

import (
	"fmt"
	"math/big"
	"strings"
	"time"
	"unicode/utf8"

	"moln.dev/moln/aws/fault"
	"moln.dev/moln/engine/blob"
	"moln.dev/moln/services/s3/checksum"
	"moln.dev/moln/services/s3/grant"
	"moln.dev/moln/services/s3/tagging"
)

// Limits of objects and uploads.
const (
	// InlineBytesMax is the largest body that is kept in the key-value store.
	InlineBytesMax = 32 << 10
	// BesideBytesMax is the largest that lies in the record of its object, so
	// that both are one read. Listings read over it.
	BesideBytesMax = 4 << 10
	keyBytesMax    = 1024
	metaBytesMax   = 2 << 10 // user metadata, names and values
	PutBytesMax    = 5 << 30 // one PutObject or part
	ObjectBytesMax = 50 << 40
	PartBytesMin   = 5 << 20 // every part but the last
	PartsMax       = 10_000
	ListMax        = 1000
	DeleteMax      = 1000
)

// NullVersion is the version id of objects written without versioning.
const NullVersion = "null"

// ClassStandard is the storage class of objects that name none.
const ClassStandard = "STANDARD"

// Object is one version of an object, or a delete marker.
type Object struct {
	Key      string    `json:"-"`
	Version  string    `json:",omitempty"` // NullVersion or an id
	Sequence string    `json:",omitempty"` // sortable; orders the versions of a key
	Marker   bool      `json:",omitempty"`
	Modified time.Time `json:",omitzero"`
	// Owner is the account that owns the object; empty: the bucket's.
	Owner string     `json:",omitempty"`
	ACL   grant.List `json:",omitzero"` // nil: the owner's own

	Body

	ETag    string            `json:",omitempty"` // without quotes
	Headers map[string]string `json:",omitempty"` // what the caller wants back
	Meta    map[string]string `json:",omitempty"` // x-amz-meta-…
	Tags    []tagging.Tag     `json:",omitempty"`
	Sums    checksum.Values   `json:",omitempty"`
	// SumType is FULL_OBJECT or COMPOSITE.
	SumType string `json:",omitempty"`
	// SSE is whose key protects the bytes besides the server's; nil: nobody's.
	SSE *Encryption `json:",omitempty"`
	// Upload is the id of the multipart upload that became this version.
	Upload string `json:",omitempty"`
	// NullSequence, on the current version only, is the sequence of the
	// version NullVersion where that is not current.
	NullSequence string `json:",omitempty"`

	Aging

	Replication Replication `json:",omitzero"`

	small []byte // the body, encrypted, up to BesideBytesMax; nil: it is elsewhere
}

// Body says where the bytes are. Exactly one of inline, Blob and Parts holds
// them; inline is neither of the others.
type Body struct {
	ID    string   `json:",omitempty"` // of the data
	Size  int64    `json:",omitempty"`
	Blob  blob.Ref `json:",omitzero"`
	Parts int      `json:",omitempty"`
	// List counts how often the keys of the parts were wrapped anew: each time
	// makes another list of them. See PartsID.
	List int `json:",omitempty"`
	// Check is the checksum of an inline body as it is stored; blobs have
	// their own.
	Check uint32 `json:",omitempty"`
	// DataKey is the data key, sealed; empty for an object in parts, where each
	// part has one.
	DataKey []byte `json:",omitempty"`
	// Locked: the data key is wrapped under an outer key (Object.SSE).
	Locked bool `json:",omitempty"`

	outer []byte // see Object.Unlock
}

// Names under which Headers keeps what GetObject answers.
const (
	HeaderContentType        = "Content-Type"
	HeaderCacheControl       = "Cache-Control"
	HeaderContentDisposition = "Content-Disposition"
	HeaderContentEncoding    = "Content-Encoding"
	HeaderContentLanguage    = "Content-Language"
	HeaderExpires            = "Expires"
	HeaderRedirect           = "x-amz-website-redirect-location"
)

// DefaultContentType is what S3 takes for objects that name none.
const DefaultContentType = "binary/octet-stream"

// QuotedETag is the ETag as headers have it.
func (o *Object) QuotedETag() string { return `"` + o.ETag + `"` }

// LastModified is the time as HTTP tells it, in whole seconds.
func (o *Object) LastModified() time.Time { return o.Modified.UTC().Truncate(time.Second) }

// CheckKey judges the name of an object.
func CheckKey(key string) error {
	if len(key) > keyBytesMax {
		return fault.New("KeyTooLongError", 400, "Your key is too long")
	}
	if key == "" || !utf8.ValidString(key) {
		return fault.New("InvalidURI", 400, "Couldn't parse the specified URI.")
	}
	return nil
}

// CheckMeta judges user metadata.
func CheckMeta(meta map[string]string) error {
	n := 0
	for k, v := range meta {
		n += len(k) + len(v)
	}
	if n > metaBytesMax {
		return fault.New("MetadataTooLarge", 400, "Your metadata headers exceed the maximum allowed metadata size")
	}
	return nil
}

// versionRandom follows the sequence in a version id, which is as long as AWS's.
const versionRandom = 6

// sequenceLength is the length of ident's sortable ids.
const sequenceLength = 26

// SequenceOf gives the sequence that a version id begins with.
func SequenceOf(versionID string) (string, bool) {
	if len(versionID) != sequenceLength+versionRandom {
		return "", false
	}
	return versionID[:sequenceLength], true
}

// Sequencer is how events tell the order of changes to one key: compared as
// text of equal length, later is greater.
func Sequencer(sequence string) string {
	n := new(big.Int)
	for i := range len(sequence) {
		n.Lsh(n, 5).Or(n, big.NewInt(int64(max(0, strings.IndexByte(alphabet, sequence[i])))))
	}
	return fmt.Sprintf("%033X", n)
}

// alphabet of sequences, in order.
const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// descending turns a sequence into one that sorts the other way.
func descending(sequence string) string {
	out := []byte(sequence)
	for i, c := range out {
		if at := strings.IndexByte(alphabet, c); at >= 0 {
			out[i] = alphabet[len(alphabet)-1-at]
		}
	}
	return string(out)
}

// VisibleVersion is a version id as answers show it: none in a bucket that has
// never been versioned.
func VisibleVersion(b *Bucket, o *Object) *string {
	if b.Versioning == "" && o.Version == NullVersion {
		return nil
	}
	return new(o.Version)
}

// WrittenVersion is the version id in the answer to who wrote an object: none
// unless the bucket is versioned. The null version has no id to tell.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html
func WrittenVersion(o *Object) *string {
	if o.Version == NullVersion {
		return nil
	}
	return new(o.Version)
}
