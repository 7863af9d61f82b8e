package replica

import (
	"regexp"
	"strings"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/arn"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/services/s3/class"
	"moln.dev/moln/services/s3/naming"
	"moln.dev/moln/services/s3/s3err"
	"moln.dev/moln/services/s3/store"
)

// Limits of a configuration, in API_PutBucketReplication.html and
// API_ReplicationRule.html.
const (
	rulesMax  = 1000
	ruleIDMax = 255
)

const (
	enabled  = "Enabled"
	disabled = "Disabled"
)

// Check judges a configuration by itself. Ids are given to rules without one.
//
// Errors: MalformedXML, InvalidArgument, InvalidRequest, NotImplemented.
func Check(conf *api.ReplicationConfiguration, newID func() string) error {
	switch {
	case conf == nil || len(conf.Rules) == 0 || conf.Role == nil:
		return s3err.MalformedXML()
	case len(conf.Rules) > rulesMax:
		return s3err.InvalidRequest("The number of replication rules must not exceed the allowed limit of %d rules.", rulesMax)
	}
	if a, err := arn.Parse(*conf.Role); err != nil || a.Service != "iam" || !strings.HasPrefix(a.Resource, "role/") {
		return s3err.Argument("Role", *conf.Role, "Invalid Role ARN")
	}
	ids, priorities := map[string]bool{}, map[int32]bool{}
	second := conf.Rules[0].Filter != nil
	for i := range conf.Rules {
		r := &conf.Rules[i]
		if smithy.Val(r.ID) == "" {
			r.ID = new(newID())
		}
		switch {
		case len(*r.ID) > ruleIDMax:
			return s3err.Argument("ID", *r.ID, "ID length should not exceed allowed limit of %d", ruleIDMax)
		case ids[*r.ID]:
			return s3err.Argument("ID", *r.ID, "Rule Id must be unique. Found same Id for more than one rule")
		case second != (r.Filter != nil):
			return s3err.InvalidRequest("Rules with and without a Filter cannot be specified in the same replication configuration.")
		}
		ids[*r.ID] = true
		if err := checkRule(r); err != nil {
			return err
		}
		if second {
			if priorities[*r.Priority] {
				return s3err.InvalidRequest("Found duplicate priority %d. Priority must be unique for all rules.", *r.Priority)
			}
			priorities[*r.Priority] = true
		}
	}
	if second {
		return nil
	}
	return checkPrefixes(conf.Rules)
}

// checkPrefixes refuses rules of the first version that mean the same object.
func checkPrefixes(rules []api.ReplicationRule) error {
	for i, r := range rules {
		for _, s := range rules[:i] {
			a, b := smithy.Val(s.Prefix), smithy.Val(r.Prefix)
			if strings.HasPrefix(a, b) || strings.HasPrefix(b, a) {
				return s3err.InvalidRequest("Found overlapping prefixes '%s' and '%s' for same destination bucket", a, b)
			}
		}
	}
	return nil
}

func checkRule(r *api.ReplicationRule) error {
	if !status(r.Status, true) || r.Destination == nil {
		return s3err.MalformedXML()
	}
	if err := checkDestination(r); err != nil {
		return err
	}
	if e := r.ExistingObjectReplication; e != nil {
		if !status(e.Status, true) {
			return s3err.MalformedXML()
		}
		if *e.Status == enabled {
			return s3err.NotImplemented("moln does not replicate objects that were there before the rule")
		}
	}
	if r.Filter == nil {
		if r.Priority != nil || r.DeleteMarkerReplication != nil || r.Prefix == nil {
			return s3err.MalformedXML()
		}
		return nil
	}
	const version = " must be specified for this version of Cross Region Replication configuration schema. Please refer to S3 Developer Guide for more information."
	marker := r.DeleteMarkerReplication
	switch {
	case r.Prefix != nil:
		return s3err.MalformedXML()
	case r.Priority == nil:
		return s3err.InvalidRequest("Priority%s", version)
	case *r.Priority < 0:
		return s3err.MalformedXML()
	case marker == nil:
		return s3err.InvalidRequest("DeleteMarkerReplication%s", version)
	case !status(marker.Status, true):
		return s3err.MalformedXML()
	}
	_, tags, err := readFilter(r.Filter)
	if err != nil {
		return err
	}
	if *marker.Status == enabled && len(tags) > 0 {
		return s3err.InvalidRequest("Delete marker replication is not supported if any Tag filter is specified. Please refer to S3 Developer Guide for more information.")
	}
	return nil
}

// status tells whether s is Enabled or Disabled.
func status(s *string, needed bool) bool {
	if s == nil {
		return !needed
	}
	return *s == enabled || *s == disabled
}

// readFilter gives the prefix and the tags of a filter.
func readFilter(f *api.ReplicationRuleFilter) (prefix string, tags []api.Tag, err error) {
	given := 0
	if f.Prefix != nil {
		given, prefix = given+1, *f.Prefix
	}
	if f.Tag != nil {
		given, tags = given+1, []api.Tag{*f.Tag}
	}
	if f.And != nil {
		given, prefix, tags = given+1, smithy.Val(f.And.Prefix), f.And.Tags
	}
	if given > 1 {
		return "", nil, s3err.MalformedXML()
	}
	seen := map[string]bool{}
	for _, t := range tags {
		if t.Key == nil || t.Value == nil || *t.Key == "" {
			return "", nil, s3err.MalformedXML()
		}
		if seen[*t.Key] {
			return "", nil, s3err.InvalidRequest("Duplicate Tag Keys are not allowed.")
		}
		seen[*t.Key] = true
	}
	return prefix, tags, nil
}

