package cron

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const layout = "2006-01-02 15:04"

func TestNext(t *testing.T) {
	for _, c := range []struct {
		text, after string
		want        []string
	}{
		{"cron(0 12 * * ? *)", "2026-03-20 12:00", []string{"2026-03-21 12:00", "2026-03-22 12:00"}},
		{"cron(5,35 14 * * ? *)", "2026-03-20 12:00", []string{"2026-03-20 14:05", "2026-03-20 14:35", "2026-03-21 14:05"}},
		{"cron(15 10 ? * 6L 2002-2005)", "2002-01-30 00:00", []string{"2002-02-22 10:15", "2002-03-29 10:15"}},
		{"cron(15 10 ? * 6L 2002-2005)", "2005-12-30 10:15", nil},
		{"cron(0 2 ? * SAT#3 *)", "2026-03-01 00:00", []string{"2026-03-21 02:00", "2026-04-18 02:00"}},
		{"cron(0 2 ? * 3#5 *)", "2026-03-01 00:00", []string{"2026-03-31 02:00", "2026-06-30 02:00"}},
		{"cron(0/15 * * * ? *)", "2026-03-20 12:46", []string{"2026-03-20 13:00", "2026-03-20 13:15"}},
		{"cron(0/5 8-17 ? * MON-FRI *)", "2026-03-20 17:55", []string{"2026-03-23 08:00", "2026-03-23 08:05"}},
		{"cron(0 18 ? * mon-fri *)", "2026-03-20 18:00", []string{"2026-03-23 18:00"}},
		{"cron(0 8 1 * ? *)", "2026-12-20 00:00", []string{"2027-01-01 08:00"}},
		{"cron(0 8 L * ? *)", "2028-02-01 00:00", []string{"2028-02-29 08:00", "2028-03-31 08:00"}},
		{"cron(0 8 L-2 * ? *)", "2026-02-01 00:00", []string{"2026-02-26 08:00"}},
		{"cron(0 8 LW * ? *)", "2026-05-01 00:00", []string{"2026-05-29 08:00", "2026-06-30 08:00"}},
		{"cron(0 8 1W * ? *)", "2026-07-30 00:00", []string{"2026-08-03 08:00", "2026-09-01 08:00"}},  // a Saturday
		{"cron(0 8 15W * ? *)", "2026-02-01 00:00", []string{"2026-02-16 08:00"}},                     // a Sunday
		{"cron(0 8 31W * ? *)", "2026-05-01 00:00", []string{"2026-05-29 08:00", "2026-07-31 08:00"}}, // a Sunday, the last
		{"cron(0 0 29 2 ? *)", "2026-01-01 00:00", []string{"2028-02-29 00:00"}},
		{"cron(0 0 30 2 ? *)", "2026-01-01 00:00", nil},
		{"cron(0 0 ? JAN,DEC L 2026)", "2026-01-30 00:00", []string{"2026-01-31 00:00", "2026-12-05 00:00"}},
		{"cron(0 22-1 * * ? *)", "2026-01-01 21:00", []string{"2026-01-01 22:00", "2026-01-01 23:00", "2026-01-02 00:00", "2026-01-02 01:00", "2026-01-02 22:00"}},
		{"cron(1/20 0 1 1 ? 2030/5)", "2026-01-01 00:00", []string{"2030-01-01 00:01", "2030-01-01 00:21", "2030-01-01 00:41", "2035-01-01 00:01"}},
		{"cron(0 0 1 1 ? 1999)", "2026-01-01 00:00", nil},
		{"rate(5 minutes)", "2026-01-01 00:00", []string{"2026-01-01 00:05", "2026-01-01 00:10"}},
		{"rate(1 day)", "2026-01-01 00:00", []string{"2026-01-02 00:00"}},
	} {
		s, err := Parse(c.text)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		at, err := time.Parse(layout, c.after)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for range max(len(c.want), 1) {
			due, ok := s.Next(at, at, time.UTC)
			if !ok {
				break
			}
			got, at = append(got, due.Format(layout)), due
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s: %s", c.text, d)
		}
	}
}

// TestRatesKeepTheirPhase is a rate whose due times were missed.
func TestRatesKeepTheirPhase(t *testing.T) {
	s, err := Parse("rate(10 minutes)")
	if err != nil {
		t.Fatal(err)
	}
	last := time.Date(2026, 1, 1, 0, 3, 0, 0, time.UTC)
	due, _ := s.Next(last, last.Add(47*time.Minute), time.UTC)
	if want := last.Add(50 * time.Minute); due != want {
		t.Errorf("due %v, want %v", due, want)
	}
}

func TestZones(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skip("no time zones here: ", err)
	}
	s, err := Parse("cron(30 2 * * ? *)")
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 3, 28, 12, 0, 0, 0, berlin)
	first, _ := s.Next(at, at, berlin) // there is no 02:30 on the 29th
	if want := time.Date(2026, 3, 30, 2, 30, 0, 0, berlin); !first.Equal(want) {
		t.Errorf("in spring: %v, want %v", first, want)
	}
	at = time.Date(2026, 10, 24, 12, 0, 0, 0, berlin)
	once, _ := s.Next(at, at, berlin)
	twice, _ := s.Next(once, once, berlin)
	if once.Day() != 25 || twice.Day() != 26 {
		t.Errorf("in autumn: %v, then %v", once, twice)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, text := range []string{
		"", "rate", "rate()", "rate(10)", "rate(10 seconds)", "rate(10 years)", "rate(1 minutes)", "rate(1 hours)", "rate(1 days)", "rate(10 minute)", "rate(10 hour)", "rate(10 day)",
		"rate(10 minutess)", "rate(foo minutes)", "rate(0 minutes)", "rate(-10 minutes)", "rate(10 MINUTES)", "rate( 10 minutes )", " rate(10 minutes)", "rate(10 minutes) ", "rate(2000000000 days)", "rate(10  minutes)",
		"cron(INVALID)", "cron(0 1 * * * *)", "cron(0 1 ? * ? *)", "cron(7 20 * * NOT *)", "cron(0 dummy ? * MON-FRI *)", "cron(71 8 1 * ? *)", "cron(0 24 1 * ? *)", "cron(0 0 0 * ? *)", "cron(0 0 32 * ? *)",
		"cron(0 0 1 13 ? *)", "cron(0 0 ? * 8 *)", "cron(0 0 ? * 0 *)", "cron(0 0 1 * ? 1969)", "cron(0 0 1 * ? 2200)", "cron(0 0 1 * ?)", "cron(0 0 1 * ? * *)", "cron(0/0 0 1 * ? *)", "cron(? 0 1 * ? *)",
		"cron(0 0 ? * 2#6 *)", "cron(0 0 ? * 2#0 *)", "cron(0 0 32W * ? *)", "cron(0, 0 1 * ? *)", "cron(1- 0 1 * ? *)", "cron(0 0 L-31 * ? *)", "cron(-1 0 1 * ? *)", "CRON(0 12 * * ? *)", "at(2026-01-01T00:00:00)",
	} {
		if _, err := Parse(text); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"rate(5 minutes)", "cron(0/5 8-17 ? * MON-FRI *)", "cron(15 10 LW,3W,L-2 * ? 2020/3)", "cron(0 0 ? * 6L,2#3 *)"} {
		f.Add(s)
	}
	now := time.Date(2026, 3, 20, 12, 0, 30, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse(text)
		if err != nil {
			return
		}
		if due, ok := s.Next(now, now, time.UTC); ok && !due.After(now) {
			t.Errorf("%q is due at %v", text, due)
		}
	})
}
