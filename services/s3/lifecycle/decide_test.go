package lifecycle

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/services/s3/class"
	"moln.dev/moln/services/s3/tagging"
)

var born = time.Date(2026, 1, 10, 10, 30, 0, 0, time.UTC)

func on(day int) time.Time { return time.Date(2026, 1, day, 0, 0, 0, 0, time.UTC) }

// TestDecide is what rules say about objects in time.
func TestDecide(t *testing.T) {
	expire := rule(func(r *api.LifecycleRule) { r.Expiration.Days = days(3) })
	marker := rule(func(r *api.LifecycleRule) {
		r.ID, r.Expiration = new("m"), &api.LifecycleExpiration{ExpiredObjectDeleteMarker: new(true)}
	})
	noncurrent := rule(func(r *api.LifecycleRule) {
		r.ID, r.Expiration = new("n"), nil
		r.NoncurrentVersionExpiration = &api.NoncurrentVersionExpiration{NoncurrentDays: days(1), NewerNoncurrentVersions: days(2)}
	})
	ice := rule(func(r *api.LifecycleRule) {
		r.ID, r.Expiration, r.Transitions = new("i"), nil, []api.Transition{moveTo("INTELLIGENT_TIERING", 0), moveTo("GLACIER", 3)}
	})
	tagged := rule(func(r *api.LifecycleRule) {
		r.Filter = &api.LifecycleRuleFilter{Tag: &api.Tag{Key: new("k"), Value: new("v")}}
	})
	large := rule(func(r *api.LifecycleRule) {
		r.Filter = &api.LifecycleRuleFilter{ObjectSizeGreaterThan: new(int64(10))}
		r.Expiration, r.Transitions = nil, []api.Transition{moveTo("GLACIER", 0)}
	})
	off := rule(func(r *api.LifecycleRule) { r.Status = new("Disabled") })
	big := Object{Key: "a/b", Size: 1 << 20, Modified: born}
	with := func(o Object, change func(*Object)) Object { change(&o); return o }
	cases := []struct {
		name  string
		rules []api.LifecycleRule
		o     Object
		now   time.Time
		want  Action
	}{
		{"before", []api.LifecycleRule{expire}, big, on(14).Add(-1), Action{}},
		{"the midnight after three days", []api.LifecycleRule{expire}, big, on(14), Action{Expire, "r", "", on(14)}},
		{"another prefix", []api.LifecycleRule{expire}, with(big, func(o *Object) { o.Key = "b" }), on(20), Action{}},
		{"switched off", []api.LifecycleRule{off}, big, on(31), Action{}},
		{"tag missing", []api.LifecycleRule{tagged}, big, on(31), Action{}},
		{"tag there", []api.LifecycleRule{tagged}, with(big, func(o *Object) { o.Tags = []tagging.Tag{{Key: "k", Value: "v"}} }), on(31), Action{Expire, "r", "", on(21)}},
		{"the coldest", []api.LifecycleRule{ice}, big, on(20), Action{Transition, "i", "GLACIER", on(14)}},
		{"at the first midnight", []api.LifecycleRule{ice}, big, on(11), Action{Transition, "i", "INTELLIGENT_TIERING", on(11)}},
		{"not back", []api.LifecycleRule{ice}, with(big, func(o *Object) { o.Class = class.DeepArchive }), on(20), Action{}},
		{"small objects stay", []api.LifecycleRule{ice}, with(big, func(o *Object) { o.Size = 100 }), on(20), Action{}},
		{"unless the rule names a size", []api.LifecycleRule{large}, with(big, func(o *Object) { o.Size = 100 }), on(20), Action{Transition, "r", "GLACIER", on(11)}},
		{"deleting wins over moving", []api.LifecycleRule{ice, expire}, big, on(20), Action{Expire, "r", "", on(14)}},
		{"moving wins over hiding", []api.LifecycleRule{expire, ice}, with(big, func(o *Object) { o.Versioned = true }), on(20), Action{Transition, "i", "GLACIER", on(14)}},
		{"the newest noncurrent stay", []api.LifecycleRule{noncurrent}, with(big, func(o *Object) { o.Noncurrent, o.Newer = born, 1 }), on(31), Action{}},
		{"older ones go", []api.LifecycleRule{noncurrent}, with(big, func(o *Object) { o.Noncurrent, o.Newer = born, 2 }), on(12), Action{Delete, "n", "", on(12)}},
		{"current ones are not noncurrent", []api.LifecycleRule{noncurrent}, big, on(31), Action{}},
		{"a marker alone", []api.LifecycleRule{marker}, Object{Key: "a", Marker: true, Alone: true, Modified: born}, born, Action{Delete, "m", "", born}},
		{"a marker above versions", []api.LifecycleRule{marker, expire}, Object{Key: "a", Marker: true, Modified: born}, on(31), Action{}},
		{"a marker alone goes by age too", []api.LifecycleRule{expire}, Object{Key: "a", Marker: true, Alone: true, Modified: born}, on(14), Action{Delete, "r", "", on(14)}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			conf := &Configuration{Rules: c.rules, MinimumSize: AllClasses}
			if d := cmp.Diff(c.want, conf.Decide(c.o, c.now)); d != "" {
				t.Error(d)
			}
		})
	}
	small := &Configuration{Rules: []api.LifecycleRule{ice}, MinimumSize: ByClass}
	if got := small.Decide(with(big, func(o *Object) { o.Size = 1 }), on(20)); got.Class != "GLACIER" {
		t.Errorf("small objects by class: %+v", got)
	}
}

// TestExpiration is the header that tells when an object expires.
func TestExpiration(t *testing.T) {
	later := rule(func(r *api.LifecycleRule) { r.ID = new("later") })
	sooner := rule(func(r *api.LifecycleRule) { r.ID, r.Expiration.Days = new("soon er"), days(3) })
	conf := &Configuration{Rules: []api.LifecycleRule{later, sooner}}
	got := conf.Expiration(Object{Key: "a", Modified: born, Versioned: true})
	if got == nil || *got != `expiry-date="Wed, 14 Jan 2026 00:00:00 GMT", rule-id="soon%20er"` {
		t.Errorf("got %v", got)
	}
	if got := conf.Expiration(Object{Key: "b", Modified: born}); got != nil {
		t.Errorf("another prefix: %s", *got)
	}
}

// TestAbort is when an upload is given up.
func TestAbort(t *testing.T) {
	conf := &Configuration{Rules: []api.LifecycleRule{rule(func(r *api.LifecycleRule) {
		r.AbortIncompleteMultipartUpload = &api.AbortIncompleteMultipartUpload{DaysAfterInitiation: days(7)}
	})}}
	if at, id, ok := conf.Abort("a", born); !ok || id != "r" || !at.Equal(on(18)) {
		t.Errorf("%v %s %t", at, id, ok)
	}
	if _, _, ok := conf.Abort("b", born); ok {
		t.Error("another prefix")
	}
}
