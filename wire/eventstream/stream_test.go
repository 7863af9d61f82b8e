package eventstream_test

import (
	"errors"
	"io"
	"iter"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/wire"
	"moln.dev/moln/wire/awsjson"
	"moln.dev/moln/wire/eventstream"
	"moln.dev/moln/wire/restjson"
	"moln.dev/moln/wire/restxml"
)

type output struct {
	Name   *string
	Events iter.Seq2[*event, error]
}

type event struct {
	Chunk *chunk
	Stats *statsEvent
	End   *end
	Gone  *gone
}

type chunk struct {
	Data []byte
	At   *time.Time
	Last *bool
	N    *int64
}

type statsEvent struct{ Details *stats }

type stats struct{ Bytes *int64 }

type end struct {
	Code *string
	Kind *string // a header
}

type gone struct{ Message *string }

const (
	shOutput = iota
	shEvent
	shChunk
	shStatsEvent
	shStats
	shEnd
	shGone
	shString
	shBlob
	shTime
	shBool
	shLong
)

func service(location smithy.Location) *smithy.Service {
	at := func(name string, shape smithy.ShapeID, field uint16, flags smithy.MemberFlags) smithy.Member {
		return smithy.Member{Name: name, WireName: name, Shape: shape, Field: field, Flags: flags}
	}
	events := at("Events", shEvent, 1, 0)
	events.Location = location
	name := at("Name", shString, 0, 0)
	payload := int8(-1)
	if location == smithy.InPayload {
		name.WireName, name.Location, payload = "X-Name", smithy.InHeader, 1
	}
	return &smithy.Service{Name: "x", Shapes: []smithy.Shape{
		{Name: "Output", Kind: smithy.KindStructure, Payload: payload, Members: []smithy.Member{name, events}},
		{Name: "Event", Kind: smithy.KindUnion, Payload: -1, EventStream: true, Members: []smithy.Member{
			at("Chunk", shChunk, 0, 0), at("Stats", shStatsEvent, 1, 0), at("End", shEnd, 2, 0), at("Gone", shGone, 3, 0),
		}},
		{Name: "Chunk", Kind: smithy.KindStructure, Payload: -1, Members: []smithy.Member{
			at("Data", shBlob, 0, smithy.EventPayload), at("At", shTime, 1, smithy.EventHeader), at("Last", shBool, 2, smithy.EventHeader), at("N", shLong, 3, smithy.EventHeader),
		}},
		{Name: "StatsEvent", Kind: smithy.KindStructure, Payload: -1, Members: []smithy.Member{at("Details", shStats, 0, smithy.EventPayload)}},
		{Name: "Stats", Kind: smithy.KindStructure, Payload: -1, Members: []smithy.Member{at("Bytes", shLong, 0, 0)}},
		{Name: "End", Kind: smithy.KindStructure, Payload: -1, Members: []smithy.Member{at("Code", shString, 0, 0), at("Kind", shString, 1, smithy.EventHeader)}},
		{Name: "Gone", Kind: smithy.KindStructure, Payload: -1, Error: &smithy.ErrorTrait{Code: "GoneException", Status: 400}, Members: []smithy.Member{at("Message", shString, 0, 0)}},
		{Name: "String", Kind: smithy.KindString, Payload: -1},
		{Name: "Blob", Kind: smithy.KindBlob, Payload: -1},
		{Name: "Time", Kind: smithy.KindTimestamp, Payload: -1},
		{Name: "Bool", Kind: smithy.KindBoolean, Payload: -1},
		{Name: "Long", Kind: smithy.KindLong, Payload: -1},
	}, Operations: []smithy.Operation{{Name: "Op", Status: 200, Output: shOutput, EventOut: true}}}
}

type said struct {
	Message, Name, Content, Body string
}

func heard(t *testing.T, r io.Reader) (all []said) {
	t.Helper()
	for {
		m, err := eventstream.Read(r)
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		kind := m.Text(":message-type")
		all = append(all, said{kind, m.Text(map[string]string{"event": ":event-type", "exception": ":exception-type", "error": ":error-code"}[kind]), m.Text(":content-type"), string(m.Payload) + m.Text(":error-message")})
	}
}

func several(events ...*event) iter.Seq2[*event, error] {
	return func(yield func(*event, error) bool) {
		for _, e := range events {
			if !yield(e, nil) {
				return
			}
		}
	}
}

