package lifecycle

import (
	"strings"
	"testing"
	"time"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/fault"
)

func days(n int32) *int32 { return &n }

func rule(change func(*api.LifecycleRule)) api.LifecycleRule {
	r := api.LifecycleRule{ID: new("r"), Status: new("Enabled"), Filter: &api.LifecycleRuleFilter{Prefix: new("a")}, Expiration: &api.LifecycleExpiration{Days: days(10)}}
	change(&r)
	return r
}

func moveTo(class string, after int32) api.Transition {
	return api.Transition{StorageClass: &class, Days: days(after)}
}

const malformed = "MalformedXML: The XML you provided was not well-formed or did not validate against our published schema"

// TestCheck is what S3 says about rules that cannot be.
func TestCheck(t *testing.T) {
	noon := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	dawn := noon.Truncate(24 * time.Hour)
	cases := []struct {
		name   string
		change func(*api.LifecycleRule)
		want   string
	}{
		{"fine", func(*api.LifecycleRule) {}, ""},
		{"status", func(r *api.LifecycleRule) { r.Status = new("on") }, malformed},
		{"long id", func(r *api.LifecycleRule) { r.ID = new(strings.Repeat("x", 256)) }, "InvalidArgument: ID length should not exceed allowed limit of 255"},
		{"prefix beside filter", func(r *api.LifecycleRule) { r.Prefix = new("") }, "InvalidRequest: Base level prefix cannot be used in Lifecycle V2, prefixes are only supported in the Filter."},
		{"neither prefix nor filter", func(r *api.LifecycleRule) { r.Filter = nil }, malformed},
		{"two filters", func(r *api.LifecycleRule) { r.Filter.ObjectSizeLessThan = new(int64(3)) }, malformed},
		{"and of one", func(r *api.LifecycleRule) {
			r.Filter = &api.LifecycleRuleFilter{And: &api.LifecycleRuleAndOperator{Prefix: new("a")}}
		}, malformed},
		{"tags twice", func(r *api.LifecycleRule) {
			r.Filter = &api.LifecycleRuleFilter{And: &api.LifecycleRuleAndOperator{Tags: []api.Tag{{Key: new("k"), Value: new("1")}, {Key: new("k"), Value: new("2")}}}}
		}, "InvalidRequest: Duplicate Tag Keys are not allowed."},
		{"sizes", func(r *api.LifecycleRule) {
			r.Filter = &api.LifecycleRuleFilter{And: &api.LifecycleRuleAndOperator{ObjectSizeGreaterThan: new(int64(5)), ObjectSizeLessThan: new(int64(5))}}
		}, "InvalidRequest: 'ObjectSizeLessThan' has to be a value greater than 'ObjectSizeGreaterThan'."},
		{"no action", func(r *api.LifecycleRule) { r.Expiration = nil }, "InvalidRequest: At least one action needs to be specified in a rule"},
		{"zero days", func(r *api.LifecycleRule) { r.Expiration.Days = days(0) }, "InvalidArgument: 'Days' for Expiration action must be a positive integer"},
		{"days and date", func(r *api.LifecycleRule) { r.Expiration.Date = &dawn }, malformed},
		{"noon", func(r *api.LifecycleRule) { r.Expiration = &api.LifecycleExpiration{Date: &noon} }, "InvalidArgument: 'Date' must be at midnight GMT"},
		{"midnight", func(r *api.LifecycleRule) { r.Expiration = &api.LifecycleExpiration{Date: &dawn} }, ""},
		{"marker with tag", func(r *api.LifecycleRule) {
			r.Filter = &api.LifecycleRuleFilter{Tag: &api.Tag{Key: new("k"), Value: new("v")}}
			r.Expiration = &api.LifecycleExpiration{ExpiredObjectDeleteMarker: new(true)}
		}, "InvalidRequest: ExpiredObjectDeleteMarker cannot be specified with Tags."},
		{"abort with size", func(r *api.LifecycleRule) {
			r.Filter = &api.LifecycleRuleFilter{ObjectSizeLessThan: new(int64(9))}
			r.AbortIncompleteMultipartUpload = &api.AbortIncompleteMultipartUpload{DaysAfterInitiation: days(1)}
		}, "InvalidRequest: AbortIncompleteMultipartUpload cannot be specified with Object Size."},
		{"abort at once", func(r *api.LifecycleRule) {
			r.AbortIncompleteMultipartUpload = &api.AbortIncompleteMultipartUpload{DaysAfterInitiation: days(0)}
		}, "InvalidArgument: 'DaysAfterInitiation' for AbortIncompleteMultipartUpload action must be a positive integer"},
		{"noncurrent without days", func(r *api.LifecycleRule) {
			r.NoncurrentVersionExpiration = &api.NoncurrentVersionExpiration{NewerNoncurrentVersions: days(1)}
		}, malformed},
		{"soon infrequent", func(r *api.LifecycleRule) { r.Transitions = []api.Transition{moveTo("STANDARD_IA", 9)} },
			"InvalidArgument: 'Days' in Transition action must be greater than or equal to 30 for storageClass 'STANDARD_IA'"},
		{"to standard", func(r *api.LifecycleRule) { r.Transitions = []api.Transition{moveTo("STANDARD", 9)} }, "InvalidArgument: Invalid target Storage class for Transition action"},
		{"to nowhere", func(r *api.LifecycleRule) { r.Transitions = []api.Transition{moveTo("COLD", 9)} }, malformed},
		{"after the end", func(r *api.LifecycleRule) { r.Transitions = []api.Transition{moveTo("GLACIER", 10)} },
			"InvalidArgument: 'Days' in the Expiration action for filter '(prefix=a)' must be greater than 'Days' in the Transition action"},
		{"mixed", func(r *api.LifecycleRule) {
			r.Transitions = []api.Transition{{Date: &dawn, StorageClass: new("GLACIER")}}
		}, "InvalidRequest: Found mixed 'Date' and 'Days' based Expiration and Transition actions in lifecycle rule for filter '(prefix=a)'"},
		{"same class twice", func(r *api.LifecycleRule) {
			r.Transitions = []api.Transition{moveTo("GLACIER", 1), moveTo("GLACIER", 2)}
		}, "InvalidRequest: 'StorageClass' must be different for 'Transition' actions in same 'Rule' with filter '(prefix=a)'"},
		{"too soon after", func(r *api.LifecycleRule) {
			r.Expiration = nil
			r.Transitions = []api.Transition{moveTo("STANDARD_IA", 30), moveTo("GLACIER", 59)}
		}, "InvalidArgument: 'Days' in the 'Transition' action for StorageClass 'GLACIER' for filter '(prefix=a)' must be 30 days more than 'filter '(prefix=a)'' in the 'Transition' action for StorageClass 'STANDARD_IA'"},
		{"waterfall", func(r *api.LifecycleRule) {
			r.Expiration = nil
			r.Transitions = []api.Transition{moveTo("GLACIER", 60), moveTo("STANDARD_IA", 30), moveTo("DEEP_ARCHIVE", 150)}
		}, ""},
		{"noncurrent order", func(r *api.LifecycleRule) {
			r.NoncurrentVersionTransitions = []api.NoncurrentVersionTransition{{NoncurrentDays: days(5), StorageClass: new("GLACIER")}}
			r.NoncurrentVersionExpiration = &api.NoncurrentVersionExpiration{NoncurrentDays: days(5)}
		}, "InvalidArgument: 'NoncurrentDays' in the NoncurrentVersionExpiration action for filter '(prefix=a)' must be greater than 'NoncurrentDays' in the NoncurrentVersionTransition action"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := Check(&api.BucketLifecycleConfiguration{Rules: []api.LifecycleRule{rule(c.change)}}, nil, func() string { return "made" })
			got := ""
			if f := fault.As(err); f != nil {
				got = f.Error()
			}
			if got != c.want {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

// TestCheckOld is what holds for rules of the old form, with a prefix only.
func TestCheckOld(t *testing.T) {
	old := func(id, prefix string) api.LifecycleRule {
		return api.LifecycleRule{ID: &id, Status: new("Enabled"), Prefix: &prefix, Expiration: &api.LifecycleExpiration{Days: days(1)}}
	}
	for want, rules := range map[string][]api.LifecycleRule{
		"": {old("1", "a"), old("", "b")},
		"InvalidRequest: Found overlapping prefixes 'a' and 'ab' for same action type 'Expiration'": {old("1", "ab"), old("2", "a")},
		"InvalidArgument: Rule ID must be unique. Found same ID for more than one rule":             {old("1", "a"), old("1", "b")},
		"InvalidRequest: Filter element can only be used in Lifecycle V2.":                          {old("1", "b"), rule(func(*api.LifecycleRule) {})},
		malformed: nil,
	} {
		conf, err := Check(&api.BucketLifecycleConfiguration{Rules: rules}, nil, func() string { return "made" })
		got := ""
		if f := fault.As(err); f != nil {
			got = f.Error()
		}
		if got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
		if err == nil && (*conf.Rules[1].ID != "made" || conf.MinimumSize != AllClasses) {
			t.Errorf("kept %+v", conf)
		}
	}
	if _, err := Check(&api.BucketLifecycleConfiguration{Rules: []api.LifecycleRule{old("1", "a")}}, new("small"), nil); !fault.Is(err, "InvalidRequest") {
		t.Errorf("minimum size: %v", err)
	}
}

func TestTold(t *testing.T) {
	tags := []api.Tag{{Key: new("a"), Value: new("1")}, {Key: new("b"), Value: new("2")}}
	c := &Configuration{Rules: []api.LifecycleRule{{Filter: &api.LifecycleRuleFilter{And: &api.LifecycleRuleAndOperator{Tags: tags}}}, {Filter: &api.LifecycleRuleFilter{}}}}
	and := c.Told()[0].Filter.And
	if and.Prefix == nil || *and.Prefix != "" || and.ObjectSizeGreaterThan == nil || *and.ObjectSizeGreaterThan != 0 || len(and.Tags) != 2 {
		t.Errorf("told %+v", and)
	}
	if c.Rules[0].Filter.And.ObjectSizeGreaterThan != nil {
		t.Error("the rule itself was changed: objects of no bytes would not be in it")
	}
}
