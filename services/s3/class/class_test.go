package class

import (
	"testing"
	"time"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/fault"
)

var now = time.Date(2026, 1, 10, 10, 30, 0, 0, time.UTC)

// TestMayMove is the waterfall that AWS documents.
func TestMayMove(t *testing.T) {
	may := map[string][]string{
		Standard:           {StandardIA, IntelligentTiering, OneZoneIA, GlacierInstant, Glacier, DeepArchive},
		ReducedRedundancy:  {StandardIA, IntelligentTiering, OneZoneIA, GlacierInstant, Glacier, DeepArchive},
		StandardIA:         {IntelligentTiering, OneZoneIA, GlacierInstant, Glacier, DeepArchive},
		IntelligentTiering: {OneZoneIA, GlacierInstant, Glacier, DeepArchive},
		OneZoneIA:          {Glacier, DeepArchive},
		GlacierInstant:     {Glacier, DeepArchive},
		Glacier:            {DeepArchive},
		DeepArchive:        {},
	}
	for from, allowed := range may {
		for to := range may {
			want := false
			for _, a := range allowed {
				want = want || a == to
			}
			if got := MayMove(from, to); got != want {
				t.Errorf("%s to %s: %t", from, to, got)
			}
		}
	}
}

// TestBegin is a restore's life by the clock.
func TestBegin(t *testing.T) {
	r, status, err := Begin(nil, Wanted{Days: 3, Tier: usual}, false, now)
	if err != nil || status != 202 {
		t.Fatalf("%d %v", status, err)
	}
	if h := r.Header(now); h == nil || *h != `ongoing-request="true"` {
		t.Errorf("header %v", h)
	}
	if _, _, err := Begin(&r, Wanted{Days: 3, Tier: Bulk}, false, now); !fault.Is(err, "RestoreAlreadyInProgress") {
		t.Errorf("slower: %v", err)
	}
	fast, status, err := Begin(&r, Wanted{Days: 3, Tier: Expedited}, false, now)
	if err != nil || status != 202 || !fast.Ready.Equal(now.Add(expeditedTime)) {
		t.Errorf("faster: %+v %d %v", fast, status, err)
	}
	ready := now.Add(glacierTime)
	if r.Available(ready.Add(-1)) || !r.Available(ready) {
		t.Error("available too soon or too late")
	}
	if h := r.Header(ready); h == nil || *h != `ongoing-request="false", expiry-date="Wed, 14 Jan 2026 00:00:00 GMT"` {
		t.Errorf("header %v", h)
	}
	longer, status, err := Begin(&r, Wanted{Days: 9, Tier: usual}, false, ready)
	if err != nil || status != 200 || !longer.Expires.Equal(time.Date(2026, 1, 20, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("longer: %+v %d %v", longer, status, err)
	}
	if !r.Over(r.Expires) || r.Header(r.Expires) != nil {
		t.Error("never over")
	}
	if _, _, err := Begin(nil, Wanted{Days: 1, Tier: Expedited}, true, now); !fault.Is(err, "InvalidArgument") {
		t.Errorf("expedited from the deep archive: %v", err)
	}
}

// TestTier is where objects of INTELLIGENT_TIERING go that nobody reads.
func TestTier(t *testing.T) {
	confs := []api.IntelligentTieringConfiguration{{
		Id: new("c"), Status: new("Enabled"), Filter: &api.IntelligentTieringFilter{Prefix: new("cold/")},
		Tierings: []api.Tiering{{AccessTier: new(TierArchive), Days: new(int32(90))}, {AccessTier: new(TierDeepArchive), Days: new(int32(180))}},
	}}
	fresh := func(days int) *Tiering { return &Tiering{Accessed: now.AddDate(0, 0, -days)} }
	cases := []struct {
		name string
		key  string
		size int64
		t    *Tiering
		want string
	}{
		{"new", "a", 1 << 20, fresh(29), TierFrequent},
		{"30 days", "a", 1 << 20, fresh(30), TierInfrequent},
		{"90 days", "a", 1 << 20, fresh(90), TierArchiveInstant},
		{"a year", "a", 1 << 20, fresh(365), TierArchiveInstant},
		{"archived", "cold/a", 1 << 20, fresh(90), TierArchive},
		{"deep", "cold/a", 1 << 20, fresh(180), TierDeepArchive},
		{"small", "cold/a", 1 << 10, fresh(365), TierFrequent},
		{"stays archived", "a", 1 << 20, &Tiering{Accessed: now, Archive: TierArchive}, TierArchive},
	}
	for _, c := range cases {
		if got := Tier(c.t, nil, confs, Facts{Key: c.key, Size: c.size}, now); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	back := &Restore{Ready: now, Tier: usual}
	old := &Tiering{Accessed: now.AddDate(-1, 0, 0), Archive: TierDeepArchive}
	if got := Tier(old, back, confs, Facts{Key: "cold/a", Size: 1 << 20}, now); got != TierFrequent {
		t.Errorf("restored: %s", got)
	}
	if got := Tier(old, back, confs, Facts{Key: "cold/a", Size: 1 << 20}, now.Add(-1)); got != TierDeepArchive {
		t.Errorf("being restored: %s", got)
	}
}

// TestCheckTiering is which configurations there can be.
func TestCheckTiering(t *testing.T) {
	conf := func(change func(*api.IntelligentTieringConfiguration)) *api.IntelligentTieringConfiguration {
		c := &api.IntelligentTieringConfiguration{Id: new("c"), Status: new("Enabled"), Tierings: []api.Tiering{{AccessTier: new(TierArchive), Days: new(int32(90))}}}
		change(c)
		return c
	}
	cases := []struct {
		name   string
		change func(*api.IntelligentTieringConfiguration)
		want   string
	}{
		{"fine", func(*api.IntelligentTieringConfiguration) {}, ""},
		{"another id", func(c *api.IntelligentTieringConfiguration) { c.Id = new("d") }, "InvalidArgument"},
		{"status", func(c *api.IntelligentTieringConfiguration) { c.Status = nil }, "MalformedXML"},
		{"too soon", func(c *api.IntelligentTieringConfiguration) { c.Tierings[0].Days = new(int32(89)) }, "InvalidArgument"},
		{"deep too soon", func(c *api.IntelligentTieringConfiguration) { c.Tierings[0].AccessTier = new(TierDeepArchive) }, "InvalidArgument"},
		{"unknown tier", func(c *api.IntelligentTieringConfiguration) { c.Tierings[0].AccessTier = new("ICE") }, "MalformedXML"},
		{"none", func(c *api.IntelligentTieringConfiguration) { c.Tierings = nil }, "MalformedXML"},
		{"and of one", func(c *api.IntelligentTieringConfiguration) {
			c.Filter = &api.IntelligentTieringFilter{And: &api.IntelligentTieringAndOperator{Tags: []api.Tag{{Key: new("k"), Value: new("v")}}}}
		}, "MalformedXML"},
	}
	for _, c := range cases {
		err := CheckTiering("c", conf(c.change))
		if got := fault.As(err); c.want == "" && err != nil || c.want != "" && (got == nil || got.Code != c.want) {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
}
