package inventory

import (
	"slices"
	"strconv"
	"strings"
	"time"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/services/s3/class"
	"moln.dev/moln/services/s3/naming"
	"moln.dev/moln/services/s3/op"
	"moln.dev/moln/services/s3/store"
)

// optional are the fields that a report may have, in its order.
var optional = []string{
	api.InventoryOptionalFieldSize, api.InventoryOptionalFieldLastModifiedDate, api.InventoryOptionalFieldETag, api.InventoryOptionalFieldStorageClass,
	api.InventoryOptionalFieldIsMultipartUploaded, api.InventoryOptionalFieldReplicationStatus, api.InventoryOptionalFieldEncryptionStatus,
	api.InventoryOptionalFieldObjectLockRetainUntilDate, api.InventoryOptionalFieldObjectLockMode, api.InventoryOptionalFieldObjectLockLegalHoldStatus,
	api.InventoryOptionalFieldIntelligentTieringAccessTier, api.InventoryOptionalFieldBucketKeyStatus, api.InventoryOptionalFieldChecksumAlgorithm,
	api.InventoryOptionalFieldObjectOwner,
}

// report is what the rows of one report have.
type report struct {
	b      *store.Bucket
	all    bool // versions
	fields []string
	now    time.Time
}

func newReport(b *store.Bucket, conf *api.InventoryConfiguration, now time.Time) *report {
	r := &report{b: b, all: *conf.IncludedObjectVersions == api.InventoryIncludedObjectVersionsAll, now: now}
	for _, f := range optional {
		if slices.Contains(conf.OptionalFields, f) {
			r.fields = append(r.fields, f)
		}
	}
	return r
}

// schema names the columns, as manifests do.
func (r *report) schema() string {
	names := []string{"Bucket", "Key"}
	if r.all {
		names = append(names, "VersionId", "IsLatest", "IsDeleteMarker")
	}
	return strings.Join(append(names, r.fields...), ", ")
}

// row is a version as a line of the report.
func (r *report) row(o *store.Object, latest bool) string {
	cells := []string{r.b.Name, naming.URLEncode(o.Key)}
	if r.all {
		version := o.Version
		if version == store.NullVersion {
			version = ""
		}
		cells = append(cells, version, strconv.FormatBool(latest), strconv.FormatBool(o.Marker))
	}
	for _, f := range r.fields {
		cells = append(cells, r.cell(f, o))
	}
	for i, c := range cells {
		cells[i] = `"` + strings.ReplaceAll(c, `"`, `""`) + `"`
	}
	return strings.Join(cells, ",") + "\n"
}

const timeForm = "2006-01-02T15:04:05.000Z"

func (r *report) cell(field string, o *store.Object) string {
	switch field {
	case api.InventoryOptionalFieldLastModifiedDate:
		return o.LastModified().Format(timeForm)
	case api.InventoryOptionalFieldReplicationStatus:
		return smithy.Val(o.Replication.Header())
	case api.InventoryOptionalFieldObjectOwner:
		return naming.OwnerID(r.b.OwnerOf(o))
	}
	if o.Marker {
		return ""
	}
	switch field {
	case api.InventoryOptionalFieldSize:
		return strconv.FormatInt(o.Size, 10)
	case api.InventoryOptionalFieldETag:
		return o.ETag
	case api.InventoryOptionalFieldStorageClass:
		return class.Full(o.Class)
	case api.InventoryOptionalFieldIsMultipartUploaded:
		return strconv.FormatBool(o.Parts > 0)
	case api.InventoryOptionalFieldEncryptionStatus:
		return encryption(o.SSE)
	case api.InventoryOptionalFieldObjectLockLegalHoldStatus:
		return o.Lock.Hold
	case api.InventoryOptionalFieldIntelligentTieringAccessTier:
		return tiers[o.Tier(r.b, r.now)]
	case api.InventoryOptionalFieldBucketKeyStatus:
		return bucketKey(o.SSE)
	case api.InventoryOptionalFieldChecksumAlgorithm:
		return strings.Join(op.SumNames(o.Sums), "|")
	}
	l := o.Lock.Retention
	switch {
	case l == nil:
	case field == api.InventoryOptionalFieldObjectLockMode:
		return l.Mode
	case field == api.InventoryOptionalFieldObjectLockRetainUntilDate:
		return l.Until.UTC().Format(timeForm)
	}
	return ""
}

// tiers are the access tiers that reports name otherwise than requests.
var tiers = map[string]string{
	"FREQUENT_ACCESS": "FREQUENT", "INFREQUENT_ACCESS": "INFREQUENT", "ARCHIVE_INSTANT_ACCESS": "ARCHIVE_INSTANT",
	class.TierArchive: "ARCHIVE", class.TierDeepArchive: "DEEP_ARCHIVE",
}

func encryption(e *store.Encryption) string {
	switch {
	case e == nil:
		return "SSE-S3"
	case e.Customer():
		return "SSE-C"
	case e.Algorithm == store.EncryptionDual:
		return "DSSE-KMS"
	}
	return "SSE-KMS"
}

func bucketKey(e *store.Encryption) string {
	if e != nil && e.BucketKey {
		return "ENABLED"
	}
	return "DISABLED"
}
