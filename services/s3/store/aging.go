package store

import (
	"time"

	"moln.dev/moln/services/s3/class"
	"moln.dev/moln/services/s3/lifecycle"
	"moln.dev/moln/services/s3/lock"
)

// Aging is what happens to a version while it is kept: its storage class, and
// what locks it.
type Aging struct {
	Class string `json:",omitempty"` // empty: STANDARD
	// Moved is when a lifecycle rule moved it to its class; zero: never.
	Moved   time.Time      `json:",omitzero"`
	Tiering *class.Tiering `json:",omitempty"` // of INTELLIGENT_TIERING
	Restore *class.Restore `json:",omitempty"`
	Lock    lock.State     `json:",omitzero"`
}

// Since is when the version came into its class, from which least storage
// durations count.
func (o *Object) Since() time.Time {
	if o.Moved.IsZero() {
		return o.Modified
	}
	return o.Moved
}

// Tier is where an object of INTELLIGENT_TIERING is; empty for other classes.
func (o *Object) Tier(b *Bucket, now time.Time) string {
	if o.Class != class.IntelligentTiering {
		return ""
	}
	return class.Tier(o.Tiering, o.Restore, b.Tiering, class.Facts{Key: o.Key, Size: o.Size, Tags: o.Tags}, now)
}

// Archived tells whether reading the object needs a restore; deep: from one of
// the deep archives.
func (o *Object) Archived(b *Bucket, now time.Time) (archived, deep bool) {
	info, _ := class.Of(o.Class)
	tier := o.Tier(b, now)
	return info.Archived || class.ArchiveTier(tier), o.Class == class.DeepArchive || tier == class.TierDeepArchive
}

// Readable gives the fault of reading an object that is archived and not
// restored.
func (o *Object) Readable(b *Bucket, now time.Time) error {
	if archived, _ := o.Archived(b, now); !archived || o.Restore.Available(now) {
		return nil
	}
	tier := o.Tier(b, now)
	if !class.ArchiveTier(tier) {
		tier = ""
	}
	return class.NotReadable(o.Class, tier)
}

// Lifecycle is a current version as lifecycle rules see it.
func (o *Object) Lifecycle(b *Bucket, now time.Time) lifecycle.Object {
	return lifecycle.Object{
		Key: o.Key, Tags: o.Tags, Size: o.Size, Class: o.Class, Tier: o.Tier(b, now), Modified: o.Modified,
		Marker: o.Marker, Versioned: b.Versioning != "",
	}
}

// Expiration is x-amz-expiration of a current version; nil: it does not expire.
func (o *Object) Expiration(b *Bucket) *string {
	return b.Lifecycle.Expiration(o.Lifecycle(b, o.Modified))
}
