// Package lifecycle has the language of S3's lifecycle rules: which
// configurations there can be, and what they say about one object or upload at
// a time. It is pure: it walks no bucket and deletes nothing.
package lifecycle

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/services/s3/class"
	"moln.dev/moln/services/s3/s3err"
	"moln.dev/moln/services/s3/tagging"
)

// Limits of a configuration (userguide/intro-lifecycle-rules.html).
const (
	rulesMax      = 1000
	idMax         = 255
	sizeMax       = 1_099_511_627_776_000
	prefixMax     = 1024
	infrequentMin = 30 // days before a transition to the IA classes
)

// What x-amz-transition-default-minimum-object-size may say.
const (
	// AllClasses keeps objects below 128 KB from every transition.
	AllClasses = "all_storage_classes_128K"
	// ByClass lets them go to the archives.
	ByClass = "varies_by_storage_class"
)

// Configuration is the lifecycle of a bucket, as it is kept.
type Configuration struct {
	Rules []api.LifecycleRule
	// MinimumSize is AllClasses or ByClass.
	MinimumSize string
}

// Check checks a configuration and gives rules without an id one by newID.
//
// Errors: MalformedXML, InvalidRequest and InvalidArgument, with S3's texts.
func Check(in *api.BucketLifecycleConfiguration, minimumSize *string, newID func() string) (*Configuration, error) {
	out := &Configuration{MinimumSize: AllClasses}
	if minimumSize != nil {
		if out.MinimumSize = *minimumSize; out.MinimumSize != AllClasses && out.MinimumSize != ByClass {
			return nil, invalidRequest("Invalid TransitionDefaultMinimumObjectSize found")
		}
	}
	if in == nil || len(in.Rules) == 0 {
		return nil, s3err.MalformedXML()
	}
	if len(in.Rules) > rulesMax {
		return nil, invalidRequest("The number of lifecycle rules must not exceed the allowed limit of %d rules.", rulesMax)
	}
	if err := checkIDs(in.Rules); err != nil {
		return nil, err
	}
	modern := in.Rules[0].Filter != nil
	for i := range in.Rules {
		r := in.Rules[i]
		if err := checkRule(&r, modern); err != nil {
			return nil, err
		}
		if smithy.Val(r.ID) == "" {
			r.ID = new(newID())
		}
		out.Rules = append(out.Rules, r)
	}
	if modern {
		return out, nil
	}
	return out, checkOverlaps(out.Rules)
}

func checkIDs(rules []api.LifecycleRule) error {
	seen := map[string]bool{}
	for i := range rules {
		id := smithy.Val(rules[i].ID)
		switch {
		case id == "":
			continue
		case utf8.RuneCountInString(id) > idMax:
			return invalidArgument("ID length should not exceed allowed limit of 255")
		case seen[id]:
			return invalidArgument("Rule ID must be unique. Found same ID for more than one rule")
		}
		seen[id] = true
	}
	return nil
}

// checkRule checks one rule of a configuration. modern: its first rule has a
// filter, so all must.
func checkRule(r *api.LifecycleRule, modern bool) error {
	if s := smithy.Val(r.Status); s != "Enabled" && s != "Disabled" {
		return s3err.MalformedXML()
	}
	switch {
	case r.Prefix == nil && r.Filter == nil:
		return s3err.MalformedXML()
	case modern && r.Prefix != nil:
		return invalidRequest("Base level prefix cannot be used in Lifecycle V2, prefixes are only supported in the Filter.")
	case !modern && r.Filter != nil:
		return invalidRequest("Filter element can only be used in Lifecycle V2.")
	}
	if err := checkFilter(r); err != nil {
		return err
	}
	if r.Expiration == nil && len(r.Transitions) == 0 && len(r.NoncurrentVersionTransitions) == 0 &&
		r.NoncurrentVersionExpiration == nil && r.AbortIncompleteMultipartUpload == nil {
		return invalidRequest("At least one action needs to be specified in a rule")
	}
	for _, check := range []func(*api.LifecycleRule, bool) error{checkExpiration, checkNoncurrent, checkAbort, checkTransitions, checkNoncurrentTransitions} {
		if err := check(r, modern); err != nil {
			return err
		}
	}
	return nil
}

// scope is what a rule applies to.
type scope struct {
	prefix        string
	tags          []api.Tag
	larger, small *int64 // exclusive
}

