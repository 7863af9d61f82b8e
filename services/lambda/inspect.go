package lambda

import (
	"context"

	"moln.dev/moln/services/lambda/fn"
	"moln.dev/moln/services/lambda/run"
)

// Inspection is one event for a function with a debugger, for whoever
// administers this moln: nobody's policy is asked.
type Inspection struct {
	Account, Region, Function, Qualifier string
	Payload                              []byte
	ClientContext                        string // base64 of JSON
	// Address is where the debugger's client connects: a loopback address.
	Address string
}

// Inspected is what came of it.
type Inspected struct {
	Payload                           []byte
	FunctionError, Version, RequestID string
	LogTail                           string // base64
}

// Inspect invokes a function in an environment of its own, with the language's
// debugger open and waiting for a client.
func (s *Service) Inspect(ctx context.Context, i Inspection) (Inspected, error) {
	r, err := fn.ParseRef(fn.Place{Account: i.Account, Region: i.Region}, i.Function, i.Qualifier)
	if err != nil {
		return Inspected{}, err
	}
	inv := run.Invocation{Ref: r, RequestID: s.deps.Ident.UUID(), Payload: i.Payload, Tail: true}
	if err := inv.Normalise(i.ClientContext, false); err != nil {
		return Inspected{}, err
	}
	out, err := s.engine.Inspect(ctx, s.deps.System(r.Account, r.Region), inv, i.Address)
	return Inspected{Payload: out.Payload, FunctionError: out.FunctionError, Version: out.Version, RequestID: inv.RequestID, LogTail: out.Tail}, err
}
