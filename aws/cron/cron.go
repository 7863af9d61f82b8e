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

// Schedule is a compiled expression. Safe for concurrent use.
type Schedule struct {
	every time.Duration // of a rate
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

// Next is the first time after now at which the schedule is due in a time zone;
// false: never again. Rates are counted from last, the last due time or the
// moment when the schedule was made.
func (s *Schedule) Next(last, now time.Time, zone *time.Location) (time.Time, bool) {
	switch {
	case s.every > 0 && last.After(now):
		return last.Add(s.every), true
	case s.every > 0:
		return now.Add(s.every - now.Sub(last)%s.every), true
	}
	return s.cron.next(now.In(zone))
}
