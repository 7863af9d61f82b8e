// Package lock has the rules of S3 Object Lock: what a bucket's configuration
// and an object's retention and legal hold may be, which changes of them there
// are, and what they protect. It is pure; it stores and deletes nothing.
package lock

import (
	"strconv"
	"time"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/services/s3/s3err"
)

// Retention modes, and the states of a legal hold.
const (
	Governance = "GOVERNANCE"
	Compliance = "COMPLIANCE"
	On         = "ON"
	Off        = "OFF"
	enabled    = "Enabled"
)

// Limits of a default retention (userguide/object-lock.html: 100 years).
const (
	defaultDaysMax  = 36_500
	defaultYearsMax = 100
	daysPerYear     = 365 // as S3 counts
)

// Configuration is a bucket's: it exists where Object Lock is on.
type Configuration struct {
	// Mode, and Days or Years, are the retention of new objects; all empty
	// where there is none.
	Mode  string `json:",omitempty"`
	Days  int    `json:",omitempty"`
	Years int    `json:",omitempty"`
}

// Retention keeps a version from being deleted.
type Retention struct {
	Mode  string
	Until time.Time
}

// State is what locks one version.
type State struct {
	Retention *Retention `json:",omitempty"`
	// Hold is On or Off; empty: there never was a legal hold.
	Hold string `json:",omitempty"`
}

// IsZero reports that nothing was ever set.
func (s State) IsZero() bool { return s.Retention == nil && s.Hold == "" }

// Protected is how S3 refuses what a lock forbids.
func Protected() error {
	return fault.New("AccessDenied", 403, "Access Denied because object protected by object lock.")
}

// NotEnabled is how S3 refuses locks in a bucket without Object Lock.
func NotEnabled() error {
	return fault.New("InvalidRequest", 400, "Bucket is missing Object Lock Configuration")
}

// NotSet is the answer where a version has no such lock.
func NotSet() error {
	return fault.New("NoSuchObjectLockConfiguration", 404, "The specified object does not have a ObjectLock configuration")
}

func eventHolds() error {
	return fault.New("NotImplemented", 501, "moln has no event holds")
}

// ReadConfiguration reads a bucket's configuration.
//
// Errors: MalformedXML, InvalidArgument, and NotImplemented for event holds.
func ReadConfiguration(in *api.ObjectLockConfiguration) (*Configuration, error) {
	if in == nil || smithy.Val(in.ObjectLockEnabled) != enabled {
		return nil, s3err.MalformedXML()
	}
	if in.Rule == nil {
		return &Configuration{}, nil
	}
	d := in.Rule.DefaultRetention
	if d == nil || d.Mode == nil || !knownMode(*d.Mode) {
		return nil, s3err.MalformedXML()
	}
	if d.DefaultEventHold != nil {
		return nil, eventHolds()
	}
	if (d.Days == nil) == (d.Years == nil) {
		return nil, s3err.MalformedXML()
	}
	c := &Configuration{Mode: *d.Mode, Days: int(smithy.Val(d.Days)), Years: int(smithy.Val(d.Years))}
	switch {
	case c.Days+c.Years < 1:
		return nil, c.period("Default retention period must be a positive integer value.")
	case c.Days > defaultDaysMax || c.Years > defaultYearsMax:
		return nil, c.period("Default retention period too large.")
	}
	return c, nil
}

// period refuses the period of a default retention.
func (c *Configuration) period(text string) error {
	if c.Years != 0 {
		return s3err.Argument("Years", strconv.Itoa(c.Years), "%s", text)
	}
	return s3err.Argument("Days", strconv.Itoa(c.Days), "%s", text)
}

// API is the form of answers.
func (c *Configuration) API() *api.ObjectLockConfiguration {
	out := &api.ObjectLockConfiguration{ObjectLockEnabled: new(enabled)}
	if c.Mode == "" {
		return out
	}
	d := &api.DefaultRetention{Mode: new(c.Mode)}
	if c.Days > 0 {
		d.Days = new(int32(c.Days))
	} else {
		d.Years = new(int32(c.Years))
	}
	out.Rule = &api.ObjectLockRule{DefaultRetention: d}
	return out
}

// Default is the retention of an object that is created now and names none; nil
// where the bucket has no default.
func (c *Configuration) Default(now time.Time) *Retention {
	if c == nil || c.Mode == "" {
		return nil
	}
	days := c.Days + c.Years*daysPerYear
	return &Retention{Mode: c.Mode, Until: now.UTC().AddDate(0, 0, days)}
}

func knownMode(m string) bool { return m == Governance || m == Compliance }