func scopeOf(r *api.LifecycleRule) scope {
	f := r.Filter
	if f == nil {
		return scope{prefix: smithy.Val(r.Prefix)}
	}
	if a := f.And; a != nil {
		return scope{smithy.Val(a.Prefix), a.Tags, a.ObjectSizeGreaterThan, a.ObjectSizeLessThan}
	}
	s := scope{prefix: smithy.Val(f.Prefix), larger: f.ObjectSizeGreaterThan, small: f.ObjectSizeLessThan}
	if f.Tag != nil {
		s.tags = []api.Tag{*f.Tag}
	}
	return s
}

// text is a scope as S3's messages tell it.
func (s scope) text() string {
	var parts []string
	if s.prefix != "" || len(s.tags) == 0 && s.larger == nil && s.small == nil {
		parts = append(parts, "prefix="+s.prefix)
	}
	for _, t := range s.tags {
		parts = append(parts, "tag={key="+smithy.Val(t.Key)+", value="+smithy.Val(t.Value)+"}")
	}
	if s.larger != nil {
		parts = append(parts, "objectsizegreaterthan="+strconv.FormatInt(*s.larger, 10))
	}
	if s.small != nil {
		parts = append(parts, "objectsizelessthan="+strconv.FormatInt(*s.small, 10))
	}
	return "(" + strings.Join(parts, " and ") + ")"
}

func checkFilter(r *api.LifecycleRule) error {
	if f := r.Filter; f != nil {
		if count(f.Prefix != nil, f.Tag != nil, f.ObjectSizeGreaterThan != nil, f.ObjectSizeLessThan != nil, f.And != nil) > 1 {
			return s3err.MalformedXML()
		}
		if a := f.And; a != nil && len(a.Tags)+count(a.Prefix != nil, a.ObjectSizeGreaterThan != nil, a.ObjectSizeLessThan != nil) < 2 {
			return s3err.MalformedXML()
		}
	}
	s := scopeOf(r)
	switch {
	case len(s.prefix) > prefixMax:
		return invalidRequest("The maximum size of a prefix is %d", prefixMax)
	case s.larger != nil && (*s.larger < 0 || *s.larger > sizeMax):
		return invalidRequest("'ObjectSizeGreaterThan' should be between 0 and %d.", int64(sizeMax))
	case s.small != nil && (*s.small < 1 || *s.small > sizeMax):
		return invalidRequest("'ObjectSizeLessThan' should be between 1 and %d.", int64(sizeMax))
	case s.larger != nil && s.small != nil && *s.larger >= *s.small:
		return invalidRequest("'ObjectSizeLessThan' has to be a value greater than 'ObjectSizeGreaterThan'.")
	}
	return checkTags(s.tags)
}

// checkTags words the faults of tags as lifecycle rules do.
func checkTags(tags []api.Tag) error {
	_, err := tagging.Of(tags, tagging.ObjectMax)
	f := fault.As(err)
	switch {
	case f == nil:
		return err
	case strings.HasPrefix(f.Message, "Cannot provide multiple"):
		return invalidRequest("Duplicate Tag Keys are not allowed.")
	case strings.HasPrefix(f.Message, "The TagKey"):
		return invalidRequest("A Tag's Key must be a length between 1 and 128.")
	case strings.HasPrefix(f.Message, "The TagValue"):
		return invalidRequest("A Tag's Value must be a length between 0 and 256.")
	}
	return invalidRequest("%s", f.Message)
}

// unfiltered refuses actions that know neither tags nor sizes.
func unfiltered(r *api.LifecycleRule, action string) error {
	s := scopeOf(r)
	switch {
	case len(s.tags) > 0:
		return invalidRequest("%s cannot be specified with Tags.", action)
	case s.larger != nil || s.small != nil:
		return invalidRequest("%s cannot be specified with Object Size.", action)
	}
	return nil
}

func checkExpiration(r *api.LifecycleRule, _ bool) error {
	e := r.Expiration
	switch {
	case e == nil:
		return nil
	case count(e.Days != nil, e.Date != nil, e.ExpiredObjectDeleteMarker != nil) != 1:
		return s3err.MalformedXML()
	case e.Days != nil && *e.Days < 1:
		return invalidArgument("'Days' for Expiration action must be a positive integer")
	case e.Date != nil:
		return checkMidnight(*e.Date)
	case e.ExpiredObjectDeleteMarker != nil:
		return unfiltered(r, "ExpiredObjectDeleteMarker")
	}
	return nil
}