func TestForms(t *testing.T) {
	const octets = "application/octet-stream"
	out := func() *output {
		return &output{Name: new("n"), Events: several(
			&event{Chunk: &chunk{Data: []byte("abc")}}, &event{Stats: &statsEvent{&stats{new(int64(5))}}}, &event{End: &end{Code: new("c")}},
			&event{End: &end{}}, &event{Gone: &gone{new("why")}},
		)}
	}
	for name, tc := range map[string]struct {
		codec wire.Codec
		at    smithy.Location
		want  []said
	}{
		"restJson": {restjson.Codec{}, smithy.InPayload, []said{
			{"event", "Chunk", octets, "abc"}, {"event", "Stats", "application/json", `{"Bytes":5}`},
			{"event", "End", "application/json", `{"Code":"c"}`}, {"event", "End", "application/json", `{}`}, {"exception", "Gone", "application/json", `{"Message":"why"}`},
		}},
		"awsJson": {awsjson.V11(), smithy.InBody, []said{
			{"event", "initial-response", "application/x-amz-json-1.1", `{"Name":"n"}`},
			{"event", "Chunk", octets, "abc"}, {"event", "Stats", "application/x-amz-json-1.1", `{"Bytes":5}`},
			{"event", "End", "application/x-amz-json-1.1", `{"Code":"c"}`}, {"event", "End", "application/x-amz-json-1.1", `{}`},
			{"exception", "Gone", "application/x-amz-json-1.1", `{"Message":"why"}`},
		}},
		"restXml": {restxml.Codec{}, smithy.InPayload, []said{
			{"event", "Chunk", octets, "abc"}, {"event", "Stats", "text/xml", `<Stats><Bytes>5</Bytes></Stats>`},
			{"event", "End", "text/xml", `<End><Code>c</Code></End>`}, {"event", "End", "text/xml", `<End></End>`}, {"exception", "Gone", "text/xml", `<Gone><Message>why</Message></Gone>`},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			svc, resp := service(tc.at), &wire.Response{}
			if err := tc.codec.Encode(svc, &svc.Operations[0], out(), "id", resp); err != nil {
				t.Fatal(err)
			}
			if resp.Status != 200 || resp.Header.Get("Content-Type") != eventstream.ContentType || (tc.at == smithy.InPayload && resp.Header.Get("X-Name") != "n") {
				t.Errorf("%d %v", resp.Status, resp.Header)
			}
			if diff := cmp.Diff(tc.want, heard(t, resp.Stream)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestHeadersOfEvents(t *testing.T) {
	svc, resp := service(smithy.InPayload), &wire.Response{}
	when := time.UnixMilli(1700000000000).UTC()
	out := &output{Events: several(&event{Chunk: &chunk{At: &when, Last: new(true), N: new(int64(7))}}, &event{End: &end{Kind: new("k")}})}
	if err := (restjson.Codec{}).Encode(svc, &svc.Operations[0], out, "", resp); err != nil {
		t.Fatal(err)
	}
	first, err := eventstream.Read(resp.Stream)
	if err != nil {
		t.Fatal(err)
	}
	want := []eventstream.Header{
		{Name: ":message-type", Value: "event"}, {Name: ":event-type", Value: "Chunk"}, {Name: "At", Value: when}, {Name: "Last", Value: true}, {Name: "N", Value: int64(7)},
		{Name: ":content-type", Value: "application/octet-stream"},
	}
	if diff := cmp.Diff(want, first.Headers); diff != "" {
		t.Error(diff)
	}
	if second, err := eventstream.Read(resp.Stream); err != nil || second.Text("Kind") != "k" || string(second.Payload) != "{}" {
		t.Errorf("%+v %v", second, err)
	}
}

// What ends the stream before its time is the last that the client hears.
func TestFailures(t *testing.T) {
	broken := errors.New("disk on fire")
	for name, tc := range map[string]struct {
		err  error
		want said
		ours error
	}{
		"modelled":  {fault.New("GoneException", 400, "gone"), said{"exception", "Gone", "application/json", `{"Message":"gone"}`}, nil},
		"with body": {fault.New("GoneException", 400, "x").WithBody(&gone{new("body")}), said{"exception", "Gone", "application/json", `{"Message":"body"}`}, nil},
		"other":     {fault.New("Slow", 400, "down"), said{"error", "Slow", "", "down"}, nil},
		"ours":      {broken, said{"error", "InternalFailure", "", "The request processing has failed because of an unknown error, exception or failure."}, broken},
	} {
		t.Run(name, func(t *testing.T) {
			svc, resp := service(smithy.InPayload), &wire.Response{}
			out := &output{Events: func(yield func(*event, error) bool) {
				if yield(&event{Chunk: &chunk{Data: []byte("1")}}, nil) && yield(nil, tc.err) {
					t.Error("asked for more after an error")
				}
			}}
			if err := (restjson.Codec{}).Encode(svc, &svc.Operations[0], out, "", resp); err != nil {
				t.Fatal(err)
			}
			got := heard(t, resp.Stream)
			if len(got) != 2 || got[1] != tc.want {
				t.Errorf("%+v", got)
			}
			if err := resp.Stream.(*eventstream.Stream).Err(); err != tc.ours {
				t.Errorf("Err %v", err)
			}
			if err := resp.Stream.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// Who closes the stream early stops what makes the events.
func TestClose(t *testing.T) {
	svc, resp := service(smithy.InPayload), &wire.Response{}
	stopped := false
	out := &output{Events: func(yield func(*event, error) bool) {
		defer func() { stopped = true }()
		for yield(&event{Chunk: &chunk{}}, nil) {
		}
	}}
	if err := (restjson.Codec{}).Encode(svc, &svc.Operations[0], out, "", resp); err != nil {
		t.Fatal(err)
	}
	if _, err := eventstream.Read(resp.Stream); err != nil {
		t.Fatal(err)
	}
	if err := resp.Stream.Close(); err != nil || !stopped {
		t.Errorf("%v, stopped %t", err, stopped)
	}
	if _, err := resp.Stream.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("after Close: %v", err)
	}
	// No events at all are a stream that ends at once.
	if err := (restjson.Codec{}).Encode(svc, &svc.Operations[0], &output{}, "", resp); err != nil || len(heard(t, resp.Stream)) != 0 {
		t.Error(err)
	}
}
