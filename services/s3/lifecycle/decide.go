package lifecycle

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/services/s3/class"
	"moln.dev/moln/services/s3/tagging"
)

// Object is what rules look at of one version, or of a delete marker.
type Object struct {
	Key      string
	Tags     []tagging.Tag
	Size     int64
	Class    string // empty: STANDARD
	Tier     string // of INTELLIGENT_TIERING
	Modified time.Time
	Marker   bool
	// Noncurrent is when a newer version came; zero for the current one.
	Noncurrent time.Time
	// Newer are the noncurrent versions that are newer than this one.
	Newer int
	// Alone: there is no other version of the key.
	Alone bool
	// Versioned: the bucket keeps versions, so that expiring the current one
	// makes a delete marker.
	Versioned bool
}

// Verb is what is to be done with an object.
type Verb uint8

// The verbs. Expire deletes the object of a bucket without versions, and hides
// it by a delete marker in others. Delete deletes one version, or a delete
// marker, for good.
const (
	Keep Verb = iota
	Expire
	Delete
	Transition
)

// Action is a decision.
type Action struct {
	Verb  Verb
	Rule  string // the id of the rule that says so
	Class string // of a Transition
	Due   time.Time
}

// Decide says what is due for one object: deleting for good before moving,
// moving before hiding (userguide/lifecycle-conflicts.html). An object that was
// moved may have to be hidden next, so Decide is asked again after a move.
func (c *Configuration) Decide(o Object, now time.Time) Action {
	var del, mov, hide Action
	for i := range c.Rules {
		r := &c.Rules[i]
		if smithy.Val(r.Status) != "Enabled" || !applies(r, o) {
			continue
		}
		id := smithy.Val(r.ID)
		if verb, at := removal(r, o); verb != Keep && !now.Before(at) {
			best := &del
			if verb == Expire && o.Versioned {
				best = &hide
			}
			if best.Verb == Keep || at.Before(best.Due) {
				*best = Action{Verb: verb, Rule: id, Due: at}
			}
		}
		for _, m := range moves(r, o) {
			if now.Before(m.at) || !c.mayMove(r, o, m.class) {
				continue
			}
			if mov.Verb == Keep || class.Preferred(m.class, mov.Class) {
				mov = Action{Verb: Transition, Rule: id, Class: m.class, Due: m.at}
			}
		}
	}
	switch {
	case del.Verb != Keep:
		return del
	case mov.Verb != Keep:
		return mov
	}
	return hide
}

// applies tells whether an object is in a rule's scope.
func applies(r *api.LifecycleRule, o Object) bool {
	s := scopeOf(r)
	return strings.HasPrefix(o.Key, s.prefix) && class.HasTags(o.Tags, s.tags) &&
		(s.larger == nil || o.Size > *s.larger) && (s.small == nil || o.Size < *s.small)
}

// removal is how and when a rule removes an object.
func removal(r *api.LifecycleRule, o Object) (Verb, time.Time) {
	if !o.Noncurrent.IsZero() {
		e := r.NoncurrentVersionExpiration
		if e == nil || o.Newer < int(smithy.Val(e.NewerNoncurrentVersions)) {
			return Keep, time.Time{}
		}
		return Delete, class.Midnight(o.Noncurrent, int(smithy.Val(e.NoncurrentDays)))
	}
	e := r.Expiration
	switch {
	case e == nil, o.Marker && !o.Alone:
		return Keep, time.Time{}
	case e.ExpiredObjectDeleteMarker != nil:
		if o.Marker && *e.ExpiredObjectDeleteMarker {
			return Delete, o.Modified
		}
		return Keep, time.Time{}
	case o.Marker: // an expired one goes with the age that the rule gives
		return Delete, due(e.Days, e.Date, o.Modified)
	}
	return Expire, due(e.Days, e.Date, o.Modified)
}

func due(days *int32, date *time.Time, from time.Time) time.Time {
	if date != nil {
		return date.UTC()
	}
	return class.Midnight(from, int(smithy.Val(days)))
}

type dueMove struct {
	class string
	at    time.Time
}

// moves are a rule's transitions of an object, and when they are due.
func moves(r *api.LifecycleRule, o Object) []dueMove {
	if o.Marker {
		return nil
	}
	var out []dueMove
	if o.Noncurrent.IsZero() {
		for _, t := range r.Transitions {
			out = append(out, dueMove{smithy.Val(t.StorageClass), due(t.Days, t.Date, o.Modified)})
		}
		return out
	}
	for _, t := range r.NoncurrentVersionTransitions {
		if o.Newer >= int(smithy.Val(t.NewerNoncurrentVersions)) {
			out = append(out, dueMove{smithy.Val(t.StorageClass), class.Midnight(o.Noncurrent, int(smithy.Val(t.NoncurrentDays)))})
		}
	}
	return out
}

// smallBytes is the size below which objects are not moved by default.
const smallBytes = 128 << 10

// mayMove tells whether an object of its class and size is moved to another
// class. A rule with a size of its own outweighs the default least size.
func (c *Configuration) mayMove(r *api.LifecycleRule, o Object, to string) bool {
	if !class.MayMove(class.Full(o.Class), to) {
		return false
	}
	if info, _ := class.Of(to); class.ArchiveTier(o.Tier) && (!info.Archived || o.Tier == class.TierDeepArchive && to != class.DeepArchive) {
		return false
	}
	if s := scopeOf(r); o.Size >= smallBytes || s.larger != nil || s.small != nil {
		return true
	}
	return c.MinimumSize == ByClass && (to == class.Glacier || to == class.DeepArchive)
}

// Expiration is x-amz-expiration of a current version: when it expires, and by
// which rule. Nil: it does not.
func (c *Configuration) Expiration(o Object) *string {
	if c == nil || o.Marker || !o.Noncurrent.IsZero() {
		return nil
	}
	var at time.Time
	var rule string
	for i := range c.Rules {
		r := &c.Rules[i]
		if smithy.Val(r.Status) != "Enabled" || !applies(r, o) {
			continue
		}
		if verb, t := removal(r, o); verb == Expire && (at.IsZero() || t.Before(at)) {
			at, rule = t, smithy.Val(r.ID)
		}
	}
	if at.IsZero() {
		return nil
	}
	return new(fmt.Sprintf(`expiry-date="%s", rule-id="%s"`, at.Format(http.TimeFormat), url.PathEscape(rule)))
}

// Abort is when an upload is given up, and by which rule; ok is false if never.
func (c *Configuration) Abort(key string, initiated time.Time) (at time.Time, rule string, ok bool) {
	if c == nil {
		return
	}
	for i := range c.Rules {
		r := &c.Rules[i]
		a := r.AbortIncompleteMultipartUpload
		if a == nil || smithy.Val(r.Status) != "Enabled" || !strings.HasPrefix(key, scopeOf(r).prefix) {
			continue
		}
		if t := class.Midnight(initiated, int(smithy.Val(a.DaysAfterInitiation))); !ok || t.Before(at) {
			at, rule, ok = t, smithy.Val(r.ID), true
		}
	}
	return at, rule, ok
}
