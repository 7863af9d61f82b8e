package s3

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"moln.dev/moln/aws/fault"
)

// conditions are the conditional headers of a read, or of a copy's source.
type conditions struct {
	match, noneMatch          string
	modifiedSince, unmodified *time.Time
}

// outcome of conditions.
type outcome uint8

const (
	proceed outcome = iota
	notModified
	failed
)

// judge decides as S3 does: an ETag that matches outweighs
// If-Unmodified-Since, one that was found outweighs If-Modified-Since.
func (c conditions) judge(o *object) outcome {
	switch {
	case c.match != "" && !matchesETag(c.match, o.ETag):
		return failed
	case c.match == "" && c.unmodified != nil && o.modified().After(*c.unmodified):
		return failed
	case c.noneMatch != "" && matchesETag(c.noneMatch, o.ETag):
		return notModified
	case c.noneMatch == "" && c.modifiedSince != nil && !o.modified().After(*c.modifiedSince):
		return notModified
	}
	return proceed
}

// matchesETag looks for an entity tag in a list of them, or *.
func matchesETag(list, etag string) bool {
	for item := range strings.SplitSeq(list, ",") {
		item = strings.TrimSpace(item)
		if item == "*" || strings.Trim(strings.TrimPrefix(item, "W/"), `"`) == etag {
			return true
		}
	}
	return false
}

// writeCondition judges If-Match and If-None-Match of a write against the
// version that is current.
func writeCondition(ifMatch, ifNoneMatch, key string, cur *object) error {
	exists := cur != nil && !cur.Marker
	switch {
	case ifNoneMatch != "" && ifNoneMatch != "*":
		return notImplemented("A header you provided implies functionality that is not implemented")
	case ifNoneMatch == "*" && exists:
		return preconditionFailed()
	case ifMatch == "":
		return nil
	case !exists:
		return noSuchKey(key)
	case !matchesETag(ifMatch, cur.ETag):
		return preconditionFailed()
	}
	return nil
}

// span is a part of a body.
type span struct {
	offset, length int64
	partial        bool // answered with 206
}

func (s span) contentRange(size int64) string {
	return "bytes " + strconv.FormatInt(s.offset, 10) + "-" + strconv.FormatInt(s.offset+s.length-1, 10) + "/" + strconv.FormatInt(size, 10)
}

// parseRange reads a Range header for a body of size bytes. What is not one
// byte range is ignored, as S3 ignores it.
func parseRange(header string, size int64) (span, error) {
	whole := span{length: size}
	spec, ok := strings.CutPrefix(header, "bytes=")
	if !ok || strings.Contains(spec, ",") {
		return whole, nil
	}
	from, to, ok := strings.Cut(strings.TrimSpace(spec), "-")
	if !ok {
		return whole, nil
	}
	if from == "" {
		n, err := parsePosition(to)
		if err != nil {
			return whole, nil
		}
		if n == 0 || size == 0 {
			return whole, invalidRange(header)
		}
		n = min(n, size)
		return span{offset: size - n, length: n, partial: true}, nil
	}
	first, err := parsePosition(from)
	if err != nil {
		return whole, nil
	}
	last := size - 1
	if to != "" {
		n, err := parsePosition(to)
		if err != nil || n < first {
			return whole, nil
		}
		last = min(n, size-1)
	}
	if first >= size {
		return whole, invalidRange(header)
	}
	return span{offset: first, length: last - first + 1, partial: true}, nil
}

func parsePosition(s string) (int64, error) {
	n, err := strconv.ParseUint(s, 10, 63)
	return int64(n), err
}

func invalidRange(string) error {
	return fault.New("InvalidRange", http.StatusRequestedRangeNotSatisfiable, "The requested range is not satisfiable")
}
