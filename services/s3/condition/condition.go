// Package condition reads conditional headers and byte ranges, and decides as S3
// does.
package condition

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"moln.dev/moln/aws/fault"
)

// Conditions are the conditional headers of a read, or of a copy's source.
type Conditions struct {
	Match, NoneMatch          string
	ModifiedSince, Unmodified *time.Time
}

// Outcome is what conditions say.
type Outcome uint8

// The outcomes.
const (
	Proceed Outcome = iota
	NotModified
	Failed
)

// Judge decides as S3 does: an ETag that matches outweighs
// If-Unmodified-Since, one that was found outweighs If-Modified-Since.
func (c Conditions) Judge(etag string, modified time.Time) Outcome {
	switch {
	case c.Match != "" && !MatchesETag(c.Match, etag):
		return Failed
	case c.Match == "" && c.Unmodified != nil && modified.After(*c.Unmodified):
		return Failed
	case c.NoneMatch != "" && MatchesETag(c.NoneMatch, etag):
		return NotModified
	case c.NoneMatch == "" && c.ModifiedSince != nil && !modified.After(*c.ModifiedSince):
		return NotModified
	}
	return Proceed
}

// Header is the header whose condition does not hold, where Judge answers other
// than Proceed.
func (c Conditions) Header(etag string, modified time.Time) string {
	switch {
	case c.Match != "" && !MatchesETag(c.Match, etag):
		return "If-Match"
	case c.Match == "" && c.Unmodified != nil && modified.After(*c.Unmodified):
		return "If-Unmodified-Since"
	case c.NoneMatch != "" && MatchesETag(c.NoneMatch, etag):
		return "If-None-Match"
	}
	return "If-Modified-Since"
}

// MatchesETag looks for an entity tag in a list of them, or *.
func MatchesETag(list, etag string) bool {
	for item := range strings.SplitSeq(list, ",") {
		item = strings.TrimSpace(item)
		if item == "*" || strings.Trim(strings.TrimPrefix(item, "W/"), `"`) == etag {
			return true
		}
	}
	return false
}

// Span is a part of a body.
type Span struct {
	Offset, Length int64
	Partial        bool // answered with 206
}

// ContentRange is the header that tells the part.
func (s Span) ContentRange(size int64) string {
	return "bytes " + strconv.FormatInt(s.Offset, 10) + "-" + strconv.FormatInt(s.Offset+s.Length-1, 10) + "/" + strconv.FormatInt(size, 10)
}

// ParseRange reads a Range header for a body of size bytes. What is not one
// byte range is ignored, as S3 ignores it.
func ParseRange(header string, size int64) (Span, error) {
	whole := Span{Length: size}
	spec, ok := strings.CutPrefix(header, "bytes=")
	if !ok || strings.Contains(spec, ",") {
		return whole, nil
	}
	from, to, ok := strings.Cut(spec, "-")
	if !ok {
		return whole, nil
	}
	if from == "" {
		n, err := ParsePosition(to)
		if err != nil {
			return whole, nil
		}
		if n == 0 || size == 0 {
			return whole, invalidRange(header, size)
		}
		n = min(n, size)
		return Span{Offset: size - n, Length: n, Partial: true}, nil
	}
	first, err := ParsePosition(from)
	if err != nil {
		return whole, nil
	}
	last := size - 1
	if to != "" {
		n, err := ParsePosition(to)
		if err != nil || n < first {
			return whole, nil
		}
		last = min(n, size-1)
	}
	if first >= size {
		return whole, invalidRange(header, size)
	}
	return Span{Offset: first, Length: last - first + 1, Partial: true}, nil
}

// ParsePosition reads a number of a range.
func ParsePosition(s string) (int64, error) {
	n, err := strconv.ParseUint(s, 10, 63)
	return int64(n), err
}

func invalidRange(header string, size int64) error {
	return fault.New("InvalidRange", http.StatusRequestedRangeNotSatisfiable, "The requested range is not satisfiable").
		WithBody(map[string]string{"RangeRequested": header, "ActualObjectSize": strconv.FormatInt(size, 10)})
}
