// Package functions is how a service invokes a function without knowing the
// lambda service: API Gateway's integrations and authorizers, S3's
// notifications, Cognito's triggers.
//
// The lambda service binds itself to the Broker when the server is put
// together. The package runs nothing itself.
package functions

import (
	"context"
	"errors"
	"sync/atomic"

	"moln.dev/moln/platform/identity"
)

// Kind is how an invocation is answered.
type Kind uint8

// Kinds of invocation.
const (
	Sync  Kind = iota // wait for the result
	Async             // queued durably; the answer says only that
)

// Request is one invocation on behalf of a service.
type Request struct {
	// Caller is judged against the function's resource policy (service
	// principals, with SourceARN) or by its own identity policies (roles).
	Caller identity.Principal
	// Account and Region are where the call comes from; RequestID is the
	// request that caused it, and Depth how many services it has passed.
	Account, Region, RequestID string
	Depth                      int
	// FunctionARN may carry a version or alias as its last part.
	FunctionARN string
	Payload     []byte
	Kind        Kind
	// Trace is the X-Amzn-Trace-Id header of the request that caused it, or "".
	// Loops are seen by it.
	Trace string
	// ClientContext is the base64 text of the X-Amz-Client-Context header.
	ClientContext string
	// Tenant is whose event it is, for functions that keep tenants apart.
	Tenant string
}

// Response is a synchronous invocation's result.
type Response struct {
	Payload []byte
	// FunctionError is "" or "Unhandled"/"Handled"; Payload is then the error
	// object {errorType, errorMessage, …}.
	FunctionError string
	Version       string
	RequestID     string
}

// Runner runs functions. Errors are *fault.Fault where the caller is to blame
// (no such function, denied, throttled).
type Runner interface {
	InvokeFunction(ctx context.Context, req Request) (Response, error)
}

// ErrNoRunner is returned while no lambda service is bound.
var ErrNoRunner = errors.New("functions: this server runs no functions")

// Broker hands invocations to the bound Runner. The zero value is ready.
type Broker struct {
	runner atomic.Pointer[Runner]
}

// Bind sets the runner; the last one wins.
func (b *Broker) Bind(r Runner) { b.runner.Store(&r) }

// Invoke runs a function as req.Caller.
func (b *Broker) Invoke(ctx context.Context, req Request) (Response, error) {
	r := b.runner.Load()
	if r == nil {
		return Response{}, ErrNoRunner
	}
	return (*r).InvokeFunction(ctx, req)
}
