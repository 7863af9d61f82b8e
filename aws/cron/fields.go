package cron

import (
	"strconv"
	"strings"
	"time"
)

// Years that expressions may name.
const (
	yearMin = 1970
	yearMax = 2199
)

// fields is a compiled cron expression.
type fields struct {
	minute, hour, month, year set
	// day is by the day of the month, weekday by that of the week; one of them
	// is nil, "?".
	day     *days
	weekday *weekdays
}

// set has the values of a field.
type set map[int]bool

// days are those of a month.
type days struct {
	at set
	// last are distances from the last day (L, L-3); near are days whose nearest
	// weekday is meant (15W), lastWeekday is LW.
	last        set
	near        set
	lastWeekday bool
}

// weekdays are those of a week, 1 for Sunday.
type weekdays struct {
	at   set
	last set             // the last of its kind in the month (6L)
	nth  map[[2]int]bool // weekday#number
}

var monthNames = []string{"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"}
var dayNames = []string{"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"}

// span is the values that a field may have.
type span struct {
	low, high int
	names     []string // of low, low+1, …
}

var (
	minuteSpan  = span{0, 59, nil}
	hourSpan    = span{0, 23, nil}
	daySpan     = span{1, 31, nil}
	monthSpan   = span{1, 12, monthNames}
	weekdaySpan = span{1, 7, dayNames}
	yearSpan    = span{yearMin, yearMax, nil}
)

func parseFields(body string) (*fields, error) {
	f := strings.Fields(strings.ToUpper(body))
	if len(f) != 6 || (f[2] == "?") == (f[4] == "?") {
		return nil, ErrSyntax
	}
	out := &fields{minute: set{}, hour: set{}, month: set{}, year: set{}}
	for _, one := range []struct {
		text string
		into set
		span span
	}{{f[0], out.minute, minuteSpan}, {f[1], out.hour, hourSpan}, {f[3], out.month, monthSpan}, {f[5], out.year, yearSpan}} {
		for item := range strings.SplitSeq(one.text, ",") {
			if !one.span.add(one.into, item) {
				return nil, ErrSyntax
			}
		}
	}
	ok := true
	if f[2] != "?" {
		out.day, ok = parseDays(f[2])
	} else {
		out.weekday, ok = parseWeekdays(f[4])
	}
	if !ok {
		return nil, ErrSyntax
	}
	return out, nil
}

// number reads a value by its digits or its name.
func (s span) number(text string) (int, bool) {
	for i, name := range s.names {
		if text == name {
			return s.low + i, true
		}
	}
	n, err := strconv.ParseUint(text, 10, 16)
	return int(n), err == nil && int(n) >= s.low && int(n) <= s.high
}

// add adds "*", "5", "1-5", "0/15", "*/15" or "10-40/5". A range may go over the
// end (22-2).
func (s span) add(to set, item string) bool {
	body, step, stepped := strings.Cut(item, "/")
	by := 1
	if stepped {
		n, err := strconv.ParseUint(step, 10, 16)
		if err != nil || n == 0 || int(n) > s.high {
			return false
		}
		by = int(n)
	}
	low, high := s.low, s.high
	if body != "*" {
		from, till, ranged := strings.Cut(body, "-")
		var ok bool
		if low, ok = s.number(from); !ok {
			return false
		}
		switch {
		case ranged:
			if high, ok = s.number(till); !ok {
				return false
			}
		case !stepped:
			high = low
		}
	}
	size := s.high - s.low + 1
	if high < low {
		high += size
	}
	for v := low; v <= high; v += by {
		to[s.low+(v-s.low)%size] = true
	}
	return true
}

