// Package fault is the one error type that a caller of moln may see: an AWS
// error with its code, HTTP status, message and, where the model defines one, a
// structure of further members.
//
// Every other error is ours: the gateway logs it once with the request id and
// answers InternalFailure. Code that wants to test for a fault uses Is or
// errors.As. Faults carry no wire format; the codecs in wire/ write them in
// their protocol's form.
package fault

import (
	"errors"
	"fmt"
	"net/http"
)

// Fault is an error of the caller's making (or one that the model names).
type Fault struct {
	Code    string // as on the wire: "ResourceNotFoundException"
	Query   string // the awsQuery-compatible code where it differs, else ""
	Status  int    // HTTP status
	Sender  bool   // false only for faults of the service
	Message string
	// Body is the model's error structure (pointer) when it has members beyond
	// the message; the codec writes them beside it. Nil otherwise.
	Body any
	// Header is added to the HTTP response (Retry-After, x-amz-…). May be nil.
	Header http.Header
	// Why explains a denial to the operator, never to the caller: the audit
	// record keeps it.
	Why string
}

// New makes a fault of the caller's with HTTP status 400 unless status says
// otherwise.
func New(code string, status int, format string, args ...any) *Fault {
	msg := format
	if len(args) > 0 {
		msg = fmt.Sprintf(format, args...)
	}
	return &Fault{Code: code, Status: status, Sender: status < 500, Message: msg}
}

// Error returns "Code: message".
func (f *Fault) Error() string { return f.Code + ": " + f.Message }

// WithBody sets the model's error structure and returns f.
func (f *Fault) WithBody(body any) *Fault {
	f.Body = body
	return f
}

// As returns err as a fault, or nil when it is none.
func As(err error) *Fault {
	var f *Fault
	if errors.As(err, &f) {
		return f
	}
	return nil
}

// Is reports whether err is a fault with one of the codes.
func Is(err error, codes ...string) bool {
	f := As(err)
	if f == nil {
		return false
	}
	for _, c := range codes {
		if f.Code == c {
			return true
		}
	}
	return false
}

// Final reports whether err is a fault that stands however often the request is
// made: one of the sender's but throttling, or an operation that is not there.
func Final(err error) bool {
	f := As(err)
	if f == nil || f.Status == http.StatusTooManyRequests {
		return false
	}
	return f.Status < 500 || f.Status == http.StatusNotImplemented
}
