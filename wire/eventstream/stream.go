package eventstream

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"reflect"
	"time"

	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/wire"
	"moln.dev/moln/wire/scalar"
)

// Names of the headers that say what a message is.
const (
	headerMessage   = ":message-type"
	headerEvent     = ":event-type"
	headerException = ":exception-type"
	headerCode      = ":error-code"
	headerText      = ":error-message"
	headerContent   = ":content-type"
)

// Form is how a protocol writes what events hold.
type Form struct {
	// ContentType is of bodies in the protocol's own form: "application/json".
	ContentType string
	// Append writes a structure, without the members that travel elsewhere.
	Append func(dst []byte, sh *smithy.Shape, v reflect.Value) ([]byte, error)
	// Initial is the body of the message in front of all events, in which the
	// RPC protocols send the output's other members; nil: there is none.
	Initial []byte
}

// Stream is the body of an answer that consists of events. It is read by one
// goroutine, which runs what makes the events.
type Stream struct {
	svc   *smithy.Service
	union *smithy.Shape
	form  Form
	next  func() (reflect.Value, reflect.Value, bool)
	stop  func()
	frame []byte // what of it was not read yet
	room  []byte
	ended bool
	err   error
}

// New returns the stream of an output: the member of v whose shape is a stream
// of events. It is to be closed.
func New(svc *smithy.Service, output *smithy.Shape, v reflect.Value, form Form) (*Stream, error) {
	for i := range output.Members {
		m := &output.Members[i]
		sh := svc.Shape(m.Shape)
		if !sh.EventStream {
			continue
		}
		s := &Stream{svc: svc, union: sh, form: form, next: none, stop: func() {}}
		if v.IsValid() && !v.Field(int(m.Field)).IsNil() {
			s.next, s.stop = iter.Pull2(v.Field(int(m.Field)).Seq2())
		}
		return s, s.begin()
	}
	return nil, fmt.Errorf("eventstream: %s has no stream of events", output.Name)
}

func none() (event, err reflect.Value, ok bool) { return event, err, false }

// begin puts the initial message in front.
func (s *Stream) begin() error {
	if s.form.Initial == nil {
		return nil
	}
	return s.write(&Message{
		Headers: []Header{{headerMessage, "event"}, {headerEvent, "initial-response"}, {headerContent, s.form.ContentType}},
		Payload: s.form.Initial,
	})
}

func (s *Stream) write(m *Message) (err error) {
	if s.room, err = m.Append(s.room[:0]); err != nil {
		s.room = nil
	}
	s.frame = s.room
	return err
}

// Read implements io.Reader. It blocks until there is a whole event, and ends
// with io.EOF after the last one, or the one that tells of an error.
func (s *Stream) Read(p []byte) (int, error) {
	if len(s.frame) == 0 {
		if err := s.advance(); err != nil {
			return 0, err
		}
	}
	n := copy(p, s.frame)
	s.frame = s.frame[n:]
	return n, nil
}

func (s *Stream) advance() error {
	if s.ended {
		return io.EOF
	}
	event, failure, ok := s.next()
	if !ok {
		s.ended = true
		return io.EOF
	}
	if err, _ := failure.Interface().(error); err != nil {
		s.ended = true
		return s.fail(err)
	}
	if err := s.event(event.Elem()); err != nil {
		s.ended = true
		return s.fail(err)
	}
	return nil
}

// Err is what ended the stream before its time and is none of the caller's
// business; the caller was told of a failure inside.
func (s *Stream) Err() error { return s.err }

// Close stops what makes the events.
func (s *Stream) Close() error {
	s.ended, s.frame = true, nil
	s.stop()
	return nil
}

// event writes the one member that is set.
func (s *Stream) event(v reflect.Value) error {
	for i := range s.union.Members {
		m := &s.union.Members[i]
		field, ok := scalar.Source(v.Field(int(m.Field)))
		if !ok {
			continue
		}
		kind := headerEvent
		if s.svc.Shape(m.Shape).Error != nil {
			kind = headerException
		}
		return s.member(kind, m, field)
	}
	return errors.New("eventstream: an event without content")
}

