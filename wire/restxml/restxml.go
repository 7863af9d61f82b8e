// Package restxml speaks restXml, which is S3's protocol: operations have a
// method and a URI, members travel in labels, query, headers and an XML body.
package restxml

import (
	"errors"
	"maps"
	"reflect"
	"slices"

	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/wire"
	"moln.dev/moln/wire/bind"
	"moln.dev/moln/wire/eventstream"
	"moln.dev/moln/wire/scalar"
	"moln.dev/moln/wire/xmlval"
)

// Codec speaks the protocol.
type Codec struct{}

var _ wire.Codec = Codec{}

const (
	encodeCap   = 512
	contentType = "application/xml"
	eventType   = "text/xml" // of events' payloads
)

// malformedXML is S3's word for every body that it can not make sense of.
func malformedXML() *fault.Fault {
	return fault.New("MalformedXML", 400, "The XML you provided was not well-formed or did not validate against our published schema")
}

// invalidArgument is S3's answer to a header or parameter of the wrong form.
func invalidArgument(req *wire.Request, err error) *fault.Fault {
	var e *bind.Error
	if errors.As(err, &e) && (e.Kind == smithy.KindInteger || e.Kind == smithy.KindLong) {
		return fault.New("InvalidArgument", 400, "Provided %s not an integer or within integer range", e.Name)
	}
	if e != nil && e.Name == retainUntil {
		return fault.New("InvalidArgument", 400, "The retain until date must be provided in ISO 8601 format").
			WithBody(map[string]string{"ArgumentName": e.Name, "ArgumentValue": req.HTTP.Header.Get(e.Name)})
	}
	return fault.New("InvalidArgument", 400, "%s", err.Error())
}

// retainUntil is the one header with a date in ISO 8601.
const retainUntil = "x-amz-object-lock-retain-until-date"

// missingBody is S3's answer to a document that is not there. It may be left out
// where headers can say the same.
func missingBody(svc *smithy.Service, op *smithy.Operation) error {
	if !isS3(svc) || op.Method != "PUT" {
		return nil
	}
	switch op.Name {
	case "CreateBucket", "PutBucketAcl", "PutObjectAcl", "PutObjectRetention", "PutObjectLegalHold":
		return nil
	}
	return fault.New("MissingRequestBodyError", 400, "Request Body is empty")
}

// Decode reads labels, query, headers and body into in.
func (Codec) Decode(svc *smithy.Service, op *smithy.Operation, req *wire.Request, in any) error {
	v := reflect.ValueOf(in).Elem()
	sh := svc.Shape(op.Input)
	if err := bind.Decode(svc, sh, req, v); err != nil {
		return invalidArgument(req, err)
	}
	m := bind.PayloadMember(sh)
	if m == nil && !bind.HasBody(sh) {
		return nil
	}
	if m != nil && bind.DecodeRaw(svc, m, req, v.Field(int(m.Field))) {
		return nil
	}
	root, err := xmlval.Parse(req.Body)
	if err != nil {
		return malformedXML()
	}
	if root == nil && m != nil {
		return missingBody(svc, op)
	}
	if root == nil {
		return nil
	}
	if m != nil {
		err = xmlval.DecodeMember(svc, m, root, v.Field(int(m.Field)))
	} else {
		err = xmlval.Decode(svc, sh, root, v, true)
	}
	if err != nil {
		return malformedXML()
	}
	return nil
}

// Encode writes status, headers and body.
func (Codec) Encode(svc *smithy.Service, op *smithy.Operation, out any, requestID string, resp *wire.Response) error {
	if resp.Status == 0 {
		resp.Status = op.Status
	}
	if resp.Status == 0 {
		resp.Status = 200
	}
	setRequestID(svc, requestID, resp)
	e := xmlval.Encoder{Service: svc, Millis: isS3(svc)}
	if mixed, ok := out.(wire.Mixed); ok {
		out, e.Order = mixed.Out, mixed.Order
	}
	v := wire.Struct(out)
	if !v.IsValid() {
		return nil
	}
	sh := svc.Shape(op.Output)
	bind.Encode(svc, sh, v, resp)
	if op.EventOut {
		return encodeEvents(&e, sh, v, resp)
	}
	m := bind.PayloadMember(sh)
	if m != nil {
		return encodePayload(&e, m, v, resp)
	}
	if !bind.HasBody(sh) || wire.NoBody(resp.Status) {
		return nil
	}
	root := rootOf(svc, op, sh)
	body := append(make([]byte, 0, encodeCap), xmlval.Declaration...)
	var err error
	if root.unwrapped {
		body, err = appendUnwrapped(body, svc, root.name, sh, v)
	} else {
		body, err = e.AppendElement(body, root.name, svc.XMLNamespace, sh, v, true)
	}
	if err != nil {
		return err
	}
	resp.SetHeader("Content-Type", contentType)
	resp.Body = body
	return nil
}

// appendUnwrapped writes an output whose one member is the text of the root.
func appendUnwrapped(dst []byte, svc *smithy.Service, name string, sh *smithy.Shape, v reflect.Value) ([]byte, error) {
	dst = append(append(append(dst, '<'), name...), ` xmlns="`...)
	dst = append(xmlval.AppendText(dst, svc.XMLNamespace), `">`...)
	for i := range sh.Members {
		if field, ok := scalar.Source(v.Field(int(sh.Members[i].Field))); ok && field.Kind() == reflect.String {
			dst = xmlval.AppendText(dst, field.String())
		}
	}
	return xmlval.Close(dst, name), nil
}

