// Package restjson speaks restJson1: operations have a method and a URI, members
// travel in labels, query, headers and a JSON body.
package restjson

import (
	"reflect"

	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/wire"
	"moln.dev/moln/wire/bind"
	"moln.dev/moln/wire/eventstream"
	"moln.dev/moln/wire/jsonval"
	"moln.dev/moln/wire/scalar"
)

// Codec speaks the protocol.
type Codec struct{}

var _ wire.Codec = Codec{}

const (
	encodeCap   = 512
	contentType = "application/json"
)

// Decode reads labels, query, headers and body into in.
func (Codec) Decode(svc *smithy.Service, op *smithy.Operation, req *wire.Request, in any) error {
	v := reflect.ValueOf(in).Elem()
	sh := svc.Shape(op.Input)
	err := bind.Decode(svc, sh, req, v)
	if err == nil {
		err = decodeBody(svc, sh, req, v)
	}
	if err != nil {
		return fault.New("SerializationException", 400, "%s", err.Error())
	}
	return nil
}

func decodeBody(svc *smithy.Service, sh *smithy.Shape, req *wire.Request, v reflect.Value) error {
	m := bind.PayloadMember(sh)
	switch {
	case m == nil && !bind.HasBody(sh):
		return nil // what the model does not know, the servers do not read
	case m == nil:
		return jsonval.Decode(svc, sh, req.Body, v, true)
	case bind.DecodeRaw(svc, m, req, v.Field(int(m.Field))):
		return nil
	}
	return jsonval.DecodeMember(svc, m, req.Body, v.Field(int(m.Field)))
}

// Encode writes status, headers and body.
func (Codec) Encode(svc *smithy.Service, op *smithy.Operation, out any, requestID string, resp *wire.Response) error {
	if resp.Status == 0 {
		resp.Status = op.Status
	}
	if resp.Status == 0 {
		resp.Status = 200
	}
	if requestID != "" {
		resp.SetHeader("X-Amzn-Requestid", requestID)
	}
	sh := svc.Shape(op.Output)
	v := wire.Struct(out)
	if v.IsValid() {
		bind.Encode(svc, sh, v, resp)
	}
	if op.EventOut {
		return encodeEvents(svc, sh, v, resp)
	}
	return encodeBody(svc, sh, v, resp)
}

func encodeEvents(svc *smithy.Service, sh *smithy.Shape, v reflect.Value, resp *wire.Response) error {
	events, err := eventstream.New(svc, sh, v, eventstream.Form{
		ContentType: contentType,
		Append: func(dst []byte, sh *smithy.Shape, v reflect.Value) ([]byte, error) {
			return jsonval.Append(dst, svc, sh, v, true)
		},
	})
	if err != nil {
		return err
	}
	resp.SetHeader("Content-Type", eventstream.ContentType)
	resp.Stream = events
	return nil
}

func encodeBody(svc *smithy.Service, sh *smithy.Shape, v reflect.Value, resp *wire.Response) error {
	m := bind.PayloadMember(sh)
	if m == nil {
		// API Gateway's deletions say 202 and nothing else.
		if wire.NoBody(resp.Status) || (resp.Status == 202 && len(sh.Members) == 0) {
			return nil
		}
		body, err := jsonval.Append(make([]byte, 0, encodeCap), svc, sh, v, true)
		if err != nil {
			return err
		}
		resp.SetHeader("Content-Type", contentType)
		resp.Body = body
		return nil
	}
	if !v.IsValid() || bind.EncodeRaw(svc, m, v, resp) {
		return nil
	}
	field, ok := scalar.Source(v.Field(int(m.Field)))
	if !ok {
		return nil
	}
	body, err := jsonval.AppendMember(make([]byte, 0, encodeCap), svc, m, field)
	if err != nil {
		return err
	}
	resp.SetHeader("Content-Type", contentType)
	resp.Body = body
	return nil
}

// EncodeFault names the fault in a header and writes its members as the model
// spells them.
func (Codec) EncodeFault(svc *smithy.Service, op *smithy.Operation, f *fault.Fault, requestID string, resp *wire.Response) error {
	sh, v, err := wire.FaultBody(svc, op, f)
	if err != nil {
		return err
	}
	if v.IsValid() {
		bind.Encode(svc, sh, v, resp)
	}
	resp.Status = f.Status
	body, err := faultBody(svc, sh, v, f)
	if err != nil {
		return err
	}
	resp.Body = body
	resp.SetHeader("Content-Type", contentType)
	resp.SetHeader("X-Amzn-Errortype", f.Code)
	if requestID != "" {
		resp.SetHeader("X-Amzn-Requestid", requestID)
	}
	resp.AddHeaders(f.Header)
	return nil
}

func faultBody(svc *smithy.Service, sh *smithy.Shape, v reflect.Value, f *fault.Fault) ([]byte, error) {
	dst := append(make([]byte, 0, encodeCap), '{')
	m := wire.MessageMember(sh)
	hasMessage, hasType := false, false
	side := sideMember(svc, sh)
	if v.IsValid() {
		members, err := jsonval.Append(nil, svc, sh, v, true)
		if err != nil {
			return nil, err
		}
		dst = append(dst, members[1:len(members)-1]...)
		hasMessage = m != nil && !v.Field(int(m.Field)).IsZero()
		hasType = side != nil && !v.Field(int(side.Field)).IsZero()
	}
	if side != nil && !hasType {
		word := "User"
		if !f.Sender {
			word = "Service"
		}
		dst = appendMember(dst, side.WireName, word)
	}
	if !hasMessage && (f.Message != "" || m != nil || sh == nil) {
		dst = appendMember(dst, messageKey(svc, m), f.Message)
	}
	return append(dst, '}'), nil
}

func appendMember(dst []byte, key, value string) []byte {
	if len(dst) > 1 {
		dst = append(dst, ',')
	}
	dst = jsonval.AppendString(dst, key)
	dst = append(dst, ':')
	return jsonval.AppendString(dst, value)
}

// sideMember returns the member by which Lambda's errors say whose fault they
// are, or nil.
func sideMember(svc *smithy.Service, sh *smithy.Shape) *smithy.Member {
	if sh == nil || svc.SigningName != "lambda" {
		return nil
	}
	for i := range sh.Members {
		if m := &sh.Members[i]; m.Name == "Type" && svc.Shape(m.Shape).Kind == smithy.KindString {
			return m
		}
	}
	return nil
}

// messageKey is the name of the message: the error's own, or for the errors that
// all services share the one that Lambda or the others use.
func messageKey(svc *smithy.Service, m *smithy.Member) string {
	switch {
	case m != nil:
		return m.WireName
	case svc.SigningName == "lambda":
		return "Message"
	}
	return "message"
}