// ReadHeaders reads what a request that creates an object says about its lock.
//
// Errors: InvalidArgument.
func ReadHeaders(mode *string, until *time.Time, hold *string, now time.Time) (State, error) {
	var s State
	if hold != nil {
		if s.Hold = *hold; s.Hold != On && s.Hold != Off {
			return s, BadHold(s.Hold)
		}
	}
	switch {
	case mode == nil && until == nil:
		return s, nil
	case mode == nil || until == nil:
		missing := headerMode
		if until == nil {
			missing = headerUntil
		}
		return s, s3err.Argument(missing, "", "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied")
	case !knownMode(*mode):
		return s, BadMode(*mode)
	case !until.After(now):
		return s, past(headerUntil, *until)
	}
	s.Retention = &Retention{Mode: *mode, Until: until.UTC()}
	return s, nil
}

const (
	headerMode  = "x-amz-object-lock-mode"
	headerUntil = "x-amz-object-lock-retain-until-date"
)

// BadMode refuses a mode that there is not, in a header.
func BadMode(mode string) error {
	return s3err.Argument(headerMode, mode, "Unknown wormMode directive.")
}

// BadHold refuses a state of a legal hold that there is not, in a header.
func BadHold(state string) error {
	return s3err.Argument("x-amz-object-lock-legal-hold", state, "Legal Hold must be either of 'ON' or 'OFF'")
}

func past(name string, until time.Time) error {
	return s3err.Argument(name, until.UTC().Format(time.RFC3339), "The retain until date must be in the future!")
}

// ReadRetention reads a retention document; nil removes the retention.
//
// Errors: MalformedXML, InvalidArgument, and NotImplemented for event holds.
func ReadRetention(in *api.ObjectLockRetention, now time.Time) (*Retention, error) {
	switch {
	case in == nil:
		return nil, s3err.MalformedXML()
	case in.EventHold != nil || in.EventHoldDuration != nil:
		return nil, eventHolds()
	case in.Mode == nil && in.RetainUntilDate == nil:
		return nil, nil
	case in.Mode == nil || in.RetainUntilDate == nil || !knownMode(*in.Mode):
		return nil, s3err.MalformedXML()
	case !in.RetainUntilDate.After(now):
		return nil, past("RetainUntilDate", *in.RetainUntilDate)
	}
	return &Retention{Mode: *in.Mode, Until: in.RetainUntilDate.UTC()}, nil
}

// ReadHold reads a legal hold document.
//
// Errors: MalformedXML.
func ReadHold(in *api.ObjectLockLegalHold) (string, error) {
	if in == nil || smithy.Val(in.Status) != On && smithy.Val(in.Status) != Off {
		return "", s3err.MalformedXML()
	}
	return *in.Status, nil
}

// Active reports a retention that still holds.
func (r *Retention) Active(now time.Time) bool { return r != nil && now.Before(r.Until) }

// Protects tells whether a version must not be deleted. bypass: the caller may,
// and wants to, bypass governance.
func (s State) Protects(bypass bool, now time.Time) bool {
	if s.Hold == On {
		return true
	}
	return s.Retention.Active(now) && (s.Retention.Mode == Compliance || !bypass)
}

// Governed tells whether bypassing governance would make a difference to the
// deletion of a version.
func (s State) Governed(now time.Time) bool {
	return s.Protects(false, now) && !s.Protects(true, now)
}

// Change decides a new retention in place of an old one; nil is none. A mode is
// never weakened, nor a date moved nearer, but that of governance by bypass.
//
// Errors: AccessDenied.
func Change(old, next *Retention, bypass bool, now time.Time) error {
	if !old.Active(now) {
		return nil
	}
	if next != nil && next.Mode == old.Mode && !next.Until.Before(old.Until) {
		return nil
	}
	if old.Mode == Governance && bypass {
		return nil
	}
	return Protected()
}

// Keys are the condition keys of a lock that a request asks for
// (service-authorization/list_amazons3.html).
func Keys(keys policy.Keys, mode *string, until *time.Time, hold *string, now time.Time) {
	if mode != nil {
		keys["s3:object-lock-mode"] = []string{*mode}
	}
	if until != nil {
		keys["s3:object-lock-retain-until-date"] = []string{until.UTC().Format(time.RFC3339)}
		keys["s3:object-lock-remaining-retention-days"] = []string{strconv.Itoa(RemainingDays(*until, now))}
	}
	if hold != nil {
		keys["s3:object-lock-legal-hold"] = []string{*hold}
	}
}

// RemainingDays are the days until a date, rounded up.
func RemainingDays(until, now time.Time) int {
	const day = 24 * 60 * 60
	left := until.Unix() - now.Unix() // a Duration ends after 292 years
	if until.Nanosecond() > now.Nanosecond() {
		left++
	}
	return int((left + day - 1) / day)
}
