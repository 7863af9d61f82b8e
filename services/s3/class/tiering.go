package class

import (
	"slices"
	"strings"
	"time"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/services/s3/s3err"
	"moln.dev/moln/services/s3/tagging"
)

// Tiers of INTELLIGENT_TIERING, from the most expensive to the least.
const (
	TierFrequent       = "FREQUENT_ACCESS"
	TierInfrequent     = "INFREQUENT_ACCESS"
	TierArchiveInstant = "ARCHIVE_INSTANT_ACCESS"
	TierArchive        = "ARCHIVE_ACCESS"
	TierDeepArchive    = "DEEP_ARCHIVE_ACCESS"
)

// When objects that are not read move on
// (userguide/intelligent-tiering-overview.html).
const (
	infrequentAfter     = 30 * day
	archiveInstantAfter = 90 * day
	monitoredBytesMin   = 128 << 10 // smaller objects stay in the frequent tier
	archiveDaysMin      = 90
	deepDaysMin         = 180
	archiveDaysMax      = 730
	tieringIDMax        = 64
)

// Tiering is what an object of INTELLIGENT_TIERING remembers.
type Tiering struct {
	// Accessed is when it was last read or written, to the day.
	Accessed time.Time
	// Archive is TierArchive or TierDeepArchive once the object is there; it
	// leaves by a restore only.
	Archive string `json:",omitempty"`
}

// Facts are what tiering configurations filter objects by.
type Facts struct {
	Key  string
	Size int64
	Tags []tagging.Tag
}

// archiveDays are the days without access after which the configurations
// archive an object; zero: never.
func archiveDays(confs []api.IntelligentTieringConfiguration, f Facts) (archive, deep int) {
	least := func(at *int, days int) {
		if *at == 0 || days < *at {
			*at = days
		}
	}
	for _, c := range confs {
		if smithy.Val(c.Status) != "Enabled" || !tieringMatches(c.Filter, f) {
			continue
		}
		for _, t := range c.Tierings {
			if smithy.Val(t.AccessTier) == TierDeepArchive {
				least(&deep, int(smithy.Val(t.Days)))
			} else {
				least(&archive, int(smithy.Val(t.Days)))
			}
		}
	}
	return archive, deep
}

func tieringMatches(filter *api.IntelligentTieringFilter, f Facts) bool {
	if filter == nil {
		return true
	}
	prefix, tags := smithy.Val(filter.Prefix), []api.Tag(nil)
	if filter.Tag != nil {
		tags = append(tags, *filter.Tag)
	}
	if filter.And != nil {
		prefix, tags = smithy.Val(filter.And.Prefix), filter.And.Tags
	}
	return strings.HasPrefix(f.Key, prefix) && HasTags(f.Tags, tags)
}

// HasTags tells whether an object has all of the wanted tags.
func HasTags(have []tagging.Tag, want []api.Tag) bool {
	for _, w := range want {
		if !slices.Contains(have, tagging.Tag{Key: smithy.Val(w.Key), Value: smithy.Val(w.Value)}) {
			return false
		}
	}
	return true
}

// Tier is where an object of INTELLIGENT_TIERING is now.
func Tier(t *Tiering, r *Restore, confs []api.IntelligentTieringConfiguration, f Facts, now time.Time) string {
	if t == nil || f.Size < monitoredBytesMin {
		return TierFrequent
	}
	accessed, archived := t.Accessed, t.Archive
	if r != nil && archived != "" {
		if r.Ongoing(now) {
			return archived
		}
		accessed, archived = r.Ready, "" // restored: in the frequent tier again
	}
	idle := now.Sub(accessed)
	archive, deep := archiveDays(confs, f)
	switch {
	case archived == TierDeepArchive || deep > 0 && idle >= time.Duration(deep)*day:
		return TierDeepArchive
	case archived == TierArchive || archive > 0 && idle >= time.Duration(archive)*day:
		return TierArchive
	case idle >= archiveInstantAfter:
		return TierArchiveInstant
	case idle >= infrequentAfter:
		return TierInfrequent
	}
	return TierFrequent
}

// ArchiveTier reports tiers that reading needs a restore from.
func ArchiveTier(tier string) bool { return tier == TierArchive || tier == TierDeepArchive }

// AccessDue tells whether a read is to be recorded: once a day at most, and
// not for objects whose tier never changes.
func AccessDue(t *Tiering, size int64, now time.Time) bool {
	return t != nil && size >= monitoredBytesMin && now.Sub(t.Accessed) >= day
}

// CheckTiering checks one Intelligent-Tiering configuration; id is the one in
// the request's address.
//
// Errors: MalformedXML, InvalidArgument.
func CheckTiering(id string, c *api.IntelligentTieringConfiguration) error {
	if c == nil || len(c.Tierings) == 0 {
		return s3err.MalformedXML()
	}
	if id == "" || len(id) > tieringIDMax || smithy.Val(c.Id) != id {
		return invalid("Invalid Argument")
	}
	if s := smithy.Val(c.Status); s != "Enabled" && s != "Disabled" {
		return s3err.MalformedXML()
	}
	if err := checkTieringFilter(c.Filter); err != nil {
		return err
	}
	days := map[string]int{}
	for _, t := range c.Tierings {
		tier, n, least := smithy.Val(t.AccessTier), int(smithy.Val(t.Days)), archiveDaysMin
		switch {
		case !ArchiveTier(tier) || t.Days == nil || days[tier] != 0:
			return s3err.MalformedXML()
		case tier == TierDeepArchive:
			least = deepDaysMin
		}
		if n < least || n > archiveDaysMax {
			return invalid("Invalid Argument")
		}
		days[tier] = n
	}
	if a, d := days[TierArchive], days[TierDeepArchive]; a > 0 && d > 0 && d <= a {
		return invalid("Invalid Argument")
	}
	return nil
}

func checkTieringFilter(f *api.IntelligentTieringFilter) error {
	if f == nil {
		return nil
	}
	n := 0
	for _, set := range []bool{f.Prefix != nil, f.Tag != nil, f.And != nil} {
		if set {
			n++
		}
	}
	if n > 1 {
		return s3err.MalformedXML()
	}
	var tags []api.Tag
	if f.Tag != nil {
		tags = []api.Tag{*f.Tag}
	}
	if f.And != nil {
		tags = f.And.Tags
		if len(tags) == 0 || len(tags) == 1 && f.And.Prefix == nil {
			return s3err.MalformedXML()
		}
	}
	_, err := tagging.Of(tags, tagging.ObjectMax)
	return err
}

func invalid(format string, args ...any) error {
	return fault.New("InvalidArgument", 400, format, args...)
}
