package usage

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/services/s3/class"
)

// TestOf is what one request counts as.
func TestOf(t *testing.T) {
	cases := []struct {
		name    string
		in, out any
		want    Counts
	}{
		{"PutObject", &api.PutObjectInput{}, &api.PutObjectOutput{}, Counts{Requests: map[string]int64{"STANDARD/Tier1": 1}}},
		{"CopyObject", &api.CopyObjectInput{StorageClass: new("GLACIER_IR")}, &api.CopyObjectOutput{}, Counts{Requests: map[string]int64{"GLACIER_IR/Tier1": 1}}},
		{"GetObject", &api.GetObjectInput{}, &api.GetObjectOutput{ContentLength: new(int64(7))}, Counts{Requests: map[string]int64{"STANDARD/Tier2": 1}, Read: map[string]int64{"STANDARD": 7}}},
		{"GetObject", &api.GetObjectInput{}, &api.GetObjectOutput{ContentLength: new(int64(7)), StorageClass: new("STANDARD_IA")},
			Counts{Requests: map[string]int64{"STANDARD_IA/Tier2": 1}, Read: map[string]int64{"STANDARD_IA": 7}, Retrieved: map[string]int64{"STANDARD_IA": 7}}},
		{"GetObject", &api.GetObjectInput{}, &api.GetObjectOutput{ContentLength: new(int64(7)), StorageClass: new("GLACIER"), Restore: new("")},
			Counts{Requests: map[string]int64{"GLACIER/Tier2": 1}, Read: map[string]int64{"GLACIER": 7}}}, // the restore was billed
		{"ListObjectsV2", &api.ListObjectsV2Input{}, &api.ListObjectsV2Output{}, Counts{Requests: map[string]int64{"STANDARD/Tier1": 1}}},
		{"DeleteObject", &api.DeleteObjectInput{}, &api.DeleteObjectOutput{}, Counts{}},
	}
	for _, c := range cases {
		var got Counts
		got.Of(c.name, c.in, c.out)
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s: %s", c.name, d)
		}
	}
}

// TestGone is what is billed for leaving a class too soon.
func TestGone(t *testing.T) {
	since := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		class string
		days  int
		want  int64
	}{
		{class.Standard, 0, 0},
		{class.StandardIA, 29, 200_000},
		{class.StandardIA, 30, 0},
		{class.DeepArchive, 179, 200_000 + 32<<10},
	} {
		var got Counts
		got.Gone(c.class, 200_000, since, since.AddDate(0, 0, c.days))
		if got.Early[c.class] != c.want {
			t.Errorf("%s after %d days: %d byte-days, want %d", c.class, c.days, got.Early[c.class], c.want)
		}
	}
}

// TestCounters is counts of several buckets, which are taken once.
func TestCounters(t *testing.T) {
	var c Counters
	for range 3 {
		c.Count(Bucket{"1", "a"}, func(n *Counts) { n.Request("", Tier2, 1) })
	}
	c.Count(Bucket{"1", "b"}, func(n *Counts) { n.Request("", Tier1, 1) })
	got := map[Bucket]int64{}
	take := func(b Bucket, n Counts) error {
		for _, count := range n.Requests {
			got[b] += count
		}
		return nil
	}
	for range 2 {
		if err := c.Take(take); err != nil {
			t.Fatal(err)
		}
	}
	if d := cmp.Diff(map[Bucket]int64{{"1", "a"}: 3, {"1", "b"}: 1}, got); d != "" {
		t.Error(d)
	}
}

// What is counted the short way is what is counted the long way.
func TestCommon(t *testing.T) {
	size := new(int64(1024))
	for name, tt := range map[string]struct {
		in, out any
		ok      bool
	}{
		"GetObject":     {&api.GetObjectInput{}, &api.GetObjectOutput{ContentLength: size}, true},
		"HeadObject":    {&api.HeadObjectInput{}, &api.HeadObjectOutput{ContentLength: size}, true},
		"PutObject":     {&api.PutObjectInput{}, &api.PutObjectOutput{}, true},
		"GetObject IA":  {&api.GetObjectInput{}, &api.GetObjectOutput{ContentLength: size, StorageClass: new("STANDARD_IA")}, false},
		"PutObject IA":  {&api.PutObjectInput{StorageClass: new("STANDARD_IA")}, &api.PutObjectOutput{}, false},
		"ListObjectsV2": {&api.ListObjectsV2Input{}, &api.ListObjectsV2Output{}, false},
	} {
		key, read, ok := Common(tt.in, tt.out)
		if ok != tt.ok {
			t.Errorf("%s: %v", name, ok)
		}
		if !ok {
			continue
		}
		var short, long Counters
		b := Bucket{Account: "1", Name: "b"}
		short.CountCommon(b, key, read)
		long.Count(b, func(to *Counts) { to.Of(name, tt.in, tt.out) })
		if diff := cmp.Diff(long.all["b"].Counts, short.all["b"].Counts); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
