package lock

import (
	"testing"
	"time"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/fault"
)

var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func in(d time.Duration) *time.Time { return new(now.Add(d)) }

func text(err error) string {
	if f := fault.As(err); f != nil {
		return f.Error()
	}
	return ""
}

const malformed = "MalformedXML: The XML you provided was not well-formed or did not validate against our published schema"

// TestReadConfiguration is which configurations a bucket can have.
func TestReadConfiguration(t *testing.T) {
	retention := func(d *api.DefaultRetention) *api.ObjectLockConfiguration {
		return &api.ObjectLockConfiguration{ObjectLockEnabled: new("Enabled"), Rule: &api.ObjectLockRule{DefaultRetention: d}}
	}
	cases := []struct {
		name string
		in   *api.ObjectLockConfiguration
		want string
	}{
		{"nothing", nil, malformed},
		{"not enabled", &api.ObjectLockConfiguration{ObjectLockEnabled: new("Disabled")}, malformed},
		{"enabled only", &api.ObjectLockConfiguration{ObjectLockEnabled: new("Enabled")}, ""},
		{"rule without default", retention(nil), malformed},
		{"no mode", retention(&api.DefaultRetention{Days: new(int32(1))}), malformed},
		{"unknown mode", retention(&api.DefaultRetention{Mode: new("governance"), Days: new(int32(1))}), malformed},
		{"no period", retention(&api.DefaultRetention{Mode: new(Governance)}), malformed},
		{"both periods", retention(&api.DefaultRetention{Mode: new(Governance), Days: new(int32(1)), Years: new(int32(1))}), malformed},
		{"zero days", retention(&api.DefaultRetention{Mode: new(Governance), Days: new(int32(0))}), "InvalidArgument: Default retention period must be a positive integer value."},
		{"negative years", retention(&api.DefaultRetention{Mode: new(Compliance), Years: new(int32(-1))}), "InvalidArgument: Default retention period must be a positive integer value."},
		{"too long", retention(&api.DefaultRetention{Mode: new(Compliance), Years: new(int32(101))}), "InvalidArgument: Default retention period too large."},
		{"days", retention(&api.DefaultRetention{Mode: new(Governance), Days: new(int32(36500))}), ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := ReadConfiguration(c.in)
			if text(err) != c.want {
				t.Fatalf("%v, want %q", err, c.want)
			}
			if err == nil && c.in.Rule != nil && *got.API().Rule.DefaultRetention.Days != *c.in.Rule.DefaultRetention.Days {
				t.Errorf("answered as %+v", got.API())
			}
		})
	}
}

// TestReadHeaders is what a request that makes an object may say.
func TestReadHeaders(t *testing.T) {
	cases := []struct {
		name string
		mode *string
		at   *time.Time
		hold *string
		want string
	}{
		{"nothing", nil, nil, nil, ""},
		{"mode only", new(Governance), nil, nil, "InvalidArgument: x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied"},
		{"date only", nil, in(time.Hour), nil, "InvalidArgument: x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied"},
		{"past", new(Governance), in(-time.Hour), nil, "InvalidArgument: The retain until date must be in the future!"},
		{"unknown mode", new("x"), in(time.Hour), nil, "InvalidArgument: Unknown wormMode directive."},
		{"unknown hold", nil, nil, new("on"), "InvalidArgument: Legal Hold must be either of 'ON' or 'OFF'"},
		{"all", new(Compliance), in(time.Hour), new(On), ""},
	}
	for _, c := range cases {
		if _, err := ReadHeaders(c.mode, c.at, c.hold, now); text(err) != c.want {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

// TestChange is which retentions may follow which.
func TestChange(t *testing.T) {
	gov := func(d time.Duration) *Retention { return &Retention{Governance, now.Add(d)} }
	com := func(d time.Duration) *Retention { return &Retention{Compliance, now.Add(d)} }
	cases := []struct {
		name      string
		old, next *Retention
		bypass    bool
		ok        bool
	}{
		{"first", nil, com(time.Hour), false, true},
		{"after the end", com(-time.Hour), gov(time.Hour), false, true},
		{"extend governance", gov(time.Hour), gov(2 * time.Hour), false, true},
		{"extend compliance", com(time.Hour), com(2 * time.Hour), false, true},
		{"same again", com(time.Hour), com(time.Hour), false, true},
		{"shorten governance", gov(2 * time.Hour), gov(time.Hour), false, false},
		{"shorten governance by bypass", gov(2 * time.Hour), gov(time.Hour), true, true},
		{"remove governance", gov(time.Hour), nil, false, false},
		{"remove governance by bypass", gov(time.Hour), nil, true, true},
		{"shorten compliance by bypass", com(2 * time.Hour), com(time.Hour), true, false},
		{"weaken compliance", com(time.Hour), gov(2 * time.Hour), true, false},
		{"remove compliance", com(time.Hour), nil, true, false},
		{"strengthen governance", gov(time.Hour), com(2 * time.Hour), false, false},
		{"strengthen governance by bypass", gov(time.Hour), com(2 * time.Hour), true, true},
	}
	for _, c := range cases {
		err := Change(c.old, c.next, c.bypass, now)
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestProtects is what keeps a version from being deleted.
func TestProtects(t *testing.T) {
	cases := []struct {
		name     string
		s        State
		plain    bool // protected without bypass
		bypassed bool // protected in spite of it
	}{
		{"nothing", State{}, false, false},
		{"hold", State{Hold: On}, true, true},
		{"hold off", State{Hold: Off}, false, false},
		{"governance", State{Retention: &Retention{Governance, now.Add(1)}}, true, false},
		{"compliance", State{Retention: &Retention{Compliance, now.Add(1)}}, true, true},
		{"over", State{Retention: &Retention{Compliance, now}}, false, false},
		{"governance and hold", State{Hold: On, Retention: &Retention{Governance, now.Add(1)}}, true, true},
	}
	for _, c := range cases {
		if got := c.s.Protects(false, now); got != c.plain {
			t.Errorf("%s: %t", c.name, got)
		}
		if got := c.s.Protects(true, now); got != c.bypassed {
			t.Errorf("%s, bypassed: %t", c.name, got)
		}
	}
}
