package template

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/services/s3/lifecycle"
)

// TestLifecycleRule is what a template's rule becomes: always a rule that the
// API takes.
func TestLifecycleRule(t *testing.T) {
	days := new(int32(30))
	cases := []struct {
		name string
		rule cfnRule
		want api.LifecycleRule
	}{
		{"everything", cfnRule{Status: new("Enabled"), ExpirationInDays: days},
			api.LifecycleRule{Status: new("Enabled"), Filter: &api.LifecycleRuleFilter{Prefix: new("")}, Expiration: &api.LifecycleExpiration{Days: days}}},
		{"prefix and tag", cfnRule{Status: new("Enabled"), Prefix: new("a"), TagFilters: []api.Tag{{Key: new("k"), Value: new("v")}}, Transition: &cfnTransition{StorageClass: new("GLACIER"), TransitionInDays: days}},
			api.LifecycleRule{
				Status:      new("Enabled"),
				Filter:      &api.LifecycleRuleFilter{And: &api.LifecycleRuleAndOperator{Prefix: new("a"), Tags: []api.Tag{{Key: new("k"), Value: new("v")}}}},
				Transitions: []api.Transition{{StorageClass: new("GLACIER"), Days: days}},
			}},
		{"older versions", cfnRule{Status: new("Enabled"), ObjectSizeLessThan: new(int64(5)), NoncurrentVersionExpirationInDays: days},
			api.LifecycleRule{
				Status: new("Enabled"), Filter: &api.LifecycleRuleFilter{ObjectSizeLessThan: new(int64(5))},
				NoncurrentVersionExpiration: &api.NoncurrentVersionExpiration{NoncurrentDays: days},
			}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := c.rule.api()
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
			conf := &api.BucketLifecycleConfiguration{Rules: []api.LifecycleRule{got}}
			if _, err := lifecycle.Check(conf, nil, func() string { return "x" }); err != nil {
				t.Errorf("refused: %v", err)
			}
		})
	}
}
