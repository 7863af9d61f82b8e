package class

import (
	"fmt"
	"net/http"
	"time"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/services/s3/s3err"
)

// Retrieval tiers of a restore.
const (
	Expedited = "Expedited"
	Bulk      = "Bulk"
	usual     = "Standard"
)

// Restore is the state of an archived object's restored copy.
type Restore struct {
	Asked time.Time
	// Ready is when the copy is there.
	Ready time.Time
	// Expires is when the copy goes; zero for INTELLIGENT_TIERING, whose
	// objects move to the frequent tier for good.
	Expires time.Time `json:",omitzero"`
	Days    int       `json:",omitempty"`
	Tier    string
	// Told: the event of its completion is queued.
	Told bool `json:",omitempty"`
}

// Ongoing reports that the copy is being made.
func (r *Restore) Ongoing(now time.Time) bool { return r != nil && now.Before(r.Ready) }

// Available reports that the copy can be read.
func (r *Restore) Available(now time.Time) bool {
	return r != nil && !now.Before(r.Ready) && now.Before(r.Expires)
}

// Over reports that the copy has come and gone.
func (r *Restore) Over(now time.Time) bool {
	return r != nil && !r.Ongoing(now) && !r.Available(now)
}

// Header is x-amz-restore; nil where there is nothing to tell.
func (r *Restore) Header(now time.Time) *string {
	switch {
	case r.Ongoing(now):
		return new(`ongoing-request="true"`)
	case r.Available(now):
		return new(fmt.Sprintf(`ongoing-request="false", expiry-date="%s"`, r.Expires.UTC().Format(http.TimeFormat)))
	}
	return nil
}

// Status is the restore as listings tell it; nil where there is nothing to tell.
func (r *Restore) Status(now time.Time) *api.RestoreStatus {
	switch {
	case r.Ongoing(now):
		return &api.RestoreStatus{IsRestoreInProgress: new(true)}
	case r.Available(now):
		return &api.RestoreStatus{IsRestoreInProgress: new(false), RestoreExpiryDate: new(r.Expires.UTC())}
	}
	return nil
}

// How long a restore takes: the ends of the ranges that AWS documents
// (userguide/restoring-objects-retrieval-options.html).
const (
	expeditedTime    = 5 * time.Minute
	glacierTime      = 5 * time.Hour
	glacierBulkTime  = 12 * time.Hour
	deepTime         = 12 * time.Hour
	deepBulkTime     = 48 * time.Hour
	restoreDaysLimit = 365 * 100
)

// duration is how long a restore takes from an archive; deep is DEEP_ARCHIVE.
func duration(deep bool, tier string) time.Duration {
	switch {
	case deep && tier == Bulk:
		return deepBulkTime
	case deep:
		return deepTime
	case tier == Expedited:
		return expeditedTime
	case tier == Bulk:
		return glacierBulkTime
	}
	return glacierTime
}

// Wanted is what a RestoreObject request asks for.
type Wanted struct {
	Days int
	Tier string
}

// ReadRestore reads a restore request for an object of a class.
//
// Errors: MalformedXML, InvalidArgument, InvalidRequest, and NotImplemented for
// SELECT restores, which AWS has closed to new customers.
func ReadRestore(in *api.RestoreRequest, name string) (Wanted, error) {
	if in == nil {
		return Wanted{}, s3err.MalformedXML()
	}
	if in.Type != nil || in.SelectParameters != nil || in.OutputLocation != nil {
		return Wanted{}, fault.New("NotImplemented", 501, "moln restores whole objects, and has no S3 Select")
	}
	w := Wanted{Tier: usual}
	if t := smithy.Val(in.Tier); t != "" {
		w.Tier = t
	}
	if in.GlacierJobParameters != nil {
		w.Tier = smithy.Val(in.GlacierJobParameters.Tier)
	}
	if w.Tier != usual && w.Tier != Bulk && w.Tier != Expedited {
		return w, s3err.MalformedXML()
	}
	if name == IntelligentTiering {
		if in.Days != nil {
			return w, fault.New("InvalidRequest", 400, "Days cannot be specified for objects in the INTELLIGENT_TIERING storage class.")
		}
		return w, nil
	}
	if in.Days == nil {
		return w, s3err.MalformedXML()
	}
	if w.Days = int(*in.Days); w.Days < 1 || w.Days > restoreDaysLimit {
		return w, fault.New("InvalidArgument", 400, "restoration days should be at least 1")
	}
	return w, nil
}

// Begin decides a restore of an archived object: of DEEP_ARCHIVE, or of the
// deep archive tier, where deep is set. status is 202 for a copy that is to be
// made, or made faster, and 200 for one that is there and kept longer.
//
// Errors: InvalidArgument, RestoreAlreadyInProgress.
func Begin(have *Restore, w Wanted, deep bool, now time.Time) (next Restore, status int, err error) {
	if deep && w.Tier == Expedited {
		return Restore{}, 0, fault.New("InvalidArgument", 400, "Retrieval option is not supported by this storage class")
	}
	ready := now.Add(duration(deep, w.Tier))
	switch {
	case have.Ongoing(now):
		// A faster tier speeds a restore up; nothing else of it changes.
		if w.Days != have.Days || duration(deep, w.Tier) >= duration(deep, have.Tier) {
			return Restore{}, 0, fault.New("RestoreAlreadyInProgress", http.StatusConflict, "Object restore is already in progress")
		}
		next = *have
		next.Tier = w.Tier
		if ready.Before(have.Ready) {
			next.Ready = ready
		}
		if w.Days > 0 {
			next.Expires = Midnight(next.Ready, w.Days)
		}
		return next, http.StatusAccepted, nil
	case have.Available(now):
		next = *have
		next.Days, next.Expires = w.Days, Midnight(now, w.Days)
		return next, http.StatusOK, nil
	}
	next = Restore{Asked: now, Ready: ready, Days: w.Days, Tier: w.Tier}
	if w.Days > 0 {
		next.Expires = Midnight(ready, w.Days)
	}
	return next, http.StatusAccepted, nil
}

// day is how S3 counts: in days of 24 hours, which begin at midnight UTC.
const day = 24 * time.Hour

// Midnight adds days to a time and rounds up to the next midnight UTC, as S3
// does for expirations, transitions and restored copies
// (userguide/intro-lifecycle-rules.html).
func Midnight(t time.Time, days int) time.Time {
	return t.UTC().Add(time.Duration(days)*day + day).Truncate(day)
}

// NotRestorable is the fault of restoring what is not archived.
func NotRestorable(name string) error {
	return api.ErrInvalidObjectState("Restore is not allowed for the object's current storage class").
		WithBody(&api.InvalidObjectState{StorageClass: new(Full(name))})
}