func (s *Stream) member(kind string, m *smithy.Member, v reflect.Value) error {
	message := "event"
	if kind == headerException {
		message = "exception"
	}
	out := Message{Headers: []Header{{headerMessage, message}, {kind, m.WireName}}}
	sh := s.svc.Shape(m.Shape)
	var payload *smithy.Member
	for i := range sh.Members {
		part := &sh.Members[i]
		field, ok := scalar.Source(v.Field(int(part.Field)))
		switch {
		case part.Has(smithy.EventPayload):
			payload = part
		case ok && part.Has(smithy.EventHeader):
			out.Headers = append(out.Headers, Header{part.WireName, s.header(part, field)})
		}
	}
	contentType, err := s.form.ContentType, error(nil)
	if payload != nil {
		contentType, out.Payload, err = s.payload(payload, v.Field(int(payload.Field)))
	} else {
		out.Payload, err = s.form.Append(nil, sh, v)
	}
	if err != nil {
		return err
	}
	out.Headers = append(out.Headers, Header{headerContent, contentType})
	return s.write(&out)
}

// payload is a member that is the whole payload.
func (s *Stream) payload(m *smithy.Member, v reflect.Value) (contentType string, body []byte, err error) {
	sh := s.svc.Shape(m.Shape)
	field, ok := scalar.Source(v)
	switch sh.Kind {
	case smithy.KindBlob:
		if ok {
			body = field.Bytes()
		}
		return "application/octet-stream", body, nil
	case smithy.KindString:
		if ok {
			body = []byte(field.String())
		}
		return "text/plain", body, nil
	}
	if ok {
		body, err = s.form.Append(nil, sh, field)
	}
	return s.form.ContentType, body, err
}

func (s *Stream) header(m *smithy.Member, v reflect.Value) any {
	switch sh := s.svc.Shape(m.Shape); sh.Kind {
	case smithy.KindBoolean:
		return v.Bool()
	case smithy.KindInteger:
		return int32(v.Int())
	case smithy.KindLong:
		return v.Int()
	case smithy.KindBlob:
		return v.Bytes()
	case smithy.KindTimestamp:
		return v.Interface().(time.Time)
	}
	return v.String()
}

// fail writes what ends the stream: an error that the model names as one of the
// events, another fault, or a failure of ours.
func (s *Stream) fail(err error) error {
	f := fault.As(err)
	if f == nil {
		s.err = err
		f = fault.New("InternalFailure", 500, "The request processing has failed because of an unknown error, exception or failure.")
	}
	for i := range s.union.Members {
		m := &s.union.Members[i]
		sh := s.svc.Shape(m.Shape)
		if sh.Error == nil || sh.Error.Code != f.Code {
			continue
		}
		return s.exception(m, sh, f)
	}
	return s.write(&Message{Headers: []Header{
		{headerMessage, "error"}, {headerCode, f.Code}, {headerText, shorten(f.Message)},
	}})
}

// exception writes an error that is one of the events: its structure where the
// fault carries it, else its message alone.
func (s *Stream) exception(m *smithy.Member, sh *smithy.Shape, f *fault.Fault) error {
	v := wire.Struct(f.Body)
	if text := wire.MessageMember(sh); !v.IsValid() || v.Kind() != reflect.Struct || v.NumField() < len(sh.Members) {
		v = reflect.ValueOf(struct{ Message *string }{&f.Message})
		bare := smithy.Shape{Name: sh.Name, Kind: sh.Kind}
		if text != nil {
			bare.Members = []smithy.Member{*text}
			bare.Members[0].Field = 0
		}
		sh = &bare
	}
	body, err := s.form.Append(nil, sh, v)
	if err != nil {
		return err
	}
	return s.write(&Message{
		Headers: []Header{{headerMessage, "exception"}, {headerException, m.WireName}, {headerContent, s.form.ContentType}},
		Payload: body,
	})
}

// shorten keeps a text within what a header can hold.
func shorten(s string) string { return s[:min(len(s), headerValueMax)] }