var accountForm = regexp.MustCompile(`^[0-9]{12}$`)

func checkDestination(r *api.ReplicationRule) error {
	d := r.Destination
	if _, ok := bucketOf(d); !ok {
		return s3err.Argument("Destination", smithy.Val(d.Bucket), "Invalid bucket ARN")
	}
	if _, err := class.Named(d.StorageClass); err != nil {
		return s3err.MalformedXML()
	}
	if t := d.ReplicationTime; t != nil {
		if !status(t.Status, true) || t.Time == nil {
			return s3err.MalformedXML()
		}
		if *t.Status == enabled {
			return s3err.NotImplemented("moln has no replication time control")
		}
	}
	if m := d.Metrics; m != nil {
		if !status(m.Status, true) {
			return s3err.MalformedXML()
		}
		if m.EventThreshold != nil && *m.Status == enabled {
			return s3err.NotImplemented("moln has no replication time control")
		}
	}
	switch {
	case d.Account != nil && !accountForm.MatchString(*d.Account):
		return s3err.Argument("Account", *d.Account, "Invalid account ID")
	case d.AccessControlTranslation != nil && smithy.Val(d.AccessControlTranslation.Owner) != "Destination":
		return s3err.MalformedXML()
	case d.AccessControlTranslation != nil && d.Account == nil:
		return s3err.InvalidRequest("Account must be specified when AccessControlTranslation is specified.")
	}
	return checkSelection(r)
}

func checkSelection(r *api.ReplicationRule) error {
	kms := false
	if s := r.SourceSelectionCriteria; s != nil {
		if s.SseKmsEncryptedObjects != nil {
			if !status(s.SseKmsEncryptedObjects.Status, true) {
				return s3err.MalformedXML()
			}
			kms = *s.SseKmsEncryptedObjects.Status == enabled
		}
		if s.ReplicaModifications != nil {
			if !status(s.ReplicaModifications.Status, true) {
				return s3err.MalformedXML()
			}
			if r.Filter == nil {
				return s3err.InvalidRequest("ReplicaModifications is not supported for this version of the replication configuration schema.")
			}
		}
	}
	e := r.Destination.EncryptionConfiguration
	switch {
	case kms && (e == nil || smithy.Val(e.ReplicaKmsKeyID) == ""):
		return s3err.InvalidRequest("EncryptionConfiguration must be specified if SseKmsEncryptedObjects is enabled.")
	case !kms && e != nil:
		return s3err.InvalidRequest("SseKmsEncryptedObjects must be specified if EncryptionConfiguration is present.")
	}
	return nil
}

// bucketOf is the name of the bucket that a destination's ARN names.
func bucketOf(d *api.Destination) (string, bool) {
	name, ok := strings.CutPrefix(smithy.Val(d.Bucket), "arn:aws:s3:::")
	return name, ok && naming.ValidBucket(name)
}

// Change is what happened to a version, as rules see it.
type Change int

// Kinds of changes.
const (
	Created  Change = iota // a version or a delete marker was written
	Modified               // its tags, its list or its lock were set
)

// Plan gives the rules that replicate a change, one for each destination: of
// those that match an object, the one of the highest priority. It does no I/O.
func Plan(conf *api.ReplicationConfiguration, o *store.Object, what Change) []*api.ReplicationRule {
	if o.Version == store.NullVersion || o.Replication.Replica && what == Created {
		return nil // written while versioning was off, or by a replication itself
	}
	best := map[string]*api.ReplicationRule{}
	var order []string
	for i := range conf.Rules {
		r := &conf.Rules[i]
		if *r.Status != enabled || !matches(r, o) {
			continue
		}
		name := *r.Destination.Bucket
		if best[name] == nil {
			order = append(order, name)
		} else if smithy.Val(best[name].Priority) > smithy.Val(r.Priority) {
			continue
		}
		best[name] = r
	}
	var out []*api.ReplicationRule
	for _, name := range order {
		if takes(best[name], o, what) {
			out = append(out, best[name])
		}
	}
	return out
}

func matches(r *api.ReplicationRule, o *store.Object) bool {
	if r.Filter == nil {
		return strings.HasPrefix(o.Key, smithy.Val(r.Prefix))
	}
	prefix, tags, err := readFilter(r.Filter)
	return err == nil && strings.HasPrefix(o.Key, prefix) && class.HasTags(o.Tags, tags)
}

// takes tells whether a rule that matches an object replicates a change of it.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-what-is-isnt-replicated.html
func takes(r *api.ReplicationRule, o *store.Object, what Change) bool {
	if o.Marker {
		return what == Created && (r.Filter == nil || *r.DeleteMarkerReplication.Status == enabled)
	}
	s := r.SourceSelectionCriteria
	if o.Replication.Replica {
		return s != nil && s.ReplicaModifications != nil && *s.ReplicaModifications.Status == enabled
	}
	if what == Modified && o.Replication.Targets[targetOf(r)] == "" {
		return false // it was there before the rule
	}
	if info, _ := class.Of(o.Class); info.Archived {
		return false
	}
	if o.SSE == nil {
		return true
	}
	return !o.SSE.Customer() && s != nil && s.SseKmsEncryptedObjects != nil && *s.SseKmsEncryptedObjects.Status == enabled
}

func targetOf(r *api.ReplicationRule) string {
	name, _ := bucketOf(r.Destination)
	return name
}
