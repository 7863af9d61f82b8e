package service

import (
	"context"
	"fmt"

	"moln.dev/moln/aws/smithy"
)

// Level says how much of an operation there is.
type Level uint8

// Levels of support.
const (
	LevelNone    Level = iota // answers an error that says so
	LevelPartial              // works except for what the note names
	LevelFull
)

// Row is one line of a service's operation table: an operation with its handler,
// or several operations that do not exist for one reason.
type Row[S any] struct {
	level Level
	note  string
	ops   []smithy.Descriptor
	call  func(s S, ctx context.Context, c *Call, in any) (any, error)
	reply func(s S, ctx context.Context, c *Call, in any) (any, error)
}

// Table lists every operation of a service's model exactly once.
type Table[S any] []Row[S]

// Handler is the form of every operation handler, as a method expression.
type Handler[S, In, Out any] func(s S, ctx context.Context, c *Call, in *In) (*Out, error)

// Full is a row for an operation that does all that AWS documents.
func Full[S, In, Out any](op smithy.Op[In, Out], h Handler[S, In, Out]) Row[S] {
	return row(LevelFull, "", op, h)
}

// Partial is a row for an operation that works except for what missing says.
func Partial[S, In, Out any](op smithy.Op[In, Out], h Handler[S, In, Out], missing string) Row[S] {
	return row(LevelPartial, missing, op, h)
}

// Direct gives a row a second handler, which answers clients on the wire with an
// output that writes itself (wire.Direct) or says how it is written (wire.Mixed).
// Calls from inside go on to get the struct.
func Direct[S, In, Out any](r Row[S], h func(s S, ctx context.Context, c *Call, in *In) (Out, error)) Row[S] {
	r.reply = func(s S, ctx context.Context, c *Call, in any) (any, error) {
		typed, ok := in.(*In)
		if !ok {
			return nil, fmt.Errorf("service: input is %T, want %T", in, typed)
		}
		return h(s, ctx, c, typed)
	}
	return r
}

// None is a row for operations that do not exist here, and why. The gateway
// answers them with NotImplemented in the service's protocol.
func None[S any](why string, ops ...smithy.Descriptor) Row[S] {
	return Row[S]{level: LevelNone, note: why, ops: ops}
}

func row[S, In, Out any](l Level, note string, op smithy.Op[In, Out], h Handler[S, In, Out]) Row[S] {
	return Row[S]{
		level: l, note: note, ops: []smithy.Descriptor{op},
		call: func(s S, ctx context.Context, c *Call, in any) (any, error) {
			typed, ok := in.(*In)
			if !ok {
				return nil, fmt.Errorf("service: input is %T, want %T", in, typed)
			}
			out, err := h(s, ctx, c, typed)
			if err != nil {
				return nil, err
			}
			if out == nil {
				out = new(Out)
			}
			return out, nil
		},
	}
}

// Operation is a row bound to its service value: what the gateway calls.
type Operation struct {
	smithy.Descriptor
	Level Level
	Note  string
	// Call runs the handler with a pointer to the operation's input; nil where
	// Level is LevelNone.
	Call func(ctx context.Context, c *Call, in any) (any, error)
	// Reply runs the handler that answers clients on the wire: Call, where the
	// row has no other.
	Reply func(ctx context.Context, c *Call, in any) (any, error)
}

// Bind gives the table's operations with s as their receiver, in table order.
func (t Table[S]) Bind(s S) []Operation {
	var out []Operation
	for _, r := range t {
		for _, d := range r.ops {
			op := Operation{Descriptor: d, Level: r.level, Note: r.note}
			if call := r.call; call != nil {
				op.Call = func(ctx context.Context, c *Call, in any) (any, error) {
					return call(s, ctx, c, in)
				}
				op.Reply = op.Call
			}
			if reply := r.reply; reply != nil {
				op.Reply = func(ctx context.Context, c *Call, in any) (any, error) {
					return reply(s, ctx, c, in)
				}
			}
			out = append(out, op)
		}
	}
	return out
}
