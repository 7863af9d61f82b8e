package logs

import (
	"fmt"
	"strings"
	"time"

	api "moln.dev/moln/api/logs"
)

// Limits of PutLogEvents and its readers (CloudWatch Logs API reference).
const (
	batchEventsMax  = 10_000
	batchBytesMax   = 1_048_576 // of one event, too
	eventOverhead   = 26        // bytes that AWS adds to each message
	batchSpanMax    = 24 * time.Hour
	tooOldAge       = 14 * 24 * time.Hour
	tooNewAhead     = 2 * time.Hour
	pageEventsMax   = 10_000
	pageBytesMax    = 1 << 20
	describeDefault = 50
)

// event is one stored log event.
type event struct {
	Time     int64  `json:"t"` // ms since 1970
	Ingested int64  `json:"i"`
	Message  string `json:"m"`

	stream   string
	sequence string
}

func (e event) position() position { return position{ms: e.Time, sequence: e.sequence} }

// group is a log group.
type group struct {
	Name      string            `json:"name"`
	Created   int64             `json:"created"` // ms
	Retention int32             `json:"retention,omitempty"`
	Class     string            `json:"class,omitempty"`
	Tags      map[string]string `json:"tags,omitempty"`
	Protected bool              `json:"protected,omitempty"`
}

// stream is a log stream with the bounds of its events.
type stream struct {
	Name    string `json:"name"`
	Created int64  `json:"created"`
	First   int64  `json:"first,omitempty"`
	Last    int64  `json:"last,omitempty"`
	Ingest  int64  `json:"ingest,omitempty"`
	Bytes   int64  `json:"bytes,omitempty"`
}

// accept decides which of a batch's events are stored. Events too old or too
// new are rejected by position, as AWS does; the batch as a whole must be in
// order, span at most a day and be small enough.
func accept(in []api.InputLogEvent, now time.Time, retention int32) (keep []api.InputLogEvent, rejected *api.RejectedLogEventsInfo, err error) {
	if len(in) > batchEventsMax {
		return nil, nil, api.ErrInvalidParameterException("Upload too large: %d events exceed limit of %d", len(in), batchEventsMax)
	}
	bytes := 0
	for i, e := range in {
		bytes += len(*e.Message) + eventOverhead
		if i > 0 && *e.Timestamp < *in[i-1].Timestamp {
			return nil, nil, api.ErrInvalidParameterException("Log events in a single PutLogEvents request must be in chronological order.")
		}
	}
	if bytes > batchBytesMax {
		return nil, nil, api.ErrInvalidParameterException("Upload too large: %d bytes exceeds limit of %d", bytes, batchBytesMax)
	}
	if n := len(in); n > 0 && *in[n-1].Timestamp-*in[0].Timestamp > batchSpanMax.Milliseconds() {
		return nil, nil, api.ErrInvalidParameterException("The batch of log events in a single PutLogEvents request cannot span more than 24 hours.")
	}
	oldest, expired := now.Add(-tooOldAge).UnixMilli(), int64(0)
	if retention > 0 {
		expired = now.AddDate(0, 0, -int(retention)).UnixMilli()
	}
	newest := now.Add(tooNewAhead).UnixMilli()
	info := api.RejectedLogEventsInfo{}
	for i, e := range in {
		switch t := *e.Timestamp; {
		case t < expired:
			info.ExpiredLogEventEndIndex = new(int32(i + 1))
		case t < oldest:
			info.TooOldLogEventEndIndex = new(int32(i + 1))
		case t > newest:
			if info.TooNewLogEventStartIndex == nil {
				info.TooNewLogEventStartIndex = new(int32(i))
			}
		default:
			keep = append(keep, e)
		}
	}
	if len(keep) < len(in) {
		rejected = &info
	}
	return keep, rejected, nil
}

// filter is a parsed filter pattern: every term of all, any of some (where
// there are any), none of not.
type filter struct {
	all, some, not []string
}

// parseFilter reads the unstructured pattern syntax of CloudWatch Logs.
func parseFilter(pattern string) (filter, error) {
	var f filter
	rest := strings.TrimSpace(pattern)
	if rest == "" {
		return f, nil
	}
	if rest[0] == '{' || rest[0] == '[' || rest[0] == '%' {
		return f, api.ErrInvalidParameterException("moln does not support JSON, space-delimited and regular expression filter patterns: %s", pattern)
	}
	for rest != "" {
		into := &f.all
		switch rest[0] {
		case '?':
			into, rest = &f.some, rest[1:]
		case '-':
			into, rest = &f.not, rest[1:]
		}
		term, tail, err := cutTerm(rest)
		if err != nil {
			return f, err
		}
		if term == "" {
			return f, api.ErrInvalidParameterException("Invalid filter pattern")
		}
		*into = append(*into, term)
		rest = strings.TrimLeft(tail, " \t")
	}
	return f, nil
}

// cutTerm takes a word or a quoted phrase off the front.
func cutTerm(s string) (term, rest string, err error) {
	if !strings.HasPrefix(s, `"`) {
		i := strings.IndexAny(s, " \t")
		if i < 0 {
			return s, "", nil
		}
		return s[:i], s[i:], nil
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case s[i] == '"':
			return b.String(), s[i+1:], nil
		default:
			b.WriteByte(s[i])
		}
	}
	return "", "", api.ErrInvalidParameterException("Invalid filter pattern: missing closing quote")
}

func (f filter) empty() bool { return len(f.all)+len(f.some)+len(f.not) == 0 }

// matches is case-sensitive, as at AWS.
func (f filter) matches(message string) bool {
	for _, t := range f.all {
		if !strings.Contains(message, t) {
			return false
		}
	}
	for _, t := range f.not {
		if strings.Contains(message, t) {
			return false
		}
	}
	if len(f.some) == 0 {
		return true
	}
	for _, t := range f.some {
		if strings.Contains(message, t) {
			return true
		}
	}
	return false
}

// eventID is long, decimal and unique, in the order of the events.
func eventID(e event) string { return fmt.Sprintf("%020d%s", e.Time, e.sequence) }
