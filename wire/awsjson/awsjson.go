// Package awsjson speaks AWS JSON 1.0 and 1.1: every operation is a POST to /
// whose X-Amz-Target names it and whose body is a JSON object.
package awsjson

import (
	"reflect"
	"strings"

	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/wire"
	"moln.dev/moln/wire/eventstream"
	"moln.dev/moln/wire/jsonval"
)

// Codec speaks one version of the protocol.
type Codec struct {
	version string
}

// V10 returns the codec of version 1.0.
func V10() Codec { return Codec{version: "1.0"} }

// V11 returns the codec of version 1.1.
func V11() Codec { return Codec{version: "1.1"} }

var _ wire.Codec = Codec{}

// encodeCap is the capacity that an answer starts with: most fit.
const encodeCap = 512

// Decode reads the body into in.
func (c Codec) Decode(svc *smithy.Service, op *smithy.Operation, req *wire.Request, in any) error {
	v := reflect.ValueOf(in).Elem()
	if err := jsonval.Decode(svc, svc.Shape(op.Input), req.Body, v, false); err != nil {
		return fault.New("SerializationException", 400, "%s", err.Error())
	}
	return nil
}

// Encode writes out as the body of a 200.
func (c Codec) Encode(svc *smithy.Service, op *smithy.Operation, out any, requestID string, resp *wire.Response) error {
	if op.EventOut {
		return c.encodeEvents(svc, svc.Shape(op.Output), wire.Struct(out), requestID, resp)
	}
	room := resp.Scratch[:0]
	if cap(room) < encodeCap {
		room = make([]byte, 0, encodeCap)
	}
	direct, _ := out.(wire.Direct)
	if direct != nil {
		out = direct.Rest()
	}
	body, err := jsonval.Append(room, svc, svc.Shape(op.Output), wire.Struct(out), false)
	if err != nil {
		return err
	}
	if direct != nil {
		body = addMembers(body, direct)
	}
	resp.Scratch = body
	c.finish(resp, requestID, body)
	if resp.Status == 0 {
		resp.Status = 200
	}
	return nil
}

// addMembers puts what direct writes itself into an object.
func addMembers(object []byte, direct wire.Direct) []byte {
	end := len(object) - len("}")
	all := direct.AppendMembers(object[:end])
	if end == len("{") && len(all) > end { // the first member has no comma
		all = append(all[:end], all[end+1:]...)
	}
	return append(all, '}')
}

// encodeEvents answers a stream of events, with the output's other members in a
// message in front.
func (c Codec) encodeEvents(svc *smithy.Service, sh *smithy.Shape, v reflect.Value, requestID string, resp *wire.Response) error {
	initial, err := jsonval.Append(nil, svc, sh, v, true)
	if err != nil {
		return err
	}
	events, err := eventstream.New(svc, sh, v, eventstream.Form{
		ContentType: "application/x-amz-json-" + c.version, Initial: initial,
		Append: func(dst []byte, sh *smithy.Shape, v reflect.Value) ([]byte, error) {
			return jsonval.Append(dst, svc, sh, v, true)
		},
	})
	if err != nil {
		return err
	}
	c.finish(resp, requestID, nil)
	resp.SetHeader("Content-Type", eventstream.ContentType)
	resp.Status, resp.Stream = 200, events
	return nil
}

func (c Codec) finish(resp *wire.Response, requestID string, body []byte) {
	resp.SetHeader("Content-Type", "application/x-amz-json-"+c.version)
	if requestID != "" {
		resp.SetHeader("X-Amzn-Requestid", requestID)
	}
	resp.Body = body
}

