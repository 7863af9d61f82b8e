package streams

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	api "moln.dev/moln/api/dynamodbstreams"
)

// iteratorLife is how long an iterator can be used, AWS says.
const iteratorLife = 15 * time.Minute

// iterator is a place in a shard. It is not secret: what it leads to is judged by
// the stream's ARN in it.
type iterator struct {
	Stream string `json:"-"` // ARN
	Lane   int    `json:"l"`
	// Segment names the shard; Next is the number to go on at.
	Segment uint64 `json:"s"`
	Next    uint64 `json:"n"`
	// Oldest begins at what has not been trimmed, wherever that is.
	Oldest bool  `json:"o,omitempty"`
	Issued int64 `json:"t"` // Unix milliseconds
}

// iteratorMark stands between the ARN and the rest.
const iteratorMark = "|1|"

func (it iterator) String() string {
	raw, err := json.Marshal(it)
	if err != nil {
		panic("streams: an iterator has no values that JSON lacks")
	}
	return it.Stream + iteratorMark + base64.RawURLEncoding.EncodeToString(raw)
}

func invalidIterator() error { return invalid("Invalid ShardIterator") }

func readIterator(text string) (it iterator, err error) {
	arn, rest, ok := strings.Cut(text, iteratorMark)
	if !ok {
		return it, invalidIterator()
	}
	raw, err := base64.RawURLEncoding.DecodeString(rest)
	if err != nil || json.Unmarshal(raw, &it) != nil || it.Lane < 0 {
		return it, invalidIterator()
	}
	it.Stream = arn
	return it, nil
}

func (it iterator) check(now time.Time) error {
	issued := time.UnixMilli(it.Issued)
	if now.Sub(issued) > iteratorLife {
		return api.ErrExpiredIteratorException("Iterator expired. The iterator was created at time %s while right now it is %s which is further in the future than the tolerated delay of %d milliseconds.",
			issued.UTC().Format(time.UnixDate), now.UTC().Format(time.UnixDate), iteratorLife.Milliseconds())
	}
	return nil
}