func checkMidnight(t time.Time) error {
	if !t.UTC().Truncate(24 * time.Hour).Equal(t) {
		return invalidArgument("'Date' must be at midnight GMT")
	}
	return nil
}

func checkNoncurrent(r *api.LifecycleRule, modern bool) error {
	e := r.NoncurrentVersionExpiration
	switch {
	case e == nil:
		return nil
	case e.NoncurrentDays == nil:
		return s3err.MalformedXML()
	case *e.NoncurrentDays < 1:
		return invalidArgument("'NoncurrentDays' for NoncurrentVersionExpiration action must be a positive integer")
	}
	return checkNewer(e.NewerNoncurrentVersions, "NoncurrentVersionExpiration", modern)
}

func checkNewer(n *int32, action string, modern bool) error {
	switch {
	case n == nil:
		return nil
	case !modern:
		return invalidRequest("NewerNoncurrentVersions element can only be used in Lifecycle V2.")
	case *n < 1:
		return invalidArgument("'NewerNoncurrentVersions' for %s action must be a positive integer", action)
	}
	return nil
}

func checkAbort(r *api.LifecycleRule, _ bool) error {
	a := r.AbortIncompleteMultipartUpload
	switch {
	case a == nil:
		return nil
	case a.DaysAfterInitiation == nil:
		return s3err.MalformedXML()
	case *a.DaysAfterInitiation < 1:
		return invalidArgument("'DaysAfterInitiation' for AbortIncompleteMultipartUpload action must be a positive integer")
	}
	return unfiltered(r, "AbortIncompleteMultipartUpload")
}

// checkOverlaps refuses rules of the old form whose prefixes overlap and whose
// actions are of one kind.
func checkOverlaps(rules []api.LifecycleRule) error {
	kinds := []struct {
		name string
		has  func(*api.LifecycleRule) bool
	}{
		{"Expiration", func(r *api.LifecycleRule) bool { return r.Expiration != nil }},
		{"Transition", func(r *api.LifecycleRule) bool { return len(r.Transitions) > 0 }},
		{"NoncurrentVersionTransition", func(r *api.LifecycleRule) bool { return len(r.NoncurrentVersionTransitions) > 0 }},
		{"NoncurrentVersionExpiration", func(r *api.LifecycleRule) bool { return r.NoncurrentVersionExpiration != nil }},
		{"AbortIncompleteMultipartUpload", func(r *api.LifecycleRule) bool { return r.AbortIncompleteMultipartUpload != nil }},
	}
	for _, k := range kinds {
		var prefixes []string
		for i := range rules {
			if k.has(&rules[i]) {
				prefixes = append(prefixes, smithy.Val(rules[i].Prefix))
			}
		}
		slices.Sort(prefixes) // what begins with another comes right after it
		for i := 1; i < len(prefixes); i++ {
			if strings.HasPrefix(prefixes[i], prefixes[i-1]) {
				return invalidRequest("Found overlapping prefixes '%s' and '%s' for same action type '%s'", prefixes[i-1], prefixes[i], k.name)
			}
		}
	}
	return nil
}

func count(set ...bool) int {
	n := 0
	for _, s := range set {
		if s {
			n++
		}
	}
	return n
}

// target checks the class that a transition names.
func target(name *string) (string, error) {
	switch c := smithy.Val(name); c {
	case class.Standard, class.ReducedRedundancy:
		return "", invalidArgument("Invalid target Storage class for Transition action")
	default:
		if _, ok := class.Of(c); !ok || c == "" {
			return "", s3err.MalformedXML()
		}
		return c, nil
	}
}

func invalidRequest(format string, args ...any) error {
	return fault.New("InvalidRequest", 400, format, args...)
}

func invalidArgument(format string, args ...any) error {
	return fault.New("InvalidArgument", 400, format, args...)
}

// Told are the rules as S3 tells them: an And has its prefix and its least size,
// which are nothing where the rule names none.
func (c *Configuration) Told() []api.LifecycleRule {
	out := slices.Clone(c.Rules)
	for i := range out {
		if out[i].Filter == nil || out[i].Filter.And == nil {
			continue
		}
		filter, and := *out[i].Filter, *out[i].Filter.And
		and.Prefix, and.ObjectSizeGreaterThan = new(smithy.Val(and.Prefix)), new(smithy.Val(and.ObjectSizeGreaterThan))
		filter.And = &and
		out[i].Filter = &filter
	}
	return out
}
