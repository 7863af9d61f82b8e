package awsquery

import (
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/wire"
	"moln.dev/moln/wire/xmlval"
)

const (
	encodeCap   = 512
	contentType = "text/xml"
)

// Encode writes <OpResponse><OpResult>...</OpResult><ResponseMetadata>.
func (Codec) Encode(svc *smithy.Service, op *smithy.Operation, out any, requestID string, resp *wire.Response) error {
	e := xmlval.Encoder{Service: svc, QueryNames: true}
	name := op.Name + "Response"
	body := appendStart(make([]byte, 0, encodeCap), name, svc.XMLNamespace)
	v := wire.Struct(out)
	var err error
	if op.ResultWrapper != "" {
		body = appendStart(body, op.ResultWrapper, "")
	}
	if v.IsValid() {
		if body, err = e.Append(body, svc.Shape(op.Output), v, false); err != nil {
			return err
		}
	}
	if op.ResultWrapper != "" {
		body = xmlval.Close(body, op.ResultWrapper)
	}
	body = append(body, "<ResponseMetadata>"...)
	body = xmlval.AppendTag(body, "RequestId", requestID)
	body = xmlval.Close(body, "ResponseMetadata")
	if resp.Status == 0 {
		resp.Status = 200
	}
	finish(resp, requestID, xmlval.Close(body, name))
	return nil
}

func finish(resp *wire.Response, requestID string, body []byte) {
	resp.SetHeader("Content-Type", contentType)
	if requestID != "" {
		resp.SetHeader("X-Amzn-Requestid", requestID)
	}
	resp.Body = body
}

func appendStart(dst []byte, name, ns string) []byte {
	dst = append(append(dst, '<'), name...)
	if ns != "" {
		dst = append(xmlval.AppendText(append(dst, ` xmlns="`...), ns), '"')
	}
	return append(dst, '>')
}

// EncodeFault writes <ErrorResponse><Error>...</Error><RequestId>.
func (Codec) EncodeFault(svc *smithy.Service, op *smithy.Operation, f *fault.Fault, requestID string, resp *wire.Response) error {
	sh, v, err := wire.FaultBody(svc, op, f)
	if err != nil {
		return err
	}
	side := "Receiver"
	if f.Sender {
		side = "Sender"
	}
	body := appendStart(make([]byte, 0, encodeCap), "ErrorResponse", svc.XMLNamespace)
	body = append(body, "<Error>"...)
	body = xmlval.AppendTag(body, "Type", side)
	body = xmlval.AppendTag(body, "Code", code(sh, f))
	m := wire.MessageMember(sh)
	bare := sh != nil && m == nil && f.Message == "" // an error without a message
	if !bare && (!v.IsValid() || m == nil || v.Field(int(m.Field)).IsZero()) {
		body = xmlval.AppendTag(body, "Message", f.Message)
	}
	if v.IsValid() {
		e := xmlval.Encoder{Service: svc, QueryNames: true}
		if body, err = e.Append(body, sh, v, false); err != nil {
			return err
		}
	}
	body = xmlval.Close(body, "Error")
	body = xmlval.AppendTag(body, "RequestId", requestID)
	finish(resp, requestID, xmlval.Close(body, "ErrorResponse"))
	resp.Status = f.Status
	resp.AddHeaders(f.Header)
	return nil
}

// code is the fault's code as this protocol's clients know it, which for
// services that moved to JSON is an older one.
func code(sh *smithy.Shape, f *fault.Fault) string {
	switch {
	case f.Query != "":
		return f.Query
	case sh != nil && sh.Error != nil && sh.Error.Query != "":
		return sh.Error.Query
	case sh != nil && sh.Error != nil && sh.Error.Code != "":
		return sh.Error.Code
	}
	return f.Code
}
