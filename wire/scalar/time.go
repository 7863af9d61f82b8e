package scalar

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"moln.dev/moln/aws/smithy"
)

// What years of four digits hold: the first second of the year 1 and the last of
// the year 9999.
const (
	minSeconds = -62135596800
	maxSeconds = 253402300799
)

const (
	isoLayout    = "2006-01-02T15:04:05Z"
	isoMSLayout  = "2006-01-02T15:04:05.000Z"
	milliseconds = int(time.Millisecond)
)

// isoLayouts are the forms of ISO 8601 that AWS's services take. Go's parser
// allows a fraction after the seconds of each.
func isoLayouts() [5]string {
	return [5]string{time.RFC3339, "2006-01-02T15:04:05-0700", "2006-01-02T15:04:05", "2006-01-02T15:04Z07:00", "2006-01-02"}
}

// ParseTime reads a timestamp: in the given format or, since the services are
// lenient about text, in one of the others.
func ParseTime(format smithy.TimestampFormat, s string) (time.Time, error) {
	order := [3]smithy.TimestampFormat{smithy.TimestampISO8601, smithy.TimestampEpoch, smithy.TimestampRFC822}
	if t, err := parseAs(format, s); err == nil {
		return inRange(t, s)
	}
	for _, f := range order {
		if f == format {
			continue
		}
		if t, err := parseAs(f, s); err == nil {
			return inRange(t, s)
		}
	}
	return time.Time{}, fmt.Errorf("%q is not a timestamp", clip(s))
}

// inRange refuses the times that could not be written again.
func inRange(t time.Time, s string) (time.Time, error) {
	if sec := t.Unix(); sec < minSeconds || sec > maxSeconds {
		return time.Time{}, fmt.Errorf("%q is out of range", clip(s))
	}
	return t, nil
}

func parseAs(format smithy.TimestampFormat, s string) (time.Time, error) {
	switch format {
	case smithy.TimestampEpoch:
		return ParseEpoch(s)
	case smithy.TimestampRFC822:
		return parseHTTPDate(s)
	default:
		return parseISO(s)
	}
}

func parseISO(s string) (time.Time, error) {
	for _, layout := range isoLayouts() {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is not an ISO 8601 time", clip(s))
}

func parseHTTPDate(s string) (time.Time, error) {
	if t, err := http.ParseTime(s); err == nil {
		return t.UTC(), nil
	}
	t, err := time.Parse(time.RFC1123Z, s)
	if err != nil {
		return t, fmt.Errorf("%q is not an HTTP date", clip(s))
	}
	return t.UTC(), nil
}

// ParseEpoch reads seconds since 1970. Decimals are exact to the nanosecond;
// numbers with an exponent, as Java writes them, to the millisecond.
func ParseEpoch(s string) (time.Time, error) {
	if !IsNumber(s) {
		return time.Time{}, fmt.Errorf("%q is not a number of seconds", clip(s))
	}
	if strings.ContainsAny(s, "eE") {
		f, err := strconv.ParseFloat(s, 64)
		if err != nil || f < minSeconds || f > maxSeconds {
			return time.Time{}, fmt.Errorf("%q is out of range", clip(s))
		}
		return time.UnixMilli(int64(math.Round(f * 1e3))).UTC(), nil
	}
	whole, frac, _ := strings.Cut(s, ".")
	negative := strings.HasPrefix(whole, "-")
	whole = strings.TrimLeft(whole, "+-")
	sec := int64(0)
	if whole != "" {
		var err error
		if sec, err = strconv.ParseInt(whole, 10, 64); err != nil || sec > maxSeconds {
			return time.Time{}, fmt.Errorf("%q is out of range", clip(s))
		}
	}
	const nanoDigits = 9
	frac = (frac + "000000000")[:nanoDigits]
	nsec, err := strconv.ParseInt(frac, 10, 64)
	if err != nil {
		return time.Time{}, err
	}
	if negative {
		sec, nsec = -sec, -nsec
	}
	return inRange(time.Unix(sec, nsec).UTC(), s)
}

// AppendTime writes a timestamp. AWS's clocks show milliseconds, so finer
// fractions are cut off; HTTP dates have none.
func AppendTime(dst []byte, format smithy.TimestampFormat, t time.Time) []byte {
	t = t.UTC()
	switch format {
	case smithy.TimestampEpoch:
		return appendEpoch(dst, t)
	case smithy.TimestampRFC822:
		return t.AppendFormat(dst, http.TimeFormat)
	}
	if t.Nanosecond() < milliseconds {
		return t.AppendFormat(dst, isoLayout)
	}
	return t.AppendFormat(dst, isoMSLayout)
}

func appendEpoch(dst []byte, t time.Time) []byte {
	ms := t.UnixMilli()
	if ms < 0 {
		dst = append(dst, '-')
		ms = -ms
	}
	dst = strconv.AppendInt(dst, ms/1000, 10)
	if ms%1000 == 0 {
		return dst
	}
	frac := strconv.Itoa(int(ms%1000) + 1000)[1:]
	dst = append(dst, '.')
	return append(dst, strings.TrimRight(frac, "0")...)
}
