// Package class has the storage classes of S3: which there are, how an object
// may move between them, what reading one needs, restoring from the archives,
// and the tiers of INTELLIGENT_TIERING. It decides, and stores nothing.
//
// A class is a promise about price and access, not about where bytes lie: here
// all classes share one blob store. What a class changes is what S3's users
// see of it: whether a read needs a restore first, what answers and listings
// name, which transitions there are, and what the meter counts.
package class

import (
	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/fault"
)

// The storage classes that objects can have here.
const (
	Standard            = "STANDARD"
	ReducedRedundancy   = "REDUCED_REDUNDANCY"
	StandardIA          = "STANDARD_IA"
	OneZoneIA           = "ONEZONE_IA"
	IntelligentTiering  = "INTELLIGENT_TIERING"
	GlacierInstant      = "GLACIER_IR"
	Glacier             = "GLACIER"
	DeepArchive         = "DEEP_ARCHIVE"
	minimumBilledBytes  = 128 << 10 // storage-class-intro.html: least billed size of the IA classes and GLACIER_IR
	infrequentDays      = 30        // storage-class-intro.html: least storage durations
	glacierDays         = 90
	deepArchiveDays     = 180
	archiveOverheadFull = 32 << 10 // index and metadata, billed at the archive's rate
	archiveOverheadName = 8 << 10  // billed at STANDARD's rate
)

// Info is what a class means.
type Info struct {
	// Archived: reading needs a restore first.
	Archived bool
	// LeastDays are billed even when an object is deleted or moved sooner.
	LeastDays int
	// LeastBytes are billed for every object.
	LeastBytes int64
	// Retrieval: bytes that are read are billed.
	Retrieval bool
	// preference orders transitions that are due at once: the higher wins. AWS
	// prefers INTELLIGENT_TIERING to all but the archives
	// (userguide/lifecycle-conflicts.html).
	preference int
	// coldness is the class's place in the waterfall.
	coldness int
}

// Of returns what a class means; ok is false for names that are none. The empty
// name is STANDARD.
func Of(name string) (info Info, ok bool) {
	switch name {
	case "", Standard, ReducedRedundancy:
		return Info{}, true
	case StandardIA:
		return Info{LeastDays: infrequentDays, LeastBytes: minimumBilledBytes, Retrieval: true, preference: 1, coldness: 1}, true
	case OneZoneIA:
		return Info{LeastDays: infrequentDays, LeastBytes: minimumBilledBytes, Retrieval: true, preference: 2, coldness: 3}, true
	case GlacierInstant:
		return Info{LeastDays: glacierDays, LeastBytes: minimumBilledBytes, Retrieval: true, preference: 3, coldness: 4}, true
	case IntelligentTiering:
		return Info{preference: 4, coldness: 2}, true
	case Glacier:
		return Info{Archived: true, LeastDays: glacierDays, Retrieval: true, preference: 5, coldness: 5}, true
	case DeepArchive:
		return Info{Archived: true, LeastDays: deepArchiveDays, Retrieval: true, preference: 6, coldness: 6}, true
	}
	return Info{}, false
}

// Named reads the class that a request asks for; none is STANDARD.
//
// Errors: InvalidStorageClass.
func Named(asked *string) (string, error) {
	if asked == nil {
		return Standard, nil
	}
	if _, ok := Of(*asked); !ok || *asked == "" {
		return "", fault.New("InvalidStorageClass", 400, "The storage class you specified is not valid")
	}
	return *asked, nil
}

// Kept is a class as records keep it: STANDARD is left out.
func Kept(name string) string {
	if name == Standard {
		return ""
	}
	return name
}

// Full is the name of a kept class, as listings tell it.
func Full(kept string) string {
	if kept == "" {
		return Standard
	}
	return kept
}

// Header is a kept class as x-amz-storage-class tells it: not at all for
// STANDARD.
func Header(kept string) *string {
	if Kept(kept) == "" {
		return nil
	}
	return new(kept)
}

// MayMove tells whether a lifecycle rule moves objects from one class to
// another: only to colder ones, and from ONEZONE_IA only to the archives
// (userguide/lifecycle-transition-general-considerations.html).
func MayMove(from, to string) bool {
	f, ok := Of(from)
	t, known := Of(to)
	if !ok || !known || t.coldness == 0 || t.coldness <= f.coldness {
		return false
	}
	return from != OneZoneIA || t.Archived
}

// Preferred tells whether a transition to a wins over one to b on the same day.
func Preferred(a, b string) bool {
	x, _ := Of(a)
	y, _ := Of(b)
	return x.preference > y.preference
}

// Billed are the bytes that an object of a size is billed for in a class, and
// those of its name and metadata that archives bill at STANDARD's rate.
func Billed(name string, size int64) (own, standard int64) {
	info, _ := Of(name)
	if info.Archived {
		return size + archiveOverheadFull, archiveOverheadName
	}
	return max(size, info.LeastBytes), 0
}

// NotReadable is the fault of reading an archived object.
func NotReadable(name, accessTier string) error {
	body := &api.InvalidObjectState{StorageClass: new(Full(name))}
	if accessTier != "" {
		body.AccessTier = new(accessTier)
	}
	return api.ErrInvalidObjectState("The operation is not valid for the object's storage class").WithBody(body)
}
