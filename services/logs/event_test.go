package logs

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	api "moln.dev/moln/api/logs"
)

func TestAccept(t *testing.T) {
	now := time.Date(2026, 3, 20, 12, 0, 0, 0, time.UTC)
	at := func(offsets ...time.Duration) []api.InputLogEvent {
		var out []api.InputLogEvent
		for _, d := range offsets {
			out = append(out, api.InputLogEvent{Message: new("m"), Timestamp: new(now.Add(d).UnixMilli())})
		}
		return out
	}
	const day = 24 * time.Hour
	many := make([]time.Duration, batchEventsMax+1)
	big := at(0, 0)
	big[0].Message, big[1].Message = new(strings.Repeat("x", batchBytesMax-2*eventOverhead-1)), new("xx")
	fits := at(0, 0)
	fits[0].Message, fits[1].Message = big[0].Message, new("x")
	for _, tt := range []struct {
		name      string
		in        []api.InputLogEvent
		retention int32
		kept      int
		rejected  *api.RejectedLogEventsInfo
		wrong     string
	}{
		{"none", nil, 0, 0, nil, ""},
		{"in order", at(-time.Minute, -time.Minute, 0), 0, 3, nil, ""},
		{"out of order", at(0, -time.Millisecond), 0, 0, nil, "Log events in a single PutLogEvents request must be in chronological order."},
		{"a day", at(-day, 0), 0, 2, nil, ""},
		{"over a day", at(-day-time.Millisecond, 0), 0, 0, nil, "The batch of log events in a single PutLogEvents request cannot span more than 24 hours."},
		{"too many", at(many...), 0, 0, nil, "Upload too large: 10001 events exceed limit of 10000"},
		{"as many as may be", at(many[1:]...), 0, batchEventsMax, nil, ""},
		{"too large", big, 0, 0, nil, "Upload too large: 1048577 bytes exceeds limit of 1048576"},
		{"as large as may be", fits, 0, 2, nil, ""},
		{"too new", at(0, 2*time.Hour, 2*time.Hour+1e6, 3*time.Hour), 0, 2, &api.RejectedLogEventsInfo{TooNewLogEventStartIndex: new(int32(2))}, ""},
		{"too old", at(-14*day-time.Hour, -14*day-1e6, -14*day), 0, 1, &api.RejectedLogEventsInfo{TooOldLogEventEndIndex: new(int32(2))}, ""},
		{"expired", at(-3*day-1e6, -3*day), 3, 1, &api.RejectedLogEventsInfo{ExpiredLogEventEndIndex: new(int32(1))}, ""},
		{"all rejected", at(3 * time.Hour), 0, 0, &api.RejectedLogEventsInfo{TooNewLogEventStartIndex: new(int32(0))}, ""},
	} {
		kept, rejected, err := accept(tt.in, now, tt.retention)
		if (err == nil) != (tt.wrong == "") || (err != nil && err.Error() != "InvalidParameterException: "+tt.wrong) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.wrong)
		}
		if d := cmp.Diff(tt.rejected, rejected); d != "" || len(kept) != tt.kept {
			t.Errorf("%s: kept %d, want %d; rejected (-want +got):\n%s", tt.name, len(kept), tt.kept, d)
		}
	}
}

func TestFilterPatterns(t *testing.T) {
	for _, tt := range []struct {
		pattern string
		yes, no []string
	}{
		{"", []string{"", "anything"}, nil},
		{"  ", []string{"anything"}, nil},
		{"ERROR", []string{"an ERROR", "xERRORx"}, []string{"error", ""}},
		{"ERROR code", []string{"code ERROR"}, []string{"ERROR", "code"}},
		{`"ERROR code"`, []string{"an ERROR code"}, []string{"code ERROR"}},
		{"?ERROR ?WARN", []string{"ERROR", "WARN"}, []string{"INFO"}},
		{"ERROR -404", []string{"ERROR 500"}, []string{"ERROR 404", "500"}},
		{`-"not found"`, []string{"found"}, []string{"was not found"}},
		{`"a \"b\" c"`, []string{`a "b" c`}, []string{"a b c"}},
		{`"back\\slash"`, []string{`back\slash`}, []string{"backslash"}},
		{"a\tb", []string{"b a"}, []string{"a"}},
	} {
		f, err := parseFilter(tt.pattern)
		if err != nil {
			t.Errorf("%q: %v", tt.pattern, err)
			continue
		}
		for _, m := range tt.yes {
			if !f.matches(m) {
				t.Errorf("%q does not match %q", tt.pattern, m)
			}
		}
		for _, m := range tt.no {
			if f.matches(m) {
				t.Errorf("%q matches %q", tt.pattern, m)
			}
		}
	}
	for _, pattern := range []string{`{ $.a = 1 }`, `[a, b]`, `%x%`, `"open`, `""`, "?", "-", `a "`} {
		if _, err := parseFilter(pattern); err == nil || !strings.HasPrefix(err.Error(), "InvalidParameterException: ") {
			t.Errorf("%q: %v", pattern, err)
		}
	}
}

// FuzzParseFilter: whatever is accepted has terms that it matches itself.
func FuzzParseFilter(f *testing.F) {
	for _, s := range []string{"", "a b", `"a b" ?c -d`, `"\"`, "?-x", "- ", "\x00\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, pattern string) {
		got, err := parseFilter(pattern)
		if err != nil {
			return
		}
		message := strings.Join(append(append([]string{}, got.all...), got.some...), "\n")
		excluded := false
		for _, n := range got.not {
			excluded = excluded || strings.Contains(message, n)
		}
		if got.matches(message) == excluded {
			t.Errorf("%q: %+v on %q is %v", pattern, got, message, !excluded)
		}
	})
}

func TestPageTokens(t *testing.T) {
	for _, p := range []position{{1, "s", false}, {0, "", true}, {-5, "a/b", false}} {
		for _, d := range []string{"f", "b"} {
			direction, got, err := parsePageToken(*pageToken(d, p))
			if err != nil || direction != d || got != p {
				t.Errorf("%s %+v: %s %+v, %v", d, p, direction, got, err)
			}
		}
	}
	for _, token := range []string{"", "f", "f/1", "x/1/s", "f/one/s", "fb/1/s", "/1/s"} {
		if _, _, err := parsePageToken(token); err == nil {
			t.Errorf("%q is taken", token)
		}
	}
}
