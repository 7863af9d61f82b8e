package condition

import (
	"fmt"
	"testing"
	"time"

	"moln.dev/moln/aws/fault"
)

func TestRanges(t *testing.T) {
	for _, tt := range []struct {
		header string
		size   int64
		want   Span
		code   string
	}{
		{"", 10, Span{0, 10, false}, ""},
		{"bytes=0-0", 10, Span{0, 1, true}, ""},
		{"bytes=2-", 10, Span{2, 8, true}, ""},
		{"bytes=2-99", 10, Span{2, 8, true}, ""},
		{"bytes=-3", 10, Span{7, 3, true}, ""},
		{"bytes=-99", 10, Span{0, 10, true}, ""},
		{"bytes=-0", 10, Span{0, 10, false}, "InvalidRange"},
		{"bytes=10-", 10, Span{0, 10, false}, "InvalidRange"},
		{"bytes=0-", 0, Span{0, 0, false}, "InvalidRange"},
		{"bytes=5-2", 10, Span{0, 10, false}, ""},
		{"bytes=1-2,4-5", 10, Span{0, 10, false}, ""},
		{"lines=1-2", 10, Span{0, 10, false}, ""},
	} {
		got, err := ParseRange(tt.header, tt.size)
		if got != tt.want || (tt.code == "") != (err == nil) || (err != nil && code(err) != tt.code) {
			t.Errorf("%q of %d: %+v, %v", tt.header, tt.size, got, err)
		}
	}
}

func FuzzParseRange(f *testing.F) {
	f.Add("bytes=1-2", int64(10))
	f.Fuzz(func(t *testing.T, header string, size int64) {
		if size < 0 {
			return
		}
		at, err := ParseRange(header, size)
		if err == nil && (at.Offset < 0 || at.Length < 0 || at.Offset > size-at.Length) {
			t.Errorf("%q of %d: %+v", header, size, at)
		}
	})
}

func TestReadConditions(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	before, after := now.Add(-time.Hour), now.Add(time.Hour)
	for i, tt := range []struct {
		c    Conditions
		want Outcome
	}{
		{Conditions{}, Proceed},
		{Conditions{Match: `"tag"`, Unmodified: &before}, Proceed},
		{Conditions{Match: `"x", "tag"`}, Proceed},
		{Conditions{Match: `"x"`}, Failed},
		{Conditions{Unmodified: &before}, Failed},
		{Conditions{NoneMatch: `W/"tag"`, ModifiedSince: &before}, NotModified},
		{Conditions{NoneMatch: `"x"`, ModifiedSince: &after}, Proceed},
		{Conditions{ModifiedSince: &now}, NotModified},
		{Conditions{NoneMatch: "*"}, NotModified},
	} {
		if got := tt.c.Judge("tag", now); got != tt.want {
			t.Errorf("%d: %v, want %v", i, got, tt.want)
		}
	}
}

func code(err error) string {
	if f := fault.As(err); f != nil {
		return f.Code
	}
	return fmt.Sprint(err)
}
