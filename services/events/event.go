package events

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"

	api "moln.dev/moln/api/events"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/identity"
)

// requestBytesMax is how large the entries of one request may be together.
//
// Source: PutEvents, "Calculating event entry size"; one megabyte since January
// 2026.
const requestBytesMax = 1 << 20

// eventBytesMax is how large an event may be as it is sent. It is larger than its
// entry by what surrounds it, and by how control characters are written.
const eventBytesMax = requestBytesMax + requestBytesMax/2

// timeBytes is what a time counts.
const timeBytes = 14

// timeFormat is that of an event's time.
const timeFormat = "2006-01-02T15:04:05Z"

// event is what targets are given, in AWS's order.
type event struct {
	Version    string          `json:"version"`
	ID         string          `json:"id"`
	DetailType string          `json:"detail-type"`
	Source     string          `json:"source"`
	Account    string          `json:"account"`
	Time       string          `json:"time"`
	Region     string          `json:"region"`
	Replay     string          `json:"replay-name,omitempty"`
	Resources  []string        `json:"resources"`
	Detail     json.RawMessage `json:"detail"`
}

// encode writes an event as it is sent.
func (e *event) encode() (json.RawMessage, error) {
	if e.Resources == nil {
		e.Resources = []string{}
	}
	return plain(e)
}

// plain is JSON without escapes for HTML.
func plain(v any) (json.RawMessage, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// sizeOf is what an entry counts.
func sizeOf(e *api.PutEventsRequestEntry) int {
	n := len(smithy.Val(e.Source)) + len(smithy.Val(e.DetailType)) + len(smithy.Val(e.Detail))
	if e.Time != nil {
		n += timeBytes
	}
	for _, r := range e.Resources {
		n += len(r)
	}
	return n
}

// refusal is why an entry is not taken.
type refusal struct{ code, message string }

func required(name string) *refusal {
	return &refusal{"InvalidArgument", "Parameter " + name + " is not valid. Reason: " + name + " is a required argument."}
}

// refuse says what is wrong with an entry, nil for nothing.
func refuse(who identity.Principal, e *api.PutEventsRequestEntry) *refusal {
	switch {
	case smithy.Val(e.Source) == "":
		return required("Source")
	case smithy.Val(e.DetailType) == "":
		return required("DetailType")
	case smithy.Val(e.Detail) == "":
		return required("Detail")
	case !mayPut(who, *e.Source):
		return &refusal{"NotAuthorizedForSourceException", "Not authorized for the source."}
	case !isObject(*e.Detail):
		return &refusal{"MalformedDetail", "Detail is malformed."}
	}
	return nil
}

func isObject(text string) bool {
	return strings.HasPrefix(strings.TrimLeft(text, " \t\r\n"), "{") && json.Valid([]byte(text))
}

const (
	// reservedSource begins the sources of AWS's own services.
	reservedSource = "aws."
	serviceSuffix  = ".amazonaws.com"
)

// mayPut says whether somebody may put events of a source (E2): s3.amazonaws.com
// those of aws.s3, and only services any that begin with "aws.".
func mayPut(who identity.Principal, source string) bool {
	if !strings.HasPrefix(source, reservedSource) {
		return true
	}
	name, ok := strings.CutSuffix(who.Service, serviceSuffix)
	return ok && who.Kind == policy.Service && source == reservedSource+name
}

// eventOf makes the event of an entry that was not refused.
func eventOf(p place, id string, now time.Time, e *api.PutEventsRequestEntry) event {
	at := now
	if e.Time != nil {
		at = *e.Time
	}
	return event{
		Version: "0", ID: id, DetailType: *e.DetailType, Source: *e.Source, Account: p.account, Time: at.UTC().Format(timeFormat),
		Region: p.region, Resources: e.Resources, Detail: json.RawMessage(*e.Detail),
	}
}