func parseDays(text string) (*days, bool) {
	out := &days{at: set{}, last: set{}, near: set{}}
	for item := range strings.SplitSeq(text, ",") {
		switch {
		case item == "L":
			out.last[0] = true
		case item == "LW" || item == "WL":
			out.lastWeekday = true
		case strings.HasPrefix(item, "L-"):
			n, err := strconv.ParseUint(item[2:], 10, 8)
			if err != nil || n > 30 {
				return nil, false
			}
			out.last[int(n)] = true
		case strings.HasSuffix(item, "W"):
			n, ok := daySpan.number(strings.TrimSuffix(item, "W"))
			if !ok {
				return nil, false
			}
			out.near[n] = true
		case !daySpan.add(out.at, item):
			return nil, false
		}
	}
	return out, true
}

func parseWeekdays(text string) (*weekdays, bool) {
	out := &weekdays{at: set{}, last: set{}, nth: map[[2]int]bool{}}
	for item := range strings.SplitSeq(text, ",") {
		day, number, counted := strings.Cut(item, "#")
		switch {
		case item == "L":
			out.at[7] = true
		case counted:
			d, ok := weekdaySpan.number(day)
			n, err := strconv.ParseUint(number, 10, 8)
			if !ok || err != nil || n < 1 || n > 5 {
				return nil, false
			}
			out.nth[[2]int{d, int(n)}] = true
		case strings.HasSuffix(item, "L"):
			d, ok := weekdaySpan.number(strings.TrimSuffix(item, "L"))
			if !ok {
				return nil, false
			}
			out.last[d] = true
		case !weekdaySpan.add(out.at, item):
			return nil, false
		}
	}
	return out, true
}

// daysIn is how many days a month has.
func daysIn(year int, month time.Month) int {
	return time.Date(year, month+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

func weekdayOf(year int, month time.Month, day int) time.Weekday {
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Weekday()
}

// nearest is the weekday closest to a day, in the same month.
func nearest(year int, month time.Month, day, length int) int {
	switch weekdayOf(year, month, day) {
	case time.Saturday:
		if day == 1 {
			return 3
		}
		return day - 1
	case time.Sunday:
		if day == length {
			return day - 2
		}
		return day + 1
	}
	return day
}

func (d *days) has(year int, month time.Month, day int) bool {
	length := daysIn(year, month)
	if d.at[day] || d.last[length-day] || d.lastWeekday && nearest(year, month, length, length) == day {
		return true
	}
	for n := range d.near {
		if n <= length && nearest(year, month, n, length) == day {
			return true
		}
	}
	return false
}

func (w *weekdays) has(year int, month time.Month, day int) bool {
	at := int(weekdayOf(year, month, day)) + 1
	return w.at[at] || w.nth[[2]int{at, (day-1)/7 + 1}] || w.last[at] && day+7 > daysIn(year, month)
}

func (f *fields) onDay(year int, month time.Month, day int) bool {
	if f.day != nil {
		return f.day.has(year, month, day)
	}
	return f.weekday.has(year, month, day)
}

// next is the first due minute after a time, in its zone. What the clocks skip
// when they are put forward is not due; what they repeat is due once.
func (f *fields) next(after time.Time) (time.Time, bool) {
	year, month, day := after.Date()
	for ; year <= yearMax; year, month, day = year+1, 1, 1 {
		if !f.year[year] {
			continue
		}
		for ; month <= 12; month, day = month+1, 1 {
			if !f.month[int(month)] {
				continue
			}
			for length := daysIn(year, month); day <= length; day++ {
				if !f.onDay(year, month, day) {
					continue
				}
				if due, ok := f.inDay(year, month, day, after); ok {
					return due, true
				}
			}
		}
	}
	return time.Time{}, false
}

func (f *fields) inDay(year int, month time.Month, day int, after time.Time) (time.Time, bool) {
	for hour := range 24 {
		if !f.hour[hour] {
			continue
		}
		for minute := range 60 {
			if !f.minute[minute] {
				continue
			}
			due := time.Date(year, month, day, hour, minute, 0, 0, after.Location())
			if due.Hour() == hour && due.Minute() == minute && due.After(after) {
				return due, true
			}
		}
	}
	return time.Time{}, false
}