func encodeEvents(e *xmlval.Encoder, sh *smithy.Shape, v reflect.Value, resp *wire.Response) error {
	events, err := eventstream.New(e.Service, sh, v, eventstream.Form{
		ContentType: eventType,
		Append: func(dst []byte, sh *smithy.Shape, v reflect.Value) ([]byte, error) {
			if len(sh.Members) == 0 || !v.IsValid() {
				return dst, nil // ContinuationEvent and EndEvent are nothing but their names
			}
			return e.AppendElement(dst, sh.Name, "", sh, v, true)
		},
	})
	if err != nil {
		return err
	}
	resp.SetHeader("Content-Type", eventstream.ContentType)
	resp.Stream = events
	return nil
}

func encodePayload(e *xmlval.Encoder, m *smithy.Member, v reflect.Value, resp *wire.Response) error {
	if bind.EncodeRaw(e.Service, m, v, resp) {
		return nil
	}
	field, ok := scalar.Source(v.Field(int(m.Field)))
	if !ok {
		return nil
	}
	sh := e.Service.Shape(m.Shape)
	name := sh.Name
	switch {
	case m.WireName != m.Name:
		name = m.WireName
	case sh.XMLName != "":
		name = sh.XMLName
	case isS3(e.Service):
		name = m.WireName
	}
	ns := m.XMLNS
	if ns == "" {
		ns = e.Service.XMLNamespace
	}
	body, err := e.AppendElement(append(make([]byte, 0, encodeCap), xmlval.Declaration...), name, ns, sh, field, false)
	if err != nil {
		return err
	}
	resp.SetHeader("Content-Type", contentType)
	resp.Body = body
	return nil
}

// setRequestID names the request in S3's headers, or in those of the others.
func setRequestID(svc *smithy.Service, requestID string, resp *wire.Response) {
	switch {
	case requestID == "":
	case isS3(svc):
		resp.SetHeader("X-Amz-Request-Id", requestID)
		if resp.Header.Get(hostIDHeader) == "" {
			resp.SetHeader(hostIDHeader, requestID)
		}
	default:
		resp.SetHeader("X-Amzn-Requestid", requestID)
	}
}

const hostIDHeader = "X-Amz-Id-2"

func isS3(svc *smithy.Service) bool {
	return svc.EndpointPrefix == "s3" || svc.SigningName == "s3" && svc.EndpointPrefix != "s3-control"
}

// EncodeFault writes S3's <Error>, or the <ErrorResponse> of the other services.
// A body of type map[string]string stands for S3's many elements that the model
// does not know: Resource, Key, BucketName, Condition.
// A fault with status 304, and any answer to HEAD, has no body.
func (Codec) EncodeFault(svc *smithy.Service, op *smithy.Operation, f *fault.Fault, requestID string, resp *wire.Response) error {
	details, loose := f.Body.(map[string]string)
	if loose {
		bare := *f
		bare.Body = nil
		f = &bare
	}
	sh, v, err := wire.FaultBody(svc, op, f)
	if err != nil {
		return err
	}
	if v.IsValid() {
		bind.Encode(svc, sh, v, resp)
	}
	resp.Status = f.Status
	setRequestID(svc, requestID, resp)
	resp.AddHeaders(f.Header)
	if wire.NoBody(f.Status) || (op != nil && op.Method == "HEAD") {
		return nil
	}
	body := append(make([]byte, 0, encodeCap), xmlval.Declaration...)
	e := xmlval.Encoder{Service: svc, Millis: isS3(svc)}
	if isS3(svc) {
		body, err = appendError(body, &e, sh, v, f, "")
		if err == nil {
			for _, name := range slices.Sorted(maps.Keys(details)) {
				body = xmlval.AppendTag(body, name, details[name])
			}
			body = xmlval.AppendTag(body, "RequestId", requestID)
			body = xmlval.AppendTag(body, "HostId", resp.Header.Get(hostIDHeader))
			body = xmlval.Close(body, "Error")
		}
	} else {
		body = appendStart(body, "ErrorResponse", svc.XMLNamespace)
		body, err = appendError(body, &e, sh, v, f, side(f))
		if err == nil {
			body = xmlval.Close(body, "Error")
			body = xmlval.AppendTag(body, "RequestId", requestID)
			body = xmlval.Close(body, "ErrorResponse")
		}
	}
	if err != nil {
		return err
	}
	resp.SetHeader("Content-Type", contentType)
	resp.Body = body
	return nil
}

func side(f *fault.Fault) string {
	if f.Sender {
		return "Sender"
	}
	return "Receiver"
}

func appendStart(dst []byte, name, ns string) []byte {
	dst = append(append(dst, '<'), name...)
	if ns != "" {
		dst = append(append(xmlval.AppendText(append(dst, ` xmlns="`...), ns), '"'), '>')
		return dst
	}
	return append(dst, '>')
}

// appendError opens <Error> and writes all but what ends it.
func appendError(dst []byte, e *xmlval.Encoder, sh *smithy.Shape, v reflect.Value, f *fault.Fault, side string) ([]byte, error) {
	dst = append(dst, "<Error>"...)
	if side != "" {
		dst = xmlval.AppendTag(dst, "Type", side)
	}
	dst = xmlval.AppendTag(dst, "Code", f.Code)
	m := wire.MessageMember(sh)
	bare := sh != nil && m == nil && f.Message == "" // an error without a message
	if !bare && (!v.IsValid() || m == nil || v.Field(int(m.Field)).IsZero()) {
		dst = xmlval.AppendTag(dst, "Message", f.Message)
	}
	if !v.IsValid() {
		return dst, nil
	}
	return e.Append(dst, sh, v, true)
}
