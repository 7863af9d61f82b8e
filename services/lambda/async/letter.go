package async

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"moln.dev/moln/aws/fault"
	"moln.dev/moln/services/lambda/target"
)

// errorBytesMax is how much of an error's message goes with a dead letter.
//
// Source: "Adding a dead-letter queue".
const errorBytesMax = 1024

// letter is an event that was given up, as the function's dead-letter queue or
// topic gets it: the event as it is, with attributes.
type letter struct {
	RequestID string `json:"requestID"`
	Code      int    `json:"code"`
	Message   string `json:"message"`
	Payload   []byte `json:"payload"`
}

// letterOf is the dead letter of an event.
func letterOf(e Event, v verdict) *letter {
	l := &letter{RequestID: e.RequestID, Code: v.code, Message: v.why, Payload: e.Payload}
	if v.result != nil {
		var said struct {
			Message *string `json:"errorMessage"`
		}
		l.Code, l.Message = http.StatusOK, string(v.result.Payload)
		if json.Unmarshal(v.result.Payload, &said) == nil && said.Message != nil {
			l.Message = *said.Message
		}
	}
	if len(l.Message) > errorBytesMax {
		l.Message = strings.ToValidUTF8(l.Message[:errorBytesMax], "")
	}
	return l
}

// attributes are those of the letter; an empty one would be refused.
func (l *letter) attributes() []target.Attribute {
	out := []target.Attribute{{Name: "RequestID", Type: "String", Value: l.RequestID}, {Name: "ErrorCode", Type: "Number", Value: strconv.Itoa(l.Code)}}
	if l.Message != "" {
		out = append(out, target.Attribute{Name: "ErrorMessage", Type: "String", Value: l.Message})
	}
	return out
}

// codeOf is the HTTP status that an invocation was refused with.
func codeOf(err error) int {
	if f := fault.As(err); f != nil {
		return f.Status
	}
	return http.StatusTooManyRequests // the reserved concurrency is zero
}

// deadLetters is where the dead letters of an event's function go by now, "" for
// nowhere.
func (q *Queue) deadLetters(ctx context.Context, e Event) (string, error) {
	_, v, err := q.engine.Target(ctx, e.ref())
	if fault.As(err) != nil {
		return "", nil // the function is gone
	}
	if err != nil {
		return "", err
	}
	return v.DeadLetters, nil
}
