package cron

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// ErrSyntax is every error of Parse: AWS does not say what is wrong.
var ErrSyntax = errors.New("cron: the schedule expression is not valid")

// rateMax bounds rates, so that they can be counted in.
const rateMax = 100 * 365 * 24 * time.Hour

// atFormat is that of one-time schedules.
const atFormat = "2006-01-02T15:04:05"

// Schedule is a compiled expression. Safe for concurrent use.
type Schedule struct {
	every time.Duration // of a rate
	at    *time.Time    // of a one-time schedule, in no zone
	cron  *fields
}

// Parse compiles a rate or a cron expression.
func Parse(text string) (*Schedule, error) {
	body, ok := strings.CutSuffix(text, ")")
	if !ok {
		return nil, ErrSyntax
	}
	if body, ok := strings.CutPrefix(body, "rate("); ok {
		return parseRate(body)
	}
	if body, ok := strings.CutPrefix(body, "cron("); ok {
		f, err := parseFields(body)
		return &Schedule{cron: f}, err
	}
	return nil, ErrSyntax
}

// ParseOnce compiles an at expression as well as what Parse does.
func ParseOnce(text string) (*Schedule, error) {
	body, ok := strings.CutPrefix(text, "at(")
	if !ok {
		return Parse(text)
	}
	body, ok = strings.CutSuffix(body, ")")
	at, err := time.Parse(atFormat, body)
	if !ok || err != nil || len(body) != len(atFormat) {
		return nil, ErrSyntax
	}
	return &Schedule{at: &at}, nil
}

func parseRate(body string) (*Schedule, error) {
	number, unit, ok := strings.Cut(body, " ")
	n, err := strconv.ParseUint(number, 10, 31)
	if !ok || err != nil || n == 0 {
		return nil, ErrSyntax
	}
	if n > 1 {
		if unit, ok = strings.CutSuffix(unit, "s"); !ok {
			return nil, ErrSyntax
		}
	}
	var one time.Duration
	switch unit {
	case "minute":
		one = time.Minute
	case "hour":
		one = time.Hour
	case "day":
		one = 24 * time.Hour
	default:
		return nil, ErrSyntax
	}
	if time.Duration(n) > rateMax/one {
		return nil, ErrSyntax
	}
	return &Schedule{every: time.Duration(n) * one}, nil
}

// Once reports a schedule that is due one time.
func (s *Schedule) Once() bool { return s.at != nil }

// Every is the interval of a rate, else zero.
func (s *Schedule) Every() time.Duration { return s.every }

// Next is the first time after now at which the schedule is due in a time zone;
// false: never again. Rates are counted from last, the last due time or the
// moment when the schedule was made.
func (s *Schedule) Next(last, now time.Time, zone *time.Location) (time.Time, bool) {
	switch {
	case s.every > 0 && last.After(now):
		return last.Add(s.every), true
	case s.every > 0:
		return now.Add(s.every - now.Sub(last)%s.every), true
	case s.at != nil:
		t := *s.at
		due := time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0, zone)
		return due, due.After(now)
	}
	return s.cron.next(now.In(zone))
}
