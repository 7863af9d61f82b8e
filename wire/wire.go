// Package wire is the contract of AWS's wire protocols as a server speaks them:
// an HTTP request becomes an operation's input, an output or a fault becomes an
// HTTP response.
//
// The codecs live in the sub-packages and walk the schema tables of aws/smithy
// and plain Go structs side by side. They do no I/O, know no service, and do not
// judge values beyond their form: required members, lengths and patterns are the
// business of the constraint check in aws/smithy. Nor do they choose the
// operation; wire/route and the gateway do.
package wire

import (
	"io"
	"net/http"
	"net/url"

	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
)

const (
	// MaxBodyBytes is the largest request body that a gateway buffers for a
	// codec. DynamoDB's and Lambda's largest documents are 16 MB and 6 MB; a
	// CreateFunction with an inline archive is the largest of all.
	MaxBodyBytes = 96 << 20
	// MaxDepth bounds the nesting of documents, in and out. DynamoDB's 32 levels
	// of attribute values take two levels of JSON each.
	MaxDepth = 256
	// MaxElements bounds the elements of all lists of a document together: they
	// take many times the room of their text. 25 of DynamoDB's largest items,
	// all sets of numbers, have fewer.
	MaxElements = 1 << 22
)

// Request is what a codec reads.
type Request struct {
	HTTP   *http.Request
	Labels map[string]string // of the URI, percent-decoded (the REST protocols)
	Query  url.Values
	Body   []byte    // at most MaxBodyBytes; empty for StreamIn operations
	Stream io.Reader // the body of StreamIn operations
}

// Response is what a codec fills in. Status and Header may be set before.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
	Stream io.ReadCloser // instead of Body for operations that answer a stream, of bytes or of events
	// Scratch is room that a codec may write Body into. It leaves there the room
	// it ended up with, which is used again once Body was sent.
	Scratch []byte
}

// SetHeader sets a header, making the map where there is none.
func (r *Response) SetHeader(name, value string) {
	if r.Header == nil {
		r.Header = make(http.Header, 8)
	}
	r.Header[http.CanonicalHeaderKey(name)] = []string{value}
}

// AddHeaders adds the given headers over the response's own.
func (r *Response) AddHeaders(h http.Header) {
	for name, values := range h {
		for i, v := range values {
			if i == 0 {
				r.SetHeader(name, v)
				continue
			}
			r.Header.Add(name, v)
		}
	}
}

// Direct is an output of which one part writes itself, as JSON: what is too much
// to be made a struct first and walked then. Only awsjson knows it.
type Direct interface {
	// Rest is a pointer to the output struct, without that part.
	Rest() any
	// AppendMembers appends further members, each with a comma before it.
	AppendMembers(dst []byte) []byte
}

// Mixed is an output of which some flattened lists are written as one, because
// their elements have an order together. Only restxml knows it.
type Mixed struct {
	Out any // a pointer to the output struct
	// Order names, for each element of those lists, the member that it is the
	// next element of.
	Order []string
}

// Codec speaks one protocol. Codecs are stateless and safe for concurrent use.
type Codec interface {
	// Decode fills in, a pointer to the operation's input struct, from req. What
	// the caller got wrong is a *fault.Fault with status 400.
	Decode(svc *smithy.Service, op *smithy.Operation, req *Request, in any) error
	// Encode writes out, a pointer to the operation's output struct (nil for an
	// empty one).
	Encode(svc *smithy.Service, op *smithy.Operation, out any, requestID string, resp *Response) error
	// EncodeFault writes a fault. The operation is nil when the request failed
	// before one was found.
	EncodeFault(svc *smithy.Service, op *smithy.Operation, f *fault.Fault, requestID string, resp *Response) error
}