// EncodeFault writes {"__type": ..., "message": ...} and the members of the
// fault's body.
func (c Codec) EncodeFault(svc *smithy.Service, op *smithy.Operation, f *fault.Fault, requestID string, resp *wire.Response) error {
	sh, v, err := wire.FaultBody(svc, op, f)
	if err != nil {
		return err
	}
	typ := f.Code
	if sh != nil && svc.QueryCompat {
		// Clients of what used to be a query service look the error up by its
		// shape; the old code travels in the header below.
		typ = sh.Name
	}
	body := append(make([]byte, 0, encodeCap), `{"__type":`...)
	body = jsonval.AppendString(body, c.namespace(svc, op, sh, f.Code)+typ)
	body, err = appendFaultMembers(body, svc, sh, v, f)
	if err != nil {
		return err
	}
	c.finish(resp, requestID, append(body, '}'))
	resp.Status = f.Status
	if svc.QueryCompat {
		resp.SetHeader("X-Amzn-Query-Error", queryError(sh, f))
	}
	if sendsErrorType(svc) {
		resp.SetHeader("X-Amzn-Errortype", f.Code+":")
		resp.SetHeader("X-Amzn-Errormessage", headerText(f.Message))
	}
	resp.AddHeaders(f.Header)
	return nil
}

// appendFaultMembers writes the message and what else the fault carries, each
// with a comma before it.
func appendFaultMembers(dst []byte, svc *smithy.Service, sh *smithy.Shape, v reflect.Value, f *fault.Fault) ([]byte, error) {
	key := "message"
	m := wire.MessageMember(sh)
	if m != nil {
		key = m.WireName
	}
	written := false
	if v.IsValid() {
		members, err := jsonval.Append(nil, svc, sh, v, false)
		if err != nil {
			return nil, err
		}
		if inner := members[1 : len(members)-1]; len(inner) > 0 {
			dst = append(append(dst, ','), inner...)
		}
		written = m != nil && !v.Field(int(m.Field)).IsZero()
	}
	if written || (f.Message == "" && sh != nil && m == nil) {
		return dst, nil
	}
	dst = append(dst, ',')
	dst = jsonval.AppendString(dst, key)
	dst = append(dst, ':')
	return jsonval.AppendString(dst, f.Message), nil
}

// queryError is the code and side of a fault as clients of the query protocol
// know it.
func queryError(sh *smithy.Shape, f *fault.Fault) string {
	code := f.Code
	if sh != nil && sh.Error != nil {
		if sh.Error.Query != "" {
			code = sh.Error.Query
		} else if sh.Error.Code != "" {
			code = sh.Error.Code
		}
	}
	if f.Query != "" {
		code = f.Query
	}
	if f.Sender {
		return code + ";Sender"
	}
	return code + ";Receiver"
}

const (
	coralService  = "com.amazon.coral.service#"
	coralValidate = "com.amazon.coral.validate#"
)

// namespace is what stands before an error's name in __type. Version 1.1
// services send the bare name.
func (c Codec) namespace(svc *smithy.Service, op *smithy.Operation, sh *smithy.Shape, code string) string {
	if c.version != "1.0" {
		return ""
	}
	switch {
	case sh != nil:
		return modelNamespace(svc)
	case code == "ValidationException":
		return coralValidate
	}
	return coralService
}

// modelNamespace is the Java package of the service's model, which the servers
// of version 1.0 show. DynamoDB's is known; the others follow its form, without
// the version.
func modelNamespace(svc *smithy.Service) string {
	if svc.SigningName == "dynamodb" {
		return "com.amazonaws.dynamodb.v" + strings.ReplaceAll(svc.Version, "-", "") + "#"
	}
	name := svc.SigningName
	if name == "" {
		name = strings.ToLower(svc.Name)
	}
	return "com.amazonaws." + name + "#"
}

// sendsErrorType reports whether the service repeats its errors in headers, as
// Cognito does for browsers.
func sendsErrorType(svc *smithy.Service) bool {
	return svc.SigningName == "cognito-idp" || svc.SigningName == "cognito-identity"
}

// headerText makes a message fit for a header.
func headerText(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return ' '
		}
		return r
	}, s)
}
